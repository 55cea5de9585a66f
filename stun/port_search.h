// SPDX-License-Identifier: MIT
//
// How two hosts come together of which one is behind a NAT that gives each destination another
// port, and the other behind one that lets in only what comes from a port that it sent to: the
// first opens many ports towards the other, which meanwhile tries ports of the first, until one of
// the tried is one of the open (the birthday paradox: with 256 of 64,512 open, of 1,024 tries in
// 98 % one meets one). Values in, values out: it has no socket, and knows only its own half.
//
// 1. One search at a time; of one host one in search_pause. A host whose ports are tried is an IP
//    address; one that ports are opened for is seen at one port, and others may share its NAT.
// 2. One packet in probe_interval, whatever begins or ends: probes_max to a host whose ports are
//    tried, none to one port twice, and spares_max to one that ports are opened for. So nobody is
//    flooded, whoever says what.
#pragma once

#include <map>
#include <optional>

#include "mrt/base/address.h"
#include "mrt/base/random.h"
#include "mrt/base/time.h"

namespace stun {

/// A hundred a second, of two bytes each (WIRE.md 3.5): 3 KB/s with their headers.
inline constexpr mrt::Duration probe_interval = std::chrono::milliseconds(10);
inline constexpr int probes_max = 1024;
/// A process may have 1,024 descriptors on most systems, and a home's gateway some thousand
/// mappings.
inline constexpr int spares_max = 256;
/// 1,024 probes take 10.3 s, more on a busy host; and the other side may begin some seconds later,
/// when it hears that it is not in vain (RendezvousClient repeats its question each second).
inline constexpr mrt::Duration search_time_max = std::chrono::seconds(14);
inline constexpr mrt::Duration search_pause = std::chrono::minutes(1);
/// Hosts that were searched within search_pause. More than six are only where most are found at
/// once.
inline constexpr size_t searches_max = 64;

class PortSearch {
 public:
  enum class Half : uint8_t {
    tries,  // ports of the other host
    opens,  // ports of this one, for the other host
  };

  /// `seen`: where a rendezvous or the supernode saw the other host itself; whoever tries is not
  /// interested in its port. `random`: drawn from only if it begins. False where one is under way,
  /// or that host was searched within search_pause, or is nobody's behind a NAT.
  bool begin(mrt::Instant now, Half half, const mrt::Address& seen, mrt::Random& random);
  /// It was found, or is not wanted any more.
  void end() { search_.reset(); }
  /// What is due: an address to try, or `seen`, for which another port is to be opened.
  std::optional<mrt::Address> poll(mrt::Instant now);

  bool is_running(Half half) const { return search_ && search_->half == half; }
  /// Whether a search is under way for the host at that address; who tries knows no port of it.
  bool seeks(const mrt::Address& host) const {
    const bool any_port = is_running(Half::tries);
    return search_ && search_->seen.ip == host.ip && (any_port || search_->seen.port == host.port);
  }
  /// Whether it is the one that began with that address: others may be behind the same NAT.
  bool is_for(const mrt::Address& seen) const { return search_ && search_->seen == seen; }
  mrt::Instant next_timeout() const;
  bool is_consistent() const { return begun_.size() <= searches_max; }

 private:
  struct Search {
    Half half;
    mrt::Address seen;
    mrt::Instant ends;
    uint32_t at = 0, step = 0;  // a walk through all ports, none twice
    int sent = 0;
  };

  bool has_more() const;

  std::optional<Search> search_;
  std::map<mrt::Address, mrt::Instant> begun_;  // port 0 where all are tried
  mrt::Instant next_{};                         // packet, of whatever search
};

}  // namespace stun
