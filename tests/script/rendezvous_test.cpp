// SPDX-License-Identifier: MIT
//
// `thuban rendezvous` as a real program on 127.0.0.1.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "mrt/base/random.h"
#include "script/star.h"
#include "stun/rendezvous_key.h"

using namespace script;

namespace {

/// The service, ended as a service is.
class Server : public Node {
 public:
  explicit Server(Star& star, const std::string& bind = "127.0.0.1:0",
                  const std::string& store = "")
      : Node(star.launch(arguments(bind, store)), "server", "") {
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
  /// "shared" or "alone" with its store.
  void await_store(const std::string& state) {
    Program::await("store " + state, [&] {
      const Json* const said = last("store");
      return said != nullptr && said->at("state") == state;
    });
  }

 private:
  static std::vector<std::string> arguments(const std::string& bind, const std::string& store) {
    std::vector<std::string> out = {"rendezvous", "--bind", bind, "--json"};
    if (!store.empty()) out.insert(out.end(), {"--store", store});
    return out;
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

namespace {

const std::string store_password = "sesame-2";

/// A real Redis on 127.0.0.1 that keeps nothing on a disk. A port of its own for the whole test.
class Redis {
 public:
  explicit Redis(std::filesystem::path folder) : folder_(std::move(folder)), port_(free_port()) {
    start();
  }
  ~Redis() { kill(); }
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  static bool is_installed() { return access("/usr/bin/redis-server", X_OK) == 0; }

  void start() {
    const std::string port = std::to_string(port_), log = folder_ / "log";
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl("/usr/bin/redis-server", "redis-server", "--port", port.c_str(), "--bind", "127.0.0.1",
          "--save", "", "--dir", folder_.c_str(), "--logfile", log.c_str(), "--requirepass",
          store_password.c_str(), nullptr);
    _exit(127);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  std::string url(const std::string& shown = store_password) const {
    return "redis://:" + shown + "@127.0.0.1:" + std::to_string(port_) + "/1";
  }

 private:
  static uint16_t free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&at), size) == 0);
    getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    close(fd);
    return ntohs(at.sin_port);
  }

  std::filesystem::path folder_;
  uint16_t port_;
  pid_t pid_ = -1;
};

/// A supernode as a server sees it: one socket, and what it says.
class Supernode {
 public:
  Supernode() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Supernode() { close(fd_); }
  Supernode(const Supernode&) = delete;
  Supernode& operator=(const Supernode&) = delete;

  void enrol(const Server& server, const std::string& network) {
    const stun::RendezvousKey key(stun::open_rendezvous_seed(network));
    stun::Registration said;
    said.transaction = 1;
    said.life_seconds = 60;
    said.cookie = cookie(server);
    key.sign(said);
    REQUIRE(std::holds_alternative<stun::Registered>(tell(server, said)));
  }
  bool keep(const Server& server, const std::string& network) {
    return std::holds_alternative<stun::Registered>(
        tell(server, stun::Keep{1, id_of(network), {}, false}));
  }
  bool finds(const Server& server, const std::string& network) {
    const auto said = tell(server, stun::Find{1, false, cookie(server), id_of(network), {}});
    return !std::get<stun::Found>(said).supernodes.empty();
  }

 private:
  static stun::LookUpId id_of(const std::string& network) {
    return stun::RendezvousKey(stun::open_rendezvous_seed(network)).id();
  }
  stun::RendezvousCookie cookie(const Server& server) {
    return std::get<stun::CookieGiven>(tell(server, stun::Find{})).cookie;
  }
  stun::RendezvousMessage tell(const Server& server, const stun::RendezvousMessage& message) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const mrt::Bytes bytes = stun::write_rendezvous(message);
    sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    pollfd ready{fd_, POLLIN, 0};
    uint8_t room[2'000];
    const ssize_t size = poll(&ready, 1, 5'000) > 0 ? recv(fd_, room, sizeof room, 0) : 0;
    const auto said = stun::parse_rendezvous(
        mrt::ByteView(room).first(static_cast<size_t>(std::max<ssize_t>(size, 0))));
    REQUIRE(said);
    return *said;
  }

  int fd_;
};

}  // namespace

TEST_CASE("two servers share a table: one is killed, then the store, then the store comes back") {
  if (!Redis::is_installed()) {
    MESSAGE("SKIPPED, not tested: a shared table needs redis-server");
    return;
  }
  Star star;
  Redis redis(star.folder("redis"));
  Server first(star, "127.0.0.1:0", redis.url()), second(star, "127.0.0.1:0", redis.url());
  first.await_store("shared");
  second.await_store("shared");
  // Whoever lists processes, or reads what is said, does not learn the password.
  const std::string listed = contents("/proc/" + std::to_string(first.pid()) + "/cmdline");
  CHECK(listed.find("redis://") != std::string::npos);
  for (const std::string& text : {listed, first.output()}) {
    CHECK(text.find(store_password) == std::string::npos);
  }

  Star members;
  members.open("anna", {"host", "--open", "--network", "lab", "--rendezvous", first.addr()});
  Supernode supernode;
  supernode.enrol(first, "other");
  Node& ben = members.open("ben", {"join", "lab", "--open", "--rendezvous", second.addr()});
  await_company(ben, 2);
  Program::await("the other", [&] { return supernode.finds(second, "other"); });

  first.signal(SIGKILL);
  first.await_end();
  // A Keep proves nothing to a server that knows it from the store alone.
  CHECK_FALSE(supernode.keep(second, "other"));
  CHECK(supernode.finds(second, "other"));
  supernode.enrol(second, "other");
  CHECK(supernode.keep(second, "other"));
  Node& carl = members.open("carl", {"join", "lab", "--open", "--rendezvous", second.addr()});
  await_company(carl, 3);

  Server third(star, "127.0.0.1:0", redis.url());
  third.await_store("shared");
  CHECK(supernode.finds(third, "other"));
  redis.kill();
  for (Server* server : {&second, &third}) server->await_store("alone");
  Supernode later;
  later.enrol(second, "while it was away");
  for (Server* server : {&second, &third}) CHECK(supernode.finds(*server, "other"));
  redis.start();
  for (Server* server : {&second, &third}) server->await_store("shared");
  Program::await("what came meanwhile",
                 [&] { return supernode.finds(third, "while it was away"); });
}

TEST_CASE("a store that does not let in is told of, and the server goes on alone") {
  if (!Redis::is_installed()) {
    MESSAGE("SKIPPED, not tested: a shared table needs redis-server");
    return;
  }
  Star star;
  Redis redis(star.folder("redis"));
  Server server(star, "127.0.0.1:0", redis.url("barley"));
  Program::await("why", [&] {
    const Json* const said = server.last("store");
    return said != nullptr && said->at("state") == "alone";
  });
  Supernode supernode;
  supernode.enrol(server, "lab");
  CHECK(supernode.finds(server, "lab"));
  CHECK(server.output().find("barley") == std::string::npos);
}

TEST_SUITE_END();
