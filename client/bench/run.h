// SPDX-License-Identifier: MIT
//
// A bare mrt::Endpoint on a loop of its own, for the ends of a bench: sockets, driver, signals,
// the clock. It knows nothing of what is measured; a BenchRole does.
//
// 1. SIGINT, SIGTERM and SIGHUP reach the role; a second one ends the process at once.
// 2. After end() the role hears nothing more; run() returns when the last packet is sent.
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/bench/options.h"
#include "client/impair.h"
#include "client/keylog.h"
#include "client/signals.h"
#include "client/uv_handle.h"
#include "mrt/endpoint.h"
#include "mrt/uv/driver.h"
#include "node/events.h"

namespace client {

/// Why a bench came to nothing, in words for a user.
struct BenchFault {
  node::ErrorCode code = node::ErrorCode::unreachable;
  std::string text;
  bool interrupted = false;  // by a signal: exit code 130 whatever the code
  bool ours = false;         // this host's fault: exit code 1 whatever the code
};

class BenchRun;

class BenchRole {
 public:
  virtual ~BenchRole() = default;
  virtual void on_event(BenchRun& run, mrt::Instant now, mrt::Event& event) = 0;
  /// Once in each turn of the loop, after what came in.
  virtual void on_turn(BenchRun& run) = 0;
  virtual void on_interrupt(BenchRun& run, int signal) = 0;
};

class BenchRun {
 public:
  BenchRun(BenchRole& role, mrt::uv::Sockets sockets, const mrt::EndpointConfig& config,
           const BenchOptions& options);
  ~BenchRun();
  BenchRun(const BenchRun&) = delete;
  BenchRun& operator=(const BenchRun&) = delete;

  /// After commands given to it from outside of on_event(): wake().
  mrt::Endpoint& endpoint() { return endpoint_; }
  mrt::Instant now() const { return driver_->now(); }
  void wake() { driver_->wake(); }
  uv_loop_t* loop() { return &loop_; }
  const mrt::uv::Sockets& sockets() const { return driver_->sockets(); }

  /// Until end().
  void run();
  void end();

  /// For the driver.
  void on_event(mrt::Instant now, mrt::Event& event);

 private:
  using PlainDriver = mrt::uv::Driver<mrt::Endpoint, BenchRun>;
  using ImpairedDriver = mrt::uv::Driver<Impaired<mrt::Endpoint>, BenchRun>;

  void on_signal(int number);

  BenchRole& role_;
  uv_loop_t loop_{};
  mrt::Endpoint endpoint_;
  std::unique_ptr<Impaired<mrt::Endpoint>> impaired_;  // --impair
  std::unique_ptr<PlainDriver> plain_driver_;
  std::unique_ptr<ImpairedDriver> impaired_driver_;
  mrt::uv::DriverCore* driver_ = nullptr;  // one of the two
  std::unique_ptr<KeyLog> keylog_;
  Handle<uv_check_t> turn_;
  std::unique_ptr<Signals> signals_;
  bool interrupted_ = false;
  bool ended_ = false;
};

/// What both ends agree on beside the bench itself: a network of its own that anyone may enter.
mrt::EndpointConfig bench_config(const BenchOptions& options, const mrt::uv::Sockets& sockets);
/// One socket that reaches `peer`, bound as --bind says. Empty, and a fault, else.
mrt::uv::Sockets sockets_towards(const mrt::Address& peer, const BenchOptions& options,
                                 BenchFault& fault);
/// They could not be opened.
BenchFault no_sockets(const mrt::uv::SocketError& error);
/// The first address that HOST:PORT stands for. Asks the system's resolver, and waits for it.
std::optional<mrt::Address> resolve(const std::string& host_port, BenchFault& fault);
/// A connection to `peer` that ended before its bench was done.
BenchFault fault_of(const mrt::Closed& closed, const mrt::Address& peer);

}  // namespace client
