// SPDX-License-Identifier: MIT
//
// One direction of an emulated link: what a packet meets between being read and being written,
//
//   [rate and drop-tail queue] -> loss -> corruption -> duplication -> delay, jitter, reordering
//
// It knows two descriptors and CLOCK_MONOTONIC, and nothing of devices or namespaces.
//
// 1. Loss comes behind the bottleneck: a lost packet has used up capacity, as on a radio link,
//    so the best possible goodput is rate * (1 - loss).
// 2. Departures are computed on a virtual clock: a late wake-up delays some packets by a few
//    microseconds and loses no capacity.
// 3. Each random effect has a generator of its own, drawn from the seed: the n-th packet meets
//    the same fate in every run.
#pragma once

#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <queue>
#include <random>
#include <vector>

namespace net {

using Nanoseconds = int64_t;
inline constexpr Nanoseconds never = INT64_MAX;

inline Nanoseconds now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

struct LinkOptions {
  Nanoseconds delay = 0, jitter = 0, reorder_by = 5'000'000;
  double rate_bits = 0;                                      // a second; 0: unlimited
  double queue_bytes = 0, burst_bytes = 0, overhead = 0;     // overhead: charged per packet
  double loss = 0, reorder = 0, duplicate = 0, corrupt = 0;  // probabilities
  // Gilbert-Elliott: from good to bad, back, and the loss in each.
  double to_bad = 0, to_good = 0, loss_bad = 1, loss_good = 0;
  bool corrupt_deep = false;  // the UDP checksum is zeroed too, so that damage gets through
};

class Direction {
 public:
  Direction(const char* name, int in, int out, const LinkOptions& options, size_t mtu,
            uint64_t seed)
      : name_(name), in_(in), out_(out), options_(options), mtu_(mtu) {
    for (Dice* dice : {&loss_, &burst_loss_, &reorder_, &duplicate_, &corrupt_, &jitter_}) {
      dice->generator.seed(seed += 0x9e3779b97f4a7c15ULL);
    }
  }

  /// Reads what the device holds, a bounded batch; false where it was empty.
  bool receive() {
    for (int i = 0; i < 64; ++i) {
      uint8_t* const buffer = take_buffer();
      const ssize_t got = read(in_, buffer, mtu_);
      if (got <= 0) {
        free_.push_back(buffer);
        return i > 0;
      }
      admit(buffer, static_cast<size_t>(got), now());
    }
    return true;
  }

  /// Writes all that is due; returns when the next is, or never.
  Nanoseconds deliver() {
    while (!pending_.empty()) {
      const Packet packet = pending_.top();
      const Nanoseconds late = now() - packet.due;
      if (late < 0) return packet.due;
      late_max_ = std::max(late_max_, late);
      late_sum_ += static_cast<double>(late);
      if (write(out_, packet.bytes, packet.size) == static_cast<ssize_t>(packet.size)) {
        ++packets_out_;
        bytes_out_ += packet.size;
      } else {
        ++write_errors_;
      }
      pending_.pop();
      free_.push_back(packet.bytes);
    }
    return never;
  }

  void print_counters() const {
    const double late = packets_out_ > 0 ? late_sum_ / static_cast<double>(packets_out_) : 0;
    std::printf(
        "{\"dir\":\"%s\",\"in\":%lu,\"in_bytes\":%lu,\"out\":%lu,\"out_bytes\":%lu,"
        "\"queue_drop\":%lu,\"lost\":%lu,\"reordered\":%lu,\"duplicated\":%lu,"
        "\"corrupted\":%lu,\"write_errors\":%lu,\"queue_max\":%.0f,"
        "\"late_avg_us\":%.1f,\"late_max_us\":%.1f}\n",
        name_, packets_in_, bytes_in_, packets_out_, bytes_out_, queue_drops_, lost_, reordered_,
        duplicated_, corrupted_, write_errors_, queue_bytes_most_, late / 1e3,
        static_cast<double>(late_max_) / 1e3);
  }

 private:
  struct Packet {
    Nanoseconds due;
    uint64_t order;  // of arrival, where two are due at once
    uint8_t* bytes;
    size_t size;
  };
  struct Later {
    bool operator()(const Packet& x, const Packet& y) const {
      return x.due != y.due ? x.due > y.due : x.order > y.order;
    }
  };
  struct Dice {
    std::mt19937_64 generator;
    double uniform() { return static_cast<double>(generator() >> 11) * 0x1p-53; }
    bool falls(double probability) { return probability > 0 && uniform() < probability; }
  };

