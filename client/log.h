// SPDX-License-Identifier: MIT
//
// The time-stamped log of `--log`: joins, leaves, deaths, migrations, offers, transfers. The
// words are made here; where they go is the caller's.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

#include "client/options.h"
#include "client/report.h"

namespace client {

struct LogEntry {
  LogLevel level = LogLevel::off;  // off: nothing to log
  std::string text;
};

/// Cleaned words for an event. Pure.
LogEntry log_entry(const node::Event& event);
LogEntry log_entry(const Report& report);
/// "2026-05-01T12:00:00.250Z info  ann joined (3f2a..)"
std::string log_line(int64_t unix_ms, const LogEntry& entry);

class Log {
 public:
  using Sink = std::function<void(std::string_view line)>;

  /// Into `file` where one is given, else to `sink`. `error` says why a file cannot be had.
  Log(LogLevel level, const std::optional<std::string>& file, Sink sink, std::string& error);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(int64_t unix_ms, const LogEntry& entry);

 private:
  LogLevel level_;
  FILE* file_ = nullptr;
  Sink sink_;
};

}  // namespace client
