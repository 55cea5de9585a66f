// SPDX-License-Identifier: MIT
#include "node/chunk_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "mrt/base/random.h"

using namespace node;

namespace {

mrt::SharedBytes message(size_t size) {
  return std::make_shared<const mrt::Bytes>(size, uint8_t{7});
}

FileHash hash(uint8_t number) {
  FileHash out;
  out.bytes.fill(number);
  return out;
}

}  // namespace

TEST_CASE("what was used longest ago goes first") {
  ChunkCache cache(300);
  cache.put(hash(1), 0, message(100));
  cache.put(hash(1), 1, message(100));
  cache.put(hash(2), 0, message(100));
  CHECK(cache.find(hash(1), 0));
  cache.put(hash(2), 1, message(100));
  CHECK(cache.find(hash(1), 0));
  CHECK_FALSE(cache.find(hash(1), 1));
  CHECK(cache.find(hash(2), 0));
  CHECK(cache.bytes() == 300);
}

TEST_CASE("a chunk that comes again replaces the one before") {
  ChunkCache cache(300);
  cache.put(hash(1), 0, message(100));
  const auto fresh = message(50);
  cache.put(hash(1), 0, fresh);
  CHECK(cache.find(hash(1), 0) == fresh);
  CHECK(cache.bytes() == 50);
}

TEST_CASE("what is larger than the cache is not kept and pushes nothing out") {
  ChunkCache cache(300);
  cache.put(hash(1), 0, message(100));
  cache.put(hash(1), 1, message(301));
  CHECK(cache.find(hash(1), 0));
  CHECK_FALSE(cache.find(hash(1), 1));
}

TEST_CASE("the cache holds what a plain list in order of use holds") {
  struct Entry {
    uint64_t chunk;
    mrt::SharedBytes bytes;
  };
  mrt::Random random(mrt::seed_from(3));
  ChunkCache cache(1000);
  std::deque<Entry> model;  // most recently used first
  const auto take = [&](uint64_t chunk) -> mrt::SharedBytes {
    const auto found = std::find_if(model.begin(), model.end(),
                                    [&](const Entry& entry) { return entry.chunk == chunk; });
    if (found == model.end()) return nullptr;
    const auto bytes = found->bytes;
    model.erase(found);
    return bytes;
  };
  for (int step = 0; step < 5000; ++step) {
    const uint64_t chunk = random.below(30);
    const auto known = take(chunk);
    switch (random.below(5)) {
      case 0:
        cache.erase(hash(1), chunk);
        break;
      case 1:
      case 2: {
        const auto bytes = message(1 + random.below(200));
        cache.put(hash(1), chunk, bytes);
        model.push_front({chunk, bytes});
        break;
      }
      default:
        CHECK(cache.find(hash(1), chunk) == known);
        if (known) model.push_front({chunk, known});
    }
    size_t sum = 0;
    for (size_t i = 0; i < model.size(); ++i) {
      sum += model[i].bytes->size();
      if (sum > 1000) model.resize(i);
    }
    CHECK(cache.is_consistent());
  }
  for (const Entry& entry : model) CHECK(cache.find(hash(1), entry.chunk) == entry.bytes);
}
