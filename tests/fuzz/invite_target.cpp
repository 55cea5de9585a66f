// SPDX-License-Identifier: MIT
//
// Invites: as they are typed, and with base64 and sum made right so that the fields are reached.
#include <sodium.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "client/invite.h"
#include "client/target.h"
#include "client/text.h"
#include "fuzz/targets.h"
#include "mrt/base/check.h"

namespace fuzz {

static void check_invite(std::string_view typed) {
  std::string why;
  const auto invite = client::parse_invite(typed, why);
  if (!invite) {
    CHECK(!why.empty() && client::clean(why) == why);
    return;
  }
  CHECK(client::is_network_name(invite->network));
  CHECK(invite->secret.size() <= client::invite_secret_max);
  CHECK(invite->addresses.size() <= client::invite_addresses_max);
  for (const mrt::Address& address : invite->addresses) CHECK(address.is_unicast());
  const std::string written = client::write_invite(*invite);
  CHECK(written.size() <= client::invite_text_max);
  CHECK(client::parse_invite(written, why) == invite);
  // It is a target too, with or without space around it.
  CHECK(client::parse_target(" " + written + "\n", why).has_value());
}

/// The invite whose bytes are `body` and the sum that belongs to them.
static std::string dressed(mrt::ByteView body) {
  mrt::Builder out;
  out.bytes(body);
  out.u32(static_cast<uint32_t>(XXH3_64bits(body.data(), body.size())));
  const mrt::Bytes bytes = out.take();
  constexpr int alphabet = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), alphabet), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), alphabet);
  text.pop_back();  // the terminator
  return std::string(client::invite_prefix) + text;
}

void invite(mrt::ByteView input) {
  check_invite(mrt::as_text(input));
  check_invite(dressed(input));
}

}  // namespace fuzz