  /// Decides what becomes of a packet that came at `at`.
  void admit(uint8_t* bytes, size_t size, Nanoseconds at) {
    ++packets_in_;
    bytes_in_ += size;
    Nanoseconds departure = at;
    if (options_.rate_bits > 0 && !queue(size, at, departure)) {
      ++queue_drops_;
      free_.push_back(bytes);
      return;
    }
    if (is_lost()) {
      ++lost_;
      free_.push_back(bytes);
      return;
    }
    if (corrupt_.falls(options_.corrupt)) damage(bytes, size);
    const bool twice = duplicate_.falls(options_.duplicate);
    const bool held = reorder_.falls(options_.reorder);
    Nanoseconds due = departure + options_.delay;
    if (options_.jitter > 0) {
      due += static_cast<Nanoseconds>(jitter_.uniform() * static_cast<double>(options_.jitter));
      due = last_due_ = std::max(due, last_due_);
    }
    if (held) {
      ++reordered_;
      due += options_.reorder_by;
    }
    if (twice) {
      ++duplicated_;
      uint8_t* const copy = take_buffer();
      std::memcpy(copy, bytes, size);
      pending_.push({due, order_++, copy, size});
    }
    pending_.push({due, order_++, bytes, size});
  }

  /// The bottleneck: free_at_ is when the link has sent all that it took. False: no room.
  bool queue(size_t size, Nanoseconds at, Nanoseconds& departure) {
    const double ns_per_byte = 8e9 / options_.rate_bits;
    const double charged = static_cast<double>(size) + options_.overhead;
    const double backlog = std::max(0.0, static_cast<double>(free_at_ - at) / ns_per_byte);
    if (backlog + charged > options_.queue_bytes) return false;
    queue_bytes_most_ = std::max(queue_bytes_most_, backlog + charged);
    const auto burst = static_cast<Nanoseconds>(options_.burst_bytes * ns_per_byte);
    free_at_ = std::max(free_at_, at - burst);
    fraction_ += charged * ns_per_byte;  // what is less than a nanosecond adds up too
    const auto whole = static_cast<Nanoseconds>(fraction_);
    fraction_ -= static_cast<double>(whole);
    free_at_ += whole;
    departure = std::max(at, free_at_);
    return true;
  }

  bool is_lost() {
    bool gone = loss_.falls(options_.loss);
    if (options_.to_bad > 0) {
      bad_ = bad_ ? !burst_loss_.falls(options_.to_good) : burst_loss_.falls(options_.to_bad);
      gone |= burst_loss_.falls(bad_ ? options_.loss_bad : options_.loss_good);
    }
    return gone;
  }

  /// One bit behind the IP header is turned over.
  void damage(uint8_t* bytes, size_t size) {
    const bool v4 = bytes[0] >> 4 == 4;
    const size_t header = v4 ? (bytes[0] & 15u) * 4u : 40u;
    if (size <= header) return;
    size_t from = header;
    if (v4 && bytes[9] == IPPROTO_UDP && options_.corrupt_deep && size > header + 8) {
      bytes[header + 6] = bytes[header + 7] = 0;  // RFC 768: "no checksum"
      from = header + 8;
    }
    const uint64_t bit = corrupt_.generator() % ((size - from) * 8);
    bytes[from + bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    ++corrupted_;
  }

  uint8_t* take_buffer() {
    if (free_.empty()) {
      store_.push_back(std::make_unique<uint8_t[]>(mtu_));
      return store_.back().get();
    }
    uint8_t* const out = free_.back();
    free_.pop_back();
    return out;
  }

  const char* name_;
  int in_, out_;
  LinkOptions options_;
  size_t mtu_;
  Dice loss_, burst_loss_, reorder_, duplicate_, corrupt_, jitter_;
  bool bad_ = false;
  Nanoseconds free_at_ = 0, last_due_ = 0;
  double fraction_ = 0;
  uint64_t order_ = 0;
  std::priority_queue<Packet, std::vector<Packet>, Later> pending_;
  std::vector<std::unique_ptr<uint8_t[]>> store_;  // used again, and never freed
  std::vector<uint8_t*> free_;
  uint64_t packets_in_ = 0, bytes_in_ = 0, packets_out_ = 0, bytes_out_ = 0, queue_drops_ = 0,
           lost_ = 0, reordered_ = 0, duplicated_ = 0, corrupted_ = 0, write_errors_ = 0;
  Nanoseconds late_max_ = 0;
  double queue_bytes_most_ = 0, late_sum_ = 0;
};

}  // namespace net
