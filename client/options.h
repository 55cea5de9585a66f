// SPDX-License-Identifier: MIT
//
// The command line as a value. Pure: it opens no file and reads no terminal; what it needs of
// the environment is given to it.
//
// 1. Options may stand before or after the command.
// 2. Each mistake is one line and exit code 2; nothing has been done by then.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/bench/options.h"
#include "client/impair.h"
#include "client/sim_command.h"
#include "client/target.h"
#include "stun/uv/redis_store.h"

namespace client {

/// docs/CLI.md, "Exit codes".
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,
  unreachable = 3,
  not_allowed = 4,
  integrity = 5,
  not_found = 6,
  refused = 7,
  interrupted = 130,
};

enum class Verb : uint8_t {
  none,
  host,
  join,
  share,
  get,
  chat,
  peers,
  files,
  hash,
  demo,
  sim,
  bench,
  rendezvous,
  doctor,
};
/// Where the network's password comes from (access.h reads it).
enum class PasswordFrom : uint8_t { nowhere, file, variable, terminal };
enum class When : uint8_t { automatic, always, never };
enum class LogLevel : uint8_t { off, error, warn, info, debug };

struct Options {
  Verb verb = Verb::none;
  std::string verb_text;           // as it was typed
  std::vector<std::string> files;  // share, hash
  std::string what;                // get: name or hash; chat: text
  std::optional<Target> target;    // join, peers, files; --to, --from
  std::optional<std::string> out;  // get

  std::string nick;
  std::vector<mrt::Address> bind;  // empty: 0.0.0.0 and [::]
  std::string network = "default";
  std::vector<std::string> rendezvous, stun;   // HOST:PORT each
  std::optional<stun::uv::RedisServer> store;  // rendezvous
  bool nat = true;                             // --nat auto
  bool watch_nat = false;                      // STUN servers may be asked
  bool network_given = false;                  // else the network of the target is taken
  PasswordFrom password_from = PasswordFrom::nowhere;
  std::string password_file;
  bool open = false;
  bool plain = false;
  std::optional<std::string> keylog_file;
  std::string downloads = ".";
  std::optional<std::string> share_folder;
  bool reshare = true;
  std::string state;  // empty: there is no home to keep it in
  bool ephemeral = false;
  std::optional<size_t> history;
  bool prompt = true;
  bool may_ask = true;  // nothing was said that forbids it; whether somebody is there: can_ask()
  std::optional<ImpairSpec> impair;
  bool json = false;
  LogLevel log = LogLevel::off;
  std::optional<std::string> log_file;
  When colour = When::automatic;
  bool quiet = false;
  bool qr = false;  // the invite as a QR code, too
  bool progress = true;

  bool step = false;      // demo
  bool thorough = false;  // doctor --long
  SimOptions sim;
  BenchOptions bench;
};

/// The program ends without doing anything: --help and --version (code done, text for standard
/// output) or a mistake (code usage, one line for standard error).
struct Leave {
  ExitCode code;
  std::string text;
};

using Environment = std::map<std::string, std::string>;
/// The variables that parse_options() looks at; LOGNAME from the user database where unset.
Environment environment_of_process();

std::variant<Options, Leave> parse_options(const std::vector<std::string>& arguments,
                                           const Environment& environment);

/// 1 to 32 characters that a nick may have (text.h).
bool is_nick(std::string_view nick);

}  // namespace client
