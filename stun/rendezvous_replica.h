// SPDX-License-Identifier: MIT
//
// Keeps the tables of several rendezvous servers alike by way of a store, a Redis server: what it
// says to the store and hears from it, as values (WIRE.md 9.9). It knows no sockets, and not where
// the store is; a driver brings it up and down.
//
//   this server --- SET, PUBLISH ---> store --- message ---> the others
//   at the start:   SCAN, GETRANGE, PTTL of all that is there
//
// 1. Who looks is answered from the server's own table: nobody waits for the store.
// 2. What the store says is hostile: anybody may have written it. A registration is taken only with
//    its network's signature, an introduction only for who is registered here.
// 3. In each step of step_interval so many records are checked and so many are told, whatever
//    waits: between two steps the loop is free for those who ask. Those that the table has byte for
//    byte are taken as they come: they cost microseconds and are most of all, since each that lives
//    is told again every quarter of a minute.
// 4. What waits is bounded: beyond it records that come are dropped, and come again while they
//    live; those that go wait in the table.
#pragma once

#include <variant>

#include "stun/rendezvous_server.h"

namespace stun {

/// Two connections: one that has subscribed can ask for nothing else (RESP2).
enum class StoreLine : uint8_t { commands, messages };

struct StoreCommand {
  StoreLine line = StoreLine::commands;
  std::vector<std::string> words;
};
struct StoreReply {
  enum class Kind : uint8_t { nothing, text, number, list, error };
  Kind kind = Kind::nothing;
  std::string text;
  int64_t number = 0;
  std::vector<StoreReply> list;
};

/// All that the store had is in the table.
struct StoreLoaded {};
/// It does not do what it is told; once while it is up.
struct StoreRefused {
  std::string why;
};
/// It has answered nothing for silence_max: it may as well be gone.
struct StoreSilent {};
using StoreEvent = std::variant<StoreCommand, StoreLoaded, StoreRefused, StoreSilent>;

class RendezvousReplica {
 public:
  // Checking sixteen signatures takes 1.3 ms: an answer waits no longer for it, and 100,000
  // networks are taken in a quarter of a minute.
  static constexpr size_t records_per_step = 16;
  static constexpr mrt::Duration step_interval = std::chrono::milliseconds(2);
  // Two seconds of steps; some 5 MB.
  static constexpr size_t unchecked_max = 16'384;
  // One turn of the store is worth more than one record, and no more than a second's.
  static constexpr size_t unanswered_max = 1'024;
  static constexpr mrt::Duration ping_interval = std::chrono::seconds(4);
  static constexpr mrt::Duration silence_max = std::chrono::seconds(10);

  /// `database`: channels are one namespace for all databases of a store, keys are not.
  RendezvousReplica(const InstanceId& own, unsigned database);

  /// Both connections are made. `near`: the store is on this host.
  void on_up(mrt::Instant now, bool near);
  void on_down(RendezvousServer& server);
  void on_reply(mrt::Instant now, StoreLine line, const StoreReply& reply,
                RendezvousServer& server);
  void on_timeout(mrt::Instant now, RendezvousServer& server);
  std::optional<StoreEvent> poll_event();
  mrt::Instant next_timeout(const RendezvousServer& server) const;
  bool is_consistent() const { return unchecked_.size() <= unchecked_max; }

  /// What could not be read, or found no room.
  uint64_t dropped() const { return dropped_; }

 private:
  /// What the next reply on the line of commands answers.
  enum class Awaited : uint8_t { nothing, page, record, life };

  void on_answer(mrt::Instant now, const StoreReply& reply, RendezvousServer& server);
  void on_message(mrt::Instant now, const StoreReply& reply, RendezvousServer& server);
  void on_page(const StoreReply& reply);
  void hear(mrt::Instant now, const std::string& text, int64_t life_ms_max,
            RendezvousServer& server);
  void load_more();
  void step(mrt::Instant now, RendezvousServer& server);
  void tell(const RendezvousRecord& record);
  void ask(Awaited awaited, std::vector<std::string> words);
  void refused(const StoreReply& reply);
  bool has_work(const RendezvousServer& server) const;

  std::string own_channel_, records_channel_, channel_prefix_;
  bool up_ = false;
  bool near_ = false;
  bool subscribed_ = false;
  bool refusal_told_ = false;
  std::optional<std::string> cursor_;  // of the next page; nothing once all were asked for
  bool loading_ = false;
  size_t page_left_ = 0;     // replies of this page that are still to come
  std::string record_text_;  // its life comes next
  std::deque<Awaited> awaited_;
  std::deque<RendezvousRecord> unchecked_;
  std::deque<StoreEvent> events_;
  mrt::Instant stepped_at_{};
  mrt::Instant ping_at_ = mrt::never;
  std::array<mrt::Instant, 2> heard_at_{};  // by line
  uint64_t dropped_ = 0;
};

}  // namespace stun
