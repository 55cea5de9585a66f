// SPDX-License-Identifier: MIT
//
// `thuban rendezvous` as a real program on 127.0.0.1.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "script/star.h"

using namespace script;

namespace {

/// The service, ended as a service is.
class Server : public Node {
 public:
  explicit Server(Star& star, const std::string& bind = "127.0.0.1:0")
      : Node(star.launch({"rendezvous", "--bind", bind, "--json"}), "server", "") {
    await_event("listening");
  }
  ~Server() {
    if (ended()) return;
    signal(SIGTERM);
    CHECK(await_end() == 0);
    CHECK_MESSAGE(complaints().empty(), complaints());
    check_events();
  }
  uint16_t port() const {
    return static_cast<uint16_t>(std::stoi(addr().substr(addr().rfind(':') + 1)));
  }
};

/// What 127.0.0.1 answers at that port to one datagram; empty where nothing comes.
std::string ask(uint16_t port, std::string_view datagram) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  send(fd, datagram.data(), datagram.size(), 0);
  pollfd ready{fd, POLLIN, 0};
  char answer[2'000];
  const ssize_t size = poll(&ready, 1, 2'000) > 0 ? recv(fd, answer, sizeof answer, 0) : 0;
  close(fd);
  return size > 0 ? std::string(answer, static_cast<size_t>(size)) : "";
}

std::string stun_request() {
  std::string out("\x00\x01\x00\x00\x21\x12\xa4\x42", 8);
  return out + "0123456789ab";
}

}  // namespace

TEST_SUITE_BEGIN("rendezvous");

TEST_CASE("a rendezvous answers at once and ends with 0 by each signal") {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    Star star;
    Server server(star);
    const Json& listening = server.await_event("listening");
    CHECK(listening["network"] == "rendezvous");
    CHECK(listening["version"].is_string());
    // FIND: no flag, no cookie, some id, nothing told.
    const std::string find = "\xd0\x01" + std::string(8, 'x') + std::string(34, '\0');
    const std::string cookie = ask(server.port(), find);
    CHECK(cookie.substr(0, 10) == "\xd2\x01xxxxxxxx");
    CHECK(cookie.size() == 26);
    server.signal(number);
    CHECK(server.await_end() == 0);
    CHECK((*server.last("closed"))["reason"] == (number == SIGINT ? "interrupted" : "terminated"));
  }
}

TEST_CASE("STUN is answered at both ports") {
  Star star;
  Server server(star);
  for (const uint16_t port : {server.port(), static_cast<uint16_t>(server.port() + 1)}) {
    const std::string answer = ask(port, stun_request());
    CHECK(answer.substr(0, 2) == std::string("\x01\x01", 2));
    CHECK(answer.substr(8, 12) == "0123456789ab");
  }
}

TEST_CASE("a port that is taken is an error in one line and exit code 1") {
  Star star;
  Server server(star);
  const std::string taken = server.addr();
  const Outcome said = star.run({"rendezvous", "--bind", taken});
  CHECK(said.code == 1);
  CHECK(said.complaints.find(taken) != std::string::npos);
  const Outcome json = star.run({"rendezvous", "--bind", taken, "--json"});
  CHECK(json.code == 1);
  CHECK(json.complaints.empty());
  CHECK(json.output.find("\"network\"") != std::string::npos);
}

namespace {

const std::string password = "open-sesame";

std::string password_file(Star& star, const std::string& text = password) {
  const auto path = star.folder("password") / "file";
  std::ofstream(path) << text << '\n';
  return path;
}

/// `command` and what leads to network lab by way of `servers`.
std::vector<std::string> by_name(std::vector<std::string> command, const std::string& file,
                                 const std::vector<std::string>& servers) {
  command.insert(command.end(), {"--password-file", file});
  for (const std::string& server : servers) {
    command.insert(command.end(), {"--rendezvous", server});
  }
  return command;
}

void await_company(Node& node, size_t count) {
  Program::await(node.nick() + " with all", [&] { return node.roster().size() == count; });
}

}  // namespace

