// SPDX-License-Identifier: MIT
#include "client/bench/report.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "client/bench/table.h"

namespace client {

using namespace std::chrono_literals;

static SendResult send_result() {
  SendResult out;
  out.bytes = 1'000'000'000;
  out.seconds = 2;
  out.link.stats.sealed = true;
  out.link.stats.mtu_bytes = 1472;
  out.link.stats.packets_lost = 7;
  out.link.stats.bytes_retransmitted = 9000;
  out.link.stats.rtt = 20'500us;
  out.link.cpu_seconds = 1.25;
  return out;
}

TEST_CASE("a transfer is one line with the contract's fields") {
  const std::string line = to_json(send_result());
  CHECK(line.find('\n') == line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  CHECK(json["bytes"] == 1'000'000'000);
  CHECK(json["seconds"] == 2.0);
  CHECK(json["mbit_s"] == 4000.0);
  CHECK(json["rtt_ms"] == 20.5);
  CHECK(json["lost"] == 7);
  CHECK(json["retransmitted"] == 9000);
  CHECK(json["mtu"] == 1472);
  CHECK(json["cpu_s"] == 1.25);
  CHECK(json["sealed"] == true);
  CHECK_FALSE(json.contains("receiver_cpu_s"));
}

TEST_CASE("a ping's quantiles are of the delays that there were") {
  PingResult result;
  for (int i = 1; i <= 101; ++i) result.delays.push_back(i * 1ms);
  result.halved = true;
  const auto json = nlohmann::json::parse(to_json(result));
  CHECK(json["count"] == 101);
  CHECK(json["p50_ms"] == 51.0);
  CHECK(json["p99_ms"] == 100.0);
  CHECK(json["max_ms"] == 101.0);
  CHECK(json["halved"] == true);
  CHECK(PingResult{}.quantile_ms(0.5) == 0);
}

TEST_CASE("the table has a column each, and the CPU time of both sides") {
  BenchColumn sealed, plain;
  sealed.bulk = send_result();
  sealed.bulk.receiver_cpu_seconds = 0.75;
  plain.bulk = send_result();
  plain.bulk.seconds = 1;
  sealed.ping.delays = plain.ping.delays = {54us};
  const std::string table = bench_table(sealed, plain, 2);
  CHECK(table.find("bulk, Mb/s                4000      8000\n") != std::string::npos);
  CHECK(table.find("CPU of both, s/GB       2.00      1.25\n") != std::string::npos);
  CHECK(table.find("p50, ms                0.054     0.054\n") != std::string::npos);
  CHECK(table.find(" \n") == std::string::npos);
  for (size_t begin = 0; begin < table.size();) {
    const size_t end = table.find('\n', begin);
    CHECK(end - begin <= 40);
    begin = end + 1;
  }
}

}  // namespace client
