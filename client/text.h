// SPDX-License-Identifier: MIT
//
// Text for terminals, pipes and files: what a peer sent is cleaned here and nowhere else,
// sizes and times are worded, columns are measured. Pure; it knows no terminal.
//
// 1. clean() returns valid UTF-8 without control, escape or bidirectional characters,
//    whatever bytes it was given.
// 2. A line given to clean() stays one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mrt/base/time.h"

namespace client {

/// The first character of `text`, removed from it. U+FFFD stands for each ill-formed sequence
/// (RFC 3629: overlong, surrogate, truncated, above U+10FFFF).
/// REQUIRES: !text.empty().
char32_t take_character(std::string_view& text);
void append_utf8(std::string& out, char32_t character);

/// What must never reach a terminal: C0, DEL, C1, bidirectional marks, embeddings, overrides
/// and isolates (Unicode TR 36, 3.2), line and paragraph separators, invisible operators, tags.
bool is_unsafe(char32_t character);

/// Line ends and tabs become spaces, all else that is unsafe U+FFFD.
std::string clean(std::string_view text);
/// Cleaned, and cut to `columns_max` with "..." where it is wider.
std::string clean(std::string_view text, size_t columns_max);

/// Columns of a terminal, of text that was cleaned. REQUIRES: a UTF-8 locale (use_utf8_locale).
size_t columns(std::string_view text);
size_t columns(char32_t character);
/// `text` with spaces behind (or before) it up to `width` columns.
std::string pad_right(std::string_view text, size_t width);
std::string pad_left(std::string_view text, size_t width);
/// The user's locale where it is UTF-8, else C.UTF-8: wide characters, and nothing else.
void use_utf8_locale();

std::string_view trim(std::string_view text);
/// ASCII letters only: command words.
std::string to_lower(std::string_view text);
/// How many letters must change to make one of the other: for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b);

/// "812 B", "4.2 MB", "1.0 GB": powers of 1000, as disks and links are sold.
std::string size_text(uint64_t bytes);
/// "0.4 ms", "12 ms", "1.3 s", "2:05 min", "3:10:00 h".
std::string duration_text(mrt::Duration duration);

/// Whether a nick may have it: no space, not the one that does not break (U+00A0), nothing unsafe.
bool is_nick_character(char32_t character);
/// From a login name, which is somebody else's choice: what a nick must not have is left out.
std::string nick_from(std::string_view login);

}  // namespace client
