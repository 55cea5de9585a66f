// SPDX-License-Identifier: MIT
#include "stun/uv/port_mapping.h"

#include <algorithm>
#include <utility>

#include "mrt/base/match.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/entropy.h"
#include "stun/rendezvous_candidates.h"

namespace stun::uv {

// Shorter than the two hours of RFC 6887 section 15: half of it is how long a gateway may have
// forgotten what it was asked for, after it was switched off or got another address, before it is
// asked anew; all of it is how long the port of a host that has gone away leads to nobody. A
// question each ten minutes is nothing to a gateway.
static constexpr uint32_t life_seconds = 1'200;

PortMapping::PortMapping(uv_loop_t* loop, const Gateway& gateway, uint16_t port,
                         OnChanged on_changed, bool every)
    : own_(gateway.own), every_(every), on_changed_(std::move(on_changed)), limit_(new uv_timer_t) {
  uv_timer_init(loop, limit_);
  limit_->data = this;
  mrt::uv::SocketError error;
  auto socket = mrt::uv::UdpSocket::open(gateway.own, {}, error);
  if (socket) {
    mrt::Address asked = gateway.address;
    asked.port = port_map_port;
    mapper_ = std::make_unique<PortMapper>(
        mrt::uv::monotonic_now(), PortMapperConfig{socket->local(), asked, port, life_seconds},
        mrt::uv::entropy_seed());
    driver_ = std::make_unique<mrt::uv::Driver<PortMapper, PortMapping>>(*loop, *mapper_, *this);
    driver_->add(std::move(socket));
    driver_->wake();
  }
  upnp_ = std::make_unique<Upnp>(loop, gateway, port, life_seconds,
                                 [this](const UpnpResult& result) { on_upnp(result); });
}

PortMapping::~PortMapping() {
  uv_close(reinterpret_cast<uv_handle_t*>(limit_),
           [](uv_handle_t* closed) { delete reinterpret_cast<uv_timer_t*>(closed); });
}

std::vector<mrt::Address> PortMapping::addresses() const {
  std::vector<mrt::Address> out;
  for (const auto& [protocol, news] : state_) {
    const bool known =
        news.external && std::find(out.begin(), out.end(), *news.external) != out.end();
    if (news.external && !known) out.push_back(*news.external);
  }
  return out;
}

void PortMapping::on_event(mrt::Instant, const PortMapEvent& event) {
  if (std::holds_alternative<PortMapReleased>(event)) return on_part_released();
  const auto& changed = std::get<PortMapChanged>(event);
  if (closed_) return;
  const bool answered = changed.external || changed.refused != 0;
  state_[changed.protocol] = {answered, changed.external, changed.refused};
  if (changed.external && !every_) upnp_->do_without();
  on_changed_();
}

void PortMapping::on_upnp(const UpnpResult& result) {
  if (closed_) return;
  auto external = result.external;
  const bool is_own = external && external->ip == own_.ip;
  if (external && (is_own || !is_plausible(*external, false))) external.reset();
  state_[PortMapProtocol::upnp] = {result.found, external, result.refused};
  on_changed_();
}

void PortMapping::close(std::function<void()> done) {
  closed_ = std::move(done);
  const auto on_late = [](uv_timer_t* timer) { static_cast<PortMapping*>(timer->data)->end(); };
  uv_timer_start(limit_, on_late, release_milliseconds_max, 0);
  parts_held_ = driver_ ? 2 : 1;
  if (driver_) {
    mapper_->release(driver_->now());
    driver_->wake();
  }
  upnp_->release([this] { on_part_released(); });
}

void PortMapping::on_part_released() {
  if (--parts_held_ == 0) end();
}

void PortMapping::end() {
  uv_timer_stop(limit_);
  parts_held_ = -1;
  upnp_.reset();
  const auto done = std::exchange(closed_, nullptr);
  if (!done) return;
  driver_ ? driver_->close(done) : done();
}

}  // namespace stun::uv
