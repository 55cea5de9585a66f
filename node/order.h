// SPDX-License-Identifier: MIT
//
// The one order of broadcasts. At the supernode: gives each message its place, and says what
// is stable. At each node: takes placed messages in order, keeps the recent ones for others,
// drops what it had, and remembers what of its own has not come back yet. It knows no
// connections; epochs are begun from outside.
//
// 1. Places are taken without holes: seq rises by one, the epoch never falls.
// 2. A chat message (sender, incarnation, number) is delivered at most once, and those of one
//    sender's life in their order. Offers, which say what is so, may come again.
// 3. An own message is pending until it was delivered here.
// 4. A supernode delivers to its own user only what is stable; a member what it took.
// 5. At most tail_messages_max messages and tail_bytes_max bytes are kept for others.
// 6. What others said on a side that was left is carried until it has a place in this line.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "mrt/types.h"
#include "node/broadcast_proof.h"
#include "node/ids.h"
#include "node/message.h"

namespace node {

// How far back a late joiner or a merging star can be served; older messages are a gap.
inline constexpr size_t tail_messages_max = 10'000;
inline constexpr size_t tail_bytes_max = 16 * 1024 * 1024;
// Own messages that wait for a supernode: as many as could be served again.
inline constexpr size_t pending_messages_max = 10'000;
inline constexpr size_t pending_bytes_max = 16 * 1024 * 1024;
// What is carried from a side that was left: as far back as a side can be served, and half of what
// may wait for the connection over which it is said.
inline constexpr size_t carried_messages_max = tail_messages_max;
inline constexpr size_t carried_bytes_max = 4 * 1024 * 1024;
// Lives of senders that are remembered for telling repeats: every member of a full star
// restarting four times. Those that were silent longest are forgotten first.
inline constexpr size_t lives_max = 16'384;
// Of these, lives that were never here, of which others only carried words: anybody can do so of as
// many as he makes keys. Where they are more than this, they are forgotten before those that were
// here. As many as a full star leaves behind where it joins another are not.
inline constexpr size_t carried_lives_kept = lives_max / 4;
// So much of either is forgotten at once: one by one, each would be sought among all.
inline constexpr size_t lives_forgotten_share = 16;
// Views whose places can be told apart, the oldest forgotten first: a node that was away for more
// starts anew, as it does where the tail holds no more. One who came in later knows the last
// line_max of those before.
inline constexpr size_t views_max = 64;

class Order {
 public:
  Order(const NodeId& self, Incarnation incarnation) : self_(self), incarnation_(incarnation) {
    note_member(self, incarnation);
  }

  /// One message that is due to the user.
  struct Delivery {
    Ordered message;
    bool history = false;
    uint64_t skipped = 0;  // that its sender said before, after what was heard, and that none has
  };

  // A sender's side.
  /// The next own message, signed; nothing at pending_messages_max or pending_bytes_max.
  std::optional<Publish> publish(BroadcastKind kind, mrt::Bytes body, const Signer& signer);
  const std::deque<Publish>& pending() const { return pending_; }
  bool is_pending(uint64_t number) const { return pending_of(number) != nullptr; }
  bool has_pending() const { return !pending_.empty(); }
  /// The first of them above a number; null where none is.
  const Publish* pending_after(uint64_t number) const;
  /// Forgets an own message that cannot be said any more.
  void drop_pending(uint64_t number);
  /// Those own offers for which this line has no place any more, since others carried here what
  /// this node said later. They are not pending any more.
  std::vector<Publish> take_overtaken_offers();

  // The supernode's side.
  /// Begins an epoch of `supernode`, in this life, behind all that was taken.
  void begin_view(Epoch epoch, const NodeId& supernode);
  /// Gives a message its place; false where it had one already.
  bool place(const RosterEntry& sender, const Publish& publish);
  /// What is not known here, nor would keep out for good what its sender said before.
  bool lacks(const MessageId& id) const;
  /// Takes over what a member carries, where it is lacking.
  void carry(const Ordered& message);
  /// Gives what is carried its places, before anything else that its senders say.
  void place_carried();

  // Everybody's.
  /// This life is here, in the roster.
  void note_member(const NodeId& node, Incarnation incarnation);
  /// It says that this node said it in this life, and it did not: someone forges. Of what is not
  /// pending any more only the signature tells.
  bool is_forged(const Ordered& message) const;
  /// False where the message does not follow the last one: the caller asks anew.
  bool take(const Ordered& message);
  /// Everything up to here may be handed to the user.
  void deliver_up_to(Seq seq);
  /// What the user has not had yet is more than is to be kept: nothing more is to be placed.
  bool is_overfull() const {
    return tail_.size() > 2 * tail_messages_max || tail_bytes_ > 2 * tail_bytes_max;
  }
  std::optional<Delivery> poll_delivery();
  /// The supernode and its successor hold all up to here; the highest own number that this
  /// makes safe, where it is a new one.
  std::optional<uint64_t> on_stable(Seq seq);

