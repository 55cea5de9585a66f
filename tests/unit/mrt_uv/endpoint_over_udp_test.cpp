// SPDX-License-Identifier: MIT
//
// Two endpoints, each on a driver of its own in one loop: the transport over real sockets.
#include <doctest/doctest.h>

#include "mrt/endpoint.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"
#include "unit/mrt_uv/socket_fixture.h"
#include "unit/mrt_uv/turning_loop.h"

using namespace mrt;
using fixture::TurningLoop;

namespace {

/// An endpoint on its driver. Writes `to_send` once connected; keeps what it reads.
struct Party {
  TurningLoop& loop;
  Endpoint endpoint;
  uv::Driver<Endpoint, Party> driver;
  Bytes to_send;
  size_t sent = 0;
  Bytes read;
  bool over = false;
  std::optional<CloseCode> code;

  Party(TurningLoop& on, const Address& bind, const uv::SocketConfig& config)
      : loop(on), endpoint(EndpointConfig{}, uv::entropy_seed()), driver(on.uv(), endpoint, *this) {
    driver.add(fixture::open(bind, config));
  }
  ~Party() {
    driver.close([this] { over = true; });
    over = false;
    while (!over) uv_run(&loop.uv(), UV_RUN_ONCE);
  }

  Address address() const { return driver.sockets()[0]->local(); }

  void on_event(Instant now, Event& event) {
    if (const auto* connected = std::get_if<Connected>(&event)) {
      if (to_send.empty()) return;
      CHECK(endpoint.open_stream(connected->connection, Priority::bulk) == first_stream);
      write(now, connected->connection);
    } else if (const auto* writable = std::get_if<Writable>(&event)) {
      write(now, writable->connection);
    } else if (const auto* readable = std::get_if<Readable>(&event)) {
      uint8_t piece[64 * 1024];
      while (const size_t got = endpoint.read(now, readable->connection, readable->stream, piece)) {
        read.insert(read.end(), piece, piece + got);
      }
    } else if (const auto* closed = std::get_if<Closed>(&event)) {
      code = closed->code;
    }
  }

  void write(Instant now, ConnectionId id) {
    const ByteView rest = ByteView(to_send).subspan(sent);
    sent += endpoint.write(now, id, first_stream, rest);
    if (sent == to_send.size()) {
      endpoint.close_when_sent(now, id, CloseCode::none, "", std::chrono::seconds(10));
    }
  }
};

void move(const Address& loopback, const uv::SocketConfig& config, size_t bytes) {
  TurningLoop loop;
  Party receiver(loop, loopback, config);
  Party sender(loop, loopback, config);
  sender.to_send = fixture::pattern(bytes);
  REQUIRE(sender.endpoint.connect(uv::monotonic_now(), {sender.address(), receiver.address()}));
  sender.driver.wake();
  loop.turn_until([&] { return sender.code && receiver.code; });
  CHECK(*sender.code == CloseCode::none);
  CHECK(*receiver.code == CloseCode::none);
  CHECK(receiver.read == sender.to_send);
}

}  // namespace

TEST_CASE("64 MB cross from endpoint to endpoint over real sockets") {
  move(fixture::loopback_v4, {}, 64'000'000);
}

TEST_CASE("the same over IPv6, and where the kernel has no batches") {
  if (fixture::has_v6()) move(fixture::loopback_v6, {}, 8'000'000);
  move(fixture::loopback_v4, {.segmentation = false}, 8'000'000);
}
