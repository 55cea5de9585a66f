// SPDX-License-Identifier: MIT
#include "node/uv/part_footer.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"
#include "node/merkle.h"

using namespace node;
using namespace node::uv;

namespace {

constexpr uint64_t file_size = 100 * chunk_bytes_max + 5;

FileHash some_hash() { return sha256(mrt::as_bytes("file")); }

mrt::IntervalSet some_chunks() {
  mrt::IntervalSet have;
  have.add(0, 10);
  have.add(12, 13);
  have.add(100, 101);
  return have;
}

}  // namespace

TEST_CASE("a footer is read as it was written") {
  for (const mrt::IntervalSet& have : {some_chunks(), mrt::IntervalSet{}}) {
    const mrt::Bytes bytes = encode_footer(file_size, some_hash(), have);
    CHECK(bytes.size() <= footer_bytes_max);
    const auto read = decode_footer(bytes, file_size, some_hash());
    REQUIRE(read);
    CHECK(read->intervals() == have.intervals());
  }
}

TEST_CASE("what is left of a longer footer behind it does no harm") {
  mrt::Bytes bytes = encode_footer(file_size, some_hash(), some_chunks());
  bytes.resize(bytes.size() + 100, 0xee);
  CHECK(decode_footer(bytes, file_size, some_hash()));
}

TEST_CASE("the footer of another file is none") {
  const mrt::Bytes bytes = encode_footer(file_size, some_hash(), some_chunks());
  CHECK_FALSE(decode_footer(bytes, file_size + 1, some_hash()));
  CHECK_FALSE(decode_footer(bytes, file_size, FileHash{}));
}

TEST_CASE("a torn footer is none, wherever it is torn") {
  const mrt::Bytes bytes = encode_footer(file_size, some_hash(), some_chunks());
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(decode_footer(mrt::ByteView(bytes).first(size), file_size, some_hash()));
    mrt::Bytes torn = bytes;
    std::fill(torn.begin() + static_cast<ptrdiff_t>(size), torn.end(), uint8_t{0xaa});
    CHECK_FALSE(decode_footer(torn, file_size, some_hash()));
  }
}

TEST_CASE("a footer with any bit changed is none") {
  const mrt::Bytes bytes = encode_footer(file_size, some_hash(), some_chunks());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    mrt::Bytes changed = bytes;
    changed[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    CHECK_FALSE(decode_footer(changed, file_size, some_hash()));
  }
}

TEST_CASE("chunks beyond the end are refused though the checksum is right") {
  mrt::IntervalSet have;
  have.add(0, 102);
  CHECK_FALSE(decode_footer(encode_footer(file_size, some_hash(), have), file_size, some_hash()));
}

TEST_CASE("of very many gaps the first are kept and the rest is fetched again") {
  const uint64_t size = 20'000 * uint64_t{chunk_bytes_max};
  mrt::IntervalSet have;
  for (uint64_t i = 0; i < 20'000; i += 2) have.add(i, i + 1);
  const mrt::Bytes bytes = encode_footer(size, some_hash(), have);
  CHECK(bytes.size() == footer_bytes_max);
  const auto read = decode_footer(bytes, size, some_hash());
  REQUIRE(read);
  CHECK(read->interval_count() == footer_intervals_max);
  CHECK(read->contains(0));
  CHECK_FALSE(read->contains(1));
}

TEST_CASE("random bytes are no footer") {
  mrt::Random random(mrt::seed_from(8));
  for (int i = 0; i < 5000; ++i) {
    mrt::Bytes bytes(random.below(300));
    random.fill(bytes);
    CHECK_FALSE(decode_footer(bytes, file_size, some_hash()));
  }
}
