// SPDX-License-Identifier: MIT
#include "node/order.h"

#include <algorithm>
#include <tuple>

#include "mrt/base/check.h"

namespace node {

std::optional<Publish> Order::publish(BroadcastKind kind, mrt::Bytes body, const Signer& signer) {
  const size_t size = kept_size(body);
  if (pending_.size() >= pending_messages_max || pending_bytes_ + size > pending_bytes_max) {
    return std::nullopt;
  }
  Publish& next = pending_.emplace_back(
      Publish{incarnation_, ++last_number_, kind, std::move(body), mrt::Signature{}});
  next.signature = sign_broadcast(signer, next);
  pending_bytes_ += size;
  return next;
}

const Publish* Order::pending_after(uint64_t number) const {
  const auto next =
      std::upper_bound(pending_.begin(), pending_.end(), number,
                       [](uint64_t last, const Publish& one) { return last < one.number; });
  return next == pending_.end() ? nullptr : &*next;
}

void Order::drop_pending(uint64_t number) {
  const auto it = std::find_if(pending_.begin(), pending_.end(),
                               [&](const Publish& p) { return p.number == number; });
  if (it == pending_.end()) return;
  pending_bytes_ -= kept_size(it->body);
  pending_.erase(it);
}

std::vector<Publish> Order::take_overtaken_offers() {
  std::vector<Publish> out;
  // Below its last place, or the first of those that the user here has not had yet.
  uint64_t end = placed_of({self_, incarnation_, 0}) + 1;
  if (pending_.empty() || pending_.front().number >= end) return out;
  for (Seq seq{delivered_.value + 1}; seq <= last_; ++seq.value) {
    const MessageId& id = held(seq).id;
    if (id.sender != self_ || id.incarnation != incarnation_) continue;
    end = std::min(end, id.number);
    break;
  }
  for (const Publish& one : pending_) {
    if (one.number < end && one.kind == BroadcastKind::offer) out.push_back(one);
  }
  for (const Publish& one : out) drop_pending(one.number);
  return out;
}

void Order::begin_view(Epoch epoch, const NodeId& supernode) {
  CHECK(views_.empty() || epoch > views_.back().epoch);
  // Views of whose places none came here are not what this one goes on behind.
  while (!views_.empty() && views_.back().first.value > last_.value + 1) views_.pop_back();
  views_.push_back({epoch, supernode, incarnation_, {last_.value + 1}});
  if (views_.size() > views_max) views_.pop_front();
}

bool Order::place(const RosterEntry& sender, const Publish& publish) {
  CHECK(!views_.empty());
  const MessageId id{sender.node, publish.incarnation, publish.number};
  if (id.number <= placed_of(id)) return false;
  append({{epoch(), {last_.value + 1}},
          id,
          sender.nick,
          publish.kind,
          publish.body,
          sender.key,
          publish.signature});
  return true;
}

bool Order::lacks(const MessageId& id) const {
  if (carried_.contains(id)) return false;
  const uint64_t last = placed_of(id);
  const MessageId before{id.sender, id.incarnation, id.number - 1};
  return last == 0 || id.number == last + 1 || (id.number > last && carried_.contains(before));
}

void Order::carry(const Ordered& message) {
  if (lacks(message.id)) keep_carried(message);
}

void Order::place_carried() {
  CHECK(carried_.empty() || !views_.empty());
  while (!carried_.empty()) {
    Ordered message = carried_.begin()->second;
    message.place = {epoch(), {last_.value + 1}};
    append(message);
  }
}

void Order::keep_carried(Ordered message) {
  const MessageId id = message.id;
  const size_t size = kept_size(message.body);
  if (carried_.size() >= carried_messages_max || carried_bytes_ + size > carried_bytes_max) return;
  if (carried_.try_emplace(id, std::move(message)).second) carried_bytes_ += size;
}

/// It has its place in this line, and what its sender said before it had one or never will.
void Order::forget_carried(const MessageId& id) {
  const auto end = carried_.upper_bound(id);
  auto it = carried_.lower_bound({id.sender, id.incarnation, 0});
  while (it != end) {
    carried_bytes_ -= kept_size(it->second.body);
    it = carried_.erase(it);
  }
}

bool Order::is_forged(const Ordered& message) const {
  const MessageId& id = message.id;
  if (id.sender != self_ || id.incarnation != incarnation_) return false;
  const Publish* own = pending_of(id.number);
  // What is not pending any more came back before: it is a repeat, and passed over.
  if (!own) return id.number > last_number_;
  return own->kind != message.kind || own->body != message.body ||
         own->signature != message.signature;
}

const Publish* Order::pending_of(uint64_t number) const {
  const auto own =
      std::lower_bound(pending_.begin(), pending_.end(), number,
                       [](const Publish& one, uint64_t wanted) { return one.number < wanted; });
  return own == pending_.end() || own->number != number ? nullptr : &*own;
}

bool Order::take(const Ordered& message) {
  if (message.place.seq.value != last_.value + 1) return false;
  append(message);
  return true;
}

uint64_t Order::placed_of(const MessageId& id) const {
  const auto life = lives_.find({id.sender, id.incarnation});
  return life == lives_.end() ? 0 : life->second.placed;
}

/// A life's numbers have no holes: where one is jumped over, nobody holds any more what it said.
uint64_t Order::skipped_before(const MessageId& id) const {
  const auto found = lives_.find({id.sender, id.incarnation});
  if (found == lives_.end() || found->second.heard == 0 || found->second.jumps) return 0;
  const uint64_t next = std::max(found->second.heard, found->second.placed) + 1;
  return id.number > next ? id.number - next : 0;
}

/// False where that number or a later one of the same life was heard here, be it elsewhere: then it
/// is a repeat here, and may be news to others.
bool Order::note_placed(const Ordered& message) {
  const MessageId& id = message.id;
  Life& life = lives_[{id.sender, id.incarnation}];
  life.placed = std::max(life.placed, id.number);
  life.jumps = false;
  const bool is_new = id.number > life.heard;
  // An offer says how things are: what was said before it may still be news to a newcomer.
  const bool is_told = message.kind == BroadcastKind::chat && !is_kept(message.place.seq);
  if (is_new && is_told) life.heard = id.number;
  life.turn = ++turns_;
  forget_lives();
  return is_new;
}

void Order::note_member(const NodeId& node, Incarnation incarnation) {
  Life& life = lives_[{node, incarnation}];
  life.was_here = true;
  life.turn = ++turns_;
  forget_lives();
}

void Order::forget_lives() {
  if (lives_.size() <= lives_max) return;
  const auto carried = static_cast<size_t>(std::count_if(
      lives_.begin(), lives_.end(), [](const auto& one) { return !one.second.was_here; }));
  const bool of_members = carried <= carried_lives_kept;
  std::vector<uint64_t> turns;
  for (const auto& [id, life] : lives_) {
    if (life.was_here == of_members) turns.push_back(life.turn);
  }
  const auto last =
      turns.begin() + static_cast<std::ptrdiff_t>(turns.size() / lives_forgotten_share);
  std::nth_element(turns.begin(), last, turns.end());
  std::erase_if(lives_, [&](const auto& one) {
    return one.second.was_here == of_members && one.second.turn <= *last;
  });
}

void Order::append(const Ordered& message) {
  const uint64_t skipped = skipped_before(message.id);
  const bool repeated = !note_placed(message);
  auto framed = std::make_shared<const mrt::Bytes>(encode_framed(message));
  tail_bytes_ += framed->size();
  tail_.push_back({message.id, message.kind, std::move(framed), repeated, in_history_, skipped});
  last_ = message.place.seq;
  forget_carried(message.id);
  trim_tail();
}

void Order::trim_tail() {
  // What the user has not had yet is kept beyond the limit; where that is as much again, the
  // supernode places nothing more (is_overfull()).
  while ((tail_.size() > tail_messages_max || tail_bytes_ > tail_bytes_max) &&
         held_from() <= delivered_) {
    tail_bytes_ -= tail_.front().framed->size();
    tail_.pop_front();
  }
}

void Order::deliver_up_to(Seq seq) { deliverable_ = std::max(deliverable_, std::min(seq, last_)); }

const Order::Held& Order::held(Seq seq) const {
  return tail_[static_cast<size_t>(seq.value - held_from().value)];
}

Ordered Order::message_of(const Held& entry) {
  mrt::Reader in(*entry.framed);
  auto message = decode(in.sized_bytes(message_bytes_max));
  CHECK(message && std::holds_alternative<Ordered>(*message));
  return std::get<Ordered>(std::move(*message));
}

std::optional<Order::Delivery> Order::poll_delivery() {
  while (delivered_ < deliverable_) {
    delivered_.value++;
    const Held& entry = held(delivered_);
    if (entry.id.sender == self_ && entry.id.incarnation == incarnation_) {
      drop_pending(entry.id.number);
      own_unstable_.emplace_back(delivered_, entry.id.number);
    }
    // An offer counts again: it may have been withdrawn by its holder's absence meanwhile.
    if (entry.repeated && entry.kind == BroadcastKind::chat) continue;
    if (entry.history && delivered_ <= kept_) continue;
    Delivery out{message_of(entry), entry.history, entry.skipped};
    // One whose side had run ahead gets what it missed under this view's epoch: places rise. An
    // offer's place is shown to nobody, and one that comes again says nothing about what follows.
    Place& place = out.message.place;
    if (entry.kind == BroadcastKind::chat) {
      if (place <= told_) place.epoch = epoch();
      told_ = place;
    }
    trim_tail();
    return out;
  }
  return std::nullopt;
}

std::optional<uint64_t> Order::on_stable(Seq seq) {
  std::optional<uint64_t> number;
  while (!own_unstable_.empty() && own_unstable_.front().first <= seq) {
    number = std::max(number.value_or(0), own_unstable_.front().second);
    own_unstable_.pop_front();
  }
  return number;
}

/// Takes places back. Own messages that had come back in one of them are pending again; others'
/// that were heard here are carried, if this side is left for one that it parted from.
void Order::drop_after(Seq seq) {
  while (!tail_.empty() && last_ > seq) {
    const Held& entry = tail_.back();
    const bool own = entry.id.sender == self_ && entry.id.incarnation == incarnation_;
    const auto life = lives_.find({entry.id.sender, entry.id.incarnation});
    if (life != lives_.end()) {
      life->second.placed = std::min(life->second.placed, entry.id.number - 1);
    }
    if (!own && (last_ <= delivered_ || entry.repeated)) {
      keep_carried(message_of(entry));
    }
    if (own && last_ <= delivered_) {
      Ordered placed = message_of(entry);
      Publish again{incarnation_, entry.id.number, entry.kind, std::move(placed.body),
                    placed.signature};
      pending_bytes_ += kept_size(again.body);
      pending_.push_front(std::move(again));
      if (!own_unstable_.empty() && own_unstable_.back().first == last_) own_unstable_.pop_back();
    }
    tail_bytes_ -= entry.framed->size();
    tail_.pop_back();
    last_.value--;
  }
}

uint64_t Order::enter_view(Epoch epoch, const NodeId& supernode, Incarnation life, Seq delivered,
                           bool resumed, bool apart, const std::vector<ViewMark>& line) {
  const Epoch before = this->epoch();
  uint64_t missed = 0;
  forget_undelivered();
  // Places above the point where the lines part belong to this side alone. Its senders say what
  // lay there again, and others for those who cannot; whoever had it knows it as a repeat. What
  // follows `delivered` may begin further up, where the supernode holds no more.
  const Seq parted = std::min(delivered, common_place(line).value_or(delivered));
  // What of this side's places cannot be told any more is taken for none.
  if (!resumed || parted.value + 1 < held_from().value) {
    for (auto& [id, known] : lives_) known.placed = 0;
  }
  drop_after(resumed ? parted : Seq{held_from().value - 1});
  if (!resumed || last_ != delivered) {
    if (resumed) missed = delivered.value - std::min({last_, parted, delivered}).value;
    for (auto& [id, known] : lives_) known.jumps = true;
    tail_.clear();
    tail_bytes_ = 0;
    own_unstable_.clear();
  }
  if (!resumed) views_.clear();
  last_ = delivered_ = deliverable_ = delivered;
  kept_ = std::min(kept_, delivered);  // what lay above was the history of that line
  while (!views_.empty() && views_.back().first > delivered) views_.pop_back();
  // It comes from a view that is not in this line, where the same epoch meant other places.
  if (apart && this->epoch() < before) told_ = std::max(told_, Place{epoch, delivered});
  adopt_line(epoch, line);
  if (views_.empty() || views_.back().epoch < epoch) {
    views_.push_back({epoch, supernode, life, {delivered.value + 1}});
    if (views_.size() > views_max) views_.pop_front();
  }
  return missed;
}

/// Also the views that this node was not in: it may have to tell others of them where they go on.
void Order::adopt_line(Epoch epoch, const std::vector<ViewMark>& line) {
  std::deque<View> views;
  Seq first{1};
  for (size_t i = line.size(); i-- > 0;) {
    const ViewMark& mark = line[i];
    const bool rises = views.empty() || mark.epoch > views.back().epoch;
    if (!rises || mark.epoch > epoch) return;  // no line at all
    views.push_back({mark.epoch, mark.supernode, mark.life, first});
    first = std::max(first, Seq{mark.last.value + 1});
  }
  if (!views.empty()) views_ = std::move(views);
}

bool Order::is_line_held() const {
  return std::all_of(views_.begin(), views_.end(),
                     [this](const View& view) { return view.first.value <= last_.value + 1; });
}

void Order::forget_undelivered() {
  while (last_ > delivered_) {
    const Held& entry = tail_.back();
    if (!entry.repeated) {
      const auto life = lives_.find({entry.id.sender, entry.id.incarnation});
      if (life != lives_.end()) {
        life->second.heard = std::min(life->second.heard, entry.id.number - 1);
      }
    }
    drop_after({last_.value - 1});
  }
  deliverable_ = delivered_;
}

Seq Order::last_of_view(size_t index) const {
  return index + 1 < views_.size() ? Seq{views_[index + 1].first.value - 1} : last_;
}

std::vector<ViewMark> Order::line_up_to(Seq seq) const {
  std::vector<ViewMark> out;
  for (size_t i = views_.size(); i-- > 0 && out.size() < line_max;) {
    const View& view = views_[i];
    out.push_back({view.epoch, view.supernode, view.life, std::min(last_of_view(i), seq)});
  }
  return out;
}

/// The last place that this node's line and that one share.
std::optional<Seq> Order::common_place(const std::vector<ViewMark>& line) const {
  for (const ViewMark& mark : line) {
    for (size_t i = views_.size(); i-- > 0;) {
      const View& view = views_[i];
      if (std::tie(view.epoch, view.supernode, view.life) !=
          std::tie(mark.epoch, mark.supernode, mark.life)) {
        continue;
      }
      return std::min(mark.last, last_of_view(i));
    }
  }
  return std::nullopt;
}

Order::ResumePoint Order::resume_point(const std::vector<ViewMark>& line, size_t history) const {
  const ViewMark asked_in = line.empty() ? ViewMark{} : line.front();
  if (const auto common = common_place(line)) {
    // What lies before the tail cannot be repeated: the newcomer is told by the jump.
    return {true, std::max(*common, Seq{held_from().value - 1}), {}, asked_in};
  }
  Seq kept = last_;
  for (size_t chats = 0; kept >= held_from() && chats < history; kept.value--) {
    if (held(kept).kind == BroadcastKind::chat) ++chats;
  }
  return {false, {held_from().value - 1}, kept, asked_in};
}

std::optional<std::pair<Seq, mrt::SharedBytes>> Order::next_after(Seq after) const {
  if (after >= last_) return std::nullopt;
  const Seq seq = std::max(Seq{after.value + 1}, held_from());
  return std::pair(seq, held(seq).framed);
}

std::vector<Ordered> Order::undelivered() const {
  std::vector<Ordered> out;
  for (Seq seq{delivered_.value + 1}; seq <= last_; ++seq.value)
    out.push_back(message_of(held(seq)));
  return out;
}

bool Order::is_consistent() const {
  size_t bytes = 0;
  for (const Held& entry : tail_) bytes += entry.framed->size();
  return bytes == tail_bytes_ && delivered_ <= deliverable_ && deliverable_ <= last_ &&
         tail_.size() <= last_.value && lives_.size() <= lives_max && views_.size() <= views_max &&
         carried_.size() <= carried_messages_max && carried_bytes_ <= carried_bytes_max &&
         std::is_sorted(pending_.begin(), pending_.end(),
                        [](const Publish& a, const Publish& b) { return a.number < b.number; });
}

}  // namespace node
