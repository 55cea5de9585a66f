// SPDX-License-Identifier: MIT
#include "client/bench/bench.h"

#include <fmt/format.h>

#include <cstdio>

#include "client/bench/call.h"
#include "client/bench/report.h"
#include "client/bench/serve.h"
#include "client/bench/table.h"
#include "client/text.h"

namespace client {

namespace {

/// One bench of a peer: its result as a line, or why there is none.
template <class Bench>
ExitCode run_call(const BenchOptions& options, Bench bench) {
  BenchFault fault;
  const auto peer = resolve(options.peer, fault);
  if (!peer) return complain(options, fault);
  const auto outcome = bench(options, *peer);
  if (const auto* failed = std::get_if<BenchFault>(&outcome)) return complain(options, *failed);
  std::fputs(to_json(std::get<0>(outcome)).c_str(), stdout);
  return ExitCode::done;
}

}  // namespace

ExitCode run_bench(const BenchOptions& options) {
  if (options.keylog_file) {
    fmt::print(stderr, "thuban: WARNING: THUBAN_KEYLOG: whoever has {} can read all that is sent\n",
               clean(*options.keylog_file));
  }
  switch (options.role) {
    case BenchOptions::Role::serve:
      return run_bench_serve(options);
    case BenchOptions::Role::send:
      return run_call(options, bench_send);
    case BenchOptions::Role::ping:
      return run_call(options, bench_ping);
    case BenchOptions::Role::table:
      break;
  }
  return run_bench_table(options);
}

}  // namespace client
