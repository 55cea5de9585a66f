// SPDX-License-Identifier: MIT
#include "stun/responder.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"

using namespace std::chrono_literals;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using mrt::Path;
using namespace stun;

namespace {

const Address caller = Address::v4(192, 0, 2, 1, 40'000);

Address at(const char* text) {
  const auto address = Address::parse(text);
  REQUIRE_MESSAGE(address, text);
  return *address;
}

Message request(bool classic = false) {
  Message out;
  out.id.bytes.fill(classic ? 7 : 9);
  if (!classic) std::copy(magic_cookie.begin(), magic_cookie.end(), out.id.bytes.begin());
  return out;
}

struct Reply {
  Path path;
  Message message;
};

std::optional<Reply> ask(Responder& responder, const Path& path, const Message& message,
                         Instant now = {}) {
  const auto answer = responder.answer(now, path, write_message(message));
  CHECK(responder.is_consistent());
  if (!answer) return std::nullopt;
  const auto read = read_message(answer->bytes);
  REQUIRE(read);
  CHECK(read->id == message.id);
  return Reply{answer->path, *read};
}

/// As `thuban rendezvous` binds it: two ports everywhere.
Responder two_ports() { return Responder({at("0.0.0.0:7700"), at("0.0.0.0:7701")}); }
/// And with two addresses.
Responder two_addresses() {
  return Responder({at("198.51.100.5:7700"), at("198.51.100.5:7701"), at("198.51.100.6:7700"),
                    at("198.51.100.6:7701")});
}
const Path asked{Address::v4(198, 51, 100, 5, 7700), caller};

Bytes with_unknown(const Message& message, std::initializer_list<uint16_t> types) {
  Bytes bytes = write_message(message);
  for (const uint16_t type : types)
    bytes.insert(bytes.end(), {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type), 0, 0});
  bytes[3] = static_cast<uint8_t>(bytes.size() - header_bytes);
  return bytes;
}

}  // namespace

TEST_CASE("a request is told where it came from, both ways") {
  Responder responder({at("0.0.0.0:7700"), at("[::]:7700")});
  for (const Path& path : {asked, Path{at("[2001:db8::5]:7700"), at("[2001:db8::1]:4000")}}) {
    const auto reply = ask(responder, path, request());
    REQUIRE(reply);
    CHECK(reply->path == path);
    CHECK(reply->message.kind == Kind::success);
    CHECK(reply->message.xor_mapped == path.remote);
    CHECK(reply->message.mapped == path.remote);
    CHECK(reply->message.response_origin == path.local);
    // A supernode has one port: there is no other to speak of.
    CHECK(!reply->message.other_address);
    CHECK(!reply->message.other_port);
    CHECK(!reply->message.fingerprint);
  }
}

TEST_CASE("a request with a fingerprint gets an answer with one") {
  Responder responder = two_ports();
  Message message = request();
  message.fingerprint = true;
  CHECK(ask(responder, asked, message)->message.fingerprint);
  message.change = Change{true, false};
  CHECK(ask(responder, asked, message)->message.fingerprint);
}

TEST_CASE("with two ports the other one is named and can be asked for") {
  Responder responder = two_ports();
  const auto plain = ask(responder, asked, request());
  CHECK(plain->message.other_port == 7701);
  CHECK(!plain->message.other_address);  // RFC 5780 section 7.4: not without a second address
  Message message = request();
  message.change = Change{false, true};
  const auto changed = ask(responder, asked, message);
  CHECK(changed->path == Path{Address::v4(198, 51, 100, 5, 7701), caller});
  CHECK(changed->message.response_origin == changed->path.local);
  CHECK(changed->message.other_port == 7701);
  // From the second port the first one is the other.
  const Path second{Address::v4(198, 51, 100, 5, 7701), caller};
  CHECK(ask(responder, second, request())->message.other_port == 7700);
  CHECK(ask(responder, second, message)->path.local.port == 7700);
}

