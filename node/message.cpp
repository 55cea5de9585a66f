// SPDX-License-Identifier: MIT
#include "node/message.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "mrt/base/check.h"
#include "node/file_name.h"

namespace node {

using mrt::Bytes;
using mrt::ByteView;

namespace {

// Each message's fields are listed once, in visit(); a FieldWriter writes them and a
// FieldReader reads them, so that the two cannot differ.

class FieldWriter {
 public:
  explicit FieldWriter(mrt::Builder& out) : out_(out) {}

  void number(uint64_t value) { out_.varint(value); }
  void flag(bool value) { out_.u8(value ? 1 : 0); }
  template <class E>
  void choice(E value, E) {
    out_.u8(static_cast<uint8_t>(value));
  }
  template <class Tag>
  void field(mrt::Id<Tag> id) {
    out_.varint(id.value);
  }
  void field(Incarnation id) { out_.u64(id.value); }
  void field(const NodeId& id) { write_node_id(out_, id); }
  void field(const FileHash& hash) { out_.bytes(hash.bytes); }
  void field(const mrt::Address& address) { write_address(out_, address); }
  void field(const mrt::PublicKey& key) { out_.bytes(key); }
  void field(const mrt::Signature& signature) { out_.bytes(signature); }
  void field(const mrt::NetworkKey& key) {
    out_.u8(static_cast<uint8_t>(key.access));
    if (key.access == mrt::Access::secret) bytes(key.secret, secret_bytes_max);
  }
  void identity(const NodeId&, const mrt::PublicKey& key) { field(key); }
  void nick(const std::string& value) { text(value, nick_bytes_max); }
  void text(const std::string& value, size_t size_max) {
    CHECK(value.size() <= size_max);
    out_.sized_text(value);
  }
  void bytes(const Bytes& value, size_t size_max) {
    CHECK(value.size() <= size_max);
    out_.sized_bytes(value);
  }
  template <class T, class Each>
  void list(std::vector<T>& values, size_t count_max, Each each) {
    CHECK(values.size() <= count_max);
    out_.varint(values.size());
    for (T& value : values) each(value);
  }

 private:
  mrt::Builder& out_;
};

class FieldReader {
 public:
  explicit FieldReader(mrt::Reader& in) : in_(in) {}

  template <class T>
  void number(T& value) {
    const uint64_t read = in_.varint();
    if (!std::in_range<T>(read)) in_.fail();
    value = static_cast<T>(read);
  }
  void flag(bool& value) {
    const uint8_t read = in_.u8();
    if (read > 1) in_.fail();
    value = read == 1;
  }
  /// An enumeration that runs from 1 to `last`.
  template <class E>
  void choice(E& value, E last) {
    const uint8_t read = in_.u8();
    if (read < 1 || read > static_cast<uint8_t>(last)) in_.fail();
    value = static_cast<E>(read);
  }
  void field(Epoch& epoch) { number_up_to(epoch.value, epoch_max); }
  void field(Seq& seq) { number_up_to(seq.value, seq_max); }
  void field(RosterVersion& version) { number_up_to(version.value, seq_max); }
  void field(Incarnation& id) { id.value = in_.u64(); }
  void field(NodeId& id) { id = read_node_id(in_); }
  void field(FileHash& hash) { hash.bytes = in_.array<32>(); }
  void field(mrt::Address& address) { address = mrt::read_address(in_); }
  void field(mrt::PublicKey& key) { key = in_.array<32>(); }
  void field(mrt::Signature& signature) { signature = in_.array<64>(); }
  void field(mrt::NetworkKey& key) {
    const uint8_t access = in_.u8();
    if (access > static_cast<uint8_t>(mrt::Access::password)) in_.fail();
    key.access = static_cast<mrt::Access>(access);
    if (key.access != mrt::Access::secret) return;
    bytes(key.secret, secret_bytes_max);
    if (key.secret.empty()) in_.fail();
  }
  /// Who it is follows from the key: nobody can say one and mean the other.
  void identity(NodeId& node, mrt::PublicKey& key) {
    field(key);
    node = node_id_of(key);
  }
  void nick(std::string& value) {
    value = in_.sized_text(nick_bytes_max);
    if (!is_nick(value)) in_.fail();
  }
  void text(std::string& value, size_t size_max) {
    value = in_.sized_text(size_max);
    if (!is_utf8(value)) in_.fail();
  }
  void bytes(Bytes& value, size_t size_max) {
    const ByteView view = in_.sized_bytes(size_max);
    value.assign(view.begin(), view.end());
  }
  template <class T, class Each>
  void list(std::vector<T>& values, size_t count_max, Each each) {
    const uint64_t count = in_.varint();
    if (count > count_max) in_.fail();
    for (uint64_t i = 0; i < count && in_.ok(); ++i) each(values.emplace_back());
  }

 private:
  void number_up_to(uint64_t& value, uint64_t max) {
    value = in_.varint();
    if (value > max) in_.fail();
  }

