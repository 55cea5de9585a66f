// SPDX-License-Identifier: MIT
//
// What stands behind the bytes of an unfinished download: as it lies there, and with the sum
// made right so that the intervals are reached.
#include "node/uv/part_footer.h"

#include <xxhash.h>

#include <algorithm>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/merkle.h"

namespace fuzz {

using mrt::Bytes;
using mrt::ByteView;

static void check_footer(ByteView bytes, uint64_t size, const node::FileHash& hash) {
  const auto have = node::uv::decode_footer(bytes, size, hash);
  if (!have) return;
  CHECK(have->interval_count() <= node::uv::footer_intervals_max);
  CHECK(have->empty() || have->back().end <= node::chunk_count(size));
  // Only one footer says so, and it says so of this file only.
  const Bytes written = node::uv::encode_footer(size, hash, *have);
  CHECK(written.size() <= bytes.size() && written.size() <= node::uv::footer_bytes_max);
  CHECK(std::ranges::equal(written, bytes.first(written.size())));
  node::FileHash other = hash;
  other.bytes[0] = static_cast<uint8_t>(other.bytes[0] ^ 1);
  CHECK(!node::uv::decode_footer(bytes, size, other));
  CHECK(!node::uv::decode_footer(bytes, size + 1, hash));
}

/// Size and hash as the bytes themselves state them, so that they fit.
static void check_as_stated(ByteView bytes) {
  mrt::Reader in(bytes);
  in.u64();
  in.u64();
  const uint64_t size = in.u64();
  const node::FileHash hash{in.array<32>()};
  if (in.ok()) check_footer(bytes, std::min(size, node::file_bytes_max), hash);
}

/// Intervals as they would come from a file of that size; begin and end from the input.
static Bytes with_right_sum(ByteView input) {
  mrt::Reader in(input);
  const uint64_t size = std::min(in.u64(), node::file_bytes_max);
  const size_t count = in.remaining() / 16;
  const node::FileHash hash{};
  Bytes out = node::uv::encode_footer(size, hash, {});
  mrt::Builder behind;
  behind.bytes(ByteView(out).first(out.size() - sizeof(XXH64_hash_t)));
  behind.bytes(in.bytes(count * 16));
  out = behind.take();
  constexpr size_t count_offset = 12;  // behind magic and version
  for (size_t i = 0; i < 4; ++i) out[count_offset + i] = static_cast<uint8_t>(count >> (8 * i));
  mrt::Builder sum;
  sum.u64(XXH3_64bits(out.data(), out.size()));
  const Bytes tail = sum.take();
  out.insert(out.end(), tail.begin(), tail.end());
  return out;
}

void part_footer(ByteView input) {
  check_as_stated(input);
  const Bytes right = with_right_sum(input);
  check_as_stated(right);
}

}  // namespace fuzz
