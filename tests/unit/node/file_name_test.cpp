// SPDX-License-Identifier: MIT
#include "node/file_name.h"

#include <doctest/doctest.h>

#include <string>

using namespace node;
using namespace std::string_literals;

TEST_CASE("ordinary names are taken as they are") {
  for (const char* name : {"a", "photo.jpg", "archive.tar.gz", ".profile", "...", " two words ",
                           "Größe.txt", "文件.pdf", "a..b", "🙂.png", "-rf", "CON", "x:y?*"}) {
    CAPTURE(name);
    CHECK(is_file_name(name));
  }
  CHECK(is_file_name(std::string(255, 'a')));
}

TEST_CASE("museum: a name that could lead elsewhere or deceive is refused (wormhole, croc)") {
  for (const std::string& name :
       {""s, "."s, ".."s, "../x"s, "/etc/passwd"s, "a/b"s, "..\\x"s, "C:\\x"s, "a\0b"s, "a\nb"s,
        "\x1b[2J"s, "tab\tbed"s, "del\x7f"s, "c1 \xc2\x9b"s, "line\xe2\x80\xa8separator"s,
        "x\xe2\x80\xaegpj.exe"s, "x\xe2\x81\xa6y"s, std::string(256, 'a')}) {
    CAPTURE(name);
    CHECK_FALSE(is_file_name(name));
  }
}

TEST_CASE("text is UTF-8 in its shortest form only") {
  CHECK(is_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82"));
  CHECK(is_utf8("\xf4\x8f\xbf\xbf"));  // U+10FFFF
  for (const std::string& text :
       {"\x80"s, "\xc3"s, "\xc0\xaf"s, "\xc1\x81"s, "\xe0\x80\xaf"s, "\xed\xa0\x80"s, "\xe2\x82"s,
        "\xf0\x80\x80\xaf"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xff"s, "\xc3("s}) {
    CAPTURE(text);
    CHECK_FALSE(is_utf8(text));
    CHECK_FALSE(is_file_name(text));
  }
}

TEST_CASE("a taken name gets a number before its extension") {
  CHECK(numbered_name("a.txt", 1) == "a (1).txt");
  CHECK(numbered_name("a.txt", 12) == "a (12).txt");
  CHECK(numbered_name("README", 1) == "README (1)");
  CHECK(numbered_name(".profile", 1) == ".profile (1)");
  CHECK(numbered_name("archive.tar.gz", 2) == "archive (2).tar.gz");
  CHECK(numbered_name(".tar.gz", 1) == ".tar (1).gz");
  CHECK(numbered_name("a.b.c", 1) == "a.b (1).c");
  CHECK(numbered_name("dot.", 1) == "dot (1).");
}

TEST_CASE("a number and a suffix never make a name too long or cut a character") {
  FileHash hash;
  hash.bytes.fill(0xab);
  const std::string wide = "ä";
  std::string name;
  while (name.size() + wide.size() <= 250) name += wide;
  for (const std::string& long_name :
       {name + ".txt", std::string(255, 'x'), "." + std::string(254, 'y'),
        "a." + std::string(253, 'z'), name + "abcd"}) {
    CAPTURE(long_name);
    REQUIRE(is_file_name(long_name));
    for (const uint32_t number : {1u, 10u, 4'000'000'000u}) {
      CHECK(is_file_name(numbered_name(long_name, number)));
      CHECK(numbered_name(long_name, number) != long_name);
    }
    CHECK(is_file_name(part_name(long_name, hash)));
    CHECK(part_name(long_name, hash).ends_with(".abababab.part"));
  }
  CHECK(part_name("a.txt", hash) == "a.txt.abababab.part");
}

TEST_CASE("a path's last component is what it is offered under") {
  CHECK(base_name("/tmp/a.txt") == "a.txt");
  CHECK(base_name("a.txt") == "a.txt");
  CHECK(base_name("dir/").empty());
  CHECK(base_name("").empty());
}
