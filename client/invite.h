// SPDX-License-Identifier: MIT
//
// An invite: one word that tells how to get into a network. "thuban:" and then, in base64url
// without padding (RFC 4648 section 5), these bytes:
//
//   version (2) | kind | network: length varint, UTF-8 | secret: length varint, bytes
//   | addresses: each 4 or 6, IP, port | XXH3-64 of all before, low 4 bytes
//
// `kind` has mrt::Access in its two low bits; the third says that a network is spelt, which else
// is "default". There is a secret where access is Access::secret. A password is never in it, nor
// which node was the supernode: that changes.
//
// 1. parse_invite(write_invite(x)) is x; whatever else is given to parse_invite is refused
//    with a reason, unread beyond invite_text_max.
// 2. The sum at its end is against slips of copying, not against forgery.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/types.h"
#include "node/message.h"

namespace client {

inline constexpr std::string_view invite_prefix = "thuban:";
/// For messages and logs: of each invite in it, whole or cut, nothing is left but its prefix.
std::string without_invites(std::string_view text);
inline constexpr std::string_view network_default = "default";
/// A host's own addresses and some of its star; more would not be tried in time.
inline constexpr size_t invite_addresses_max = 8;
/// As long as a node takes them from its star.
inline constexpr size_t invite_secret_max = node::secret_bytes_max;
/// A network's name, in bytes: sixteen times four bytes of UTF-8.
inline constexpr size_t network_name_max = 64;
/// Prefix and base64 of all the above at their limits (at most 394 bytes).
inline constexpr size_t invite_text_max = 512;

struct Invite {
  std::string network;
  mrt::Bytes secret;  // empty but where access is Access::secret
  std::vector<mrt::Address> addresses;
  mrt::Access access = mrt::Access::open;
  bool operator==(const Invite&) const = default;
};

/// 1 to network_name_max bytes of safe UTF-8 without spaces.
bool is_network_name(std::string_view name);
/// REQUIRES: is_network_name(network), a secret where one belongs, and at most the limits above.
std::string write_invite(const Invite& invite);
/// Nothing, and why, where it is not an invite of a version known here.
std::optional<Invite> parse_invite(std::string_view text, std::string& why);

}  // namespace client
