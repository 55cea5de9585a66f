// SPDX-License-Identifier: MIT
//
// Finds out what stands between one socket and the world (RFC 5780 section 4), as a Machine
// (mrt/base/machine.h): which address servers see, whether it depends on whom one talks to, and
// from whom packets come in. It composes a Client and knows no sockets; for each family one Probe.
// Filters are looked at through a second socket: a gateway of Linux that refuses a packet gives
// whoever asks its sender from the same port in the next 30 s another mapping.
//
//   ask all servers ──> is what we did not ask let in? ──> is the mapping the same elsewhere? ──>
//   end
//
// 1. Filters are looked at before mappings: a question to a server's other address would open the
//    filter for it. So none is ever asked that a packet is waited for from.
// 2. Concluded is the last event; after it nothing more is sent.
// 3. It ends within 20 s whatever servers do, and asks each at most six questions, four times.
// 4. To what a server names as its other address two questions go at most, and one to what it says
//    is ours, and only where it could be: nobody is made to flood a third by it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "stun/behaviour.h"
#include "stun/client.h"

namespace stun {

/// More tell nothing more.
inline constexpr size_t probe_servers_max = 8;

/// What is lost in four of four tries at 10 % loss each way: one in 750. RFC 8489's seven would
/// make half a minute of each test that is answered by silence.
inline constexpr int probe_requests = 4;
/// Once a server has answered, the others' RTO is three times what that took: RFC 6298 section 2.2
/// after one measurement. At least this, since a busy host is late by tens of milliseconds.
inline constexpr mrt::Duration probe_rto_min = std::chrono::milliseconds(100);

struct ProbeConfig {
  mrt::Address local;                 // which socket, and of which family
  mrt::Address second;                // one beside it, for nothing else
  std::vector<mrt::Address> servers;  // those of that family are asked
};

/// A server saw this address. Once for each that answers.
struct AddressFound {
  mrt::Address server;
  mrt::Address mapped;
  mrt::Duration took;
};
struct ServerFailed {
  mrt::Address server;
  Failure why;
  uint16_t code = 0;
};
struct Concluded {
  Behaviour behaviour;
};
using ProbeEvent = std::variant<AddressFound, ServerFailed, Concluded>;

class Probe {
 public:
  Probe(mrt::Instant now, const ProbeConfig& config, const mrt::Random::Seed& seed);

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);

  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<ProbeEvent> poll_event();
  mrt::Instant next_timeout() const { return client_.next_timeout(); }

  bool has_concluded() const { return concluded_; }
  const ClientStats& stats() const { return client_.stats(); }
  bool is_consistent() const;

 private:
  enum class Purpose : uint8_t { address, second, filter, mapping, hairpin };
  struct Asked {
    Purpose purpose;
    mrt::Address server;
    mrt::Address answer_from;
  };
  /// What a server has beside the address that was asked.
  struct Other {
    mrt::Address server;
    std::optional<mrt::Address> address;
    uint16_t port;
  };

  void ask(mrt::Instant now, Purpose purpose, const mrt::Address& server);
  void ask_by_second(mrt::Instant now, Purpose purpose, const mrt::Address& server,
                     const mrt::Address& answer_from, Change change);
  void note(std::optional<QueryId> query, const Asked& asked);
  void go_on(mrt::Instant now);
  void on_answered(mrt::Instant now, const Asked& asked, const Answered& answered);
  void on_failed(const Asked& asked, const Failed& failed);
  void on_event(mrt::Instant now, const ClientEvent& event);
  Asked take(QueryId query);
  void note_other(const mrt::Address& server, const Answered& answered);
  void try_second(mrt::Instant now, const mrt::Address& server);
  void test_filter(mrt::Instant now, const Other& other);
  bool has_sent_to_host(const mrt::Address& address) const;
  /// False where there is none that would tell anything.
  bool ask_for_mapping(mrt::Instant now);
  void conclude();

  mrt::Address local_, second_;
  Client client_;
  Patience patience_{std::chrono::milliseconds(500), probe_requests, 2};
  std::map<QueryId, Asked> asked_;
  std::set<mrt::Address> sent_to_;
  std::vector<Other> others_;
  std::vector<MappingSeen> seen_;
  std::vector<FilterTest> tests_;
  bool tests_host_ = false;    // a filter test with another address has begun
  bool tests_port_ = false;    // one with another port of the same
  bool second_works_ = false;  // it was answered: silence there is a filter's
  bool heard_ = false;         // something came back, an error even
  Behaviour behaviour_;
  std::deque<ProbeEvent> events_;
  bool concluded_ = false;
};

static_assert(mrt::Machine<Probe>);

}  // namespace stun
