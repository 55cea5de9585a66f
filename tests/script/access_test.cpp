// SPDX-License-Identifier: MIT
//
// Who comes in, and with what: random secrets and invites, passwords from file, variable and
// terminal, open and plain networks, and the file of keys.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "script/terminal.h"

using namespace script;

namespace {

const std::string password = "open-sesame";

std::string write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  return path.string();
}

/// A file with the password, for --password-file.
std::string password_file(Star& star, const std::string& text = password) {
  return write_file(star.folder("password") / "file", text + "\n");
}

std::string invite_of(Node& node) { return node.await_event("invite").value("invite", ""); }

/// `thuban peers` there: the shortest way to be let in or not.
Outcome knock(Star& star, const std::string& target, std::vector<std::string> options = {},
              const std::map<std::string, std::string>& environment = {}) {
  options.insert(options.begin(), {"peers", target});
  Launch launch = star.launch(options);
  launch.environment = environment;
  return run(launch);
}

unsigned mode_of(const std::filesystem::path& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

size_t lines_of(const std::string& text) { return count_of(text, "\n"); }

/// All that a run left behind in its folders.
std::string all_files(const std::filesystem::path& folder) {
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) all += contents(entry.path()) + '\n';
  }
  return all;
}

}  // namespace

TEST_SUITE_BEGIN("access");

TEST_CASE("on the same host nothing is needed, and an invite does no harm") {
  Star star;
  Node& anna = star.host("anna");
  CHECK(knock(star, anna.addr()).code == 0);
  const std::string invite = invite_of(anna);
  CHECK_MESSAGE(invite.size() <= 80, invite);
  CHECK(knock(star, invite).code == 0);
  Node& ben = star.open("ben", {"join", invite});
  star.settle();
  CHECK(ben.count("error") == 0);
}

TEST_CASE("an invite leads in after the supernode that gave it has gone") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  // The member's own invite has the star's secret, not the one that it was started with.
  ben.say("A");
  const std::string invite = invite_of(ben);
  anna.quit();
  ben.await_event("migrated");
  carla.await_event("migrated");
  const Outcome outcome = knock(star, invite);
  CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
  CHECK(outcome.output.find("carla") != std::string::npos);
}

TEST_CASE("a host that joins another star gives out that star's invite") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.host("ben");
  const std::string before = invite_of(ben);
  const size_t mark = ben.mark();
  ben.say("C " + anna.addr());
  const std::string after = ben.await_event("invite", any, mark).value("invite", "");
  star.settle();
  CHECK(after != before);
  CHECK(knock(star, after).code == 0);
  CHECK(knock(star, before).code == 4);
}

TEST_CASE("an invite of another star is refused with 4, though it is on the same host") {
  Star star;
  Program first(
      star.launch({"host", "--json", "--ephemeral", "--bind", "127.0.0.1:0", "--nick", "anna"}));
  Program::await("the invite", [&] { return first.events().size() >= 2; });
  const std::string address = first.events()[0].body.value("addr", "");
  const std::string invite = first.events()[1].body.value("invite", "");
  CHECK(knock(star, invite).code == 0);
  first.say("Q");
  REQUIRE(first.await_end() == 0);
  Program second(
      star.launch({"host", "--json", "--ephemeral", "--bind", address, "--nick", "anna"}));
  Program::await("the invite", [&] { return second.events().size() >= 2; });
  CHECK(second.events()[1].body.value("invite", "") != invite);
  CHECK(knock(star, address).code == 0);
  const Outcome outcome = knock(star, invite);
  CHECK_MESSAGE(outcome.code == 4, outcome.complaints);
  CHECK(lines_of(outcome.complaints) == 1);
}

TEST_CASE("with a password everybody needs it: 4 where it is wrong or missing") {
  Star star;
  const std::string right = password_file(star);
  const std::string wrong = password_file(star, "open-barley");
  Node& anna = star.host("anna", {"--password-file", right});
  const std::string invite = invite_of(anna);
  for (const std::string& target : {anna.addr(), invite}) {
    CAPTURE(target);
    CHECK(knock(star, target, {"--password-file", right}).code == 0);
    CHECK(knock(star, target, {}, {{"THUBAN_PASSWORD", password}}).code == 0);
    for (const Outcome& outcome :
         {knock(star, target), knock(star, target, {"--password-file", wrong}),
          knock(star, target, {}, {{"THUBAN_PASSWORD", "open-barley"}}),
          knock(star, target, {}, {{"THUBAN_PASSWORD", ""}})}) {
      CHECK_MESSAGE(outcome.code == 4, outcome.complaints);
      CHECK(outcome.output.empty());
      CHECK_MESSAGE(lines_of(outcome.complaints) == 1, outcome.complaints);
      CHECK(outcome.complaints.find("password") != std::string::npos);
      CHECK(outcome.complaints.find("open-barley") == std::string::npos);
    }
  }
  Node& ben = star.join("ben", anna, {"--password-file", right});
  star.settle();
  // Through a member as well, and in a star that it is not yet in nobody was told it.
  CHECK(knock(star, ben.addr(), {"--password-file", right}).code == 0);
  CHECK(knock(star, ben.addr()).code == 4);
}

