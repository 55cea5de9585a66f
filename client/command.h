// SPDX-License-Identifier: MIT
//
// One line of the prompt as a value: letters and words, any case. The last
// argument is the rest of the line; quotes around it are removed. Pure: it runs nothing.
//
// 1. Every line is a Command or one line that says what is wrong with it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "client/target.h"
#include "node/events.h"

namespace client {

struct Connect {
  Target target;
};
/// No address: print this network's invite.
struct Allow {
  std::optional<mrt::Address> address;
};
struct Chat {
  std::string text;
};
struct Tell {
  std::string nick;
  std::string text;
};
struct Share {
  std::string path;
};
struct ListFiles {};
struct Get {
  std::string what;
};
struct ListPeers {};
struct ShowStats {};
/// No nick: to the first successor.
struct HandOver {
  std::string nick;
};
struct Ban {
  std::string nick;
};
struct Cancel {
  std::string what;
};
struct Quit {};
struct ShowHelp {};
/// Nothing, or only spaces.
struct EmptyLine {};

using Command = std::variant<Connect, Allow, Chat, Tell, Share, ListFiles, Get, ListPeers,
                             ShowStats, HandOver, Ban, Cancel, Quit, ShowHelp, EmptyLine>;

struct CommandMistake {
  std::string message;
  node::ErrorCode code = node::ErrorCode::usage;
};

std::variant<Command, CommandMistake> parse_command(std::string_view line);

/// One row of the prompt's help.
struct CommandRow {
  std::string_view letter;     // "C"; empty where there is none
  std::string_view words;      // "connect": all of them, separated by spaces
  std::string_view arguments;  // "IP PORT"
  std::string_view does;
};
std::span<const CommandRow> command_rows();

/// The nearest of `words` (separated by spaces) to what was typed; empty where none is near.
std::string nearest_word(std::string_view typed, std::string_view words);

}  // namespace client