  mrt::Reader& in_;
};

template <class F>
void visit_addresses(F& f, std::vector<mrt::Address>& addresses) {
  f.list(addresses, addresses_max, [&](mrt::Address& a) { f.field(a); });
}

template <class F>
void visit_mark(F& f, ViewMark& mark) {
  f.field(mark.epoch);
  f.field(mark.supernode);
  f.field(mark.life);
  f.field(mark.last);
}

template <class F>
void visit_line(F& f, std::vector<ViewMark>& line) {
  f.list(line, line_max, [&](ViewMark& mark) { visit_mark(f, mark); });
}

template <class F>
void visit(F& f, Hello& m) {
  f.choice(m.purpose, Purpose::answer);
  f.text(m.network, network_bytes_max);
  f.identity(m.node, m.key);
  f.field(m.incarnation);
  f.nick(m.nick);
  f.field(m.epoch);
  f.field(m.supernode);
  visit_line(f, m.line);
  f.number(m.star_size);
  f.number(m.history);
  visit_addresses(f, m.addresses);
}

template <class F>
void visit(F& f, Welcome& m) {
  f.field(m.epoch);
  f.field(m.supernode);
  f.nick(m.nick);
  f.field(m.observed);
  f.flag(m.resumed);
  f.field(m.delivered);
  f.field(m.key);
  visit_line(f, m.line);
  f.field(m.kept);
  f.flag(m.gathered);
  visit_mark(f, m.asked_in);
}

template <class F>
void visit(F& f, Redirect& m) {
  f.field(m.epoch);
  f.field(m.supernode);
  visit_addresses(f, m.addresses);
  f.field(m.key);
}

template <class F>
void visit(F& f, Refuse& m) {
  f.choice(m.code, RefuseCode::version);
  f.text(m.reason, reason_bytes_max);
}

template <class F>
void visit(F& f, RosterUpdate& m) {
  f.field(m.epoch);
  f.field(m.supernode);
  f.field(m.version);
  f.flag(m.full);
  f.flag(m.last);
  f.list(m.entries, roster_part_max, [&](RosterEntry& e) {
    f.identity(e.node, e.key);
    f.field(e.incarnation);
    f.nick(e.nick);
    visit_addresses(f, e.addresses);
    f.number(e.rank);
    f.number(e.rtt_us);
    f.flag(e.behind_nat);
    f.flag(e.cut_off);
    f.flag(e.symmetric);
  });
  f.list(m.removals, roster_part_max, [&](RosterRemoval& r) {
    f.field(r.node);
    f.choice(r.reason, GoneReason::refused);
  });
}

template <class F>
void visit(F& f, Offer& m) {
  f.text(m.name, file_name_bytes_max);
  f.number(m.size);
  f.field(m.hash);
}

template <class F>
void visit(F& f, StandingOffers& m) {
  f.flag(m.last);
  f.list(m.offers, offers_part_max, [&](HeldOffer& o) {
    f.field(o.holder);
    visit(f, o.offer);
  });
}

template <class F>
void visit(F& f, Ready& m) {
  f.field(m.epoch);
  f.field(m.seq);
}

template <class F>
void visit(F& f, Publish& m) {
  f.field(m.incarnation);
  f.number(m.number);
  f.choice(m.kind, BroadcastKind::withdraw);
  f.bytes(m.body, text_bytes_max);
  f.field(m.signature);
}

template <class F>
void visit(F& f, Ordered& m) {
  f.field(m.place.epoch);
  f.field(m.place.seq);
  f.identity(m.id.sender, m.key);
  f.field(m.id.incarnation);
  f.number(m.id.number);
  f.nick(m.nick);
  f.choice(m.kind, BroadcastKind::withdraw);
  f.bytes(m.body, text_bytes_max);
  f.field(m.signature);
}

template <class F>
void visit(F& f, Carried& m) {
  visit(f, m.message);
}

template <class F>
void visit(F& f, Reachable& m) {
  visit_addresses(f, m.addresses);
  f.list(m.mapped, mapped_max, [&](mrt::Address& a) { f.field(a); });
  f.flag(m.symmetric);
}

template <class F>
void visit(F& f, Holds& m) {
  f.field(m.epoch);
  f.field(m.seq);
}

template <class F>
void visit(F& f, Stable& m) {
  f.field(m.epoch);
  f.field(m.seq);
}

template <class F>
void visit(F& f, Tell& m) {
  f.field(m.from);
  f.field(m.to);
  f.number(m.number);
  f.field(m.ephemeral);
  f.bytes(m.sealed, sealed_tell_bytes_max);
}

template <class F>
void visit(F& f, TellResult& m) {
  f.field(m.from);
  f.field(m.to);
  f.number(m.number);
  f.flag(m.delivered);
}

template <class F>
void visit(F& f, Leave& m) {
  f.text(m.reason, reason_bytes_max);
}

template <class F>
void visit(F& f, SupernodeClose& m) {
  f.field(m.epoch);
  f.field(m.successor);
  visit_addresses(f, m.addresses);
  f.choice(m.reason, CloseReason::lost);
  f.field(m.final_seq);
  f.field(m.key);
}

template <class F>
void visit(F& f, Suspect& m) {
  f.field(m.epoch);
  f.list(m.silent, suspects_max, [&](NodeId& id) { f.field(id); });
}

template <class F>
void visit(F& f, Gather& m) {
  f.field(m.epoch);
  f.field(m.successor);
  f.choice(m.reason, CloseReason::lost);
}

template <class F>
void visit(F& f, Survivor& m) {
  f.field(m.next);
  f.field(m.epoch);
  f.field(m.supernode);
  f.field(m.life);
  f.field(m.delivered);
  f.field(m.held_from);
  f.list(m.pending, early_messages_max, [&](Publish& p) { visit(f, p); });
}

template <class F>
void visit(F& f, Want& m) {
  f.field(m.from);
  f.field(m.to);
}

template <class F>
void visit(F& f, Merge& m) {
  f.number(m.number);
  visit_addresses(f, m.targets);
  f.field(m.key);
}

template <class F>
void visit(F& f, MergeFailed& m) {
  f.number(m.number);
  f.flag(m.auth);
  f.text(m.reason, reason_bytes_max);
}

template <class F>
void visit(F& f, Heartbeat& m) {
  f.field(m.epoch);
  f.field(m.supernode);
  f.number(m.word);
  f.number(m.late_ms);
  f.list(m.unreached, unreached_max, [&](NodeId& id) { f.field(id); });
}

template <class F>
void visit(F& f, Introduce& m) {
  f.field(m.node);
  visit_addresses(f, m.addresses);
}

// A message's type byte is its place in the variant plus one: WIRE.md 6.3 lists them.
template <size_t I = 0>
bool read_type(uint8_t type, mrt::Reader& in, Message& out) {
  if constexpr (I < std::variant_size_v<Message>) {
    if (type != I + 1) return read_type<I + 1>(type, in, out);
    FieldReader fields(in);
    visit(fields, out.emplace<I>());
    return in.done();
  } else {
    return false;
  }
}

void write(mrt::Builder& out, const Message& message) {
  out.u8(static_cast<uint8_t>(message.index() + 1));
  FieldWriter fields(out);
  // visit() takes its message mutable, for the reader's sake; the writer changes nothing.
  std::visit([&](const auto& m) { visit(fields, const_cast<std::decay_t<decltype(m)>&>(m)); },
             message);
}

}  // namespace

Bytes encode(const Message& message) {
  mrt::Builder out;
  write(out, message);
  return out.take();
}

Bytes encode_framed(const Message& message) {
  const Bytes body = encode(message);
  CHECK(body.size() <= message_bytes_max);
  mrt::Builder out;
  out.sized_bytes(body);
  return out.take();
}

std::optional<Message> decode(ByteView bytes) {
  mrt::Reader in(bytes);
  const uint8_t type = in.u8();
  Message out;
  if (!in.ok() || !read_type(type, in, out)) return std::nullopt;
  return out;
}

Bytes encode_offer(const Offer& offer) {
  mrt::Builder out;
  FieldWriter fields(out);
  Offer copy = offer;
  visit(fields, copy);
  return out.take();
}

std::optional<Offer> decode_offer(ByteView bytes) {
  mrt::Reader in(bytes);
  FieldReader fields(in);
  Offer out;
  visit(fields, out);
  if (!in.done() || !is_file_name(out.name)) return std::nullopt;
  return out;
}

bool is_nick(std::string_view text) {
  if (text.empty() || !is_utf8(text)) return false;
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xc0) != 0x80) ++characters;
    if (byte <= 0x20 || byte == 0x7f) return false;
    // C1 controls are U+0080 to U+009F; U+00A0 is a space that does not break.
    if (byte == 0xc2 && static_cast<uint8_t>(text[i + 1]) <= 0xa0) return false;
  }
  return characters <= 32;
}

