// SPDX-License-Identifier: MIT
#include "client/bench/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "client/options.h"
#include "client/resolve.h"
#include "mrt/uv/entropy.h"
#include "node/network_access.h"

namespace client {

BenchRun::BenchRun(BenchRole& role, mrt::uv::Sockets sockets, const mrt::EndpointConfig& config,
                   const BenchOptions& options)
    : role_(role), endpoint_(config, mrt::uv::entropy_seed()), turn_(new uv_check_t) {
  uv_loop_init(&loop_);
  if (options.impair) {
    impaired_ = std::make_unique<Impaired<mrt::Endpoint>>(endpoint_, *options.impair);
    impaired_driver_ = std::make_unique<ImpairedDriver>(loop_, *impaired_, *this);
    driver_ = impaired_driver_.get();
  } else {
    plain_driver_ = std::make_unique<PlainDriver>(loop_, endpoint_, *this);
    driver_ = plain_driver_.get();
  }
  driver_->add(std::move(sockets));
  std::string error;
  if (options.keylog_file) keylog_ = std::make_unique<KeyLog>(*options.keylog_file, error);
  if (!error.empty()) fmt::print(stderr, "thuban: {}\n", error);
  uv_check_init(&loop_, turn_.get());
  turn_->data = this;
  uv_check_start(turn_.get(), [](uv_check_t* check) {
    auto& self = *static_cast<BenchRun*>(check->data);
    if (!self.ended_) self.role_.on_turn(self);
  });
  signals_ = std::make_unique<Signals>(&loop_, std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP},
                                       [this](int number) { on_signal(number); });
}

BenchRun::~BenchRun() {
  if (!ended_) end();
  // What was let go of is closed in the next turns.
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

void BenchRun::run() { uv_run(&loop_, UV_RUN_DEFAULT); }

void BenchRun::end() {
  if (ended_) return;
  ended_ = true;
  turn_.reset();
  signals_.reset();
  driver_->close([] {});
}

void BenchRun::on_event(mrt::Instant now, mrt::Event& event) {
  if (const auto* logged = std::get_if<mrt::KeysLogged>(&event)) {
    if (keylog_) keylog_->write(logged->line);
  } else if (!ended_) {
    role_.on_event(*this, now, event);
  }
}

void BenchRun::on_signal(int number) {
  if (interrupted_) _exit(static_cast<int>(ExitCode::interrupted));
  interrupted_ = true;
  role_.on_interrupt(*this, number);
}

mrt::EndpointConfig bench_config(const BenchOptions& options, const mrt::uv::Sockets& sockets) {
  mrt::EndpointConfig out;
  out.identity = mrt::uv::entropy_seed();
  out.network = "bench";
  out.plain = options.plain;
  out.congestion = options.congestion;
  out.keylog = options.keylog_file.has_value();
  out.socket_buffer_bytes = mrt::uv::receive_buffer_bytes(sockets);
  return out;
}

mrt::uv::Sockets sockets_towards(const mrt::Address& peer, const BenchOptions& options,
                                 BenchFault& fault) {
  std::vector<mrt::Address> binds = options.bind;
  if (binds.empty()) {
    const char* any = peer.is_loopback() ? (peer.is_v4() ? "127.0.0.1:0" : "[::1]:0")
                                         : (peer.is_v4() ? "0.0.0.0:0" : "[::]:0");
    binds.push_back(*mrt::Address::parse(any));
  }
  std::erase_if(binds, [&](const mrt::Address& bind) { return bind.is_v4() != peer.is_v4(); });
  if (binds.empty()) {
    fault = {node::ErrorCode::usage,
             fmt::format("{} cannot be reached from what --bind says", peer.to_string())};
    return {};
  }
  mrt::uv::SocketError error;
  mrt::uv::Sockets out = mrt::uv::open_sockets(binds, {}, error);
  if (out.empty()) fault = no_sockets(error);
  return out;
}

BenchFault no_sockets(const mrt::uv::SocketError& error) {
  return {.code = node::ErrorCode::network, .text = error.text, .ours = true};
}

std::optional<mrt::Address> resolve(const std::string& host_port, BenchFault& fault) {
  std::string why;
  const auto addresses = resolve_all(host_port, why);
  if (!addresses.empty()) return addresses.front();
  const bool spelt = mrt::Address::parse(host_port).has_value();
  fault = {spelt ? node::ErrorCode::usage : node::ErrorCode::unreachable, why};
  return std::nullopt;
}

BenchFault fault_of(const mrt::Closed& closed, const mrt::Address& peer) {
  if (const auto failure = node::join_failure(closed.code, mrt::Access::open)) {
    const bool other = closed.code == mrt::CloseCode::other_network;
    return {failure->code,
            other ? fmt::format("what is at {} is no bench", peer.to_string()) : failure->message};
  }
  switch (closed.code) {
    case mrt::CloseCode::none:
      return {node::ErrorCode::unreachable,
              fmt::format("the bench at {} has ended", peer.to_string())};
    case mrt::CloseCode::handshake_timeout:
      return {node::ErrorCode::unreachable, fmt::format("nobody answers at {}", peer.to_string())};
    case mrt::CloseCode::idle_timeout:
      return {node::ErrorCode::timeout,
              fmt::format("{} has not answered any more", peer.to_string())};
    case mrt::CloseCode::refused:
      return {node::ErrorCode::refused,
              fmt::format("the bench at {} has no room for more", peer.to_string())};
    default:
      return {node::ErrorCode::unreachable,
              fmt::format("{} ended the connection (code {:#x})", peer.to_string(),
                          static_cast<uint64_t>(closed.code))};
  }
}

}  // namespace client
