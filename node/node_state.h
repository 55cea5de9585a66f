// SPDX-License-Identifier: MIT
//
// The inside of a Node: what it owns, and how its parts talk to each other. Private to the
// node_*.cpp files, each of which has one of its jobs:
//
//   node.cpp            the public verbs, timers, the round of polls
//   node_links.cpp      connections: opening, closing, framing, back-pressure
//   node_hear.cpp       what comes in over them: how much, and who may say what
//   node_watch.cpp      keep-alives, silence
//   node_introduce.cpp  warm successors, and how members behind NATs come together
//   node_reach.cpp      where each node is reached
//   node_join.cpp       looking for a star and coming into it
//   node_star.cpp       being the supernode: admitting, roster, places, stability
//   node_member.cpp     being a member: what the supernode says
//   node_migration.cpp  changing the supernode
//   node_files.cpp      offers and downloads
//   node_commands.cpp   what the user asks for
//   node_stun.cpp       telling packets of STUN and rendezvous from those of MRT
//   node_rendezvous.cpp being found, and finding others, by servers outside of the star
//   node_ports.cpp      meeting hosts of which nobody knows at which port they can be called
//
// 1. A node is always in exactly one view; `role` says as what.
// 2. There is at most one link that is the uplink, and only a member has one.
// 3. Broadcasts go to members from the order's tail by a cursor for each: memory does not
//    grow with slow members.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mrt/endpoint.h"
#include "node/allowed.h"
#include "node/catalogue.h"
#include "node/close_codes.h"
#include "node/election.h"
#include "node/held_publishes.h"
#include "node/introductions.h"
#include "node/left_nodes.h"
#include "node/migration.h"
#include "node/network_access.h"
#include "node/node.h"
#include "node/node_limits.h"
#include "node/order.h"
#include "node/port_meeting.h"
#include "node/roster.h"
#include "node/speech_limits.h"
#include "node/stun_port.h"
#include "node/suspicion.h"
#include "node/tells.h"
#include "node/transfer.h"
#include "stun/rendezvous_client.h"

namespace node {

struct Link {
  Link(mrt::Instant now, mrt::ConnectionId connection, const mrt::Path& on, bool is_outgoing)
      : id(connection), path(on), outgoing(is_outgoing), suspicion(now) {}

  mrt::ConnectionId id;
  mrt::Path path;
  bool outgoing;
  bool connected = false;
  std::optional<Purpose> asks;  // what this side wants of it, told once it is connected
  /// When it was told, the first time since the peer was last heard.
  mrt::Instant asked_at = mrt::never;
  bool greeted = false;      // this side's Hello was said
  bool welcome_due = false;  // this side asked for it, or was gathered: it may come late
  NodeId peer;               // null until its Hello
  Hello hello;               // the peer's latest
  Reachable reach, said;     // how the peer says that it is reached, and this side
  MessageReader reader;
  std::deque<mrt::Bytes> outbox;  // framed messages that wait for room
  size_t outbox_bytes = 0;
  size_t outbox_offset = 0;  // bytes of the first one that were written
  Suspicion suspicion;
  SpeechLimits limits;
  bool told_busy = false;  // it asked to join at a bad moment
  bool led_on = false;     // it was told where the supernode is
  Epoch placed;            // while this is the uplink: of the last place that it sent
  // While this node is the supernode and the peer a member:
  bool member = false;
  uint64_t unproven = 0;           // what it carried and no sender had signed
  Seq cursor;                      // the last place that was sent
  bool carries = false;            // it heard something before it came here
  Seq came_after;                  // what was placed up to here was said before it came
  Seq holds;                       // up to where it said, in this epoch, that it holds the order
  std::optional<Seq> ready_after;  // Ready is due behind this place
  uint64_t joined = 0;             // how many had joined before
  Grade grade;                     // what was measured of it
  std::vector<NodeId> unreached;   // to whom it finds no way
};

/// A search for a star: by command, or after the supernode was lost.
struct JoinSearch {
  CommandId command;
  std::vector<mrt::Address> targets;             // in the order in which they were learnt
  std::optional<mrt::NetworkKey> key;            // to call with; else the own one
  std::map<mrt::Address, mrt::NetworkKey> keys;  // where another is shown
  std::map<mrt::Address, mrt::ConnectionId> tried;
  // One candidate is asked at a time: several addresses may be one supernode's.
  std::set<mrt::ConnectionId> waiting;                // connected, and not asked yet
  mrt::Instant ask_next_at{};                         // unless the one asked answers before
  std::map<mrt::ConnectionId, mrt::Instant> retries;  // links that said "busy"
  std::map<mrt::Address, mrt::Instant> again;         // to be connected to once more
  mrt::Instant started;
  mrt::Instant deadline;
  size_t heard = 0;        // of the targets those that an OPENING has told
  bool lead_star = false;  // for MergeFailed: a member asked
  NodeId asked_by;
  uint64_t asked_number = 0;
  mrt::Instant look_up_ends{};          // set while there are rendezvous servers to be asked
  std::vector<stun::SeenHost> seen;     // targets that those saw themselves
  mrt::Instant calls_end = mrt::never;  // then calling those has come to nothing
  std::optional<JoinFailure> failure;   // of the candidates so far the most telling one

