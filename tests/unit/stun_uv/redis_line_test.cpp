// SPDX-License-Identifier: MIT
//
// Against a server on 127.0.0.1 that says what the test wants; a real one is in tests/script.
#include "stun/uv/redis_line.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "mrt/uv/sockaddr.h"
#include "unit/mrt_uv/turning_loop.h"

using fixture::TurningLoop;
using stun::StoreReply;
using stun::uv::RedisLine;

namespace {

class Server {
 public:
  Server() : listening_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    socklen_t size = sizeof at;
    REQUIRE(bind(listening_, address, size) == 0);
    REQUIRE(listen(listening_, 1) == 0);
    getsockname(listening_, address, &size);
    address_ = mrt::uv::from_sockaddr(address);
  }
  ~Server() {
    close(accepted_);
    close(listening_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const mrt::Address& address() const { return address_; }
  /// Once somebody has connected: as much as the kernel takes of what `text` still has.
  void say(std::string& text) {
    if (accepted_ < 0) accepted_ = accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK);
    const ssize_t sent = send(accepted_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent > 0) text.erase(0, static_cast<size_t>(sent));
  }

 private:
  int listening_;
  int accepted_ = -1;
  mrt::Address address_;
};

struct Program {
  TurningLoop& loop;
  Server server{};
  bool connected = false;
  size_t replies = 0;
  std::optional<std::string> lost{};
  RedisLine* line = nullptr;

  explicit Program(TurningLoop& on) : loop(on) {
    std::string why;
    line = RedisLine::open(&loop.uv(), server.address(),
                           {[this] { connected = true; }, [this](const StoreReply&) { ++replies; },
                            [this](const std::string& said) { lost = said; }},
                           why);
    REQUIRE_MESSAGE(line != nullptr, why);
    loop.turn_until([this] { return connected; });
  }
  /// Until it was lost, or that many replies have come.
  void hear(std::string text, size_t count) {
    loop.turn_until([&] {
      server.say(text);
      return lost || replies >= count;
    });
  }
};

std::string repeated(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("a reply that is too long is lost, in one piece or in many that are done") {
  constexpr size_t too_much = 2 * RedisLine::reply_bytes_max;
  for (const std::string& text :
       {"$" + std::to_string(too_much) + "\r\n" + std::string(too_much, 'x') + "\r\n",
        "*" + std::to_string(too_much / 4) + "\r\n" + repeated(":1\r\n", too_much / 4)}) {
    TurningLoop loop;
    Program program(loop);
    program.hear(text, 1);
    CHECK(program.replies == 0);
    CHECK(program.lost == "a reply is too long");
  }
}

TEST_CASE("any number of replies comes through") {
  TurningLoop loop;
  Program program(loop);
  // Each ends within a read, most of them.
  constexpr size_t each = 10'000, count = 3 * RedisLine::reply_bytes_max / each;
  const std::string reply = "$" + std::to_string(each) + "\r\n" + std::string(each, 'x') + "\r\n";
  program.hear(repeated(reply, count), count);
  CHECK(program.replies == count);
  CHECK_FALSE(program.lost);
  program.line->close();
}
