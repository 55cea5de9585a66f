// SPDX-License-Identifier: MIT
//
// `thuban bench` with nothing behind it: both ends on this host, a process each, over 127.0.0.1,
// sealed and plain, as a table for people or with --json a line for each run.
//
// 1. Each run has a server of its own, so that its CPU time is that run's.
// 2. Whatever happens, SIGKILL included, no server stays behind.
#pragma once

#include <vector>

#include "client/bench/report.h"
#include "client/options.h"

namespace client {

struct BenchColumn {
  SendResult bulk;
  PingResult ping;
};

/// Pure: the table of what was measured.
std::string bench_table(const BenchColumn& sealed, const BenchColumn& plain, size_t cores);

ExitCode run_bench_table(const BenchOptions& options);

}  // namespace client
