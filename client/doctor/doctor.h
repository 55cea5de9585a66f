// SPDX-License-Identifier: MIT
//
// `thuban doctor`: looks at the sockets that the kernel gives and at what stands between them and
// the world, and says what mends each fault. Its own sockets, no node.
#pragma once

#include "client/options.h"

namespace client {

/// done; unreachable where servers were named and none answered; failed where there is no socket;
/// interrupted.
ExitCode run_doctor(const Options& options);

}  // namespace client
