// SPDX-License-Identifier: MIT
//
// What a node says to rendezvous servers, as a Machine: it looks a network up at all of them side
// by side, or registers there as its supernode and stays registered (WIRE.md 9.3, 9.4). It knows
// no sockets, no clock, no passwords, and nothing of what is done with an address that it found.
//
// 1. Any server may be down, slow or lying: none delays or hides what another says.
// 2. Only a server that was asked is heard, and only with the transaction of the question.
//    Everything else is counted and changes nothing.
// 3. Addresses that come out are plausible (rendezvous_candidates.h), not this node's own, and at
//    most candidates_max; introductions name at most introduced_per_second a second.
// 4. To one server go at most ten datagrams in any second, whatever it answers.
#pragma once

#include <deque>
#include <map>
#include <variant>

#include "mrt/base/allowance.h"
#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "stun/rendezvous_key.h"

namespace stun {

struct RendezvousClientConfig {
  std::vector<mrt::Address> servers;  // of more than servers_max the first
  NodeTag node{};
  // An introduction comes through the mapping that this holds. NATs are to keep one for two minutes
  // (RFC 4787 section 4.3); some do for 20 s. ICE's Tr is the same (RFC 8445 section 11).
  mrt::Duration keep_interval = std::chrono::seconds(15);
};

/// Where a server itself saw somebody: whatever that one says, it was there.
struct SeenHost {
  mrt::Address address;
  bool symmetric = false;  // as it says: its NAT gives each destination another port
  bool operator==(const SeenHost&) const = default;
};
/// Supernodes of the network may be at these, the most promising first. Told anew when an answer
/// adds to it.
struct CandidatesFound {
  std::vector<mrt::Address> addresses;
  std::vector<SeenHost> seen;  // of the addresses those that a server saw itself
};
/// Somebody who looks for this network comes from these: open the NAT for it.
struct PeerIntroduced {
  std::vector<mrt::Address> addresses;  // the one that the server saw first
  std::optional<SeenHost> seen;         // that one; nothing where it is left out
};
/// Where a server sees this node: told when it is another one than before.
struct SeenAt {
  mrt::Address server;
  mrt::Address seen;
};
/// A server knows this node's registration, or has not for longer than a lost packet explains.
struct RegistrationChanged {
  mrt::Address server;
  bool registered = false;
};

using RendezvousEvent = std::variant<CandidatesFound, PeerIntroduced, SeenAt, RegistrationChanged>;

struct RendezvousClientStats {
  uint64_t answers = 0;
  uint64_t strangers = 0;  // from no server that was asked
  uint64_t unasked = 0;    // from one, but with no transaction of ours: forged, or very late
  uint64_t malformed = 0;
  uint64_t refusals = 0;
  uint64_t implausible = 0;  // addresses that were not believed
};

/// What a node says of itself.
struct Told {
  std::vector<mrt::Address> addresses;  // where else than the server sees it it may be reached
  bool symmetric = false;               // its NAT gives each destination another port
  bool operator==(const Told&) const = default;
};

class RendezvousClient {
 public:
  // More would only be asked for the sake of asking.
  static constexpr size_t servers_max = 8;
  // Each server has its share of them, so that a lying one pushes nobody out.
  static constexpr size_t candidates_max = 32;
  // A class comes at once; each is sent 3 packets of 2 bytes (WIRE.md 3.5).
  static constexpr int64_t introduced_per_second = 64;
  static constexpr size_t events_max = 256;
  // What goes to all servers in a second and a half.
  static constexpr size_t outbox_max = 64;

  RendezvousClient(RendezvousClientConfig config, const mrt::Random::Seed& seed);

