// SPDX-License-Identifier: MIT
//
// ENet's fan-out: one server core broadcasts 100-byte reliable messages to N clients.
//
//   enet_fanout CLIENTS SECONDS [WINDOW]
//
// The clients are N connections of one ENet host on the other core, so that the server is what
// limits. Counts deliveries a second to the clients' application. WINDOW: how many broadcasts
// may be unacknowledged at a time (32).
#include <enet/enet.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "bench/peers/peer.h"

namespace {

constexpr enet_uint16 port = 7100;

struct Shared {
  std::atomic<uint64_t> delivered{0};
};

int in_flight = 0;

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

void widen(ENetHost* host) {
  enet_socket_set_option(host->socket, ENET_SOCKOPT_RCVBUF, 4 << 20);
  enet_socket_set_option(host->socket, ENET_SOCKOPT_SNDBUF, 4 << 20);
}

[[noreturn]] void run_clients(size_t count, Shared& shared) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(1);
  ENetHost* host = enet_host_create(nullptr, count, 1, 0, 0);
  if (host == nullptr) _exit(1);
  widen(host);
  ENetAddress address{ENET_HOST_ANY, port};
  enet_address_set_host(&address, "127.0.0.1");
  for (size_t i = 0; i < count; ++i) enet_host_connect(host, &address, 1, 0);
  ENetEvent event{};
  while (true) {
    if (enet_host_service(host, &event, 1) <= 0 || event.type != ENET_EVENT_TYPE_RECEIVE) continue;
    ++shared.delivered;
    enet_packet_destroy(event.packet);
  }
}

size_t await_clients(ENetHost* host, size_t count) {
  ENetEvent event{};
  size_t connected = 0;
  for (const double end = peer::now() + 20; connected < count && peer::now() < end;) {
    if (enet_host_service(host, &event, 1) <= 0) continue;
    if (event.type == ENET_EVENT_TYPE_CONNECT) ++connected;
  }
  return connected;
}

void broadcast(ENetHost* host, double seconds, int window) {
  const char bytes[100] = {};
  ENetEvent event{};
  for (const double end = peer::now() + seconds; peer::now() < end;) {
    while (in_flight < window) {
      ENetPacket* packet = enet_packet_create(bytes, sizeof bytes, ENET_PACKET_FLAG_RELIABLE);
      packet->freeCallback = [](ENetPacket*) { --in_flight; };
      ++in_flight;
      enet_host_broadcast(host, 0, packet);
    }
    enet_host_service(host, &event, 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  const int window = argc > 3 ? std::atoi(argv[3]) : 32;
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) peer::fail("memory");
  auto& shared = *new (memory) Shared;
  enet_initialize();
  const ENetAddress address{ENET_HOST_ANY, port};
  ENetHost* host = enet_host_create(&address, count, 1, 0, 0);
  if (host == nullptr) peer::fail("host");
  widen(host);
  const pid_t clients = fork();
  if (clients == 0) run_clients(count, shared);
  pin(0);
  const size_t connected = await_clients(host, count);
  const double begin = peer::now(), cpu_at_begin = peer::usage().cpu_seconds;
  const uint64_t before = shared.delivered;
  broadcast(host, seconds, window);
  const double span = peer::now() - begin;
  const uint64_t delivered = shared.delivered - before;
  const double cpu = peer::usage().cpu_seconds - cpu_at_begin;
  kill(clients, SIGTERM);
  waitpid(clients, nullptr, 0);
  std::printf("{\"clients\":%zu,\"connected\":%zu,\"deliveries_per_s\":%.0f,\"server_cpu\":%.2f}\n",
              count, connected, static_cast<double>(delivered) / span, cpu / span);
}
