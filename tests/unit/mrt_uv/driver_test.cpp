// SPDX-License-Identifier: MIT
#include "mrt/uv/driver.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cerrno>
#include <numeric>

#include "mrt/uv/clock.h"
#include "mrt/uv/sockaddr.h"
#include "unit/mrt_uv/kernel_faults.h"
#include "unit/mrt_uv/parrot.h"
#include "unit/mrt_uv/socket_fixture.h"
#include "unit/mrt_uv/turning_loop.h"

using fixture::pattern;
using fixture::TurningLoop;
using kernel_faults::Faults;
using mrt::Address;
using mrt::Duration;
using mrt::Instant;
using mrt::Path;
using namespace mrt::uv;

namespace {

/// A Parrot on its driver, and what it heard.
struct Bird {
  TurningLoop& loop;
  Parrot parrot;
  std::vector<Parrot::Event> heard;
  std::vector<Instant> rang_at;  // when each ring was told
  std::function<void()> on_any;
  Driver<Parrot, Bird> driver;
  bool closed = false;

  Bird(TurningLoop& on, const Address& bind, const SocketConfig& config = {})
      : loop(on), driver(on.uv(), parrot, *this) {
    driver.add(fixture::open(bind, config));
  }
  explicit Bird(TurningLoop& on) : loop(on), driver(on.uv(), parrot, *this) {}
  ~Bird() { close(); }

  void close() {
    if (!closed) driver.close([this] { closed = true; });
    while (!closed) uv_run(&loop.uv(), UV_RUN_ONCE);
  }
  void on_event(Instant now, const Parrot::Event& event) {
    if (event.rang != mrt::never) rang_at.push_back(now);
    heard.push_back(event);
    if (on_any) on_any();
  }
  Address address(size_t i = 0) const { return driver.sockets()[i]->local(); }
  /// Turning the loop brings no further pump: nothing spins.
  bool is_asleep() {
    for (int i = 0; i < 2; ++i) uv_run(&loop.uv(), UV_RUN_NOWAIT);  // what is still due
    const uint64_t before = driver.stats().pumps;
    for (int i = 0; i < 20; ++i) uv_run(&loop.uv(), UV_RUN_NOWAIT);
    return driver.stats().pumps == before;
  }
  size_t bytes_heard() const {
    return std::accumulate(heard.begin(), heard.end(), size_t{0},
                           [](size_t sum, const auto& one) { return sum + one.bytes.size(); });
  }
  mrt::Bytes all_heard() const {
    mrt::Bytes out;
    for (const auto& one : heard) out.insert(out.end(), one.bytes.begin(), one.bytes.end());
    return out;
  }
};

}  // namespace

TEST_CASE("two machines play ping-pong through the kernel") {
  for (const Address& loopback : fixture::loopbacks()) {
    TurningLoop loop;
    Bird ping(loop, loopback);
    Bird pong(loop, loopback);
    ping.parrot.talks_back = pong.parrot.talks_back = true;
    ping.parrot.say({ping.address(), pong.address()}, pattern(100), 100);
    ping.driver.wake();
    loop.turn_until([&] { return ping.heard.size() == 1000; });
    CHECK(ping.heard.back().bytes == pattern(100));
    CHECK(ping.heard.back().path == Path{ping.address(), pong.address()});
    ping.parrot.talks_back = pong.parrot.talks_back = false;
  }
}

TEST_CASE("a timer never fires early and costs a bounded number of pumps") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  const Instant start = monotonic_now();
  constexpr int rings = 200;
  // 50 us apart: far below libuv's own granularity.
  for (int i = 1; i <= rings; ++i)
    bird.parrot.rings.insert(start + std::chrono::microseconds(50 * i));
  bird.driver.wake();
  loop.turn_until([&] { return bird.heard.size() == rings; });
  for (size_t i = 0; i < rings; ++i) CHECK(bird.rang_at[i] >= bird.heard[i].rang);
  CHECK(bird.driver.stats().pumps <= 2 * rings);
  CHECK(bird.driver.stats().timer_fires <= rings);
}

