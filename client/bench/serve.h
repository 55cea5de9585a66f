// SPDX-License-Identifier: MIT
//
// `thuban bench serve`: takes what `bench send` sends, answers `bench ping`, until interrupted.
// A line of JSON at its start (`listening`), one for what each client did, one at its end.
//
// 1. Everything that comes in is hostile: it costs at most bench_clients_max times what one
//    connection may buffer, and one answer of some KB for each of its streams.
// 2. A client that does not read its answers is not read from.
#pragma once

#include "client/bench/options.h"
#include "client/options.h"
#include "mrt/uv/udp_socket.h"

namespace client {

// Each may fill a receive window (mrt::EndpointConfig): 200 MB in all at the very most.
inline constexpr size_t bench_clients_max = 32;

ExitCode run_bench_serve(const BenchOptions& options);
/// The same on sockets that are open, and without a word: for the other half of a process.
void serve_bench_silently(const BenchOptions& options, mrt::uv::Sockets sockets);

}  // namespace client
