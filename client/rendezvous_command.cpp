// SPDX-License-Identifier: MIT
#include "client/rendezvous_command.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "client/json.h"
#include "client/session.h"
#include "client/signals.h"
#include "mrt/identity.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"
#include "node/ids.h"
#include "stun/rendezvous_service.h"

namespace client {

namespace {

using mrt::uv::Sockets;

void print(FILE* to, const std::string& text) {
  std::fputs(text.c_str(), to);
  std::fflush(to);
}

std::vector<mrt::Address> local_addresses(const Sockets& sockets) {
  std::vector<mrt::Address> out;
  for (const auto& socket : sockets) out.push_back(socket->local());
  return out;
}

/// The same addresses at the next port, which tells how a NAT maps (RFC 5780 section 4.3).
Sockets open_second(const Sockets& first, mrt::uv::SocketError& error) {
  std::vector<mrt::Address> binds = local_addresses(first);
  for (mrt::Address& bind : binds) ++bind.port;
  return mrt::uv::open_sockets(binds, {}, error);
}

/// Both ports or none. Where any port will do, another pair is tried.
Sockets open_both(const Options& options, mrt::uv::SocketError& error) {
  constexpr int tries_max = 16;
  const bool any = !options.bind.empty() && options.bind.front().port == 0;
  for (int i = 0; i < (any ? tries_max : 1); ++i) {
    Sockets sockets = options.bind.empty() ? mrt::uv::open_unspecified(rendezvous_port, {}, error)
                                           : mrt::uv::open_sockets(options.bind, {}, error);
    if (sockets.empty()) return sockets;
    Sockets second = open_second(sockets, error);
    if (second.empty()) continue;
    for (auto& socket : second) sockets.push_back(std::move(socket));
    return sockets;
  }
  return {};
}

class Rendezvous {
 public:
  Rendezvous(const Options& options, Sockets sockets)
      : options_(options),
        service_(local_addresses(sockets), mrt::uv::entropy_seed()),
        sockets_(std::move(sockets)) {}

  ExitCode run();

  /// For the driver: the service has nothing to tell.
  void on_event(mrt::Instant, std::monostate) {}

 private:
  void say_listening() const;
  void say_closed() const;

  const Options& options_;
  stun::RendezvousService service_;
  Sockets sockets_;
  std::string reason_;
};

ExitCode Rendezvous::run() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  {
    mrt::uv::Driver<stun::RendezvousService, Rendezvous> driver(loop, service_, *this);
    std::unique_ptr<Signals> signals;
    signals = std::make_unique<Signals>(&loop, std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP},
                                        [&](int number) {
                                          reason_ = number == SIGINT ? "interrupted" : "terminated";
                                          signals.reset();
                                          driver.close([] {});
                                        });
    // From its first line on it may be ended.
    say_listening();
    driver.add(std::move(sockets_));
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loop);
  say_closed();
  return ExitCode::done;
}

void Rendezvous::say_listening() const {
  const auto reachable = reachable_addresses(local_addresses(sockets_));
  const mrt::Address address = reachable.empty() ? sockets_.front()->local() : reachable.front();
  if (options_.json) {
    // It is no node and keeps no identity: a name for this run.
    const auto id = node::node_id_of(mrt::Identity(mrt::uv::entropy_seed()).public_key());
    const Listening listening{id, options_.nick, address, "rendezvous"};
    print(stdout, to_json(listening, mrt::uv::wall_clock_ms()));
  } else if (!options_.quiet) {
    print(stderr, fmt::format("thuban: rendezvous and STUN at {}, STUN at port {} too; "
                              "Ctrl-C ends it\n",
                              address.to_string(), address.port + 1));
  }
}

void Rendezvous::say_closed() const {
  const stun::RendezvousStats& stats = service_.server().stats();
  if (options_.json) {
    print(stdout, to_json(Ended{reason_}, mrt::uv::wall_clock_ms()));
  } else if (!options_.quiet) {
    print(stderr, fmt::format("thuban: {}; {} look-ups, {} registrations, {} introductions\n",
                              reason_, stats.look_ups, stats.registrations, stats.introductions));
  }
}

}  // namespace

ExitCode run_rendezvous(const Options& options) {
  mrt::uv::SocketError error;
  Sockets sockets = open_both(options, error);
  if (!sockets.empty()) return Rendezvous(options, std::move(sockets)).run();
  if (options.json) {
    const int64_t now = mrt::uv::wall_clock_ms();
    const Failed failed{node::ErrorCode::network, error.text, options.verb_text};
    print(stdout, to_json(failed, now) + to_json(Ended{"failed"}, now));
  } else {
    print(stderr, fmt::format("thuban: {}\n", error.text));
  }
  return ExitCode::failed;
}

}  // namespace client