TEST_CASE("a deadline that moves on is kept, and one that moves closer too") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  const Instant start = monotonic_now();
  const Instant far = start + std::chrono::hours(1);
  const Instant near = start + std::chrono::milliseconds(2);
  const Instant later = start + std::chrono::milliseconds(4);
  bird.parrot.rings = {far};
  bird.driver.wake();
  loop.turn_until([&] { return bird.driver.stats().pumps == 1; });
  bird.parrot.rings = {near, far};
  bird.driver.wake();
  loop.turn_until([&] { return bird.driver.stats().pumps == 2; });
  bird.parrot.rings = {later, far};
  bird.driver.wake();
  loop.turn_until([&] { return bird.heard.size() == 1; });
  CHECK(bird.heard[0].rang == later);
  CHECK(bird.rang_at[0] >= later);
}

TEST_CASE("any number of calls of wake() in one turn cost one pump") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 100; ++i) bird.driver.wake();
    loop.turn_until([&] { return bird.driver.stats().pumps > 0; });
    uv_run(&loop.uv(), UV_RUN_NOWAIT);
    CHECK(bird.driver.stats().pumps == static_cast<uint64_t>(round));
  }
}

TEST_CASE("a command given in answer to an event needs no further pump") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  Bird other(loop, fixture::loopback_v4);
  bird.parrot.rings = {monotonic_now()};
  bird.on_any = [&] {
    bird.parrot.say({bird.address(), other.address()}, pattern(10), 10);
    bird.driver.wake();
  };
  bird.driver.wake();
  loop.turn_until([&] { return other.heard.size() == 1; });
  CHECK(bird.is_asleep());
  CHECK(bird.driver.stats().pumps == 1);
}

TEST_CASE("a machine without deadlines lets the loop sleep") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  bird.driver.wake();
  loop.turn_until([&] { return bird.driver.stats().pumps == 1; });
  CHECK(uv_backend_timeout(&loop.uv()) > 1000);  // the watchdog's
  CHECK(bird.is_asleep());
}

TEST_CASE("a machine that always has more to send leaves each turn to others") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  Bird sink(loop, fixture::loopback_v4);
  bird.parrot.chatters = true;
  bird.parrot.chatter_path = {bird.address(), sink.address()};
  bird.driver.wake();
  const uint64_t turns_before = loop.turns();
  loop.turn_until([&] { return bird.driver.stats().batches_sent >= 1000; });
  // pump() sends at most 128 small batches, once a turn by wake() and once by what arrives.
  CHECK(loop.turns() - turns_before >= 1000 / 256);
  bird.parrot.chatters = false;
}

TEST_CASE("what many are sent in one turn costs few calls") {
  TurningLoop loop;
  Bird from(loop, fixture::loopback_v4);
  Bird to(loop, fixture::loopback_v4);
  constexpr size_t messages = 100;
  for (size_t i = 0; i < messages; ++i)
    from.parrot.say({from.address(), to.address()}, pattern(100), 100);
  from.driver.wake();
  loop.turn_until([&] { return from.driver.stats().batches_sent == messages; });
  CHECK(from.driver.sockets()[0]->stats().send_calls <= 4);
  loop.turn_until([&] { return to.bytes_heard() == messages * 100; });
  CHECK(from.is_asleep());
}

