// SPDX-License-Identifier: MIT
//
// Bulk over real sockets on loopback, sender and receiver a process each: goodput, and the
// CPU time that each side spends on a gigabyte.
//
//   loopback_bulk [MEGABYTES [STREAMS [SUITE [PACKET_BYTES]]]]      default 2000 1 sealed 65507
//
// SUITE: sealed (what this CPU does best), aes, chacha, plain.
// THUBAN_NO_GSO=1 shows the fall-back without UDP_SEGMENT and UDP_GRO.
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "bench/loopback.h"
#include "mrt/endpoint.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"

using namespace mrt;
using bench::loopback_socket;

namespace {

constexpr size_t chunk_bytes = 256 * 1024;  // what a user writes and reads at once

EndpointConfig asked;  // by the command line

EndpointConfig config_for(const uv::Sockets& sockets) {
  EndpointConfig out = asked;
  out.socket_buffer_bytes = uv::receive_buffer_bytes(sockets);
  return out;
}

/// One process's half. Sends what `left` says, a stream for each entry; reads all else.
struct Side {
  Endpoint endpoint;
  uv::Driver<Endpoint, Side> driver;
  std::vector<uint64_t> left;
  std::vector<StreamId> streams;
  Bytes chunk = Bytes(chunk_bytes, 0x5a);
  uint64_t bytes_read = 0;
  ConnectionStats last;
  bool over = false;

  explicit Side(uv::Sockets sockets)
      : endpoint(config_for(sockets), uv::entropy_seed()),
        driver(*uv_default_loop(), endpoint, *this) {
    driver.add(std::move(sockets));
  }

  void on_event(Instant now, Event& event) {
    if (const auto* connected = std::get_if<Connected>(&event)) {
      for (size_t i = 0; i < left.size(); ++i) {
        streams.push_back(*endpoint.open_stream(connected->connection, Priority::bulk));
      }
      write(now, connected->connection);
    } else if (const auto* writable = std::get_if<Writable>(&event)) {
      write(now, writable->connection);
    } else if (const auto* readable = std::get_if<Readable>(&event)) {
      const auto [id, stream] = *readable;
      while (const size_t got = endpoint.read(now, id, stream, chunk)) bytes_read += got;
    } else if (std::get_if<Closed>(&event) != nullptr) {
      over = true;
    }
  }

  /// In turn, until a write is cut short: then Writable follows.
  void write(Instant now, ConnectionId id) {
    last = endpoint.stats(id).value_or(last);
    uint64_t all_left = 1;
    while (all_left > 0) {
      all_left = 0;
      for (size_t i = 0; i < streams.size(); ++i) {
        const size_t size = std::min<uint64_t>(left[i], chunk.size());
        const size_t taken = endpoint.write(now, id, streams[i], ByteView(chunk).first(size));
        left[i] -= taken;
        if (taken < size) return;
        all_left += left[i];
      }
    }
    if (streams.empty()) return;
    endpoint.close_when_sent(now, id, CloseCode::none, "", std::chrono::seconds(30));
  }

  void run(const char* name, uint64_t total) {
    driver.wake();
    while (!over) uv_run(uv_default_loop(), UV_RUN_ONCE);
    const uv::SocketStats& socket = driver.sockets()[0]->stats();
    std::printf("  %s: %.2f CPU s/GB, %" PRIu64 " pumps; %" PRIu64 " datagrams out in %" PRIu64
                " calls, %" PRIu64 " in in %" PRIu64 "\n",
                name, uv::cpu_seconds() / (static_cast<double>(total) / 1e9), driver.stats().pumps,
                socket.datagrams_sent, socket.send_calls, socket.datagrams_received,
                socket.receive_calls);
    std::fflush(stdout);
  }
};

/// Where a process ends while its driver is still in the loop.
[[noreturn]] void end(bool well) {
  std::fflush(stdout);
  _exit(well ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t megabytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2000;
  const uint64_t streams = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  if (megabytes == 0 || streams == 0) return 2;
  const std::string_view suite = argc > 3 ? argv[3] : "sealed";
  asked.plain = suite == "plain";
  if (suite == "aes") asked.only_cipher = Cipher::aes_128_gcm;
  if (suite == "chacha") asked.only_cipher = Cipher::chacha20_poly1305;
  if (argc > 4) asked.mtu_bytes_max = std::strtoull(argv[4], nullptr, 10);
  const uint64_t share = megabytes * 1'000'000 / streams;
  const uint64_t total = share * streams;
  uv::Sockets receiving = loopback_socket();
  const Address target = receiving[0]->local();

  const pid_t child = fork();
  if (child == 0) {
    Side receiver(std::move(receiving));
    receiver.run("receiver", total);
    end(receiver.bytes_read == total);
  }
  receiving.clear();
  Side sender(loopback_socket());
  sender.left.assign(streams, share);
  const Instant start = uv::monotonic_now();
  const Path path{sender.driver.sockets()[0]->local(), target};
  if (!sender.endpoint.connect(start, path)) end(false);
  sender.run("sender", total);
  const double seconds = to_seconds(uv::monotonic_now() - start);
  int status = 0;
  waitpid(child, &status, 0);
  std::printf("%s: %" PRIu64 " MB in %.2f s, %.0f MB/s; MTU %zu, window %zu, RTT %" PRId64
              " us, lost %" PRIu64 " of %" PRIu64 "\n",
              status == 0 ? "whole" : "NOT WHOLE", megabytes, seconds,
              static_cast<double>(total) / 1e6 / seconds, sender.last.mtu_bytes,
              sender.last.window_bytes, to_us(sender.last.rtt), sender.last.packets_lost,
              sender.last.packets_sent);
  end(status == 0);
}
