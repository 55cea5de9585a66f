// SPDX-License-Identifier: MIT
#include "stun/port_mapper.h"

#include <algorithm>
#include <utility>

#include "stun/rendezvous_candidates.h"

namespace stun {

using mrt::Instant;

// A gateway that grants seconds is not asked more often than this.
static constexpr mrt::Duration renew_time_min = std::chrono::seconds(1);

PortMapper::PortMapper(Instant now, const PortMapperConfig& config, const mrt::Random::Seed& seed)
    : config_(config), nonce_(mrt::Random(seed).array<12>()), next_(now) {
  on_timeout(now);
}

void PortMapper::release(Instant now) {
  const bool was_asking = asking_;
  asking_ = releasing_ = true;
  asked_ = 0;
  if (external_ || was_asking) ask(now);
  if (external_) return;
  // One that was asked for may be on its way; a gateway that says nothing is not waited for.
  asking_ = false;
  next_ = mrt::never;
  tell(PortMapReleased{});
}

void PortMapper::on_datagrams(Instant now, const mrt::Path& path, mrt::Ecn, size_t segment_size,
                              mrt::MutableBytes bytes) {
  if (path.remote != config_.gateway) return;
  const size_t each = segment_size == 0 ? bytes.size() : segment_size;
  for (size_t at = 0; at < bytes.size(); at += each) {
    on_datagram(now, bytes.subspan(at, std::min(each, bytes.size() - at)));
  }
}

void PortMapper::on_datagram(Instant now, mrt::ByteView datagram) {
  if (!asking_) return;
  if (const auto pcp = parse_pcp_answer(datagram)) return on_pcp(now, *pcp);
  if (const auto nat_pmp = parse_nat_pmp_answer(datagram)) return on_nat_pmp(now, *nat_pmp);
}

void PortMapper::on_pcp(Instant now, const PcpAnswer& answer) {
  if (answer.result == unsupported_version) return speak_instead(now, PortMapProtocol::nat_pmp);
  if (answer.map.nonce != nonce_ || answer.map.internal_port != config_.internal_port) return;
  if (answer.result != 0) return on_refused(now, PortMapProtocol::pcp, answer.result);
  on_mapped(now, PortMapProtocol::pcp, answer.map.external, answer.map.life_seconds);
}

void PortMapper::on_nat_pmp(Instant now, const NatPmpAnswer& answer) {
  // What a gateway answers to PCP that knows NAT-PMP alone (RFC 6887 appendix A).
  if (answer.result == unsupported_version) return speak_instead(now, PortMapProtocol::nat_pmp);
  if (answer.result != 0) return on_refused(now, PortMapProtocol::nat_pmp, answer.result);
  if (answer.external) external_ip_ = answer.external;
  if (answer.map && answer.map->internal_port == config_.internal_port) nat_pmp_ = answer.map;
  const bool ends = releasing_ && nat_pmp_ && nat_pmp_->life_seconds == 0;
  if (!nat_pmp_ || (!external_ip_ && !ends)) return;
  mrt::Address external = external_ip_.value_or(mrt::Address{});
  external.port = nat_pmp_->external_port;
  on_mapped(now, PortMapProtocol::nat_pmp, external, nat_pmp_->life_seconds);
}

/// Once, so that a gateway that refuses each in the other's name is not asked for ever.
void PortMapper::speak_instead(Instant now, PortMapProtocol protocol) {
  if (protocol_ || asked_ > 1) return;
  protocol_ = protocol;
  next_ = now;
  ask(now);
}

void PortMapper::on_mapped(Instant now, PortMapProtocol protocol, mrt::Address external,
                           uint32_t life_seconds) {
  if (releasing_) {
    // What was asked before that may still be answered.
    if (life_seconds != 0) return;
    asking_ = false;
    external_.reset();
    next_ = mrt::never;
    return tell(PortMapReleased{});
  }
  const bool is_usable = is_plausible(external, false) && external.ip != config_.own.ip;
  if (!is_usable || life_seconds == 0) return on_refused(now, protocol, 0);
  protocol_ = protocol;
  asking_ = false;
  asked_ = 0;
  const auto half = std::chrono::milliseconds(int64_t{life_seconds} * 500);
  next_ = now + std::max<mrt::Duration>(half, renew_time_min);
  if (external_ == external) return;
  external_ = external;
  tell(PortMapChanged{protocol, external, 0});
}

void PortMapper::on_refused(Instant now, PortMapProtocol protocol, int result) {
  asking_ = false;
  asked_ = 0;
  if (releasing_) {
    next_ = mrt::never;
    return tell(PortMapReleased{});
  }
  // The gateway may be another one by then.
  protocol_.reset();
  next_ = now + retry_time;
  external_.reset();
  tell(PortMapChanged{protocol, std::nullopt, result});
}

void PortMapper::on_timeout(Instant now) {
  if (next_ > now) return;
  if (!asking_) {
    asking_ = true;
    external_ip_.reset();
    nat_pmp_.reset();
  }
  if (asked_ < repeats_max) return ask(now);
  on_refused(now, protocol_.value_or(PortMapProtocol::pcp), 0);
}

/// Until one of them is answered they are tried in turn.
void PortMapper::ask(Instant now) {
  const auto in_turn = asked_ % 2 == 0 ? PortMapProtocol::pcp : PortMapProtocol::nat_pmp;
  say(protocol_.value_or(in_turn));
  next_ = now + repeat_first * (1 << asked_);
  ++asked_;
}

void PortMapper::say(PortMapProtocol protocol) {
  const uint32_t life_seconds = releasing_ ? 0 : config_.life_seconds;
  const uint16_t wanted = external_ ? external_->port : config_.internal_port;
  if (protocol == PortMapProtocol::pcp) {
    mrt::Address external = releasing_ ? mrt::Address{} : external_.value_or(mrt::Address{});
    // RFC 6887 section 15: the same port as inside, if it can be had.
    if (!releasing_) external.port = wanted;
    return send(
        write_pcp_map({nonce_, config_.internal_port, life_seconds, external}, config_.own));
  }
  if (!releasing_) send(write_nat_pmp_ask_address());
  const uint16_t external_port = releasing_ ? uint16_t{0} : wanted;
  send(write_nat_pmp_map({config_.internal_port, external_port, life_seconds}));
}

void PortMapper::send(mrt::Bytes bytes) {
  if (outbox_.size() < outbox_max) outbox_.push_back(std::move(bytes));
}

void PortMapper::tell(PortMapEvent event) {
  if (events_.size() < events_max) events_.push_back(std::move(event));
}

std::optional<mrt::Transmit> PortMapper::poll_transmit(Instant, mrt::MutableBytes buffer) {
  if (outbox_.empty() || buffer.size() < outbox_.front().size()) return std::nullopt;
  const mrt::Bytes bytes = std::move(outbox_.front());
  outbox_.pop_front();
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  return mrt::Transmit{{config_.own, config_.gateway}, bytes.size(), bytes.size()};
}

std::optional<PortMapEvent> PortMapper::poll_event() {
  if (events_.empty()) return std::nullopt;
  PortMapEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace stun
