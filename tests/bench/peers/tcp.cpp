// SPDX-License-Identifier: MIT
//
// The kernel's TCP. CC_ALGO=cubic|bbr|reno in the environment: the congestion control of this end.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "bench/peers/peer.h"

static int open_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int one = 1;
  if (const char* algorithm = getenv("CC_ALGO")) {
    const auto size = static_cast<socklen_t>(std::strlen(algorithm));
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, algorithm, size) != 0) {
      peer::fail("no such congestion control");
    }
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  return fd;
}

[[noreturn]] static void send_to(int fd, const peer::Arguments& asked) {
  const auto put = [&](const char* bytes, size_t size) {
    if (send(fd, bytes, size, MSG_NOSIGNAL) < 0) pause();
  };
  if (asked.latency) peer::paced(asked, put, peer::wait_until);
  peer::run_for(asked.seconds);
  const std::vector<char> chunk(128 * 1024);
  while (true) put(chunk.data(), chunk.size());
}

int main(int argc, char** argv) {
  const peer::Arguments asked = peer::parse(argc, argv);
  const int fd = open_socket();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(asked.port);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (asked.sender) {
    inet_pton(AF_INET, asked.host.c_str(), &address.sin_addr);
    if (connect(fd, generic, sizeof address) != 0) peer::fail("connect");
    send_to(fd, asked);
  }
  if (bind(fd, generic, sizeof address) != 0 || listen(fd, 1) != 0) peer::fail("listen");
  if (asked.latency) {
    peer::Latency latency(asked);
    const int from = accept(fd, nullptr, nullptr);
    peer::Message message;
    constexpr auto whole = static_cast<ssize_t>(sizeof message.bytes);
    while (recv(from, message.bytes, sizeof message.bytes, MSG_WAITALL) == whole) {
      latency.got(message.bytes);
    }
    pause();
  }
  peer::Sink sink(asked.seconds);
  const int from = accept(fd, nullptr, nullptr);
  std::vector<char> chunk(128 * 1024);
  for (ssize_t got; (got = recv(from, chunk.data(), chunk.size(), 0)) > 0;) {
    sink.got(static_cast<size_t>(got));
  }
  pause();
}