TEST_CASE("a blocked socket is resumed and loses nothing") {
  for (const bool batches : {true, false}) {
    CAPTURE(batches);
    TurningLoop loop;
    Bird from(loop, fixture::loopback_v4, {.segmentation = batches});
    Bird to(loop, fixture::loopback_v4);
    const mrt::Bytes bytes = pattern(10'500);
    for (int i = 0; i < 20; ++i) {
      from.parrot.say({from.address(), to.address()}, bytes, 1000);
    }
    const kernel_faults::Scope scope(
        Faults{.send_errno = EAGAIN, .send_refusals = 30, .send_cut_to = 4});
    from.driver.wake();
    loop.turn_until([&] { return to.bytes_heard() == 20 * bytes.size(); });
    mrt::Bytes expected;
    for (int i = 0; i < 20; ++i) expected.insert(expected.end(), bytes.begin(), bytes.end());
    CHECK(to.all_heard() == expected);
    CHECK(from.driver.stats().batches_blocked > 0);
    CHECK(from.driver.stats().batches_given_up == 0);
    CHECK(from.driver.stats().batches_sent == 20);
    CHECK(from.is_asleep());
  }
}

TEST_CASE("what stays blocked is given up, and timers and others go on") {
  TurningLoop loop;
  Bird from(loop, fixture::loopback_v4);
  Bird to(loop, fixture::loopback_v4);
  const Path path{from.address(), to.address()};
  const Instant soon = monotonic_now() + std::chrono::milliseconds(5);
  from.parrot.rings = {soon};
  from.parrot.say(path, pattern(100, 1), 100);
  from.parrot.say(path, pattern(100, 2), 100);
  {
    const kernel_faults::Scope scope(Faults{.send_errno = EAGAIN, .send_refusals = 1 << 30});
    from.driver.wake();
    loop.turn_until([&] { return from.driver.stats().batches_given_up == 1; });
    CHECK(from.heard.size() == 1);
  }
  loop.turn_until([&] { return to.heard.size() == 1; });
  CHECK(to.heard[0].bytes == pattern(100, 2));
  CHECK(from.is_asleep());
}

TEST_CASE("the path chooses the socket") {
  if (!fixture::has_v6()) return;
  TurningLoop loop;
  Bird bird(loop);
  SocketError error;
  bird.driver.add(open_unspecified(0, {}, error));
  bird.driver.add(fixture::open(fixture::loopback_v4));
  REQUIRE(bird.driver.sockets().size() == 3);
  Bird four(loop, fixture::loopback_v4);
  Bird six(loop, fixture::loopback_v6);
  Address first_port;
  first_port.port = bird.address(0).port;
  bird.parrot.say({first_port, four.address()}, pattern(1), 1);       // only the port is known
  bird.parrot.say({bird.address(2), four.address()}, pattern(1), 1);  // the third socket
  bird.parrot.say({Address{}, six.address()}, pattern(1), 1);         // nothing is known
  bird.driver.wake();
  loop.turn_until([&] { return four.heard.size() == 2 && six.heard.size() == 1; });
  CHECK(four.heard[0].path.remote.port == bird.address(0).port);
  CHECK(four.heard[1].path.remote == bird.address(2));
  CHECK(six.heard[0].path.remote.port == bird.address(1).port);
}

TEST_CASE("a batch that no socket fits is dropped and counted") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  bird.parrot.say({Address{}, *Address::parse("[::1]:9")}, pattern(1), 1);
  bird.driver.wake();
  loop.turn_until([&] { return bird.driver.stats().batches_without_socket == 1; });
}

TEST_CASE("a driver whose sockets are all on loopback sends nothing beyond it") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  for (const Address& local : {bird.address(), Address{}}) {
    bird.parrot.say({local, *Address::parse("198.51.100.1:9")}, pattern(1), 1);
  }
  bird.driver.wake();
  loop.turn_until([&] { return bird.driver.sockets()[0]->stats().lost_confined == 2; });
  CHECK(bird.driver.sockets()[0]->stats().send_calls == 0);
}

TEST_CASE("an ICMP error on a socket is counted and the socket goes on") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  Bird other(loop, fixture::loopback_v4);
  const int fd = bird.driver.sockets()[0]->fd();
  // Linux tells ICMP errors to connected sockets only; ours never is but for this test.
  const SocketAddress closed = to_sockaddr(fixture::open(fixture::loopback_v4)->local());
  REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&closed.storage), closed.size) == 0);
  REQUIRE(send(fd, "x", 1, 0) == 1);
  loop.turn_until([&] { return bird.driver.sockets()[0]->stats().errors_received == 1; });
  const SocketAddress open = to_sockaddr(other.address());
  REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&open.storage), open.size) == 0);
  other.parrot.say({other.address(), bird.address()}, pattern(10), 10);
  other.driver.wake();
  loop.turn_until([&] { return bird.heard.size() == 1; });
}

