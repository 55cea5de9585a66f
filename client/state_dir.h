// SPDX-License-Identifier: MIT
//
// The folder in which a node keeps its identity, the peers it knew, the random secrets of their
// stars and what passwords were stretched to: one folder for each process, so that several clients
// on one host are several nodes.
//
// 1. The folder is locked while this object lives. A second process takes DIR/2, then DIR/3.
// 2. Folders are 0700, files 0600; files are replaced as a whole or not at all.
// 3. What cannot be read or written is told once and done without: the node is then ephemeral.
//    An identity that is there and cannot be understood is never overwritten.
// 4. No password is ever kept.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/random.h"
#include "mrt/types.h"
#include "stun/rendezvous_key.h"

namespace client {

/// Addresses at which members of a network were seen, the latest first.
using KnownPeers = std::map<std::string, std::vector<mrt::Address>>;
/// The random secret of the star that those peers were in.
using KnownSecrets = std::map<std::string, mrt::Bytes>;

/// Of these at most, so that the file stays small and a join by name ends in time.
inline constexpr size_t known_networks_max = 64;
inline constexpr size_t known_addresses_max = 16;

class StateDir {
 public:
  /// Keeps nothing: `--ephemeral`.
  StateDir();
  /// `path` empty: there is no place. `warning`: why nothing will be kept; empty where all is well.
  StateDir(const std::string& path, std::string& warning);
  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  /// What the node's identity is made from (mrt/identity.h).
  const mrt::Random::Seed& identity() const { return identity_; }
  bool keeps() const { return lock_ >= 0; }

  const std::vector<mrt::Address>& known(const std::string& network) const;
  /// What lets in there; nothing where no random secret is known.
  std::optional<mrt::NetworkKey> known_key(const std::string& network) const;
  /// Adds to what is known of a network and writes it down. Where its random secret is another
  /// one it is another star, and what was known before is forgotten.
  void remember(const std::string& network, const std::vector<mrt::Address>& addresses,
                const mrt::NetworkKey& key);

  /// What a network's password was stretched to (stun/rendezvous_key.h) the last time: it may be
  /// another one's by now. Who reads it can test guesses of the password, each at Argon2id's price.
  std::optional<stun::RendezvousSeed> stretched(const std::string& network) const;
  void remember_stretched(const std::string& network, const stun::RendezvousSeed& seed);

 private:
  bool lock_folder(const std::string& path, std::string& warning);
  bool load_identity(std::string& warning);
  void remember_secret(const std::string& network, const mrt::NetworkKey& key);

  std::string path_;  // of the folder that was locked
  int lock_ = -1;
  mrt::Random::Seed identity_{};
  KnownPeers known_;
  KnownSecrets secrets_;
  KnownSecrets stretched_;
};

/// "NETWORK ADDRESS" lines; what is not one is skipped.
KnownPeers parse_known_peers(std::string_view text);
std::string write_known_peers(const KnownPeers& known);

/// A first line with the format's version, then "NETWORK HEX" lines; what is not one is skipped,
/// and all of a file of another version.
KnownSecrets parse_known_secrets(std::string_view text);
std::string write_known_secrets(const KnownSecrets& known);

/// The whole of a file of at most `bytes_max` bytes; nothing where it cannot be read.
std::optional<std::string> read_small_file(const std::string& path, size_t bytes_max);
/// Written beside it and renamed, 0600. False, and errno, where that fails. `durable`: when it
/// returns the disk has it, which may take a while.
bool replace_file(const std::string& path, std::string_view content, bool durable);

}  // namespace client
