// SPDX-License-Identifier: MIT
#include "fuzz/message_draw.h"

#include <algorithm>
#include <concepts>
#include <utility>

namespace fuzz {

using namespace node;

namespace {

// The last of each enumeration that begins with 1.
uint8_t last_of(Purpose) { return static_cast<uint8_t>(Purpose::answer); }
uint8_t last_of(BroadcastKind) { return static_cast<uint8_t>(BroadcastKind::withdraw); }
uint8_t last_of(RefuseCode) { return static_cast<uint8_t>(RefuseCode::version); }
uint8_t last_of(CloseReason) { return static_cast<uint8_t>(CloseReason::lost); }
uint8_t last_of(GoneReason) { return static_cast<uint8_t>(GoneReason::refused); }

class Draw {
 public:
  Draw(mrt::Reader& script, const Gossip& gossip) : script_(script), gossip_(gossip) {}

  template <class... Fields>
  void all(Fields&... fields) {
    (one(fields), ...);
  }

  void one(bool& value) { value = script_.u8() % 2 == 1; }
  void one(uint32_t& value) { value = script_.u8(); }
  void one(uint64_t& value) { value = near(0); }
  void one(Epoch& value) { value.value = near(gossip_.epoch.value) % epoch_max; }
  void one(Seq& value) { value.value = near(gossip_.seq.value) % seq_max; }
  void one(RosterVersion& value) { value.value = near(1); }
  void one(Incarnation& value) { value.value = script_.u8(); }
  void one(std::string& value) {
    const auto text = mrt::as_text(some_bytes());
    value = is_utf8_start(text) ? std::string(text) : "x";
  }
  void one(mrt::Bytes& value) {
    const auto bytes = some_bytes();
    value.assign(bytes.begin(), bytes.end());
  }
  void one(mrt::PublicKey& value) {
    const uint8_t which = script_.u8();
    if (which < gossip_.keys.size()) {
      value = gossip_.keys[which];
    } else {
      value.fill(which);
    }
  }
  void one(NodeId& value) {
    mrt::PublicKey key;
    one(key);
    value = node_id_of(key);
  }
  void one(mrt::Address& value) {
    value = gossip_.addresses[script_.u8() % gossip_.addresses.size()];
  }
  void one(mrt::NetworkKey& value) {
    value.access = static_cast<mrt::Access>(script_.u8() % 3);
    if (value.access == mrt::Access::secret) value.secret = {script_.u8()};
  }
  void one(FileHash& value) { value.bytes.fill(script_.u8()); }
  void one(Offer& value) { all(value.name, value.size, value.hash); }
  void one(HeldOffer& value) { all(value.holder, value.offer); }
  void one(ViewMark& value) { all(value.epoch, value.supernode, value.life, value.last); }
  void one(Place& value) { all(value.epoch, value.seq); }
  void one(RosterRemoval& value) { all(value.node, value.reason); }
  void one(RosterEntry& value) {
    all(value.key, value.incarnation, value.nick, value.addresses, value.rank, value.rtt_us,
        value.behind_nat, value.cut_off, value.symmetric);
    value.node = node_id_of(value.key);
  }
  template <class E>
  requires std::is_enum_v<E>
  void one(E& value) { value = static_cast<E>(1 + script_.u8() % last_of(E{})); }
  template <class T>
  void one(std::vector<T>& values) {
    values.resize(script_.u8() % 4);
    for (T& value : values) one(value);
  }

  void one(Hello& m) {
    all(m.purpose, m.network, m.key, m.incarnation, m.nick, m.epoch, m.supernode, m.line,
        m.star_size, m.history, m.addresses);
    m.node = node_id_of(m.key);
  }
  void one(Welcome& m) {
    all(m.epoch, m.supernode, m.nick, m.observed, m.resumed, m.delivered, m.key, m.line, m.kept,
        m.gathered, m.asked_in);
  }
  void one(Redirect& m) { all(m.epoch, m.supernode, m.addresses, m.key); }
  void one(Refuse& m) { all(m.code, m.reason); }
  void one(RosterUpdate& m) {
    all(m.epoch, m.supernode, m.version, m.full, m.last, m.entries, m.removals);
  }
  void one(StandingOffers& m) { all(m.last, m.offers); }
  void one(Ready& m) { all(m.epoch, m.seq); }
  // What is truly signed is said by those who repeat it (liar.cpp).
  void one(Publish& m) { all(m.incarnation, m.number, m.kind, m.body); }
  void one(Ordered& m) {
    all(m.place, m.key, m.id.incarnation, m.id.number, m.nick, m.kind, m.body);
    m.id.sender = node_id_of(m.key);
  }
  void one(Carried& m) { one(m.message); }
  void one(Holds& m) { all(m.epoch, m.seq); }
  void one(Stable& m) { all(m.epoch, m.seq); }
  void one(Tell& m) { all(m.from, m.to, m.number, m.ephemeral, m.sealed); }
  void one(TellResult& m) { all(m.from, m.to, m.number, m.delivered); }
  void one(Leave& m) { all(m.reason); }
  void one(SupernodeClose& m) {
    all(m.epoch, m.successor, m.addresses, m.reason, m.final_seq, m.key);
  }
  void one(Suspect& m) { all(m.epoch, m.silent); }
  void one(Gather& m) { all(m.epoch, m.successor, m.reason); }
  void one(Survivor& m) {
    all(m.next, m.epoch, m.supernode, m.life, m.delivered, m.held_from, m.pending);
  }
  void one(Want& m) { all(m.from, m.to); }
  void one(Merge& m) { all(m.number, m.targets, m.key); }
  void one(MergeFailed& m) { all(m.number, m.auth, m.reason); }
  void one(Introduce& m) { all(m.node, m.addresses); }
  void one(Reachable& m) {
    all(m.addresses, m.mapped, m.symmetric);
    m.mapped.resize(std::min(m.mapped.size(), mapped_max));
  }
  void one(Heartbeat& m) { all(m.epoch, m.supernode, m.word, m.late_ms, m.unreached); }

 private:
  /// A number a little above or below, or far away.
  uint64_t near(uint64_t value) {
    const uint8_t draw = script_.u8();
    if (draw < 0x80) return value + draw % 16;
    if (draw < 0xc0) return value - std::min<uint64_t>(value, draw % 16);
    if (draw < 0xe0) return uint64_t{1} << (draw % 32 * 2 % 62);
    return mrt::varint_max - draw % 4;
  }
  mrt::ByteView some_bytes() {
    return script_.bytes(std::min<size_t>(script_.u8() % 32, script_.remaining()));
  }
  static bool is_utf8_start(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  }

  mrt::Reader& script_;
  const Gossip& gossip_;
};

template <size_t... I>
Message of_type(size_t type, Draw& draw, std::index_sequence<I...>) {
  Message out;
  ((type == I ? draw.one(out.emplace<I>()) : void()), ...);
  return out;
}

}  // namespace

Message draw_message(mrt::Reader& script, const Gossip& gossip) {
  constexpr size_t types = std::variant_size_v<Message>;
  const size_t type = script.u8() % types;
  Draw draw(script, gossip);
  return of_type(type, draw, std::make_index_sequence<types>());
}

Hello draw_hello(mrt::Reader& script, const Gossip& gossip) {
  Hello hello;
  Draw(script, gossip).one(hello);
  return hello;
}

}  // namespace fuzz
