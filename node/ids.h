// SPDX-License-Identifier: MIT
//
// The overlay's names for things: nodes, starts of a node, places in the one order, files.
// Strong types, ordered, so that maps keyed by them iterate alike in every run.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mrt/base/bytes.h"
#include "mrt/base/ids.h"
#include "mrt/identity.h"

namespace node {

/// A node while its identity lasts: the first 16 bytes of SHA-256 of its Ed25519 public key.
/// The lower succeeds where rank does not decide.
struct NodeId {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const NodeId&) const = default;
  bool is_null() const { return *this == NodeId{}; }
  /// 32 lower-case hexadecimal digits.
  std::string to_string() const;
  static std::optional<NodeId> parse(std::string_view hex);
};

/// One start of a node, drawn at random: messages of an earlier life are not mistaken for this
/// one's.
using Incarnation = mrt::Id<struct IncarnationTag>;
/// Counts the views of a star: each new supernode begins one, always higher than all it knew.
using Epoch = mrt::Id<struct EpochTag>;
/// A place in the order. Rises through all epochs of a star.
using Seq = mrt::Id<struct SeqTag>;
/// Counts changes of one epoch's roster.
using RosterVersion = mrt::Id<struct RosterVersionTag>;

/// A message, everywhere and for ever: who said it, in which life, as its how-manieth (from 1).
struct MessageId {
  NodeId sender;
  Incarnation incarnation;
  uint64_t number = 0;
  auto operator<=>(const MessageId&) const = default;
  /// "<node>-<incarnation>-<number>": the `id` of the contract's chat event.
  std::string to_string() const;
};

/// Where the supernode put a message: compared by epoch, then seq.
struct Place {
  Epoch epoch;
  Seq seq;
  auto operator<=>(const Place&) const = default;
};

/// A file's content: the root of its BitTorrent v2 Merkle tree (BEP 52).
struct FileHash {
  std::array<uint8_t, 32> bytes{};
  auto operator<=>(const FileHash&) const = default;
  std::string to_string() const;
  /// 64 hexadecimal digits, either case.
  static std::optional<FileHash> parse(std::string_view hex);
};

/// One file that the disk driver has open for the node. Local; never reused.
using FileToken = mrt::Id<struct FileTokenTag>;
/// A command of the user, so that what comes of it can be told apart. 0: of no command.
using CommandId = mrt::Id<struct CommandIdTag>;

/// RFC 6234's SHA-256 of the key, cut to 128 bits: as hard to hit as the key is to guess.
NodeId node_id_of(const mrt::PublicKey& key);

void write_node_id(mrt::Builder& out, const NodeId& id);
NodeId read_node_id(mrt::Reader& in);

}  // namespace node
