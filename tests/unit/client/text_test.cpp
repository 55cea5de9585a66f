// SPDX-License-Identifier: MIT
#include "client/text.h"

#include <doctest/doctest.h>

#include <string>

#include "mrt/base/random.h"

namespace client {

TEST_CASE("clean text has no control, escape or bidirectional character, whatever was sent") {
  struct Row {
    std::string sent, shown;
  };
  const Row rows[] = {
      {"plain", "plain"},
      {"caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac", "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac"},
      {"a\nb\tc\rd", "a b c d"},
      {"\x1b[31mred", "\xef\xbf\xbd[31mred"},
      {std::string("nul\0!", 5), "nul\xef\xbf\xbd!"},
      {"\x7f", "\xef\xbf\xbd"},
      {"\xc2\x9b"
       "31m",
       "\xef\xbf\xbd"
       "31m"},                                                     // CSI as one C1 character
      {"exe.\xe2\x80\xaegpj", "exe.\xef\xbf\xbdgpj"},              // right-to-left override
      {"\xe2\x81\xa6x\xe2\x81\xa9", "\xef\xbf\xbdx\xef\xbf\xbd"},  // isolates
      {"\xd8\x9c", "\xef\xbf\xbd"},                                // Arabic letter mark
      {"a\xe2\x80\xa8"
       "b",
       "a b"},                               // line separator
      {"\xef\xbb\xbfx", "\xef\xbf\xbdx"},    // byte order mark
      {"\xf3\xa0\x81\x81", "\xef\xbf\xbd"},  // a tag
  };
  for (const Row& row : rows) CHECK(clean(row.sent) == row.shown);
}

TEST_CASE("ill-formed UTF-8 is replaced, and what follows it is kept") {
  CHECK(clean("\xff.") == "\xef\xbf\xbd.");
  CHECK(clean("\x80.") == "\xef\xbf\xbd.");
  CHECK(clean("\xc0\xaf.") == "\xef\xbf\xbd\xef\xbf\xbd.");  // '/' in two bytes
  CHECK(clean("\xe0\x80\xaf.") == "\xef\xbf\xbd.");          // in three
  CHECK(clean("\xed\xa0\x80.") == "\xef\xbf\xbd.");          // a surrogate
  CHECK(clean("\xf4\x90\x80\x80.") == "\xef\xbf\xbd.");      // above U+10FFFF
  CHECK(clean("\xe6\x97") == "\xef\xbf\xbd");                // cut off
  CHECK(clean("\xe6\x97x") == "\xef\xbf\xbdx");
}

TEST_CASE("whatever bytes are cleaned, the result is well-formed, safe and stays so") {
  mrt::Random random(mrt::seed_from(1));
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random.below(40), '\0');
    for (char& c : bytes) {
      // Mostly bytes that mean something in UTF-8.
      c = static_cast<char>(random.chance(0.7) ? 0x80 + random.below(0x80) : random.below(0x80));
    }
    const std::string cleaned = clean(bytes);
    std::string again;
    for (std::string_view rest = cleaned; !rest.empty();) {
      const char32_t character = take_character(rest);
      CHECK_FALSE(is_unsafe(character));
      append_utf8(again, character);
    }
    CHECK(again == cleaned);
    CHECK(clean(cleaned) == cleaned);
  }
}

TEST_CASE("text is measured and cut in columns of a terminal") {
  use_utf8_locale();
  CHECK(columns("abc") == 3);
  CHECK(columns("\xe6\x97\xa5\xe6\x9c\xac") == 4);
  CHECK(columns("e\xcc\x81") == 1);  // a combining accent
  CHECK(clean("abcdef", 6) == "abcdef");
  CHECK(clean("abcdefg", 6) == "abc...");
  CHECK(clean("\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac", 6) == "\xe6\x97\xa5...");
  CHECK(pad_right("\xe6\x97\xa5", 4) == "\xe6\x97\xa5  ");
  CHECK(pad_left("ab", 4) == "  ab");
  CHECK(pad_left("abcde", 4) == "abcde");
}

TEST_CASE("sizes have one digit behind the point and never four before it") {
  CHECK(size_text(0) == "0 B");
  CHECK(size_text(999) == "999 B");
  CHECK(size_text(1000) == "1.0 kB");
  CHECK(size_text(4'200'000) == "4.2 MB");
  CHECK(size_text(999'949) == "999.9 kB");
  CHECK(size_text(999'960) == "1.0 MB");
  CHECK(size_text(UINT64_MAX) == "18.4 EB");
}

TEST_CASE("durations are worded in the unit that people would choose") {
  using std::chrono::microseconds;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  CHECK(duration_text(microseconds(420)) == "0.4 ms");
  CHECK(duration_text(milliseconds(12)) == "12 ms");
  CHECK(duration_text(milliseconds(1300)) == "1.3 s");
  CHECK(duration_text(seconds(125)) == "2:05 min");
  CHECK(duration_text(seconds(3 * 3600 + 600)) == "3:10:00 h");
}

TEST_CASE("one changed, missing or added letter is a distance of one") {
  CHECK(edit_distance("chat", "chat") == 0);
  CHECK(edit_distance("chat", "chot") == 1);
  CHECK(edit_distance("chat", "cha") == 1);
  CHECK(edit_distance("chat", "chaat") == 1);
  CHECK(edit_distance("", "chat") == 4);
}

}  // namespace client
