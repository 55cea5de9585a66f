// SPDX-License-Identifier: MIT
#include "client/nat_words.h"

#include <doctest/doctest.h>

using namespace client;
using stun::Dependence;
using stun::NatType;

static std::string sentence(NatType type, Dependence mapping) {
  stun::Behaviour found;
  found.type = type;
  found.mapping = mapping;
  found.mapped = mrt::Address::v4(192, 0, 2, 1, 5000);
  return nat_sentence(found);
}

static bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

TEST_CASE("a sentence names the type, the address for others, and what to do") {
  const auto said = sentence(NatType::port_restricted, Dependence::endpoint_independent);
  CHECK(has(said, "port-restricted"));
  CHECK(has(said, "192.0.2.1:5000"));
  CHECK(has(said, "A IP PORT"));
  const auto open = sentence(NatType::full_cone, Dependence::endpoint_independent);
  CHECK(has(open, "192.0.2.1:5000"));
  CHECK(!has(open, "A IP PORT"));
}

TEST_CASE("an address that is another one for each is given to nobody") {
  const auto said = sentence(NatType::symmetric, Dependence::address_and_port_dependent);
  CHECK(!has(said, "192.0.2.1"));
  CHECK(has(said, "symmetric"));
  CHECK(has(said, "join one who is"));
}
