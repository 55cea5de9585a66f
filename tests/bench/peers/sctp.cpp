// SPDX-License-Identifier: MIT
//
// usrsctp over UDP (RFC 6951): one association, one stream.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <usrsctp.h>

#include "bench/peers/peer.h"

namespace {

constexpr uint16_t sctp_port = 5001;  // inside; the ports on the wire are those of UDP

struct socket* open_socket(uint16_t own_udp, uint16_t other_udp) {
  usrsctp_init(own_udp, nullptr, nullptr);
  usrsctp_sysctl_set_sctp_sendspace(4 << 20);
  usrsctp_sysctl_set_sctp_recvspace(4 << 20);
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  struct socket* out =
      usrsctp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (out == nullptr) peer::fail("socket");
  const int one = 1;
  usrsctp_setsockopt(out, IPPROTO_SCTP, SCTP_NODELAY, &one, sizeof one);
  sctp_udpencaps encapsulation{};
  encapsulation.sue_address.ss_family = AF_INET;
  encapsulation.sue_port = htons(other_udp);
  usrsctp_setsockopt(out, IPPROTO_SCTP, SCTP_REMOTE_UDP_ENCAPS_PORT, &encapsulation,
                     sizeof encapsulation);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const peer::Arguments asked = peer::parse(argc, argv);
  const auto client_port = static_cast<uint16_t>(asked.port + 1);
  struct socket* const socket =
      asked.sender ? open_socket(client_port, asked.port) : open_socket(asked.port, client_port);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(sctp_port);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  std::vector<char> chunk(64 * 1024);
  if (asked.sender) {
    inet_pton(AF_INET, asked.host.c_str(), &address.sin_addr);
    if (usrsctp_connect(socket, generic, sizeof address) != 0) peer::fail("connect");
    const auto put = [&](const char* bytes, size_t size) {
      const auto sent =
          usrsctp_sendv(socket, bytes, size, nullptr, 0, nullptr, 0, SCTP_SENDV_NOINFO, 0);
      if (sent < 0) pause();
    };
    if (asked.latency) peer::paced(asked, put, peer::wait_until);
    peer::run_for(asked.seconds);
    while (true) put(chunk.data(), chunk.size());
  }
  if (usrsctp_bind(socket, generic, sizeof address) != 0 || usrsctp_listen(socket, 1) != 0) {
    peer::fail("listen");
  }
  peer::Sink* const sink = asked.latency ? nullptr : new peer::Sink(asked.seconds);
  peer::Latency* const latency = asked.latency ? new peer::Latency(asked) : nullptr;
  struct socket* const from = usrsctp_accept(socket, nullptr, nullptr);
  while (true) {
    socklen_t address_size = sizeof address, info_size = 0;
    unsigned info_type = 0;
    int flags = 0;
    const ssize_t got = usrsctp_recvv(from, chunk.data(), chunk.size(), generic, &address_size,
                                      nullptr, &info_size, &info_type, &flags);
    if (got <= 0) pause();
    if (sink != nullptr) {
      sink->got(static_cast<size_t>(got));
    } else {
      latency->got(chunk.data());
    }
  }
}
