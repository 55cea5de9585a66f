// SPDX-License-Identifier: MIT
//
// The overlay's messages as values, and their bytes (WIRE.md 6). They travel on a
// connection's first ordered stream, each with its length before it; a Heartbeat travels
// as an unreliable datagram. File messages have a codec of their own (file_message.h).
//
// 1. decode() never throws, reads no byte beyond its input, and takes only what encode()
//    could have written: unknown types, counts, text that is not UTF-8 and left-over
//    bytes give nothing.
// 2. Each list and text has the limit named here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"
#include "mrt/identity.h"
#include "mrt/types.h"
#include "node/catalogue.h"
#include "node/ids.h"

namespace node {

inline constexpr size_t nick_bytes_max = 128;     // 32 characters of up to 4 bytes
inline constexpr size_t network_bytes_max = 255;  // as a file name: it is shown and typed
inline constexpr size_t reason_bytes_max = 256;
inline constexpr size_t addresses_max = 8;  // sockets, LAN, mapped, observed: IPv4 and IPv6
inline constexpr size_t mapped_max = 2;     // of each family what STUN servers see
// A 64 KiB text or a part of a list, and the fields around it.
inline constexpr size_t message_bytes_max = 64 * 1024 + 1024;
/// A `T` is up to 64 KiB.
inline constexpr size_t text_bytes_max = 64 * 1024;
inline constexpr size_t line_max = 16;      // views back that two sides can find in common
inline constexpr size_t suspects_max = 16;  // nobody walks further down the succession
/// Of a Survivor: more than anybody says in a round trip, and of 4,096 members 16 MiB.
inline constexpr size_t early_messages_max = 16;
inline constexpr size_t early_bytes_max = 4 * 1024;
inline constexpr size_t unreached_max = 4;      // twice as many as are kept warm
inline constexpr size_t roster_part_max = 128;  // entries in one message: at most 45 KB
inline constexpr size_t offers_part_max = 128;  // entries in one message: at most 41 KB
inline constexpr size_t secret_bytes_max = 64;  // a random secret of a network, four times over
/// A text with its length, in steps of tell_text_step, and the AEAD's tag (tell_seal.h).
inline constexpr size_t tell_text_step = 64;
inline constexpr size_t sealed_tell_bytes_max = text_bytes_max + tell_text_step + 16;
/// No honest star comes near: a view each millisecond for 8,000 years. What is above is no
/// message, so that counting on from a liar's word never leaves the range of a varint.
inline constexpr uint64_t epoch_max = uint64_t{1} << 48;
inline constexpr uint64_t seq_max = uint64_t{1} << 56;

/// What the one who connects wants.
enum class Purpose : uint8_t {
  join = 1,    // to become a member of the star that this node belongs to
  warm = 2,    // only a proven connection, for the day when the other takes over
  meet = 3,    // to learn which star the other is in: after a cut, two may have to become one
  answer = 4,  // nothing: it was asked, and says who it is
};

enum class BroadcastKind : uint8_t { chat = 1, offer = 2, withdraw = 3 };

enum class RefuseCode : uint8_t { network = 1, full = 2, banned = 3, busy = 4, version = 5 };

/// Why a supernode goes; SCLS says the first three, a Gather that follows silence `lost`.
enum class CloseReason : uint8_t { left = 1, handover = 2, merged = 3, lost = 4 };

/// How far a node went in one view: to this place. A supernode that starts again knows no epoch
/// that it began before and may take one again: it is its life that tells the two apart.
struct ViewMark {
  Epoch epoch;
  NodeId supernode;
  Incarnation life;
  Seq last;
  bool operator==(const ViewMark&) const = default;
};

/// First on each connection, both ways; again when a connection gets another purpose.
struct Hello {
  Purpose purpose = Purpose::join;
  std::string network;
  NodeId node;  // not on the wire: the fingerprint of `key`
  Incarnation incarnation;
  std::string nick;
  Epoch epoch;                 // of the sender's view
  NodeId supernode;            // of the sender's view
  std::vector<ViewMark> line;  // the views it came through, newest first
  uint32_t star_size = 1;
  uint32_t history = 0;  // how many past messages are wanted
  std::vector<mrt::Address> addresses;
  mrt::PublicKey key{};
};

/// The supernode takes a member in; Roster, StandingOffers, Ordered and Ready follow.
struct Welcome {
  Epoch epoch;
  NodeId supernode;
  std::string nick;       // as granted
  mrt::Address observed;  // where the supernode sees the newcomer
  bool resumed =
      false;      // the newcomer's line goes on after `delivered`; else it starts at `delivered`
  Seq delivered;  // what follows begins after this place
  mrt::NetworkKey key{};         // a password is not told: who comes in has shown it
  std::vector<ViewMark> line{};  // the views that the star came through, newest first
  Seq kept{};  // up to here the newcomer only keeps what it gets, for others: it is history
  bool gathered = false;  // into the view as it began; else the newcomer joins it
  ViewMark asked_in{};    // where the newcomer was when it asked what this answers
};

/// "I am no supernode; it is there."
struct Redirect {
  Epoch epoch;
  NodeId supernode;
  std::vector<mrt::Address> addresses;
  mrt::NetworkKey key{};  // to call there with
};

struct Refuse {
  RefuseCode code = RefuseCode::busy;
  std::string reason;
};

struct RosterEntry {
  NodeId node;  // not on the wire: the fingerprint of `key`
  Incarnation incarnation;
  std::string nick;
  std::vector<mrt::Address> addresses;  // best first
  uint32_t rank = 0;                    // 0 is the supernode, 1 its first successor
  uint32_t rtt_us = 0;                  // between it and the supernode; old news at times
  mrt::PublicKey key{};
  bool behind_nat = false;  // its supernode sees it where it is not itself
  bool cut_off = false;     // it has no way to the first successor
  bool symmetric = false;   // it says that its NAT gives each far end another port
  bool operator==(const RosterEntry&) const = default;
};

enum class GoneReason : uint8_t { quit = 1, lost = 2, refused = 3 };

struct RosterRemoval {
  NodeId node;
  GoneReason reason = GoneReason::lost;
  bool operator==(const RosterRemoval&) const = default;
};

/// A part of the full list (`full`: of several with the same version, `last` at the end), or
/// what changed since `version` - 1.
struct RosterUpdate {
  Epoch epoch;
  NodeId supernode;
  RosterVersion version;
  bool full = false;
  bool last = true;
  std::vector<RosterEntry> entries;
  std::vector<RosterRemoval> removals;
};

struct HeldOffer {
  NodeId holder;
  Offer offer;
  bool operator==(const HeldOffer&) const = default;
};

/// All that is on offer, for one who joins; in parts.
struct StandingOffers {
  bool last = true;
  std::vector<HeldOffer> offers;
};

/// Everything up to this place was sent: the newcomer is at work.
struct Ready {
  Epoch epoch;
  Seq seq;
};

/// A member's broadcast on its way to the supernode. The link says who the sender is.
struct Publish {
  Incarnation incarnation;
  uint64_t number = 0;
  BroadcastKind kind = BroadcastKind::chat;
  mrt::Bytes body;
  mrt::Signature signature{};  // broadcast_proof.h
};

/// A broadcast in its place. The same bytes for everyone and for ever.
struct Ordered {
  Place place;
  MessageId id;      // whose sender is not on the wire: the fingerprint of `key`
  std::string nick;  // of the sender when it was said
  BroadcastKind kind = BroadcastKind::chat;
  mrt::Bytes body;
  mrt::PublicKey key{};
  mrt::Signature signature{};  // the sender's, as in its Publish
};

/// A member brings what somebody said elsewhere, as it was placed there. Not an Ordered: of those
/// that the member placed as a supernode some may be under way when it comes.
struct Carried {
  Ordered message;
};

/// What a broadcast takes of a limit in bytes, wherever it is kept.
inline size_t kept_size(const mrt::Bytes& body) { return body.size() + sizeof(mrt::Signature); }

/// The first successor holds everything up to this place.
struct Holds {
  Epoch epoch;
  Seq seq;
};

/// The supernode and its first successor hold everything up to this place.
struct Stable {
  Epoch epoch;
  Seq seq;
};

/// From one to one; whoever relays it reads nothing (tell_seal.h).
struct Tell {
  NodeId from;
  NodeId to;
  uint64_t number = 0;         // rises in each life of the sender
  mrt::PublicKey ephemeral{};  // X25519, of this message alone
  mrt::Bytes sealed;
};

struct TellResult {
  NodeId from;  // whose Tell it was
  NodeId to;
  uint64_t number = 0;
  bool delivered = false;
};

/// A member leaves.
struct Leave {
  std::string reason;
};

/// SCLS: the supernode ends its epoch and says who begins the next.
struct SupernodeClose {
  Epoch epoch;  // of the next view
  NodeId successor;
  std::vector<mrt::Address> addresses;
  CloseReason reason = CloseReason::left;
  Seq final_seq;
  mrt::NetworkKey key{};  // of the star that is joined, where reason is `merged`; else the own one
};

/// "I hear nothing of these any more": the supernode, and successors that are silent too.
struct Suspect {
  Epoch epoch;
  std::vector<NodeId> silent;
};

/// "I take over: tell me what you have."
struct Gather {
  Epoch epoch;  // of the view that is to begin
  NodeId successor;
  CloseReason reason = CloseReason::lost;  // of the supernode before
};

/// The answer: the view that the survivor comes from and what it delivered and holds of it.
struct Survivor {
  Epoch next;  // the gathering that this answers
  Epoch epoch;
  NodeId supernode;
  Incarnation life;
  Seq delivered;
  Seq held_from;
  /// What it said and did not hear yet, from the first on: placed as soon as the view begins.
  std::vector<Publish> pending{};
};

/// The successor asks a survivor for places [from, to].
struct Want {
  Seq from;
  Seq to;
};

/// A member asks its supernode to take the star to another.
struct Merge {
  uint64_t number = 0;
  std::vector<mrt::Address> targets;
  mrt::NetworkKey key{};  // to call there with; a password is the own star's
};

struct MergeFailed {
  uint64_t number = 0;
  bool auth = false;  // the key was not that star's
  std::string reason;
};

/// Sent as a datagram; MRT's acknowledgement is the answer.
struct Heartbeat {
  Epoch epoch;
  NodeId supernode;      // whom the sender follows: one who is that no more says so
  uint64_t word = 0;     // asked for by a supernode in doubt, and repeated by who follows it still
  uint64_t late_ms = 0;  // how late the sender's timers fire, on average
  /// Of the first successors those to whom it finds no way.
  std::vector<NodeId> unreached{};
};

/// To its supernode, without addresses: "bring me together with that member." To a member: "it is
/// there, and calls you now." To its supernode, with an address: "who is no member comes from
/// there."
struct Introduce {
  NodeId node;
  std::vector<mrt::Address> addresses;
};

/// A member to its supernode: how it is reached, where that is something else than it said before,
/// in Hello first.
struct Reachable {
  std::vector<mrt::Address> addresses;  // its own, and ports of its gateway that lead to it
  std::vector<mrt::Address> mapped{};  // where STUN servers see it: its NAT may let nobody in there
  bool symmetric = false;              // its NAT gives each far end another port
  bool operator==(const Reachable&) const = default;
};
/// All of them, the best first.
std::vector<mrt::Address> said_addresses(const Reachable& reach);

using Message =
    std::variant<Hello, Welcome, Redirect, Refuse, RosterUpdate, StandingOffers, Ready, Publish,
                 Ordered, Holds, Stable, Tell, TellResult, Leave, SupernodeClose, Suspect, Gather,
                 Survivor, Want, Merge, MergeFailed, Heartbeat, Introduce, Carried, Reachable>;

/// The message without its length. What is longer than a limit is a bug of the caller.
mrt::Bytes encode(const Message& message);
/// The message with its length before it, as it stands in the stream.
mrt::Bytes encode_framed(const Message& message);
std::optional<Message> decode(mrt::ByteView bytes);

/// The body of a Publish or Ordered that offers or withdraws.
mrt::Bytes encode_offer(const Offer& offer);
std::optional<Offer> decode_offer(mrt::ByteView bytes);

/// What a nick may be: 1 to 32 characters, no space or control.
bool is_nick(std::string_view text);

/// Cuts a stream into messages. Holds at most one message and what one read brought.
class MessageReader {
 public:
  /// Adds bytes of the stream.
  void push(mrt::ByteView bytes);
  /// The next message's bytes, valid until the next push(); nothing where it is not whole.
  std::optional<mrt::ByteView> next();
  /// A length above message_bytes_max was read: the stream makes no sense any more.
  bool failed() const { return failed_; }

 private:
  mrt::Bytes buffer_;
  size_t begin_ = 0;
  bool failed_ = false;
};

/// Whether a broadcast says something that its kind can say: text in UTF-8, an offer.
bool is_sound(BroadcastKind kind, const mrt::Bytes& body);
/// Whether what it has pending is that, and no more than early_bytes_max.
bool is_sound(const Survivor& survivor);

}  // namespace node
