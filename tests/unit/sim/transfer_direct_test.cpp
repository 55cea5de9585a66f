// SPDX-License-Identifier: MIT
//
// Files over connections between members (OVERLAY.md 7.5).
#include "node/transfer.h"
#include "unit/node/pattern.h"
#include "unit/sim/transfer_star.h"

using namespace node;
using star::Star;

namespace {

constexpr size_t MiB = 1024 * 1024;

}  // namespace

TEST_CASE("whom the holder has a connection to, it serves without the supernode") {
  Star star(4);
  star.connect(1, 2);
  const mrt::Bytes content = pattern(8 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  for (const size_t asker : {2, 3}) star.download(asker, offer);
  REQUIRE(star.run_until([&] { return star.chunks_sent[{1, 2}] > 0; }));
  CHECK(star[2].transfer->sought() == std::vector{star[1].id});
  for (const size_t asker : {2, 3}) {
    REQUIRE(star.run_until_received(asker));
    CHECK(star.received(asker, "file.bin") == content);
  }
  CHECK(star.chunks_sent[{1, 2}] == chunk_count(8 * MiB));
  CHECK(star.chunks_sent[{0, 2}] == 0);
  CHECK(star.chunks_sent[{0, 3}] > 0);
}

TEST_CASE(
    "when the connection to a holder ends, the supernode takes its place, and gives it back") {
  Star star(3);
  star.connect(1, 2);
  const mrt::Bytes content = pattern(16 * MiB);
  star.download(2, star.share(1, "file.bin", content));
  REQUIRE(star.run_until([&] { return star.chunks_sent[{1, 2}] > 20; }));
  star.disconnect(1, 2);
  REQUIRE(star.run_until([&] { return star.chunks_sent[{0, 2}] > 20; }));
  star.connect(2, 1);
  const uint64_t before = star.chunks_sent[{1, 2}];
  REQUIRE(star.run_until_received(2));
  CHECK(star.received(2, "file.bin") == content);
  CHECK(star.chunks_sent[{1, 2}] > before + 20);
}

TEST_CASE("of those who ask it themselves a holder serves a few, and the supernode the others") {
  Star star(10);
  const mrt::Bytes content = pattern(8 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  for (size_t asker = 2; asker < 10; ++asker) star.connect(1, asker);
  for (size_t asker = 2; asker < 10; ++asker) star.download(asker, offer);
  size_t served = 0;
  for (size_t asker = 2; asker < 10; ++asker) {
    REQUIRE(star.run_until_received(asker));
    CHECK(star.received(asker, "file.bin") == content);
    if (star.chunks_sent[{0, asker}] == 0) ++served;
  }
  CHECK(served == direct_askers_max);
}

TEST_CASE("what a member says in a holder's name changes nothing") {
  Star star(4);
  const mrt::Bytes content = pattern(8 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.tamper = [&](size_t from, size_t to, mrt::Bytes& bytes) {
    // What is under way comes from a stranger first, with one byte changed.
    if (from != 0 || to != 2) return true;
    mrt::Bytes forged = bytes;
    forged.back() ^= 1;
    star[2].transfer->on_message(star.now, star[3].id, forged);
    for (const auto fault : {FetchFault::busy, FetchFault::changed}) {
      star[2].transfer->on_message(star.now, star[3].id,
                                   encode(FetchFailed{star[1].id, offer.hash, 3, fault}));
    }
    return true;
  };
  star.download(2, offer);
  REQUIRE(star.run_until_received(2));
  CHECK(star.received(2, "file.bin") == content);
  CHECK(star.chunks_sent[{0, 2}] == chunk_count(8 * MiB));
}

TEST_CASE("what one who holds nothing sends in its own name is blamed on nobody") {
  Star star(4);
  const mrt::Bytes content = pattern(8 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.tamper = [&](size_t from, size_t to, mrt::Bytes& bytes) {
    if (from != 0 || to != 2) return true;
    const auto parsed = parse_file_message(bytes);
    const auto* chunk = std::get_if<ChunkView>(&*parsed);
    REQUIRE(chunk);
    mrt::Bytes forged = chunk_head(star[3].id, offer.hash, chunk->chunk);
    forged.insert(forged.end(), bytes.begin() + static_cast<ptrdiff_t>(forged.size()), bytes.end());
    forged.back() ^= 1;
    star[2].transfer->on_message(star.now, star[3].id, forged);
    return true;
  };
  star.download(2, offer);
  REQUIRE(star.run_until_received(2));
  CHECK(star.received(2, "file.bin") == content);
}

TEST_CASE("who takes nothing of what a member serves has no place where that one comes to lead") {
  Star star(10);
  const mrt::Bytes content = pattern(4 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  for (size_t asker = 2; asker < 10; ++asker) {
    if (asker % direct_askers_max == 2) star.run_for(direct_asker_pause);
    star.link(1, asker).room_bytes = 0;
    for (uint64_t chunk = 0; chunk < 2 * reads_max; ++chunk) {
      const Fetch fetch{star[1].id, offer.hash, chunk};
      star[1].transfer->on_message(star.now, star[asker].id, encode(fetch));
    }
  }
  star.run_for(std::chrono::seconds(1));
  star.set_supernode(1);
  star.download(0, offer);
  REQUIRE(star.run_until_received(0));
  CHECK(star.received(0, "file.bin") == content);
}
