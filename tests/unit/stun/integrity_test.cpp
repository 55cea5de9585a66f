// SPDX-License-Identifier: MIT
#include "stun/integrity.h"

#include <doctest/doctest.h>

using namespace stun;

TEST_CASE("the CRC is the one of Ethernet") {
  CHECK(crc32(mrt::as_bytes("123456789")) == 0xcbf4'3926);
  CHECK(crc32({}) == 0);
  CHECK(fingerprint_of({}) == 0x5354'554e);
}

TEST_CASE("HMAC-SHA1 gives what RFC 2202 says, however the text is cut") {
  const mrt::ByteView text = mrt::as_bytes("what do ya want for nothing?");
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const auto sum = integrity_of(mrt::as_bytes("Jefe"), text.first(cut), text.subspan(cut));
    CHECK(mrt::to_hex(sum) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  }
  const auto sum = integrity_of(mrt::Bytes(20, 0x0b), mrt::as_bytes("Hi There"), {});
  CHECK(mrt::to_hex(sum) == "b617318655057264e28bc0b6fb378c8ef146be00");
  CHECK(is_same(sum, sum));
  CHECK(!is_same(sum, mrt::ByteView(sum).first(19)));
}