  std::optional<mrt::NetworkKey> key_for(const mrt::Address& address) const;
  void note(JoinFailure failed);
};

struct LostPeer {
  bool is_mine = false;  // its supernode may never have known it: looked for by this member, too
  bool of_this_star = true;  // those who were here by then miss it, too
  std::vector<mrt::Address> addresses;
  mrt::Instant since;
  mrt::Instant next_try;
  mrt::Duration pause = meet_first;
};

struct OwnFile {
  CommandId command;
  std::string path;
  std::optional<Offer> offer;  // once it is hashed
};

struct Node::State {
  State(mrt::Instant now, const NodeConfig& config, const mrt::Random::Seed& seed);

  // node.cpp
  void after_input(mrt::Instant now);
  void note_stall(mrt::Instant now);
  void on_timers(mrt::Instant now);
  void poll_endpoint(mrt::Instant now);
  /// Stopped is the last: of what else follows from leaving the user need not hear.
  void emit(Event event) {
    if (!stopped || std::holds_alternative<Stopped>(event)) events.push_back(std::move(event));
  }
  void fail(CommandId command, ErrorCode code, std::string message);
  void emit_role();
  void emit_roster(mrt::Instant now);
  Role role() const;
  std::vector<Peer> peers() const;
  std::vector<NodeId> by_rank() const;
  PathKind path_to(const NodeId& node) const;
  bool is_supernode() const { return supernode == self; }
  /// A member without an uplink, and nobody seeks the next supernode.
  bool is_cut_off() const { return !is_supernode() && !uplink_id && migration.is_steady(); }
  Signer signer() const { return {identity, config.network}; }
  const mrt::NetworkKey& network_key() const { return config.endpoint.network_key; }
  mrt::Instant compute_timeout() const;
  void deliver(mrt::Instant now);
  bool is_consistent() const;

  // node_hear.cpp
  void on_readable(mrt::Instant now, mrt::ConnectionId id, mrt::StreamId stream);
  bool hear(mrt::Instant now, mrt::ConnectionId id);
  bool is_limited(const Link& link) const;
  bool must_wait(mrt::Instant now, const Link& link);
  void read_again(mrt::Instant now);
  void on_message(mrt::Instant now, mrt::ConnectionId id, Message& message);
  bool on_migration_message(mrt::Instant now, Link& link, const Message& message);
  void on_uplink_message(mrt::Instant now, Link& link, const Message& message);
  void on_member_message(mrt::Instant now, Link& link, const Message& message);
  void on_hello(mrt::Instant now, Link& link, const Hello& hello);
  void violation(mrt::Instant now, Link& link, const char* what);
  bool is_in_reach(Epoch claimed) const { return claimed.value <= epoch.value + epoch_leap_max; }

