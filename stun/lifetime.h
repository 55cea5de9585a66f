// SPDX-License-Identifier: MIT
//
// How long a NAT keeps a mapping that nothing goes through (RFC 5780 section 4.6), as a Machine
// (mrt/base/machine.h). It composes a Client and knows no sockets.
//
//   resting socket ── request ──> server        its mapping begins, then nothing for its pause
//   asking socket  ── request, RESPONSE-PORT = the resting one's mapped port ──> server
//   resting socket <── answer ── server         where the mapping still lives, and only there
//
// 1. Each pause has a socket of its own, all rest side by side: what one is told holds no other's
//    mapping. The first try has no pause, and shows whether a server can do it at all.
// 2. It ends with the first pause that was too long, and then only if the server still answers: a
//    server that went away is no end of a mapping.
// 3. LifetimeFound is the only event and the last thing: after it nothing more is sent.
// 4. It ends within seven minutes whatever servers do.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "stun/client.h"

namespace stun {

/// NATs are set to round times, so each pause lies between two of those.
inline constexpr std::array<mrt::Duration, 9> lifetime_pauses = {
    std::chrono::seconds(11),   // MRT's keep-alives come each 10 s where nothing else is said
    std::chrono::seconds(17),   // 15 s
    std::chrono::seconds(27),   // 20 s, and NatWatch's question each 25 s
    std::chrono::seconds(45),   // 30 s: Linux, before a flow counts as a stream
    std::chrono::seconds(75),   // 60 s
    std::chrono::seconds(110),  // 90 s
    // RFC 4787 REQ-5: "A NAT UDP mapping timer MUST NOT expire in less than two minutes". Linux
    // gives streams as long.
    std::chrono::seconds(150),
    std::chrono::seconds(210),  // 180 s
    std::chrono::seconds(310),  // REQ-5: "a default value of five minutes or more is RECOMMENDED"
};

struct LifetimeConfig {
  std::vector<mrt::Address> servers;  // in this order, until one can; of the sockets' family
  mrt::Address asking;
  std::vector<mrt::Address> resting;  // the first for the try without a pause, one for each other
};

/// Both empty: no server could do it, or none was there to the end.
struct LifetimeFound {
  std::optional<mrt::Duration> survived;  // the longest pause that a mapping survived
  std::optional<mrt::Duration> ended;     // the shortest that it did not; empty: none was too long
};

class Lifetime {
 public:
  /// REQUIRES: a resting socket, and no more of them than pauses and one.
  Lifetime(mrt::Instant now, LifetimeConfig config, const mrt::Random::Seed& seed);

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);

  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<LifetimeFound> poll_event();
  mrt::Instant next_timeout() const;

  bool is_consistent() const;

 private:
  enum class Purpose : uint8_t { map, wake, is_server_there };
  struct Asked {
    Purpose purpose;
    size_t socket;  // of the resting ones
  };
  struct Resting {
    uint16_t mapped_port = 0;
    mrt::Instant until{};
  };

  void go_on(mrt::Instant now);
  void on_answered(mrt::Instant now, const Asked& asked, const Answered& answered);
  void on_failed(mrt::Instant now, const Asked& asked, const Failed& failed);
  void ask(mrt::Instant now, Asked asked);
  void try_next_server(mrt::Instant now);
  void conclude();
  const mrt::Address& server() const { return config_.servers[server_]; }

  LifetimeConfig config_;
  Client client_;
  Patience patience_;
  size_t server_ = 0;                      // of the servers: it is tried, or was and can
  bool can_ = false;                       // the try without a pause was answered
  std::array<uint8_t, 16> mapped_host_{};  // of the asking socket: where its answers can be sent
  std::map<QueryId, Asked> asked_;         // while there is one, no other pause is looked at
  std::map<size_t, Resting> resting_;      // those whose pause was not looked at yet
  LifetimeFound found_;
  bool concluded_ = false;
  bool told_ = false;
};

static_assert(mrt::Machine<Lifetime>);

}  // namespace stun
