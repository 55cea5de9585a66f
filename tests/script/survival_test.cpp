// SPDX-License-Identifier: MIT
//
// The supernode leaves, is killed, is frozen, hands over: what must go on goes on.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>

#include "script/star.h"

using namespace script;

namespace {

Match reason(const std::string& word) {
  return [=](const Json& body) { return body.value("reason", "") == word; };
}

// Numbered lines from all who run, in turn, and a count of them.
class Talk {
 public:
  explicit Talk(Star& star) : star_(star) {}

  void say(const std::vector<Node*>& speakers, int count) {
    for (int i = 0; i < count; ++i) {
      for (Node* node : speakers) {
        texts_.push_back("line " + std::to_string(texts_.size()));
        node->say("T " + texts_.back());
      }
    }
  }

  // Every line at every node that runs, once, in one order.
  void check(Seconds limit = patience) {
    star_.await_same_chat(texts_.size(), limit);
    for (const Node* node : star_.running()) {
      auto got = node->texts();
      auto expected = texts_;
      std::sort(got.begin(), got.end());
      std::sort(expected.begin(), expected.end());
      CHECK_MESSAGE(got == expected, node->nick());
    }
  }

 private:
  Star& star_;
  std::vector<std::string> texts_;
};

struct FiveNodes {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  Node& dan = star.join("dan", anna);
  Node& eva = star.join("eva", ben);
  Talk talk{star};
  FiveNodes() {
    star.settle();
    talk.say(star.running(), 3);
    talk.check();
  }
};

}  // namespace

TEST_SUITE_BEGIN("survival");

TEST_CASE("the supernode quits: another takes over and nothing is lost") {
  FiveNodes five;
  five.talk.say(five.star.running(), 5);
  five.anna.quit();
  five.talk.say(five.star.running(), 5);
  five.star.settle();
  five.talk.check();
  for (const Node* node : five.star.running()) {
    const Json* migrated = node->find("migrated");
    REQUIRE_MESSAGE(migrated != nullptr, node->nick());
    CHECK(migrated->value("from", "") == five.anna.id());
    CHECK(migrated->value("to", "") == node->supernode());
    CHECK(migrated->value("reason", "") == "left");
    CHECK(migrated->value("ms", 1'000'000) < 1'000);
    // Whoever takes over and whoever follows knows that it said goodbye.
    CHECK_MESSAGE(node->find("left", reason("quit")) != nullptr, node->nick());
  }
}

TEST_CASE("the supernode is killed: another takes over within two seconds, nothing is lost") {
  FiveNodes five;
  five.anna.signal(SIGKILL);
  const auto killed = Clock::now();
  five.anna.await_end();
  five.talk.say(five.star.running(), 5);
  for (Node* node : five.star.running()) node->await_event("migrated", reason("lost"));
  CHECK(since(killed) < 2);
  five.talk.say(five.star.running(), 5);
  five.star.settle();
  five.talk.check();
  // Whoever comes now comes in by any of them.
  Node& fred = five.star.join("fred", five.eva);
  five.star.settle();
  fred.say("T I am new");
  five.ben.await_event("chat", [](const Json& b) { return b.value("text", "") == "I am new"; });
}

TEST_CASE("the supernode is frozen: another takes over, and it comes back as a member") {
  FiveNodes five;
  five.anna.signal(SIGSTOP);
  const auto frozen = Clock::now();
  const std::vector<Node*> others = {&five.ben, &five.carla, &five.dan, &five.eva};
  five.talk.say(others, 3);
  for (Node* node : others) node->await_event("migrated");
  CHECK(since(frozen) < 2);
  five.talk.say(others, 3);
  Program::run_until([] { return false; }, Seconds(1));
  five.anna.signal(SIGCONT);
  five.star.settle();
  CHECK(five.anna.supernode() != five.anna.id());
  five.talk.say(five.star.running(), 2);
  five.talk.check();
}

TEST_CASE("a frozen member is told as lost and comes back") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  carla.signal(SIGSTOP);
  ben.await_event("left");
  for (int i = 0; i < 5; ++i) ben.say("T meanwhile " + std::to_string(i));
  Program::await("chat goes on", [&] { return ben.count("chat") == 5; });
  carla.signal(SIGCONT);
  star.settle();
  ben.say("T together");
  star.await_same_chat(6);
}

