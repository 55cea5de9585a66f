// SPDX-License-Identifier: MIT
#include "client/resolve.h"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <memory>

#include "client/bench/options.h"
#include "client/text.h"
#include "mrt/uv/sockaddr.h"

namespace client {

bool parse_servers(std::string_view option, const std::vector<std::string>& texts,
                   std::vector<std::string>& out, std::string& why) {
  const bool nobody = std::find(texts.begin(), texts.end(), "none") != texts.end();
  if (nobody && texts.size() > 1) why = fmt::format("{0} none contradicts another {0}", option);
  for (const std::string& text : texts) {
    if (text != "none" && !split_host(text))
      why = fmt::format("{} takes HOST:PORT, not '{}'", option, clean(text, 60));
  }
  if (!nobody) out = texts;
  return why.empty();
}

std::vector<mrt::Address> resolve_all(const std::string& host_port, std::string& why) {
  if (const auto address = mrt::Address::parse(host_port)) {
    if (address->is_unicast()) return {*address};
    why = fmt::format("nothing can be sent to {}", address->to_string());
    return {};
  }
  const auto parts = split_host(host_port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* first = nullptr;
  const int error = parts ? getaddrinfo(parts->host.c_str(), nullptr, &hints, &first) : EAI_NONAME;
  if (error != 0) {
    why = fmt::format("{}: {}", clean(host_port, 60), gai_strerror(error));
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> found(first, &freeaddrinfo);
  std::vector<mrt::Address> out;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    mrt::Address address = mrt::uv::from_sockaddr(one->ai_addr);
    address.port = parts->port;
    const bool known = std::find(out.begin(), out.end(), address) != out.end();
    if (address.is_unicast() && !known) out.push_back(address);
  }
  if (out.empty()) why = fmt::format("{}: nothing can be sent there", clean(host_port, 60));
  return out;
}

}  // namespace client
