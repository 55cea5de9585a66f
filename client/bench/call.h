// SPDX-License-Identifier: MIT
//
// The calling side of a bench: one connection to `bench serve`, from its first RCON to its end.
// What is sent on it is left to who derives from it, in send.cpp and ping.cpp.
//
// 1. It ends in exactly one way: done(), or a fault.
// 2. An interrupt ends it at once; the other side is told with one packet.
#pragma once

#include <optional>
#include <variant>

#include "client/bench/report.h"
#include "client/bench/run.h"

namespace client {

class BenchCall : public BenchRole {
 public:
  void on_event(BenchRun& run, mrt::Instant now, mrt::Event& event) final;
  void on_turn(BenchRun& run) override;
  void on_interrupt(BenchRun& run, int signal) final;

 protected:
  explicit BenchCall(const BenchOptions& options) : options_(options) {}

  /// Calls, and returns when it is done; the fault, if it ended with one.
  std::optional<BenchFault> call(const mrt::Address& peer);
  /// The counters as they stand: before done().
  BenchLink link(BenchRun& run) const;
  void done(BenchRun& run);
  void fail(BenchRun& run, BenchFault fault);

  /// The connection is there.
  virtual void on_connected(BenchRun& run, mrt::Instant now) = 0;
  /// Any event of it after that.
  virtual void on_news(BenchRun& run, mrt::Instant now, const mrt::Event& event) = 0;
  /// For timers: before the first packet, and when the loop is about to go.
  virtual void on_begin(BenchRun&) {}
  virtual void on_end() {}

  const BenchOptions& options_;
  mrt::ConnectionId id_{};
  mrt::Instant begin_{};  // of the first RCON
  bool connected_ = false;

 private:
  void end(BenchRun& run);

  mrt::Address peer_;
  mrt::Duration handshake_{};
  double cpu_at_begin_ = 0;
  bool ended_ = false;
  std::optional<BenchFault> fault_;
};

/// One reliable transfer, of so many bytes or for so long.
std::variant<SendResult, BenchFault> bench_send(const BenchOptions& options,
                                                const mrt::Address& peer);
/// Small reliable messages at a steady rate on one interactive ordered stream, as chat uses it,
/// and how long each took. Where both ends have one clock (the same boot id) that is one way, from
/// the call that sends to the delivery; else half of the round trip.
std::variant<PingResult, BenchFault> bench_ping(const BenchOptions& options,
                                                const mrt::Address& peer);

}  // namespace client
