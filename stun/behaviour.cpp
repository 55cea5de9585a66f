// SPDX-License-Identifier: MIT
#include "stun/behaviour.h"

#include <algorithm>

namespace stun {

std::string_view to_text(Dependence dependence) {
  switch (dependence) {
    case Dependence::unknown:
      return "unknown";
    case Dependence::endpoint_independent:
      return "endpoint-independent";
    case Dependence::address_dependent:
      return "address-dependent";
    case Dependence::address_and_port_dependent:
      return "address-and-port-dependent";
  }
  return "unknown";
}

std::string_view to_text(NatType type) {
  switch (type) {
    case NatType::unknown:
      return "unknown";
    case NatType::open:
      return "open";
    case NatType::full_cone:
      return "full-cone";
    case NatType::restricted:
      return "restricted";
    case NatType::port_restricted:
      return "port-restricted";
    case NatType::symmetric:
      return "symmetric";
    case NatType::blocked:
      return "blocked";
  }
  return "unknown";
}

Dependence mapping_of(std::span<const MappingSeen> seen) {
  bool ports_agree = false, ports_differ = false, hosts_agree = false, hosts_differ = false;
  for (size_t i = 0; i < seen.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (seen[i].server == seen[j].server) continue;
      const bool agree = seen[i].mapped == seen[j].mapped;
      const bool one_host = seen[i].server.ip == seen[j].server.ip;
      (one_host ? agree ? ports_agree : ports_differ : agree ? hosts_agree : hosts_differ) = true;
    }
  }
  if (ports_differ) return Dependence::address_and_port_dependent;
  if (hosts_differ) return Dependence::address_dependent;
  if (hosts_agree || ports_agree) return Dependence::endpoint_independent;
  return Dependence::unknown;
}

Dependence filtering_of(std::span<const FilterTest> tests) {
  const auto any = [tests](bool host_known, bool came_in) {
    return std::any_of(tests.begin(), tests.end(), [=](const FilterTest& test) {
      return test.host_known == host_known && test.came_in == came_in;
    });
  };
  if (any(false, true)) return Dependence::endpoint_independent;
  // RFC 5780 section 4.4: test III tells the two others apart.
  if (any(true, true))
    return any(false, false) ? Dependence::address_dependent : Dependence::unknown;
  if (any(true, false)) return Dependence::address_and_port_dependent;
  return Dependence::unknown;
}

NatType type_of(bool translated, Dependence mapping, Dependence filtering) {
  if (translated && mapping == Dependence::unknown) return NatType::unknown;
  if (translated && mapping != Dependence::endpoint_independent) return NatType::symmetric;
  switch (filtering) {
    case Dependence::unknown:
      return translated ? NatType::unknown : NatType::open;
    case Dependence::endpoint_independent:
      return translated ? NatType::full_cone : NatType::open;
    case Dependence::address_dependent:
      return NatType::restricted;
    case Dependence::address_and_port_dependent:
      return NatType::port_restricted;
  }
  return NatType::unknown;
}

}  // namespace stun
