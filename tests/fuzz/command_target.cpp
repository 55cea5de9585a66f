// SPDX-License-Identifier: MIT
//
// A line of the prompt: it is a command or one clean line that says what is wrong.
#include <variant>

#include "client/command.h"
#include "client/text.h"
#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/message.h"

namespace fuzz {

static void check_target(const client::Target& target) {
  CHECK(!target.addresses.empty() || target.network);
  for (const mrt::Address& address : target.addresses) CHECK(address.is_unicast());
}

static void check_command(const client::Command& command) {
  if (const auto* connect = std::get_if<client::Connect>(&command)) check_target(connect->target);
  if (const auto* allow = std::get_if<client::Allow>(&command))
    CHECK(!allow->address || allow->address->is_unicast());
  if (const auto* chat = std::get_if<client::Chat>(&command))
    CHECK(chat->text.size() <= node::text_bytes_max);
  if (const auto* tell = std::get_if<client::Tell>(&command))
    CHECK(!tell->nick.empty() && tell->text.size() <= node::text_bytes_max);
  if (const auto* get = std::get_if<client::Get>(&command)) CHECK(!get->what.empty());
  if (const auto* share = std::get_if<client::Share>(&command)) CHECK(!share->path.empty());
}

void command(mrt::ByteView input) {
  const std::string line(mrt::as_text(input));
  const auto parsed = client::parse_command(line);
  if (const auto* mistake = std::get_if<client::CommandMistake>(&parsed)) {
    CHECK(!mistake->message.empty() && client::clean(mistake->message) == mistake->message);
  } else {
    check_command(std::get<client::Command>(parsed));
  }
  // Space around a line means nothing.
  const auto spaced = client::parse_command("  " + line + "\t\r\n");
  CHECK(spaced.index() == parsed.index());
  const auto* command = std::get_if<client::Command>(&parsed);
  CHECK(command == nullptr || std::get<client::Command>(spaced).index() == command->index());
}

}  // namespace fuzz