void MessageReader::push(ByteView bytes) {
  if (begin_ > 0) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

std::optional<ByteView> MessageReader::next() {
  if (failed_) return std::nullopt;
  const ByteView unread = ByteView(buffer_).subspan(begin_);
  mrt::Reader in(unread);
  const uint64_t size = in.varint();
  if (!in.ok()) return std::nullopt;
  if (size > message_bytes_max) {
    failed_ = true;
    return std::nullopt;
  }
  if (in.remaining() < size) return std::nullopt;
  begin_ += unread.size() - in.remaining() + static_cast<size_t>(size);
  return in.bytes(static_cast<size_t>(size));
}

std::vector<mrt::Address> said_addresses(const Reachable& reach) {
  std::vector<mrt::Address> out = reach.addresses;
  out.insert(out.end(), reach.mapped.begin(), reach.mapped.end());
  return out;
}

bool is_sound(BroadcastKind kind, const mrt::Bytes& body) {
  return kind == BroadcastKind::chat ? is_utf8(mrt::as_text(body)) : decode_offer(body).has_value();
}

bool is_sound(const Survivor& survivor) {
  size_t bytes = 0;
  for (const Publish& pending : survivor.pending) {
    bytes += pending.body.size();
    if (pending.number == 0 || !is_sound(pending.kind, pending.body)) return false;
  }
  return bytes <= early_bytes_max;
}

}  // namespace node
