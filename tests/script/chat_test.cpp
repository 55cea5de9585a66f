// SPDX-License-Identifier: MIT
//
// Joining, chatting, leaving: what everybody sees of everybody.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "script/star.h"

using namespace script;

namespace {

Match with(const std::string& field, const std::string& value) {
  return [=](const Json& body) { return body.value(field, "") == value; };
}

}  // namespace

TEST_SUITE_BEGIN("chat");

TEST_CASE("a host and two members see each other and one order of chat") {
  Star star;
  Node& anna = star.host("anna");
  anna.await_event("invite");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  CHECK(anna.roster() == std::vector<std::string>{"anna", "ben", "carla"});
  for (Node* node : star.running()) CHECK(node->supernode() == anna.id());
  anna.await_event("joined", with("nick", "ben"));
  ben.await_event("joined", with("nick", "carla"));
  for (int i = 0; i < 20; ++i) {
    for (Node* node : star.running()) node->say("T " + node->nick() + " " + std::to_string(i));
  }
  star.await_same_chat(60);
  // Each sender's own come back in the order in which they were said.
  for (Node* node : star.running()) {
    std::vector<std::string> own;
    for (const auto& text : carla.texts()) {
      if (text.starts_with(node->nick() + " ")) own.push_back(text);
    }
    for (size_t i = 0; i < own.size(); ++i) CHECK(own[i] == node->nick() + " " + std::to_string(i));
  }
}

TEST_CASE("an event has the fields of the contract") {
  Star star;
  Node& anna = star.host("anna");
  const Json& listening = *anna.find("listening");
  for (const char* field : {"node", "nick", "addr", "network", "version"}) {
    CHECK_MESSAGE(listening.contains(field), field << " in " << listening);
  }
  CHECK(listening.at("addr").get<std::string>().starts_with("127.0.0.1:"));
  Node& ben = star.join("ben", anna);
  star.settle();
  ben.say("T hello");
  const Json& chat = anna.await_event("chat");
  CHECK(chat.at("from") == ben.id());
  CHECK(chat.at("nick") == "ben");
  CHECK(chat.at("id").is_string());
  CHECK(chat.at("epoch").is_number_integer());
  CHECK(chat.at("seq").is_number_integer());
  CHECK(chat.at("id") == ben.await_event("chat").at("id"));
  const Json& role = ben.await_event("role", with("role", "member"));
  CHECK(role.at("supernode") == anna.id());
  CHECK(role.at("epoch").is_number_integer());
  ben.say("P");
  for (const auto& peer : ben.last("roster")->at("peers")) {
    for (const char* field : {"node", "nick", "addr", "role", "rank", "path", "rtt_ms"}) {
      CHECK_MESSAGE(peer.contains(field), field << " in " << peer);
    }
  }
  const size_t mark = ben.mark();
  ben.say("S");
  const Json& stats = ben.await_event("stats", any, mark);
  REQUIRE(!stats.at("connections").empty());
  for (const char* field :
       {"node", "rtt_ms", "cwnd", "sent", "received", "lost", "retransmitted", "corrupt", "mtu"}) {
    CHECK_MESSAGE(stats.at("connections")[0].contains(field), field << " in " << stats);
  }
}

TEST_CASE("alone, a message comes back to oneself") {
  Star star;
  Node& anna = star.open("anna", {});
  anna.say("T anybody?");
  anna.await_event("chat", with("text", "anybody?"));
}

TEST_CASE("a join through a member leads to the supernode") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  Node& carla = star.join("carla", ben);
  star.settle();
  CHECK(carla.supernode() == anna.id());
  carla.say("T through ben");
  star.await_same_chat(1);
}

TEST_CASE("a join by invite works") {
  Star star;
  Node& anna = star.host("anna");
  const std::string invite = anna.await_event("invite").value("invite", "");
  CHECK(invite.starts_with("thuban:"));
  star.open("ben", {"join", invite});
  star.settle();
}

TEST_CASE("two who open the prompt alone become one star by C") {
  Star star;
  Node& anna = star.open("anna", {});
  Node& ben = star.open("ben", {});
  const std::string addr = anna.addr();
  const size_t colon = addr.rfind(':');
  ben.say("c " + addr.substr(0, colon) + " " + addr.substr(colon + 1));
  star.settle();
  ben.say("T hello");
  star.await_same_chat(1);
}

TEST_CASE("C from one star to another brings the whole star along") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.host("carla");
  Node& dan = star.join("dan", carla);
  anna.await_event("joined");
  carla.await_event("joined");
  // One of the second star, its supernode, joins the first: all four are one.
  carla.say("connect " + anna.addr());
  star.settle();
  CHECK(dan.supernode() == anna.id());
  for (Node* node : {&carla, &dan}) node->await_event("migrated", with("reason", "merged"));
  dan.say("T all together");
  for (Node* node : star.running()) node->await_event("chat", with("text", "all together"));
  CHECK(ben.texts() == std::vector<std::string>{"all together"});
}