TEST_CASE("close() lets out the last words, however many") {
  TurningLoop loop;
  Bird leaver(loop, fixture::loopback_v4);
  Bird other(loop, fixture::loopback_v4);
  for (int i = 0; i < 300; ++i) {
    leaver.parrot.say({leaver.address(), other.address()}, pattern(10), 10);
  }
  leaver.close();
  loop.turn_until([&] { return other.bytes_heard() == 3000; });
}

TEST_CASE("close() from within an event, and with a batch blocked, is clean") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  const kernel_faults::Scope scope(Faults{.send_errno = EAGAIN, .send_refusals = 1 << 30});
  bird.parrot.say({bird.address(), bird.address()}, pattern(1), 1);
  bird.parrot.rings = {monotonic_now()};
  bird.on_any = [&] { bird.driver.close([&] { bird.closed = true; }); };
  bird.driver.wake();
  loop.turn_until([&] { return bird.closed; });
  CHECK(bird.driver.sockets().empty());
}

TEST_CASE("a machine with patience is read several datagrams at a time, and rings on time") {
  TurningLoop loop;
  Bird from(loop, fixture::loopback_v4);
  Bird to(loop, fixture::loopback_v4);
  to.parrot.patience = std::chrono::milliseconds(200);
  const auto say = [&](uint8_t number) {
    from.parrot.say({from.address(), to.address()}, pattern(10, number), 10);
    from.driver.wake();
  };
  say(0);
  loop.turn_until([&] { return to.heard.size() == 1; });
  const uint64_t reads = to.driver.sockets()[0]->stats().receive_calls;
  const Instant soon = monotonic_now() + std::chrono::milliseconds(5);
  to.parrot.rings = {soon};
  to.driver.wake();
  for (uint8_t i = 1; i <= 5; ++i) say(i);
  loop.turn_until([&] { return to.heard.size() == 7; });
  CHECK(to.heard[1].rang == soon);
  CHECK(to.driver.sockets()[0]->stats().receive_calls == reads + 1);
}

TEST_CASE("a deadline that is moved on again and again wakes nobody") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  const Instant end = monotonic_now() + std::chrono::milliseconds(60);
  Instant due = mrt::never;
  uint64_t late = 0;  // this process was off its core meanwhile
  loop.turn_until([&] {
    const Instant now = monotonic_now();
    if (due <= now) ++late;
    due = now + std::chrono::microseconds(1500);
    bird.parrot.rings = {due};
    bird.driver.wake();
    return now >= end;
  });
  CHECK(bird.driver.stats().timer_fires <= late);
}

TEST_CASE("what came while a socket rested is read at its end, in however many calls") {
  TurningLoop loop;
  Bird from(loop, fixture::loopback_v4);
  Bird to(loop, fixture::loopback_v4);
  to.parrot.patience = std::chrono::milliseconds(300);
  const auto say = [&](size_t times) {
    for (size_t i = 0; i < times; ++i)
      from.parrot.say({from.address(), to.address()}, pattern(10), 10);
    from.driver.wake();
  };
  say(1);
  loop.turn_until([&] { return to.heard.size() == 1; });
  const uint64_t rests = to.driver.stats().timer_fires;
  say(3 * ReceiveBuffer::slots);
  loop.turn_until([&] { return to.heard.size() == 1 + 3 * ReceiveBuffer::slots; });
  CHECK(to.driver.stats().timer_fires == rests + 1);
}

