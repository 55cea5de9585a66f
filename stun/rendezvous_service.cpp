// SPDX-License-Identifier: MIT
#include "stun/rendezvous_service.h"

#include <algorithm>

namespace stun {

void RendezvousService::on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn,
                                     size_t segment_size, mrt::MutableBytes bytes) {
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), std::max<size_t>(segment_size, 1));
    const mrt::MutableBytes datagram = bytes.first(size);
    bytes = bytes.subspan(size);
    const uint8_t first = datagram[0];
    if (is_rendezvous(first)) {
      server_.on_datagrams(now, path, ecn, size, datagram);
    } else if (!may_be_stun(first)) {
      ++strange_;
    } else if (answers_.size() < answers_max) {
      if (auto answer = responder_.answer(now, path, datagram)) {
        answers_.push_back(std::move(*answer));
      }
    }
  }
}

void RendezvousService::share(const InstanceId& own, unsigned database) {
  server_.share_as(own);
  replica_.emplace(own, database);
}

void RendezvousService::on_timeout(mrt::Instant now) {
  server_.on_timeout(now);
  if (replica_) replica_->on_timeout(now, server_);
}

mrt::Instant RendezvousService::next_timeout() const {
  const mrt::Instant next = server_.next_timeout();
  return replica_ ? std::min(next, replica_->next_timeout(server_)) : next;
}

std::optional<mrt::Transmit> RendezvousService::poll_transmit(mrt::Instant now,
                                                              mrt::MutableBytes buffer) {
  if (answers_.empty()) return server_.poll_transmit(now, buffer);
  if (buffer.size() < answers_.front().bytes.size()) return std::nullopt;
  const auto [path, bytes] = std::move(answers_.front());
  answers_.pop_front();
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  return mrt::Transmit{path, bytes.size(), bytes.size(), mrt::Ecn::not_ect};
}

}  // namespace stun
