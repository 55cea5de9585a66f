// SPDX-License-Identifier: MIT
#include "mrt/receiver.h"

#include <doctest/doctest.h>

#include <set>

#include "mrt/base/random.h"
#include "mrt/wire.h"

using namespace mrt;
using namespace std::chrono_literals;

namespace {

IntervalSet acked_by(Receiver& receiver, Instant now) {
  Bytes buffer(2'000);
  Writer out(buffer);
  receiver.write_ack(now, out);
  Reader in(out.written());
  const auto frame = read_frame(in);
  REQUIRE(frame);
  IntervalSet set;
  std::get<AckFrame>(*frame).for_each_range([&](Interval r) { set.add(r.begin, r.end); });
  return set;
}

}  // namespace

TEST_CASE("two ack-eliciting packets or a gap make an ack due at once, one is delayed") {
  Receiver receiver;
  const Instant now{1s};
  receiver.on_packet(now, {0}, true);
  receiver.on_batch_end(now);
  CHECK(!receiver.ack_due(now));
  CHECK(receiver.ack_at() == now + 25ms);
  CHECK(receiver.ack_due(now + 25ms));
  acked_by(receiver, now);
  CHECK(receiver.ack_at() == never);

  receiver.on_packet(now, {1}, true);
  receiver.on_packet(now, {2}, true);
  CHECK(!receiver.ack_due(now));  // not before the batch is over
  receiver.on_batch_end(now);
  CHECK(receiver.ack_due(now));
  acked_by(receiver, now);

  receiver.on_packet(now, {4}, true);
  receiver.on_batch_end(now);
  CHECK(receiver.ack_due(now));
  acked_by(receiver, now);

  receiver.on_packet(now, {3}, true);  // the late one
  receiver.on_batch_end(now);
  CHECK(receiver.ack_due(now));
  acked_by(receiver, now);

  receiver.on_packet(now, {5}, false);
  receiver.on_batch_end(now);
  CHECK(receiver.ack_at() == never);
  CHECK(!receiver.ack_useful());
}

TEST_CASE("one packet as large as two makes an ack due at once") {
  const Instant now{1s};
  for (const size_t bytes : {2 * packet_bytes_initial - 1, 2 * packet_bytes_initial}) {
    Receiver receiver;
    receiver.on_packet(now, {0}, true, bytes);
    receiver.on_batch_end(now);
    CHECK(receiver.ack_due(now) == (bytes >= 2 * packet_bytes_initial));
    acked_by(receiver, now);
    // What was acknowledged counts no more.
    receiver.on_packet(now, {1}, true, packet_bytes_initial);
    receiver.on_batch_end(now);
    CHECK(!receiver.ack_due(now));
  }
}

TEST_CASE("a later packet does not put off an ack that is waited for") {
  Receiver receiver;
  const Instant now{1s};
  receiver.on_packet(now, {0}, true);
  receiver.on_batch_end(now);
  receiver.on_packet(now + 20ms, {1}, false);
  receiver.on_batch_end(now + 20ms);
  CHECK(receiver.ack_at() == now + 25ms);
}

TEST_CASE("each number is new once, and acks tell what came") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed_from(seed));
    Receiver receiver;
    std::set<uint64_t> model;
    uint64_t base = 0;
    Instant now{1s};
    for (int step = 0; step < 2'000; ++step) {
      base += random.below(2);
      const uint64_t number = base + random.below(30);
      if (receiver.is_new({number})) {
        CHECK(model.insert(number).second);
        receiver.on_packet(now, {number}, true);
        receiver.on_batch_end(now);
      }
      CHECK(!receiver.is_new({number}));
      if (random.chance(0.2)) {
        const IntervalSet acked = acked_by(receiver, now);
        CHECK(acked.interval_count() <= ack_ranges_max);
        CHECK(acked.back().end == *model.rbegin() + 1);
        for (const Interval& range : acked.intervals())
          for (uint64_t n = range.begin; n < range.end; ++n) CHECK(model.contains(n));
        if (random.chance(0.5)) receiver.on_ack_acked({acked.back().end - 1});
      }
      REQUIRE(receiver.is_consistent());
    }
  }
}

TEST_CASE("ranges are bounded however many gaps there are") {
  Receiver receiver;
  const Instant now{1s};
  for (uint64_t n = 0; n < 10'000; n += 2) receiver.on_packet(now, {n}, true);
  CHECK(receiver.is_consistent());
  const IntervalSet acked = acked_by(receiver, now);
  CHECK(acked.interval_count() == ack_ranges_max);
  CHECK(acked.back().end == 9'999);
  // What fell out of memory counts as received: a replay of it is not new.
  CHECK(!receiver.is_new({0}));
  CHECK(!receiver.is_new({1}));
  CHECK(receiver.is_new({9'997}));
}

TEST_CASE("ranges whose ack was acknowledged are not told again") {
  Receiver receiver;
  const Instant now{1s};
  for (const uint64_t n : {0, 1, 5, 6, 9}) receiver.on_packet(now, {n}, true);
  CHECK(acked_by(receiver, now).interval_count() == 3);
  receiver.on_ack_acked({6});
  const IntervalSet acked = acked_by(receiver, now);
  CHECK(acked.front().begin == 6);
  CHECK(acked.back().end == 10);
  CHECK(!receiver.is_new({3}));
  CHECK(receiver.is_new({7}));
}
