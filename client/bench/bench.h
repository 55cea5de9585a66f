// SPDX-License-Identifier: MIT
//
// `thuban bench`: what MRT does on this host or between two, without a node around it.
#pragma once

#include "client/bench/options.h"
#include "client/options.h"

namespace client {

ExitCode run_bench(const BenchOptions& options);

}  // namespace client
