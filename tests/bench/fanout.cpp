// SPDX-License-Identifier: MIT
//
// One message to all, over real sockets on loopback: a server on one core sends 100-byte reliable
// messages to N clients, endpoints with an address each, in a process on the other core. Counts
// deliveries to the clients' user a second.
//
//   fanout [CLIENTS [SECONDS [WINDOW [SUITE [MODE]]]]]      default 100 5 32 sealed packed
//
// WINDOW: how many broadcasts may be unacknowledged at a time. SUITE: sealed, plain.
// MODE: packed, as many messages into a datagram as the window gives; single, one message a
// datagram, since each broadcast is sent before the next.
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/loopback.h"
#include "mrt/endpoint.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"

using namespace mrt;
using namespace std::chrono_literals;
using bench::fail;
using bench::loopback_socket;

namespace {

constexpr size_t message_bytes = 100;
constexpr unsigned seconds_in_all = 120;
constexpr Duration joining_max = 20s;

/// Where the clients' process counts, for the server to read.
struct Shared {
  std::atomic<uint64_t> delivered{0};
};

EndpointConfig asked;  // by the command line

EndpointConfig config_of(const uv::Sockets& sockets, uint8_t identity) {
  EndpointConfig out = asked;
  out.identity[0] = identity;
  out.socket_buffer_bytes = uv::receive_buffer_bytes(sockets);
  return out;
}

void pin(size_t core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

// -- The clients: many endpoints at one socket, each with an address of its own --

/// One socket for all, as ENet's clients have it: what is measured is the server, and to wake one
/// sleeper for each datagram would be more than its own work.
class Clients {
 public:
  Clients(size_t count, const Address& server, Shared& shared)
      : socket_(open_on_loopback()), shared_(shared) {
    EndpointConfig config = asked;
    config.identity[0] = 1;
    config.socket_buffer_bytes = socket_->receive_buffer_bytes();
    for (size_t i = 0; i < count; ++i) {
      endpoints_.push_back(std::make_unique<Endpoint>(config, uv::entropy_seed()));
      const Address local = Address::v4(127, 1, static_cast<uint8_t>(i >> 8),
                                        static_cast<uint8_t>(i), socket_->local().port);
      endpoints_[i]->connect(uv::monotonic_now(), {local, server});
      turn(i, uv::monotonic_now());
    }
    flush();
  }

  // What pump() asks of its Io.
  MutableBytes transmit_buffer() {
    return MutableBytes(send_buffer_).subspan(queued_bytes_, batch_bytes_max);
  }
  void transmit(const Transmit& batch) {
    queue_.push_back({batch, ByteView(send_buffer_).subspan(queued_bytes_, batch.size)});
    queued_bytes_ += batch.size;
    if (queue_.size() == together_max || queued_bytes_ > batch_bytes_max) flush();
  }
  void on_event(Instant, const Event& event) {
    if (std::holds_alternative<MessageReceived>(event)) ++delivered_;
  }

  [[noreturn]] void run() {
    Instant looked{};
    for (;;) {
      pollfd readable{socket_->fd(), POLLIN, 0};
      poll(&readable, 1, 1);
      const Instant now = uv::monotonic_now();
      read(now);
      if (now - looked >= 10ms) {  // half a delayed ack
        looked = now;
        for (size_t i = 0; i < endpoints_.size(); ++i)
          if (endpoints_[i]->next_timeout() <= now) turn(i, now);
      }
      flush();
      shared_.delivered.fetch_add(std::exchange(delivered_, 0), std::memory_order_relaxed);
    }
  }

 private:
  /// As many as the server's driver sends in one call.
  static constexpr size_t together_max = 32;

  /// For all of 127.0.0.0/8, and tied to the device: nothing comes from or goes beyond it.
  static std::unique_ptr<uv::UdpSocket> open_on_loopback() {
    uv::SocketError error;
    auto out = uv::UdpSocket::open(Address::v4(0, 0, 0, 0, 0), {}, error);
    if (!out) fail(error.text);
    if (setsockopt(out->fd(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) != 0) fail("SO_BINDTODEVICE");
    return out;
  }

  void read(Instant now) {
    for (const uv::Received& run : socket_->receive(buffer_)) {
      const size_t i = size_t{run.path.local.ip[14]} << 8 | run.path.local.ip[15];
      if (i >= endpoints_.size()) continue;
      endpoints_[i]->on_datagrams(now, run.path, run.ecn, run.segment_size, run.bytes);
      turn(i, now);
    }
  }
  void turn(size_t i, Instant now) { pump(*endpoints_[i], now, *this); }

  void flush() {
    size_t part = 0;  // what the kernel has no room for counts as lost
    socket_->send_all(queue_, part);
    queue_.clear();
    queued_bytes_ = 0;
  }

  std::unique_ptr<uv::UdpSocket> socket_;
  Shared& shared_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  uv::ReceiveBuffer buffer_;
  Bytes send_buffer_ = Bytes(2 * batch_bytes_max);
  std::vector<uv::Outgoing> queue_;
  size_t queued_bytes_ = 0;
  uint64_t delivered_ = 0;
};

// -- The server --

class Server {
 public:
  Server(uv::Sockets sockets, size_t window)
      : endpoint_(config_of(sockets, 2), uv::entropy_seed()),
        driver_(*uv_default_loop(), endpoint_, *this),
        window_(window) {
    driver_.add(std::move(sockets));
    uv_idle_init(uv_default_loop(), &turn_);
    turn_.data = this;
    uv_timer_init(uv_default_loop(), &ticks_);
    uv_timer_start(
        &ticks_, [](uv_timer_t*) {}, 10, 10);
  }

  void on_event(Instant, const Event& event) {
    if (const auto* connected = std::get_if<Connected>(&event))
      members_.push_back(connected->connection);
    lost_ += std::holds_alternative<Closed>(event) ? 1 : 0;
  }

  void gather(size_t count) {
    const Instant end = uv::monotonic_now() + joining_max;
    while (members_.size() < count && uv::monotonic_now() < end)
      uv_run(uv_default_loop(), UV_RUN_ONCE);
  }

  /// Broadcasts as the window allows, in each turn of the loop.
  void run(Duration time, size_t broadcasts_a_turn) {
    a_turn_ = broadcasts_a_turn;
    const Instant end = uv::monotonic_now() + time;
    running_ = true;
    go_on();
    while (uv::monotonic_now() < end) uv_run(uv_default_loop(), UV_RUN_ONCE);
    running_ = false;
    uv_idle_stop(&turn_);
  }

  size_t members() const { return members_.size(); }
  size_t lost() const { return lost_; }
  const uv::SocketStats& socket() const { return driver_.sockets()[0]->stats(); }
  ConnectionStats some_stats() const { return *endpoint_.stats(members_.front()); }

 private:
  /// In the next turn of the loop, if there is room for one more.
  void go_on() {
    if (!running_ || outstanding_ >= window_) return;
    uv_idle_start(&turn_, [](uv_idle_t* turn) { static_cast<Server*>(turn->data)->broadcast(); });
  }

  void broadcast() {
    const Instant now = driver_.now();
    for (size_t i = 0; i < a_turn_ && outstanding_ < window_; ++i) {
      // The last connection to let go of it says that all have acknowledged.
      const SharedBytes message(new Bytes(message_bytes, 0x5a), [this](const Bytes* bytes) {
        delete bytes;
        --outstanding_;
        go_on();
      });
      ++outstanding_;
      for (const ConnectionId member : members_)
        if (!endpoint_.send_message(now, member, Priority::interactive, message)) ++refused_;
    }
    if (outstanding_ >= window_) uv_idle_stop(&turn_);  // and sleeps: its CPU time is work
    driver_.wake();
  }

  bool running_ = false;
  size_t outstanding_ = 0;
  size_t refused_ = 0;
  Endpoint endpoint_;
  uv::Driver<Endpoint, Server> driver_;
  uv_idle_t turn_{};
  uv_timer_t ticks_{};
  std::vector<ConnectionId> members_;
  size_t window_;
  size_t a_turn_ = 0;
  size_t lost_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const size_t clients = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100;
  const uint64_t seconds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 5;
  const size_t window = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 32;
  asked.plain = argc > 4 && std::string_view(argv[4]) == "plain";
  const bool single = argc > 5 && std::string_view(argv[5]) == "single";
  if (clients == 0 || clients > 65'536 || seconds == 0 || seconds > 60 || window == 0) return 2;
  alarm(seconds_in_all);
  asked.accepting = true;

  void* const page =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) fail("mmap");
  auto& shared = *new (page) Shared;
  uv::Sockets sockets = loopback_socket();
  const Address target = sockets[0]->local();
  const pid_t child = fork();
  if (child == 0) {
    sockets.clear();
    alarm(seconds_in_all);
    pin(1);
    Clients(clients, target, shared).run();
  }
  pin(0);
  Server server(std::move(sockets), window);
  server.gather(clients);
  server.run(1s, single ? 1 : window);  // paths are measured and buffers grown before it counts
  const uv::SocketStats socket_before = server.socket();
  const uint64_t before = shared.delivered;
  const double cpu_before = uv::cpu_seconds();
  const Instant start = uv::monotonic_now();
  server.run(std::chrono::seconds(seconds), single ? 1 : window);
  const double span = to_seconds(uv::monotonic_now() - start);
  const auto delivered = static_cast<double>(shared.delivered - before);
  const double cpu = uv::cpu_seconds() - cpu_before;
  kill(child, SIGTERM);
  rusage used{};
  wait4(child, nullptr, 0, &used);
  const uv::SocketStats& socket = server.socket();
  const auto sent = static_cast<double>(socket.datagrams_sent - socket_before.datagrams_sent);
  std::printf(
      "%zu clients, window %zu, %s, %s: %.0f deliveries/s, %.0f for each second of the "
      "server's CPU time (%.2f of a core)\n",
      server.members(), window, asked.plain ? "plain" : "sealed", single ? "single" : "packed",
      delivered / span, delivered / cpu, cpu / span);
  std::printf(
      "  datagrams/s: %.0f out (%.1f messages each), %.0f in; calls/s: %.0f out, %.0f in\n",
      sent / span, delivered / sent,
      static_cast<double>(socket.datagrams_received - socket_before.datagrams_received) / span,
      static_cast<double>(socket.send_calls - socket_before.send_calls) / span,
      static_cast<double>(socket.receive_calls - socket_before.receive_calls) / span);
  std::printf("  MTU %zu, connections lost %zu; clients used %.1f s of CPU in all\n",
              server.some_stats().mtu_bytes, server.lost(),
              to_seconds(std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec)));
  std::fflush(stdout);
  _exit(server.members() == clients && server.lost() == 0 ? 0 : 1);
}
