// SPDX-License-Identifier: MIT
//
// A password from the terminal that the process belongs to, whatever its standard streams are.
// It waits: for the start of the program, and for runs that have nothing else to do meanwhile.
// Where there is a prompt, that asks instead (prompt.h).
//
// 1. Nothing of what is typed is shown.
// 2. The terminal is as it was afterwards, also when a signal ends the question or the program.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mrt/base/bytes.h"

namespace client {

/// Nothing, and `why`, where there is no terminal or nothing was typed.
std::optional<mrt::Bytes> ask_terminal(std::string_view question, std::string& why);

}  // namespace client
