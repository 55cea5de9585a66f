// SPDX-License-Identifier: MIT
//
// Servers on the command line: from HOST:PORT, as it is typed, to addresses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mrt/base/address.h"

namespace client {

/// What an option that may be repeated names: HOST:PORT each, or "none" alone, and then `out` is
/// empty. False, and why in one line, on a mistake. Resolves nothing.
bool parse_servers(std::string_view option, const std::vector<std::string>& texts,
                   std::vector<std::string>& out, std::string& why);
/// All that HOST:PORT stands for, of both families, in the resolver's order. Empty, and why in one
/// line, where it is nothing that can be sent to. Asks the system's resolver, and waits for it.
std::vector<mrt::Address> resolve_all(const std::string& host_port, std::string& why);

}  // namespace client