TEST_CASE("who is read with patience is read sooner where its buffer would be full by then") {
  TurningLoop loop;
  Bird from(loop, fixture::loopback_v4);
  Bird to(loop, fixture::loopback_v4);
  // So much within some milliseconds would be far beyond the buffer in ten minutes.
  to.parrot.patience = std::chrono::minutes(10);
  for (int i = 0; i < 3; ++i) {
    from.parrot.say({from.address(), to.address()}, pattern(60'000), 1'200);
    from.driver.wake();
    const size_t wanted = to.bytes_heard() + 60'000;
    loop.turn_until([&] { return to.bytes_heard() >= wanted; });
  }
  CHECK(to.bytes_heard() == 180'000);
}

TEST_CASE("a socket that waits for room while it rests is given up in time") {
  TurningLoop loop;
  const auto from = fixture::open(fixture::loopback_v4);
  Bird to(loop, fixture::loopback_v4);
  to.parrot.patience = std::chrono::milliseconds(10);
  to.parrot.talks_back = true;
  size_t part = 0;
  const mrt::Bytes bytes = pattern(10);
  const Outgoing question{fixture::batch_to({from->local(), to.address()}, 10, 10), bytes};
  REQUIRE(from->send_all(std::span(&question, 1), part) == 1);
  const kernel_faults::Scope scope(
      Faults{.send_errno = EAGAIN, .send_refusals = 1 << 30, .never_writable = true});
  loop.turn_until([&] { return to.driver.stats().batches_given_up == 1; });
  CHECK(to.heard.size() == 1);
}

TEST_CASE("close() from what the first of two resting sockets has heard is clean") {
  TurningLoop loop;
  Bird from(loop, fixture::loopback_v4);
  Bird to(loop, fixture::loopback_v4);
  to.driver.add(fixture::open(fixture::loopback_v4, {}));
  to.parrot.patience = std::chrono::milliseconds(100);
  const auto say_to_both = [&] {
    for (const size_t i : {0u, 1u})
      from.parrot.say({from.address(), to.address(i)}, pattern(10), 10);
    from.driver.wake();
  };
  say_to_both();
  loop.turn_until([&] { return to.heard.size() == 2; });
  to.on_any = [&] {
    to.on_any = nullptr;
    to.driver.close([&] { to.closed = true; });
  };
  say_to_both();
  loop.turn_until([&] { return to.closed; });
  CHECK(to.driver.sockets().empty());
}

TEST_CASE("a socket that is removed is closed, and the others go on") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  Bird friendly(loop, fixture::loopback_v4);
  bird.driver.add(fixture::open(fixture::loopback_v4));
  const Address first = bird.address(0), second = bird.address(1);
  bird.parrot.say({second, friendly.address()}, pattern(10), 10);
  bird.driver.wake();
  loop.turn_until([&] { return friendly.heard.size() == 1; });
  CHECK(friendly.heard[0].path.remote == second);
  // From within an event, as a machine asks for it.
  bird.on_any = [&] { bird.driver.remove(second); };
  friendly.parrot.say({{}, second}, pattern(10), 10);
  friendly.driver.wake();
  loop.turn_until([&] { return bird.driver.sockets().size() == 1; });
  bird.on_any = nullptr;
  CHECK(bird.address(0) == first);
  CHECK(fixture::open(second) != nullptr);
  // What names it goes from another one.
  bird.parrot.say({second, friendly.address()}, pattern(10), 10);
  bird.driver.wake();
  loop.turn_until([&] { return friendly.heard.size() == 2; });
  CHECK(friendly.heard[1].path.remote == first);
  CHECK(bird.is_asleep());
}

TEST_CASE("a socket that is removed while it waits for room takes what waits with it") {
  TurningLoop loop;
  Bird bird(loop, fixture::loopback_v4);
  Bird friendly(loop, fixture::loopback_v4);
  bird.driver.add(fixture::open(fixture::loopback_v4));
  const Address first = bird.address(0), second = bird.address(1);
  {
    const kernel_faults::Scope scope(
        Faults{.send_errno = EAGAIN, .send_refusals = 1 << 30, .never_writable = true});
    bird.parrot.say({second, friendly.address()}, pattern(10), 10);
    bird.parrot.say({first, friendly.address()}, pattern(20), 20);
    bird.driver.wake();
    loop.turn_until([&] { return bird.driver.stats().batches_blocked > 0; });
  }
  bird.driver.remove(second);
  loop.turn_until([&] { return !friendly.heard.empty(); });
  CHECK(friendly.heard[0].bytes == pattern(20));
}
