// SPDX-License-Identifier: MIT
//
// `thuban doctor` on 127.0.0.1, with supernodes as STUN servers. NATs and other people's servers
// are in tests/net.
#include <doctest/doctest.h>

#include <sstream>

#include "script/star.h"

using namespace script;

namespace {

std::vector<Json> lines_of(const Outcome& outcome) {
  std::vector<Json> out;
  std::istringstream in(outcome.output);
  for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
  return out;
}

/// The first event of that name; of findings, of that check.
Json first(const std::vector<Json>& lines, const std::string& event,
           const std::string& check = "") {
  for (const Json& line : lines) {
    if (line["event"] == event && (check.empty() || line["check"] == check)) return line;
  }
  FAIL("there is no " << event << ' ' << check);
  return {};
}

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

TEST_SUITE_BEGIN("doctor");

TEST_CASE("asked nothing it looks at the sockets, and says how to be told more") {
  Star star;
  const Outcome outcome = star.run({"doctor"});
  CHECK(outcome.code == 0);
  CHECK(outcome.complaints.empty());
  CHECK(has(outcome.output, "to receive"));
  CHECK(has(outcome.output, "UDP_SEGMENT"));
  CHECK(has(outcome.output, "thuban doctor --stun HOST:PORT"));
  CHECK(star.run({"doctor", "--stun", "none"}).code == 0);
}

TEST_CASE("a supernode says as which address it sees us") {
  Star star;
  Node& ann = star.host("ann");
  const Outcome outcome = star.run({"doctor", "--stun", ann.addr(), "--json"});
  CHECK(outcome.code == 0);
  const auto lines = lines_of(outcome);
  const Json nat = first(lines, "nat");
  CHECK(nat["type"] == "open");
  CHECK(nat["mapping"] == "endpoint-independent");
  CHECK(nat["filtering"] == "unknown");
  CHECK(nat["mapped"].get<std::string>().starts_with("127.0.0.1:"));
  CHECK(first(lines, "finding", "stun-server")["fine"] == true);
  CHECK(first(lines, "finding", "receive-buffer").contains("fix"));
  for (const Json& line : lines) CHECK(line["ts"].is_number_integer());
  // There is no NAT on this host, and --long does not wait for the end of one's mappings.
  const Outcome thorough = star.run({"doctor", "--stun", ann.addr(), "--json", "--long"});
  CHECK(thorough.seconds < 6);
  CHECK(first(lines_of(thorough), "finding", "mapping-lifetime")["fine"] == true);
  // From the port that was asked for.
  const auto bound =
      lines_of(star.run({"doctor", "--stun", ann.addr(), "--json", "--bind", "127.0.0.1:0"}));
  CHECK(first(bound, "nat")["type"] == "open");
}

TEST_CASE("two supernodes are asked side by side, and one that is gone is told") {
  Star star;
  Node& ann = star.host("ann");
  Node& bob = star.host("bob");
  const Outcome both =
      star.run({"doctor", "--stun", ann.addr(), "--stun", bob.addr(), "--stun", "127.0.0.1:9"});
  CHECK(both.code == 0);
  CHECK(has(both.output, "the STUN server " + ann.addr() + " sees 127.0.0.1:"));
  CHECK(has(both.output, "the STUN server " + bob.addr() + " sees 127.0.0.1:"));
  CHECK(has(both.output, "FAULT the STUN server 127.0.0.1:9 does not answer"));
}

TEST_CASE("with nobody who answers it ends with 3 within six seconds") {
  Star star;
  const Outcome outcome = star.run({"doctor", "--stun", "127.0.0.1:9", "--json"});
  CHECK(outcome.code == 3);
  CHECK(outcome.seconds < 6);
  CHECK(first(lines_of(outcome), "nat")["type"] == "blocked");
  CHECK(star.run({"doctor", "--stun", std::string(70, 'x') + ":3478"}).code == 3);
}

TEST_CASE("mistakes are one line and 2, and an interrupt is 130") {
  Star star;
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"doctor", "x"},
        {"doctor", "--stun", "127.0.0.1"},
        {"doctor", "--stun", "none", "--stun", "127.0.0.1:9"},
        {"doctor", "--nat", "none", "--stun", "127.0.0.1:9"}}) {
    const Outcome outcome = star.run(wrong);
    CHECK(outcome.code == 2);
    CHECK(outcome.output.empty());
  }
  Program waiting(star.launch({"doctor", "--stun", "127.0.0.1:9"}));
  Program::await("the first findings", [&] { return has(waiting.output(), "UDP_GRO"); });
  waiting.signal(SIGINT);
  CHECK(waiting.await_end() == 130);
}

TEST_CASE("a socket that cannot be had is a fault with exit code 1") {
  Star star;
  Node& ann = star.host("ann");
  const Outcome outcome = star.run({"doctor", "--bind", ann.addr()});
  CHECK(outcome.code == 1);
  CHECK(has(outcome.output, "FAULT cannot bind"));
}