  // Coming into a view, at the newcomer.
  /// What comes next follows `delivered` in another supernode's line. `resumed`: it is the line
  /// that this node was in; what it holds above `delivered` was never agreed and goes. `apart`: it
  /// was elsewhere, so that epochs of that line may have other namesakes here: places are told
  /// under the new one. `line`: the views of that line as the supernode knows them; behind
  /// `delivered` may lie more that only this side had. Returns how many messages were missed for
  /// good.
  uint64_t enter_view(Epoch epoch, const NodeId& supernode, Incarnation life, Seq delivered,
                      bool resumed, bool apart = true, const std::vector<ViewMark>& line = {});
  /// What is taken until history_ends() was said before this node joined; up to `kept` the user is
  /// not told.
  void history_begins(Seq kept) {
    in_history_ = true;
    kept_ = kept;
  }
  void history_ends() { in_history_ = false; }
  /// A supernode that becomes a member: what it placed and nobody confirmed is taken back.
  void forget_undelivered();
  /// What others said on a side that was left and has no place in this line yet; each life's in
  /// its order.
  const std::map<MessageId, Ordered>& carried() const { return carried_; }

  // And at the one that takes it in.
  struct ResumePoint {
    bool resumed;
    Seq after;   // send what lies above
    Seq kept{};  // of that, what is not above this is only to be kept for others
    ViewMark asked_in{};  // the newest of the views that it came through
  };
  /// Where one that came through these views (newest first) goes on: behind the last place that
  /// both have. A stranger gets all that is held, and is told the last `history` chat messages.
  ResumePoint resume_point(const std::vector<ViewMark>& line, size_t history) const;
  /// The views that this node came through, newest first, and how far it delivered in each.
  std::vector<ViewMark> line() const { return line_up_to(delivered_); }
  /// The same, with what was not delivered yet: how far those go who are led from here.
  std::vector<ViewMark> whole_line() const { return line_up_to(last_); }
  /// Whether all of them begin within or right behind what came here: one who leads on from here
  /// tells others by them where they go on.
  bool is_line_held() const;

  /// The framed bytes of the first message above `after`, and its seq; nothing at the end. A
  /// seq further on than after + 1 means that those between are not held any more.
  std::optional<std::pair<Seq, mrt::SharedBytes>> next_after(Seq after) const;

  /// What was taken or placed and the user has not had yet, in order.
  std::vector<Ordered> undelivered() const;

  Epoch epoch() const { return views_.empty() ? Epoch{} : views_.back().epoch; }
  /// Whether that is the view that this node is in.
  bool is_in(const ViewMark& view) const {
    return !views_.empty() && views_.back().epoch == view.epoch && life() == view.life &&
           views_.back().supernode == view.supernode;
  }
  /// The supernode's, of the latest view.
  Incarnation life() const { return views_.empty() ? Incarnation{} : views_.back().life; }
  Seq last() const { return last_; }
  Seq delivered() const { return delivered_; }
  /// The first place that is held.
  Seq held_from() const { return {last_.value + 1 - tail_.size()}; }
  bool is_consistent() const;

 private:
  struct Held {
    MessageId id;
    BroadcastKind kind;
    mrt::SharedBytes framed;
    bool repeated;  // had been delivered under another place
    bool history;
    uint64_t skipped;  // numbers of its sender
  };
  struct Life {
    uint64_t heard = 0;   // of its last chat that was taken here to be told, in whatever line
    uint64_t placed = 0;  // its last number that is known to have a place in this line
    bool jumps = false;   // what lies between its last number and its next was told as missed
    bool was_here = false;
    uint64_t turn = 0;  // when it came or spoke last, in lives that did
  };
  struct View {
    Epoch epoch;
    NodeId supernode;
    Incarnation life;  // of the supernode
    Seq first;
  };

  const Publish* pending_of(uint64_t number) const;
  void adopt_line(Epoch epoch, const std::vector<ViewMark>& line);
  uint64_t placed_of(const MessageId& id) const;
  bool is_kept(Seq seq) const { return in_history_ && seq <= kept_; }
  uint64_t skipped_before(const MessageId& id) const;
  bool note_placed(const Ordered& message);
  void forget_lives();
  Seq last_of_view(size_t index) const;
  std::vector<ViewMark> line_up_to(Seq seq) const;
  std::optional<Seq> common_place(const std::vector<ViewMark>& line) const;
  void append(const Ordered& message);
  void trim_tail();
  void drop_after(Seq seq);
  void keep_carried(Ordered message);
  void forget_carried(const MessageId& id);
  const Held& held(Seq seq) const;
  static Ordered message_of(const Held& entry);

  NodeId self_;
  Incarnation incarnation_;
  uint64_t last_number_ = 0;
  std::deque<Publish> pending_;
  size_t pending_bytes_ = 0;
  std::deque<std::pair<Seq, uint64_t>> own_unstable_;  // own, delivered, not yet stable
  std::map<MessageId, Ordered> carried_;
  size_t carried_bytes_ = 0;

  std::deque<Held> tail_;  // seqs held_from() to last_
  size_t tail_bytes_ = 0;
  Seq last_;
  Seq delivered_;
  Seq deliverable_;
  uint64_t turns_ = 0;  // how often a life came or spoke
  Place told_;          // the last place that the user was told
  bool in_history_ = false;
  Seq kept_;  // history up to here is kept for others
  std::deque<View> views_;
  std::map<std::pair<NodeId, Incarnation>, Life> lives_;
};

}  // namespace node
