// SPDX-License-Identifier: MIT
#include "mrt/base/address.h"

#include <doctest/doctest.h>

using namespace mrt;

TEST_CASE("addresses are read and written alike") {
  for (const char* text : {"192.0.2.1:7700", "0.0.0.0:0", "255.255.255.255:65535",
                           "[2001:db8::1]:7700", "[::1]:1", "[::]:0"}) {
    const auto address = Address::parse(text);
    REQUIRE_MESSAGE(address, text);
    CHECK(address->to_string() == text);
  }
  CHECK(Address::parse("192.0.2.1:7700") == Address::v4(192, 0, 2, 1, 7700));
  CHECK(Address::parse("192.0.2.1", 7) == Address::v4(192, 0, 2, 1, 7));
  // IPv4 in IPv4-mapped form is IPv4.
  CHECK(Address::parse("[::ffff:192.0.2.1]:7") == Address::v4(192, 0, 2, 1, 7));
}

TEST_CASE("what is no address is not read") {
  for (const char* text :
       {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:7x", "1.2.3:7",
        "1.2.3.4.5:7", "256.1.1.1:7", "localhost:7", "[::1]", "::1:7x", "[::1:7", "[1.2.3]:7",
        " 1.2.3.4:7", "1.2.3.4:7 ", "1.2.3.4: 7"})
    CHECK_MESSAGE(!Address::parse(text), text);
}

TEST_CASE("kinds of addresses") {
  CHECK(Address::v4(127, 1, 2, 3, 5).is_loopback());
  CHECK(Address::parse("[::1]:5")->is_loopback());
  CHECK(!Address::v4(128, 0, 0, 1, 5).is_loopback());
  CHECK(Address::v4(0, 0, 0, 0, 5).is_unspecified());
  CHECK(Address::parse("[::]:5")->is_unspecified());
  CHECK(Address::v4(224, 0, 0, 251, 5).is_multicast());
  CHECK(Address::parse("[ff02::1]:5")->is_multicast());
  CHECK(Address::v4(192, 0, 2, 1, 5).is_unicast());
  CHECK(Address::parse("[2001:db8::1]:5")->is_unicast());
  for (const char* text :
       {"192.0.2.1:0", "0.0.0.0:5", "224.0.0.1:5", "255.255.255.255:5", "[::]:5"})
    CHECK_MESSAGE(!Address::parse(text)->is_unicast(), text);
  CHECK(Address::v4(1, 2, 3, 4, 5).is_v4());
  CHECK(!Address::parse("[2001:db8::1]:5")->is_v4());
}

TEST_CASE("addresses travel, and anything else is refused") {
  for (const char* text : {"192.0.2.1:7700", "[2001:db8::1]:7700"}) {
    Builder out;
    write_address(out, *Address::parse(text));
    const Bytes bytes = out.take();
    CHECK(bytes.size() <= 19);
    Reader in(bytes);
    CHECK(read_address(in) == *Address::parse(text));
    CHECK(in.done());
    for (size_t size = 0; size < bytes.size(); ++size) {
      Reader cut(ByteView(bytes).first(size));
      read_address(cut);
      CHECK(!cut.ok());
    }
  }
  const Bytes unknown(19, 5);
  Reader in(unknown);
  read_address(in);
  CHECK(!in.ok());
}

TEST_CASE("a private address means another host in each LAN") {
  for (const char* text :
       {"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "172.31.9.9", "192.168.1.1", "169.254.1.1",
        "100.64.0.1", "100.127.255.1", "fd00::1", "fc00::1", "fe80::1"}) {
    CAPTURE(text);
    CHECK(Address::parse(text, 1)->is_private());
  }
  for (const char* text : {"192.0.2.1", "172.15.0.1", "172.32.0.1", "11.0.0.1", "100.63.0.1",
                           "100.128.0.1", "192.169.0.1", "2001:db8::1", "fec0::1"}) {
    CAPTURE(text);
    CHECK(!Address::parse(text, 1)->is_private());
  }
}
