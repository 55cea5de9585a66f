// SPDX-License-Identifier: MIT
#include "client/options.h"

#include <doctest/doctest.h>

#include "client/help.h"
#include "client/invite.h"

namespace client {

using Arguments = std::vector<std::string>;

static const Environment plain = {{"HOME", "/home/ann"}, {"LOGNAME", "ann"}};

static Options accepted(const Arguments& arguments, const Environment& environment = plain) {
  const auto result = parse_options(arguments, environment);
  if (const auto* leave = std::get_if<Leave>(&result)) FAIL(leave->text);
  return std::get<Options>(result);
}

static Leave left(const Arguments& arguments, const Environment& environment = plain) {
  const auto result = parse_options(arguments, environment);
  std::string all;
  for (const std::string& argument : arguments) all += argument + ' ';
  REQUIRE_MESSAGE(std::holds_alternative<Leave>(result), all);
  return std::get<Leave>(result);
}

TEST_CASE("options may stand before or after the command") {
  for (const Arguments& arguments : {Arguments{"--json", "--nick", "bob", "join", "127.0.0.1:7700"},
                                     Arguments{"join", "127.0.0.1:7700", "--nick", "bob", "--json"},
                                     Arguments{"--json", "join", "--nick=bob", "127.0.0.1:7700"}}) {
    const Options options = accepted(arguments);
    CHECK(options.verb == Verb::join);
    CHECK(options.nick == "bob");
    CHECK(options.json);
    CHECK(options.target->addresses == std::vector{mrt::Address::v4(127, 0, 0, 1, 7700)});
  }
}

TEST_CASE("each command takes its arguments") {
  CHECK(accepted({}).verb == Verb::none);
  CHECK(accepted({"host"}).verb == Verb::host);
  CHECK(accepted({"share", "a", "[b]", "--to", "[::1]:1"}).files == Arguments{"a", "[b]"});
  CHECK(accepted({"hash", "a", "b"}).files == Arguments{"a", "b"});
  const Options get = accepted({"get", "files", "--from", "127.0.0.1:1", "--out", "x/"});
  CHECK(get.what == "files");
  CHECK(*get.out == "x/");
  CHECK(accepted({"chat", "host", "--to", "127.0.0.1:1"}).what == "host");
  CHECK(accepted({"chat", "two", "words", "--to", "127.0.0.1:1"}).what == "two words");
  CHECK(accepted({"chat", "--to", "127.0.0.1:1", "--", "--help"}).what == "--help");
  CHECK(accepted({"demo", "--step"}).step);
  CHECK(accepted({"rendezvous"}).verb == Verb::rendezvous);
  CHECK(accepted({"sim", "--nodes", "50", "--seed", "7", "--trace"}).sim.nodes == 50);
  CHECK(accepted({"sim", "--seed", "7"}).sim.seed == 7);
  CHECK(accepted({"sim", "--svg", "run.svg"}).sim.svg == "run.svg");
}

TEST_CASE("a usage mistake is one line, names the help and exits with 2") {
  const Arguments mistakes[] = {
      {"--nonsense"},
      {"-x"},
      {"frobnicate"},
      {"host", "more"},
      {"join"},
      {"join", "127.0.0.1"},
      {"join", "a", "b"},
      {"join", "127.0.0.1:99999"},
      {"join", "0.0.0.0:7700"},
      {"join", "thuban:AAAA"},
      {"join", ""},
      {"peers"},
      {"files"},
      {"share"},
      {"hash"},
      {"get"},
      {"get", "x"},
      {"get", "--from", "127.0.0.1:1"},
      {"get", "x", "--to", "127.0.0.1:1"},
      {"chat", "hi"},
      {"chat", "--to", "127.0.0.1:1"},
      {"chat", "", "--to", "127.0.0.1:1"},
      {"--to", "127.0.0.1:1"},
      {"host", "--out", "x"},
      {"--step"},
      {"host", "--seed", "1"},
      {"--nick"},
      {"--nick", ""},
      {"--nick", "a b"},
      {"--nick", "a\xc2\xa0-b"},  // a space that does not break: others would not let it in
      {"--nick", std::string(33, 'x')},
      {"--nick", "a\x1b"},
      {"--nick", "\xe2\x80\xae"},
      {"--nick", "\xff"},
      {"--bind", "nowhere"},
      {"--bind", "127.0.0.1"},
      {"--bind", "::1:7700"},
      {"--network", "two words"},
      {"--network", std::string(65, 'x')},
      {"join", "stars", "--network", "moons"},
      {"--history", "-1"},
      {"--history", "many"},
      {"--log", "loud"},
      {"--color", "sometimes"},
      {"--impair", "fog=1"},
      {"--impair", "loss=2"},
      {"--nat", "maybe"},
      {"sim", "--nodes", "0"},
      {"sim", "--nodes", "x"},
      {"sim", "--loss", "x"},
      {"--password-file", ""},
      {"--password-file", "a", "--ask-password"},
      {"--password-file", "a", "--open"},
      {"--password-file", "a", "--plain"},
      {"--ask-password", "--open"},
      {"--ask-password", "--plain"},
      {"bench", "sing"},
      {"bench", "send", "127.0.0.1:7702"},
      {"host", "--bytes", "5"},
      {"rendezvous", "me"},
      {"rendezvous", "--bind", "127.0.0.1:65535"},
      {"rendezvous", "--password-file", "a"},
      {"rendezvous", "--ask-password"},
      {"lab"},
  };
  for (const Arguments& arguments : mistakes) {
    const Leave leave = left(arguments);
    CHECK(leave.code == ExitCode::usage);
    CHECK(leave.text.starts_with("thuban: "));
    CHECK(leave.text.find("--help") != std::string::npos);
    CHECK(leave.text.find('\n') == leave.text.size() - 1);
  }
}

TEST_CASE("bench takes the options that mean something for it, and needs no password") {
  Environment environment = plain;
  environment["THUBAN_PASSWORD"] = "x";
  environment["THUBAN_KEYLOG"] = "keys";
  const Options options = accepted({"bench", "--plain", "serve", "--bind", "127.0.0.1:0", "--json",
                                    "--impair", "loss=5%", "--nick", "bob"},
                                   environment);
  CHECK(options.verb == Verb::bench);
  CHECK(options.bench.role == BenchOptions::Role::serve);
  CHECK(options.bench.plain);
  CHECK(options.bench.json);
  CHECK(options.bench.nick == "bob");
  CHECK(options.bench.keylog_file == "keys");
  CHECK(options.bench.impair->loss == 0.05);
  CHECK(options.bench.bind == std::vector{mrt::Address::v4(127, 0, 0, 1, 0)});
}

TEST_CASE("a command that comes later is not called unknown") {
  CHECK(left({"lab"}).text.find("not in this version yet") != std::string::npos);
  CHECK(left({"hots"}).text.find("'host'") != std::string::npos);
}

TEST_CASE("help and version are on every command and leave with 0") {
  for (const char* verb : {"host", "join", "share", "get", "chat", "peers", "files", "hash", "demo",
                           "sim", "doctor", "rendezvous"}) {
    const Leave leave = left({verb, "--help"});
    CHECK(leave.code == ExitCode::done);
    CHECK(leave.text.starts_with(std::string("thuban ") + verb));
    CHECK(left({"--version", verb}).code == ExitCode::done);
    CHECK(left({"--help"}).text.find(std::string("  ") + verb) != std::string::npos);
  }
  CHECK(left({"--version"}).text == "thuban " + std::string(version()) + "\n");
}

TEST_CASE("help keeps within eighty columns") {
  for (int verb = 0; verb <= static_cast<int>(Verb::sim); ++verb) {
    const std::string text = help_text(static_cast<Verb>(verb)) + prompt_help();
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = text.find('\n', begin);
      CHECK_MESSAGE(end - begin <= 90, text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
}

TEST_CASE("the nick is the login name without what a nick must not have") {
  CHECK(accepted({}).nick == "ann");
  CHECK(accepted({}, {{"LOGNAME", "ann of\x1b the hill"}}).nick == "annofthehill");
  CHECK(accepted({}, {{"LOGNAME", "ann\xc2\xa0of"}}).nick == "annof");
  CHECK(accepted({}, {{"LOGNAME", std::string(50, 'x')}}).nick == std::string(32, 'x'));
  CHECK(accepted({}, {}).nick == "somebody");
  CHECK(accepted({"--nick", "J\xc3\xbcrgen"}).nick == "J\xc3\xbcrgen");
}

TEST_CASE("state lies where the XDG specification says") {
  CHECK(accepted({}).state == "/home/ann/.local/state/thuban");
  CHECK(accepted({}, {{"HOME", "/h"}, {"XDG_STATE_HOME", "/s"}}).state == "/s/thuban");
  CHECK(accepted({}, {{"HOME", "/h"}, {"XDG_STATE_HOME", "s"}}).state == "/h/.local/state/thuban");
  CHECK(accepted({}, {}).state.empty());
  CHECK(accepted({"--state", "here"}).state == "here");
}

TEST_CASE("an invite or a name says which network") {
  const auto address = mrt::Address::v4(192, 0, 2, 1, 7700);
  const std::string invite = write_invite({"stars", {}, {address}});
  CHECK(accepted({"join", invite}).network == "stars");
  CHECK(accepted({"join", invite}).target->addresses == std::vector{address});
  CHECK(accepted({"join", invite, "--network", "stars"}).network == "stars");
  CHECK(left({"join", invite, "--network", "moons"}).code == ExitCode::usage);
  CHECK(accepted({"join", "moons"}).network == "moons");
  CHECK(accepted({"join", "192.0.2.1:7700"}).network == "default");
}

TEST_CASE("colour and NAT come from the environment, too") {
  CHECK(accepted({}).colour == When::automatic);
  CHECK(accepted({}, {{"NO_COLOR", "1"}}).colour == When::never);
  CHECK(accepted({"--color", "always"}, {{"NO_COLOR", "1"}}).colour == When::always);
  CHECK(left({}, {{"THUBAN_NAT", "maybe"}}).code == ExitCode::usage);
  accepted({"--nat", "auto", "--stun", "none", "--rendezvous", "127.0.0.1:7700", "--qr", "--yes"},
           {{"THUBAN_NAT", "none"}});
}

TEST_CASE("whom to ask by STUN is said by --stun, and none is nobody") {
  CHECK(accepted({"doctor"}).stun.empty());
  CHECK(accepted({"doctor", "--stun", "none"}, {{"THUBAN_NAT", "none"}}).stun.empty());
  // Who names one means it, whatever the environment's default is.
  const Options two =
      accepted({"doctor", "--stun", "a:1", "--stun", "[::1]:2"}, {{"THUBAN_NAT", "none"}});
  CHECK(two.verb == Verb::doctor);
  CHECK(two.stun == std::vector<std::string>{"a:1", "[::1]:2"});
  CHECK(left({"doctor", "--stun", "a"}).code == ExitCode::usage);
  CHECK(left({"doctor", "--stun", "none", "--stun", "a:1"}).code == ExitCode::usage);
  CHECK(left({"doctor", "--nat", "none", "--stun", "a:1"}).code == ExitCode::usage);
  CHECK(left({"doctor", "x"}).code == ExitCode::usage);
  CHECK(!accepted({"doctor"}).thorough);
  CHECK(accepted({"doctor", "--long"}).thorough);
  CHECK(left({"host", "--long"}).code == ExitCode::usage);
  CHECK(left({"--long"}).code == ExitCode::usage);
  CHECK(accepted({"--rendezvous", "a:1", "--rendezvous", "[::1]:2"}).rendezvous.size() == 2);
  CHECK(left({"--rendezvous", "a"}).code == ExitCode::usage);
}

TEST_CASE("a password comes from one place, and an empty variable is none") {
  CHECK(accepted({}).password_from == PasswordFrom::nowhere);
  CHECK(accepted({}, {{"THUBAN_PASSWORD", "x"}}).password_from == PasswordFrom::variable);
  CHECK(accepted({}, {{"THUBAN_PASSWORD", ""}}).password_from == PasswordFrom::nowhere);
  CHECK(accepted({"--ask-password"}).password_from == PasswordFrom::terminal);
  const Options file = accepted({"--password-file", "secret.txt"}, {{"THUBAN_PASSWORD", ""}});
  CHECK(file.password_from == PasswordFrom::file);
  CHECK(file.password_file == "secret.txt");
  const Environment given = {{"THUBAN_PASSWORD", "tell-nobody"}};
  for (const Arguments& arguments :
       {Arguments{"--password-file", "a"}, {"--ask-password"}, {"--open"}, {"--plain"}}) {
    const Leave leave = left(arguments, given);
    CHECK(leave.code == ExitCode::usage);
    CHECK(leave.text.find("THUBAN_PASSWORD") != std::string::npos);
    CHECK(leave.text.find("tell-nobody") == std::string::npos);
  }
}

TEST_CASE("open, plain and the key log are off unless they are asked for") {
  const Options options = accepted({});
  CHECK_FALSE(options.open);
  CHECK_FALSE(options.plain);
  CHECK_FALSE(options.keylog_file);
  CHECK(accepted({"--open"}).open);
  CHECK(accepted({"--plain"}).plain);
  CHECK(accepted({"--plain", "--open"}).plain);
  CHECK_FALSE(accepted({}, {{"THUBAN_KEYLOG", ""}}).keylog_file);
  CHECK(*accepted({}, {{"THUBAN_KEYLOG", "k"}}).keylog_file == "k");
}

TEST_CASE("nobody is asked in a pipeline, a service or where --yes was said") {
  CHECK(accepted({}).may_ask);
  CHECK_FALSE(accepted({"--json"}).may_ask);
  CHECK_FALSE(accepted({"--no-prompt"}).may_ask);
  CHECK_FALSE(accepted({"--yes"}).may_ask);
}

TEST_CASE("what contradicts an invite is a mistake, what fits it is not") {
  const std::vector to = {mrt::Address::v4(192, 0, 2, 1, 7700)};
  const std::string open = write_invite({"default", {}, to, mrt::Access::open});
  const std::string secret = write_invite({"default", mrt::Bytes(16, 7), to, mrt::Access::secret});
  const std::string password = write_invite({"default", {}, to, mrt::Access::password});
  const Environment given = {{"THUBAN_PASSWORD", "x"}};
  for (const std::string& invite : {open, secret, password}) accepted({"join", invite});
  CHECK(*accepted({"join", secret}).target->key ==
        mrt::NetworkKey{mrt::Access::secret, mrt::Bytes(16, 7)});
  CHECK_FALSE(accepted({"join", "192.0.2.1:7700"}).target->key);

  accepted({"join", password}, given);
  accepted({"get", "x", "--from", password, "--password-file", "a"});
  for (const std::string& invite : {open, secret}) {
    CHECK(left({"join", invite}, given).code == ExitCode::usage);
    CHECK(left({"chat", "hi", "--to", invite, "--ask-password"}).code == ExitCode::usage);
  }
  accepted({"join", open, "--open"});
  accepted({"join", open, "--plain"});
  for (const std::string& invite : {secret, password}) {
    CHECK(left({"join", invite, "--open"}).code == ExitCode::usage);
    CHECK(left({"join", invite, "--plain"}).code == ExitCode::usage);
  }
}

TEST_CASE("bind may be repeated and does not swallow the command") {
  const Options options = accepted({"--bind", "127.0.0.1:0", "--bind", "[::1]:7700", "host"});
  CHECK(options.verb == Verb::host);
  REQUIRE(options.bind.size() == 2);
  CHECK(options.bind[1].to_string() == "[::1]:7700");
}

}  // namespace client
