// SPDX-License-Identifier: MIT
//
// `thuban rendezvous`: the directory and the STUN responder as a service, until SIGINT or SIGTERM
// (docs/CLI.md, "Rendezvous"). It keeps nothing on a disk and reads no standard input.
#pragma once

#include "client/options.h"

namespace client {

/// The port that a rendezvous has where nobody says another; STUN is answered at the next one, too.
inline constexpr uint16_t rendezvous_port = 7700;

ExitCode run_rendezvous(const Options& options);

}  // namespace client
