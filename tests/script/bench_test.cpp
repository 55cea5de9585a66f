// SPDX-License-Identifier: MIT
//
// `thuban bench`: both ends as real programs on 127.0.0.1. What is fast is not asked here, only
// what is said.
#include <doctest/doctest.h>

#include "script/star.h"

using namespace script;

namespace {

/// One line of JSON and nothing else.
Json line_of(const Outcome& outcome) {
  CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
  CHECK(outcome.complaints.empty());
  REQUIRE(!outcome.output.empty());
  CHECK(outcome.output.find('\n') == outcome.output.size() - 1);
  return Json::parse(outcome.output);
}

/// `bench serve`, ended as a service is.
class Server : public Node {
 public:
  explicit Server(Star& star, const std::vector<std::string>& options = {"--bind", "127.0.0.1:0"})
      : Node(launch(star, options), "server", "") {
    await_event("listening");
  }
  ~Server() {
    if (ended()) return;
    signal(SIGCONT);
    signal(SIGTERM);
    CHECK(await_end() == 0);
    CHECK(complaints().empty());
    check_events();
  }

 private:
  static Launch launch(Star& star, const std::vector<std::string>& options) {
    std::vector<std::string> arguments = {"bench", "serve"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return star.launch(arguments);
  }
};

bool is_of_bulk(const Json& event) { return event["bytes"] > 0; }

}  // namespace

TEST_SUITE_BEGIN("bench");

TEST_CASE("send delivers every byte and says what it took") {
  Star star;
  Server server(star);
  CHECK(server.addr().starts_with("127.0.0.1:"));
  for (const char* streams : {"1", "3"}) {
    const size_t mark = server.mark();
    const Json sent = line_of(
        star.run({"bench", "send", server.addr(), "--bytes", "5000003", "--streams", streams}));
    CHECK(sent["bytes"] == 5'000'003);
    CHECK(sent["sealed"] == true);
    for (const char* field : {"seconds", "mbit_s", "rtt_ms", "mtu", "cpu_s", "udp_bytes_sent"}) {
      CHECK_MESSAGE(sent[field] > 0, field);
    }
    CHECK(sent["lost"].is_number_integer());
    CHECK(sent["retransmitted"].is_number_integer());
    CHECK(sent["udp_bytes_sent"] > 5'000'003);
    const Json& served = server.await_event("served", is_of_bulk, mark);
    CHECK(served["bytes"] == 5'000'003);
  }
}

TEST_CASE("send for a time counts what was acknowledged in it") {
  Star star;
  Server server(star);
  const Json sent = line_of(star.run({"bench", "send", server.addr(), "--seconds", "0.4"}));
  CHECK(sent["seconds"] >= 0.39);
  CHECK(sent["bytes"] > 0);
  const Json& served = server.await_event("served", is_of_bulk);
  CHECK(sent["bytes"] <= served["bytes"]);
}

TEST_CASE("what is sent before the time that counts is left out") {
  Star star;
  Server server(star);
  const Json sent =
      line_of(star.run({"bench", "send", server.addr(), "--seconds", "0.3", "--omit", "0.9"}));
  CHECK(sent["seconds"] >= 0.29);
  CHECK(sent["seconds"] < 0.9);
  CHECK(sent["bytes"] > 0);
  const Json& served = server.await_event("served", is_of_bulk);
  CHECK(served["seconds"] >= 1.0);
  CHECK(sent["bytes"] < served["bytes"]);
}

TEST_CASE("ping measures one way where both ends have one clock") {
  Star star;
  Server server(star, {"--bind", "[::1]:0"});
  for (const char* size : {"1", "100", "65536"}) {
    const Json ping = line_of(star.run(
        {"bench", "ping", server.addr(), "--count", "40", "--rate", "400", "--size", size}));
    CHECK(ping["count"] == 40);
    CHECK(ping["halved"] == false);
    CHECK(ping["p50_ms"] > 0);
    CHECK(ping["p50_ms"] <= ping["p99_ms"]);
    CHECK(ping["p99_ms"] <= ping["max_ms"]);
  }
  CHECK(server.await_event("served")["messages"] == 40);
}

TEST_CASE("several clients are served at once") {
  Star star;
  Server server(star);
  Program bulk(star.launch({"bench", "send", server.addr(), "--seconds", "5"}));
  const Json ping = line_of(star.run({"bench", "ping", server.addr(), "--count", "20"}));
  CHECK(ping["count"] == 20);
  CHECK_FALSE(bulk.ended());
  bulk.signal(SIGINT);
  CHECK(bulk.await_end() == 130);
}

TEST_CASE("plain is said by both sides or by none") {
  Star star;
  Server server(star, {"--plain", "--bind", "127.0.0.1:0"});
  const Json sent =
      line_of(star.run({"bench", "send", server.addr(), "--bytes", "1000", "--plain"}));
  CHECK(sent["sealed"] == false);
  const Outcome sealed = star.run({"bench", "send", server.addr(), "--bytes", "1000"});
  CHECK(sealed.code == 4);
  CHECK(sealed.output.empty());
  CHECK(sealed.complaints.find("--plain") != std::string::npos);
}

TEST_CASE("a result that could not be written is a failure, and said") {
  Star star;
  Server server(star);
  const std::vector<std::string> runs[] = {{"bench", "send", server.addr(), "--bytes", "1000"},
                                           {"bench", "ping", server.addr(), "--count", "3"},
                                           {"bench", "--seconds", "0.1", "--json"},
                                           {"bench", "serve", "--bind", "127.0.0.1:0"},
                                           {"sim", "--nodes", "3", "--trace"},
                                           {"--version"}};
  for (const auto& arguments : runs) {
    CAPTURE(arguments[0]);
    Launch launch = star.launch(arguments);
    launch.standard_output = "/dev/full";
    const Outcome outcome = run(launch);
    CHECK(outcome.code == 1);
    CHECK(outcome.complaints.starts_with("thuban: cannot write standard output"));
  }
}

TEST_CASE("an address that cannot be bound is this host's fault: exit code 1") {
  Star star;
  Server server(star);
  for (const char* command : {"serve", "ping"}) {
    std::vector<std::string> arguments = {"bench", command, "--json"};
    if (command == std::string("ping")) arguments.push_back("127.0.0.1:9");
    arguments.insert(arguments.end(), {"--bind", server.addr()});
    const Outcome outcome = star.run(arguments);
    CHECK(outcome.code == 1);
    const Json error = Json::parse(outcome.output.substr(0, outcome.output.find('\n')));
    CHECK(error["code"] == "network");
  }
}

TEST_CASE("a password is no option of bench, and its help names only what is") {
  Star star;
  CHECK(star.run({"bench", "serve", "--ask-password"}).code == 2);
  CHECK(star.run({"bench", "--password-file", "/dev/null"}).code == 2);
  const Outcome strange = star.run({"peers", "127.0.0.1:9", "--omit", "3"});
  CHECK(strange.code == 2);
  CHECK(strange.complaints.find("--omit means nothing for peers") != std::string::npos);
  CHECK(strange.complaints.find("thuban peers --help") != std::string::npos);
  const Outcome help = star.run({"bench", "--help"});
  CHECK(help.code == 0);
  CHECK(help.output.find("--omit") != std::string::npos);
  CHECK(help.output.find("--password-file") == std::string::npos);
}

TEST_CASE("a node is no bench, and a bench no node") {
  Star star;
  Node& node = star.host("ann");
  const Outcome outcome = star.run({"bench", "ping", node.addr(), "--json"});
  CHECK(outcome.code == 7);
  const Json error = Json::parse(outcome.output.substr(0, outcome.output.find('\n')));
  CHECK(error["event"] == "error");
  CHECK(error["code"] == "network");
  Server server(star);
  CHECK(star.run({"peers", server.addr()}).code == 7);
}

TEST_CASE("nobody there is exit code 3, and an interrupt ends the search at once") {
  Star star;
  Server frozen(star);
  frozen.signal(SIGSTOP);
  const Outcome outcome = star.run({"bench", "send", frozen.addr(), "--seconds", "0.3"});
  CHECK(outcome.code == 3);
  CHECK(outcome.output.empty());
  CHECK(outcome.complaints.starts_with("thuban: "));
  Program patient(star.launch({"bench", "ping", frozen.addr()}));
  CHECK_FALSE(Program::run_until([&] { return patient.ended(); }, Seconds(0.3)));
  const auto begin = Clock::now();
  patient.signal(SIGINT);
  CHECK(patient.await_end() == 130);
  CHECK(since(begin) < 2);
  CHECK(star.run({"bench", "send", std::string(70, 'x') + ":1", "--bytes", "1"}).code == 3);
  CHECK(star.run({"bench", "ping", "[::1]:1", "--bind", "127.0.0.1:0"}).code == 2);
}

TEST_CASE("a server that ends is noticed by who is sending") {
  Star star;
  Server server(star);
  Program bulk(star.launch({"bench", "send", server.addr(), "--seconds", "20"}));
  CHECK_FALSE(Program::run_until([&] { return bulk.ended(); }, Seconds(0.3)));
  server.signal(SIGINT);
  CHECK(server.await_end() == 0);
  CHECK(bulk.await_end() == 3);
  CHECK(bulk.complaints().find("has ended") != std::string::npos);
}

TEST_CASE("bench alone prints a table, or with --json a line for each run") {
  Star star;
  const Outcome table = star.run({"bench", "--seconds", "0.3"}, Seconds(40));
  CHECK(table.code == 0);
  for (const char* word : {"sealed", "plain", "Mb/s", "s/GB", "handshake", "p99"}) {
    CHECK_MESSAGE(table.output.find(word) != std::string::npos, word);
  }
  Program json(star.launch({"bench", "--seconds", "0.3", "--json"}));
  CHECK(json.await_end(Seconds(40)) == 0);
  REQUIRE(json.events().size() == 4);
  CHECK(json.events()[0].body["sealed"] == true);
  CHECK(json.events()[2].body["sealed"] == false);
  CHECK(json.other_lines() == 0);
}

TEST_CASE("an interrupt ends the table and its server") {
  Star star;
  Program table(star.launch({"bench", "--seconds", "20"}));
  CHECK_FALSE(Program::run_until([&] { return table.ended(); }, Seconds(0.3)));
  const auto begin = Clock::now();
  table.signal(SIGINT);
  CHECK(table.await_end() == 130);
  CHECK(since(begin) < 2);
  CHECK(table.output().empty());
}

TEST_CASE("Ctrl-C on a terminal is an interrupt of the table, not the end of its server") {
  Star star;
  Launch launch = star.launch({"bench", "--seconds", "20"});
  launch.terminal = true;
  Program table(launch);
  CHECK(Program::run_until([&] { return table.output().find("seconds") != std::string::npos; },
                           patience));
  CHECK_FALSE(Program::run_until([&] { return table.ended(); }, Seconds(0.5)));
  table.write("\x03");
  CHECK(table.await_end() == 130);
  CHECK(table.output().find("interrupted") != std::string::npos);
}
