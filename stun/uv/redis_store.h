// SPDX-License-Identifier: MIT
//
// A Redis server in which rendezvous servers share their tables, as the driver of a
// RendezvousReplica: connects, shows its password, carries commands and replies, and connects again
// after pauses that grow. It knows nothing of what is said.
//
// 1. The loop never waits: names are resolved beside it.
// 2. Both connections or none: when one is lost the other is closed.
// 3. The password is in no text that it gives out.
#pragma once

#include <uv.h>

#include <functional>
#include <string>
#include <vector>

#include "stun/rendezvous_replica.h"
#include "stun/uv/redis_line.h"

namespace stun::uv {

struct RedisServer {
  std::string host;
  uint16_t port = 6379;
  std::string user;      // empty: the default one
  std::string password;  // empty: none is shown
  unsigned database = 0;
  /// HOST:PORT, for people.
  std::string name() const;
  bool operator==(const RedisServer&) const = default;
};

class RedisStore {
 public:
  // For the name, and then for each of its addresses: the first may be silent.
  static constexpr uint64_t connect_ms_max = 5'000;
  // A restart takes less; one that is away for long is found again within a quarter of a minute.
  static constexpr uint64_t pause_ms_first = 250;
  static constexpr uint64_t pause_ms_max = 15'000;
  // What is lost sooner is no better than what was never there: the pause goes on growing.
  static constexpr uint64_t steady_ms = 10'000;

  struct Actions {
    std::function<void(bool near)> on_up;
    std::function<void(StoreLine, const StoreReply&)> on_reply;
    /// It was lost, or an attempt has failed.
    std::function<void(const std::string& why)> on_down;
  };

  /// Begins.
  RedisStore(uv_loop_t* loop, RedisServer server, Actions actions);
  ~RedisStore();
  RedisStore(const RedisStore&) = delete;
  RedisStore& operator=(const RedisStore&) = delete;

  /// REQUIRES: it is up.
  void send(const StoreCommand& command);
  /// As if it had been lost.
  void give_up(const std::string& why) { lose(why); }
  /// The resolver cannot be broken off: until it is done the loop does not run empty.
  bool is_busy() const { return resolving_ != nullptr; }

 private:
  struct Resolving;
  static constexpr size_t lines_count = 2;

  static void on_resolved(uv_getaddrinfo_t* request, int error, addrinfo* first);

  void await_answer();
  void resolve();
  void connect();
  void on_connected(size_t line);
  void on_reply(size_t line, const StoreReply& reply);
  void lose(const std::string& why);
  void close_lines();
  void arm(uint64_t milliseconds, void (*due)(RedisStore&));

  uv_loop_t* loop_;
  RedisServer server_;
  Actions actions_;
  uv_timer_t* timer_;
  void (*due_)(RedisStore&) = nullptr;
  Resolving* resolving_ = nullptr;
  std::vector<mrt::Address> addresses_;  // of the name, those that are still to be tried
  RedisLine* lines_[lines_count] = {};
  size_t greetings_[lines_count] = {};  // replies that come before a line is ready
  size_t ready_ = 0;                    // lines
  bool trying_ = false;                 // not pausing, and not up
  uint64_t up_at_ = 0;                  // uv_now()
  uint64_t pause_ms_ = pause_ms_first;
};

}  // namespace stun::uv
