// SPDX-License-Identifier: MIT
//
// `thuban bench send`: one reliable transfer to `bench serve`, of so many bytes or for so long.
#pragma once

#include <variant>

#include "client/bench_report.h"

namespace client {

std::variant<SendResult, BenchFault> bench_send(const BenchOptions& options,
                                                const mrt::Address& peer);

}  // namespace client
