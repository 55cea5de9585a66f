// SPDX-License-Identifier: MIT
//
// redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], as it is typed for --store. Pure, but for
// hide_passwords().
//
// 1. No text that comes from here has the password.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "stun/uv/redis_store.h"

namespace client {

/// Nothing, and why in one line, where it is not that. User and password may have %XX (RFC 3986
/// section 2.1).
std::optional<stun::uv::RedisServer> parse_store(std::string_view url, std::string& why);

/// In the program's own arguments, which everybody on the host can list: each user and password of
/// such a URL becomes asterisks, and all of one that is wrong and has no '@'. REQUIRES: they were
/// copied.
void hide_passwords(char** begin, char** end);

}  // namespace client
