// SPDX-License-Identifier: MIT
//
// Events as lines of JSON (docs/CLI.md, "Events"). Pure.
//
// 1. A line is one object, valid UTF-8 whatever a peer sent, and ends with '\n'.
// 2. Control, escape and bidirectional characters are escaped: read by a program the text is
//    as it was sent, seen on a terminal it does no harm.
#pragma once

#include <cstdint>
#include <string>

#include "client/report.h"

namespace client {

/// `ts`: Unix time in ms.
std::string to_json(const Report& report, int64_t ts);
/// Empty for what is no event of the contract (JoinDone, Noted, disk requests, ...).
std::string to_json(const node::Event& event, int64_t ts);
/// Whether `thuban rendezvous` shares its table: event `store` with `state` ("shared" or "alone"),
/// `addr`, `reason`.
std::string store_json(bool shared, const std::string& at, const std::string& reason, int64_t ts);
/// One file of `thuban hash`: event `hash` with `name`, `size`, `hash`.
std::string hash_json(const std::string& name, uint64_t size, const node::FileHash& hash,
                      int64_t ts);

}  // namespace client
