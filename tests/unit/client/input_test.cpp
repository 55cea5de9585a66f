// SPDX-License-Identifier: MIT
//
// What is typed: bytes into lines (line_reader.h), bytes into keys (keys.h), Tab (completion.h).
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "client/completion.h"
#include "client/keys.h"
#include "client/line_reader.h"
#include "client/prompt.h"
#include "mrt/base/random.h"

namespace client {

using Lines = std::vector<std::optional<std::string>>;

static Lines lines_of(const std::vector<std::string>& pieces) {
  Lines lines;
  const auto take = [&](std::optional<std::string_view> line) {
    lines.push_back(line ? std::optional(std::string(*line)) : std::nullopt);
  };
  LineSplitter splitter;
  for (const std::string& piece : pieces) splitter.push(piece, take);
  splitter.finish(take);
  return lines;
}

TEST_CASE("lines are the same wherever the pipe cuts them") {
  const std::string text = "T one\n\nT two\r\nT \0three\nlast";
  const Lines whole = lines_of({text});
  for (size_t i = 0; i <= text.size(); ++i) {
    CHECK(lines_of({text.substr(0, i), text.substr(i)}) == whole);
  }
  CHECK(lines_of({"a\n", "b"}) == Lines{"a", "b"});
  CHECK(lines_of({"a\nb\n"}) == Lines{"a", "b"});
  CHECK(lines_of({""}).empty());
}

TEST_CASE("a line that is too long is told once, and the next is whole again") {
  const std::string longest(line_bytes_max, 'x');
  CHECK(lines_of({longest + "\nT hi\n"}) == Lines{longest, "T hi"});
  CHECK(lines_of({longest + "x\nT hi\n"}) == Lines{std::nullopt, "T hi"});
  CHECK(lines_of({longest, longest, longest, "\nT hi"}) == Lines{std::nullopt, "T hi"});
  CHECK(lines_of({longest, longest}) == Lines{std::nullopt});
}

TEST_CASE("a key is given on only when it is whole") {
  struct Row {
    std::string bytes;
    size_t size;
  };
  const Row rows[] = {
      {"a", 1},
      {"ab", 1},
      {"\xc3\xa9x", 2},
      {"\xc3", 0},
      {"\xf0\x9f\x98\x80", 4},
      {"\xf0\x9f\x98", 0},
      {"\xff", 1},
      {"\xc3x", 1},
      {"\x1b", 0},
      {"\x1b[", 0},
      {"\x1b[A", 3},
      {"\x1b[1;5", 0},
      {"\x1b[1;5Cx", 6},
      {"\x1bOP", 3},
      {"\x1b"
       "b",
       2},
      {"\x1b\x1b[A", 1},
      {"\x16", 0},
      {"\x16\x1b", 2},
      {"\x18\x18", 2},
      {"\x1b\xc3\xa9", 3},
      {"\x1b\xc3", 0},
      {"\x1b[\x01", 2},
  };
  for (const Row& row : rows) CHECK_MESSAGE(key_size(row.bytes) == row.size, row.bytes);
}

TEST_CASE("whatever a terminal sends, keys use it up") {
  mrt::Random random(mrt::seed_from(1));
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(1 + random.below(60), '\0');
    for (char& c : bytes) {
      c = random.chance(0.3) ? "\x1b[O0;\x16\x18\xc3"[random.below(8)]
                             : static_cast<char>(random.below(256));
    }
    bytes += std::string(64, '~');  // ends every sequence
    while (!bytes.empty() && bytes != "~") {
      const size_t size = key_size(bytes);
      REQUIRE(size > 0);
      REQUIRE(size <= bytes.size());
      bytes.erase(0, size);
    }
  }
}

TEST_CASE("Tab completes commands, nicks, files on offer and paths") {
  const CompletionSource source{
      {"ann", "anna", "bob"}, {"film one.mkv", "film two.mkv"}, [](const std::string& path) {
        return std::vector{path + "x", path + "y/"};
      }};
  using Words = std::vector<std::string>;
  CHECK(complete_line("pe", source) == Words{"peers"});
  CHECK(complete_line("PE", source) == Words{"peers"});
  CHECK(complete_line("te", source) == Words{"tell "});
  CHECK(complete_line("M an", source) == Words{"M ann", "M anna"});
  CHECK(complete_line("tell b", source) == Words{"tell bob"});
  CHECK(complete_line("R film o", source) == Words{"R film one.mkv"});
  CHECK(complete_line("B /tmp/", source) == Words{"B /tmp/x", "B /tmp/y/"});
  CHECK(complete_line("T hel", source).empty());
}

TEST_CASE("what all candidates begin with ends at a whole character") {
  CHECK(common_start({"R film one", "R film two"}) == "R film ");
  CHECK(common_start({"M \xc3\xa9"
                      "a",
                      "M \xc3\xa8"
                      "b"}) == "M ");
  CHECK(common_start({"M \xc3\xa9"}) == "M \xc3\xa9");
  CHECK(common_start({}).empty());
}

}  // namespace client
