// SPDX-License-Identifier: MIT
//
// What `thuban bench` was asked to do, as a value. Pure: it resolves no name and opens nothing.
//
// 1. An option that means nothing for what was asked is a mistake, never ignored.
// 2. Every number has its bounds: no bench that was started by a slip runs for days.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/impair.h"
#include "mrt/base/address.h"
#include "mrt/base/time.h"
#include "mrt/congestion.h"

namespace client {

struct BenchOptions {
  enum class Role : uint8_t { table, serve, send, ping };
  Role role = Role::table;
  std::string peer;  // send, ping: HOST:PORT

  std::optional<uint64_t> bytes;          // send: as many,
  std::optional<mrt::Duration> duration;  // or for so long; table: of each bulk run
  mrt::Duration omitted{};                // send: so long before it, which is not counted
  size_t streams = 1;                     // send

  size_t count = 100;  // ping: messages
  double rate = 100;   // a second
  size_t size = 100;   // bytes of each

  mrt::CongestionControl congestion = mrt::CongestionControl::model;

  // Of every command, filled in by options.cpp.
  std::vector<mrt::Address> bind;
  std::string nick;
  bool plain = false;
  bool json = false;
  std::optional<ImpairSpec> impair;
  std::optional<std::string> keylog_file;
};

/// The options of bench as they were typed; empty where not given.
struct BenchTexts {
  std::string bytes, seconds, omit, streams, count, rate, size, congestion;

  /// `declare(name, text)` for each.
  template <class F>
  void declare(F declare) {
    declare("--bytes", bytes);
    declare("--seconds", seconds);
    declare("--omit", omit);
    declare("--streams", streams);
    declare("--count", count);
    declare("--rate", rate);
    declare("--size", size);
    declare("--congestion", congestion);
  }
  /// The first that was given, as it is typed; empty if none was.
  std::string_view given() const;
};

/// `words`: what stands behind `bench`. Nothing, and why in one line for a user, on a mistake.
std::optional<BenchOptions> parse_bench(const std::vector<std::string>& words,
                                        const BenchTexts& texts, std::string& why);

/// "HOST:PORT" in its parts, "[v6]:PORT" without the brackets. Nothing where it is not that.
struct HostPort {
  std::string host;
  uint16_t port;
};
std::optional<HostPort> split_host(std::string_view text);

}  // namespace client
