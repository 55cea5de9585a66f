// SPDX-License-Identifier: MIT
#include "client/text.h"

#include <fmt/format.h>
#include <langinfo.h>
#include <wchar.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <numeric>
#include <vector>

namespace client {

static constexpr char32_t replacement = 0xfffd;

char32_t take_character(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t size = first < 0x80   ? 1
                      : first < 0xc2 ? 0
                      : first < 0xe0 ? 2
                      : first < 0xf0 ? 3
                      : first < 0xf5 ? 4
                                     : 0;
  if (size == 0) {
    text.remove_prefix(1);
    return replacement;
  }
  char32_t value = size == 1 ? first : first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if (i >= text.size() || (byte(i) & 0xc0) != 0x80) {
      text.remove_prefix(i);
      return replacement;
    }
    value = value << 6 | (byte(i) & 0x3fu);
  }
  text.remove_prefix(size);
  static constexpr std::array<char32_t, 5> smallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  return value < smallest[size] || surrogate || value > 0x10ffff ? replacement : value;
}

void append_utf8(std::string& out, char32_t character) {
  const auto push = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (character < 0x80) {
    push(character);
  } else if (character < 0x800) {
    push(0xc0 | character >> 6);
    push(0x80 | (character & 0x3f));
  } else if (character < 0x10000) {
    push(0xe0 | character >> 12);
    push(0x80 | (character >> 6 & 0x3f));
    push(0x80 | (character & 0x3f));
  } else {
    push(0xf0 | character >> 18);
    push(0x80 | (character >> 12 & 0x3f));
    push(0x80 | (character >> 6 & 0x3f));
    push(0x80 | (character & 0x3f));
  }
}

bool is_unsafe(char32_t character) {
  struct Range {
    char32_t first, last;
  };
  static constexpr Range ranges[] = {
      {0x00, 0x1f},     {0x7f, 0x9f},        // C0, DEL, C1
      {0xad, 0xad},     {0x61c, 0x61c},      // soft hyphen; Arabic letter mark
      {0x180e, 0x180e}, {0x200b, 0x200b},    // invisible spaces
      {0x200e, 0x200f}, {0x2028, 0x202e},    // marks; separators, embeddings, overrides
      {0x2060, 0x206f}, {0xfeff, 0xfeff},    // invisible operators, isolates; byte order mark
      {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},  // interlinear annotation; tags
  };
  return std::any_of(std::begin(ranges), std::end(ranges), [&](const Range& range) {
    return character >= range.first && character <= range.last;
  });
}

std::string clean(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const char32_t character = take_character(text);
    const bool space = character == '\n' || character == '\t' || character == '\r' ||
                       character == 0x2028 || character == 0x2029;
    append_utf8(out, space ? U' ' : is_unsafe(character) ? replacement : character);
  }
  return out;
}

std::string clean(std::string_view text, size_t columns_max) {
  const std::string whole = clean(text);
  if (columns(whole) <= columns_max) return whole;
  static constexpr std::string_view dots = "...";
  std::string out;
  size_t width = dots.size();
  for (std::string_view rest = whole; !rest.empty();) {
    const char32_t character = take_character(rest);
    width += columns(character);
    if (width > columns_max) break;
    append_utf8(out, character);
  }
  return out + std::string(dots);
}

size_t columns(char32_t character) {
  const int width = wcwidth(static_cast<wchar_t>(character));
  return width < 0 ? 1 : static_cast<size_t>(width);
}

size_t columns(std::string_view text) {
  size_t sum = 0;
  while (!text.empty()) sum += columns(take_character(text));
  return sum;
}

std::string pad_right(std::string_view text, size_t width) {
  const size_t have = columns(text);
  return std::string(text) + std::string(have < width ? width - have : 0, ' ');
}

std::string pad_left(std::string_view text, size_t width) {
  const size_t have = columns(text);
  return std::string(have < width ? width - have : 0, ' ') + std::string(text);
}

void use_utf8_locale() {
  std::setlocale(LC_CTYPE, "");
  if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
}

std::string_view trim(std::string_view text) {
  static constexpr std::string_view blank = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string size_text(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  static constexpr const char* units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  // 999.95 would be printed as 1000.0.
  while (value >= 999.95 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string duration_text(mrt::Duration duration) {
  const double ms = mrt::to_seconds(duration) * 1000;
  if (ms < 9.95) return fmt::format("{:.1f} ms", ms);
  if (ms < 999.5) return fmt::format("{:.0f} ms", ms);
  if (ms < 59'950) return fmt::format("{:.1f} s", ms / 1000);
  const auto seconds = static_cast<int64_t>(ms / 1000 + 0.5);
  if (seconds < 3600) return fmt::format("{}:{:02} min", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02} h", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

bool is_nick_character(char32_t character) {
  return character != U' ' && character != 0xa0 && character != 0xfffd && !is_unsafe(character);
}

std::string nick_from(std::string_view login) {
  std::string out;
  size_t count = 0;
  while (!login.empty() && count < 32) {
    const char32_t character = take_character(login);
    if (!is_nick_character(character)) continue;
    append_utf8(out, character);
    ++count;
  }
  return out.empty() ? "somebody" : out;
}

}  // namespace client
