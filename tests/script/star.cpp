// SPDX-License-Identifier: MIT
#include "script/star.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <utility>

namespace script {

bool any(const Json&) { return true; }

Node::Node(const Launch& launch, std::string nick, std::filesystem::path folder)
    : Program(launch), nick_(std::move(nick)), folder_(std::move(folder)) {}

std::string Node::addr() const {
  const Json* event = find("listening");
  return event == nullptr ? "" : event->value("addr", "");
}

std::string Node::id() const {
  const Json* event = find("listening");
  return event == nullptr ? "" : event->value("node", "");
}

const Json* Node::find(const std::string& event, const Match& match, size_t from) const {
  for (size_t i = from; i < events().size(); ++i) {
    const Json& body = events()[i].body;
    if (body.value("event", "") == event && match(body)) return &body;
  }
  return nullptr;
}

const Json* Node::last(const std::string& event) const {
  for (size_t i = events().size(); i > 0; --i) {
    if (events()[i - 1].body.value("event", "") == event) return &events()[i - 1].body;
  }
  return nullptr;
}

size_t Node::count(const std::string& event, const Match& match, size_t from) const {
  size_t count = 0;
  for (size_t i = from; i < events().size(); ++i) {
    const Json& body = events()[i].body;
    if (body.value("event", "") == event && match(body)) ++count;
  }
  return count;
}

const Json& Node::await_event(const std::string& event, const Match& match, size_t from,
                              Seconds limit) {
  await(
      nick_ + " tells `" + event + "`", [&] { return find(event, match, from) != nullptr; }, limit);
  return *find(event, match, from);
}

const Json& Node::await_error(const std::string& code, size_t from, Seconds limit) {
  return await_event(
      "error", [&](const Json& body) { return body.value("code", "") == code; }, from, limit);
}

std::vector<std::string> Node::texts() const {
  std::vector<std::string> texts;
  for (const auto& event : events()) {
    if (event.body.value("event", "") == "chat" && !event.body.value("history", false)) {
      texts.push_back(event.body.value("text", ""));
    }
  }
  return texts;
}

std::vector<std::string> Node::roster() const {
  std::vector<std::string> nicks;
  if (const Json* event = last("roster")) {
    for (const auto& peer : event->at("peers")) nicks.push_back(peer.value("nick", ""));
  }
  std::sort(nicks.begin(), nicks.end());
  return nicks;
}

std::string Node::supernode() const {
  const Json* event = last("roster");
  return event == nullptr ? "" : event->value("supernode", "");
}

void Node::quit() {
  say("Q");
  CHECK_MESSAGE(await_end(Seconds(2)) == 0, account());
}

void Node::check_events() const {
  INFO(account());
  CHECK(other_lines() == 0);
  if (events().empty()) return;
  CHECK(events().front().body.value("event", "") == "listening");
  if (ended()) CHECK((exit_code() == 0 || exit_code() >= 128));
  if (exit_code() == 0) CHECK(events().back().body.value("event", "") == "closed");
  std::set<std::string> ids;
  std::pair<int64_t, int64_t> place{-1, -1};
  for (const auto& event : events()) {
    const Json& body = event.body;
    CHECK(body.contains("event"));
    CHECK(body.value("ts", int64_t{0}) > 1'600'000'000'000);
    if (body.value("event", "") != "chat") continue;
    CHECK_MESSAGE(ids.insert(body.value("id", "")).second, "twice: " << body);
    const std::pair next{body.value("epoch", int64_t{-1}), body.value("seq", int64_t{-1})};
    CHECK_MESSAGE(next > place, "not later than the one before: " << body);
    place = next;
  }
}

Star::~Star() {
  if (std::uncaught_exceptions() != 0) return;
  // All at once: their ends take as long as one's.
  for (const Node* node : running()) node->signal(SIGCONT);
  for (Node* node : running()) node->end_input();
  Program::run_until([this] { return running().empty(); }, Seconds(4));
  for (const Node* node : running()) FAIL_CHECK("does not end\n" << node->account());
  for (const auto& node : nodes_) node->check_events();
}

Node& Star::host(const std::string& nick, const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {"host"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  return open(nick, arguments);
}

Node& Star::join(const std::string& nick, const Node& through,
                 const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {"join", through.addr()};
  arguments.insert(arguments.end(), options.begin(), options.end());
  return open(nick, arguments);
}

Node& Star::open(const std::string& nick, const std::vector<std::string>& arguments,
                 const Place& place) {
  Node& node = start(nick, arguments, place);
  node.await_event("listening");
  return node;
}

Node& Star::start(const std::string& nick, const std::vector<std::string>& arguments,
                  const Place& place) {
  const auto home = folder(nick);
  std::filesystem::create_directory(home / "downloads");
  Launch launch{arguments, home, place.environment};
  launch.network = place.network;
  // Who names no server asks nobody: THUBAN_NAT is none in a Program's environment.
  const std::vector<std::string> common = {"--json", "--nick", nick, "--bind", place.bind};
  launch.arguments.insert(launch.arguments.end(), common.begin(), common.end());
  const auto given = [&](const char* option) {
    return std::find(arguments.begin(), arguments.end(), option) != arguments.end();
  };
  if (!given("--state")) launch.arguments.emplace_back("--ephemeral");
  if (!given("--downloads")) {
    launch.arguments.emplace_back("--downloads");
    launch.arguments.emplace_back(home / "downloads");
  }
  // What a node logged stands in the account of a failing test: THUBAN_TEST_LOG=debug.
  if (const char* level = std::getenv("THUBAN_TEST_LOG")) {
    launch.arguments.insert(launch.arguments.end(), {"--log", level});
  }
  nodes_.push_back(std::make_unique<Node>(launch, nick, home));
  return *nodes_.back();
}

Launch Star::launch(const std::vector<std::string>& arguments) {
  return {arguments, folder("command")};
}

void Star::settle(Seconds limit) {
  Program::await(
      "one star of all that run",
      [this] {
        std::set<std::string> ids;
        for (Node* node : running()) ids.insert(node->id());
        for (Node* node : running()) {
          const Json* roster = node->last("roster");
          if (roster == nullptr || roster->value("supernode", "") != running()[0]->supernode()) {
            return false;
          }
          std::set<std::string> named;
          for (const auto& peer : roster->at("peers")) named.insert(peer.value("node", ""));
          if (named != ids) return false;
        }
        return ids.contains(running()[0]->supernode());
      },
      limit);
}

void Star::await_same_chat(size_t count, Seconds limit) {
  const auto nodes = running();
  Program::await(
      std::to_string(count) + " messages everywhere",
      [&] {
        return std::all_of(nodes.begin(), nodes.end(),
                           [&](Node* node) { return node->count("chat") >= count; });
      },
      limit);
  for (const Node* node : nodes) {
    CHECK(node->texts().size() == count);
    // As JSON, so that a difference can be read.
    CHECK_MESSAGE(Json(node->texts()) == Json(nodes[0]->texts()),
                  node->nick() << " differs from " << nodes[0]->nick());
  }
}

std::vector<Node*> Star::running() const {
  std::vector<Node*> nodes;
  for (const auto& node : nodes_) {
    const bool left_out = std::count(left_out_.begin(), left_out_.end(), node.get()) != 0;
    if (!node->ended() && !left_out) nodes.push_back(node.get());
  }
  return nodes;
}

std::filesystem::path Star::folder(const std::string& name) {
  const auto path = root_ / (std::to_string(++folders_) + "-" + name);
  std::filesystem::create_directories(path);
  return path;
}

std::filesystem::path make_file(const std::filesystem::path& path, size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> words(size / sizeof(uint64_t) + 1);
  for (auto& word : words) word = random();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(size));
  file.close();
  REQUIRE(file.good());
  return path;
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool same_files(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::ifstream left(a, std::ios::binary), right(b, std::ios::binary);
  if (!left || !right) return false;
  std::vector<char> ours(1 << 20), theirs(ours.size());
  const auto room = static_cast<std::streamsize>(ours.size());
  while (left && right) {
    left.read(ours.data(), room);
    right.read(theirs.data(), room);
    if (left.gcount() != right.gcount()) return false;
    if (!std::equal(ours.begin(), ours.begin() + left.gcount(), theirs.begin())) return false;
  }
  return left.eof() && right.eof();
}

std::vector<std::string> listing(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace script
