// SPDX-License-Identifier: MIT
#include "client/doctor/host_examination.h"

#include <poll.h>
#include <sys/timex.h>

#include <array>

#include "mrt/uv/multicast.h"
#include "stun/beacon.h"

namespace client {

namespace {

// A packet to oneself takes microseconds; a host under load is late by tens of milliseconds.
constexpr int echo_ms_max = 200;
// More devices than that are containers' and tunnels'.
constexpr size_t links_max = 8;

bool is_heard(const mrt::uv::LocalAddress& link) {
  mrt::Address group = stun::beacon_group(true);
  group.port = 0;  // a free one: nobody's questions are disturbed
  const auto hearing = mrt::uv::open_hearing(group, {&link, 1});
  const auto asking = mrt::uv::open_asking(link);
  if (!hearing || !asking) return false;
  group.port = hearing->local().port;
  constexpr std::array<uint8_t, 1> said{0};
  const mrt::Transmit one{{asking->local(), group}, said.size(), said.size()};
  if (asking->send(one, said) != said.size()) return false;
  pollfd readable{hearing->fd(), POLLIN, 0};
  return poll(&readable, 1, echo_ms_max) == 1;
}

}  // namespace

ClockFacts examine_clock() {
  timex state{};  // no modes: it is only read
  const int in_step = adjtimex(&state);
  return {in_step >= 0, in_step != TIME_ERROR && (state.status & STA_UNSYNC) == 0};
}

std::vector<MulticastFacts> examine_multicast() {
  std::vector<MulticastFacts> out;
  for (const mrt::uv::LocalAddress& link : mrt::uv::local_addresses()) {
    if (link.loopback || !link.address.is_v4() || out.size() == links_max) continue;
    out.push_back({link.interface, is_heard(link)});
  }
  return out;
}

}  // namespace client
