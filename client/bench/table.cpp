// SPDX-License-Identifier: MIT
#include "client/bench/table.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "client/bench/call.h"
#include "client/bench/serve.h"

namespace client {

namespace {

using namespace std::chrono_literals;

// Beyond slow start and the search for the path's MTU, which take a tenth of it.
constexpr mrt::Duration bulk_time = 2s;
constexpr size_t ping_count = 200;  // at 100 a second: two seconds as well

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// `bench serve` as a child of this process.
class LocalServer {
 public:
  explicit LocalServer(const BenchOptions& options) {
    const mrt::Address loopback = mrt::Address::v4(127, 0, 0, 1, 0);
    mrt::uv::SocketError error;
    mrt::uv::Sockets sockets = mrt::uv::open_sockets(std::span(&loopback, 1), {}, error);
    if (sockets.empty()) {
      fault_ = no_sockets(error);
      return;
    }
    address_ = sockets.front()->local();
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      // A group of its own: Ctrl-C is for the caller, who would else see its server end first.
      setpgid(0, 0);
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() == parent) serve_bench_silently(options, std::move(sockets));
      _exit(0);
    }
    if (pid_ < 0) {
      fault_ = {
          .code = node::ErrorCode::limit, .text = "no process could be started", .ours = true};
    }
  }
  ~LocalServer() { stop(); }
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  const std::optional<BenchFault>& fault() const { return fault_; }
  const mrt::Address& address() const { return address_; }
  /// Its CPU time, from its start to its end.
  double stop() {
    if (pid_ <= 0) return 0;
    kill(pid_, SIGTERM);
    rusage used{};
    wait4(pid_, nullptr, 0, &used);
    pid_ = -1;
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }

 private:
  pid_t pid_ = -1;
  mrt::Address address_;
  std::optional<BenchFault> fault_;
};

std::optional<BenchFault> measure(const BenchOptions& options, BenchColumn& out) {
  {
    LocalServer server(options);
    if (server.fault()) return server.fault();
    auto bulk = bench_send(options, server.address());
    if (auto* fault = std::get_if<BenchFault>(&bulk)) return *fault;
    out.bulk = std::get<SendResult>(bulk);
    out.bulk.receiver_cpu_seconds = server.stop();
  }
  LocalServer server(options);
  if (server.fault()) return server.fault();
  auto ping = bench_ping(options, server.address());
  if (auto* fault = std::get_if<BenchFault>(&ping)) return *fault;
  out.ping = std::get<PingResult>(std::move(ping));
  return std::nullopt;
}

double cpu_per_gigabyte(const SendResult& bulk) {
  const double both = bulk.link.cpu_seconds + bulk.receiver_cpu_seconds.value_or(0);
  return bulk.bytes == 0 ? 0 : both / (static_cast<double>(bulk.bytes) / 1e9);
}

}  // namespace

std::string bench_table(const BenchColumn& sealed, const BenchColumn& plain, size_t cores) {
  // 40 columns: a narrow terminal has the whole of it.
  std::string out =
      fmt::format("MRT over 127.0.0.1, {} core{},\na process each side\n\n{:<20}{:>10}{:>10}\n",
                  cores, cores == 1 ? "" : "s", "", "sealed", "plain");
  const auto row = [&](std::string_view what, int digits, auto value) {
    out += fmt::format("{:<20}{:>10.{}f}{:>10.{}f}\n", what, value(sealed), digits, value(plain),
                       digits);
  };
  using Column = const BenchColumn&;
  row("bulk, Mb/s", 0, [](Column c) { return c.bulk.mbit_s(); });
  row("  CPU of both, s/GB", 2, [](Column c) { return cpu_per_gigabyte(c.bulk); });
  row("  packet, bytes", 0,
      [](Column c) { return static_cast<double>(c.bulk.link.stats.mtu_bytes); });
  row("  packets lost", 0,
      [](Column c) { return static_cast<double>(c.bulk.link.stats.packets_lost); });
  row("handshake, ms", 2, [](Column c) { return 1e3 * mrt::to_seconds(c.ping.link.handshake); });
  out += "100 B a hundred times a second, one way\n";
  row("  p50, ms", 3, [](Column c) { return c.ping.quantile_ms(0.5); });
  row("  p99, ms", 3, [](Column c) { return c.ping.quantile_ms(0.99); });
  row("  at most, ms", 3, [](Column c) { return c.ping.quantile_ms(1); });
  return out;
}

ExitCode run_bench_table(const BenchOptions& asked) {
  BenchOptions options = asked;
  if (!options.duration) options.duration = bulk_time;
  options.count = ping_count;
  options.bind.clear();
  if (!options.json && isatty(STDERR_FILENO) != 0) {
    const double total = 2 * (mrt::to_seconds(*options.duration) + mrt::to_seconds(bulk_time));
    fmt::print(stderr, "thuban: this takes {:.0f} seconds\n", total);
  }
  BenchColumn columns[2];
  for (const bool plain : {false, true}) {
    options.plain = plain;
    BenchColumn& column = columns[plain ? 1 : 0];
    if (const auto fault = measure(options, column)) return complain(options, *fault);
    if (!options.json) continue;
    std::fputs((to_json(column.bulk) + to_json(column.ping)).c_str(), stdout);
    // Nobody reads on: the rest would take its seconds for nothing.
    if (std::fflush(stdout) != 0) break;
  }
  if (!options.json) {
    std::fputs(bench_table(columns[0], columns[1], std::thread::hardware_concurrency()).c_str(),
               stdout);
  }
  return ExitCode::done;
}

}  // namespace client
