// SPDX-License-Identifier: MIT
#include "mrt/doors.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "mrt/agreement.h"
#include "unit/mrt/members.h"

using namespace mrt;
using namespace mrt::test;

namespace {

using Verdict = Doors::Verdict;
using Try = Doors::Try;

Address host(uint32_t n) {
  return Address::v4(10, uint8_t(n >> 16), uint8_t(n >> 8), uint8_t(n), 999);
}
Address v6(uint8_t network, uint8_t interface) {
  Address address;
  address.ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, interface};
  address.port = 999;
  return address;
}

/// Knocks so often at one instant; how many of each answer.
std::map<Verdict, int> knock(Doors& doors, Instant now, const Address& from, int times, bool cookie,
                             bool guessing) {
  std::map<Verdict, int> out;
  for (int i = 0; i < times; ++i) ++out[doors.on_call(now, from, cookie, guessing, false)];
  CHECK(doors.is_consistent());
  return out;
}

/// A guesser knocks at that interval, with a cookie and for long; an honest caller from the same
/// address (a NAT's) repeats its RCON as WIRE.md 3.1 says, and after ten seconds calls again.
Duration time_to_get_in(Random& random, Duration guess_interval) {
  Doors doors;
  const Instant start = Instant(100s) + random.between({}, 1s);
  knock(doors, start, host(1), 200, true, true);
  knock(doors, start, host(1), 100, false, true);
  Instant next_guess = start;
  for (Instant call = start; call < start + 1h; call += 10s) {
    bool cookie = false;
    Duration interval = rcon_interval_first;
    for (Instant at = call; at < call + 10s;) {
      for (; next_guess < at;
           next_guess += random.between(guess_interval / 2, 3 * guess_interval / 2))
        doors.on_call(next_guess, host(1), true, true, false);
      const Verdict verdict = doors.on_call(at, host(1), cookie, true, false);
      if (verdict == Verdict::answer) return at - start;
      if (verdict == Verdict::ask_cookie) {
        cookie = true;
        at += 10ms;  // the cookie is shown as soon as it is there
        continue;
      }
      at += interval;
      interval = std::min(2 * interval, rcon_interval_max);
    }
  }
  return 1h;
}

}  // namespace

