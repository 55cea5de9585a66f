// SPDX-License-Identifier: MIT
#include "mrt/base/machine.h"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

using namespace mrt;

namespace {

// A machine with a script: so many events, so many batches, a deadline.
struct Toy {
  void on_datagrams(Instant, const Path&, Ecn, size_t, MutableBytes) {}
  void on_timeout(Instant now) {
    timeouts.push_back(now);
    deadline = never;
  }
  std::optional<Transmit> poll_transmit(Instant, MutableBytes) {
    if (batches == 0) return std::nullopt;
    --batches;
    return Transmit{{}, batch_size, batch_size};
  }
  std::optional<int> poll_event() {
    if (events.empty()) return std::nullopt;
    const int event = events.front();
    events.pop_front();
    return event;
  }
  Instant next_timeout() const { return deadline; }
  bool is_consistent() const { return true; }

  Instant deadline = never;
  int batches = 0;
  size_t batch_size = 1;
  std::deque<int> events;
  std::vector<Instant> timeouts;
};

struct ToyIo {
  MutableBytes transmit_buffer() { return can_send ? MutableBytes(buffer) : MutableBytes(); }
  void transmit(const Transmit&) { ++sent; }
  void on_event(Instant, int event) {
    seen.push_back(event);
    if (event == 1) toy.batches += 1;  // an event that makes something to send
  }

  explicit ToyIo(Toy& machine) : toy(machine) {}

  Toy& toy;
  bool can_send = true;
  int sent = 0;
  std::vector<int> seen;
  Bytes buffer = Bytes(100);
};

const Instant start{std::chrono::seconds(1)};

}  // namespace

TEST_CASE("pump runs what is due, hands out all there is, and says when to come again") {
  Toy toy;
  ToyIo io{toy};
  toy.events = {0, 1, 2};
  toy.batches = 2;
  toy.deadline = start;
  CHECK(pump(toy, start, io) == never);
  CHECK(toy.timeouts == std::vector<Instant>{start});
  CHECK(io.seen == std::vector<int>{0, 1, 2});
  CHECK(io.sent == 3);
  toy.deadline = start + std::chrono::seconds(5);
  CHECK(pump(toy, start, io) == toy.deadline);
  CHECK(toy.timeouts.size() == 1);
}

TEST_CASE(
    "pump does not send while the driver cannot, and comes back at once when stopped half-way") {
  Toy toy;
  ToyIo io{toy};
  io.can_send = false;
  toy.batches = 5;
  CHECK(pump(toy, start, io) == never);
  CHECK(io.sent == 0);
  io.can_send = true;
  toy.batches = 100;
  CHECK(pump(toy, start, io, 4) == start);
  CHECK(io.sent == 4 * small_batches_per_full);
  toy.batch_size = batch_bytes_max;
  io.sent = 0;
  CHECK(pump(toy, start, io, 4) == start);
  CHECK(io.sent == 4);
}
