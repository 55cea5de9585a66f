// SPDX-License-Identifier: MIT
//
// One direction of an emulated link, as a value machine: datagrams go in with send(), and
// come out of poll() when they have arrived. It knows nothing of sockets, clocks, nodes or
// what the bytes mean; `mrt` tests, the simulated world and `--impair` use the same one.
//
// 1. Everything is drawn from one Random: the same seed and inputs give the same outputs.
// 2. Without reordering the order is kept, whatever the jitter: a queue in the path delays,
//    it does not overtake.
// 3. A datagram goes through, in this order: cut, loss, queue and rate, corruption, delay;
//    a duplicate is a second passage through the last two.
// 4. What is under way at once is bounded by in_flight_max and by LinkSpec::queue_bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"
#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "mrt/base/time.h"

namespace node::sim {

using mrt::Duration;
using mrt::Instant;

/// One UDP datagram as it arrives: `path` is the receiver's view.
struct Datagram {
  mrt::Path path;
  mrt::Ecn ecn = mrt::Ecn::not_ect;
  mrt::Bytes bytes;
};

/// What a link does to what is sent over it. Probabilities are 0 to 1, for each datagram.
struct LinkSpec {
  Duration delay{};
  Duration jitter{};                // up to so much more, uniformly
  uint64_t rate_bytes_per_s = 0;    // 0: no limit
  size_t queue_bytes = 256 * 1024;  // waiting for the rate at most; then the tail is dropped
  double loss = 0;                  // each on its own
  double burst_loss = 0;            // share of datagrams that is lost in bursts (Gilbert)...
  double burst_length = 5;          // ...of so many in a row on average, at least 1
  double duplicate = 0;
  double reorder = 0;  // held back by `reorder_by`, so that others overtake
  Duration reorder_by = std::chrono::milliseconds(5);
  double corrupt = 0;  // a few bits flipped, or cut short
  bool cut = false;    // nothing gets in; what is under way still arrives
};

struct LinkCounters {
  uint64_t sent = 0;
  uint64_t delivered = 0;
  uint64_t cut = 0;
  uint64_t lost = 0;
  uint64_t dropped = 0;  // by the full queue
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t corrupted = 0;
};

class Link {
 public:
  /// Datagrams under way at once: a second of 1,400-byte packets at 700 Mb/s.
  static constexpr size_t in_flight_max = 65'536;

  Link(const LinkSpec& spec, const mrt::Random::Seed& seed);

  // Inputs.
  void send(Instant now, Datagram datagram);
  /// From now on; what is under way keeps its arrival.
  void change(const LinkSpec& spec) { spec_ = spec; }
  /// What is under way is lost (a cable that is pulled out).
  void clear();

  // Outputs.
  /// The next datagram that has arrived by `now`.
  std::optional<Datagram> poll(Instant now);
  /// When poll() has something next.
  Instant next() const;

  const LinkSpec& spec() const { return spec_; }
  const LinkCounters& counters() const { return counters_; }

 private:
  struct InFlight {
    Instant arrival;
    uint64_t number;  // of two that arrive at once, the one sent first
    Datagram datagram;
  };
  static bool is_later(const InFlight& a, const InFlight& b);

  bool is_lost();
  /// When the last bit has left, or nothing where the queue is full.
  std::optional<Instant> departure(Instant now, size_t size_bytes);
  void corrupt(mrt::Bytes& bytes);
  void carry(Instant departure, Datagram datagram);

  LinkSpec spec_;
  mrt::Random random_;
  LinkCounters counters_;
  bool in_burst_ = false;
  Instant busy_until_{};      // when the sender's queue is empty
  Instant arrival_latest_{};  // of those that keep their order
  uint64_t number_next_ = 0;
  std::vector<InFlight> in_flight_;  // a heap, the earliest arrival first
};

}  // namespace node::sim