TEST_CASE("what cannot be changed is refused") {
  Message message = request();
  for (const Change change : {Change{true, false}, Change{true, true}}) {
    Responder responder = two_ports();
    message.change = change;
    const auto reply = ask(responder, asked, message);
    CHECK(reply->path == asked);
    CHECK(reply->message.kind == Kind::error);
    CHECK(reply->message.error->code == 420);
    CHECK(reply->message.unknown_attributes == std::vector<uint16_t>{0x0003});
    CHECK(responder.stats().refused == 1);
  }
  Responder one({at("0.0.0.0:7700"), at("[::]:7700")});
  message.change = Change{false, true};
  CHECK(ask(one, asked, message)->message.error->code == 420);
  // Asked to change nothing, it does so.
  message.change = Change{};
  CHECK(ask(one, asked, message)->message.kind == Kind::success);
}

TEST_CASE("with two addresses all of RFC 5780's table 1 is honoured") {
  Responder responder = two_addresses();
  for (const char* local :
       {"198.51.100.5:7700", "198.51.100.5:7701", "198.51.100.6:7700", "198.51.100.6:7701"}) {
    const Path path{at(local), caller};
    Address other = path.local;
    other.ip[15] = other.ip[15] == 5 ? 6 : 5;
    other.port = other.port == 7700 ? 7701 : 7700;
    for (const Change change :
         {Change{false, false}, Change{true, false}, Change{false, true}, Change{true, true}}) {
      Message message = request();
      message.change = change;
      const auto reply = ask(responder, path, message);
      Address from = path.local;
      if (change.ip) from.ip = other.ip;
      if (change.port) from.port = other.port;
      CHECK(reply->path == Path{from, caller});
      CHECK(reply->message.response_origin == from);
      CHECK(reply->message.other_address == other);
      CHECK(!reply->message.other_port);
      CHECK(reply->message.xor_mapped == caller);
    }
  }
}

TEST_CASE("a second address without the same two ports is none") {
  for (const char* lacking : {"198.51.100.6:7700", "198.51.100.6:7701"}) {
    Responder responder({at("198.51.100.5:7700"), at("198.51.100.5:7701"), at(lacking)});
    const auto reply = ask(responder, asked, request());
    CHECK(!reply->message.other_address);
    CHECK(reply->message.other_port == 7701);
  }
  // Nor is one of the other family.
  Responder families({at("198.51.100.5:7700"), at("198.51.100.5:7701"), at("[2001:db8::1]:7700"),
                      at("[2001:db8::1]:7701")});
  CHECK(!ask(families, asked, request())->message.other_address);
}

TEST_CASE("a client after RFC 3489 is answered in its own words") {
  Responder responder = two_addresses();
  Message message = request(true);
  message.change = Change{true, true};
  const auto reply = ask(responder, asked, message);
  CHECK(reply->path.local == at("198.51.100.6:7701"));
  CHECK(reply->message.mapped == caller);
  CHECK(reply->message.source == reply->path.local);
  CHECK(reply->message.changed == at("198.51.100.6:7701"));
  CHECK(!reply->message.xor_mapped);
  CHECK(!reply->message.response_origin);
  CHECK(!reply->message.other_address);
}

TEST_CASE("what has to be understood and is not is named, for RFC 3489 in an even number") {
  for (const bool classic : {false, true}) {
    Responder responder = two_ports();
    const auto answer =
        responder.answer(Instant{}, asked, with_unknown(request(classic), {0x7f01, 0x0002, 0x24}));
    REQUIRE(answer);
    CHECK(answer->path == asked);
    const auto reply = read_message(answer->bytes);
    CHECK(reply->error->code == 420);
    std::vector<uint16_t> named{0x7f01, 0x0002, 0x0024};
    if (classic) named.push_back(0x0024);
    CHECK(reply->unknown_attributes == named);
    CHECK(!reply->mapped);
  }
}

TEST_CASE("RESPONSE-ADDRESS of RFC 3489 would make a reflector: it is not known here") {
  Responder responder = two_ports();
  Bytes bytes = write_message(request(true));
  const Bytes attribute = *mrt::from_hex("0002000800010050c6336407");
  bytes.insert(bytes.end(), attribute.begin(), attribute.end());
  bytes[3] = static_cast<uint8_t>(attribute.size());
  const auto answer = responder.answer(Instant{}, asked, bytes);
  CHECK(answer->path == asked);
  CHECK(read_message(answer->bytes)->error->code == 420);
}

