// SPDX-License-Identifier: MIT
//
// What stands behind the bytes of a file that is not complete yet: which file it is to be and
// which chunks are there. Pure; whatever a crash or a stranger left there is read safely.
//
//   magic 8 | version u32 | intervals u32 | size u64 | hash 32 | (begin u64, end u64) ... | xxh3
//   u64
//
// 1. A footer counts only if all of it is as it was written: anything else is none.
#pragma once

#include <cstdint>
#include <optional>

#include "mrt/base/bytes.h"
#include "mrt/base/interval_set.h"
#include "node/ids.h"

namespace node::uv {

/// Chunks come nearly in order, so there are few gaps; what is beyond is fetched again.
inline constexpr size_t footer_intervals_max = 4'096;
inline constexpr size_t footer_bytes_max = 56 + footer_intervals_max * 16 + 8;

mrt::Bytes encode_footer(uint64_t size, const FileHash& hash, const mrt::IntervalSet& have);
/// The chunks that are there, if this is the footer of that very file. `bytes` may go on behind it.
std::optional<mrt::IntervalSet> decode_footer(mrt::ByteView bytes, uint64_t size,
                                              const FileHash& hash);

}  // namespace node::uv