  // node_links.cpp
  Link* link_to(const NodeId& node);
  const Link* link_to(const NodeId& node) const;
  /// One in this supernode's roster, though it may have connected anew and not come in again yet.
  bool counts(const Link& link) const { return is_supernode() && roster.find(link.peer); }
  Link* uplink();
  std::optional<mrt::Address> socket_for(const mrt::Address& address) const;
  Link* open_link(mrt::Instant now, const mrt::Address& address, Purpose purpose,
                  const std::optional<mrt::NetworkKey>& key = std::nullopt);
  Link* open_link_on(mrt::Instant now, const mrt::Path& path, Purpose purpose,
                     const std::optional<mrt::NetworkKey>& key = std::nullopt);
  void say_hello(mrt::Instant now, Link& link, Purpose purpose);
  bool has_line() const;
  bool is_in(const ViewMark& view) const;
  void enqueue(Link& link, const Message& message);
  void enqueue(Link& link, mrt::Bytes framed);
  void send(mrt::Instant now, Link& link, const Message& message);
  bool send_to(mrt::Instant now, const NodeId& node, const Message& message);
  void flush_link(mrt::Instant now, Link& link);
  void drop_link(mrt::Instant now, mrt::ConnectionId id, mrt::CloseCode code, const char* reason);
  void hang_up(mrt::Instant now, mrt::ConnectionId id);
  void refuse_fetch(mrt::Instant now, const Link& link, mrt::ByteView message);
  mrt::Instant unheard_at(const Link& link) const;
  void on_connection_event(mrt::Instant now, mrt::Event& event);
  void on_connected(mrt::Instant now, Link& link);
  void drop_slow(mrt::Instant now);
  void on_closed(mrt::Instant now, const mrt::Closed& closed);
  bool claim_peer(mrt::Instant now, Link& link, const NodeId& peer);
  void note_path(mrt::Instant now, const NodeId& node);
  std::vector<mrt::Address> usable(const std::vector<mrt::Address>& addresses,
                                   bool from_loopback) const;
  std::vector<mrt::Address> addresses_of(const NodeId& node, bool for_loopback) const;

  // node_watch.cpp
  mrt::Duration keep_alive_interval(const NodeId& node) const;
  void beat(mrt::Instant now);
  void on_heartbeat(mrt::Instant now, Link& link, const Heartbeat& message);
  void check_silence(mrt::Instant now);
  void close_unneeded_links(mrt::Instant now);

  // node_introduce.cpp
  void keep_warm(mrt::Instant now);
  bool is_searched(const RosterEntry& entry) const;
  mrt::Duration pause_before_next(const NodeId& node, WarmTry& one);
  mrt::Address seen_at(const NodeId& node) const;
  std::vector<mrt::Address> addresses_from_here(const NodeId& node);
  void call_member(mrt::Instant now, const NodeId& node,
                   const std::vector<mrt::Address>& addresses);
  void call_later(mrt::Instant now);
  void hang_up_doubtful(mrt::Instant now);
  void on_introduction_asked(mrt::Instant now, Link& link, const Introduce& message);
  void introduce(mrt::Instant now, Link& one, Link& other);
  void on_introduced(mrt::Instant now, const Link& uplink, const Introduce& message);
  void note_cut_off(mrt::Instant now, const Link& link);
  RelayReason why_relayed(const NodeId& node) const;

  // node_reach.cpp
  Reachable own_reach() const;
  void note_reach(mrt::Instant now);
  void tell_reach(mrt::Instant now);
  void on_reachable(mrt::Instant now, Link& link, const Reachable& message);
  void put_reach(mrt::Instant now, const NodeId& node, const Reachable& before,
                 const Reachable& reach);
  void observe(const Link& link);
  void on_member_moved(mrt::Instant now, Link& link, const mrt::Address& before);

