// SPDX-License-Identifier: MIT
//
// `thuban bench ping`: small reliable messages at a steady rate on one interactive ordered
// stream, as chat uses it, and how long each took. Where both ends have one clock (the same boot
// id) that is one way, from the call that sends to the delivery; else half of the round trip.
#pragma once

#include <variant>

#include "client/bench_report.h"

namespace client {

std::variant<PingResult, BenchFault> bench_ping(const BenchOptions& options,
                                                const mrt::Address& peer);

}  // namespace client
