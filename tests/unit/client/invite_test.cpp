// SPDX-License-Identifier: MIT
#include "client/invite.h"

#include <doctest/doctest.h>
#include <sodium.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "client/target.h"
#include "mrt/base/random.h"

namespace client {

static Invite drawn(mrt::Random& random) {
  Invite invite;
  invite.network = random.chance(0.3) ? std::string(network_default)
                                      : std::string(1 + random.below(network_name_max), 'n');
  invite.access = static_cast<mrt::Access>(random.below(3));
  if (invite.access == mrt::Access::secret) {
    invite.secret.resize(1 + random.below(invite_secret_max));
    random.fill(invite.secret);
  }
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

TEST_CASE("the longest invite fits, and a usual one fits a line") {
  const auto v4 = mrt::Address::v4(192, 0, 2, 1, 7700);
  mrt::Address v6 = v4;
  v6.ip = {0x20, 1, 0xd, 0xb8, 1};
  const std::string longest =
      write_invite({std::string(network_name_max, 'n'), mrt::Bytes(invite_secret_max, 1),
                    std::vector(invite_addresses_max, v6), mrt::Access::secret});
  CHECK(longest.size() == 394);
  CHECK(longest.size() <= invite_text_max);
  const std::string usual =
      write_invite({"default", mrt::Bytes(16, 1), {v4, v6}, mrt::Access::secret});
  CHECK(usual.size() <= 80);
}

TEST_CASE("an invite has a secret where one belongs and nowhere else") {
  // Bytes of an invite without its sum, made from what a forger would write.
  const auto parsed = [](const mrt::Bytes& body) {
    mrt::Builder out;
    out.bytes(body);
    out.u32(static_cast<uint32_t>(XXH3_64bits(body.data(), body.size())));
    const mrt::Bytes bytes = out.take();
    std::string text(bytes.size() * 2, '\0');
    sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    text.resize(text.find('\0'));
    std::string why;
    return parse_invite(std::string(invite_prefix) + text, why);
  };
  const auto with_secret = [&](uint8_t kind, size_t size) {
    mrt::Builder out;
    out.u8(2);
    out.u8(kind);
    out.sized_bytes(mrt::Bytes(size, 1));
    return parsed(out.take());
  };
  CHECK(parsed({2, 0})->access == mrt::Access::open);
  CHECK(parsed({2, 0})->network == "default");
  CHECK(parsed({2, 2})->access == mrt::Access::password);
  CHECK(parsed({2, 4, 1, 'n'})->network == "n");
  CHECK(with_secret(1, 16)->secret == mrt::Bytes(16, 1));
  CHECK(with_secret(1, 64));
  CHECK_FALSE(with_secret(1, 0));
  CHECK_FALSE(with_secret(1, 65));
  CHECK_FALSE(with_secret(2, 16));
  CHECK_FALSE(parsed({2, 1}));
  CHECK_FALSE(parsed({2, 3}));
  CHECK_FALSE(parsed({2, 8}));
  CHECK_FALSE(parsed({2, 4, 0}));
  CHECK_FALSE(parsed({2}));
  CHECK_FALSE(parsed({1, 0, 1, 'n', 0, 0}));
  mrt::Builder nine;
  nine.bytes(mrt::Bytes{2, 0});
  for (int i = 0; i < 9; ++i) mrt::write_address(nine, mrt::Address::v4(10, 0, 0, 1, 1));
  CHECK_FALSE(parsed(nine.take()));
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
  const Invite invite = {
      "moons", mrt::Bytes(16, 9), {mrt::Address::v4(10, 0, 0, 1, 1)}, mrt::Access::secret};
  const Target target = *parse_target(write_invite(invite), why);
  CHECK(target.addresses == invite.addresses);
  CHECK(*target.network == "moons");
  CHECK(*target.key == mrt::NetworkKey{mrt::Access::secret, invite.secret});
  CHECK_FALSE(parse_target("192.0.2.1:7700", why)->key);
  for (const char* text :
       {"", "192.0.2.1", "::1", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:65536", "192.0.2.1:0",
        "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "host.example:1", "a b", "thuban:"}) {
    why.clear();
    CHECK_FALSE(parse_target(text, why));
    CHECK_FALSE(why.empty());
  }
}

}  // namespace client
