// SPDX-License-Identifier: MIT
#include "client/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client/text.h"
#include "node/node.h"

namespace client {

namespace {

using Parsed = std::variant<Command, CommandMistake>;

/// The order of command_rows() and of parsers below.
constexpr std::array<CommandRow, 14> rows = {{
    {"C", "connect", "IP PORT", "join the star there (or give an invite)"},
    {"A", "allow", "[IP PORT]", "open this side's NAT; alone: the invite"},
    {"T", "chat msg", "TEXT", "say something to everyone"},
    {"M", "tell", "NICK TEXT", "say something to one node"},
    {"B", "share add broadcast", "FILE", "offer a file"},
    {"G", "files", "", "what is on offer"},
    {"R", "get req", "NAME|HASH", "download a file"},
    {"P", "peers", "", "who is here"},
    {"S", "stats", "", "counters of every connection"},
    {"H", "handover", "[NICK]", "give the supernode role away"},
    {"", "ban", "NICK", "as supernode: refuse that node from now on"},
    {"", "cancel", "NAME", "stop a download"},
    {"Q", "quit exit", "", "leave (so does Ctrl-D)"},
    {"?", "help", "", "this table"},
}};

/// Cuts the first word off.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

std::string unquote(std::string_view text) {
  text = trim(text);
  const bool quoted = text.size() >= 2 && text.front() == text.back() &&
                      (text.front() == '"' || text.front() == '\'');
  return std::string(quoted ? text.substr(1, text.size() - 2) : text);
}

Parsed needs(std::string_view usage) { return CommandMistake{fmt::format("usage: {}", usage)}; }

Parsed parse_connect(std::string_view rest) {
  if (rest.empty()) return needs("C IP PORT, C IP:PORT or C INVITE");
  std::string why;
  const auto target = parse_target(unquote(rest), why);
  if (!target) return CommandMistake{why};
  return Connect{*target};
}

Parsed parse_allow(std::string_view rest) {
  if (rest.empty()) return Allow{};
  std::string why;
  const auto address = parse_remote(unquote(rest), why);
  if (!address) return CommandMistake{why};
  return Allow{address};
}

Parsed checked_text(std::string text, Command command) {
  if (text.size() <= node::text_bytes_max) return command;
  return CommandMistake{fmt::format("too long: {} bytes, at most {} can be said at once",
                                    text.size(), node::text_bytes_max),
                        node::ErrorCode::limit};
}

Parsed parse_chat(std::string_view rest) {
  if (rest.empty()) return needs("T TEXT");
  const std::string text = unquote(rest);
  return checked_text(text, Chat{text});
}

Parsed parse_tell(std::string_view rest) {
  const std::string_view nick = take_word(rest);
  if (rest.empty()) return needs("M NICK TEXT");
  const std::string text = unquote(rest);
  return checked_text(text, Tell{std::string(nick), text});
}

Parsed parse_share(std::string_view rest) {
  const std::string path = unquote(rest);
  if (path.empty()) return needs("B FILE");
  return Share{path};
}

Parsed parse_get(std::string_view rest) {
  const std::string what = unquote(rest);
  if (what.empty()) return needs("R NAME or R HASH");
  return Get{what};
}

Parsed parse_hand_over(std::string_view rest) { return HandOver{unquote(rest)}; }

Parsed parse_ban(std::string_view rest) {
  const std::string nick = unquote(rest);
  if (nick.empty()) return needs("ban NICK");
  return Ban{nick};
}

Parsed parse_cancel(std::string_view rest) {
  const std::string what = unquote(rest);
  if (what.empty()) return needs("cancel NAME");
  return Cancel{what};
}

/// Commands without arguments: a word too much is more likely a mistake than meant.
template <class T>
Parsed parse_bare(std::string_view rest) {
  if (rest.empty()) return T{};
  return CommandMistake{fmt::format("this command takes no argument ('{}')", clean(rest, 40))};
}

using Parser = Parsed (*)(std::string_view);
constexpr std::array<Parser, rows.size()> parsers = {
    parse_connect,         parse_allow,           parse_chat, parse_tell,
    parse_share,           parse_bare<ListFiles>, parse_get,  parse_bare<ListPeers>,
    parse_bare<ShowStats>, parse_hand_over,       parse_ban,  parse_cancel,
    parse_bare<Quit>,      parse_bare<ShowHelp>,
};

bool is_one_of(std::string_view word, std::string_view words) {
  while (!words.empty()) {
    if (take_word(words) == word) return true;
  }
  return false;
}

CommandMistake unknown(std::string_view word) {
  std::string all;
  for (const CommandRow& row : rows) all += std::string(row.words) + ' ';
  const std::string near = nearest_word(word, all);
  const std::string hint = near.empty() ? "" : fmt::format(" Did you mean '{}'?", near);
  return {fmt::format("there is no command '{}'.{} '?' lists them", clean(word, 40), hint)};
}

}  // namespace

std::span<const CommandRow> command_rows() { return rows; }

std::string nearest_word(std::string_view typed, std::string_view words) {
  // Two slips in a word of six are a typing error, two in a word of three another word.
  size_t best = typed.size() / 3 + 1;
  if (typed.size() > 16) return {};
  std::string nearest;
  const std::string word = to_lower(typed);
  while (!words.empty()) {
    const std::string_view candidate = take_word(words);
    const size_t distance = edit_distance(word, candidate);
    if (distance <= best && (nearest.empty() || distance < best)) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::variant<Command, CommandMistake> parse_command(std::string_view line) {
  std::string_view rest = line;
  const std::string_view typed = take_word(rest);
  if (typed.empty()) return EmptyLine{};
  const std::string word = to_lower(typed);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (word == to_lower(rows[i].letter) || is_one_of(word, rows[i].words)) {
      return parsers[i](rest);
    }
  }
  return unknown(typed);
}

}  // namespace client
