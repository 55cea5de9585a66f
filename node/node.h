// SPDX-License-Identifier: MIT
//
// A node of a star, as a Machine: it joins, keeps the roster, chats in one order with all
// others, offers and fetches files, and takes the supernode's place when it must. It
// composes the smaller machines (roster, order, suspicion, migration, transfer, relay) over
// one mrt::Endpoint and knows no sockets, disks, clocks or terminals.
//
// 1. Commands return at once; what comes of them is told by events (CommandDone,
//    CommandFailed, JoinDone, ...). A command that can't be carried out changes nothing.
// 2. Disk work leaves as FileRequest events and comes back through on_file_result().
// 3. Where it has rendezvous servers a supernode is registered there for as long as it is one.
// 4. It answers STUN at its sockets (WIRE.md 8), in whatever role it is.
// 5. quit() ends within quit_time_max whatever the network does: Stopped is the last event.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "mrt/types.h"
#include "node/events.h"
#include "node/message.h"
#include "stun/rendezvous_key.h"

namespace node {

/// Who the node is, and what others have to show to come in, is in `endpoint`: identity and
/// network_key. Its network is taken from here.
struct NodeConfig {
  std::string nick;                      // 1 to 32 characters; "anna-2" where it is taken
  std::string network = "default";       // joins of another network are refused
  std::vector<mrt::Address> sockets;     // what the driver bound: one for each family
  std::vector<mrt::Address> seconds;     // others beside them, for add_stun() alone
  std::vector<mrt::Address> addresses;   // how others on this host or LAN reach those sockets
  bool host = false;                     // a supernode from the start, even with nobody else
  std::vector<mrt::Address> rendezvous;  // servers that lead to this network (WIRE.md 9)
  bool awaits_rendezvous = false;        // more are named by add_rendezvous(): look-ups wait
  bool reshare = true;                   // offer on what was downloaded and verified
  size_t history = 0;                    // how many past messages are wanted at a join
  mrt::EndpointConfig endpoint;
};

/// docs/CLI.md, "The prompt": Q ends within two seconds; this leaves the client one for itself.
inline constexpr mrt::Duration quit_time_max = std::chrono::seconds(1);
class Node {
 public:
  Node(mrt::Instant now, const NodeConfig& config, const mrt::Random::Seed& seed);
  ~Node();

  // Inputs.
  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);
  void on_file_result(mrt::Instant now, const FileResult& result);
  /// Something came from `path.remote` to one of the sockets of SpareWanted, at `path.local`: it
  /// has joined the others until SpareEnded.
  void on_spare(mrt::Instant now, const mrt::Path& path);

  // Outputs.
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<Event> poll_event();
  mrt::Instant next_timeout() const;
  /// See mrt::Endpoint.
  mrt::Duration take_patience();

  // Commands. Each failure comes as CommandFailed with the id given here.
  /// Joins the star of whichever of the addresses answers first (a member leads on to its
  /// supernode); the own star, if there is one, comes along. JoinDone or CommandFailed
  /// (unreachable after join_time_max, refused, network) follows.
  /// `key` is what an invite or the user gave for that star: once in, it is this node's too.
  /// `look_up`: what the rendezvous servers tell is tried as well; there need be no targets then.
  /// `keys`: what is shown at some of the targets instead.
  void join(mrt::Instant now, CommandId command, const std::vector<mrt::Address>& targets,
            const std::optional<mrt::NetworkKey>& key = std::nullopt, bool look_up = false,
            std::map<mrt::Address, mrt::NetworkKey> keys = {});
  /// Under which the network is found at the rendezvous servers; it follows from what one has to
  /// show there. Until it is known nothing is asked of them and nothing registered.
  void set_rendezvous_key(mrt::Instant now, const stun::RendezvousKey& key);
  /// Rendezvous servers whose addresses are known now. With none: there are none but those that
  /// were named before.
  void add_rendezvous(mrt::Instant now, const std::vector<mrt::Address>& servers);
  /// STUN servers: what stands before this node's sockets is watched from now on (NatChanged).
  void add_stun(mrt::Instant now, const std::vector<mrt::Address>& servers);
  /// How others reach it now: the host's addresses have changed, or a gateway leads here.
  void set_addresses(mrt::Instant now, const std::vector<mrt::Address>& addresses);
  /// `A`: a few tiny packets that open this side's NAT for that address.
  void allow(mrt::Instant now, CommandId command, const mrt::Address& address);
  /// To everyone. The number of the message (OwnStable tells when it is safe); 0 where it failed.
  uint64_t chat(mrt::Instant now, CommandId command, std::string_view text);
  /// To one node, by nick or "nick~idprefix" or id prefix.
  void tell(mrt::Instant now, CommandId command, std::string_view who, std::string_view text);
  /// Offers the file at a path of this host: CommandDone when it was hashed and announced.
  void offer(mrt::Instant now, CommandId command, const std::string& path);
  /// Takes back what offer() of that path announced; nothing where it was not.
  void withdraw(mrt::Instant now, const std::string& path);
  /// Fetches by name, hash, or the first 8 or more digits of a hash. FileReceived follows.
  void download(mrt::Instant now, CommandId command, std::string_view name_or_hash);
  /// Stops a download by name or hash.
  void cancel(mrt::Instant now, CommandId command, std::string_view name_or_hash);
  /// Gives the supernode's role to the first successor, or to the node named.
  void hand_over(mrt::Instant now, CommandId command, std::string_view who);
  /// The supernode refuses that node from now on.
  void ban(mrt::Instant now, CommandId command, std::string_view who);
  /// Asks for a RosterChanged event.
  void ask_roster();
  /// Leaves: a supernode hands its state to its successor. Stopped follows.
  void quit(mrt::Instant now, std::string_view reason);

  // Getters.
  Role role() const;
  Epoch epoch() const;
  NodeId id() const;
  /// Drawn at this start.
  Incarnation life() const;
  /// Of the star that it is in: what an invite has to carry.
  const mrt::NetworkKey& network_key() const;
  /// How others reach this node, at most so many: on its LAN, and from beyond a NAT.
  std::vector<mrt::Address> reachable_at(size_t most) const;
  const std::string& nick() const;  // may have become "anna-2" on joining
  NodeId supernode() const;
  std::vector<Peer> peers() const;
  std::vector<FileRow> files() const;
  /// The counters of each connection, by node.
  std::vector<std::pair<NodeId, mrt::ConnectionStats>> stats() const;
  bool is_consistent() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

static_assert(mrt::Machine<Node>);

}  // namespace node