TEST_CASE("in a pipeline a missing password is an event, and nobody is asked") {
  Star star;
  Node& anna = star.host("anna", {"--password-file", password_file(star)});
  Launch launch = star.launch({"join", anna.addr(), "--json", "--ephemeral"});
  Program ben(launch);
  CHECK(ben.await_end() == 4);
  REQUIRE(ben.events().size() >= 2);
  const Json& error = ben.events()[ben.events().size() - 2].body;
  CHECK(error.value("event", "") == "error");
  CHECK(error.value("code", "") == "auth");
  CHECK(ben.events().back().body.value("event", "") == "closed");
  // The same on a terminal, which `--json` or `--yes` leaves alone.
  for (const char* option : {"--json", "--yes"}) {
    Program quiet(on_terminal(star, {"join", anna.addr(), option}));
    CHECK(quiet.await_end() == 4);
    CHECK(quiet.output().find("password for") == std::string::npos);
  }
  // At the prompt it is the line that has failed.
  Node& carla = star.host("carla");
  carla.say("C " + anna.addr());
  const Json& failed = carla.await_error("auth");
  CHECK(failed.value("command", "") == "C " + anna.addr());
  carla.say("T still here");
  carla.await_event("chat");
}

TEST_CASE("a password is in no output, log or file of the nodes that know it") {
  Star star;
  const std::string file = password_file(star);
  const auto home = star.folder("home");
  const std::vector<std::string> options = {"--password-file", file,    "--state",    home / "anna",
                                            "--log",           "debug", "--log-file", home / "log"};
  Node& anna = star.host("anna", options);
  Node& ben = star.join("ben", anna, {"--password-file", file, "--state", home / "ben"});
  star.settle();
  ben.say("C thuban:nonsense");
  ben.await_error("usage");
  CHECK(knock(star, anna.addr(), {"--log", "debug"}, {{"THUBAN_PASSWORD", password}})
            .complaints.find(password) == std::string::npos);
  ben.quit();
  anna.quit();
  for (const Node* node : {&anna, &ben}) {
    CHECK((node->output() + node->complaints()).find(password) == std::string::npos);
  }
  CHECK_FALSE(contents(home / "log").empty());
  CHECK(all_files(home).find(password) == std::string::npos);
}

TEST_CASE("a random secret is in the invite alone, and kept where nobody else reads") {
  Star star;
  const auto home = star.folder("home");
  const std::vector<std::string> options = {"--log", "debug", "--log-file", home / "log"};
  Node& anna = star.host("anna", options);
  const std::string invite = invite_of(anna);
  Node& ben = star.open("ben", {"join", invite, "--state", home / "ben"});
  star.settle();
  ben.say("C " + invite.substr(0, invite.size() - 1));
  CHECK(ben.await_error("usage").value("command", "") == "C thuban:...");
  Program::await("the secrets", [&] { return std::filesystem::exists(home / "ben/secrets"); });
  CHECK(mode_of(home / "ben/secrets") == 0600);
  const std::string body = invite.substr(invite.size() / 2);
  CHECK(contents(home / "log").find(body) == std::string::npos);
  CHECK(anna.complaints().find(body) == std::string::npos);
}

TEST_CASE("an open network lets anyone in and says so, once on either side") {
  Star star;
  const std::string said = "ANYONE CAN JOIN";
  Node& anna = star.host("anna", {"--open"});
  const std::string invite = invite_of(anna);
  Program::await("the warning", [&] { return !anna.complaints().empty(); });
  for (const std::string& target : {anna.addr(), invite}) {
    for (const bool open : {true, false}) {
      const Outcome outcome = knock(
          star, target, open ? std::vector<std::string>{"--open"} : std::vector<std::string>{});
      CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
      CHECK_MESSAGE(count_of(outcome.complaints, said) == 1, outcome.complaints);
    }
  }
  // A password is not shown to those who ask for none.
  CHECK(knock(star, anna.addr(), {"--password-file", password_file(star)}).code == 4);
  Node& ben = star.join("ben", anna);
  star.settle();
  CHECK(count_of(anna.complaints(), said) == 1);
  CHECK(count_of(ben.complaints(), said) == 1);
  // A star with a secret is not left open by one who would have it so.
  Node& carla = star.host("carla");
  CHECK(knock(star, carla.addr(), {"--open"}).complaints.find(said) == std::string::npos);
}

