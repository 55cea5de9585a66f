// SPDX-License-Identifier: MIT
#include "client/store_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "mrt/base/bytes.h"

namespace client {

namespace {

constexpr std::string_view scheme = "redis://";
// Redis' own limit is what `databases` says; 16 where nothing does.
constexpr unsigned database_max = 9'999;

/// Without its %XX; nothing where one is no byte.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = mrt::from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    out += static_cast<char>(byte->front());
    i += 2;
  }
  return out;
}

template <class T>
bool read_number(std::string_view text, T low, T high, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= low && out <= high;
}

/// What stands before an '@', which is taken off.
bool take_login(std::string_view& rest, stun::uv::RedisServer& out) {
  const size_t at = rest.rfind('@');
  if (at == std::string_view::npos) return true;
  const std::string_view login = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const size_t colon = login.find(':');
  if (colon == std::string_view::npos) return false;
  const auto user = decoded(login.substr(0, colon));
  const auto password = decoded(login.substr(colon + 1));
  if (!user || !password || password->empty()) return false;
  out.user = *user;
  out.password = *password;
  return true;
}

bool take_database(std::string_view& rest, stun::uv::RedisServer& out) {
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return true;
  const std::string_view number = rest.substr(slash + 1);
  rest = rest.substr(0, slash);
  return number.empty() || read_number(number, 0u, database_max, out.database);
}

/// "host", "host:port", "[v6]", "[v6]:port".
bool take_host(std::string_view rest, stun::uv::RedisServer& out) {
  std::string_view port;
  if (rest.starts_with('[')) {
    const size_t end = rest.find(']');
    if (end == std::string_view::npos) return false;
    out.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const size_t colon = std::min(rest.find(':'), rest.size());
    out.host = rest.substr(0, colon);
    port = rest.substr(colon);
  }
  // A query or a fragment, which no option here is given by.
  if (out.host.empty() || out.host.find_first_of("?# ") != std::string::npos) return false;
  return port.empty() || (port.front() == ':' &&
                          read_number(port.substr(1), uint16_t{1}, uint16_t{65'535}, out.port));
}

}  // namespace

std::optional<stun::uv::RedisServer> parse_store(std::string_view url, std::string& why) {
  constexpr std::string_view form = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]";
  if (url.starts_with("rediss://")) {
    why = "--store has no TLS: redis:// on a network of your own, or through a tunnel";
    return std::nullopt;
  }
  if (!url.starts_with(scheme)) {
    // It may be a password all the same.
    why = fmt::format("--store takes {}", form);
    return std::nullopt;
  }
  std::string_view rest = url.substr(scheme.size());
  stun::uv::RedisServer out;
  if (!take_login(rest, out)) {
    why = fmt::format("--store: what stands before the @ is no [USER]:PASSWORD ({})", form);
  } else if (!take_database(rest, out)) {
    why = fmt::format("--store: a database is a number from 0 to {}", database_max);
  } else if (!take_host(rest, out)) {
    // Not told which: without an '@' it may be a password.
    why = fmt::format("--store: there is no HOST[:PORT] in it ({})", form);
  } else {
    return out;
  }
  return std::nullopt;
}

void hide_passwords(char** begin, char** end) {
  for (; begin != end; ++begin) {
    const std::string_view text(*begin);
    const size_t from = text.find(scheme);
    if (from == std::string_view::npos) continue;
    size_t to = text.rfind('@');
    std::string why;
    // Of what is no URL nobody knows what it was meant to be.
    if (to == std::string_view::npos && !parse_store(text.substr(from), why)) to = text.size();
    if (to == std::string_view::npos || to <= from + scheme.size()) continue;
    std::fill(*begin + from + scheme.size(), *begin + to, '*');
  }
}

}  // namespace client
