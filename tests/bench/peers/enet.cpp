// SPDX-License-Identifier: MIT
//
// ENet: one peer, one channel, reliable packets, no bandwidth limits.
#include <enet/enet.h>

#include "bench/peers/peer.h"

namespace {

constexpr size_t outstanding_bytes_max = 2 * 1024 * 1024;
size_t outstanding_bytes = 0;  // handed to ENet and not yet acknowledged

void put(ENetPeer* to, const char* bytes, size_t size) {
  ENetPacket* packet = enet_packet_create(bytes, size, ENET_PACKET_FLAG_RELIABLE);
  packet->freeCallback = [](ENetPacket* freed) { outstanding_bytes -= freed->dataLength; };
  outstanding_bytes += size;
  enet_peer_send(to, 0, packet);
}

[[noreturn]] void send_to(ENetAddress address, const peer::Arguments& asked) {
  enet_address_set_host(&address, asked.host.c_str());
  ENetHost* host = enet_host_create(nullptr, 1, 1, 0, 0);
  if (host == nullptr) peer::fail("host");
  enet_socket_set_option(host->socket, ENET_SOCKOPT_SNDBUF, 4 << 20);
  ENetPeer* to = enet_host_connect(host, &address, 1, 0);
  ENetEvent event{};
  if (enet_host_service(host, &event, 10'000) <= 0 || event.type != ENET_EVENT_TYPE_CONNECT) {
    peer::fail("connect");
  }
  if (asked.latency) {
    peer::paced(
        asked,
        [&](const char* bytes, size_t size) {
          put(to, bytes, size);
          enet_host_flush(host);
        },
        [&](double) { enet_host_service(host, &event, 1); });
  }
  peer::run_for(asked.seconds);
  const std::vector<char> chunk(16 * 1024);
  while (true) {
    while (outstanding_bytes < outstanding_bytes_max) put(to, chunk.data(), chunk.size());
    enet_host_service(host, &event, 1);
  }
}

template <class Got>
[[noreturn]] void receive(ENetHost* host, Got got) {
  ENetEvent event{};
  while (true) {
    if (enet_host_service(host, &event, 10) <= 0 || event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    got(*event.packet);
    enet_packet_destroy(event.packet);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const peer::Arguments asked = peer::parse(argc, argv);
  enet_initialize();
  const ENetAddress address{ENET_HOST_ANY, asked.port};
  if (asked.sender) send_to(address, asked);
  ENetHost* host = enet_host_create(&address, 1, 1, 0, 0);
  if (host == nullptr) peer::fail("host");
  enet_socket_set_option(host->socket, ENET_SOCKOPT_RCVBUF, 4 << 20);
  if (asked.latency) {
    peer::Latency latency(asked);
    receive(host, [&](const ENetPacket& packet) {
      latency.got(reinterpret_cast<const char*>(packet.data));
    });
  }
  peer::Sink sink(asked.seconds);
  receive(host, [&](const ENetPacket& packet) { sink.got(packet.dataLength); });
}
