// SPDX-License-Identifier: MIT
//
// `thuban rendezvous` as a real program on 127.0.0.1.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

TEST_SUITE_END();
