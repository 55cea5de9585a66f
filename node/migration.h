// SPDX-License-Identifier: MIT
//
// How a star gets its next supernode: from silence or SCLS to the first moment of the new view
// (OVERLAY.md 4 to 6). A Machine over facts: the Node tells it who is silent and what messages
// came; it says whom to send what, and when to begin. It knows no connections and no order.
//
//   steady -> doubting     the supernode is silent, or its connection broke
//   steady -> following    SCLS named a successor, or a Gather came
//   doubting -> gathering  this node is the first in the succession that is not silent, and
//                          another agrees (or most say so, or nobody else is there)
//   any -> steady          on_view(): a view has begun, here or elsewhere
//
// 1. One is gathered by one successor at a time: the one with the higher (epoch, id).
// 2. Nobody is gathered away from a supernode that is heard, whoever says that it is dead: a
//    Gather that comes as news is followed only after a time without a word of the supernode.
// 3. Every phase but steady has a deadline; at it the next in the succession is tried.
// 4. What it hands out is bounded by the roster.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "mrt/base/time.h"
#include "node/ids.h"
#include "node/message.h"

namespace node {

/// How long survivors are waited for: one round trip of the widest star (300 ms) and word_wait_max,
/// for most do not miss their supernode yet, or in a smaller star one loss on the way as well. Far
/// below a user's patience, and nobody waits who has answered: all there, it begins at once.
inline constexpr mrt::Duration gather_wait = std::chrono::milliseconds(700);
/// How long the successor may take until its Gather is here: its own suspicion may come one
/// keep-alive later than ours, and then half a round trip.
inline constexpr mrt::Duration successor_wait = std::chrono::milliseconds(500);
/// How long one who gathered us may take to begin: its gathering and the filling of holes.
inline constexpr mrt::Duration begin_wait = std::chrono::milliseconds(1500);
/// How long a silent supernode is waited for by one whom nobody agrees with: then it is our
/// connection that is broken, not the supernode.
inline constexpr mrt::Duration agreement_wait = std::chrono::milliseconds(1000);

/// What others said of a silent node counts so long: as long as any silence may last before it is
/// suspect (suspicion.h), so that all who notice a death are counted together.
inline constexpr mrt::Duration suspect_time = std::chrono::seconds(5);
/// How long one that was gathered unexpectedly listens for its supernode: two round trips to it,
/// and as long as MRT may keep back the acknowledgement that is the answer, within these. The
/// longest is more than one round trip of the widest star, and with both ways of the gathering
/// below gather_wait.
inline constexpr mrt::Duration word_wait_min = std::chrono::milliseconds(75);
inline constexpr mrt::Duration word_wait_max = std::chrono::milliseconds(375);
mrt::Duration word_wait(mrt::Duration rtt);

/// A successor that lives and does not take over is left for the next one after this many tries
/// to get back to the supernode.
inline constexpr int rejoins_max = 3;

class Migration {
 public:
  enum class Phase : uint8_t { steady, doubting, following, gathering, filling };

  /// Who is silent; nobody, where that is taken back.
  struct SendSuspect {
    NodeId to;
    Suspect message;
  };
  struct SendGather {
    NodeId to;
    Gather message;
  };
  /// Tell `to` what is delivered and held here.
  struct SendSurvivor {
    NodeId to;
    Epoch next;
  };
  struct SendWant {
    NodeId to;
    Want message;
  };
  /// Begin the view: these (and nobody else) come along.
  struct Begin {
    Epoch epoch;
    std::map<NodeId, Survivor> survivors;
  };
  /// Nobody agrees, or nobody is left to follow: connect anew to whoever is known.
  struct Rejoin {};
  /// These have come into a view that this node answered for and never came into: it cannot lead
  /// them from the one before, and they are to go on with the next.
  struct Release {
    std::set<NodeId> survivors;
  };
  /// Have the supernode say a word, if it lives.
  struct AskWord {};
  using Action = std::variant<SendSuspect, SendGather, SendSurvivor, SendWant, Begin, Rejoin,
                              Release, AskWord>;

  explicit Migration(const NodeId& self) : self_(self) {}

