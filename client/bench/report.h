// SPDX-License-Identifier: MIT
//
// What a bench found out, and each as a line of JSON (docs/CLI.md, "Bench"). Pure but for
// complain(), which prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/bench/run.h"
#include "client/json.h"
#include "client/options.h"
#include "mrt/types.h"

namespace client {

/// Of the connection, whatever was measured on it.
struct BenchLink {
  mrt::ConnectionStats stats;
  mrt::Duration handshake{};  // from the first RCON to Connected
  double cpu_seconds = 0;     // of this process, from the first RCON to the end
};

struct SendResult {
  uint64_t bytes = 0;  // acknowledged
  double seconds = 0;  // from the first RCON to the acknowledgement of the last byte; both without
                       // what --omit says
  BenchLink link;
  std::optional<double> receiver_cpu_seconds;  // where that is known

  double mbit_s() const { return seconds > 0 ? static_cast<double>(bytes) * 8e-6 / seconds : 0; }
};

struct PingResult {
  std::vector<mrt::Duration> delays;  // one way, sorted
  bool halved = false;                // they are half of the round trips
  BenchLink link;

  double quantile_ms(double share) const;
};

/// What a client did at `bench serve`.
struct BenchServed {
  mrt::Address from;
  bool sealed = false;
  uint64_t bytes = 0;      // of bulk
  uint64_t messages = 0;   // that were answered
  double seconds = 0;      // from the first byte to the last
  double cpu_seconds = 0;  // of the whole process meanwhile
};

std::string to_json(const SendResult& result);
std::string to_json(const PingResult& result);
/// Event `served`.
std::string to_json(const BenchServed& served, int64_t ts);

/// Says why nothing came of it: events with --json, else a line on standard error.
ExitCode complain(const BenchOptions& options, const BenchFault& fault);

}  // namespace client
