// SPDX-License-Identifier: MIT
#include "node/migration.h"

#include <algorithm>
#include <utility>

#include "mrt/receiver.h"
#include "node/order.h"

namespace node {

mrt::Duration word_wait(mrt::Duration rtt) {
  return std::clamp(2 * rtt + mrt::Receiver::ack_delay_max, word_wait_min, word_wait_max);
}

void Migration::on_view(mrt::Instant, Epoch epoch, const std::vector<NodeId>& by_rank) {
  phase_ = Phase::steady;
  epoch_ = epoch;
  note_epoch(epoch);
  by_rank_ = by_rank;
  silent_.clear();
  doubters_.clear();
  call_.reset();
  survivors_.clear();
  awaited_survivors_.clear();
  filled_from_ = {};
  leader_ = {};
  reason_ = CloseReason::lost;
  parted_ = false;
  answered_ = {};
  rejoins_ = 0;
  told_.clear();
  deadline_ = mrt::never;
  actions_.clear();
}

/// The supernode is there, or may be: whoever was told otherwise must not go on counting it.
void Migration::take_back(mrt::Instant now) {
  const std::set<NodeId> told = std::move(told_);
  on_view(now, epoch_, by_rank_);
  for (const NodeId& node : told) actions_.push_back(SendSuspect{node, {epoch_, {}}});
}

NodeId Migration::awaited() const {
  if (phase_ == Phase::following) return leader_;
  if (phase_ == Phase::doubting) return first_live();
  return {};
}

NodeId Migration::first_live() const {
  for (const NodeId& node : by_rank_) {
    if (!silent_.contains(node)) return node;
  }
  return {};
}

void Migration::leave_steady(mrt::Instant now) {
  if (phase_ == Phase::steady) began_ = now;
  call_.reset();
}

void Migration::on_silent(mrt::Instant now, const NodeId& node) {
  if (node == self_ || !silent_.insert(node).second) return;
  switch (phase_) {
    case Phase::steady:
      // A silent successor concerns the supernode; a member only when its turn comes.
      if (by_rank_.empty() || node != by_rank_.front()) break;
      if (const auto call = std::exchange(call_, std::nullopt)) {
        follow(now, call->from, call->message);
      } else {
        doubt(now);
      }
      break;
    case Phase::doubting:
      walk(now);
      break;
    case Phase::following:
      if (node == leader_) doubt(now);
      break;
    case Phase::gathering:
    case Phase::filling:
      awaited_survivors_.erase(node);
      survivors_.erase(node);
      // Nothing more to wait for: on_timeout() looks at what is left.
      if (awaited_survivors_.empty() || node == filled_from_) deadline_ = std::min(deadline_, now);
      break;
  }
}

void Migration::on_heard(mrt::Instant now, const NodeId& node) {
  if (silent_.erase(node) == 0) return;
  if (phase_ != Phase::doubting || by_rank_.empty() || node != by_rank_.front()) return;
  if (parted_) {
    // What it said meanwhile was not taken: it has to take this node in anew.
    actions_.push_back(Rejoin{});
    deadline_ = now + agreement_wait;
  } else {
    take_back(now);  // before anyone took over: nothing has happened
  }
}

/// There is no supernode to be heard: find who takes over.
void Migration::doubt(mrt::Instant now) {
  leave_steady(now);
  phase_ = Phase::doubting;
  leader_ = {};
  walk(now);
}

/// Tells the first one in the succession that may be alive, or takes over.
void Migration::walk(mrt::Instant now) {
  const NodeId next = first_live();
  if (next == self_) {
    if (may_take_over(now)) {
      gather(now, {epoch_seen_.value + 1}, reason_);
    } else {
      deadline_ = now + agreement_wait;
    }
    return;
  }
  if (next.is_null()) {
    actions_.push_back(Rejoin{});
    deadline_ = now + begin_wait;
    return;
  }
  Suspect message{epoch_, {}};
  for (const NodeId& node : by_rank_) {
    if (node == next || message.silent.size() == suspects_max) break;
    message.silent.push_back(node);
  }
  actions_.push_back(SendSuspect{next, std::move(message)});
  told_.insert(next);
  deadline_ = now + successor_wait;
}

/// How many said lately that they do not hear that node.
size_t Migration::agreeing(mrt::Instant now, const NodeId& node) const {
  const auto it = doubters_.find(node);
  if (it == doubters_.end()) return 0;
  return static_cast<size_t>(
      std::count_if(it->second.begin(), it->second.end(),
                    [&](const auto& said) { return now - said.second < suspect_time; }));
}

/// Someone else misses the supernode too, or nobody else is left who could. Where this node hears
/// it, more than half of all must say otherwise: on_suspect() has looked for that.
bool Migration::may_take_over(mrt::Instant now) const {
  if (by_rank_.empty()) return false;
  const NodeId& supernode = by_rank_.front();
  // It gave its role away, and the one who was to take it did not.
  if (supernode == self_) return true;
  const auto others =
      static_cast<size_t>(std::count_if(by_rank_.begin(), by_rank_.end(), [&](const NodeId& node) {
        return node != self_ && node != supernode && !silent_.contains(node);
      }));
  const size_t agree = agreeing(now, supernode);
  if (silent_.contains(supernode)) return others == 0 || agree > 0;
  return agree * 2 > others;
}

void Migration::on_suspect(mrt::Instant now, const NodeId& from, const Suspect& message) {
  if (message.epoch != epoch_ || by_rank_.empty() || by_rank_.front() == self_) return;
  // All that are silent for it: it hears the others, whatever it said before.
  for (auto& [node, doubters] : doubters_) doubters.erase(from);
  if (message.silent.empty()) return;
  for (const NodeId& node : message.silent) {
    if (std::find(by_rank_.begin(), by_rank_.end(), node) != by_rank_.end()) {
      doubters_[node][from] = now;
    }
  }
  if (phase_ == Phase::gathering && awaited_survivors_.contains(from)) {
    actions_.push_back(
        SendGather{from, {next_epoch_, self_, reason_}});  // it asks: it missed the first
  }
  if (phase_ != Phase::steady && phase_ != Phase::doubting) return;
  // Those before this node in the succession are silent for it, or most say that they are.
  const size_t half = by_rank_.size() / 2;
  for (const NodeId& node : by_rank_) {
    if (node == self_) break;
    const bool most_say_so = agreeing(now, node) > half;
    if (!silent_.contains(node) && !most_say_so) return;
  }
  if (may_take_over(now)) {
    leave_steady(now);
    gather(now, {epoch_seen_.value + 1}, reason_);
  }
}

void Migration::on_close(mrt::Instant now, const SupernodeClose& message) {
  if (message.epoch <= epoch_ || message.reason == CloseReason::merged) return;
  leave_steady(now);
  note_epoch(message.epoch);
  if (message.reason == CloseReason::left && !by_rank_.empty()) silent_.insert(by_rank_.front());
  if (message.successor == self_) {
    gather(now, message.epoch, message.reason);
    return;
  }
  phase_ = Phase::following;
  parted_ = true;
  reason_ = message.reason;
  leader_ = message.successor;
  next_epoch_ = message.epoch;
  deadline_ = now + begin_wait;
  answered_ = leader_;
  answered_epoch_ = next_epoch_;
  // The successor need not ask: it heard the same and waits for us.
  actions_.push_back(SendSurvivor{leader_, next_epoch_});
}

void Migration::on_gather(mrt::Instant now, const NodeId& from, const Gather& message,
                          mrt::Duration word_wait) {
  if (message.successor != from || message.epoch <= epoch_) return;
  if (phase_ == Phase::steady) {
    // A supernode hears itself; where others have begun without it, it meets and joins them.
    if (by_rank_.empty() || by_rank_.front() == self_) return;
    if (call_ && std::pair(message.epoch, from) < std::pair(call_->message.epoch, call_->from)) {
      return;
    }
    call_ = {from, message, now};
    deadline_ = now + word_wait;
    actions_.push_back(AskWord{});
    return;
  }
  const bool gathering = phase_ == Phase::gathering || phase_ == Phase::filling;
  const bool led = gathering || phase_ == Phase::following;
  const NodeId leader = gathering ? self_ : leader_;
  if (led && std::pair(message.epoch, from) < std::pair(next_epoch_, leader)) return;
  follow(now, from, message);
}

void Migration::on_word(mrt::Instant when) {
  if (!call_ || when <= call_->at) return;
  call_.reset();
  deadline_ = mrt::never;
}

void Migration::follow(mrt::Instant now, const NodeId& from, const Gather& message) {
  leave_steady(now);
  note_epoch(message.epoch);
  silent_.erase(from);
  awaited_survivors_.clear();
  survivors_.clear();
  phase_ = Phase::following;
  parted_ = true;
  reason_ = message.reason;
  leader_ = from;
  next_epoch_ = message.epoch;
  deadline_ = now + begin_wait;
  answered_ = from;
  answered_epoch_ = message.epoch;
  actions_.push_back(SendSurvivor{from, message.epoch});
}

void Migration::gather(mrt::Instant now, Epoch epoch, CloseReason reason) {
  phase_ = Phase::gathering;
  parted_ = true;
  reason_ = reason;
  leader_ = self_;
  next_epoch_ = epoch;
  note_epoch(epoch);
  survivors_.clear();
  awaited_survivors_.clear();
  for (const NodeId& node : by_rank_) {
    if (node == self_ || silent_.contains(node)) continue;
    awaited_survivors_.insert(node);
    actions_.push_back(SendGather{node, {epoch, self_, reason}});
  }
  deadline_ = awaited_survivors_.empty() ? now : now + gather_wait;
}

void Migration::on_survivor(mrt::Instant now, const NodeId& from, const Survivor& message,
                            Seq mine) {
  if (phase_ == Phase::filling) {
    if (message.next == next_epoch_) survivors_[from] = message;  // late, and still welcome
    return;
  }
  if (phase_ != Phase::gathering || message.next != next_epoch_) return;
  survivors_[from] = message;
  awaited_survivors_.erase(from);
  consider_gathered(now, mine);
}

void Migration::consider_gathered(mrt::Instant now, Seq mine) {
  if (awaited_survivors_.empty()) fill(now, mine);
}

/// The supernode is heard again, and all who could have answered stay with it.
bool Migration::nobody_came() const {
  const NodeId& supernode = by_rank_.front();
  return reason_ == CloseReason::lost && supernode != self_ && !silent_.contains(supernode) &&
         survivors_.empty() && !awaited_survivors_.empty();
}

/// Where others came into the view that this node was gathered for and its Welcome was lost, they
/// know places of that view which are none in the one before.
bool Migration::release(mrt::Instant now) {
  std::set<NodeId> ahead;
  for (const auto& [node, survivor] : survivors_) {
    if (survivor.epoch == answered_epoch_ && survivor.supernode == answered_) ahead.insert(node);
  }
  if (answered_.is_null() || ahead.empty()) return false;
  actions_.push_back(Release{std::move(ahead)});
  actions_.push_back(Rejoin{});
  phase_ = Phase::doubting;
  deadline_ = now + agreement_wait;
  return true;
}

/// Fetches what another delivered and this node does not hold; begins when there is none.
void Migration::fill(mrt::Instant now, Seq mine) {
  if (release(now)) return;
  phase_ = Phase::filling;
  const Survivor* best = nullptr;
  // Only of the view that both come from: in another line the same places mean others.
  const auto is_ahead = [&](const Survivor& survivor) {
    return survivor.epoch == epoch_ && survivor.supernode == by_rank_.front() &&
           survivor.delivered > mine;
  };
  for (const auto& [node, survivor] : survivors_) {
    if (!is_ahead(survivor)) continue;
    if (survivor.held_from.value > mine.value + 1) continue;
    // Nobody can hold more: it would be asked for what it does not have.
    if (survivor.delivered.value > mine.value + tail_messages_max) continue;
    if (!best || survivor.delivered > best->delivered) {
      best = &survivor;
      filled_from_ = node;
    }
  }
  if (best) {
    actions_.push_back(SendWant{filled_from_, {{mine.value + 1}, best->delivered}});
    deadline_ = now + begin_wait / 2;
    return;
  }
  // One that came in later than what is missing here cannot hand it on: it does not keep step with
  // this view, and comes into the next one by joining.
  std::erase_if(survivors_, [&](const auto& one) { return is_ahead(one.second); });
  deadline_ = mrt::never;
  actions_.push_back(Begin{next_epoch_, survivors_});
}

Seq Migration::filled_to() const {
  const auto it = survivors_.find(filled_from_);
  return it == survivors_.end() ? Seq{} : it->second.delivered;
}

void Migration::on_filled(mrt::Instant now, Seq mine) {
  if (phase_ != Phase::filling || deadline_ == mrt::never) return;
  const auto it = survivors_.find(filled_from_);
  if (it == survivors_.end() || mine >= it->second.delivered) fill(now, mine);
}

void Migration::on_stall(mrt::Instant now) {
  doubters_.clear();
  call_.reset();
  if (phase_ == Phase::doubting && !parted_) {
    take_back(now);
  } else if (deadline_ != mrt::never) {
    deadline_ = std::max(deadline_, now + successor_wait);
  }
}

void Migration::on_timeout(mrt::Instant now, Seq mine) {
  if (now < deadline_) return;
  deadline_ = mrt::never;
  switch (phase_) {
    case Phase::steady:
      if (const auto call = std::exchange(call_, std::nullopt)) {
        follow(now, call->from, call->message);
      }
      break;
    case Phase::doubting: {
      const NodeId next = first_live();
      // The successor is heard (else on_silent() had come) and does not take over: it must
      // hear the supernode. What does not work is our connection.
      if (next == self_ || next.is_null() || ++rejoins_ < rejoins_max) {
        actions_.push_back(Rejoin{});
        deadline_ = now + agreement_wait;
      } else {
        silent_.insert(next);  // it had its time
        rejoins_ = 0;
        walk(now);
      }
      break;
    }
    case Phase::following:
      silent_.insert(leader_);
      doubt(now);
      break;
    case Phase::gathering:
      if (nobody_came()) {
        phase_ = Phase::doubting;
        actions_.push_back(Rejoin{});
        deadline_ = now + agreement_wait;
        break;
      }
      awaited_survivors_.clear();
      fill(now, mine);
      break;
    case Phase::filling:
      survivors_.erase(filled_from_);  // it did not deliver what it said it had
      fill(now, mine);
      break;
  }
}

std::optional<Migration::Action> Migration::poll_action() {
  if (actions_.empty()) return std::nullopt;
  Action action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

}  // namespace node
