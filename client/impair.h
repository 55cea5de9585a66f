// SPDX-License-Identifier: MIT
//
// A bad link for the lab: `--impair loss=5%,dup=1%,reorder=2%,corrupt=1%,delay=30ms,jitter=5ms,
// rate=10mbit,seed=7`. Impairment is a value that takes the datagrams a node sends and gives
// back what the link makes of them, when it would. It knows no sockets and no clock.
//
// 1. The same seed and the same calls give the same link.
// 2. It holds at most queue_bytes_max; what comes beyond is lost; with a
//    rate, also what would wait longer than 250 ms.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mrt/base/machine.h"
#include "mrt/base/random.h"

namespace client {

struct ImpairSpec {
  double loss = 0;  // probabilities, 0 to 1
  double duplicate = 0;
  double reorder = 0;
  double corrupt = 0;
  mrt::Duration delay{};
  mrt::Duration jitter{};  // delay is drawn from delay - jitter to delay + jitter
  uint64_t rate_bits = 0;  // a second; 0: no limit
  uint64_t seed = 1;
  bool operator==(const ImpairSpec&) const = default;
};

/// Nothing, and why, where SPEC is not one.
std::optional<ImpairSpec> parse_impair(std::string_view text, std::string& why);

class Impairment {
 public:
  // What is on a line of 1 Gb/s and 30 ms at a time.
  static constexpr size_t queue_bytes_max = 4 * 1024 * 1024;

  explicit Impairment(const ImpairSpec& spec);

  /// A batch that the node sends.
  void on_batch(mrt::Instant now, const mrt::Transmit& batch, mrt::ByteView bytes);
  /// The next datagram that comes out of the link by now, copied into `buffer`.
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  mrt::Instant next_timeout() const;
  bool is_consistent() const;

 private:
  struct Held {
    mrt::Path path;
    mrt::Ecn ecn;
    mrt::Bytes bytes;
  };
  // Ordered by when they come out, then by how they went in.
  using Order = std::pair<mrt::Instant, uint64_t>;

  void admit(mrt::Instant now, const mrt::Transmit& batch, mrt::ByteView datagram);
  void hold(mrt::Instant when, const mrt::Transmit& batch, mrt::ByteView datagram);
  mrt::Duration draw_delay();

  ImpairSpec spec_;
  mrt::Random random_;
  std::map<Order, Held> held_;
  size_t held_bytes_ = 0;
  uint64_t count_ = 0;
  mrt::Instant free_at_{};  // when the link of `rate` has sent what it took
};

/// A machine behind a bad link: what the driver runs when --impair is given.
template <mrt::Machine M>
class Impaired {
 public:
  Impaired(M& machine, const ImpairSpec& spec) : machine_(machine), link_(spec) {}

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes) {
    machine_.on_datagrams(now, path, ecn, segment_size, bytes);
  }
  void on_timeout(mrt::Instant now) {
    if (machine_.next_timeout() <= now) machine_.on_timeout(now);
  }
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer) {
    // Whatever the machine says goes into the link first, so that it is never the slower.
    while (const auto batch = machine_.poll_transmit(now, buffer)) {
      link_.on_batch(now, *batch, buffer.first(batch->size));
    }
    return link_.poll_transmit(now, buffer);
  }
  auto poll_event() { return machine_.poll_event(); }
  mrt::Instant next_timeout() const {
    return std::min(machine_.next_timeout(), link_.next_timeout());
  }
  bool is_consistent() const { return machine_.is_consistent() && link_.is_consistent(); }

 private:
  M& machine_;
  Impairment link_;
};

}  // namespace client
