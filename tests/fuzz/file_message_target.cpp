// SPDX-License-Identifier: MIT
//
// The messages by which files travel (WIRE.md 7), and the proof that a chunk carries.
#include <algorithm>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/file_message.h"

namespace fuzz {

using mrt::Bytes;
using mrt::ByteView;

static Bytes written(const node::ChunkView& chunk) {
  const Bytes head = node::chunk_head(chunk.holder, chunk.hash, chunk.chunk);
  Bytes out = node::chunk_message(head, chunk.proof, chunk.bytes.size());
  std::ranges::copy(chunk.bytes, out.end() - static_cast<std::ptrdiff_t>(chunk.bytes.size()));
  return out;
}
static Bytes written(const auto& message) { return node::encode(message); }

static void check_chunk(const node::ChunkView& chunk, ByteView message) {
  CHECK(!chunk.bytes.empty() && chunk.bytes.size() <= node::chunk_bytes_max);
  CHECK(chunk.proof.size() <= node::proof_hashes_max);
  CHECK(chunk.bytes.data() == message.data() + chunk.offset);
  CHECK(chunk.offset + chunk.bytes.size() == message.size());
  CHECK(chunk.chunk < node::chunk_count(node::file_bytes_max));

  // The first bytes of a proof that is right belong to one size and place only.
  const uint64_t size = chunk.chunk * node::chunk_bytes_max + chunk.bytes.size();
  if (!node::verify_chunk(chunk.hash, size, chunk.chunk, chunk.bytes, chunk.proof)) return;
  CHECK(chunk.proof.size() == node::proof_size(size));
  Bytes other(chunk.bytes.begin(), chunk.bytes.end());
  other[0] = static_cast<uint8_t>(other[0] ^ 1);
  CHECK(!node::verify_chunk(chunk.hash, size, chunk.chunk, other, chunk.proof));
}

void file_message(ByteView input) {
  const auto message = node::parse_file_message(input);
  CHECK(!message || node::is_file_message(input));
  if (!message) return;
  if (const auto* chunk = std::get_if<node::ChunkView>(&*message)) check_chunk(*chunk, input);
  const Bytes bytes = std::visit([](const auto& read) { return written(read); }, *message);
  CHECK(bytes.size() <= node::chunk_message_bytes_max && bytes.size() <= input.size());
  const auto again = node::parse_file_message(bytes);
  CHECK(again && again->index() == message->index());
  CHECK(std::visit([](const auto& read) { return written(read); }, *again) == bytes);
}

}  // namespace fuzz
