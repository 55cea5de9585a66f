// SPDX-License-Identifier: MIT
//
// What --help, --version and the prompt's `?` say, and the command line's words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "client/options.h"

namespace client {

/// "0.1.0"
std::string_view version();
/// Of one command, or of the whole program for Verb::none.
std::string help_text(Verb verb);
/// The table of the prompt's commands.
std::string prompt_help();

std::optional<Verb> find_verb(std::string_view word);
/// All commands of the command line with a space between them.
std::string verb_words();
/// A command of the contract that this version does not have.
bool is_later_verb(std::string_view word);

}  // namespace client
