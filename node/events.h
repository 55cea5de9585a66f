// SPDX-License-Identifier: MIT
//
// What a Node tells its user: the contract's events as values, without JSON, colour or clock.
// Text from peers is as it was sent: the screen cleans it. Requests to the disk leave the
// same way (node/file_io.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/time.h"
#include "mrt/types.h"
#include "node/file_io.h"
#include "node/ids.h"
#include "stun/behaviour.h"

namespace node {

enum class Role : uint8_t { alone, member, supernode };
enum class PathKind : uint8_t { local, direct, relayed };
enum class LeaveReason : uint8_t { quit, lost, refused };
enum class MigrationReason : uint8_t { left, lost, handover, merged };
/// The contract's error codes.
enum class ErrorCode : uint8_t {
  usage,
  unreachable,
  timeout,
  refused,
  auth,
  ambiguous,
  not_found,
  integrity,
  disk,
  limit,
  network
};

/// Why all that goes to a peer goes through the supernode.
enum class RelayReason : uint8_t {
  none,        // it does not
  not_needed,  // only the first successors are connected to
  connecting,
  no_answer,      // several calls and introductions in vain: a NAT or a firewall
  symmetric_nat,  // and one of the two has a NAT that gives each far end another port
};

/// The words of the contract: "port-restricted" and the like are spelt in one place each.
std::string_view to_text(Role role);
std::string_view to_text(PathKind path);
/// For people; nothing where nothing is relayed.
std::string_view to_text(RelayReason reason);
std::string_view to_text(LeaveReason reason);
std::string_view to_text(MigrationReason reason);
std::string_view to_text(ErrorCode code);

/// One node as the roster shows it.
struct Peer {
  NodeId node;
  std::string nick;
  mrt::Address address;
  Role role = Role::member;
  PathKind path = PathKind::relayed;
  mrt::Duration rtt{};  // zero for oneself and while unknown
  uint32_t rank = 0;    // place in the succession: 0 is the supernode, 1 its first successor
  RelayReason relayed = RelayReason::none;
  bool cut_off = false;  // it has no way to the first successor: a migration would lose it
};

/// A file on offer, one row for each content.
struct FileRow {
  std::string name;
  uint64_t size = 0;
  FileHash hash;
  std::vector<NodeId> holders;
};

struct RoleChanged {
  Role role;
  Epoch epoch;
  NodeId supernode;
  Incarnation life{};  // which start of the supernode: it may have ended by now
};
/// Membership, role or path changed, or the user asked (ask_roster).
struct RosterChanged {
  Epoch epoch;
  NodeId supernode;
  std::vector<Peer> peers;
};
struct PeerJoined {
  NodeId node;
  std::string nick;
  Incarnation life{};  // which start of it: it may have ended by now
};
struct PeerLeft {
  NodeId node;
  std::string nick;
  LeaveReason reason;
};
struct ChatDelivered {
  NodeId from;
  std::string nick;
  std::string text;
  MessageId id;
  Place place;
  bool history = false;  // said before this node joined
};
/// Messages that can no longer be had; `from` is null where several senders' were lost.
struct GapFound {
  NodeId from;
  uint64_t count;
};
struct TellDelivered {
  NodeId from;
  std::string nick;
  std::string text;
};
struct FileOffered {
  std::string name;
  uint64_t size;
  FileHash hash;
  NodeId holder;
};
struct FileWithdrawn {
  std::string name;
  uint64_t size;
  FileHash hash;
  NodeId holder;
};
struct DownloadProgress {
  std::string name;
  FileHash hash;
  uint64_t bytes;
  uint64_t size;
  uint64_t rate;  // bytes/s over the last second or so
  PathKind path;
};
struct FileReceived {
  std::string name;  // as it was offered
  std::string path;  // of the file written, absolute
  uint64_t size;
  FileHash hash;
  mrt::Duration took;
};
/// This node's supernode changed, and it works again.
struct Migrated {
  NodeId from;
  NodeId to;
  Epoch epoch;
  MigrationReason reason;
  mrt::Duration took;
  bool by_itself = false;  // it joined, and was not gathered with the others
};
/// A join() has led to a supernode: roster, catalogue and history were handed out before this.
struct JoinDone {
  CommandId command;
};
/// Own broadcasts up to this number are held by the supernode and its first successor.
struct OwnStable {
  uint64_t number;
};
struct CommandFailed {
  CommandId command;
  ErrorCode code;
  std::string message;
  bool password_asked = false;  // the star there has a password, and none or a wrong one was shown
};
/// The star that was joined has another key than this node had: who may come in now.
struct AccessChanged {
  mrt::Access access;
};
/// What stands before this node's sockets of one family is known, or has changed.
struct NatChanged {
  stun::Behaviour behaviour;
};
/// For a dissector (mrt::KeysLogged).
struct KeysLogged {
  std::string line;
};
/// A command that ends later than its call (offer, tell, hand-over) did what it should.
struct CommandDone {
  CommandId command;
};
/// What an operator's log wants and a screen does not ("suspects ann: nothing heard for 412 ms").
struct Noted {
  std::string text;
};
/// For the driver of its sockets: another one at `path.local`'s IP sends one mrt::opening_packet().
/// The first to which something comes from path.remote joins the others: Node::on_spare().
struct SpareWanted {
  mrt::Path path;
};
/// Those to which nothing came are closed.
struct SparesUnwanted {};
/// One that had joined the others is needed no more.
struct SpareEnded {
  mrt::Address local;
};
using SocketRequest = std::variant<SpareWanted, SparesUnwanted, SpareEnded>;
/// After quit(): everything was said to everybody; the node may be dropped.
struct Stopped {
  std::string reason;
};

using Event =
    std::variant<RoleChanged, RosterChanged, PeerJoined, PeerLeft, ChatDelivered, GapFound,
                 TellDelivered, FileOffered, FileWithdrawn, DownloadProgress, FileReceived,
                 Migrated, JoinDone, OwnStable, CommandFailed, CommandDone, AccessChanged,
                 NatChanged, KeysLogged, Noted, Stopped, FileRequest, SocketRequest>;

}  // namespace node
