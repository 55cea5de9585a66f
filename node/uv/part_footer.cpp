// SPDX-License-Identifier: MIT
#include "node/uv/part_footer.h"

#include <xxhash.h>

#include <algorithm>

#include "node/merkle.h"

namespace node::uv {
namespace {

constexpr uint64_t magic = 0x5452'4150'4e42'4854;  // "THBNPART"
constexpr uint32_t version = 1;

}  // namespace

mrt::Bytes encode_footer(uint64_t size, const FileHash& hash, const mrt::IntervalSet& have) {
  const size_t count = std::min(have.interval_count(), footer_intervals_max);
  mrt::Builder out;
  out.u64(magic);
  out.u32(version);
  out.u32(static_cast<uint32_t>(count));
  out.u64(size);
  out.bytes(hash.bytes);
  for (size_t i = 0; i < count; ++i) {
    out.u64(have.intervals()[i].begin);
    out.u64(have.intervals()[i].end);
  }
  mrt::Bytes bytes = out.take();
  mrt::Builder checksum;
  checksum.u64(XXH3_64bits(bytes.data(), bytes.size()));
  const mrt::Bytes tail = checksum.take();
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

std::optional<mrt::IntervalSet> decode_footer(mrt::ByteView bytes, uint64_t size,
                                              const FileHash& hash) {
  mrt::Reader in(bytes);
  const bool known = in.u64() == magic && in.u32() == version;
  const uint32_t count = in.u32();
  if (!known || count > footer_intervals_max || in.u64() != size) return std::nullopt;
  if (in.array<32>() != hash.bytes) return std::nullopt;

  mrt::IntervalSet have;
  uint64_t end_before = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t begin = in.u64();
    const uint64_t end = in.u64();
    const bool in_order = begin < end && (i == 0 || begin > end_before);
    if (!in.ok() || !in_order || end > chunk_count(size)) return std::nullopt;
    have.add(begin, end);
    end_before = end;
  }
  const size_t checked = bytes.size() - in.remaining();
  const uint64_t checksum = in.u64();
  if (!in.ok() || checksum != XXH3_64bits(bytes.data(), checked)) return std::nullopt;
  return have;
}

}  // namespace node::uv