  // node_join.cpp
  void start_join(mrt::Instant now, JoinSearch search);
  void try_targets(mrt::Instant now);
  void call_unheard_anew(mrt::Instant now);
  void on_join_link_closed(mrt::Instant now, const Link& link, const mrt::Closed& closed);
  void give_up_candidate(mrt::Instant now, Link& link, JoinFailure why);
  void on_redirect(mrt::Instant now, Link& link, const Redirect& message);
  void on_refuse(mrt::Instant now, Link& link, const Refuse& message);
  void on_welcome(mrt::Instant now, Link& link, const Welcome& message);
  void on_ready(mrt::Instant now, Link& link, const Ready& message);
  bool has_candidates() const;
  void ask_next(mrt::Instant now);
  bool finds_nobody(mrt::Instant now) const;
  void end_join(mrt::Instant now, std::optional<JoinFailure> failure);
  void adopt(const mrt::NetworkKey& key);
  void rejoin(mrt::Instant now);
  bool seeks(const LostPeer& peer) const;
  void note_elders(const std::vector<NodeId>& succession);
  void meet_lost(mrt::Instant now);
  void on_met(mrt::Instant now, Link& link, const Redirect& message);
  void remember_lost(mrt::Instant now, const NodeId& node, std::vector<mrt::Address> addresses,
                     mrt::Duration first_pause);
  void consider_other_star(mrt::Instant now, Epoch epoch, const NodeId& other,
                           const std::vector<mrt::Address>& addresses);

  // node_star.cpp
  void become_supernode(mrt::Instant now, Epoch epoch);
  void on_join_request(mrt::Instant now, Link& link);
  void admit(mrt::Instant now, Link& link);
  void sync_member(mrt::Instant now, Link& link, const Order::ResumePoint& from,
                   bool gathered = false);
  void remove_member(mrt::Instant now, const NodeId& node, GoneReason reason);
  void measure(Link& link);
  std::vector<NodeId> succession_now(mrt::Instant now);
  void rank_by_grades(mrt::Instant now);
  void note_unreached(mrt::Instant now, Link& link, const std::vector<NodeId>& unreached);
  void rank_members(mrt::Instant now);
  void tell_roster_soon(mrt::Instant now);
  void flush_roster(mrt::Instant now);
  void on_publish(mrt::Instant now, Link& link, const Publish& message);
  void on_carried(mrt::Instant now, Link& link, const Ordered& message);
  void place(mrt::Instant now, const NodeId& sender, const Publish& message);
  void place_held(mrt::Instant now);
  void advance_stable(mrt::Instant now);
  void spread(mrt::Instant now);
  bool may_order(mrt::Instant now) const;
  void expect_holds(mrt::Instant now, const Link& successor);
  void doubt_epoch(mrt::Instant now);
  const Link* successor_link() const;
  void close_star(mrt::Instant now, const SupernodeClose& message);
  void on_merge(mrt::Instant now, Link& link, const Merge& message);

  // node_member.cpp
  bool from_uplink(const Link& link) const { return uplink_id == link.id; }
  void on_roster(mrt::Instant now, Link& link, const RosterUpdate& message);
  void apply_roster(mrt::Instant now, const RosterUpdate& message);
  void on_ordered(mrt::Instant now, Link& link, const Ordered& message);
  void on_tell(mrt::Instant now, Link& link, const Tell& message);
  bool hear_tell(const Tell& message);
  void on_tell_result(mrt::Instant now, Link& link, const TellResult& message);
  void on_supernode_close(mrt::Instant now, Link& link, const SupernodeClose& message);
  void follow_merge(mrt::Instant now, Link& link, const SupernodeClose& message);
  void on_standing_offers(mrt::Instant now, const StandingOffers& message);
  bool offers_itself(const Offer& offer) const;
  bool is_forged(const Ordered& message) const;
  bool waits_for_star(mrt::Instant now) const;
  void say_pending(mrt::Instant now);
  void send_pending(mrt::Instant now);
  void send_carried(mrt::Instant now);
  void note_joined(const RosterEntry& entry);
  void note_left(mrt::Instant now, const RosterEntry& entry, GoneReason reason);

