// SPDX-License-Identifier: MIT
#include "support/vectors.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

namespace mrt::test {

static void read_line(const std::string& line, Vector& out) {
  std::istringstream words(line.substr(0, line.find(';')));
  std::string word;
  if (line.starts_with("=")) {
    std::string key, value;
    words >> word >> key;
    while (words >> word) value += (value.empty() ? "" : " ") + word;
    out.meaning[key] = value;
    return;
  }
  while (words >> word) {
    if (word == "zeros") {
      size_t count = 0;
      words >> count;
      out.bytes.resize(out.bytes.size() + count);
      continue;
    }
    const auto bytes = from_hex(word);
    REQUIRE_MESSAGE(bytes, line);
    out.bytes.insert(out.bytes.end(), bytes->begin(), bytes->end());
  }
}

std::map<std::string, Vector> read_vectors() {
  std::ifstream file(THUBAN_SOURCE_DIR "/docs/WIRE.md");
  REQUIRE(file);
  std::map<std::string, Vector> out;
  std::string line;
  std::string name;
  while (std::getline(file, line)) {
    constexpr std::string_view fence = "```hex ";
    if (line.starts_with(fence)) {
      name = line.substr(fence.size());
    } else if (line.starts_with("```")) {
      name.clear();
    } else if (!name.empty()) {
      read_line(line, out[name]);
    }
  }
  return out;
}

}  // namespace mrt::test
