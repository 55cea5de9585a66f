// SPDX-License-Identifier: MIT
//
// Who may come into the network of a node that is started here: what the options say, and the
// password from where they say that it is. It knows no node and no invite.
//
// 1. A password is read, used and overwritten: no message, log or event has a byte of it.
// 2. Without a password there is a random secret; `--open` alone opens a network to anyone.
#pragma once

#include <optional>
#include <string>

#include "client/options.h"
#include "mrt/types.h"

namespace client {

/// Longer than anything that is typed or generated; a file that is longer is the wrong file.
inline constexpr size_t password_bytes_max = 1024;

/// Nothing, and `why`, where the password cannot be had; that is a mistake of usage. `warning`:
/// what the user should know; else empty. May wait for the terminal.
std::optional<mrt::NetworkKey> own_key(const Options& options, std::string& warning,
                                       std::string& why);

/// The whole file but the line end at its end.
std::optional<mrt::Bytes> read_password_file(const std::string& path, std::string& warning,
                                             std::string& why);

/// Whether somebody is there who can be asked in the course of a run: a person at a terminal.
bool can_ask(const Options& options);

/// What is asked for: "password for network stars: ".
std::string password_question(const std::string& network);

}  // namespace client
