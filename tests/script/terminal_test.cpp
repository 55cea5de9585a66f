// SPDX-License-Identifier: MIT
//
// The prompt on a terminal: what somebody sees who types while others talk.
#include <doctest/doctest.h>

#include "script/terminal.h"

using namespace script;

TEST_SUITE_BEGIN("terminal");

TEST_CASE("the prompt is shown, and what is typed is carried out") {
  Star star;
  Node& anna = star.host("anna");
  Program ben(on_terminal(star, {"join", anna.addr(), "--nick", "ben"}));
  anna.await_event("joined");
  ben.write("T hello anna\r");
  CHECK(anna.await_event("chat").value("text", "") == "hello anna");
  await_shown(ben, "hello anna");
  ben.write("Q\r");
  CHECK(ben.await_end(Seconds(2)) == 0);
}

TEST_CASE("a message that arrives while typing keeps what was typed") {
  Star star;
  Node& anna = star.host("anna");
  Program ben(on_terminal(star, {"join", anna.addr(), "--nick", "ben"}));
  anna.await_event("joined");
  ben.write("T half a sen");
  await_shown(ben, "half a sen");
  anna.say("T interrupting");
  await_shown(ben, "interrupting");
  await_screen(ben, "the typed text is still in the cursor's line",
               [](const Terminal& t) { return t.current_line().ends_with("half a sen"); });
  // The message has a line of its own.
  const Terminal before = screen(ben);
  for (int row = 0; row < Terminal::rows; ++row) {
    const std::string line = before.line(row);
    const bool both = line.find("interrupting") != std::string::npos &&
                      line.find("half a sen") != std::string::npos;
    CHECK_MESSAGE(!both, before.picture());
  }
  ben.write("tence\r");
  CHECK(anna.await_event("chat", [&](const Json& chat) { return chat.value("nick", "") == "ben"; })
            .value("text", "") == "half a sentence");
  ben.write("Q\r");
  CHECK(ben.await_end(Seconds(2)) == 0);
}

TEST_CASE("a line is edited with the usual keys and comes back from the history") {
  Star star;
  Node& anna = star.host("anna");
  Program ben(on_terminal(star, {"join", anna.addr(), "--nick", "ben"}));
  anna.await_event("joined");
  const auto said = [&](const std::string& text) {
    return [=](const Json& chat) { return chat.value("text", "") == text; };
  };
  ben.write("T abXc\x1b[D\x7f\r");  // left, erase
  anna.await_event("chat", said("abc"));
  ben.write("T second\r");
  anna.await_event("chat", said("second"));
  const size_t mark = anna.mark();
  ben.write("\x1b[A\x1b[A\r");  // up, up
  anna.await_event("chat", said("abc"), mark);
  ben.write(
      "T gr\xc3\xbc\xc3\x9f"
      "e!\x7f\r");
  anna.await_event("chat", said("grüße"));
  ben.write("T never said\x15T instead\r");  // ^U
  anna.await_event("chat", said("instead"));
  CHECK(anna.find("chat", said("never said")) == nullptr);
}

TEST_CASE("Ctrl-C and Ctrl-D leave the terminal as it was") {
  Star star;
  Node& anna = star.host("anna");
  for (const char* key : {"\x03", "\x04"}) {
    Program ben(on_terminal(star, {"join", anna.addr(), "--nick", "ben"}));
    anna.await_event("joined", any, anna.mark());
    ben.write("?\r");
    await_shown(ben, "help");
    ben.write(key);
    CHECK_MESSAGE(ben.await_end(Seconds(2)) == 0, screen(ben).picture());
  }
}

TEST_CASE("what peers send cannot command the terminal") {
  Star star;
  Node& anna = star.host("anna");
  Program ben(on_terminal(star, {"join", anna.addr(), "--nick", "ben", "--color", "never"}));
  anna.await_event("joined");
  anna.say(
      "T a\x1b]0;owned\x07"
      "b \x1b[2J\x1b[31mc \u202edrow");
  anna.say("T end");
  await_shown(ben, "end");
  CHECK(ben.output().find("\x1b]0") == std::string::npos);
  CHECK(ben.output().find("\x1b[2J") == std::string::npos);
  CHECK(ben.output().find("\x1b[31m") == std::string::npos);
  CHECK(ben.output().find("\u202e") == std::string::npos);
}

TEST_CASE("a download shows its progress without breaking the prompt") {
  Star star;
  Node& anna = star.host("anna", {"--impair", "rate=20mbit"});
  const Launch launch = on_terminal(star, {"join", anna.addr(), "--nick", "ben"});
  Program ben(launch);
  anna.await_event("joined");
  anna.say("B " + make_file(anna.folder() / "film", 3'000'000).string());
  await_shown(ben, "film");
  ben.write("R film\r");
  await_screen(ben, "a percentage", [](const Terminal& t) { return t.shows("%"); });
  ben.write("T typing mea");
  Program::await("the file", [&] { return std::filesystem::exists(launch.folder / "film"); });
  ben.write("nwhile\r");
  CHECK(anna.await_event("chat").value("text", "") == "typing meanwhile");
}

TEST_SUITE_END();
