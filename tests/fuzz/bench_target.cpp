// SPDX-License-Identifier: MIT
//
// What `bench serve` is told and what `bench ping` hears: the first byte cuts the rest in pieces.
#include "client/bench/protocol.h"
#include "fuzz/targets.h"
#include "mrt/base/check.h"

namespace fuzz {

namespace {

const mrt::Instant now{std::chrono::seconds(77)};

struct Told {
  bool ok = true;
  mrt::Bytes answer;
  uint64_t messages = 0, bulk_bytes = 0;
  bool operator==(const Told&) const = default;
};

Told tell(mrt::ByteView bytes, size_t step) {
  client::BenchAnswer answer("boot");
  Told out;
  while (out.ok && !bytes.empty()) {
    const size_t size = std::min(step, bytes.size());
    const size_t before = out.answer.size();
    out.ok = answer.on_bytes(now, bytes.first(size), out.answer);
    CHECK(out.answer.size() - before <= 9 * size + 1);
    bytes = bytes.subspan(size);
  }
  out.messages = answer.messages();
  out.bulk_bytes = answer.bulk_bytes();
  return out;
}

}  // namespace

void bench(mrt::ByteView input) {
  if (input.empty()) return;
  const size_t step = 1 + input[0];
  input = input.subspan(1);
  // How it was cut is nothing that anybody can tell.
  const Told whole = tell(input, input.size() + 1);
  CHECK(tell(input, step) == whole);
  CHECK(whole.bulk_bytes <= input.size() && whole.messages <= input.size());

  std::vector<mrt::Instant> received, again;
  client::BenchEchoes echoes(step), pieces(step);
  echoes.on_bytes(input, received);
  for (mrt::ByteView rest = input; !rest.empty();
       rest = rest.subspan(std::min(step, rest.size()))) {
    pieces.on_bytes(rest.first(std::min(step, rest.size())), again);
  }
  CHECK(received == again);
  CHECK(received.size() <= input.size() / (step + client::bench_time_bytes));
}

}  // namespace fuzz
