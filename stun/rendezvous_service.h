// SPDX-License-Identifier: MIT
//
// What `thuban rendezvous` runs: a rendezvous server and a STUN responder at the same sockets, as
// one Machine. The first byte of a datagram says whose it is (WIRE.md 2). With a store, the
// server's table is shared with others: a driver of that store takes the events and brings what it
// says.
//
// 1. What belongs to neither is counted and dropped.
#pragma once

#include "stun/rendezvous_replica.h"
#include "stun/responder.h"

namespace stun {

class RendezvousService {
 public:
  // What one turn of a driver reads is answered in the same turn.
  static constexpr size_t answers_max = RendezvousServer::outbox_max;

  /// `sockets`: what was bound.
  RendezvousService(std::vector<mrt::Address> sockets, const mrt::Random::Seed& seed)
      : server_(seed), responder_(std::move(sockets)) {}

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  /// For the store; nothing without one.
  std::optional<StoreEvent> poll_event() {
    return replica_ ? replica_->poll_event() : std::nullopt;
  }
  mrt::Instant next_timeout() const;
  bool is_consistent() const { return answers_.size() <= answers_max && server_.is_consistent(); }

  /// REQUIRES: nothing has come yet.
  void share(const InstanceId& own, unsigned database);
  // REQUIRES for these: share().
  void on_store_up(mrt::Instant now, bool near) { replica_->on_up(now, near); }
  void on_store_down() { replica_->on_down(server_); }
  void on_store_reply(mrt::Instant now, StoreLine line, const StoreReply& reply) {
    replica_->on_reply(now, line, reply, server_);
  }

  const RendezvousServer& server() const { return server_; }
  const Responder& responder() const { return responder_; }
  uint64_t strange() const { return strange_; }

 private:
  RendezvousServer server_;
  std::optional<RendezvousReplica> replica_;
  Responder responder_;
  std::deque<Responder::Answer> answers_;
  uint64_t strange_ = 0;
};

static_assert(mrt::Machine<RendezvousService>);

}  // namespace stun
