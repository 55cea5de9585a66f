// SPDX-License-Identifier: MIT
//
// What can be told of this host without asking another: its clock, and whether it hears groups.
#pragma once

#include <vector>

#include "client/doctor/findings.h"

namespace client {

/// By adjtimex(2).
ClockFacts examine_clock();

/// For each device with an IPv4 address, but loopback: whether what is sent to a group there comes
/// back to this host. Takes a fifth of a second for each that is silent.
std::vector<MulticastFacts> examine_multicast();

}  // namespace client
