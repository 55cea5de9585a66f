// SPDX-License-Identifier: MIT
#include "stun/uv/gateway.h"

#include <arpa/inet.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "mrt/uv/sockaddr.h"

namespace stun::uv {

std::optional<Route> parse_default_route(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::optional<Route> out;
  unsigned long lowest = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string device, destination, gateway, flags, references, uses, mask;
    unsigned long metric = 0;
    if (!(fields >> device >> destination >> gateway >> flags >> references >> uses >> metric)) {
      continue;
    }
    fields >> mask;
    const bool is_default = destination == "00000000" && mask == "00000000";
    char* end = nullptr;
    // The bytes as they lie in memory, read as one number.
    const unsigned long raw = std::strtoul(gateway.c_str(), &end, 16);
    if (!is_default || *end != '\0' || raw == 0 || raw > UINT32_MAX) continue;
    if (out && metric >= lowest) continue;
    lowest = metric;
    out = Route{device, mrt::uv::from_in_addr(in_addr{static_cast<in_addr_t>(raw)}, 0)};
  }
  return out;
}

std::optional<Gateway> default_gateway() {
  std::ifstream file("/proc/net/route");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto route = parse_default_route(text);
  if (!route) return std::nullopt;
  for (const auto& local : mrt::uv::local_addresses()) {
    if (local.interface == route->device && local.address.is_v4()) {
      return Gateway{route->gateway, local.address};
    }
  }
  return std::nullopt;
}

}  // namespace stun::uv