TEST_CASE("supernode and successor killed at once are survived, whoever the successor was") {
  // Anna and one more: in one of the three stars that is her first successor.
  std::array<Star, 3> stars;
  for (size_t i = 0; i < stars.size(); ++i) {
    Star& star = stars[i];
    Node& anna = star.host("anna");
    std::vector<Node*> members;
    for (const char* nick : {"ben", "carla", "dan"}) members.push_back(&star.join(nick, anna));
    star.settle();
    Talk talk(star);
    talk.say(star.running(), 3);
    talk.check();
    anna.signal(SIGKILL);
    members[i]->signal(SIGKILL);
    anna.await_end();
    members[i]->await_end();
    talk.say(star.running(), 3);
    star.settle();
    talk.check();
  }
}

TEST_CASE("down to the last one, and up again") {
  FiveNodes five;
  for (int i = 0; i < 4; ++i) {
    // Always the supernode, by turns gently and not.
    for (Node* node : five.star.running()) {
      if (node->id() != node->supernode()) continue;
      i % 2 == 0 ? node->quit() : node->signal(SIGKILL);
      node->await_end();
      break;
    }
    five.star.settle();
    five.talk.say(five.star.running(), 2);
    five.talk.check();
  }
  REQUIRE(five.star.running().size() == 1);
  Node& last = *five.star.running()[0];
  five.star.join("fred", last);
  five.star.settle();
}

TEST_CASE("a download goes on when the supernode is killed, and when it quits") {
  for (const bool gently : {false, true}) {
    CAPTURE(gently);
    FiveNodes five;
    // Frida joins last and holds the file, behind a slow line.
    Node& frida = five.star.join("frida", five.anna, {"--impair", "rate=40mbit"});
    five.star.settle();
    const auto file = make_file(frida.folder() / "film", 8'000'000);
    frida.say("B " + file.string());
    for (Node* node : {&five.carla, &five.dan}) node->await_event("offered");
    five.carla.say("R film");
    five.dan.say("R film");
    for (Node* node : {&five.carla, &five.dan}) node->await_event("progress");
    gently ? five.anna.quit() : five.anna.signal(SIGKILL);
    five.anna.await_end();
    for (Node* node : {&five.carla, &five.dan}) {
      const Json& received = node->await_event("received");
      CHECK(same_files(received.value("path", ""), file));
      CHECK(node->count("error") == 0);
    }
    five.star.settle();
    // Offers and peers survived: whoever comes now hears of them.
    Node& gina = five.star.join("gina", five.ben);
    CHECK(gina.await_event("offered").value("name", "") == "film");
    CHECK(five.ben.count("withdrawn") == 0);
  }
}

TEST_CASE("H gives the role to the first successor, H NICK to the one that is named") {
  FiveNodes five;
  size_t mark = five.anna.mark();
  five.anna.say("H carla");
  const auto begin = Clock::now();
  const Json& migrated = five.anna.await_event("migrated", reason("handover"), mark);
  CHECK(since(begin) < 1);
  CHECK(migrated.value("to", "") == five.carla.id());
  five.star.settle();
  for (const Node* node : five.star.running()) {
    CHECK_MESSAGE(node->count("migrated") == 1, node->account());
    CHECK(node->last("migrated")->value("reason", "") == "handover");
  }
  CHECK(five.carla.last("role")->value("role", "") == "supernode");
  CHECK(five.anna.last("role")->value("role", "") == "member");
  five.talk.say(five.star.running(), 2);
  five.talk.check();

  mark = five.carla.mark();
  five.carla.say("H");
  five.carla.await_event("migrated", reason("handover"), mark);
  five.star.settle();
  CHECK(five.carla.supernode() != five.carla.id());
  five.talk.say(five.star.running(), 2);
  five.talk.check();
}

