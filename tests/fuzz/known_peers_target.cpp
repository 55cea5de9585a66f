// SPDX-License-Identifier: MIT
//
// The state folder's files of known peers and secrets: whatever lies there, what is read is
// bounded, and what is written is read as it was.
#include "client/invite.h"
#include "client/state_dir.h"
#include "fuzz/targets.h"
#include "mrt/base/check.h"

namespace fuzz {

static void check_peers(std::string_view text) {
  const client::KnownPeers known = client::parse_known_peers(text);
  CHECK(known.size() <= client::known_networks_max);
  for (const auto& [network, addresses] : known) {
    CHECK(client::is_network_name(network));
    CHECK(!addresses.empty() && addresses.size() <= client::known_addresses_max);
    for (const mrt::Address& address : addresses) CHECK(address.is_unicast());
  }
  CHECK(client::parse_known_peers(client::write_known_peers(known)) == known);
}

static void check_secrets(std::string_view text) {
  const client::KnownSecrets known = client::parse_known_secrets(text);
  CHECK(known.size() <= client::known_networks_max);
  for (const auto& [network, secret] : known) {
    CHECK(client::is_network_name(network));
    CHECK(!secret.empty() && secret.size() <= client::invite_secret_max);
  }
  CHECK(client::parse_known_secrets(client::write_known_secrets(known)) == known);
}

void known_peers(mrt::ByteView input) {
  const std::string text(mrt::as_text(input));
  check_peers(text);
  check_secrets(text);
  // As a file of the version that is read, whatever its lines are.
  check_secrets(client::write_known_secrets({}) + text);
}

}  // namespace fuzz
