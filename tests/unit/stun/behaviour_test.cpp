// SPDX-License-Identifier: MIT
#include "stun/behaviour.h"

#include <doctest/doctest.h>

#include <vector>

using mrt::Address;
using namespace stun;

namespace {

constexpr auto unknown = Dependence::unknown;
constexpr auto independent = Dependence::endpoint_independent;
constexpr auto by_address = Dependence::address_dependent;
constexpr auto by_port = Dependence::address_and_port_dependent;

Address host(uint8_t number, uint16_t port) { return Address::v4(198, 51, 100, number, port); }
Address seen(uint16_t port) { return Address::v4(192, 0, 2, 1, port); }

}  // namespace

TEST_CASE("mappings seen by several servers tell what they depend on") {
  const auto of = [](std::vector<MappingSeen> all) { return mapping_of(all); };
  CHECK(of({}) == unknown);
  CHECK(of({{host(1, 1), seen(5)}}) == unknown);
  CHECK(of({{host(1, 1), seen(5)}, {host(1, 1), seen(5)}}) == unknown);
  CHECK(of({{host(1, 1), seen(5)}, {host(2, 1), seen(5)}}) == independent);
  CHECK(of({{host(1, 1), seen(5)}, {host(1, 2), seen(5)}}) == independent);
  CHECK(of({{host(1, 1), seen(5)}, {host(2, 1), seen(6)}}) == by_address);
  CHECK(of({{host(1, 1), seen(5)}, {host(1, 2), seen(6)}}) == by_port);
  CHECK(of({{host(1, 1), seen(5)}, {host(2, 1), seen(6)}, {host(2, 2), seen(6)}}) == by_address);
  CHECK(of({{host(1, 1), seen(5)}, {host(2, 1), seen(6)}, {host(2, 2), seen(7)}}) == by_port);
  CHECK(of({{host(1, 1), seen(5)}, {host(2, 1), seen(5)}, {host(1, 2), seen(6)}}) == by_port);
  // Another address of the NAT is another mapping too.
  CHECK(of({{host(1, 1), Address::v4(192, 0, 2, 1, 5)},
            {host(2, 1), Address::v4(192, 0, 2, 2, 5)}}) == by_address);
}

TEST_CASE("what came in, and what did not, tells the filter") {
  const auto of = [](std::vector<FilterTest> all) { return filtering_of(all); };
  const Address from = host(1, 1);
  CHECK(of({}) == unknown);
  CHECK(of({{from, true, false}}) == independent);
  CHECK(of({{from, true, false}, {from, false, true}}) == independent);
  CHECK(of({{from, false, false}, {from, true, true}}) == by_address);
  CHECK(of({{from, false, false}, {from, false, true}}) == by_port);
  // With one host only: what lets the other port in may let in others or not.
  CHECK(of({{from, true, true}}) == unknown);
  CHECK(of({{from, false, true}}) == by_port);
  // And with the other host only.
  CHECK(of({{from, false, false}}) == unknown);
}

TEST_CASE("the older names say the same in one word") {
  CHECK(type_of(false, independent, independent) == NatType::open);
  CHECK(type_of(false, independent, unknown) == NatType::open);
  CHECK(type_of(false, independent, by_address) == NatType::restricted);
  CHECK(type_of(false, independent, by_port) == NatType::port_restricted);
  CHECK(type_of(true, independent, independent) == NatType::full_cone);
  CHECK(type_of(true, independent, by_address) == NatType::restricted);
  CHECK(type_of(true, independent, by_port) == NatType::port_restricted);
  CHECK(type_of(true, independent, unknown) == NatType::unknown);
  for (const Dependence filtering : {unknown, independent, by_address, by_port}) {
    CHECK(type_of(true, unknown, filtering) == NatType::unknown);
    CHECK(type_of(true, by_address, filtering) == NatType::symmetric);
    CHECK(type_of(true, by_port, filtering) == NatType::symmetric);
  }
}

TEST_CASE("the names are the contract's") {
  CHECK(to_text(NatType::full_cone) == "full-cone");
  CHECK(to_text(NatType::port_restricted) == "port-restricted");
  CHECK(to_text(NatType::symmetric) == "symmetric");
  CHECK(to_text(NatType::blocked) == "blocked");
  CHECK(to_text(NatType::open) == "open");
  CHECK(to_text(NatType::restricted) == "restricted");
  CHECK(to_text(NatType::unknown) == "unknown");
  CHECK(to_text(independent) == "endpoint-independent");
  CHECK(to_text(by_address) == "address-dependent");
  CHECK(to_text(by_port) == "address-and-port-dependent");
  CHECK(to_text(unknown) == "unknown");
}
