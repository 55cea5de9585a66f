// SPDX-License-Identifier: MIT
#include "client/invite.h"

#include <doctest/doctest.h>

#include "client/target.h"
#include "mrt/base/random.h"

namespace client {

static Invite drawn(mrt::Random& random) {
  Invite invite;
  invite.network = std::string(1 + random.below(network_name_max), 'n');
  invite.secret.resize(random.below(invite_secret_max + 1));
  random.fill(invite.secret);
  for (uint64_t i = random.below(invite_addresses_max + 1); i > 0; --i) {
    mrt::Address address = mrt::Address::v4(10, static_cast<uint8_t>(random.below(256)), 0, 1, 1);
    if (random.chance(0.5)) address.ip = {0x20, 1, 0xd, 0xb8, static_cast<uint8_t>(i)};
    address.port = static_cast<uint16_t>(1 + random.below(65535));
    invite.addresses.push_back(address);
  }
  return invite;
}

TEST_CASE("an invite says again what went into it") {
  mrt::Random random(mrt::seed_from(1));
  std::string why;
  for (int round = 0; round < 500; ++round) {
    const Invite invite = drawn(random);
    const std::string text = write_invite(invite);
    CHECK(text.size() <= invite_text_max);
    const auto back = parse_invite(text, why);
    REQUIRE(back);
    CHECK(*back == invite);
  }
}

TEST_CASE("an invite with any one character changed, dropped or added is refused") {
  mrt::Random random(mrt::seed_from(2));
  std::string why;
  for (int round = 0; round < 20; ++round) {
    const std::string text = write_invite(drawn(random));
    for (size_t i = 0; i < text.size(); ++i) {
      std::string changed = text;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      CHECK_FALSE(parse_invite(changed, why));
      CHECK_FALSE(parse_invite(text.substr(0, i), why));
      CHECK_FALSE(parse_invite(text.substr(0, i) + 'A' + text.substr(i), why));
    }
    CHECK_FALSE(parse_invite(text + ' ', why));
    CHECK_FALSE(parse_invite(text + '=', why));
  }
}

TEST_CASE("whatever is given as an invite is read without harm") {
  mrt::Random random(mrt::seed_from(3));
  std::string why;
  for (int round = 0; round < 2000; ++round) {
    std::string text(invite_prefix);
    for (uint64_t i = random.below(80); i > 0; --i) {
      text.push_back(
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[random.below(64)]);
    }
    CHECK_FALSE(parse_invite(text, why));
    CHECK_FALSE(why.empty());
  }
  CHECK_FALSE(parse_invite(std::string(invite_prefix) + std::string(100'000, 'A'), why));
  CHECK_FALSE(parse_invite("", why));
}

TEST_CASE("a network's name is short, safe and has no spaces") {
  CHECK(is_network_name("default"));
  CHECK(is_network_name("\xc3\xa9toiles"));
  for (const char* name : {"", "a b", "a\n", "\x1b", "\xff", "\xe2\x80\xae"}) {
    CHECK_FALSE(is_network_name(name));
  }
  CHECK_FALSE(is_network_name(std::string(network_name_max + 1, 'x')));
}

TEST_CASE("a target is an address, an invite or a name") {
  std::string why;
  CHECK(parse_target("192.0.2.1:7700", why)->addresses.size() == 1);
  CHECK(parse_target(" [::1]:7700 ", why)->addresses.front().is_loopback());
  CHECK(*parse_target("stars", why)->network == "stars");
  CHECK(parse_target("stars", why)->addresses.empty());
  for (const char* text :
       {"", "192.0.2.1", "::1", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:65536", "192.0.2.1:0",
        "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "host.example:1", "a b", "thuban:"}) {
    why.clear();
    CHECK_FALSE(parse_target(text, why));
    CHECK_FALSE(why.empty());
  }
}

}  // namespace client