  // Inputs.
  /// A view works: by rank, the supernode first. Everything before is forgotten.
  void on_view(mrt::Instant now, Epoch epoch, const std::vector<NodeId>& by_rank);
  /// The succession changed within the view.
  void on_succession(const std::vector<NodeId>& by_rank) { by_rank_ = by_rank; }
  /// Nothing is heard of a node any more, or its connection broke.
  void on_silent(mrt::Instant now, const NodeId& node);
  /// It is heard again.
  void on_heard(mrt::Instant now, const NodeId& node);
  void on_suspect(mrt::Instant now, const NodeId& from, const Suspect& message);
  /// SCLS with reason left or handover; `stays`: the old supernode will be a member.
  void on_close(mrt::Instant now, const SupernodeClose& message);
  /// `word_wait`: how long the supernode is listened for, where it was not missed here.
  void on_gather(mrt::Instant now, const NodeId& from, const Gather& message,
                 mrt::Duration word_wait);
  /// When the supernode was last heard.
  void on_word(mrt::Instant when);
  /// `mine`: the last place held here, in the view that this node comes from.
  void on_survivor(mrt::Instant now, const NodeId& from, const Survivor& message, Seq mine);
  /// A place was filled by what a survivor sent.
  void on_filled(mrt::Instant now, Seq mine);
  /// This node itself was not running for a while: all its waiting starts anew.
  void on_stall(mrt::Instant now);
  void on_timeout(mrt::Instant now, Seq mine);

  // Outputs.
  std::optional<Action> poll_action();
  mrt::Instant next_timeout() const { return deadline_; }

  Phase phase() const { return phase_; }
  bool is_steady() const { return phase_ == Phase::steady; }
  /// It gathers, or has said what it holds: the old supernode's word comes too late, until this
  /// node has come in there anew.
  bool has_parted() const { return parted_; }
  Epoch epoch() const { return epoch_; }
  /// The highest epoch that was seen or begun: the next one must be above.
  Epoch epoch_seen() const { return epoch_seen_; }
  void note_epoch(Epoch epoch) { epoch_seen_ = std::max(epoch_seen_, epoch); }
  /// When this node noticed that it has no supernode.
  mrt::Instant began() const { return began_; }
  /// Why the supernode goes, as far as is known.
  CloseReason reason() const { return reason_; }
  /// Whom this node waits for: the successor that is to gather or begin; null where none.
  NodeId awaited() const;
  /// Whose places are being filled in: nobody else's are taken; and up to where.
  NodeId filled_from() const { return phase_ == Phase::filling ? filled_from_ : NodeId{}; }
  Seq filled_to() const;
  /// As far down as anyone walks in one crisis, for keep-alives: those not silent yet.
  bool is_silent(const NodeId& node) const { return silent_.contains(node); }

 private:
  void doubt(mrt::Instant now);
  void take_back(mrt::Instant now);
  void walk(mrt::Instant now);
  bool may_take_over(mrt::Instant now) const;
  struct Call {
    NodeId from;
    Gather message;
    mrt::Instant at;
  };

  void follow(mrt::Instant now, const NodeId& from, const Gather& message);
  size_t agreeing(mrt::Instant now, const NodeId& node) const;
  void gather(mrt::Instant now, Epoch epoch, CloseReason reason);
  void consider_gathered(mrt::Instant now, Seq mine);
  void fill(mrt::Instant now, Seq mine);
  bool nobody_came() const;
  bool release(mrt::Instant now);
  void leave_steady(mrt::Instant now);
  NodeId first_live() const;

  NodeId self_;
  Phase phase_ = Phase::steady;
  Epoch epoch_;
  Epoch epoch_seen_;
  std::vector<NodeId> by_rank_;
  std::set<NodeId> silent_;
  // Of whom: who says that it is silent, and when.
  std::map<NodeId, std::map<NodeId, mrt::Instant>> doubters_;
  std::set<NodeId> told_;     // whom this node told that it hears nothing
  std::optional<Call> call_;  // steady: a Gather that is followed if the supernode is silent
  CloseReason reason_ = CloseReason::lost;
  NodeId leader_;  // following: whom; gathering: oneself
  Epoch next_epoch_;
  std::set<NodeId> awaited_survivors_;
  std::map<NodeId, Survivor> survivors_;
  NodeId filled_from_;
  // Whom it answered last, and for which epoch; forgotten in the next view.
  NodeId answered_;
  Epoch answered_epoch_;
  bool parted_ = false;
  int rejoins_ = 0;
  mrt::Instant began_{};
  mrt::Instant deadline_ = mrt::never;
  std::deque<Action> actions_;
};

}  // namespace node
