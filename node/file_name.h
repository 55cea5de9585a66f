// SPDX-License-Identifier: MIT
//
// Names of offered files. A peer's name is hostile until is_file_name() said otherwise; it
// then is one component of a path and cannot lead anywhere else. Knows no file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "node/ids.h"

namespace node {

/// NAME_MAX of Linux and most file systems, in bytes.
inline constexpr size_t file_name_bytes_max = 255;

/// 1 to 255 bytes of valid UTF-8 (RFC 3629) without '/', '\', control characters (C0, DEL,
/// C1), line or paragraph separators and bidirectional overrides; neither "." nor "..".
bool is_file_name(std::string_view name);
/// What stands behind the last '/' of a path; may be empty.
std::string_view base_name(std::string_view path);
/// The n-th alternative where a name is taken: "a.txt" -> "a (1).txt". "archive.tar.gz" ->
/// "archive (1).tar.gz", as browsers do; ".profile" -> ".profile (1)". Cut at a character so
/// that it stays a name.
std::string numbered_name(std::string_view name, uint32_t number);
/// Where a download lies until it is complete: "NAME.<first 8 digits of its hash>.part"; further
/// copies, of other programs at the same time, are "NAME.<digits>.1.part" and so on.
std::string part_name(std::string_view name, const FileHash& hash, uint32_t copy = 0);
/// Well-formed UTF-8: no overlong forms, surrogates or code points above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace node
