// SPDX-License-Identifier: MIT
#include "stun/rendezvous_sharing.h"

#include <algorithm>
#include <utility>

namespace stun {

// Most of them may be foreign, of which nothing is told: some microseconds.
static constexpr size_t walked_at_once = 64;
// A Keep comes three times in a life. Who keeps more often is not told of more often.
static constexpr int tellings_per_life_max = 4;

void RendezvousSharing::begin() {
  end();
  on_ = true;
  walk_.emplace();
}

void RendezvousSharing::end() {
  on_ = false;
  waiting_.clear();
  errands_.clear();
  walk_.reset();
}

std::shared_ptr<RendezvousTable::Shared> RendezvousSharing::shared_of(
    const Registration& registration) const {
  auto out = std::make_shared<RendezvousTable::Shared>();
  out->home = own_;
  out->datagram = write_rendezvous(registration);
  return out;
}

void RendezvousSharing::note(mrt::Instant now, const LookUpId& id, RendezvousTable::Entry& entry,
                             bool news) {
  const bool due = now - entry.shared->told_at >= entry.life / tellings_per_life_max;
  if (on_ && (news || due)) wait(id, entry);
}

void RendezvousSharing::wait(const LookUpId& id, RendezvousTable::Entry& entry) {
  if (std::exchange(entry.shared->waits, true)) return;
  if (waiting_.size() >= waiting_max) return begin();
  waiting_.push_back({id, entry.where.node, entry.path.remote.is_v4()});
}

void RendezvousSharing::introduce(const InstanceId& home, FarIntroduction far) {
  if (on_ && errands_.size() < introductions_max) errands_.emplace_back(home, std::move(far));
}

bool RendezvousSharing::knows(RendezvousTable& table, const RendezvousRecord& record) const {
  const auto* const known = table.entry_of(record.registration.id, record.registration.node,
                                           record.seen.is_v4());
  return known != nullptr && known->shared &&
         known->shared->datagram == write_rendezvous(record.registration);
}

std::optional<RendezvousRecord> RendezvousSharing::poll_record(mrt::Instant now,
                                                               RendezvousTable& table) {
  if (waiting_.empty() && walk_) {
    walk_ = table.walk(*walk_, walked_at_once, [&](const LookUpId& id, auto& entry) {
      if (entry.foreign || now >= entry.ends_at) return;
      waiting_.push_back({id, entry.where.node, entry.path.remote.is_v4()});
    });
  }
  while (!waiting_.empty()) {
    const Key key = waiting_.front();
    waiting_.pop_front();
    RendezvousTable::Entry* const entry = table.entry_of(key.id, key.node, key.is_v4);
    if (entry == nullptr) continue;
    entry->shared->waits = false;
    if (entry->foreign || now >= entry->ends_at) continue;
    const auto registration = parse_rendezvous(entry->shared->datagram);
    entry->shared->told_at = now;
    const auto left = std::min(entry->ends_at - now, registration_life_max);
    return RendezvousRecord{
        own_, entry->path.remote,
        entry->taken_back ? uint16_t{0} : static_cast<uint16_t>(mrt::to_ms(left)),
        std::get<Registration>(*registration)};
  }
  return std::nullopt;
}

std::optional<RendezvousSharing::Errand> RendezvousSharing::poll_introduction() {
  if (errands_.empty()) return std::nullopt;
  Errand out = std::move(errands_.front());
  errands_.pop_front();
  return out;
}

}  // namespace stun
