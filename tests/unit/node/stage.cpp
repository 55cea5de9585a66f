// SPDX-License-Identifier: MIT
#include "unit/node/stage.h"

#include <doctest/doctest.h>

#include <array>
#include <utility>

namespace stage {

using mrt::Instant;

mrt::Random::Seed seed(uint8_t byte) {
  mrt::Random::Seed out;
  out.fill(byte);
  return out;
}

mrt::NetworkKey secret(uint8_t byte) { return {mrt::Access::secret, mrt::Bytes(16, byte)}; }
mrt::Address local(uint16_t port) { return mrt::Address::v4(127, 0, 0, 1, port); }
/// Each on a host of its own.
mrt::Address remote(uint8_t host) { return mrt::Address::v4(10, 0, 0, host, 7700); }

Actor::Actor(Stage& stage, const mrt::Address& at) : stage_(stage), at_(at) { stage.add(*this); }

Actor::~Actor() { stage_.remove(*this); }

Instant Actor::now() const { return stage_.now(); }

size_t Stage::sent_to(const mrt::Address& address) const {
  const auto it = sent_.find(address);
  return it == sent_.end() ? 0 : it->second;
}

/// Everybody says what is to be said at this instant.
void Stage::settle() {
  std::vector<uint8_t> buffer(mrt::batch_bytes_max);
  for (bool busy = true; busy;) {
    busy = false;
    for (Actor* actor : actors_) {
      actor->take_events(now_);
      while (const auto batch = actor->poll_transmit(now_, buffer)) {
        busy = true;
        ++sent_[batch->path.remote];
        wire_.insert(
            {now_ + std::chrono::milliseconds(1),
             {{batch->path.remote, actor->at()},
              batch->segment_size,
              {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(batch->size)}}});
      }
      actor->take_events(now_);
    }
  }
}

void Stage::run(mrt::Duration time) {
  const Instant end = now_ + time;
  while (true) {
    settle();
    Instant next = wire_.empty() ? mrt::never : wire_.begin()->first;
    for (const Actor* actor : actors_) next = std::min(next, actor->next_timeout());
    if (next > end) break;
    now_ = std::max(now_, next);
    while (!wire_.empty() && wire_.begin()->first <= now_) {
      Batch batch = std::move(wire_.begin()->second);
      wire_.erase(wire_.begin());
      for (Actor* actor : actors_) {
        if (actor->at() == batch.path.local) {
          actor->on_datagrams(now_, batch.path, batch.segment_size, batch.bytes);
        }
      }
    }
    for (Actor* actor : actors_) {
      if (actor->next_timeout() <= now_) actor->on_timeout(now_);
    }
  }
  now_ = end;
}

static mrt::EndpointConfig endpoint_config(uint8_t identity, const mrt::NetworkKey& key) {
  mrt::EndpointConfig config;
  config.identity = seed(identity);
  config.network = "stage";
  config.network_key = key;
  config.only_cipher = mrt::Cipher::chacha20_poly1305;
  return config;
}

static node::NodeConfig node_config(const mrt::Address& at, uint8_t identity,
                                    const std::string& nick, const mrt::NetworkKey& key, bool host,
                                    const std::vector<mrt::Address>& rendezvous) {
  node::NodeConfig config;
  config.rendezvous = rendezvous;
  config.nick = nick;
  config.network = "stage";
  config.sockets = config.addresses = {at};
  config.host = host;
  config.endpoint = endpoint_config(identity, key);
  return config;
}

Honest::Honest(Stage& stage, const mrt::Address& at, uint8_t identity, const std::string& nick,
               const mrt::NetworkKey& key, bool host, const std::vector<mrt::Address>& rendezvous)
    : Actor(stage, at),
      node_(stage.now(), node_config(at, identity, nick, key, host, rendezvous), seed(identity)) {}

bool Honest::join(const mrt::Address& target, const std::optional<mrt::NetworkKey>& key) {
  static uint64_t commands = 0;
  const node::CommandId command{++commands};
  node_.join(now(), command, {target}, key);
  stage_.run(std::chrono::seconds(1));
  for (const auto& done : told<node::JoinDone>()) {
    if (done.command == command) return true;
  }
  return false;
}

void Honest::on_datagrams(Instant now, const mrt::Path& path, size_t segment_size,
                          mrt::MutableBytes bytes) {
  node_.on_datagrams(now, path, mrt::Ecn::not_ect, segment_size, bytes);
}

void Honest::take_events(Instant) {
  while (auto event = node_.poll_event()) events_.push_back(std::move(*event));
}

Hostile::Hostile(Stage& stage, const mrt::Address& at, uint8_t identity, const mrt::NetworkKey& key)
    : Actor(stage, at),
      identity_(seed(identity)),
      endpoint_(endpoint_config(identity, key), seed(identity)) {}

node::NodeId Hostile::id() const { return node::node_id_of(identity_.public_key()); }

node::Hello Hostile::hello(node::Purpose purpose) const {
  node::Hello out;
  out.purpose = purpose;
  out.network = "stage";
  out.node = id();
  out.key = identity_.public_key();
  out.incarnation = life();
  out.nick = "mallory";
  out.supernode = id();
  return out;
}

node::RosterEntry Hostile::entry() const {
  return {id(), life(), "mallory", {at()}, 0, 0, identity_.public_key()};
}

void Hostile::call(const mrt::Address& target) {
  const auto id = endpoint_.connect(now(), {at(), target});
  REQUIRE(id);
  current_ = *id;
  lines_[current_];
  stage_.run(std::chrono::milliseconds(50));
}

void Hostile::join(const mrt::Address& target) {
  call(target);
  say(hello(node::Purpose::join));
  stage_.run(std::chrono::milliseconds(200));
  REQUIRE(heard<node::Ready>().size() == 1);
  next_beat_ = now();
  on_timeout(now());
}

void Hostile::hang_up(mrt::CloseCode code) {
  endpoint_.close(now(), current_, code, "");
  next_beat_ = mrt::never;
}

void Hostile::on_timeout(Instant now) {
  endpoint_.on_timeout(now);
  if (now < next_beat_) return;
  next_beat_ = now + std::chrono::milliseconds(100);
  const auto welcome = heard<node::Welcome>();
  if (welcome.empty()) return;
  const node::Heartbeat beat{welcome.back().epoch, welcome.back().supernode, confirms_ ? word_ : 0,
                             late_ms_, unreached_};
  endpoint_.send_datagram(now, current_, node::encode(beat));
}

void Hostile::say(const Message& message) { say_bytes(node::encode_framed(message)); }

void Hostile::say_bytes(mrt::ByteView bytes) {
  mrt::Bytes& unsent = line().unsent;
  unsent.insert(unsent.end(), bytes.begin(), bytes.end());
  flush(current_);
}

bool Hostile::send_message(const mrt::Bytes& message) {
  return endpoint_.send_message(now(), current_, mrt::Priority::normal,
                                std::make_shared<const mrt::Bytes>(message));
}

void Hostile::flush(mrt::ConnectionId id) {
  mrt::Bytes& unsent = lines_.at(id).unsent;
  const size_t taken = endpoint_.write(now(), id, mrt::first_stream, unsent);
  unsent.erase(unsent.begin(), unsent.begin() + static_cast<std::ptrdiff_t>(taken));
}

void Hostile::on_datagrams(Instant now, const mrt::Path& path, size_t segment_size,
                           mrt::MutableBytes bytes) {
  endpoint_.on_datagrams(now, path, mrt::Ecn::not_ect, segment_size, bytes);
}

void Hostile::take_events(Instant now) {
  while (const auto event = endpoint_.poll_event()) {
    if (const auto* connected = std::get_if<mrt::Connected>(&*event)) {
      lines_[connected->connection];
      if (!connected->initiator && !is_called()) current_ = connected->connection;
    } else if (const auto* readable = std::get_if<mrt::Readable>(&*event)) {
      Line& line = lines_.at(readable->connection);
      std::array<uint8_t, 4096> buffer;
      while (const size_t size =
                 endpoint_.read(now, readable->connection, mrt::first_stream, buffer)) {
        line.reader.push(mrt::ByteView(buffer).first(size));
        while (const auto bytes = line.reader.next()) {
          if (auto message = node::decode(*bytes)) line.heard.push_back(std::move(*message));
        }
      }
    } else if (const auto* writable = std::get_if<mrt::Writable>(&*event)) {
      flush(writable->connection);
    } else if (auto* file = std::get_if<mrt::MessageReceived>(&*event)) {
      lines_.at(file->connection).files_heard.push_back(std::move(file->bytes));
    } else if (const auto* datagram = std::get_if<mrt::DatagramReceived>(&*event)) {
      const auto message = node::decode(datagram->bytes);
      if (message && std::holds_alternative<node::Heartbeat>(*message)) {
        word_ = std::get<node::Heartbeat>(*message).word;
        heartbeat_heard_ = std::get<node::Heartbeat>(*message);
      }
    } else if (const auto* closed = std::get_if<mrt::Closed>(&*event)) {
      lines_.at(closed->connection).closed = closed->code;
    }
  }
}

}  // namespace stage