TEST_CASE("a star is found by name and password, by whichever server is up") {
  Star star;
  Server server(star);
  std::string down;
  {
    Server other(star);
    down = other.addr();
  }
  const std::string file = password_file(star);
  const std::vector<std::string> both = {down, server.addr()};
  Node& anna = star.open("anna", by_name({"host", "--network", "lab"}, file, both));
  Node& ben = star.open("ben", by_name({"join", "lab"}, file, both));
  await_company(ben, 2);
  star.settle();
  // Who has another password is not told that there is such a network.
  const std::string wrong = password_file(star, "open-barley");
  const Outcome lost = star.run(by_name({"peers", "lab"}, wrong, {server.addr()}));
  CHECK(lost.code == 3);
  CHECK(lost.complaints.find("nobody is registered") != std::string::npos);
  const Outcome found = star.run(by_name({"peers", "lab"}, file, {server.addr()}));
  CHECK(found.code == 0);
  CHECK(found.output.find("anna") != std::string::npos);
  // Who leaves is registered no more.
  ben.quit();
  anna.quit();
  const Outcome gone = star.run(by_name({"peers", "lab"}, file, {server.addr()}));
  CHECK(gone.code == 3);
}

TEST_CASE("the supernode is killed, and a newcomer finds the star by its name") {
  Star star;
  Server server(star);
  const std::string file = password_file(star);
  Node& anna = star.open("anna", by_name({"host", "--network", "lab"}, file, {server.addr()}));
  Node& ben = star.open("ben", by_name({"join", "lab"}, file, {server.addr()}));
  Node& carl = star.open("carl", by_name({"join", "lab"}, file, {server.addr()}));
  star.settle();
  anna.signal(SIGKILL);
  anna.await_end();
  for (Node* node : {&ben, &carl}) node->await_event("migrated");
  Node& dora = star.open("dora", by_name({"join", "lab"}, file, {server.addr()}));
  await_company(dora, 3);
  star.settle();
}

TEST_CASE("an invite leads to its star when nobody whom it names lives") {
  Star star;
  Server server(star);
  Node& anna = star.host("anna", {"--network", "lab", "--rendezvous", server.addr()});
  const std::string invite = anna.await_event("invite")["invite"];
  Node& ben = star.open("ben", {"join", invite, "--rendezvous", server.addr()});
  Node& carl = star.open("carl", {"join", invite, "--rendezvous", server.addr()});
  star.settle();
  anna.signal(SIGKILL);
  anna.await_end();
  for (Node* node : {&ben, &carl}) node->await_event("migrated");
  Node& dora = star.open("dora", {"join", invite, "--rendezvous", server.addr()});
  await_company(dora, 3);
}

TEST_CASE("what a password was stretched to is kept for its owner only, the password nowhere") {
  Star star;
  Server server(star);
  const std::string file = password_file(star);
  const auto state = star.folder("state") / "thuban";
  Node& anna = star.open(
      "anna", by_name({"host", "--network", "lab", "--state", state}, file, {server.addr()}));
  const auto kept = state / "stretched";
  Program::await("what was stretched", [&] { return std::filesystem::exists(kept); });
  anna.quit();
  CHECK(std::filesystem::status(kept).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(contents(kept).find("lab ") != std::string::npos);
  for (const auto& one : std::filesystem::recursive_directory_iterator(state)) {
    if (one.is_regular_file()) CHECK(contents(one.path()).find(password) == std::string::npos);
  }
  // Another password under the same name is not taken for the first.
  const std::string other = password_file(star, "open-barley");
  const auto before = contents(kept);
  star.open("anna2",
            by_name({"host", "--network", "lab", "--state", state}, other, {server.addr()}));
  Program::await("the other password", [&] { return contents(kept) != before; });
  const Outcome found = star.run(by_name({"peers", "lab"}, other, {server.addr()}));
  CHECK(found.code == 0);
}

TEST_SUITE_END();
