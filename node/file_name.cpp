// SPDX-License-Identifier: MIT
#include "node/file_name.h"

#include <algorithm>
#include <optional>

namespace node {
namespace {

/// Takes the next code point off the front; nothing where it is not well-formed (RFC 3629
/// section 4).
std::optional<char32_t> take_code_point(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t size = first < 0x80   ? 1
                      : first < 0xc2 ? 0
                      : first < 0xe0 ? 2
                      : first < 0xf0 ? 3
                      : first < 0xf5 ? 4
                                     : 0;
  if (size == 0 || size > text.size()) return std::nullopt;
  char32_t value = size == 1 ? first : first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    value = value << 6 | (byte(i) & 0x3fu);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

bool may_stand_in_name(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;  // C0, DEL, C1
  if (c == U'/' || c == U'\\') return false;
  if (c == 0x2028 || c == 0x2029) return false;  // line and paragraph separator
  // Embeddings, overrides and isolates: "gpj.exe" must not be shown as "exe.jpg".
  return !((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069));
}

/// The longest start of at most `size` bytes that does not cut a character.
std::string_view cut(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

/// Where the extension begins, ".tar.gz" being one; the size of the name where it has none.
size_t extension_begin(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return name.size();
  constexpr std::string_view tar = ".tar";
  if (dot > tar.size() && name.substr(0, dot).ends_with(tar)) return dot - tar.size();
  return dot;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (!take_code_point(text)) return false;
  }
  return true;
}

bool is_file_name(std::string_view name) {
  if (name.empty() || name.size() > file_name_bytes_max || name == "." || name == "..") {
    return false;
  }
  while (!name.empty()) {
    const auto c = take_code_point(name);
    if (!c || !may_stand_in_name(*c)) return false;
  }
  return true;
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string numbered_name(std::string_view name, uint32_t number) {
  const std::string suffix = " (" + std::to_string(number) + ")";
  size_t extension = extension_begin(name);
  // An "extension" that leaves no room for the rest is none.
  if (name.size() - extension + suffix.size() >= file_name_bytes_max) extension = name.size();
  const std::string_view tail = name.substr(extension);
  const std::string_view stem =
      cut(name.substr(0, extension), file_name_bytes_max - suffix.size() - tail.size());
  return std::string(stem) + suffix + std::string(tail);
}

std::string part_name(std::string_view name, const FileHash& hash, uint32_t copy) {
  const std::string suffix =
      "." + hash.to_string().substr(0, 8) + (copy == 0 ? "" : "." + std::to_string(copy)) + ".part";
  return std::string(cut(name, file_name_bytes_max - suffix.size())) + suffix;
}

}  // namespace node
