// SPDX-License-Identifier: MIT
//
// An emulated bottleneck in virtual time, and pairs of MRT endpoints that send bulk across it:
// the same seed gives the same packets. A direction is, in this order:
//
//   rate and drop-tail queue -> random loss and bursts of it -> delay, jitter, reordering
//
// Loss comes behind the bottleneck, as on a radio link: at most rate * (1 - loss) arrives.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "mrt/endpoint.h"

namespace mrt::test {

struct LinkConfig {
  double bits_per_second = 100e6;
  double queue_bytes = 250e3;
  Duration delay = std::chrono::milliseconds(10);
  Duration jitter{};       // uniform, order kept
  double loss = 0;         // of each packet alone
  double burst_begin = 0;  // Gilbert-Elliott: good to bad, each packet
  double burst_end = 1;    // bad to good; all is lost in bad
  double reorder = 0;      // held back by reorder_by
  Duration reorder_by = std::chrono::milliseconds(5);
  double overhead_bytes = 28;  // IPv4 and UDP
  size_t payload_max = 1472;   // Ethernet's 1500 less those
};

struct LinkStats {
  uint64_t packets = 0;
  uint64_t dropped_at_queue = 0;
  uint64_t lost = 0;
  double queued_seconds = 0;  // sum over packets of the time that they waited
};

class Link {
 public:
  Link(const LinkConfig& config, uint64_t seed) : config_(config), random_(seed_from(seed)) {}
  /// When the packet arrives; never where it does not.
  Instant admit(Instant now, size_t bytes);
  const LinkStats& stats() const { return stats_; }

 private:
  bool lose();

  LinkConfig config_;
  Random random_;
  LinkStats stats_;
  Instant free_at_{};
  Instant last_arrival_{};
  bool bad_ = false;
};

struct FlowConfig {
  EndpointConfig endpoint;
  Duration starts{};
  uint64_t bytes = UINT64_MAX;  // as many as there is time for
};

/// Bulk flows, a pair of endpoints each, across one bottleneck.
class Bottleneck {
 public:
  Bottleneck(const LinkConfig& forth, const LinkConfig& back, uint64_t seed,
             const std::vector<FlowConfig>& flows);
  ~Bottleneck();

  /// Runs for that long, or until all flows are done.
  void run(Duration time);

  Instant now{std::chrono::seconds(1)};
  size_t flows() const { return flows_.size(); }
  uint64_t bytes_delivered(size_t flow) const;
  uint64_t bytes_sent(size_t flow) const;  // UDP payload
  /// From the first RCON to the acknowledgement of the last byte; zero while that is to come.
  Duration time_taken(size_t flow) const;
  ConnectionStats stats(size_t flow) const;
  const Link& forth() const { return forth_; }
  /// What the emulation itself has allocated, beside the endpoints.
  uint64_t link_allocations() const { return link_allocations_; }

 private:
  struct Flow;
  struct InFlight {
    size_t flow;
    bool forth;
    Bytes bytes;
  };

  void arrive();
  void pump(size_t flow, bool sender);
  static Endpoint& end_of(Flow& flow, bool forth);  // who hears what goes that way
  void send(size_t flow, bool forth, const Transmit& batch);
  void write(Flow& flow);

  Link forth_;
  Link back_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::map<std::pair<Instant, uint64_t>, InFlight> wire_;
  std::vector<Bytes> pool_;
  uint64_t order_ = 0;
  uint64_t link_allocations_ = 0;
  Bytes buffer_ = Bytes(batch_bytes_max);
  Bytes chunk_ = Bytes(256 * 1024, 0x5a);
};

}  // namespace mrt::test
