// SPDX-License-Identifier: MIT
//
// What a node tells of its NAT, on 127.0.0.1 where there is none. Real ones are in tests/net.
#include <doctest/doctest.h>

#include "script/star.h"

using namespace script;

TEST_SUITE_BEGIN("nat");

TEST_CASE("with a STUN server a node says unasked how the world sees it") {
  Star star;
  Node& ann = star.host("ann");
  // The suite's THUBAN_NAT=none is a default; who names a server wants it asked.
  Node& bob = star.host("bob", {"--stun", ann.addr()});
  const Json& nat = bob.await_event("nat");
  CHECK(nat["type"] == "open");
  CHECK(nat["mapping"] == "endpoint-independent");
  CHECK(nat["filtering"] == "unknown");
  CHECK(nat["mapped"] == bob.addr());
  CHECK(ann.count("nat") == 0);
}

TEST_CASE("a server that is silent is told as what it may be") {
  Star star;
  std::string gone;
  {
    Star other;
    gone = other.host("gone").addr();
  }
  Node& bob = star.host("bob", {"--stun", gone});
  const Json& nat = bob.await_event("nat");
  CHECK(nat["type"] == "blocked");
  CHECK(nat["mapped"] == "");
}

TEST_CASE("on a terminal it is a plain sentence") {
  Star star;
  Node& ann = star.host("ann");
  Launch launch = star.launch({"host", "--bind", "127.0.0.1:0", "--stun", ann.addr()});
  launch.terminal = true;
  Program bob(launch);
  Program::await("the sentence", [&] {
    return bob.output().find("NAT: open: nothing stands in the way") != std::string::npos;
  });
}

TEST_CASE("servers whose names nobody knows are told, and hold nothing up") {
  Star star;
  // Longer than any label may be (RFC 1035 section 2.3.4): no name server is asked for it.
  const std::string nobody = std::string(70, 'x') + ":7700";
  Node& bob =
      star.open("bob", {"host", "--stun", nobody, "--rendezvous", nobody, "--network", "lab"});
  bob.say("T here");
  bob.await_event("chat");
  for (const std::string warning : {"warning: rendezvous xxxx", "warning: STUN server xxxx"})
    Program::await(warning, [&] { return bob.complaints().find(warning) != std::string::npos; });
  bob.quit();
  const Outcome sought = star.run({"join", "lab", "--rendezvous", nobody, "--open"});
  CHECK(sought.code == 3);
  CHECK(sought.seconds < 5);
}
