// SPDX-License-Identifier: MIT
#include "fuzz/star_world.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace fuzz {

using namespace node;
using namespace std::chrono_literals;
using mrt::Address;
using mrt::Bytes;
using mrt::ByteView;
using mrt::Duration;
using mrt::Instant;

namespace {

constexpr Duration link_delay = 2ms;
constexpr size_t wire_max = 4'096;
// Keep-alives of minutes of virtual time, and everything that a script can say in between.
constexpr size_t turns_max = 100'000;
// At one instant each turn ends something; a busy loop would not.
constexpr size_t turns_at_once_max = 1'000;

Address address_of(size_t host) {
  return Address::v4(10, 0, 0, static_cast<uint8_t>(host + 1), 7700);
}

}  // namespace

mrt::EndpointConfig StarWorld::endpoint_config(size_t host) const {
  mrt::EndpointConfig config;
  config.identity[0] = static_cast<uint8_t>(host + 1);
  config.network = "lab";
  config.network_key = {mrt::Access::secret, {'s'}};
  config.plain = !sealed_;
  config.only_cipher = mrt::Cipher::aes_128_gcm;
  config.mtu_bytes_max = 1'452;  // probes of large packets are another target's
  return config;
}

StarWorld::StarWorld(bool sealed) : sealed_(sealed) {
  for (size_t host = 0; host <= liar; ++host) {
    const mrt::Identity identity(endpoint_config(host).identity);
    keys_[host] = identity.public_key();
    gossip_.keys.push_back(identity.public_key());
    gossip_.addresses.push_back(address_of(host));
  }
  gossip_.addresses.push_back({});  // 0.0.0.0, and one that nobody has
  gossip_.addresses.push_back(Address::v4(203, 0, 113, 9, 9));
  liar_ = std::make_unique<mrt::Endpoint>(endpoint_config(liar), random_.fork());
  for (size_t seat = 0; seat < honest_count; ++seat) start(seat, seat == 0);
}

/// A new life; the one before, if any, was killed. Its disk stays.
void StarWorld::start(size_t seat, bool as_host) {
  Honest& one = honest_[seat];
  NodeConfig config;
  config.nick = "n" + std::to_string(seat);
  config.network = "lab";
  config.sockets = {address_of(seat)};
  config.addresses = {address_of(seat)};
  config.host = as_host;
  config.history = seat == 1 ? 5 : 0;
  config.endpoint = endpoint_config(seat);
  one.node = std::make_unique<Node>(now_, config, random_.fork());
  one.disk.crash();
  one.quit_at.reset();
  one.stopped = false;
  one.tells_heard.clear();
}

std::optional<size_t> StarWorld::seat_of(const NodeId& id) const {
  for (size_t seat = 0; seat < honest_count; ++seat)
    if (node_id_of(keys_[seat]) == id) return seat;
  return std::nullopt;
}

void StarWorld::step(mrt::Reader& script) {
  const uint8_t what = script.u8();
  const size_t seat = what >> 5 & 3;
  switch (what & 7) {
    case 0:
      wait(std::chrono::milliseconds(script.u8()) * (seat == 0 ? 20 : 1));
      break;
    case 1:
      if (seat < honest_count) command(seat, script);
      break;
    case 2:
      if (seat < honest_count) speak(seat, script);
      break;
    case 3:
      if (seat < honest_count) share(seat, script);
      break;
    case 4: {
      // These two do not hear each other, or do again.
      const std::pair<size_t, size_t> way{seat, script.u8() % (honest_count + 1)};
      if (!cuts_.insert(way).second) cuts_.erase(way);
      break;
    }
    default:
      lie(script);
  }
  pump();
}

void StarWorld::command(size_t seat, mrt::Reader& script) {
  const uint8_t how = script.u8();
  const CommandId id{++commands_};
  Honest& one = honest_[seat];
  const size_t other = script.u8() % (honest_count + 1);
  const std::string who = other == liar ? "liar" : "n" + std::to_string(other);
  if (how % 8 == 7) return start(seat, (how & 8) != 0);
  if (one.quit_at) return;
  switch (how % 8) {
    case 0:
    case 1:
      return one.node->join(now_, id, {gossip_.addresses[other]});
    case 2:
      return one.node->hand_over(now_, id, (how & 8) != 0 ? who : "");
    case 3:
      return one.node->ban(now_, id, who);
    case 4:
      one.quit_at = now_;
      return one.node->quit(now_, "enough");
    case 5:
      return one.node->allow(now_, id, gossip_.addresses[other]);
    default:
      return one.node->ask_roster();
  }
}

void StarWorld::speak(size_t seat, mrt::Reader& script) {
  const uint8_t how = script.u8();
  Honest& one = honest_[seat];
  if (one.quit_at) return;
  // No two texts are alike, so that one heard twice is seen.
  const std::string text = std::to_string(++texts_) + std::string(how % 8 * 100, 't');
  const size_t to = how >> 6;
  if ((how & 0x20) != 0) {
    one.told.insert(text);
    return one.node->tell(now_, CommandId{++commands_},
                          to == liar ? "liar" : "n" + std::to_string(to), text);
  }
  one.said.insert(text);
  one.node->chat(now_, CommandId{++commands_}, text);
}

