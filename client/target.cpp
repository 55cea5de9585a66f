// SPDX-License-Identifier: MIT
#include "client/target.h"

#include <fmt/format.h>

#include "client/invite.h"
#include "client/text.h"

namespace client {

/// "192.0.2.1 7700" and "::1 7700" as one would write them with a colon.
static std::string join_port(std::string_view text) {
  const size_t gap = text.find_first_of(" \t");
  if (gap == std::string_view::npos) return std::string(text);
  const std::string_view ip = text.substr(0, gap);
  const std::string_view port = trim(text.substr(gap));
  const bool bare_v6 = ip.find(':') != std::string_view::npos && ip.front() != '[';
  return bare_v6 ? fmt::format("[{}]:{}", ip, port) : fmt::format("{}:{}", ip, port);
}

std::optional<mrt::Address> parse_local(std::string_view text, std::string& why) {
  const auto address = mrt::Address::parse(text);
  if (!address) why = fmt::format("'{}' is not IP:PORT", clean(text, 60));
  return address;
}

std::optional<mrt::Address> parse_remote(std::string_view text, std::string& why) {
  const std::string joined = join_port(trim(text));
  const auto address = mrt::Address::parse(joined);
  if (address && address->is_unicast()) return address;
  why = address
            ? fmt::format("nothing can be sent to {}", address->to_string())
            : fmt::format("'{}' is not an address: IP:PORT, [v6]:PORT or IP PORT", clean(text, 60));
  return std::nullopt;
}

std::optional<Target> parse_target(std::string_view text, std::string& why) {
  text = trim(text);
  if (text.starts_with(invite_prefix)) {
    auto invite = parse_invite(text, why);
    if (!invite) return std::nullopt;
    return Target{std::move(invite->addresses), std::move(invite->network),
                  mrt::NetworkKey{invite->access, std::move(invite->secret)}};
  }
  const bool like_an_address = text.find_first_of(": \t") != std::string_view::npos;
  if (!like_an_address && mrt::Address::parse(text, 0)) {
    why = fmt::format("'{}' lacks its port: {}:PORT", text, text);
    return std::nullopt;
  }
  if (!like_an_address && is_network_name(text)) return Target{{}, std::string(text), {}};
  if (const auto address = parse_remote(text, why)) return Target{{*address}, {}, {}};
  return std::nullopt;
}

}  // namespace client