TEST_CASE("a nick that is taken becomes anna-2") {
  Star star;
  Node& anna = star.host("anna");
  Node& second = star.open("anna", {"join", anna.addr()});
  Node& third = star.open("anna", {"join", anna.addr()});
  star.settle();
  CHECK(anna.roster() == std::vector<std::string>{"anna", "anna-2", "anna-3"});
  second.say("T who am I");
  CHECK(anna.await_event("chat").value("nick", "") != "anna");
  static_cast<void>(third);
}

TEST_CASE("300 messages at once and one of 60,000 characters arrive in order everywhere") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  std::string lines;
  for (int i = 0; i < 300; ++i) lines += "T " + std::to_string(i) + "\n";
  ben.write(lines);
  std::string large(60'000, 'x');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i % 26);
  ben.say("T " + large);
  carla.say("T " + large);
  star.await_same_chat(302);
  std::vector<std::string> bens;
  for (const auto& text : anna.texts()) {
    if (text != large) bens.push_back(text);
  }
  REQUIRE(bens.size() == 300);
  for (size_t i = 0; i < 300; ++i) CHECK(bens[i] == std::to_string(i));
  CHECK(anna.count("chat", with("text", large)) == 2);
}

TEST_CASE("a text beyond 64 KiB is refused and nothing is sent") {
  Star star;
  Node& anna = star.host("anna");
  anna.say("T " + std::string(64 * 1024, 'x'));
  anna.await_event("chat");
  const size_t mark = anna.mark();
  anna.say("T " + std::string(64 * 1024 + 1, 'y'));
  anna.await_event("error", any, mark);
  anna.say("T still here");
  anna.await_event("chat", with("text", "still here"), mark);
  CHECK(anna.texts().size() == 2);
}

TEST_CASE("text goes through as it was typed") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  const std::vector<std::string> texts = {"grüße aus 北京 🌟",     "{\"event\":\"chat\"}",
                                          "two  spaces   inside", "back\\slash \"quote\"",
                                          "\x1b[31mred\x1b[0m",   "tab\there"};
  for (const auto& text : texts) ben.say("T " + text);
  star.await_same_chat(texts.size());
  CHECK(anna.texts() == texts);
}

TEST_CASE("bytes that are no UTF-8 leave every line of JSON well formed") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  ben.say("T \xff\xfe broken \xc3 bytes");
  ben.say("T after");
  anna.await_event("chat", with("text", "after"));
  CHECK(anna.other_lines() == 0);
}

TEST_CASE("M reaches one node only") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  ben.say("M carla just for you");
  const Json& tell = carla.await_event("tell");
  CHECK(tell.value("text", "") == "just for you");
  CHECK(tell.value("nick", "") == "ben");
  CHECK(tell.value("from", "") == ben.id());
  ben.say("M anna~" + anna.id().substr(0, 4) + " by id");
  anna.await_event("tell", with("text", "by id"));
  CHECK(anna.count("tell") == 1);
  CHECK(carla.count("tell") == 1);
  ben.say("M nobody hello");
  ben.await_error("not-found");
}

TEST_CASE("a newcomer gets no history unless it asks, and then what was said before it") {
  Star star;
  Node& anna = star.host("anna");
  for (int i = 0; i < 10; ++i) anna.say("T old " + std::to_string(i));
  anna.await_event("chat", with("text", "old 9"));
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna, {"--history", "3"});
  star.settle();
  anna.say("T new");
  ben.await_event("chat", with("text", "new"));
  carla.await_event("chat", with("text", "new"));
  CHECK(ben.count("chat") == 1);
  CHECK(carla.count("chat", [](const Json& chat) { return chat.value("history", false); }) == 3);
  CHECK(carla.texts() == std::vector<std::string>{"new"});
}

TEST_CASE("whoever leaves is told as left") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  ben.quit();
  for (Node* node : {&anna, &carla}) {
    const Json& left = node->await_event("left");
    CHECK(left.value("node", "") == ben.id());
    CHECK(left.value("nick", "") == "ben");
    CHECK(left.value("reason", "") == "quit");
  }
  star.settle();
}

TEST_CASE("a killed member is told as lost") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  ben.signal(SIGKILL);
  ben.await_end();
  for (Node* node : {&anna, &carla}) {
    CHECK(node->await_event("left").value("reason", "") == "lost");
  }
  star.settle();
}