  // node_migration.cpp
  void run_migration(mrt::Instant now);
  void listen_for_word(mrt::Instant now);
  void note_crisis(mrt::Instant now);
  void note_new_lives(mrt::Instant now);
  void crisis_passed(mrt::Instant now);
  void carry_out(mrt::Instant now, const Migration::SendSuspect& action);
  void carry_out(mrt::Instant now, const Migration::SendGather& action);
  void carry_out(mrt::Instant now, const Migration::SendSurvivor& action);
  void carry_out(mrt::Instant now, const Migration::SendWant& action);
  void carry_out(mrt::Instant now, const Migration::Begin& action);
  void carry_out(mrt::Instant now, const Migration::Rejoin& action);
  void carry_out(mrt::Instant now, const Migration::Release& action);
  void carry_out(mrt::Instant now, const Migration::AskWord& action);
  void begin_view(mrt::Instant now, const Migration::Begin& begin);
  void view_works(mrt::Instant now, MigrationReason reason);
  void on_gather(mrt::Instant now, Link& link, const Gather& message);
  void on_want(mrt::Instant now, Link& link, const Want& message);
  void found_alone(mrt::Instant now);

  // node_commands.cpp
  const RosterEntry* find_peer(CommandId command, std::string_view who);
  bool must_be_supernode(CommandId command, const char* what);
  void stop_if_all_said(mrt::Instant now);

  // node_files.cpp
  void deliver_offer(mrt::Instant now, const Order::Delivery& delivery);
  bool is_here(const MessageId& id) const;
  bool counts_as_offer(const Ordered& message) const;
  void add_offer(mrt::Instant now, const NodeId& holder, const Offer& offer);
  void remove_offer(mrt::Instant now, const NodeId& holder, const Offer& offer);
  void remove_holder(mrt::Instant now, const NodeId& holder);
  std::vector<HeldOffer> standing_offers() const;
  void announce_missing(mrt::Instant now);
  void announce_overtaken(mrt::Instant now);
  void announce(mrt::Instant now, const Offer& offer);
  void take_back(mrt::Instant now, const Offer& offer);
  void pump_transfer(mrt::Instant now);
  void on_transfer_event(mrt::Instant now, const TransferEvent& event);
  void on_shared(mrt::Instant now, const Shared& event);
  void on_downloaded(mrt::Instant now, const Downloaded& event);
  CommandId take_download(FileToken file);

  // node_rendezvous.cpp
  void run_servers(mrt::Instant now);
  void seek_lost(mrt::Instant now);
  void on_rendezvous_event(mrt::Instant now, const stun::RendezvousEvent& event);
  void end_look_up();
  stun::Told told_of_self(size_t most) const;
  JoinFailure why_nobody_answered(mrt::Instant now) const;
  void on_candidates(mrt::Instant now, const stun::CandidatesFound& found);
  void on_opening(mrt::Instant now, const mrt::Address& from);
  bool open_nat(mrt::Instant now, const mrt::Address& address, int packets = openings);
  void let_in(mrt::Instant now);

  // node_ports.cpp
  void on_peer_introduced(mrt::Instant now, const stun::PeerIntroduced& peer);
  bool search_port(mrt::Instant now, const stun::SeenHost& far);
  bool note_introduced(mrt::Instant now, const stun::SeenHost& far);
  void search_member(mrt::Instant now, const Link& uplink, const Introduce& message);
  void call_member_on(mrt::Instant now, const mrt::Path& path);
  void search_candidate(mrt::Instant now);
  void run_port_search(mrt::Instant now);
  void end_port_search();
  void on_spare(mrt::Instant now, const mrt::Path& path);
  void call_target_on(mrt::Instant now, const mrt::Path& path);
  void end_spares(mrt::Instant now);

  // node_stun.cpp
  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);

  // What it is
  NodeConfig config;
  mrt::Identity identity;
  NodeId self;
  mrt::Random random;
  Incarnation incarnation;
  std::string nick;
  mrt::Endpoint endpoint;
  StunPort stun_port;  // at the same sockets
  PortMeeting ports;
  std::optional<stun::RendezvousClient> rendezvous;

