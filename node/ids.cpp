// SPDX-License-Identifier: MIT
#include "node/ids.h"

#include <algorithm>

#include "mrt/key_schedule.h"

namespace node {

template <size_t N>
static std::optional<std::array<uint8_t, N>> parse_hex(std::string_view hex) {
  const auto bytes = mrt::from_hex(hex);
  if (!bytes || bytes->size() != N) return std::nullopt;
  std::array<uint8_t, N> out;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

std::string NodeId::to_string() const { return mrt::to_hex(bytes); }

std::optional<NodeId> NodeId::parse(std::string_view hex) {
  const auto bytes = parse_hex<16>(hex);
  return bytes ? std::optional(NodeId{*bytes}) : std::nullopt;
}

std::string MessageId::to_string() const {
  mrt::Bytes raw(8);
  mrt::Writer(raw).u64(incarnation.value);
  return sender.to_string() + '-' + mrt::to_hex(raw) + '-' + std::to_string(number);
}

std::string FileHash::to_string() const { return mrt::to_hex(bytes); }

std::optional<FileHash> FileHash::parse(std::string_view hex) {
  const auto bytes = parse_hex<32>(hex);
  return bytes ? std::optional(FileHash{*bytes}) : std::nullopt;
}

NodeId node_id_of(const mrt::PublicKey& key) {
  const mrt::TranscriptHash hash = mrt::sha256(key);
  NodeId id;
  std::copy_n(hash.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

void write_node_id(mrt::Builder& out, const NodeId& id) { out.bytes(id.bytes); }

NodeId read_node_id(mrt::Reader& in) { return {in.array<16>()}; }

}  // namespace node