  // Commands. They take effect with a key; another key forgets what was found.
  /// Beside those that are known; beyond servers_max they are left out.
  void add_servers(mrt::Instant now, const std::vector<mrt::Address>& servers);
  void set_key(mrt::Instant now, const RendezvousKey& key);
  /// Asks, and goes on asking, for every question introduces this node anew. `told`: where else it
  /// may be reached. Called again it says so from then on.
  void look_up(mrt::Instant now, const Told& told);
  void stop_looking();
  /// This node is the network's supernode: registers, or says what has changed.
  void enrol(mrt::Instant now, uint64_t epoch, const Told& told);
  /// It is not any more.
  void leave(mrt::Instant now);

  // The five verbs.
  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<RendezvousEvent> poll_event();
  mrt::Instant next_timeout() const;
  bool is_consistent() const;

  // Getters.
  bool is_looking() const { return looking_; }
  /// Servers that have answered what is being looked up, and of how many.
  size_t answered() const;
  size_t servers() const { return servers_.size(); }
  const RendezvousClientStats& stats() const { return stats_; }

 private:
  /// When to send, and how often that was done in vain.
  struct Repeat {
    mrt::Instant at = mrt::never;
    int sent = 0;
    bool may_hurry = false;  // a cookie that comes now is used at once, once for each timer
  };
  enum class Standing : uint8_t { none, asking, registered, leaving };
  struct Server {
    mrt::Address address;
    std::optional<RendezvousCookie> cookie;
    std::optional<mrt::Address> seen;

    uint64_t look_up_transaction = 0;
    Repeat look_up;
    bool answered = false;
    std::vector<Whereabouts> found;

    Standing standing = Standing::none;
    uint64_t transaction = 0;  // of the registration
    uint64_t sequence = 0;     // likewise: a word that is not newer than one taken back is not heard
    Repeat standing_repeat;
    bool registered_told = false;
  };

  void on_datagram(mrt::Instant now, const mrt::Path& path, mrt::ByteView datagram);
  void on_answer(mrt::Instant now, const mrt::Path& path, Server& server, RendezvousMessage& said);
  bool on_cookie(mrt::Instant now, Server& server, const CookieGiven& given);
  bool on_found(mrt::Instant now, const mrt::Path& path, Server& server, Found& found);
  bool on_registered(mrt::Instant now, const mrt::Path& path, Server& server,
                     const Registered& registered);
  bool on_refusal(mrt::Instant now, Server& server, const Refusal& refusal);
  bool on_introduction(mrt::Instant now, const mrt::Path& path, Server& server,
                       const Introduction& introduction);

  void ask(mrt::Instant now, Server& server);
  void speak(mrt::Instant now, Server& server);
  void register_at(mrt::Instant now, Server& server);
  void keep(mrt::Instant now, Server& server);
  void begin_look_up(mrt::Instant now, Server& server);
  void begin_registering(mrt::Instant now, Server& server);
  void register_anew(mrt::Instant at, Server& server);
  void note_seen(const mrt::Path& path, Server& server, const mrt::Address& seen);
  void tell_registered(Server& server, bool registered);
  void join_answers();
  bool is_own(const Server& server, const mrt::Address& address) const;
  void send(const Server& server, const RendezvousMessage& message);
  void tell(RendezvousEvent event);

  RendezvousClientConfig config_;
  mrt::Random random_;
  std::optional<RendezvousKey> key_;
  std::vector<Server> servers_;
  bool looking_ = false;
  Told looking_told_;  // with each question
  Told enrolled_;      // with each registration
  std::optional<uint64_t> epoch_;  // while it is the supernode
  std::vector<mrt::Address> candidates_;  // as they were told
  std::vector<SeenHost> seen_;            // likewise
  // A moment ago, by several servers perhaps; and whether it said to be symmetric.
  std::map<std::pair<mrt::Address, bool>, mrt::Instant> introduced_;
  mrt::Allowance introductions_{introduced_per_second, introduced_per_second};
  std::deque<std::pair<mrt::Address, mrt::Bytes>> outbox_;
  std::deque<RendezvousEvent> events_;
  RendezvousClientStats stats_;
};

static_assert(mrt::Machine<RendezvousClient>);

}  // namespace stun
