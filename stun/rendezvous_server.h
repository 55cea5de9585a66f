// SPDX-License-Identifier: MIT
//
// A rendezvous server, as a Machine: it keeps who is the supernode of which network, tells those
// who ask, and tells both sides of each other at once, so that their NATs open at the same
// moment (WIRE.md 9). It knows no networks' names, no sockets and no clock, and keeps nothing on
// a disk: what a restart forgets comes back by the next Keep of each supernode.
//
// 1. No amplifier: before an address has shown a cookie, what goes to it is never longer than
//    what came, one for one. No state is kept for it.
// 2. What is given out was signed with the network's key, and came from where it says.
// 3. An introduction goes to who registered, from where and as often as the table allows.
// 4. Every answer belongs to one datagram that came; beyond outbox_max they are dropped, counted.
#pragma once

#include <deque>
#include <variant>

#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "stun/callers.h"
#include "stun/rendezvous_sharing.h"
#include "stun/rendezvous_table.h"

namespace stun {

struct RendezvousStats {
  uint64_t look_ups = 0;       // answered
  uint64_t registrations = 0;  // taken
  uint64_t keeps = 0;          // known
  uint64_t introductions = 0;  // sent
  uint64_t cookies = 0;        // given out
  uint64_t refused = 0;        // refusals of any kind
  uint64_t forged = 0;         // of those: wrong signatures
  uint64_t malformed = 0;      // dropped
  uint64_t implausible = 0;    // addresses that were told and not believed
  uint64_t records = 0;        // of other servers, taken
  uint64_t overflown = 0;      // answers for which there was no room
};

class RendezvousServer {
 public:
  // What one turn of a driver reads, sixteen runs of up to 64 datagrams, with four answers each.
  static constexpr size_t outbox_max = 4'096;

  explicit RendezvousServer(const mrt::Random::Seed& seed);

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  /// It has nothing to tell.
  std::optional<std::monostate> poll_event() { return std::nullopt; }
  mrt::Instant next_timeout() const;
  bool is_consistent() const;

  // With other servers that share one table; rendezvous_replica.h brings and takes it.
  /// REQUIRES: nothing has come yet.
  void share_as(const InstanceId& own) { sharing_.emplace(own); }
  /// REQUIRES for these: share_as(). `near`: loopback means the same to both servers.
  RendezvousSharing& sharing() { return *sharing_; }
  const RendezvousSharing& sharing() const { return *sharing_; }
  std::optional<RendezvousRecord> poll_record(mrt::Instant now) {
    return sharing_->poll_record(now, table_);
  }
  bool knows(const RendezvousRecord& record) { return sharing_->knows(table_, record); }
  /// Costs some 0.1 ms unless it is known.
  void on_record(mrt::Instant now, RendezvousRecord record, bool near);
  void on_far_introduction(mrt::Instant now, const FarIntroduction& far, bool near);

  const RendezvousStats& stats() const { return stats_; }
  const RendezvousTable& table() const { return table_; }

 private:
  void on_datagram(mrt::Instant now, const mrt::Path& path, mrt::ByteView datagram);
  void on_find(mrt::Instant now, const mrt::Path& path, const Find& find);
  void on_registration(mrt::Instant now, const mrt::Path& path, Registration registration);
  void on_keep(mrt::Instant now, const mrt::Path& path, const Keep& keep);
  /// `near`: who looks is on this host.
  void introduce(mrt::Instant now, const LookUpId& id, RendezvousTable::Entry& supernode,
                 Introduction introduction, bool near);
  /// Whether it is right; else another one goes out.
  bool check_cookie(mrt::Instant now, const mrt::Path& path, uint64_t transaction,
                    const std::optional<RendezvousCookie>& shown);
  RendezvousCookie cookie_of(uint64_t slot, const mrt::Address& address) const;
  void sweep_later(mrt::Instant now);
  void refuse(const mrt::Path& path, uint64_t transaction, RefusalCode code);
  void send(const mrt::Path& path, const RendezvousMessage& message);

  std::array<uint8_t, 32> cookie_key_;
  RendezvousTable table_;
  Callers callers_;
  std::optional<RendezvousSharing> sharing_;
  std::deque<std::pair<mrt::Path, mrt::Bytes>> outbox_;
  mrt::Instant sweep_at_ = mrt::never;  // while the table holds something
  RendezvousStats stats_;
};

static_assert(mrt::Machine<RendezvousServer>);

}  // namespace stun
