// SPDX-License-Identifier: MIT
//
// What a NAT was seen to do, and what that is called: in RFC 4787's and RFC 5780's words (mapping
// and filtering apart) and in the older ones of RFC 3489 (full cone ... symmetric). Pure functions
// of what was seen.
//
// 1. What was not seen is unknown; nothing is guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "mrt/base/address.h"

namespace stun {

/// On what of a remote endpoint it depends which mapping is used (RFC 4787 section 4.1), or whether
/// a packet from it may come in (section 5).
enum class Dependence : uint8_t {
  unknown,
  endpoint_independent,
  address_dependent,
  address_and_port_dependent,
};

enum class NatType : uint8_t {
  unknown,
  open,
  full_cone,
  restricted,
  port_restricted,
  symmetric,
  blocked,
};

/// "address-dependent", "port-restricted" and so on.
std::string_view to_text(Dependence dependence);
std::string_view to_text(NatType type);

/// A server, and the address that it saw of one socket of ours.
struct MappingSeen {
  mrt::Address server;
  mrt::Address mapped;
};
/// Two ports of one host tell whether it depends on the port, two hosts whether on the address.
/// With one host and the same mapping at both its ports it is called endpoint-independent: what
/// depends on the address alone is not known to be built.
/// Two hosts with different mappings, of which no second port was asked: address-dependent.
Dependence mapping_of(std::span<const MappingSeen> seen);

/// Whether a packet came in from an address to which nothing had been sent.
struct FilterTest {
  mrt::Address from;
  bool came_in = false;
  bool host_known = false;  // something had been sent to another port of that address
};
Dependence filtering_of(std::span<const FilterTest> tests);

struct Behaviour {
  NatType type = NatType::unknown;
  Dependence mapping = Dependence::unknown;
  Dependence filtering = Dependence::unknown;
  std::optional<mrt::Address> mapped{};  // what the first server that answered saw
  std::optional<mrt::Address> local{};   // the socket's own address, as its answer came to it
  /// Whether the mapped address can be called from within (RFC 4787 section 6). Not looked at
  /// without a NAT.
  std::optional<bool> hairpins{};
  bool operator==(const Behaviour&) const = default;

  bool is_translated() const { return mapped != local; }
};

/// RFC 3489's word. With no translation and no filter it is open, with a filter alone as a NAT
/// that filters so: whoever wants to be reached has to do the same about it.
NatType type_of(bool translated, Dependence mapping, Dependence filtering);

}  // namespace stun
