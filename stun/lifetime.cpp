// SPDX-License-Identifier: MIT
#include "stun/lifetime.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "stun/probe.h"

namespace stun {

using mrt::Instant;
using mrt::Path;

Lifetime::Lifetime(Instant now, LifetimeConfig config, const mrt::Random::Seed& seed)
    : config_(std::move(config)),
      client_(seed),
      patience_{std::chrono::milliseconds(500), probe_requests, 2} {
  CHECK(!config_.resting.empty() && config_.resting.size() <= lifetime_pauses.size() + 1);
  std::erase_if(config_.servers, [](const mrt::Address& one) { return !one.is_unicast(); });
  if (config_.servers.size() > probe_servers_max) config_.servers.resize(probe_servers_max);
  if (config_.servers.empty())
    conclude();
  else
    ask(now, {Purpose::map, 0});
  go_on(now);
}

// -- Inputs --

void Lifetime::on_datagrams(Instant now, const Path& path, mrt::Ecn ecn, size_t segment_size,
                            mrt::MutableBytes bytes) {
  client_.on_datagrams(now, path, ecn, segment_size, bytes);
  go_on(now);
}

void Lifetime::on_timeout(Instant now) {
  client_.on_timeout(now);
  go_on(now);
}

// -- Outputs --

std::optional<mrt::Transmit> Lifetime::poll_transmit(Instant now, mrt::MutableBytes buffer) {
  return client_.poll_transmit(now, buffer);
}

std::optional<LifetimeFound> Lifetime::poll_event() {
  if (!concluded_ || told_) return std::nullopt;
  told_ = true;
  return found_;
}

Instant Lifetime::next_timeout() const {
  const Instant next = client_.next_timeout();
  if (!asked_.empty() || resting_.empty()) return next;
  return std::min(next, resting_.begin()->second.until);
}

// -- Questions and what came of them --

void Lifetime::go_on(Instant now) {
  while (const auto event = client_.poll_event()) {
    const QueryId query = std::visit([](const auto& one) { return one.query; }, *event);
    const auto it = asked_.find(query);
    if (it == asked_.end()) continue;
    const Asked asked = it->second;
    asked_.erase(it);
    if (const auto* answered = std::get_if<Answered>(&*event)) on_answered(now, asked, *answered);
    if (const auto* failed = std::get_if<Failed>(&*event)) on_failed(now, asked, *failed);
  }
  // Shorter pauses come first, and what they tell of longer ones ends it.
  if (concluded_ || !asked_.empty()) return;
  if (resting_.empty()) return conclude();
  if (resting_.begin()->second.until <= now) ask(now, {Purpose::wake, resting_.begin()->first});
}

void Lifetime::on_answered(Instant now, const Asked& asked, const Answered& answered) {
  if (asked.purpose == Purpose::is_server_there) {
    found_.ended = lifetime_pauses[asked.socket - 1];
    return conclude();
  }
  if (asked.purpose == Purpose::map) {
    // A NAT with several addresses may have given it another one than the asking socket's: there
    // the answer would not be sent.
    if (can_ && answered.mapped.ip != mapped_host_) return;
    const auto pause = asked.socket == 0 ? mrt::Duration{} : lifetime_pauses[asked.socket - 1];
    resting_[asked.socket] = {answered.mapped.port, now + pause};
    return;
  }
  resting_.erase(asked.socket);
  if (asked.socket != 0) {
    found_.survived = lifetime_pauses[asked.socket - 1];
    return;
  }
  can_ = true;
  mapped_host_ = answered.mapped.ip;
  patience_.rto = std::clamp(3 * answered.took, probe_rto_min, patience_.rto);
  for (size_t i = 1; i < config_.resting.size(); ++i) ask(now, {Purpose::map, i});
}

void Lifetime::on_failed(Instant now, const Asked& asked, const Failed& failed) {
  if (!can_) return try_next_server(now);
  // A pause whose socket never was heard of is left out.
  if (asked.purpose == Purpose::map) return;
  if (asked.purpose == Purpose::wake && failed.why == Failure::silence)
    return ask(now, {Purpose::is_server_there, asked.socket});
  conclude();
}

void Lifetime::try_next_server(Instant now) {
  resting_.clear();
  if (++server_ == config_.servers.size()) return conclude();
  ask(now, {Purpose::map, 0});
}

void Lifetime::ask(Instant now, Asked asked) {
  Query query{{config_.asking, server()}, server(), {}, patience_};
  if (asked.purpose == Purpose::map) query.path.local = config_.resting[asked.socket];
  if (asked.purpose == Purpose::wake)
    query.elsewhere = {resting_.at(asked.socket).mapped_port, config_.resting[asked.socket].port};
  if (const auto id = client_.ask(now, query)) asked_.emplace(*id, asked);
}

void Lifetime::conclude() {
  concluded_ = true;
  for (const auto& [query, asked] : asked_) client_.cancel(query);
  asked_.clear();
  resting_.clear();
}

bool Lifetime::is_consistent() const {
  return client_.is_consistent() && asked_.size() >= client_.running() &&
         resting_.size() <= config_.resting.size() && (!told_ || concluded_) &&
         (!concluded_ || (asked_.empty() && resting_.empty())) &&
         (!found_.survived || !found_.ended || *found_.survived < *found_.ended);
}

}  // namespace stun
