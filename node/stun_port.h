// SPDX-License-Identifier: MIT
//
// STUN at a node's sockets: it answers whoever asks, and where servers are known it asks them what
// stands before those sockets (stun/nat_watch.h). It knows nothing of stars.
//
// 1. The second sockets are for nothing but those questions.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "stun/nat_watch.h"
#include "stun/responder.h"

namespace node {

class StunPort {
 public:
  StunPort(std::vector<mrt::Address> sockets, std::vector<mrt::Address> seconds)
      : config_{std::move(sockets), std::move(seconds)}, responder_(config_.sockets) {}

  /// From the first ones on the NAT is watched; `random` is drawn from only then.
  void add_servers(mrt::Instant now, const std::vector<mrt::Address>& servers, mrt::Random& random);
  void look_again(mrt::Instant now) {
    if (watch_) watch_->look_again(now);
  }
  void on_seen(mrt::Instant now, const mrt::Address& seen) {
    if (watch_) watch_->on_seen(now, seen);
  }

  /// Whether what came to a socket is for it alone, whatever it is.
  bool is_second(const mrt::Path& path) const;
  void on_datagram(mrt::Instant now, const mrt::Path& path, mrt::MutableBytes datagram);
  void on_timeout(mrt::Instant now) {
    if (watch_) watch_->on_timeout(now);
  }
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<stun::NatFound> poll_event() {
    return watch_ ? watch_->poll_event() : std::nullopt;
  }
  mrt::Instant next_timeout() const { return watch_ ? watch_->next_timeout() : mrt::never; }

  /// Where others may call in from beyond this side's NAT.
  std::vector<mrt::Address> mapped() const {
    return watch_ ? watch_->callable() : std::vector<mrt::Address>{};
  }
  /// As NatWatch::pace().
  mrt::Duration pace() const { return watch_ ? watch_->pace() : stun::mapping_check_interval; }
  /// As NatWatch::symmetric(); no where nothing is watched.
  std::optional<bool> symmetric() const {
    return watch_ ? watch_->symmetric() : std::optional(false);
  }
  /// `own` and those, at most so many: of those none is left out.
  std::vector<mrt::Address> reachable(std::vector<mrt::Address> own, size_t most) const;
  bool is_consistent() const {
    return responder_.is_consistent() && (!watch_ || watch_->is_consistent());
  }

 private:
  stun::NatWatchConfig config_;
  stun::Responder responder_;
  std::optional<stun::NatWatch> watch_;
};

}  // namespace node
