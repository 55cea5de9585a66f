// SPDX-License-Identifier: MIT
//
// UDT 4 with its own, rate-based congestion control and large buffers.
#include <arpa/inet.h>
#include <udt/udt.h>

#include "bench/peers/peer.h"

namespace {

UDTSOCKET open_socket(bool latency) {
  const UDTSOCKET out = UDT::socket(AF_INET, latency ? SOCK_DGRAM : SOCK_STREAM, 0);
  const auto set = [&](UDT::SOCKOPT option, int value) {
    UDT::setsockopt(out, 0, option, &value, sizeof value);
  };
  set(UDT_MSS, 1500);
  set(UDT_FC, 32'768);
  set(UDT_SNDBUF, 32 << 20);
  set(UDT_RCVBUF, 32 << 20);
  set(UDP_SNDBUF, 4 << 20);
  set(UDP_RCVBUF, 4 << 20);
  return out;
}

[[noreturn]] void send_to(UDTSOCKET socket, const peer::Arguments& asked) {
  if (asked.latency) {
    peer::paced(
        asked,
        [&](const char* bytes, size_t size) {
          UDT::sendmsg(socket, bytes, static_cast<int>(size), -1, true);
        },
        peer::wait_until);
  }
  peer::run_for(asked.seconds);
  const std::vector<char> chunk(128 * 1024);
  while (true) {
    if (UDT::send(socket, chunk.data(), static_cast<int>(chunk.size()), 0) == UDT::ERROR) pause();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const peer::Arguments asked = peer::parse(argc, argv);
  UDT::startup();
  const UDTSOCKET socket = open_socket(asked.latency);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(asked.port);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (asked.sender) {
    inet_pton(AF_INET, asked.host.c_str(), &address.sin_addr);
    if (UDT::connect(socket, generic, sizeof address) == UDT::ERROR) {
      peer::fail(UDT::getlasterror().getErrorMessage());
    }
    send_to(socket, asked);
  }
  if (UDT::bind(socket, generic, sizeof address) == UDT::ERROR ||
      UDT::listen(socket, 1) == UDT::ERROR) {
    peer::fail(UDT::getlasterror().getErrorMessage());
  }
  peer::Sink* const sink = asked.latency ? nullptr : new peer::Sink(asked.seconds);
  peer::Latency* const latency = asked.latency ? new peer::Latency(asked) : nullptr;
  int size = sizeof address;
  const UDTSOCKET from = UDT::accept(socket, generic, &size);
  std::vector<char> chunk(128 * 1024);
  const auto room = static_cast<int>(chunk.size());
  while (true) {
    const int got = asked.latency ? UDT::recvmsg(from, chunk.data(), room)
                                  : UDT::recv(from, chunk.data(), room, 0);
    if (got <= 0) pause();
    if (sink != nullptr) {
      sink->got(static_cast<size_t>(got));
    } else {
      latency->got(chunk.data());
    }
  }
}
