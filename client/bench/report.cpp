// SPDX-License-Identifier: MIT
#include "client/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/app.h"
#include "mrt/uv/clock.h"

namespace client {

namespace {

using Json = nlohmann::ordered_json;

/// Beyond a few digits a figure is noise.
double rounded(double value, int digits) {
  const double unit = std::pow(10, digits);
  return std::round(value * unit) / unit;
}

double ms(mrt::Duration duration) { return rounded(1e3 * mrt::to_seconds(duration), 3); }

void add_link(Json& out, const BenchLink& link) {
  const mrt::ConnectionStats& stats = link.stats;
  out["rtt_ms"] = ms(stats.rtt);
  out["lost"] = stats.packets_lost;
  out["retransmitted"] = stats.bytes_retransmitted;
  out["mtu"] = stats.mtu_bytes;
  out["cpu_s"] = rounded(link.cpu_seconds, 4);
  out["sealed"] = stats.sealed;
  out["handshake_ms"] = ms(link.handshake);
  out["lost_spuriously"] = stats.packets_lost_spuriously;
  out["packets_sent"] = stats.packets_sent;
  out["packets_received"] = stats.packets_received;
  out["udp_bytes_sent"] = stats.bytes_sent;
  out["udp_bytes_received"] = stats.bytes_received;
  out["cwnd"] = stats.window_bytes;
}

}  // namespace

double PingResult::quantile_ms(double share) const {
  if (delays.empty()) return 0;
  const auto index = static_cast<size_t>(share * static_cast<double>(delays.size() - 1));
  return ms(delays[index]);
}

std::string to_json(const SendResult& result) {
  Json out = {{"bytes", result.bytes},
              {"seconds", rounded(result.seconds, 6)},
              {"mbit_s", rounded(result.mbit_s(), 3)}};
  add_link(out, result.link);
  if (result.receiver_cpu_seconds) {
    out["receiver_cpu_s"] = rounded(*result.receiver_cpu_seconds, 4);
  }
  return out.dump() + '\n';
}

std::string to_json(const PingResult& result) {
  Json out = {{"count", result.delays.size()},
              {"p50_ms", result.quantile_ms(0.5)},
              {"p99_ms", result.quantile_ms(0.99)},
              {"max_ms", result.quantile_ms(1)},
              {"halved", result.halved}};
  add_link(out, result.link);
  return out.dump() + '\n';
}

std::string to_json(const BenchServed& served, int64_t ts) {
  const double mbit_s =
      served.seconds > 0 ? static_cast<double>(served.bytes) * 8e-6 / served.seconds : 0;
  const Json out = {{"event", "served"},
                    {"ts", ts},
                    {"from", served.from.to_string()},
                    {"bytes", served.bytes},
                    {"messages", served.messages},
                    {"seconds", rounded(served.seconds, 6)},
                    {"mbit_s", rounded(mbit_s, 3)},
                    {"cpu_s", rounded(served.cpu_seconds, 4)},
                    {"sealed", served.sealed}};
  return out.dump() + '\n';
}

ExitCode complain(const BenchOptions& options, const BenchFault& fault) {
  if (options.json) {
    const int64_t now = mrt::uv::wall_clock_ms();
    if (!fault.interrupted) {
      std::fputs(to_json(Failed{fault.code, fault.text, "bench"}, now).c_str(), stdout);
    }
    std::fputs(to_json(Ended{fault.interrupted ? "interrupted" : "failed"}, now).c_str(), stdout);
  } else {
    std::fputs(fmt::format("thuban: {}\n", fault.text).c_str(), stderr);
  }
  if (fault.interrupted) return ExitCode::interrupted;
  return fault.ours ? ExitCode::failed : exit_code_of(fault.code);
}

}  // namespace client
