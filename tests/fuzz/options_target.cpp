// SPDX-License-Identifier: MIT
//
// The command line, one argument a line: it is understood or refused with one clean line.
#include "client/options.h"

#include "client/text.h"
#include "fuzz/targets.h"
#include "mrt/base/check.h"

namespace fuzz {

static void check_options(const client::Options& options) {
  CHECK(client::is_nick(options.nick));
  if (options.target) CHECK(!options.target->addresses.empty() || options.target->network);
  if (options.impair) {
    for (const double chance : {options.impair->loss, options.impair->duplicate,
                                options.impair->reorder, options.impair->corrupt})
      CHECK(chance >= 0 && chance <= 1);
    CHECK(options.impair->delay >= mrt::Duration{} && options.impair->jitter >= mrt::Duration{});
  }
}

void options(mrt::ByteView input) {
  std::vector<std::string> arguments;
  for (std::string_view rest = mrt::as_text(input); !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    arguments.emplace_back(rest.substr(0, end));
    // Arguments are strings of C: they end at a zero.
    arguments.back().resize(std::min(arguments.back().find('\0'), arguments.back().size()));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const client::Environment environment{{"HOME", "/home/ann"}, {"LOGNAME", "ann"}};
  const auto parsed = client::parse_options(arguments, environment);
  if (const auto* options = std::get_if<client::Options>(&parsed)) return check_options(*options);
  const auto& leave = std::get<client::Leave>(parsed);
  CHECK(leave.code == client::ExitCode::done || leave.code == client::ExitCode::usage);
  CHECK(!leave.text.empty());
  if (leave.code == client::ExitCode::usage) {
    const std::string_view line = client::trim(leave.text);
    CHECK(client::clean(line) == line);
  }
}

}  // namespace fuzz
