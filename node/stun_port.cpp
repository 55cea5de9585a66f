// SPDX-License-Identifier: MIT
#include "node/stun_port.h"

namespace node {

void StunPort::add_servers(mrt::Instant now, const std::vector<mrt::Address>& servers,
                           mrt::Random& random) {
  if (servers.empty() || config_.seconds.empty()) return;
  if (!watch_) watch_.emplace(config_, random.fork());
  watch_->add_servers(now, servers);
}

bool StunPort::is_second(const mrt::Path& path) const {
  return std::any_of(config_.seconds.begin(), config_.seconds.end(), [&](const mrt::Address& one) {
    return one.is_v4() == path.remote.is_v4() && one.port == path.local.port;
  });
}

void StunPort::on_datagram(mrt::Instant now, const mrt::Path& path, mrt::MutableBytes datagram) {
  // RFC 8489 section 5: the higher bit of the class, which answers have.
  const bool answers = (datagram.front() & 1) != 0;
  if (watch_ && (answers || is_second(path))) {
    watch_->on_datagrams(now, path, mrt::Ecn::not_ect, datagram.size(), datagram);
  } else if (!is_second(path)) {
    responder_.on_datagram(now, path, datagram);
  }
}

std::optional<mrt::Transmit> StunPort::poll_transmit(mrt::Instant now, mrt::MutableBytes buffer) {
  if (const auto answer = responder_.poll_transmit(buffer)) return answer;
  return watch_ ? watch_->poll_transmit(now, buffer) : std::nullopt;
}

std::vector<mrt::Address> StunPort::reachable(std::vector<mrt::Address> own, size_t most) const {
  std::vector<mrt::Address> outer = mapped();
  std::erase_if(outer, [&](const mrt::Address& address) {
    return std::find(own.begin(), own.end(), address) != own.end();
  });
  outer.resize(std::min(outer.size(), most));
  own.resize(std::min(own.size(), most - outer.size()));
  own.insert(own.end(), outer.begin(), outer.end());
  return own;
}

}  // namespace node
