// SPDX-License-Identifier: MIT
#include "client/command.h"

#include <doctest/doctest.h>

#include <string>

#include "node/node.h"

namespace client {

static Command parsed(std::string_view line) {
  const auto result = parse_command(line);
  REQUIRE_MESSAGE(std::holds_alternative<Command>(result), line);
  return std::get<Command>(result);
}

static std::string mistake(std::string_view line) {
  const auto result = parse_command(line);
  REQUIRE_MESSAGE(std::holds_alternative<CommandMistake>(result), line);
  return std::get<CommandMistake>(result).message;
}

TEST_CASE("letters and words in any case are the same commands") {
  const auto is = [](auto kind, std::string_view line) {
    CHECK_MESSAGE(std::holds_alternative<decltype(kind)>(parsed(line)), line);
  };
  for (const char* line : {"T hi", "t hi", "chat hi", "Chat hi", "MSG hi"}) is(Chat{}, line);
  for (const char* line : {"M bob hi", "tell bob hi"}) is(Tell{}, line);
  for (const char* line : {"B f", "share f", "add f", "broadcast f"}) is(Share{}, line);
  for (const char* line : {"G", "files"}) is(ListFiles{}, line);
  for (const char* line : {"R f", "get f", "req f"}) is(Get{}, line);
  for (const char* line : {"P", "peers"}) is(ListPeers{}, line);
  for (const char* line : {"S", "stats"}) is(ShowStats{}, line);
  for (const char* line : {"H", "H bob", "handover", "handover bob"}) is(HandOver{}, line);
  for (const char* line : {"ban bob"}) is(Ban{}, line);
  for (const char* line : {"cancel f"}) is(Cancel{}, line);
  for (const char* line : {"Q", "q", "quit", "exit", " Q \r"}) is(Quit{}, line);
  for (const char* line : {"?", "help"}) is(ShowHelp{}, line);
  for (const char* line : {"A", "allow"}) is(Allow{}, line);
  for (const char* line : {"", "  ", "\t"}) is(EmptyLine{}, line);
}

TEST_CASE("the last argument is the rest of the line without the quotes around it") {
  CHECK(std::get<Chat>(parsed("T  two  words ")).text == "two  words");
  CHECK(std::get<Chat>(parsed("T \" kept \"")).text == " kept ");
  CHECK(std::get<Chat>(parsed("T it's \"so\"")).text == "it's \"so\"");
  CHECK(std::get<Chat>(parsed("T \"")).text == "\"");
  CHECK(std::get<Share>(parsed("B 'a file.txt'")).path == "a file.txt");
  CHECK(std::get<Share>(parsed("B a file.txt")).path == "a file.txt");
  const auto tell = std::get<Tell>(parsed("M  bob  how are you"));
  CHECK(tell.nick == "bob");
  CHECK(tell.text == "how are you");
}

TEST_CASE("connect takes an address in each of its forms, an invite or a name") {
  const auto v4 = mrt::Address::v4(192, 0, 2, 1, 7700);
  const auto v6 = *mrt::Address::parse("[2001:db8::1]:7700");
  for (const char* line : {"C 192.0.2.1 7700", "C 192.0.2.1:7700", "connect  192.0.2.1   7700"}) {
    CHECK(std::get<Connect>(parsed(line)).target.addresses == std::vector{v4});
  }
  for (const char* line : {"C 2001:db8::1 7700", "C [2001:db8::1]:7700", "C [2001:db8::1] 7700"}) {
    CHECK(std::get<Connect>(parsed(line)).target.addresses == std::vector{v6});
  }
  CHECK(std::get<Connect>(parsed("C stars")).target.network == "stars");
  CHECK(*std::get<Allow>(parsed("A 192.0.2.1 7700")).address == v4);
  CHECK_FALSE(std::get<Allow>(parsed("A")).address);
}

TEST_CASE("what cannot be carried out is told in one line") {
  for (const char* line : {"C",
                           "C 192.0.2.1",
                           "C 192.0.2.1 0",
                           "C 192.0.2.1 99999",
                           "C 0.0.0.0 1",
                           "C 1 2 3",
                           "C thuban:x",
                           "C 300.0.0.1:1",
                           "A x",
                           "T",
                           "T   ",
                           "T \"\"x",
                           "M",
                           "M bob",
                           "B",
                           "R",
                           "ban",
                           "cancel",
                           "Q now",
                           "G x",
                           "P x",
                           "S 1",
                           "? x",
                           "xyzzy",
                           "TT hi",
                           "\x01\x02",
                           "\xff"}) {
    if (std::string_view(line) == "T \"\"x") continue;
    const std::string message = mistake(line);
    CHECK_MESSAGE(!message.empty(), line);
    CHECK_MESSAGE(message.find('\n') == std::string::npos, line);
  }
}

TEST_CASE("an unknown word names the nearest command") {
  CHECK(mistake("caht hi").find("'chat'") != std::string::npos);
  CHECK(mistake("peer").find("'peers'") != std::string::npos);
  CHECK(mistake("FILS").find("'files'") != std::string::npos);
  CHECK(mistake("qwertyuiop").find("mean") == std::string::npos);
}

TEST_CASE("a text of 64 KiB is the longest") {
  const std::string longest(node::text_bytes_max, 'x');
  CHECK(std::get<Chat>(parsed("T " + longest)).text == longest);
  CHECK(mistake("T " + longest + 'x').find("too long") == 0);
  CHECK(mistake("M bob " + longest + 'x').find("too long") == 0);
  CHECK(std::get<CommandMistake>(parse_command("T " + longest + 'x')).code ==
        node::ErrorCode::limit);
}

TEST_CASE("the table of commands fits a terminal of eighty columns") {
  for (const CommandRow& row : command_rows()) {
    CHECK(row.words.size() <= 19);
    CHECK(row.arguments.size() <= 9);
    CHECK(2 + 2 + 1 + 19 + 1 + 9 + 2 + row.does.size() <= 80);
  }
}

}  // namespace client