TEST_CASE("a burst of callers is answered at once, more are asked for a cookie, never refused") {
  Doors doors;
  Instant now{100s};
  auto answers = knock(doors, now, host(1), 1'000, false, false);
  CHECK(answers[Verdict::answer] == 256);
  CHECK(answers[Verdict::ask_cookie] == 744);
  CHECK(answers[Verdict::wait] == 0);
  // With cookies there is a budget of their own.
  answers = knock(doors, now, host(1), 2'000, true, false);
  CHECK(answers[Verdict::answer] == 1'024);
  CHECK(answers[Verdict::wait] == 976);
  // A second later as many as the rate says.
  now += 1s;
  CHECK(knock(doors, now, host(2), 1'000, false, false)[Verdict::answer] == 200);
  CHECK(knock(doors, now, host(2), 1'000, true, false)[Verdict::answer] == 500);
}

TEST_CASE("where half-open connections crowd, only cookies are answered") {
  Doors doors;
  const Instant now{100s};
  CHECK(doors.on_call(now, host(1), false, false, true) == Verdict::ask_cookie);
  CHECK(doors.on_call(now, host(1), true, false, true) == Verdict::answer);
}

TEST_CASE("what a guesser at one address tries is limited for any length of time") {
  Doors doors;
  const Instant start{100s};
  int tries = 0;
  constexpr int hours = 1;
  for (Instant now = start; now < start + std::chrono::hours(hours); now += 50ms) {
    for (const bool cookie : {false, true})
      tries += doors.on_call(now, host(1), cookie, true, false) == Verdict::answer ? 1 : 0;
  }
  // Three a second and the bursts: a password of four digits holds an hour, a real one for ever.
  CHECK(tries <= hours * 3'600 * 3 + 64 + 128);
  CHECK(tries >= hours * 3'600 * 2);
}

TEST_CASE("an honest caller beside a guesser on one address is delayed, never locked out") {
  Random random(seed_from(1));
  // A guesser gains nothing by knocking more often than it is answered; one that does all the same
  // takes nearly all tries, and the caller is in after some calls.
  int in_ten_seconds = 0;
  for (int caller = 0; caller < 100; ++caller)
    in_ten_seconds += time_to_get_in(random, 250ms) < 10s ? 1 : 0;
  CHECK(in_ten_seconds >= 90);
  for (int caller = 0; caller < 20; ++caller) CHECK(time_to_get_in(random, 10ms) < 30min);
}

TEST_CASE("who speaks falsely in an address's name leaves its owner the way of the cookie") {
  Doors doors;
  Instant now{100s};
  for (int second = 0; second < 60; ++second, now += 1s) {
    knock(doors, now, host(1), 150, false, true);
    CHECK(knock(doors, now, host(1), 1, false, true)[Verdict::ask_cookie] == 1);
  }
  CHECK(doors.on_call(now, host(1), true, true, false) == Verdict::answer);
}

TEST_CASE("what was no guess is given back: a hundred members at one address all get in") {
  Doors doors;
  const Instant now{100s};
  for (int member = 0; member < 200; ++member) {
    REQUIRE(doors.on_call(now, host(1), false, true, false) == Verdict::answer);
    doors.on_proven(now, host(1), Doors::Try::without_cookie);
  }
}

TEST_CASE("guesses from everywhere are limited together, and known addresses are exempt") {
  Doors doors;
  Instant now{100s};
  doors.on_call(now, host(7), false, true, false);
  doors.on_proven(now, host(7), Doors::Try::without_cookie);
  CHECK(doors.is_known(host(7)));
  CHECK_FALSE(doors.is_known(host(8)));
  int guesses = 0;
  for (int second = 0; second < 20; ++second, now += 1s) {
    for (uint32_t n = 0; n < 400; ++n)
      guesses += doors.on_call(now, host(1'000 + n), true, true, false) == Verdict::answer ? 1 : 0;
    // Whoever was here before gets in all the same.
    CHECK(doors.on_call(now, host(7), true, true, false) == Verdict::answer);
    doors.on_proven(now, host(7), Doors::Try::with_cookie);
  }
  CHECK(guesses <= 1'024 + 20 * 32 + 256 + 20 * 16);
}

TEST_CASE("guessers at 16 addresses take all their tries, and a newcomer is in at once") {
  for (const bool cookie : {false, true}) {
    Doors doors;
    Instant now{100s};
    for (; now < Instant(160s); now += 10ms)
      for (uint32_t n = 0; n < 16; ++n) doors.on_call(now, host(n), cookie, true, false);
    const Verdict verdict = doors.on_call(now, host(99), cookie, true, false);
    CHECK(verdict != Verdict::wait);
    CHECK((verdict == Verdict::answer || !cookie));
    if (verdict == Verdict::ask_cookie) CHECK(doors.on_call(now, host(99), true, true, false) == Verdict::answer);
  }
}

TEST_CASE(
    "a thousand members that lost their supernode are let in at once, with cookies or without") {
  for (const bool cookie : {false, true}) {
    Doors doors;
    Instant now{100s};
    for (uint32_t n = 0; n < 1'000; ++n) {
      if (!cookie) now += 6ms;  // what is computed without a cookie is limited by itself
      REQUIRE(doors.on_call(now, host(n), cookie, true, false) == Verdict::answer);
      doors.on_proven(now, host(n), cookie ? Try::with_cookie : Try::without_cookie);
    }
  }
}

TEST_CASE("ten thousand addresses keep the tables at their limits, and a new one is admitted") {
  Doors doors;
  Instant now{100s};
  for (uint32_t n = 0; n < 10'000; ++n) {
    now += 5ms;
    doors.on_call(now, host(n), true, true, false);
    doors.on_proven(now, host(n), Doors::Try::with_cookie);
    if (n % 500 == 0) CHECK(doors.is_consistent());
  }
  CHECK(doors.is_consistent());
  CHECK(doors.is_known(host(9'999)));
  CHECK(doors.is_known(host(10'000 - Doors::known_max)));
  CHECK_FALSE(doors.is_known(host(10'000 - Doors::known_max - 1)));  // the oldest went
  now += 10s;
  CHECK(doors.on_call(now, host(20'000), false, true, false) == Verdict::answer);
}

TEST_CASE("the addresses of one IPv6 network count as one, those of another apart") {
  Doors doors;
  const Instant now{100s};
  int answers = 0;
  for (int i = 0; i < 200; ++i)
    answers += doors.on_call(now, v6(1, uint8_t(i)), false, true, false) == Verdict::answer ? 1 : 0;
  CHECK(answers == 64);
  CHECK(doors.on_call(now, v6(2, 1), false, true, false) == Verdict::answer);
  doors.on_proven(now, v6(2, 1), Doors::Try::without_cookie);
  CHECK(doors.is_known(v6(2, 200)));
  CHECK_FALSE(doors.is_known(v6(3, 1)));
}

namespace {

/// Callers who guess, each from another address at which nobody answers.
class Crowd {
 public:
  explicit Crowd(Pair& pair) : pair_(pair) {}

  void knock(const Address& from) {
    Rcon rcon;
    rcon.scid = random_.u64() | 1;
    rcon.id = random_.array<16>();
    rcon.suites = suite_aes_128_gcm | suite_chacha20_poly1305;
    Builder parameters;
    write_parameters(parameters, {});
    rcon.parameters = parameters.take();
    const Call call({Access::password, {'n', 'o'}}, "lab", rcon, random_);
    pair_.deliver(Pair::right, {pair_.address(Pair::right), from}, write_packet(rcon));
  }

 private:
  Pair& pair_;
  Random random_{seed_from(42)};
};

}  // namespace

TEST_CASE("2,000 calls a second from false addresses: a real caller is in within a second") {
  Members pair;
  Crowd crowd(pair);
  std::set<uint64_t> answered;
  std::map<Address, size_t> answered_bytes;
  pair.watch = [&](Pair::Side from, const Path& path, ByteView packet) {
    if (from == Pair::left || path.remote == pair.address(Pair::left)) return;
    answered_bytes[path.remote] += packet.size();
    if (const auto acon = read_acon(packet)) answered.insert(acon->dcid);
  };
  const Instant start = pair.now;
  Duration took{};
  for (uint32_t n = 0; n < 10'000; ++n) {
    crowd.knock(host(n));
    pair.run(500us);
    // After four seconds the bursts are spent.
    if (n == 8'000) {
      const Instant called = pair.now;
      pair.id[Pair::left] = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
      for (; pair[Pair::right].connections().empty() && pair.now < called + 5s; ++n) {
        crowd.knock(host(n));
        pair.run(500us);
      }
      took = pair.now - called;
    }
  }
  CHECK(took > Duration{});
  CHECK(took < 1s);
  CHECK(pair.now - start >= 5s);
  CHECK(message_passes(pair, Pair::left, 1));
  // None of the crowd came with a cookie: what is computed and kept for it is bounded.
  CHECK(answered.size() >= 256);
  CHECK(answered.size() <= 256 + 200 * 5);
  CHECK(answered.size() <= EndpointConfig{}.half_open_max);
  for (const auto& [address, bytes] : answered_bytes) CHECK(bytes <= 3 * packet_bytes_initial);
  CHECK(pair[Pair::right].is_consistent());
  pair.run(15s);
  CHECK(pair[Pair::right].connections().size() == 1);
}

TEST_CASE("a member that lost its connection comes back through a crowd that has cookies") {
  EndpointConfig small = sealed_config(2);
  small.half_open_max = 16;
  Members pair(1, {}, sealed_config(1), small);
  REQUIRE(pair.connect());
  Crowd crowd(pair);
  for (uint32_t n = 0; n < 100; ++n) crowd.knock(host(n));
  pair.run(10ms);
  // It starts anew at its address, while all places but those kept for members are taken.
  pair.replace(Pair::left, sealed_config(1), 7);
  pair.events[Pair::left].clear();
  pair.events[Pair::right].clear();
  CHECK(pair.connect(1s));
  CHECK(message_passes(pair, Pair::left, 1));
}

TEST_CASE("OPENING packets are answered by nothing, however many come") {
  Members pair;
  for (uint32_t n = 0; n < 5'000; ++n)
    pair.deliver(Pair::right, {pair.address(Pair::right), host(n)}, opening_packet());
  pair.run(15s);
  CHECK(pair.datagrams_sent[Pair::right] == 0);
  CHECK(pair[Pair::right].next_timeout() == never);
  CHECK(pair.connect());
}
