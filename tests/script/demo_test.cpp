// SPDX-License-Identifier: MIT
//
// `thuban demo` as a newcomer runs it: it works, in time, and leaves nothing behind.
#include <doctest/doctest.h>

#include "script/star.h"
#include "script/terminal.h"

using namespace script;

namespace {

// Processes of this program whose folder is `home`: the demo's, wherever they hang.
size_t processes_in(const std::filesystem::path& home) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string environment = contents(entry.path() / "environ");
    if (environment.find("HOME=" + home.string()) != std::string::npos) ++count;
  }
  return count;
}

// TMPDIR is the folder, so what the demo leaves behind is found there.
void check_nothing_left(const std::filesystem::path& home) {
  const bool clean = Program::run_until(
      [&] { return processes_in(home) == 0 && listing(home).empty(); }, Seconds(4));
  CHECK_MESSAGE(clean, processes_in(home) << " processes, " << listing(home).size() << " files");
}

}  // namespace

TEST_SUITE_BEGIN("demo");

TEST_CASE("the demo tells its story in under fifteen seconds and leaves nothing behind") {
  Star star;
  const Launch launch = star.launch({"demo"});
  const Outcome outcome = run(launch, Seconds(30));
  CHECK_MESSAGE(outcome.code == 0, outcome.output << outcome.complaints);
  CHECK(outcome.seconds < 15);
  for (const char* text :
       {"thuban host", "everywhere", "MB/s", "kill -9", "supernode now", "messages lost"}) {
    CHECK_MESSAGE(outcome.output.find(text) != std::string::npos, text);
  }
  CHECK(outcome.output.find('\x1b') == std::string::npos);
  check_nothing_left(launch.folder);
}

TEST_CASE("where there is no UTF-8 the demo is plain ASCII") {
  Star star;
  Launch launch = star.launch({"demo"});
  launch.environment["LANG"] = "C";
  const Outcome outcome = run(launch, Seconds(30));
  CHECK(outcome.code == 0);
  for (const char letter : outcome.output) {
    if (letter != '\n' && (letter < ' ' || letter > '~')) {
      FAIL_CHECK("not ASCII: " << static_cast<int>(letter));
      break;
    }
  }
}

TEST_CASE("the demo's figures as JSON: nothing lost, nothing twice") {
  Star star;
  Program demo(star.launch({"demo", "--json"}));
  CHECK_MESSAGE(demo.await_end(Seconds(30)) == 0, demo.account());
  CHECK(demo.other_lines() == 0);
  size_t scenes = 0;
  Json figures;
  for (const auto& event : demo.events()) {
    if (event.body.value("event", "") == "scene") ++scenes;
    if (event.body.value("event", "") == "figures") figures = event.body;
  }
  CHECK(scenes == 6);
  REQUIRE(figures.is_object());
  CHECK(figures.at("lost") == 0);
  CHECK(figures.at("doubled") == 0);
  CHECK(figures.at("delivered").get<int>() == figures.at("sent").get<int>() * 4);
  CHECK(figures.at("take_over_ms").get<double>() < 2'000);
  CHECK(demo.events().back().body.value("event", "") == "closed");
}

TEST_CASE("an interrupted or killed demo leaves no process and no file") {
  Star star;
  for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
    CAPTURE(signal);
    const Launch launch = star.launch({"demo", "--json"});
    Program demo(launch);
    // In the middle: while five nodes run.
    Program::await("the second scene", [&] { return demo.events().size() >= 3; });
    demo.signal(signal);
    CHECK(demo.await_end(Seconds(4)) == (signal == SIGKILL ? 128 + SIGKILL : 130));
    check_nothing_left(launch.folder);
  }
}

TEST_CASE("--step waits for a key between scenes") {
  Star star;
  Launch launch = star.launch({"demo", "--step"});
  launch.terminal = true;
  Program demo(launch);
  const auto pauses = [&demo] {
    size_t count = 0;
    for (size_t at = demo.output().find("press a key"); at != std::string::npos;
         at = demo.output().find("press a key", at + 1)) {
      ++count;
    }
    return count;
  };
  size_t expected = 0;
  while (!demo.ended()) {
    Program::await(
        "a pause or the end", [&] { return demo.ended() || pauses() > expected; }, Seconds(20));
    if (pauses() > expected) {
      ++expected;
      demo.write(" ");
    }
  }
  CHECK(expected >= 4);
  CHECK_MESSAGE(demo.exit_code() == 0, Terminal::after(demo.output()).picture());
}

TEST_SUITE_END();
