// SPDX-License-Identifier: MIT
#include "client/impair.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

namespace client {

using std::chrono::milliseconds;

static const mrt::Path path{{}, mrt::Address::v4(127, 0, 0, 1, 7700)};
static const mrt::Instant start = mrt::Instant{} + std::chrono::seconds(1);

static ImpairSpec spec_of(std::string_view text) {
  std::string why;
  const auto spec = parse_impair(text, why);
  REQUIRE_MESSAGE(spec, why);
  return *spec;
}

/// Datagrams 0..count-1, one a millisecond; when each number came out, as often as it did.
struct Run {
  std::vector<std::pair<mrt::Instant, mrt::Bytes>> out;

  Run(std::string_view spec, int count, size_t size = 100, mrt::Duration gap = milliseconds(1)) {
    Impairment link(spec_of(spec));
    mrt::Instant now = start;
    std::vector<uint8_t> buffer(mrt::batch_bytes_max);
    const auto take = [&](mrt::Instant when) {
      while (link.next_timeout() <= when) {
        now = std::max(now, link.next_timeout());
        while (const auto batch = link.poll_transmit(now, buffer)) {
          CHECK(batch->path == path);
          out.emplace_back(
              now, mrt::Bytes(buffer.begin(), buffer.begin() + static_cast<long>(batch->size)));
        }
        CHECK(link.is_consistent());
      }
    };
    for (int i = 0; i < count; ++i) {
      take(start + i * gap);
      now = start + i * gap;
      mrt::Bytes datagram(size, 0);
      datagram[0] = static_cast<uint8_t>(i);
      datagram[1] = static_cast<uint8_t>(i >> 8);
      link.on_batch(now, {path, size, size, mrt::Ecn::not_ect}, datagram);
    }
    take(mrt::never - milliseconds(1));
    CHECK(link.next_timeout() == mrt::never);
  }
  static int number(const mrt::Bytes& bytes) { return bytes[0] | bytes[1] << 8; }
};

TEST_CASE("each field of an impairment is read with its unit") {
  const ImpairSpec spec =
      spec_of("loss=5%,dup=1%,reorder=0.02,corrupt=1%,delay=30ms,jitter=500us,rate=10mbit,seed=7");
  CHECK(spec.loss == doctest::Approx(0.05));
  CHECK(spec.duplicate == doctest::Approx(0.01));
  CHECK(spec.reorder == doctest::Approx(0.02));
  CHECK(spec.corrupt == doctest::Approx(0.01));
  CHECK(spec.delay == milliseconds(30));
  CHECK(spec.jitter == std::chrono::microseconds(500));
  CHECK(spec.rate_bits == 10'000'000);
  CHECK(spec.seed == 7);
}

TEST_CASE("what is no impairment is refused with a reason") {
  for (const char* text :
       {"", "loss", "loss=", "loss=x", "loss=101%", "loss=-1", "loss=nan", "loss=5ms", "delay=5",
        "delay=5%", "delay=2h", "delay=61s", "rate=10", "rate=0mbit", "seed=-1", "seed=x", "fog=1",
        "loss=5%,,dup=1%", "loss=5% dup=1%"}) {
    std::string why;
    CHECK_FALSE(parse_impair(text, why));
    CHECK_FALSE(why.empty());
  }
}

TEST_CASE("a link without faults passes all at once and in order") {
  const Run run("seed=1", 300);
  REQUIRE(run.out.size() == 300);
  for (int i = 0; i < 300; ++i) {
    const auto& [when, bytes] = run.out[static_cast<size_t>(i)];
    CHECK(when == start + milliseconds(i));
    CHECK(Run::number(bytes) == i);
  }
}

TEST_CASE("loss, duplication and corruption come as often as asked for") {
  constexpr int count = 20'000;
  CHECK(Run("loss=20%", count).out.size() == doctest::Approx(16'000).epsilon(0.03));
  CHECK(Run("dup=10%", count).out.size() == doctest::Approx(22'000).epsilon(0.03));
  int corrupt = 0;
  for (const auto& [when, bytes] : Run("corrupt=10%", count).out) {
    // The payload behind the number is all zeros; a flipped bit in the number is not seen here.
    for (size_t i = 2; i < bytes.size(); ++i) corrupt += bytes[i] != 0;
  }
  CHECK(corrupt == doctest::Approx(1'960).epsilon(0.1));
}

TEST_CASE("delay and jitter bound when a datagram comes out") {
  const Run run("delay=30ms,jitter=5ms", 2'000);
  REQUIRE(run.out.size() == 2'000);
  for (const auto& [when, bytes] : run.out) {
    const auto took = when - (start + milliseconds(Run::number(bytes)));
    CHECK(took >= milliseconds(25));
    CHECK(took <= milliseconds(35));
  }
}

TEST_CASE("reordered datagrams are overtaken, on a link without delay too") {
  const Run run("reorder=10%", 2'000);
  int overtaken = 0;
  int highest = -1;
  for (const auto& [when, bytes] : run.out) {
    overtaken += Run::number(bytes) < highest;
    highest = std::max(highest, Run::number(bytes));
  }
  CHECK(overtaken > 150);
  CHECK(overtaken < 250);
}

TEST_CASE("a rate spaces datagrams, and what would wait too long is lost") {
  // 1,250 bytes at 10 Mb/s take a millisecond; they come twice as fast.
  const Run run("rate=10mbit", 2'000, 1'250, std::chrono::microseconds(500));
  CHECK(run.out.size() > 1'000);
  CHECK(run.out.size() < 1'300);
  for (size_t i = 1; i < run.out.size(); ++i) {
    CHECK(run.out[i].first - run.out[i - 1].first >= milliseconds(1));
  }
  for (const auto& [when, bytes] : run.out) {
    CHECK(when - (start + Run::number(bytes) * std::chrono::microseconds(500)) <= milliseconds(252));
  }
}

TEST_CASE("the same seed gives the same link, another seed another") {
  const std::string faults = "loss=10%,dup=5%,reorder=5%,corrupt=5%,delay=3ms,jitter=2ms,seed=";
  CHECK(Run(faults + "7", 1'000).out == Run(faults + "7", 1'000).out);
  CHECK(Run(faults + "7", 1'000).out != Run(faults + "8", 1'000).out);
}

TEST_CASE("a link holds no more than its limit") {
  Impairment link(spec_of("delay=1s"));
  const mrt::Bytes datagram(60'000, 0);
  for (int i = 0; i < 200; ++i) {
    link.on_batch(start, {path, datagram.size(), datagram.size(), {}}, datagram);
    CHECK(link.is_consistent());
  }
  std::vector<uint8_t> buffer(mrt::batch_bytes_max);
  size_t came = 0;
  while (link.poll_transmit(start + std::chrono::seconds(2), buffer)) came += datagram.size();
  CHECK(came <= Impairment::queue_bytes_max);
  CHECK(came > Impairment::queue_bytes_max - datagram.size());
}

}  // namespace client
