// SPDX-License-Identifier: MIT
//
// The program: from the command line to its exit code.
#pragma once

#include <string>
#include <vector>

namespace client {

int run(const std::vector<std::string>& arguments);

}  // namespace client
