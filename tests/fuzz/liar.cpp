// SPDX-License-Identifier: MIT
//
// The one among the nodes that breaks the rules (star_world.h).
#include <algorithm>

#include "fuzz/star_world.h"
#include "mrt/base/check.h"
#include "node/file_message.h"

namespace fuzz {

using namespace node;
using mrt::Bytes;
using mrt::ByteView;
using mrt::ConnectionId;

namespace {

// What it heard and may say again.
constexpr size_t heard_max = 32;

Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

/// Some bytes are changed.
void change(Bytes& bytes, mrt::Reader& script) {
  for (size_t n = script.u8() % 4; n > 0 && !bytes.empty(); --n) {
    const size_t at = script.u8() % bytes.size();
    bytes[at] = static_cast<uint8_t>(bytes[at] ^ script.u8());
  }
}

}  // namespace

void StarWorld::lie(mrt::Reader& script) {
  const uint8_t how = script.u8();
  if (how % 8 == 0 || liar_links_.empty()) return call(how / 8 % honest_count, script);
  auto link = liar_links_.begin();
  std::advance(link, how / 8 % liar_links_.size());
  const ConnectionId id = link->first;
  switch (how % 8) {
    case 1:
    case 2:
      return say(id, encode(draw_message(script, gossip_)));
    case 3:
      return lead(id, script);
    case 4:
      return repeat(id, script);
    case 5:
      return lie_about_files(id, script);
    case 6: {
      const ByteView bytes = script.bytes(std::min<size_t>(script.u8() % 64, script.remaining()));
      if ((how & 0x40) != 0) {
        liar_->write(now_, id, mrt::first_stream, bytes);
      } else if ((how & 0x80) != 0) {
        liar_->send_datagram(now_, id, bytes);
      } else {
        liar_->send_datagram(now_, id, encode(draw_message(script, gossip_)));
      }
      return;
    }
    default:
      liar_->close(now_, id, mrt::CloseCode{0x100 + script.u8() % 6u}, "a lie");
  }
}

/// A member like any other at first: Hello, then whatever.
void StarWorld::call(size_t seat, mrt::Reader& script) {
  const auto id = liar_->connect(now_, {gossip_.addresses[liar], gossip_.addresses[seat]});
  if (!id) return;
  liar_links_.try_emplace(*id);
  const uint8_t how = script.u8();
  if (how % 4 == 0) return;
  Hello hello = how % 4 == 3 ? draw_hello(script, gossip_)
                             : own_hello(how % 4 == 1 ? Purpose::join : Purpose::meet);
  say(*id, encode(hello));
}

Hello StarWorld::own_hello(Purpose purpose) const {
  Hello hello;
  hello.purpose = purpose;
  hello.network = "lab";
  hello.key = keys_[liar];
  hello.node = node_id_of(hello.key);
  hello.incarnation = {1};
  hello.nick = "liar";
  hello.supernode = hello.node;
  hello.addresses = {gossip_.addresses[liar]};
  return hello;
}

/// It says that it is the supernode, to one that asked to join or did not.
void StarWorld::lead(ConnectionId id, mrt::Reader& script) {
  const uint8_t how = script.u8();
  if ((how & 1) != 0) {
    Hello hello = own_hello(Purpose::answer);
    hello.epoch.value = gossip_.epoch.value + how % 8;
    say(id, encode(hello));
  }
  const Epoch epoch{gossip_.epoch.value + how % 8};
  const NodeId self = node_id_of(keys_[liar]);
  Welcome welcome{epoch, self, "n9", gossip_.addresses[0], (how & 8) != 0, gossip_.seq};
  welcome.key = endpoint_config(liar).network_key;
  say(id, encode(welcome));
  RosterUpdate roster{epoch, self, RosterVersion{1}, true, true, {}, {}};
  for (size_t host = 0; host <= liar; ++host) {
    if ((how >> 4 & 1u << host) != 0) continue;
    RosterEntry entry;
    entry.key = keys_[host];
    entry.node = node_id_of(entry.key);
    entry.nick = "n" + std::to_string(host);
    entry.addresses = {gossip_.addresses[host]};
    entry.rank = host == liar ? 0 : static_cast<uint32_t>(host + 1);
    roster.entries.push_back(entry);
  }
  say(id, encode(roster));
  say(id, encode(StandingOffers{}));
  say(id, encode(Ready{epoch, gossip_.seq}));
}

void StarWorld::repeat(ConnectionId id, mrt::Reader& script) {
  if (liar_heard_.empty()) return;
  const uint8_t which = script.u8();
  Bytes message = liar_heard_[which % liar_heard_.size()];
  const auto heard = decode(message);
  const auto* placed = heard ? std::get_if<Ordered>(&*heard) : nullptr;
  if (placed && which % 2 == 1) message = encode(Carried{*placed});  // as if said elsewhere
  change(message, script);
  say(id, message);
}

void StarWorld::lie_about_files(ConnectionId id, mrt::Reader& script) {
  const uint8_t how = script.u8();
  // Hashes that somebody offers, as far as it heard of any.
  FileHash hash;
  const NodeId holder = node_id_of(keys_[how >> 2 & 3]);
  const uint64_t chunk = script.u8() % 4;
  if (const size_t heard = script.u8(); heard < liar_heard_.size()) {
    if (const auto message = decode(liar_heard_[heard])) {
      const auto* ordered = std::get_if<Ordered>(&*message);
      const auto offer = ordered ? decode_offer(ordered->body) : std::nullopt;
      if (offer) hash = offer->hash;
    }
  }
  Bytes message;
  if (how % 4 == 0) message = encode(Fetch{holder, hash, chunk, (how & 0x80) != 0});
  if (how % 4 == 1) message = encode(CancelFetch{holder, hash, chunk});
  if (how % 4 == 2)
    message = encode(
        FetchFailed{holder, hash, chunk, static_cast<FetchFault>(how >> 4 & fetch_fault_max)});
  if (how % 4 == 3) message = chunk_message(chunk_head(holder, hash, chunk), {}, 40'000);
  if ((how & 0x40) != 0) change(message, script);
  liar_->send_message(now_, id, mrt::Priority::bulk, std::make_shared<const Bytes>(message));
}

bool StarWorld::liar_turn() {
  bool busy = false;
  if (liar_->next_timeout() <= now_) liar_->on_timeout(now_);
  for (bool idle = false; !idle; busy |= !idle) {
    idle = true;
    while (const auto event = liar_->poll_event()) {
      idle = false;
      if (const auto* connected = std::get_if<mrt::Connected>(&*event)) {
        liar_links_.try_emplace(connected->connection);
      } else if (const auto* closed = std::get_if<mrt::Closed>(&*event)) {
        liar_links_.erase(closed->connection);
      } else if (const auto* readable = std::get_if<mrt::Readable>(&*event)) {
        hear(readable->connection);
      }
    }
    if (const auto batch = liar_->poll_transmit(now_, buffer_)) {
      transmit(liar, *batch, ByteView(buffer_).first(batch->size));
      idle = false;
    }
  }
  return busy;
}

void StarWorld::hear(ConnectionId id) {
  const auto link = liar_links_.find(id);
  if (link == liar_links_.end()) return;
  Bytes bytes(16 * 1024);
  while (const size_t size = liar_->read(now_, id, mrt::first_stream, bytes))
    link->second.reader.push(ByteView(bytes).first(size));
  while (const auto message = link->second.reader.next()) {
    CHECK(decode(*message));  // honest nodes say nothing that is malformed
    liar_heard_.push_back(copy(*message));
    if (liar_heard_.size() > heard_max) liar_heard_.pop_front();
  }
}

void StarWorld::say(ConnectionId id, ByteView message) {
  mrt::Builder out;
  out.sized_bytes(message);
  // Whoever called opens the stream; the other side writes to the same one.
  LiarLink& link = liar_links_[id];
  if (!link.opened) link.opened = liar_->open_stream(id, mrt::Priority::interactive).has_value();
  liar_->write(now_, id, mrt::first_stream, out.take());
}

}  // namespace fuzz
