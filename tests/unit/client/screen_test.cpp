// SPDX-License-Identifier: MIT
#include "client/screen.h"

#include <doctest/doctest.h>

#include "client/interpreter.h"
#include "client/invite.h"
#include "client/log.h"
#include "client/table.h"
#include "client/text.h"
#include "unit/client/events_for_tests.h"

namespace client {

static void check_safe(const std::string& shown) {
  for (std::string_view rest = shown; !rest.empty();) {
    const char32_t character = take_character(rest);
    // Tables have lines of their own making.
    if (character != U'\n') CHECK_FALSE_MESSAGE(is_unsafe(character), shown);
  }
}

TEST_CASE("no event brings a peer's control characters to the screen or into the log") {
  for (const std::string& text : hostile_texts) {
    Screen screen(false);
    for (const auto& report : all_reports(text)) {
      if (const auto line = screen.show(report)) check_safe(line->text);
      check_safe(log_entry(report).text);
    }
    for (const auto& event : all_node_events(text)) {
      if (const auto line = screen.show(event)) check_safe(line->text);
      check_safe(log_entry(event).text);
    }
  }
}

TEST_CASE("a peer's line end does not begin a line of its own") {
  Screen screen(false);
  const auto line =
      screen.show(node::Event(node::ChatDelivered{id_of(2), "eve", "hi\nann: I quit", {}, {}}));
  CHECK(line->text == "eve: hi ann: I quit");
}

TEST_CASE("chat and what was asked for is data, the rest are notes") {
  Screen screen(false);
  std::string kinds;
  for (const auto& event : all_node_events("anna")) {
    const auto line = screen.show(event);
    kinds += !line ? '-' : line->kind == Line::Kind::result ? 'd' : 'n';
  }
  CHECK(kinds == "n-nnddnndnn-nn--------n");
  kinds.clear();
  for (const auto& report : all_reports("anna")) {
    const auto line = screen.show(report);
    kinds += !line                              ? '-'
             : line->kind == Line::Kind::result ? 'd'
             : line->kind == Line::Kind::note   ? 'n'
                                                : 'e';
  }
  CHECK(kinds == "ndddde-");
}

TEST_CASE("nodes are called by their nicks, also after they left") {
  Screen screen(false);
  CHECK(screen.name_of(id_of(2)) == "02020202");
  screen.show(node::Event(node::PeerJoined{id_of(2), "bob"}));
  screen.show(node::Event(node::PeerLeft{id_of(2), "bob", node::LeaveReason::lost}));
  CHECK(screen.name_of(id_of(2)) == "bob");
}

TEST_CASE("being alone is told to one who was not, and once") {
  Screen screen(false);
  const auto tells = [&](node::Role role) {
    return screen.show(node::Event(node::RoleChanged{role, {}, {}})).has_value();
  };
  CHECK_FALSE(tells(node::Role::alone));
  CHECK(tells(node::Role::member));
  CHECK(tells(node::Role::alone));
  CHECK_FALSE(tells(node::Role::alone));
}

TEST_CASE("no key and no invite is in the log") {
  const std::string key = "00112233445566778899aabbccddeeff";
  CHECK(log_entry(node::Event(node::KeysLogged{key})).text.empty());
  CHECK(log_entry(Report(Invited{"thuban:" + key, {}, mrt::Access::secret})).text.empty());
  CHECK(told_line("C thuban:" + key) == "C thuban:...");
  CHECK(told_line("c 'thuban:" + key + "'").find(key) == std::string::npos);
  CHECK(told_line("C Thuban:" + key + " x THUBAN:" + key) == "C Thuban:... x THUBAN:...");
  CHECK(without_invites("there is no command 'thuban:" + key.substr(0, 9) + "...'") ==
        "there is no command 'thuban:......'");
  CHECK(without_invites("thuban: no room") == "thuban: no room");
  CHECK(told_line(" T hello\n") == "T hello");
}

TEST_CASE("colour is used only where it is wanted") {
  const node::Event joined = node::PeerJoined{id_of(2), "bob"};
  CHECK(Screen(false).show(joined)->text == "+ bob joined");
  CHECK(Screen(true).show(joined)->text == "\033[32m+ bob joined\033[0m");
}

TEST_CASE("tables are as wide as what is in them") {
  use_utf8_locale();
  Table table({"NAME", ">SIZE"});
  table.add({"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "1"});
  table.add({"a", "100 kB"});
  CHECK(table.to_string() ==
        "NAME      SIZE\n"
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e       1\n"
        "a       100 kB");
}

TEST_CASE("log lines begin with the time in UTC and the level") {
  CHECK(log_line(1'700'000'000'042, {LogLevel::info, "join"}) ==
        "2023-11-14T22:13:20.042Z info  join");
}

TEST_CASE("what an operator looks for is logged at info or louder") {
  std::string levels;
  for (const auto& event : all_node_events("anna")) {
    levels += "-ewid"[static_cast<size_t>(log_entry(event).level)];
  }
  CHECK(levels == "idiwddwwdiidiiid--diw-i");
}

}  // namespace client
