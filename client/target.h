// SPDX-License-Identifier: MIT
//
// Where to connect, as people type it: "IP:PORT", "[v6]:PORT", "IP PORT", an invite, or a
// network's name. Pure: it looks nothing up.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/types.h"

namespace client {

struct Target {
  std::vector<mrt::Address> addresses;  // empty: only a name is known
  std::optional<std::string> network;   // an invite and a name say which; an address does not
  // What the star there asks for, where an invite says it. A password is not in an invite: its
  // bytes are empty until somebody types it.
  std::optional<mrt::NetworkKey> key;
  bool operator==(const Target&) const = default;
};

/// Nothing, and why in words for a user, where it is none of these.
std::optional<Target> parse_target(std::string_view text, std::string& why);
/// An address that datagrams can be sent to.
std::optional<mrt::Address> parse_remote(std::string_view text, std::string& why);
/// An address to bind: port 0 and unspecified addresses are fine.
std::optional<mrt::Address> parse_local(std::string_view text, std::string& why);

}  // namespace client