TEST_CASE("Q, the end of input, SIGINT and SIGTERM leave cleanly within two seconds") {
  Star star;
  Node& anna = star.host("anna");
  std::map<std::string, std::function<void(Node&)>> ways = {
      {"q", [](Node& node) { node.say("q"); }},
      {"exit", [](Node& node) { node.say("exit"); }},
      {"end", [](Node& node) { node.end_input(); }},
      {"int", [](Node& node) { node.signal(SIGINT); }},
      {"term", [](Node& node) { node.signal(SIGTERM); }},
  };
  for (const auto& [name, leave] : ways) {
    CAPTURE(name);
    Node& node = star.join(name, anna);
    anna.await_event("joined", with("nick", name));
    leave(node);
    CHECK_MESSAGE(node.await_end(Seconds(2)) == 0, node.account());
    CHECK(node.last("closed") != nullptr);
    CHECK(anna.await_event("left", with("nick", name)).value("reason", "") == "quit");
  }
}

TEST_CASE("--no-prompt stays when its input ends, until SIGTERM") {
  Star star;
  Node& anna = star.host("anna", {"--no-prompt"});
  anna.end_input();
  Node& ben = star.join("ben", anna);
  star.settle();
  ben.quit();
  anna.signal(SIGTERM);
  CHECK(anna.await_end(Seconds(2)) == 0);
}

TEST_CASE("a command that cannot be carried out says why and changes nothing") {
  Star star;
  Node& anna = star.host("anna");
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"frobnicate", "usage"},
      {"T", "usage"},
      {"C", "usage"},
      {"C nonsense 1 2 3", ""},
      {"M", "usage"},
      {"B", "usage"},
      {"B /no/such/file", ""},
      {"R", "usage"},
      {"R nothing", "not-found"},
      {"M nobody x", "not-found"},
      {"H nobody", "not-found"},
      {"ban nobody", "not-found"},
      {"cancel nothing", "not-found"}};
  for (const auto& [line, code] : mistakes) {
    CAPTURE(line);
    const size_t mark = anna.mark();
    anna.say(line);
    const Json& error = anna.await_event("error", any, mark);
    if (!code.empty()) CHECK(error.value("code", "") == code);
    CHECK(!error.value("message", "").empty());
    CHECK(error.value("message", "").find('\n') == std::string::npos);
  }
  const size_t mark = anna.mark();
  anna.say("");
  anna.say("   ");
  anna.say("T alive");
  anna.await_event("chat", any, mark);
  CHECK(anna.count("error", any, mark) == 0);
}

TEST_CASE("C to a dead address gives an error in bounded time and the prompt lives") {
  Star star;
  Node& frozen = star.host("frozen");
  frozen.signal(SIGSTOP);
  Node& anna = star.open("anna", {});
  const auto begin = Clock::now();
  anna.say("C " + frozen.addr());
  anna.say("T meanwhile");
  anna.await_event("chat", with("text", "meanwhile"), 0, Seconds(2));
  const Json& error = anna.await_event("error", any, 0, Seconds(12));
  CHECK(since(begin) < 11);
  const std::string code = error.value("code", "");
  CHECK_MESSAGE((code == "unreachable" || code == "timeout"), code);
  anna.say("T after");
  anna.await_event("chat", with("text", "after"));
}

TEST_CASE("the supernode's ban keeps a node out, a member may not ban") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  carla.say("ban ben");
  carla.await_event("error");
  anna.say("ban ben");
  for (Node* node : {&anna, &carla}) {
    CHECK(node->await_event("left", with("nick", "ben")).value("reason", "") == "refused");
  }
  ben.await_event("role", with("role", "alone"));
  const size_t mark = ben.mark();
  ben.say("C " + anna.addr());
  CHECK(ben.await_event("error", any, mark).value("code", "") == "refused");
  ben.say("Q");
  ben.await_end();
  star.settle();
  // Nobody went with the one that was shut out.
  CHECK(anna.supernode() == anna.id());
  CHECK(carla.supernode() == anna.id());
}

TEST_CASE("twenty join at once and chat") {
  Star star;
  Node& anna = star.host("anna");
  for (int i = 0; i < 20; ++i) star.start("n" + std::to_string(i), {"join", anna.addr()});
  star.settle();
  for (Node* node : star.running()) node->say("T hello from " + node->nick());
  star.await_same_chat(21);
}

TEST_CASE("with 20 percent loss both ways all still works") {
  Star star;
  Node& anna = star.host("anna", {"--impair", "loss=20%,dup=2%,reorder=2%,corrupt=2%,seed=7"});
  Node& ben = star.join("ben", anna, {"--impair", "loss=20%,dup=2%,reorder=2%,corrupt=2%,seed=8"});
  Node& carla = star.join("carla", anna, {"--impair", "loss=20%,seed=9"});
  star.settle();
  for (int i = 0; i < 30; ++i) {
    for (Node* node : star.running()) node->say("T " + node->nick() + " " + std::to_string(i));
  }
  star.await_same_chat(90);
  const auto file = make_file(ben.folder() / "file", 500'000);
  ben.say("B " + file.string());
  carla.await_event("offered");
  carla.say("R file");
  carla.await_event("received");
  CHECK(same_files(carla.downloads() / "file", file));
}

TEST_SUITE_END();
