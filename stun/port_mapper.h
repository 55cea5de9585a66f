// SPDX-License-Identifier: MIT
//
// Has a gateway lead one of its UDP ports here, by PCP (RFC 6887) or where it does not speak that
// by NAT-PMP (RFC 6886), as a Machine: the mapping is made, renewed at half of its life and taken
// back. It knows no sockets and not what the port is for.
//
// 1. Only the gateway is heard, and only with what was asked of it.
// 2. The external address is one that could be: else there is no mapping.
// 3. A gateway that is silent or refuses is asked again later, at most every retry_time.
#pragma once

#include <deque>
#include <optional>
#include <variant>

#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "stun/port_map_wire.h"

namespace stun {

struct PortMapperConfig {
  mrt::Address own;      // as the gateway sees this host, with the port of the socket that asks
  mrt::Address gateway;  // with the port that it is asked at
  uint16_t internal_port = 0;
  // RFC 6887 section 15: two hours where nothing else is known.
  uint32_t life_seconds = 7'200;
};

/// There is a mapping, or another one than before; or there is none (any more).
struct PortMapChanged {
  PortMapProtocol protocol = PortMapProtocol::pcp;
  std::optional<mrt::Address> external;
  int refused = 0;  // the gateway's result where it refused; 0: it does not answer
};
/// What release() asked for has happened, or there was nothing.
struct PortMapReleased {};
using PortMapEvent = std::variant<PortMapChanged, PortMapReleased>;

class PortMapper {
 public:
  // RFC 6886 section 3.1: a quarter of a second, doubled each time; here for 16 s.
  static constexpr mrt::Duration repeat_first = std::chrono::milliseconds(250);
  static constexpr int repeats_max = 6;
  // RFC 6887 section 8.1.1: MRT, the longest pause.
  static constexpr mrt::Duration retry_time = std::chrono::seconds(1'024);
  static constexpr size_t outbox_max = 8;
  static constexpr size_t events_max = 8;

  /// Asks at once.
  PortMapper(mrt::Instant now, const PortMapperConfig& config, const mrt::Random::Seed& seed);

  /// Takes the mapping back. PortMapReleased follows with the gateway's answer: who has no time
  /// waits no longer.
  void release(mrt::Instant now);

  // The five verbs.
  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<PortMapEvent> poll_event();
  mrt::Instant next_timeout() const { return next_; }
  bool is_consistent() const {
    return outbox_.size() <= outbox_max && events_.size() <= events_max;
  }

  const std::optional<mrt::Address>& external() const { return external_; }

 private:
  void on_datagram(mrt::Instant now, mrt::ByteView datagram);
  void on_pcp(mrt::Instant now, const PcpAnswer& answer);
  void on_nat_pmp(mrt::Instant now, const NatPmpAnswer& answer);
  void speak_instead(mrt::Instant now, PortMapProtocol protocol);
  void on_mapped(mrt::Instant now, PortMapProtocol protocol, mrt::Address external,
                 uint32_t life_seconds);
  void on_refused(mrt::Instant now, PortMapProtocol protocol, int result);
  void ask(mrt::Instant now);
  void say(PortMapProtocol protocol);
  void send(mrt::Bytes bytes);
  void tell(PortMapEvent event);

  PortMapperConfig config_;
  PcpMap::Nonce nonce_;
  std::optional<PortMapProtocol> protocol_;  // that the gateway speaks, once it is known
  bool asking_ = true;                       // an answer is due
  bool releasing_ = false;
  int asked_ = 0;      // times, without an answer
  mrt::Instant next_;  // to ask once more, or anew
  std::optional<mrt::Address> external_;
  std::optional<mrt::Address> external_ip_;  // of NAT-PMP, which says the parts one by one
  std::optional<NatPmpMap> nat_pmp_;
  std::deque<mrt::Bytes> outbox_;
  std::deque<PortMapEvent> events_;
};

static_assert(mrt::Machine<PortMapper>);

}  // namespace stun
