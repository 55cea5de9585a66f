// SPDX-License-Identifier: MIT
//
// Nodes, and endpoints that say what they like to them, on one wire of a millisecond in virtual
// time. For tests of what a node makes of neighbours that break the rules: the simulator (node/sim)
// knows only honest ones.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mrt/endpoint.h"
#include "node/node.h"

namespace stage {

using node::Message;

mrt::Random::Seed seed(uint8_t byte);
/// The network's secret, unless a test wants another key.
mrt::NetworkKey secret(uint8_t byte = 9);
/// One host, on which ports tell all apart; and a host for each.
mrt::Address local(uint16_t port);
mrt::Address remote(uint8_t host);

class Stage;

/// Something with an address, driven by a Stage.
class Actor {
 public:
  Actor(Stage& stage, const mrt::Address& at);
  virtual ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  const mrt::Address& at() const { return at_; }

  virtual void on_datagrams(mrt::Instant now, const mrt::Path& path, size_t segment_size,
                            mrt::MutableBytes bytes) = 0;
  virtual void on_timeout(mrt::Instant now) = 0;
  virtual std::optional<mrt::Transmit> poll_transmit(mrt::Instant now,
                                                     mrt::MutableBytes buffer) = 0;
  virtual void take_events(mrt::Instant now) = 0;
  virtual mrt::Instant next_timeout() const = 0;

 protected:
  mrt::Instant now() const;
  Stage& stage_;

 private:
  mrt::Address at_;
};

class Stage {
 public:
  void add(Actor& actor) { actors_.push_back(&actor); }
  void remove(Actor& actor) { std::erase(actors_, &actor); }
  void run(mrt::Duration time);
  mrt::Instant now() const { return now_; }
  /// Datagrams that went to an address, whether or not somebody is there.
  size_t sent_to(const mrt::Address& address) const;

 private:
  struct Batch {
    mrt::Path path;  // as the receiver sees it
    size_t segment_size;
    mrt::Bytes bytes;
  };

  void settle();

  mrt::Instant now_{std::chrono::seconds(1)};
  std::vector<Actor*> actors_;
  std::multimap<mrt::Instant, Batch> wire_;
  std::map<mrt::Address, size_t> sent_;
};

/// A node, and what it told.
class Honest final : public Actor {
 public:
  Honest(Stage& stage, const mrt::Address& at, uint8_t identity, const std::string& nick,
         const mrt::NetworkKey& key = secret(), bool host = false,
         const std::vector<mrt::Address>& rendezvous = {});

  node::Node* operator->() { return &node_; }
  /// Joins, and waits a second; whether it is in a star then.
  bool join(const mrt::Address& target, const std::optional<mrt::NetworkKey>& key = std::nullopt);
  template <class T>
  std::vector<T> told() const {
    std::vector<T> out;
    for (const node::Event& event : events_) {
      if (const auto* e = std::get_if<T>(&event)) out.push_back(*e);
    }
    return out;
  }
  void forget() { events_.clear(); }

  void on_datagrams(mrt::Instant now, const mrt::Path& path, size_t segment_size,
                    mrt::MutableBytes bytes) override;
  void on_timeout(mrt::Instant now) override { node_.on_timeout(now); }
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer) override {
    return node_.poll_transmit(now, buffer);
  }
  void take_events(mrt::Instant now) override;
  mrt::Instant next_timeout() const override { return node_.next_timeout(); }

 private:
  node::Node node_;
  std::vector<node::Event> events_;
};

/// An endpoint with an identity, that says what it is told to.
class Hostile final : public Actor {
 public:
  struct Line {
    node::MessageReader reader;
    std::vector<Message> heard;
    std::vector<mrt::Bytes> files_heard;  // messages about files
    mrt::Bytes unsent;
    std::optional<mrt::CloseCode> closed;
  };

  Hostile(Stage& stage, const mrt::Address& at, uint8_t identity,
          const mrt::NetworkKey& key = secret());

  node::NodeId id() const;
  const mrt::Identity& identity() const { return identity_; }
  node::Incarnation life() const { return {id().bytes[0] + uint64_t{1}}; }
  /// The Hello that an honest newcomer would say.
  node::Hello hello(node::Purpose purpose) const;
  node::RosterEntry entry() const;

  /// Connects; what it says goes there from now on.
  void call(const mrt::Address& target);
  /// Connects and comes in as a member, which it shows to be alive from then on.
  void join(const mrt::Address& target);
  /// Closes the connection; what was said may be lost.
  void hang_up(mrt::CloseCode code);
  /// The next one who calls is spoken to.
  void wait_for_call() { current_ = {}; }
  /// To the last one who was called, or the one who called.
  void say(const Message& message);
  void say_bytes(mrt::ByteView bytes);
  bool send_message(const mrt::Bytes& message);

  Line& line() { return lines_.at(current_); }
  bool is_called() const { return current_ != mrt::ConnectionId{}; }
  template <class T>
  std::vector<T> heard() {
    std::vector<T> out;
    for (const Message& message : line().heard) {
      if (const auto* m = std::get_if<T>(&message)) out.push_back(*m);
    }
    return out;
  }
  /// As a member: says with its keep-alives that it follows whom it joined, or only that it lives.
  void confirm(bool does) { confirms_ = does; }
  /// And that its timers are late.
  void lag(mrt::Duration late) { late_ms_ = static_cast<uint64_t>(mrt::to_ms(late)); }
  /// And to whom it finds no way.
  void miss(const std::vector<node::NodeId>& nodes) { unreached_ = nodes; }
  const node::Heartbeat& heartbeat_heard() const { return heartbeat_heard_; }
  bool is_closed_for_violation() { return line().closed == mrt::CloseCode{0x104}; }

  void on_datagrams(mrt::Instant now, const mrt::Path& path, size_t segment_size,
                    mrt::MutableBytes bytes) override;
  void on_timeout(mrt::Instant now) override;
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer) override {
    return endpoint_.poll_transmit(now, buffer);
  }
  void take_events(mrt::Instant now) override;
  mrt::Instant next_timeout() const override {
    return std::min(endpoint_.next_timeout(), next_beat_);
  }

 private:
  void flush(mrt::ConnectionId id);

  mrt::Identity identity_;
  mrt::Endpoint endpoint_;
  mrt::ConnectionId current_;
  mrt::Instant next_beat_ = mrt::never;
  bool confirms_ = true;
  uint64_t late_ms_ = 0;
  std::vector<node::NodeId> unreached_;
  node::Heartbeat heartbeat_heard_;
  uint64_t word_ = 0;  // the last one that its supernode asked for
  std::map<mrt::ConnectionId, Line> lines_;
};

}  // namespace stage
