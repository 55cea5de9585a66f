// SPDX-License-Identifier: MIT
//
// `thuban hash FILE...`: prints each file's hash as sha256sum does its own.
#pragma once

#include "client/options.h"

namespace client {

/// Goes on after a file that cannot be read. done; not_found where one is missing; failed.
ExitCode run_hash(const Options& options);
/// "<hex>  NAME"; as sha256sum, a name with a line end or backslash is escaped, and the line
/// begins with a backslash.
std::string hash_line(const std::string& hash, const std::string& name);

}  // namespace client
