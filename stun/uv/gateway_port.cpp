// SPDX-License-Identifier: MIT
#include "stun/uv/gateway_port.h"

#include <algorithm>
#include <utility>

namespace stun::uv {

GatewayPort::GatewayPort(uv_loop_t* loop, PortMapping::OnChanged on_changed)
    : loop_(loop), on_changed_(std::move(on_changed)) {}

void GatewayPort::look(const std::optional<Gateway>& gateway,
                       const std::vector<mrt::Address>& own) {
  const auto at = std::find_if(own.begin(), own.end(), [&gateway](const mrt::Address& one) {
    return gateway && one.ip == gateway->own.ip;
  });
  std::optional<Place> place;
  if (at != own.end()) place = Place{*gateway, at->port};
  if (place == place_) return;
  place_ = place;
  const bool was_mapped = !addresses().empty();
  if (mapping_) leaving_.let_go(std::move(mapping_));
  if (place_) {
    mapping_ = std::make_unique<PortMapping>(loop_, place_->gateway, place_->port, on_changed_);
  }
  if (was_mapped) on_changed_();
}

std::vector<mrt::Address> GatewayPort::addresses() const {
  return mapping_ ? mapping_->addresses() : std::vector<mrt::Address>{};
}

void GatewayPort::close(std::function<void()> done) {
  if (mapping_) leaving_.let_go(std::move(mapping_));
  leaving_.when_all_closed(std::move(done));
}

}  // namespace stun::uv
