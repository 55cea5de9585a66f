// SPDX-License-Identifier: MIT
#include "client/nat_words.h"

#include <fmt/format.h>

namespace client {

using stun::NatType;

std::string_view meaning_of(NatType type) {
  switch (type) {
    case NatType::open:
      return "nothing stands in the way of who calls in";
    case NatType::full_cone:
      return "a port that is open can be called by anyone";
    case NatType::restricted:
      return "only hosts that were sent something can call in";
    case NatType::port_restricted:
      return "only a host and port that was sent something can call in";
    case NatType::symmetric:
      return "each destination sees another port: nobody knows where to call in";
    case NatType::blocked:
      return "no UDP comes back";
    case NatType::unknown:
      break;
  }
  return "more cannot be told by the servers that were asked";
}

std::string_view fix_for(NatType type) {
  switch (type) {
    case NatType::restricted:
    case NatType::port_restricted:
      return "both sides send: `A IP PORT` here with the other's address, `C IP PORT` there";
    case NatType::symmetric:
      return "join one who is open, full-cone or restricted, or by a rendezvous; to host, forward "
             "a "
             "UDP port on the router and start with --bind 0.0.0.0:PORT";
    case NatType::blocked:
      return "allow UDP in the firewall of this host or network, or ask another server by --stun";
    default:
      return "";
  }
}

std::string nat_sentence(const stun::Behaviour& behaviour) {
  std::string out = fmt::format("NAT: {}: {}", to_text(behaviour.type), meaning_of(behaviour.type));
  const bool one_for_all = behaviour.mapping == stun::Dependence::endpoint_independent;
  if (behaviour.mapped && one_for_all)
    out += fmt::format("; others call {}", behaviour.mapped->to_string());
  const std::string_view fix = fix_for(behaviour.type);
  return fix.empty() ? out : fmt::format("{}; {}", out, fix);
}

}  // namespace client
