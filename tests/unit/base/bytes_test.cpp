// SPDX-License-Identifier: MIT
#include "mrt/base/bytes.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"

using namespace mrt;

TEST_CASE("varints are those of RFC 9000 A.1") {
  struct Case {
    const char* hex;
    uint64_t value;
  };
  for (const Case& c : {Case{"c2197c5eff14e88c", 151'288'809'941'952'652},
                        Case{"9d7f3e7d", 494'878'333}, Case{"7bbd", 15'293}, Case{"25", 37}}) {
    const Bytes bytes = *from_hex(c.hex);
    Reader reader(bytes);
    CHECK(reader.varint() == c.value);
    CHECK(reader.done());
    Bytes out(8);
    Writer writer(out);
    writer.varint(c.value);
    CHECK(to_hex(writer.written()) == c.hex);
    CHECK(varint_size(c.value) == bytes.size());
  }
  const Bytes longer = *from_hex("4025");  // a longer encoding than needed is allowed
  Reader in(longer);
  CHECK(in.varint() == 37);
}

TEST_CASE("what is written is read back, by both writers") {
  Random random(seed_from(2));
  for (int round = 0; round < 500; ++round) {
    const uint64_t a = random.u64();
    const uint64_t b = random.below(uint64_t{1} << random.below(62));
    Bytes blob(random.below(100));
    random.fill(blob);
    Bytes buffer(300);
    Writer writer(buffer);
    Builder builder;
    auto write = [&](auto& out) {
      out.u8(uint8_t(a));
      out.u16(uint16_t(a));
      out.u32(uint32_t(a));
      out.u64(a);
      out.varint(b);
      out.sized_bytes(blob);
      out.sized_text("text");
    };
    write(writer);
    write(builder);
    const Bytes built = builder.take();
    REQUIRE(to_hex(writer.written()) == to_hex(built));
    Reader in(built);
    CHECK(in.u8() == uint8_t(a));
    CHECK(in.u16() == uint16_t(a));
    CHECK(in.u32() == uint32_t(a));
    CHECK(in.u64() == a);
    CHECK(in.varint() == b);
    CHECK(to_hex(in.sized_bytes(100)) == to_hex(blob));
    CHECK(in.sized_text(4) == "text");
    CHECK(in.done());
  }
}

TEST_CASE("a reader that came up short stays failed and gives nothing") {
  const Bytes bytes{1, 2, 3};
  Reader in(bytes);
  CHECK(in.u16() == 0x0201);
  CHECK(in.u32() == 0);
  CHECK(!in.ok());
  CHECK(in.u8() == 0);  // the third byte is not read any more
  CHECK(in.rest().empty());
  CHECK(!in.done());
  Reader sized(bytes);
  CHECK(sized.sized_bytes(0).empty());  // length 1 is above the limit
  CHECK(!sized.ok());
  Reader cut(ByteView(bytes).first(0));
  CHECK(cut.varint() == 0);
  CHECK(!cut.ok());
}

TEST_CASE("a writer that overflowed writes nothing more") {
  Bytes buffer(3, 0xee);
  Writer out(buffer);
  out.u16(7);
  out.u32(9);
  CHECK(!out.ok());
  out.u8(5);
  CHECK(out.size() == 2);
  CHECK(buffer[2] == 0xee);
}

TEST_CASE("hex is read in both cases, and only whole") {
  CHECK(from_hex("00aAfF") == Bytes{0, 0xaa, 0xff});
  CHECK(from_hex("") == Bytes{});
  CHECK(!from_hex("abc"));
  CHECK(!from_hex("zz"));
}