void StarWorld::share(size_t seat, mrt::Reader& script) {
  const uint8_t how = script.u8();
  Honest& one = honest_[seat];
  if (one.quit_at) return;
  const size_t number = how % 4;
  const std::string name = "f" + std::to_string(number);
  const std::string path = "/shared/" + name;
  const CommandId id{++commands_};
  switch (how >> 4 & 3) {
    case 0:
      one.disk.put(path, Bytes(number * 40'000 + 1, static_cast<uint8_t>(number)));
      return one.node->offer(now_, id, path);
    case 1:
      return one.node->withdraw(now_, path);
    case 2:
      return one.node->download(now_, id, name);
    default:
      return one.node->cancel(now_, id, name);
  }
}

void StarWorld::on_event(size_t seat, const Event& event) {
  Honest& one = honest_[seat];
  CHECK(!one.stopped);  // Stopped is the last
  const NodeId liar_id = node_id_of(keys_[liar]);
  if (const auto* request = std::get_if<FileRequest>(&event)) {
    one.disk.on_request(now_, *request);
  } else if (const auto* role = std::get_if<RoleChanged>(&event)) {
    liar_led_ |= role->supernode == liar_id;
    gossip_.epoch = std::max(gossip_.epoch, role->epoch);
  } else if (const auto* chat = std::get_if<ChatDelivered>(&event)) {
    gossip_.seq = std::max(gossip_.seq, chat->place.seq);
    if (const auto from = seat_of(chat->from); from && !may_be_claimed())
      CHECK(honest_[*from].said.contains(chat->text));
  } else if (const auto* tell = std::get_if<TellDelivered>(&event)) {
    const auto from = seat_of(tell->from);
    if (!from || !sealed_) return;
    CHECK(honest_[*from].told.contains(tell->text));
    CHECK(one.tells_heard.insert({tell->text, *from}).second);
  } else if (const auto* received = std::get_if<FileReceived>(&event)) {
    const Bytes* content = one.disk.content(received->path);
    CHECK(content != nullptr && content->size() == received->size);
  } else if (std::holds_alternative<Stopped>(event)) {
    one.stopped = true;
  }
}

// -- Time and the network --

Instant StarWorld::next_due() const {
  Instant due = liar_->next_timeout();
  for (const Honest& one : honest_) {
    if (!one.stopped) due = std::min(due, one.node->next_timeout());
    due = std::min(due, one.disk.next_timeout());
  }
  for (const InFlight& datagram : wire_) due = std::min(due, datagram.at);
  return due;
}

void StarWorld::wait(Duration time) {
  const Instant until = now_ + time;
  for (size_t turns = 0;; ++turns) {
    CHECK(turns < turns_max);
    pump();
    const Instant next = next_due();
    if (next > until) break;
    now_ = std::max(now_, next);
  }
  now_ = until;
}

/// Everything that is due now; afterwards nothing is.
void StarWorld::pump() {
  for (size_t turns = 0;; ++turns) {
    CHECK(turns < turns_at_once_max);
    bool busy = liar_turn();
    for (size_t seat = 0; seat < honest_count; ++seat) busy |= turn(seat);
    while (!wire_.empty() && wire_.front().at <= now_) {
      InFlight datagram = std::move(wire_.front());
      wire_.pop_front();
      arrive(std::move(datagram));
      busy = true;
    }
    if (!busy) return;
  }
}

bool StarWorld::turn(size_t seat) {
  Honest& one = honest_[seat];
  bool busy = false;
  while (const auto result = one.disk.poll_result(now_)) {
    if (!one.stopped) one.node->on_file_result(now_, *result);
    busy = true;
  }
  if (one.stopped) return busy;
  if (one.node->next_timeout() <= now_) {
    one.node->on_timeout(now_);
    busy = true;
  }
  for (bool idle = false; !idle && !one.stopped;) {
    idle = true;
    while (const auto event = one.node->poll_event()) {
      on_event(seat, *event);
      idle = false;
    }
    if (const auto batch = one.node->poll_transmit(now_, buffer_)) {
      transmit(seat, *batch, ByteView(buffer_).first(batch->size));
      idle = false;
    }
    busy |= !idle;
  }
  CHECK(one.node->is_consistent());
  CHECK(!one.quit_at || one.stopped || now_ <= *one.quit_at + quit_time_max + 100ms);
  // What follows from what was done may be due at once; pump() sees that it comes to an end.
  return busy || (!one.stopped && one.node->next_timeout() <= now_);
}

void StarWorld::transmit(size_t from, const mrt::Transmit& batch, ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView packet = bytes.first(std::min(batch.segment_size, bytes.size()));
    bytes = bytes.subspan(packet.size());
    for (size_t to = 0; to <= liar; ++to) {
      if (address_of(to) != batch.path.remote || cuts_.contains({from, to})) continue;
      if (wire_.size() < wire_max)
        wire_.push_back({now_ + link_delay,
                         to,
                         {address_of(to), address_of(from)},
                         {packet.begin(), packet.end()}});
    }
  }
}

void StarWorld::arrive(InFlight datagram) {
  Bytes& bytes = datagram.bytes;
  if (datagram.to == liar) {
    liar_->on_datagrams(now_, datagram.path, mrt::Ecn::not_ect, bytes.size(), bytes);
  } else if (!honest_[datagram.to].stopped) {
    honest_[datagram.to].node->on_datagrams(now_, datagram.path, mrt::Ecn::not_ect, bytes.size(),
                                            bytes);
  }
}

void StarWorld::end() {
  wait(5s);
  for (Honest& one : honest_) {
    if (one.quit_at) continue;
    one.quit_at = now_;
    one.node->quit(now_, "the end");
  }
  wait(quit_time_max + 1s);
  for (const Honest& one : honest_) CHECK(one.stopped);
}

}  // namespace fuzz
