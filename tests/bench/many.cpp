// SPDX-License-Identifier: MIT
//
// One endpoint with many connections, in memory and virtual time: what an idle one costs in bytes
// of heap, and whether the work for a packet grows with their number.
//
//   many [SUITE [CONNECTIONS...]]        default sealed 100 1000 5000
//
// 1. Bytes are counted by operator new and delete while the listener is being called: what malloc
//    hands out with its own 8 bytes a block, not what it keeps for later.
#include <malloc.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string_view>
#include <vector>

#include "mrt/endpoint.h"

using namespace mrt;
using namespace std::chrono_literals;

namespace {

/// What the code that runs now has on the heap.
struct Ledger {
  int64_t bytes = 0;
  int64_t blocks = 0;
  uint64_t allocations = 0;
};
Ledger unwatched;
Ledger* ledger = &unwatched;

constexpr size_t malloc_head_bytes = 8;

void* counted(size_t size) {
  void* const block = std::malloc(size == 0 ? 1 : size);
  if (!block) std::abort();
  ledger->bytes += static_cast<int64_t>(malloc_usable_size(block) + malloc_head_bytes);
  ++ledger->blocks;
  ++ledger->allocations;
  return block;
}

void uncounted(void* block) {
  if (!block) return;
  ledger->bytes -= static_cast<int64_t>(malloc_usable_size(block) + malloc_head_bytes);
  --ledger->blocks;
  std::free(block);
}

}  // namespace

void* operator new(size_t size) { return counted(size); }
void* operator new[](size_t size) { return counted(size); }
void operator delete(void* block) noexcept { uncounted(block); }
void operator delete[](void* block) noexcept { uncounted(block); }
void operator delete(void* block, size_t) noexcept { uncounted(block); }
void operator delete[](void* block, size_t) noexcept { uncounted(block); }

namespace {

double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

/// A listener and a caller with a connection from each of many addresses.
class World {
 public:
  World(bool plain, size_t count) {
    EndpointConfig config;
    config.network = "lab";
    config.plain = plain;
    config.connections_max = 2 * count;  // a part is kept for those who were here before
    config.identity[0] = 1;
    caller_ = std::make_unique<Endpoint>(config, seed_from(1));
    config.identity[0] = 2;
    as_listener([&] { listener_ = std::make_unique<Endpoint>(config, seed_from(2)); });
    const int64_t alone = listeners_.bytes;
    for (size_t i = 0; i < count; ++i) {
      const auto high = static_cast<uint8_t>(i >> 8);
      const auto low = static_cast<uint8_t>(i);
      const Path path{Address::v4(10, 1, high, low, 1), Address::v4(10, 2, high, low, 2)};
      ids_.push_back(*caller_->connect(now_, path));
      // Below the pace at which a listener asks for cookies.
      run(10ms);
    }
    run(1s);
    bytes_alone_ = alone;
    if (listener_->connections().size() != count) {
      std::fprintf(stderr, "many: %zu of %zu connected\n", listener_->connections().size(), count);
      std::exit(1);
    }
  }

  /// Virtual time goes by, with all that is due in it.
  void run(Duration time) {
    const Instant end = now_ + time;
    for (;;) {
      settle();
      const Instant next = std::min(caller_->next_timeout(), listener_->next_timeout());
      if (next > end) break;
      now_ = std::max(now_, next);
      caller_->on_timeout(now_);
      as_listener([&] { listener_->on_timeout(now_); });
    }
    now_ = end;
  }

  /// A message from each of the first `busy` in turn, each in a packet of its own.
  /// Nanoseconds of CPU time a message, both sides.
  double messages(size_t busy, size_t rounds) {
    const SharedBytes message = std::make_shared<const Bytes>(Bytes(100, 0x5a));
    const double start = cpu_seconds();
    size_t sent = 0;
    for (size_t round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < busy; ++i) {
        sent += caller_->send_message(now_, ids_[i], Priority::normal, message) ? 1 : 0;
        settle();
        now_ += 10us;
      }
      // Acks that were delayed.
      if (round % 16 == 15) run(30ms);
    }
    return (cpu_seconds() - start) / static_cast<double>(std::max<size_t>(sent, 1)) * 1e9;
  }

  double bytes_each() const {
    return static_cast<double>(listeners_.bytes - bytes_alone_) / static_cast<double>(ids_.size());
  }
  double blocks_each() const {
    return static_cast<double>(listeners_.blocks) / static_cast<double>(ids_.size());
  }
  double allocations_of_listener(size_t busy, size_t rounds) {
    const uint64_t before = listeners_.allocations;
    messages(busy, rounds);
    return static_cast<double>(listeners_.allocations - before) /
           static_cast<double>(busy * rounds);
  }

 private:
  template <class Action>
  void as_listener(Action action) {
    ledger = &listeners_;
    action();
    ledger = &unwatched;
  }

  /// All that both have to say at this instant.
  void settle() {
    bool any = true;
    while (any) {
      any = false;
      while (caller_->poll_event()) {
      }
      while (const auto batch = caller_->poll_transmit(now_, buffer_)) {
        any = true;
        as_listener([&] { give(*listener_, *batch); });
      }
      for (bool more = true; more;) {
        std::optional<Transmit> batch;
        as_listener([&] {
          while (listener_->poll_event()) {
          }
          batch = listener_->poll_transmit(now_, buffer_);
        });
        more = batch.has_value();
        any |= more;
        if (batch) give(*caller_, *batch);
      }
    }
  }

  void give(Endpoint& to, const Transmit& batch) {
    to.on_datagrams(now_, {batch.path.remote, batch.path.local}, Ecn::not_ect, batch.segment_size,
                    MutableBytes(buffer_).first(batch.size));
  }

  Instant now_{1s};
  Ledger listeners_;
  int64_t bytes_alone_ = 0;
  std::unique_ptr<Endpoint> caller_;
  std::unique_ptr<Endpoint> listener_;
  std::vector<ConnectionId> ids_;
  Bytes buffer_ = Bytes(batch_bytes_max);
};

void measure(bool plain, size_t count) {
  World world(plain, count);
  const double fresh = world.bytes_each();
  world.messages(count, 4);
  const double used = world.bytes_each();
  world.run(45s);  // two keep-alives of each side
  const double idle = world.bytes_each();
  const double blocks = world.blocks_each();
  constexpr size_t busy = 10;
  const double few = world.messages(busy, 2'000);
  const double all = world.messages(count, 1 + 20'000 / count);
  const double allocations = world.allocations_of_listener(busy, 1'600);
  std::printf(
      "%5zu connections, %s: %5.0f bytes each when idle, in %.0f blocks (%.0f at first, "
      "%.0f after a few messages)\n",
      count, plain ? "plain" : "sealed", idle, blocks, fresh, used);
  std::printf(
      "      a message, both sides: %.0f ns where 10 of them talk, %.0f ns where all do; "
      "listener's allocations %.2f\n",
      few, all, allocations);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const bool plain = argc > 1 && std::string_view(argv[1]) == "plain";
  std::vector<size_t> counts;
  for (int i = 2; i < argc; ++i) counts.push_back(std::strtoull(argv[i], nullptr, 10));
  if (counts.empty()) counts = {100, 1'000, 5'000};
  for (const size_t count : counts) {
    if (count == 0 || count > 65'536) return 2;
    measure(plain, count);
  }
  return 0;
}
