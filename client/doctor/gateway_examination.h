// SPDX-License-Identifier: MIT
//
// What the router of this host offers: a port of it is asked for by all that it may speak, and
// given back.
#pragma once

#include <optional>

#include "client/doctor/findings.h"

namespace client {

/// Nothing where there is no router over IPv4. Takes three seconds at most.
std::optional<GatewayFacts> examine_gateway();

}  // namespace client