TEST_CASE("plain nodes meet plain nodes only, and say what that means") {
  Star star;
  Node& anna = star.host("anna", {"--plain"});
  Node& sealed = star.host("sealed");
  const Outcome both = knock(star, anna.addr(), {"--plain"});
  CHECK_MESSAGE(both.code == 0, both.complaints);
  CHECK(both.complaints.find("NOTHING IS ENCRYPTED") != std::string::npos);
  Program::await("the warning", [&] { return !anna.complaints().empty(); });
  CHECK(anna.complaints().find("NOTHING IS ENCRYPTED") != std::string::npos);
  for (const Outcome& one : {knock(star, anna.addr()), knock(star, invite_of(anna)),
                             knock(star, sealed.addr(), {"--plain"})}) {
    CHECK_MESSAGE(one.code == 4, one.complaints);
    CHECK_MESSAGE(one.complaints.find("--plain") != std::string::npos, one.complaints);
  }
  Node& ben = star.join("ben", anna, {"--plain"});
  ben.say("T in the clear");
  anna.await_event("chat");
}

TEST_CASE("what contradicts itself is a mistake, told in one line before anything is done") {
  Star star;
  const auto folder = star.folder("files");
  const std::string file = password_file(star);
  const std::string empty = write_file(folder / "empty", "\n");
  const std::string large = write_file(folder / "large", std::string(2'000, 'x'));
  Node& anna = star.host("anna");
  const std::string invite = invite_of(anna);
  const std::vector<std::vector<std::string>> mistakes = {
      {"host", "--password-file", file, "--open"},
      {"host", "--password-file", file, "--plain"},
      {"host", "--password-file", file, "--ask-password"},
      {"host", "--ask-password"},  // there is no terminal
      {"host", "--password-file", folder / "missing"},
      {"host", "--password-file", folder},
      {"host", "--password-file", empty},
      {"host", "--password-file", large},
      {"join", invite, "--password-file", file},
      {"join", invite, "--open"},
      {"get", "x", "--from", invite, "--plain"},
  };
  for (const auto& mistake : mistakes) {
    std::string typed;
    for (const auto& word : mistake) typed += " " + word;
    CAPTURE(typed);
    const Outcome outcome = star.run(mistake);
    CHECK(outcome.code == 2);
    CHECK(outcome.output.empty());
    CHECK_MESSAGE(lines_of(outcome.complaints) == 1, outcome.complaints);
  }
  CHECK(knock(star, invite, {}, {{"THUBAN_PASSWORD", password}}).code == 2);
}

TEST_CASE("a password file that others can read is warned about") {
  Star star;
  const std::string file = password_file(star);
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  Node& anna = star.host("anna", {"--password-file", file});
  Program::await("the warning", [&] { return !anna.complaints().empty(); });
  CHECK(anna.complaints().find("chmod 600") != std::string::npos);
}

TEST_CASE("keys are written where they were asked for, for nobody else, with a warning") {
  Star star;
  const auto keys = star.folder("keys") / "log";
  Node& anna = star.host("anna");
  const Outcome outcome = knock(star, anna.addr(), {}, {{"THUBAN_KEYLOG", keys.string()}});
  CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
  CHECK(outcome.complaints.find("THUBAN_KEYLOG") != std::string::npos);
  CHECK(mode_of(keys) == 0600);
  const size_t once = lines_of(contents(keys));
  CHECK(once >= 1);
  CHECK(knock(star, anna.addr(), {}, {{"THUBAN_KEYLOG", keys.string()}}).code == 0);
  CHECK(lines_of(contents(keys)) >= 2 * once);
  CHECK(anna.complaints().empty());
  const Outcome refused = knock(star, anna.addr(), {}, {{"THUBAN_KEYLOG", "no/such/place"}});
  CHECK(refused.code == 1);
  CHECK_MESSAGE(lines_of(refused.complaints) == 1, refused.complaints);
}

TEST_CASE("on a terminal a missing password is asked for, without a trace of it") {
  Star star;
  Node& anna = star.host("anna", {"--password-file", password_file(star)});
  Program ben(on_terminal(star, {"join", anna.addr(), "--nick", "ben"}));
  await_shown(ben, "password for network default:");
  ben.write("open-bar\x7f\x7f\x7fsesame\r");
  anna.await_event("joined");
  ben.write("T let me in\r");
  CHECK(anna.await_event("chat").value("text", "") == "let me in");
  // Not in the history either: the line before the last is what was typed before it.
  ben.write("\x1b[A\x1b[A\x1b[A\r");
  anna.await_event("chat", any, anna.mark());
  ben.write("Q\r");
  CHECK(ben.await_end(Seconds(2)) == 0);
  for (const char* part : {"sesame", "open-", "bar"}) {
    CHECK_MESSAGE(ben.output().find(part) == std::string::npos, screen(ben).picture());
  }
}

TEST_CASE("a wrong password is asked for again, three times, and then it is 4") {
  Star star;
  Node& anna = star.host("anna", {"--password-file", password_file(star)});
  const std::string question = "password for network default:";
  for (const bool one_shot : {false, true}) {
    CAPTURE(one_shot);
    const std::string verb = one_shot ? "peers" : "join";
    Program ben(on_terminal(
        star, {verb, anna.addr(), "--password-file", password_file(star, "open-barley")}));
    for (size_t i = 1; i <= 3; ++i) {
      // At the prompt the question is drawn once more when it was answered.
      const size_t times = one_shot ? i : 2 * i - 1;
      Program::await("the question", [&] { return count_of(ben.output(), question) >= times; });
      ben.write("open-wheat\r");
    }
    CHECK_MESSAGE(ben.await_end() == 4, screen(ben).picture());
    CHECK(ben.output().find("open-wheat") == std::string::npos);
    Program second(on_terminal(star, {verb, anna.addr(), "--nick", "ben"}));
    await_shown(second, question);
    second.write("open-wheat\r");
    Program::await("another", [&] { return count_of(second.output(), "password is wrong") > 0; });
    Program::await("the question",
                   [&] { return count_of(second.output(), question) >= (one_shot ? 2u : 3u); });
    second.write(password + "\r");
    if (one_shot) {
      CHECK_MESSAGE(second.await_end() == 0, screen(second).picture());
    } else {
      anna.await_event("joined");
    }
  }
}

TEST_CASE("who gives no answer is not let in") {
  Star star;
  Node& anna = star.host("anna", {"--password-file", password_file(star)});
  for (const char* verb : {"join", "files"}) {
    Program ben(on_terminal(star, {verb, anna.addr()}));
    await_shown(ben, "password for network default:");
    ben.write("\r");
    CHECK_MESSAGE(ben.await_end() == 4, screen(ben).picture());
    Program carla(on_terminal(star, {verb, anna.addr()}));
    await_shown(carla, "password for network default:");
    carla.write("open\x03");
    carla.await_end(Seconds(3));
    CHECK(carla.output().find("open") == std::string::npos);
  }
}

TEST_CASE("a C asks once, and what was being typed is still there") {
  Star star;
  Node& anna = star.host("anna", {"--password-file", password_file(star)});
  Program ben(on_terminal(star, {"--nick", "ben"}));
  await_shown(ben, "? lists the commands");
  ben.write("C " + anna.addr() + "\rT half a sen");
  await_shown(ben, "password for network default:");
  // What arrived in time is in the line, the rest was taken for the password.
  ben.write("\x15" + password + "\r");
  anna.await_event("joined");
  ben.write("\x15T hello\r");
  CHECK(anna.await_event("chat").value("text", "") == "hello");
  CHECK(ben.output().find(password) == std::string::npos);
}

TEST_CASE("--ask-password asks before anything else, wherever the streams lead") {
  Star star;
  Program anna(on_terminal(star, {"host", "--ask-password", "--json", "--nick", "anna"}));
  await_shown(anna, "password for network default:");
  CHECK(anna.events().empty());
  anna.write(password + "\r");
  const auto event = [&](const char* name) {
    return [&anna, name] {
      return std::any_of(anna.events().begin(), anna.events().end(),
                         [&](const Event& e) { return e.body.value("event", "") == name; });
    };
  };
  Program::await("listening", event("listening"));
  const auto listening =
      std::find_if(anna.events().begin(), anna.events().end(),
                   [](const auto& e) { return e.body.value("event", "") == "listening"; });
  const std::string address = listening->body.value("addr", "");
  CHECK(knock(star, address).code == 4);
  CHECK(knock(star, address, {}, {{"THUBAN_PASSWORD", password}}).code == 0);
  CHECK(anna.output().find(password) == std::string::npos);

  Program ben(on_terminal(star, {"peers", address, "--ask-password"}));
  await_shown(ben, "password for network default:");
  ben.write(password + "\r");
  CHECK_MESSAGE(ben.await_end() == 0, screen(ben).picture());
  CHECK(ben.output().find(password) == std::string::npos);
  Program carla(on_terminal(star, {"peers", address, "--ask-password"}));
  await_shown(carla, "password for network default:");
  carla.write("\r");
  CHECK(carla.await_end() == 2);
}

TEST_SUITE_END();