TEST_CASE("by RESPONSE-PORT the answer goes to another port of the same address") {
  Responder responder = two_ports();
  Message message = request();
  message.response_port = 5'000;
  const auto reply = ask(responder, asked, message);
  CHECK(reply->path.remote == Address::v4(192, 0, 2, 1, 5'000));
  CHECK(reply->message.xor_mapped == caller);
  // Not together with PADDING, and to no port that is none: the asker is told so.
  message.padding = 4;
  auto refused = ask(responder, asked, message);
  CHECK(refused->path == asked);
  CHECK(refused->message.error->code == 400);
  message.padding.reset();
  message.response_port = 0;
  refused = ask(responder, asked, message);
  CHECK(refused->path == asked);
  CHECK(refused->message.error->code == 400);
}

TEST_CASE("answers, indications and what is no Binding are not answered") {
  Responder responder = two_ports();
  for (const Kind kind : {Kind::indication, Kind::success, Kind::error}) {
    Message message = request();
    message.kind = kind;
    CHECK(!ask(responder, asked, message));
  }
  Message shared_secret = request(true);
  shared_secret.method = 2;
  CHECK(!ask(responder, asked, shared_secret));
  CHECK(!responder.answer(Instant{}, asked, Bytes{}));
  CHECK(!responder.answer(Instant{}, asked, Bytes(40, 0)));
  CHECK(!responder.answer(Instant{}, asked, Bytes(40, 0xc0)));
  CHECK(responder.stats().ignored == 7);
  // Its own answer, sent back to it, ends there.
  const auto answer = responder.answer(Instant{}, asked, write_message(request()));
  CHECK(!responder.answer(Instant{}, asked, answer->bytes));
}

TEST_CASE("an answer goes nowhere that nobody can be, and never to itself") {
  Responder responder = two_addresses();
  for (const char* forged : {"0.0.0.0:5", "255.255.255.255:5", "224.0.0.1:5", "192.0.2.1:0",
                             "198.51.100.5:7700", "198.51.100.6:7701"})
    CHECK_MESSAGE(!ask(responder, {asked.local, at(forged)}, request()), forged);
  // Nor by way of RESPONSE-PORT: the other program on this host is not meant.
  Message message = request();
  message.response_port = 7701;
  CHECK(!ask(responder, {asked.local, at("198.51.100.6:5000")}, message));
  Responder wildcard = two_ports();
  CHECK(!ask(wildcard, {asked.local, asked.local}, request()));
  CHECK(!ask(wildcard, {asked.local, at("198.51.100.5:7701")}, request()));
  CHECK(ask(wildcard, {asked.local, at("198.51.100.5:7702")}, request()));
}

TEST_CASE("the shortest request gets 68 bytes over IPv4 and 116 over IPv6") {
  Responder four = two_addresses();
  CHECK(write_message(request()).size() == 20);
  CHECK(four.answer(Instant{}, asked, write_message(request()))->bytes.size() == 68);
  Responder six({at("[2001:db8::5]:7700"), at("[2001:db8::5]:7701"), at("[2001:db8::6]:7700"),
                 at("[2001:db8::6]:7701")});
  const Path path{at("[2001:db8::5]:7700"), at("[2001:db8::1]:4000")};
  CHECK(six.answer(Instant{}, path, write_message(request()))->bytes.size() == 116);
}

TEST_CASE("no answer is longer than amplification_max times its request, whatever is asked") {
  mrt::Random random(mrt::seed_from(3));
  Responder six({at("[2001:db8::5]:7700"), at("[2001:db8::5]:7701"), at("[2001:db8::6]:7700"),
                 at("[2001:db8::6]:7701")});
  Responder four = two_addresses();
  Instant now{};
  size_t longest = 0;
  for (int round = 0; round < 4'000; ++round) {
    now += 1s;
    Message message = request(random.chance(0.3));
    message.fingerprint = random.chance(0.3);
    if (random.chance(0.5)) message.change = Change{random.chance(0.5), random.chance(0.5)};
    if (random.chance(0.2)) message.padding = random.below(padding_bytes_max);
    if (random.chance(0.2)) message.response_port = static_cast<uint16_t>(random.below(65'536));
    Bytes bytes = write_message(message);
    if (random.chance(0.3)) bytes = with_unknown(request(), {0x7001, 0x7002, 0x7003, 0x7004});
    const bool v4 = random.chance(0.5);
    const Path path = v4 ? asked : Path{at("[2001:db8::5]:7700"), at("[2001:db8::1]:4000")};
    const auto answer = (v4 ? four : six).answer(now, path, bytes);
    if (!answer) continue;
    CHECK(answer->bytes.size() <= amplification_max * bytes.size());
    CHECK(answer->path.remote.ip == path.remote.ip);
    if (!message.padding) longest = std::max(longest, answer->bytes.size());
  }
  CHECK(longest == 124);  // four addresses of IPv6 and a fingerprint, for a request of 28 bytes
}

TEST_CASE("one address gets no more answers than it may, and others theirs meanwhile") {
  Responder responder = two_ports();
  Instant now{10s};
  int64_t answered = 0;
  for (int i = 0; i < 10'000; ++i) {
    now += 1ms;
    // From another port each time, as one who forges an address would.
    const Address victim = Address::v4(192, 0, 2, 1, static_cast<uint16_t>(1'024 + i));
    if (ask(responder, {asked.local, victim}, request(), now)) ++answered;
  }
  CHECK(answered <= answers_per_address_burst + 10 * answers_per_address);
  CHECK(answered >= answers_per_address_burst + 10 * answers_per_address - 1);
  CHECK(responder.stats().withheld == static_cast<uint64_t>(10'000 - answered));
  CHECK(ask(responder, {asked.local, Address::v4(192, 0, 2, 2, 5)}, request(), now));
  now += 3s;
  CHECK(ask(responder, asked, request(), now));
}

TEST_CASE("a whole network of IPv6 counts as one address") {
  Responder responder({at("[::]:7700")});
  int64_t answered = 0;
  for (uint64_t i = 0; i < 1'000; ++i) {
    Address from = at("[2001:db8::1]:4000");
    for (size_t byte = 8; byte < 16; ++byte) from.ip[byte] = static_cast<uint8_t>(i >> (byte - 8));
    if (ask(responder, {at("[2001:db8::5]:7700"), from}, request())) ++answered;
  }
  CHECK(answered == answers_per_address_burst);
}

TEST_CASE("all together get no more answers than a core has for them") {
  Responder responder = two_ports();
  int64_t answered = 0;
  for (int64_t i = 0; i < 200 * answers_per_address_burst; ++i) {
    const Address from = Address::v4(10, 0, 0, static_cast<uint8_t>(i % 200), 4'000);
    if (responder.answer(Instant{10s}, {asked.local, from}, write_message(request()))) ++answered;
  }
  CHECK(answered == answers_burst);
}

TEST_CASE("addresses that are told apart are bounded, and what is beyond shares one allowance") {
  Responder responder = two_ports();
  Instant now{10s};
  int64_t answered = 0;
  for (uint32_t i = 0; i < 40'000; ++i) {
    now += 20us;
    const Address from = Address::v4(10, static_cast<uint8_t>(i >> 16),
                                     static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 4'000);
    if (responder.answer(now, {asked.local, from}, write_message(request()))) ++answered;
    if (i % 1'000 == 0) CHECK(responder.is_consistent());
  }
  CHECK(answered > places_max);
  // Within this second they are looked through once.
  CHECK(answered <=
        static_cast<int64_t>(places_max) * 2 + answers_per_address_burst + answers_per_address);
  // Later there is room for each of them again.
  now += 10s;
  CHECK(responder.answer(now, asked, write_message(request())));
}

TEST_CASE("answers wait in a bounded queue until they are asked for") {
  Responder responder = two_ports();
  Bytes bytes = write_message(request());
  std::array<uint8_t, 100> buffer;
  CHECK(!responder.poll_transmit(buffer));
  for (size_t i = 0; i < answers_queued_max + 10; ++i)
    responder.on_datagram(Instant{}, asked, bytes);
  CHECK(responder.is_consistent());
  std::array<uint8_t, 10> small;
  CHECK(!responder.poll_transmit(small));
  for (size_t i = 0; i < answers_queued_max; ++i) {
    const auto batch = responder.poll_transmit(buffer);
    REQUIRE(batch);
    CHECK(batch->path == asked);
    CHECK(batch->size == batch->segment_size);
    CHECK(read_message(mrt::ByteView(buffer).first(batch->size))->xor_mapped == caller);
  }
  CHECK(!responder.poll_transmit(buffer));
}
