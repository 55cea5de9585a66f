// SPDX-License-Identifier: MIT
#include "stun/rendezvous_key.h"

#include <doctest/doctest.h>

#include <set>

using namespace stun;
using mrt::as_bytes;

TEST_CASE("who knows the same finds the same, and a change of anything finds another") {
  const auto secret = as_bytes("0123456789abcdef");
  std::set<LookUpId> ids;
  for (const RendezvousSeed& seed :
       {open_rendezvous_seed("lab"), open_rendezvous_seed("lab2"), open_rendezvous_seed(""),
        secret_rendezvous_seed("lab", secret), secret_rendezvous_seed("lab2", secret),
        secret_rendezvous_seed("lab", as_bytes("0123456789abcdeF")),
        // A name that runs into the secret is not the same name.
        secret_rendezvous_seed("lab0", as_bytes("123456789abcdef"))}) {
    CHECK(RendezvousKey(seed).id() == RendezvousKey(seed).id());
    ids.insert(RendezvousKey(seed).id());
  }
  CHECK(ids.size() == 7);
}

TEST_CASE("a password is stretched, and to the same on every host") {
  // crypto_pwhash_argon2id, called from Python with a salt from hashlib.blake2b.
  const auto seed = stretched_rendezvous_seed("lab", as_bytes("open up"));
  REQUIRE(seed);
  CHECK(mrt::to_hex(seed->view()) ==
        "48f599867b1bc855dceb7ad450c37083fabff41d1faa0e34ef168d323b9f9c30");
  const auto other = stretched_rendezvous_seed("lab2", as_bytes("open up"));
  REQUIRE(other);
  CHECK(RendezvousKey(*other).id() != RendezvousKey(*seed).id());
}

TEST_CASE("a registration is another network's without its key") {
  const RendezvousKey own(open_rendezvous_seed("lab")), other(open_rendezvous_seed("labs"));
  Registration registration;
  own.sign(registration);
  CHECK(is_signed_by_its_network(registration));
  registration.id = other.id();
  CHECK_FALSE(is_signed_by_its_network(registration));
}

TEST_CASE("a key of small order signs nothing") {
  // The neutral element and a signature of zeros, which verifies for every message where nobody
  // looks.
  Registration registration;
  registration.id[0] = 1;
  registration.signature[0] = 1;
  CHECK_FALSE(is_signed_by_its_network(registration));
}
