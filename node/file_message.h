// SPDX-License-Identifier: MIT
//
// The messages by which files travel, and their codec (WIRE.md 7). Each is one reliable MRT
// message. They go hop by hop: an asker knows only the supernode, which knows the holders.
// Parsing takes any bytes and yields nothing where they are not a well-formed message.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "mrt/base/bytes.h"
#include "mrt/types.h"
#include "node/ids.h"
#include "node/merkle.h"

namespace node {

/// The first byte of each message between nodes; 0x40 to 0x4f are the files'. WIRE.md 7.1
enum class FileMessageType : uint8_t {
  fetch = 0x40,
  chunk = 0x41,
  fetch_failed = 0x42,
  cancel_fetch = 0x43
};

enum class FetchFault : uint8_t {
  unknown_file = 0,  // the holder does not offer it (any more)
  holder_gone = 1,   // the supernode has no connection to the holder
  unreadable = 2,    // the holder's disk failed
  changed = 3,       // the file is not what it was when it was offered
  busy = 4,          // too many fetches are waiting: ask again later
};
inline constexpr uint8_t fetch_fault_max = 4;

/// Asks for one chunk. `fresh`: not from a cache, and from this holder alone.
struct Fetch {
  NodeId holder;
  FileHash hash;
  uint64_t chunk = 0;
  bool fresh = false;
  auto operator<=>(const Fetch&) const = default;
};
/// No answer is wanted any more; one may come all the same.
struct CancelFetch {
  NodeId holder;
  FileHash hash;
  uint64_t chunk = 0;
};
/// `holder` says whose answer this is, which need not be the node that the asker named.
struct FetchFailed {
  NodeId holder;
  FileHash hash;
  uint64_t chunk = 0;
  FetchFault fault = FetchFault::unknown_file;
};
/// A chunk as it lies in a received message: `bytes` is a view into it.
struct ChunkView {
  NodeId holder;
  FileHash hash;
  uint64_t chunk = 0;
  std::vector<FileHash> proof;
  mrt::ByteView bytes;
  size_t offset = 0;  // of `bytes` in the message
};

using FileMessage = std::variant<Fetch, CancelFetch, FetchFailed, ChunkView>;

/// Type, holder, hash, chunk and count of proof hashes: 60 bytes at most.
inline constexpr size_t chunk_message_bytes_max = 64 + proof_hashes_max * 32 + chunk_bytes_max;

/// Whether the first byte belongs to the files; false for an empty message.
bool is_file_message(mrt::ByteView message);
std::optional<FileMessage> parse_file_message(mrt::ByteView message);

mrt::Bytes encode(const Fetch& fetch);
mrt::Bytes encode(const CancelFetch& cancel);
mrt::Bytes encode(const FetchFailed& failed);
/// The start of a chunk's message, for ReadChunk (file_io.h): up to where the proof begins.
mrt::Bytes chunk_head(const NodeId& holder, const FileHash& hash, uint64_t chunk);
/// A message of `head`, the proof, and room for the file's bytes at its end: the caller fills
/// the last `size` bytes.
mrt::Bytes chunk_message(mrt::ByteView head, std::span<const FileHash> proof, size_t size);

}  // namespace node
