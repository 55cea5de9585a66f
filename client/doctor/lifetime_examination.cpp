// SPDX-License-Identifier: MIT
#include "client/doctor/lifetime_examination.h"

#include <csignal>

#include "client/signals.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"

namespace client {

namespace {

struct Answer {
  /// For the driver.
  void on_event(mrt::Instant, stun::LifetimeFound& event) {
    found = event;
    over = true;
  }
  std::optional<stun::LifetimeFound> found;
  bool over = false;
};

/// One to ask by, and all that rest. Empty where they cannot be had.
mrt::uv::Sockets open_all(const mrt::Address& beside, mrt::uv::SocketError& error) {
  mrt::uv::Sockets out;
  for (size_t i = 0; i < stun::lifetime_pauses.size() + 2; ++i) {
    auto socket = mrt::uv::UdpSocket::open({beside.ip, 0}, {}, error);
    if (!socket) return {};
    out.push_back(std::move(socket));
  }
  return out;
}

}  // namespace

std::optional<stun::LifetimeFound> examine_lifetime(const mrt::Address& beside,
                                                    const std::vector<mrt::Address>& servers,
                                                    mrt::uv::SocketError& error) {
  auto sockets = open_all(beside, error);
  if (sockets.empty()) return std::nullopt;
  stun::LifetimeConfig config{servers, sockets.front()->local(), {}};
  for (size_t i = 1; i < sockets.size(); ++i) config.resting.push_back(sockets[i]->local());
  uv_loop_t loop;
  uv_loop_init(&loop);
  Answer answer;
  {
    bool closed = false;
    stun::Lifetime machine(mrt::uv::monotonic_now(), std::move(config), mrt::uv::entropy_seed());
    mrt::uv::Driver<stun::Lifetime, Answer> driver(loop, machine, answer);
    const Signals signals(&loop, {SIGINT, SIGTERM, SIGHUP}, [&answer](int) { answer.over = true; });
    driver.add(std::move(sockets));
    driver.wake();
    while (!answer.over) uv_run(&loop, UV_RUN_ONCE);
    driver.close([&closed] { closed = true; });
    while (!closed) uv_run(&loop, UV_RUN_ONCE);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return answer.found;
}

}  // namespace client
