// SPDX-License-Identifier: MIT
#include "client/bench/call.h"

#include <fmt/format.h>

#include <csignal>

#include "mrt/uv/clock.h"

namespace client {

std::optional<BenchFault> BenchCall::call(const mrt::Address& peer) {
  peer_ = peer;
  BenchFault fault;
  mrt::uv::Sockets sockets = sockets_towards(peer, options_, fault);
  if (sockets.empty()) return fault;
  mrt::EndpointConfig config = bench_config(options_, sockets);
  config.accepting = false;
  const mrt::Path path{sockets.front()->local(), peer};
  BenchRun run(*this, std::move(sockets), config, options_);
  cpu_at_begin_ = mrt::uv::cpu_seconds();
  begin_ = run.now();
  on_begin(run);
  if (const auto id = run.endpoint().connect(begin_, path)) {
    id_ = *id;
    run.wake();
  } else {
    fail(run, {node::ErrorCode::usage, fmt::format("nothing can be sent to {}", peer.to_string())});
  }
  run.run();
  return fault_;
}

void BenchCall::on_event(BenchRun& run, mrt::Instant now, mrt::Event& event) {
  if (ended_) return;
  if (const auto* closed = std::get_if<mrt::Closed>(&event)) {
    return fail(run, fault_of(*closed, peer_));
  }
  if (const auto* connected = std::get_if<mrt::Connected>(&event)) {
    connected_ = true;
    id_ = connected->connection;
    handshake_ = now - begin_;
    return on_connected(run, now);
  }
  on_news(run, now, event);
}

void BenchCall::on_turn(BenchRun&) {}

void BenchCall::on_interrupt(BenchRun& run, int signal) {
  const char* word = signal == SIGINT ? "interrupted" : "terminated";
  fail(run, {node::ErrorCode::timeout, word, true});
}

BenchLink BenchCall::link(BenchRun& run) const {
  return {run.endpoint().stats(id_).value_or(mrt::ConnectionStats{}), handshake_,
          mrt::uv::cpu_seconds() - cpu_at_begin_};
}

void BenchCall::done(BenchRun& run) { end(run); }

void BenchCall::fail(BenchRun& run, BenchFault fault) {
  if (ended_) return;
  fault_ = std::move(fault);
  end(run);
}

void BenchCall::end(BenchRun& run) {
  if (ended_) return;
  ended_ = true;
  on_end();
  run.endpoint().close(run.now(), id_, mrt::CloseCode::none, "");
  run.end();
}

}  // namespace client