TEST_CASE("frozen one after the other, each supernode is replaced and all come back") {
  FiveNodes five;
  std::vector<Node*> frozen;
  for (int i = 0; i < 2; ++i) {
    for (Node* node : five.star.running()) {
      if (node->id() != node->supernode() || std::count(frozen.begin(), frozen.end(), node) != 0) {
        continue;
      }
      std::map<Node*, size_t> marks;
      for (Node* other : five.star.running()) marks[other] = other->mark();
      node->signal(SIGSTOP);
      frozen.push_back(node);
      for (Node* other : five.star.running()) {
        if (std::count(frozen.begin(), frozen.end(), other) != 0) continue;
        other->await_event("migrated", any, marks[other]);
      }
      break;
    }
  }
  REQUIRE(frozen.size() == 2);
  for (Node* node : frozen) node->signal(SIGCONT);
  five.star.settle();
  five.talk.say(five.star.running(), 2);
  five.talk.check();
}

TEST_CASE("a holder that freezes for a while delays a download and does not break it") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--impair", "rate=40mbit"});
  Node& carla = star.join("carla", anna);
  star.settle();
  const auto file = make_file(ben.folder() / "film", 8'000'000);
  ben.say("B " + file.string());
  carla.await_event("offered");
  carla.say("R film");
  carla.await_event("progress");
  ben.signal(SIGSTOP);
  carla.await_event("left");
  ben.signal(SIGCONT);
  star.settle();
  carla.await_event("received");
  CHECK(same_files(carla.downloads() / "film", file));
}

TEST_CASE("one of two holders is killed and the download goes on from the other") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--impair", "rate=40mbit"});
  Node& carla = star.join("carla", anna, {"--impair", "rate=40mbit"});
  Node& dan = star.join("dan", anna);
  star.settle();
  const auto file = make_file(ben.folder() / "film", 8'000'000);
  ben.say("B " + file.string());
  carla.say("B " + make_file(carla.folder() / "film", 8'000'000).string());
  Program::await("two offers", [&] { return dan.count("offered") == 2; });
  dan.say("R film");
  dan.await_event("progress");
  ben.signal(SIGKILL);
  ben.await_end();
  dan.await_event("received");
  CHECK(same_files(dan.downloads() / "film", file));
  CHECK(dan.count("error") == 0);
}

TEST_CASE("the only holder is killed and comes back: the download goes on where it was") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--impair", "rate=40mbit"});
  Node& carla = star.join("carla", anna);
  star.settle();
  const auto file = make_file(ben.folder() / "film", 8'000'000);
  ben.say("B " + file.string());
  carla.await_event("offered");
  carla.say("R film");
  carla.await_event("progress",
                    [](const Json& body) { return body.value("bytes", 0) > 3'000'000; });
  ben.signal(SIGKILL);
  ben.await_end();
  carla.await_event("withdrawn");
  const size_t mark = carla.mark();
  Node& again = star.join("ben", anna);
  again.say("B " + file.string());
  carla.await_event("received");
  CHECK(same_files(carla.downloads() / "film", file));
  CHECK(carla.await_event("progress", any, mark).value("bytes", 0) > 2'000'000);
}

TEST_CASE("killed or frozen in the middle of a burst: no line is lost, doubled or moved") {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    CAPTURE(signal);
    FiveNodes five;
    const std::vector<Node*> others = {&five.ben, &five.carla, &five.dan, &five.eva};
    five.talk.say(others, 250);
    // When the first hundred have come back the rest is anywhere between the pipes and all.
    Program::await("the burst under way", [&] { return five.eva.count("chat") > 100; });
    five.anna.signal(signal);
    if (signal == SIGKILL) five.anna.await_end();
    five.talk.say(others, 50);
    for (Node* node : others) node->await_event("migrated");
    five.anna.signal(SIGCONT);
    five.star.settle();
    five.talk.check();
  }
}

TEST_CASE("H from a member and H to oneself are refused") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  ben.say("H");
  ben.await_event("error");
  CHECK(ben.supernode() == anna.id());
}

TEST_CASE("all quit at once and all end with 0") {
  FiveNodes five;
  for (Node* node : five.star.running()) node->say("Q");
  const auto begin = Clock::now();
  for (Node* node : five.star.running()) {
    CHECK_MESSAGE(node->await_end(Seconds(3)) == 0, node->account());
  }
  CHECK(since(begin) < 2.5);
}

TEST_CASE("a member restarted on the same port joins again") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  const std::string addr = ben.addr();
  ben.signal(SIGKILL);
  ben.await_end();
  Node& again = star.join("ben", anna, {"--bind", addr});
  star.settle();
  again.say("T back");
  star.await_same_chat(1);
}

TEST_SUITE_END();
