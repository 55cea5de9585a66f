// SPDX-License-Identifier: MIT
#include "client/rendezvous_command.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "client/json.h"
#include "client/session.h"
#include "client/signals.h"
#include "client/text.h"
#include "mrt/identity.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"
#include "node/ids.h"
#include "stun/rendezvous_service.h"
#include "stun/uv/redis_store.h"

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

  /// For the driver.
  void on_event(mrt::Instant, const stun::StoreEvent& event);

 private:
  using Driver = mrt::uv::Driver<stun::RendezvousService, Rendezvous>;

  void open_store(uv_loop_t* loop);
  void say_listening() const;
  void say_store(bool shared, const std::string& reason);
  void say_closed() const;
  void warn(const std::string& text) const;

  const Options& options_;
  stun::RendezvousService service_;
  Sockets sockets_;
  std::string reason_;
  Driver* driver_ = nullptr;
  std::unique_ptr<stun::uv::RedisStore> store_;
  std::optional<bool> shared_;  // as it was said last
};

ExitCode Rendezvous::run() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  {
    Driver driver(loop, service_, *this);
    driver_ = &driver;
    std::unique_ptr<Signals> signals;
    const auto end = [&](int number) {
      reason_ = number == SIGINT ? "interrupted" : "terminated";
      signals.reset();
      // No name is waited for.
      if (store_ && store_->is_busy()) {
        say_closed();
        std::_Exit(static_cast<int>(ExitCode::done));
      }
      store_.reset();
      driver.close([] {});
    };
    signals =
        std::make_unique<Signals>(&loop, std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP}, end);
    // From its first line on it may be ended.
    say_listening();
    if (options_.store) open_store(&loop);
    driver.add(std::move(sockets_));
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loop);
  say_closed();
  return ExitCode::done;
}

void Rendezvous::open_store(uv_loop_t* loop) {
  service_.share(mrt::Random(mrt::uv::entropy_seed()).array<16>(), options_.store->database);
  stun::uv::RedisStore::Actions actions;
  actions.on_up = [this](bool near) {
    service_.on_store_up(driver_->now(), near);
    driver_->wake();
  };
  actions.on_reply = [this](stun::StoreLine line, const stun::StoreReply& reply) {
    service_.on_store_reply(driver_->now(), line, reply);
    driver_->wake();
  };
  actions.on_down = [this](const std::string& why) {
    service_.on_store_down();
    say_store(false, why);
  };
  store_ = std::make_unique<stun::uv::RedisStore>(loop, *options_.store, std::move(actions));
}

void Rendezvous::on_event(mrt::Instant, const stun::StoreEvent& event) {
  if (!store_) return;
  if (const auto* command = std::get_if<stun::StoreCommand>(&event)) {
    store_->send(*command);
  } else if (const auto* refused = std::get_if<stun::StoreRefused>(&event)) {
    warn(fmt::format("the store {} refuses: {}", options_.store->name(), clean(refused->why, 200)));
  } else if (std::holds_alternative<stun::StoreLoaded>(event)) {
    say_store(true, "");
  } else {
    store_->give_up("it answers nothing any more");
  }
}

/// Once for each change, however often it is tried in between.
void Rendezvous::say_store(bool shared, const std::string& reason) {
  if (std::exchange(shared_, shared) == shared) return;
  const std::string at = options_.store->name();
  if (options_.json) {
    print(stdout, store_json(shared, at, reason, mrt::uv::wall_clock_ms()));
  } else if (!shared) {
    // An error, though nobody has to wait for it.
    print(stderr, fmt::format("thuban: the store {} is away ({}); goes on alone\n", at,
                              clean(reason, 200)));
  } else if (!options_.quiet) {
    print(stderr, fmt::format("thuban: shares its table at the store {}\n", at));
  }
}

void Rendezvous::warn(const std::string& text) const {
  if (options_.json) {
    print(stdout, to_json(Failed{node::ErrorCode::network, text, ""}, mrt::uv::wall_clock_ms()));
  } else {
    print(stderr, fmt::format("thuban: {}\n", text));
  }
}

void Rendezvous::say_listening() const {
  const mrt::Address address =
      reachable_addresses(local_addresses(sockets_), mrt::uv::local_addresses()).front();
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