  // The view it is in
  NodeId supernode;           // oneself where alone or the supernode
  mrt::Address supernode_at;  // a member: where it was reached, also after the uplink is gone
  Epoch epoch;                // 0: a node that was never in a star
  Roster roster;
  Order order;
  Migration migration;
  Catalogue catalogue;
  Transfer transfer;

  // Links
  std::map<mrt::ConnectionId, Link> links;
  std::map<NodeId, mrt::ConnectionId> link_by_node;
  std::set<mrt::ConnectionId> leaving;  // dropped, and still sending what was said last
  std::map<mrt::ConnectionId, mrt::Instant> unread;  // those that said too much: until when
  std::set<mrt::ConnectionId> slow;                  // those that may not take what is sent
  LeftNodes left_nodes;
  std::optional<mrt::ConnectionId> uplink_id;
  bool synced = true;  // a member: Ready was received
  Introductions introductions;
  Allowed admitted;
  Reachable reach_told;                 // to a supernode, or in the own roster
  mrt::Instant reach_due = mrt::never;  // when that is told anew
  mrt::Instant reach_next{};            // not sooner
  mrt::Instant next_beat = mrt::never;
  mrt::Instant next_silence_check = mrt::never;

  bool had_company = false;     // in this life: it has been in a star of several
  bool came_by_itself = false;  // into this view: it joined, and was not gathered

  // As the supernode
  uint64_t joined_count = 0;
  bool ranks_doubtful = false;                 // somebody's grade has changed
  mrt::Instant ranked_at{};                    // because of that
  std::map<NodeId, mrt::Instant> unreachable;  // members whom others do not reach, until when
  Seq stable;                                  // the supernode's own mark, or what it told
  Seq stable_told;
  mrt::Instant roster_due = mrt::never;
  mrt::Instant roster_flushed{};
  mrt::Instant stable_due = mrt::never;
  HeldPublishes held_publishes;
  uint64_t word = 0;  // whose repetition confirms the epoch; of a member: the last one it heard
  mrt::Instant doubt_ends = mrt::never;  // at the latest; never: the epoch is not in doubt
  std::set<NodeId> banned;
  std::map<NodeId, LostPeer> lost;
  mrt::ConnectionId holds_awaited{};    // of the first successor
  mrt::Instant holds_due = mrt::never;  // when it is to have said that it holds more
  mrt::Instant lost_sought_until{};     // at the rendezvous servers
  // Those whom they name then are called: all at once, and of ever new ones no more than a few.
  mrt::Allowance named_calls{3, join_addresses_max};
  std::map<NodeId, mrt::Instant> arrivals;  // a member: when those came who came after it
  mrt::Instant elders_since{};  // whoever was lost before, nobody ranked before this node misses
  mrt::Instant next_merge{};    // a member: when it may tell its supernode of a higher star again

  // Under way
  std::optional<JoinSearch> search;
  MigrationReason coming_reason = MigrationReason::lost;  // why the next supernode comes
  std::optional<NodeId> left_supernode;                   // whom it replaces
  mrt::Instant left_at{};
  std::vector<HeldOffer> standing;  // parts of a list that is coming in
  Tells tells;
  uint64_t said = 0;  // own broadcasts up to this number were said to this supernode
  std::map<uint64_t, CommandId> chats;  // own broadcasts, until delivered
  std::map<uint64_t, CommandId> merges;
  uint64_t merge_number = 0;
  std::map<FileToken, OwnFile> own_files;
  std::map<FileToken, CommandId> own_downloads;
  std::optional<mrt::Instant> quitting;  // until when at most
  std::string quit_reason;
  bool stopped = false;
  std::optional<CommandId> hand_over_command;
  std::vector<Offer> unannounced;  // own, and unknown to the star just entered

  // Towards the user
  std::deque<Event> events;
  std::optional<RoleChanged> role_told;
  bool roster_changed = false;
  mrt::Instant paths_due = mrt::never;  // when it is told for changed paths
  mrt::Instant roster_told{};
  mrt::Instant awake_until = mrt::never;  // when this node wanted to be called at the latest
  mrt::Duration lateness{};               // how much later it was, on average
};

}  // namespace node
