// SPDX-License-Identifier: MIT
//
// What the benches of the peers share: their command line, time, CPU time and memory, the
// counting of bulk and the clocking of small messages. It knows none of the peers.
//
//   PEER recv    PORT SECONDS            receives bulk
//   PEER send    HOST PORT SECONDS       sends it, for SECONDS after connecting
//   PEER latrecv PORT SECONDS [HZ]       receives 100-byte reliable messages
//   PEER latsend HOST PORT SECONDS [HZ]  sends HZ (100) of them a second
//
// 1. Each end prints one line of JSON and exits by itself, whatever the other does.
// 2. Goodput is what reached the application in the SECONDS after its first byte, or after OMIT=S
//    in the environment behind that; CPU is user and system time of the process over the same span.
// 3. Latency is one way, from the call that sends to the delivery: both ends on one host. Its
//    quantiles are of all that was sent: what is missing or out of order took for ever (null).
#pragma once

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace peer {

inline double now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Until then on now()'s clock, to the kernel's precision: a rate is kept without drift.
inline void wait_until(double at) {
  const double whole = std::floor(at);
  const timespec t{static_cast<time_t>(whole), static_cast<long>((at - whole) * 1e9)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
}

struct Usage {
  double cpu_seconds;
  double memory_mb;  // at most so far
};
inline Usage usage() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return {seconds(used.ru_utime) + seconds(used.ru_stime),
          static_cast<double>(used.ru_maxrss) / 1024};
}

struct Arguments {
  bool latency = false, sender = false;
  std::string host;
  uint16_t port = 0;
  double seconds = 10, hz = 100;
};
inline Arguments parse(int argc, char** argv) {
  Arguments out;
  const std::string mode = argc > 1 ? argv[1] : "";
  out.latency = mode.starts_with("lat");
  out.sender = mode == "send" || mode == "latsend";
  if (argc < (out.sender ? 5 : 4)) {
    std::fprintf(stderr,
                 "usage: recv|latrecv PORT SECONDS [HZ], send|latsend HOST PORT SECONDS [HZ]\n");
    std::exit(2);
  }
  int next = 2;
  if (out.sender) out.host = argv[next++];
  out.port = static_cast<uint16_t>(std::atoi(argv[next++]));
  out.seconds = std::atof(argv[next++]);
  if (next < argc) out.hz = std::atof(argv[next]);
  return out;
}

[[noreturn]] inline void fail(const char* what) {
  std::printf("{\"error\":\"%s\"}\n", what);
  std::fflush(stdout);
  _exit(1);
}

/// The receiver of bulk: got() for every piece that is delivered.
class Sink {
 public:
  explicit Sink(double seconds) : seconds_(seconds) {
    std::thread([this] {
      // Polled, so that got() stays one atomic addition.
      for (const double begin = now(); start_ == 0;) {
        if (now() - begin > connect_seconds_max) report(seconds_);
        wait_until(now() + 0.0002);
      }
      const double from = start_ + omitted_seconds();
      if (from > start_) {
        wait_until(from);
        omitted_bytes_ = bytes_;
        cpu_at_start_ = usage().cpu_seconds;
      }
      wait_until(from + seconds_);
      report(now() - from);
    }).detach();
  }
  void got(size_t size) {
    if (bytes_.fetch_add(size, std::memory_order_relaxed) != 0) return;
    cpu_at_start_ = usage().cpu_seconds;
    start_ = now();
  }

 private:
  static constexpr double connect_seconds_max = 15;

  static double omitted_seconds() {
    const char* given = getenv("OMIT");
    return given != nullptr ? std::max(0.0, std::atof(given)) : 0;
  }

  [[noreturn]] void report(double span) {
    const Usage used = usage();
    const uint64_t bytes = bytes_ - omitted_bytes_;
    std::printf("{\"role\":\"recv\",\"mbps\":%.2f,\"bytes\":%lu,\"cpu\":%.3f,\"rss_mb\":%.1f}\n",
                static_cast<double>(bytes) * 8e-6 / span, bytes, used.cpu_seconds - cpu_at_start_,
                used.memory_mb);
    std::fflush(stdout);
    _exit(0);
  }

  double seconds_, cpu_at_start_ = 0;
  uint64_t omitted_bytes_ = 0;
  std::atomic<double> start_{0};
  std::atomic<uint64_t> bytes_{0};
};

/// The sender of bulk, once connected: ends the process one second after its time is up.
inline void run_for(double seconds) {
  const double cpu_at_start = usage().cpu_seconds;
  std::thread([=] {
    wait_until(now() + seconds);
    const Usage used = usage();
    std::printf("{\"role\":\"send\",\"cpu\":%.3f,\"rss_mb\":%.1f}\n",
                used.cpu_seconds - cpu_at_start, used.memory_mb);
    std::fflush(stdout);
    wait_until(now() + 1);
    _exit(0);
  }).detach();
}

inline uint64_t message_count(const Arguments& asked) {
  return static_cast<uint64_t>(asked.seconds * asked.hz);
}

/// 100 bytes with the sending time and the message's number in front.
struct Message {
  char bytes[100] = {};
  void stamp(uint64_t number) {
    const double at = now();
    std::memcpy(bytes, &at, sizeof at);
    std::memcpy(bytes + sizeof at, &number, sizeof number);
  }
};

class Latency {
 public:
  explicit Latency(const Arguments& asked) : sent_(message_count(asked)) {
    std::thread([seconds = asked.seconds, this] {
      wait_until(now() + seconds + 4);  // the last messages come late on a bad link
      report();
    }).detach();
  }
  void got(const char* bytes) {
    double sent = 0;
    uint64_t number = 0;
    std::memcpy(&sent, bytes, sizeof sent);
    std::memcpy(&number, bytes + sizeof sent, sizeof number);
    const double delay_ms = (now() - sent) * 1e3;
    const std::lock_guard lock(mutex_);
    if (number < next_ || number >= sent_) return;  // twice, late, or none of ours
    next_ = number + 1;
    ms_.push_back(delay_ms);
  }

 private:
  [[noreturn]] void report() {
    const std::lock_guard lock(mutex_);
    std::sort(ms_.begin(), ms_.end());
    const auto quantile = [&](double share) {
      const auto index =
          static_cast<size_t>(share * static_cast<double>(std::max<uint64_t>(sent_, 1) - 1));
      return index < ms_.size() ? std::to_string(ms_[index]) : std::string("null");
    };
    std::printf(
        "{\"role\":\"latency\",\"n\":%zu,\"missing\":%zu,\"p50\":%s,\"p99\":%s,\"max\":%s}\n",
        ms_.size(), sent_ - ms_.size(), quantile(.5).c_str(), quantile(.99).c_str(),
        quantile(1).c_str());
    std::fflush(stdout);
    _exit(0);
  }

  std::mutex mutex_;
  uint64_t sent_, next_ = 0;
  std::vector<double> ms_;
};

/// Calls send(bytes, size) HZ times a second, and idle(until) between; then ends the process.
template <class Send, class Idle>
[[noreturn]] void paced(const Arguments& asked, Send send, Idle idle) {
  const double begin = now();
  for (uint64_t i = 0; i < message_count(asked); ++i) {
    const double at = begin + static_cast<double>(i) / asked.hz;
    while (now() < at) idle(at);
    Message message;
    message.stamp(i);
    send(message.bytes, sizeof message.bytes);
  }
  for (const double end = now() + 3; now() < end;) idle(end);
  _exit(0);
}

}  // namespace peer
