// SPDX-License-Identifier: MIT
#include "node/sim/nat.h"

#include <algorithm>

namespace node::sim {

using mrt::Address;
using mrt::Instant;

/// What of a far end makes a difference.
static Address part_of(const Address& far, Depends depends) {
  switch (depends) {
    case Depends::on_nothing:
      return {};
    case Depends::on_address:
      return {far.ip, 0};
    case Depends::on_address_and_port:
      break;
  }
  return far;
}

static std::string words(Depends depends) {
  switch (depends) {
    case Depends::on_nothing:
      return "endpoint-independent";
    case Depends::on_address:
      return "address-dependent";
    case Depends::on_address_and_port:
      break;
  }
  return "address- and port-dependent";
}

std::string describe(const NatSpec& spec) {
  std::string out;
  if (spec.mapping == Depends::on_nothing) {
    const char* const cones[] = {"full cone", "restricted", "port-restricted"};
    out = cones[static_cast<size_t>(spec.filtering)];
  } else if (spec.mapping == Depends::on_address_and_port && spec.filtering == spec.mapping) {
    out = "symmetric";
  } else {
    out = words(spec.mapping) + " mapping, " + words(spec.filtering) + " filtering";
  }
  if (!spec.keeps_ports) out += ", random ports";
  if (spec.hairpins) out += ", hairpin";
  return out + ", " + std::to_string(mrt::to_ms(spec.timeout) / 1000) + " s";
}

Nat::Nat(const NatSpec& spec, const Address& outer, const mrt::Random::Seed& seed)
    : spec_(spec), outer_(outer), random_(seed) {}

void Nat::forget_old(Instant now) {
  std::erase_if(mappings_, [now](const auto& one) { return one.second.ends <= now; });
  for (auto& [flow, mapping] : mappings_) {
    std::erase_if(mapping.let_in, [now](const auto& one) { return one.second <= now; });
  }
}

bool Nat::is_taken(uint16_t port) const {
  return std::any_of(mappings_.begin(), mappings_.end(),
                     [port](const auto& one) { return one.second.port == port; });
}

uint16_t Nat::choose_port(uint16_t inside) {
  if (spec_.keeps_ports && !is_taken(inside)) return inside;
  // RFC 4787, REQ-3: not below 1024 for what was not there inside.
  uint16_t port = 0;
  do {
    port = static_cast<uint16_t>(1'024 + random_.below(64'512));
  } while (is_taken(port));
  return port;
}

Address Nat::send_out(Instant now, const Address& inside, const Address& target) {
  const Flow flow{inside, part_of(target, spec_.mapping)};
  if (const auto known = mappings_.find(flow);
      known == mappings_.end() || known->second.ends <= now) {
    forget_old(now);
    const uint16_t port = choose_port(inside.port);
    mappings_[flow].port = port;
  }
  Mapping& mapping = mappings_.at(flow);
  mapping.ends = now + spec_.timeout;
  mapping.let_in[part_of(target, spec_.filtering)] = mapping.ends;
  return {outer_.ip, mapping.port};
}

std::optional<Address> Nat::let_in(Instant now, uint16_t outer_port, const Address& source) const {
  for (const auto& [flow, mapping] : mappings_) {
    if (mapping.port != outer_port || mapping.ends <= now) continue;
    const auto who = mapping.let_in.find(part_of(source, spec_.filtering));
    if (who != mapping.let_in.end() && who->second > now) return flow.first;
  }
  return std::nullopt;
}

}  // namespace node::sim
