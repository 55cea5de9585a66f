// SPDX-License-Identifier: MIT
#include "stun/client.h"

#include <doctest/doctest.h>

#include <array>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using mrt::Path;
using namespace stun;

namespace {

const Address home = Address::v4(10, 0, 0, 2, 4000);
const Address server = Address::v4(198, 51, 100, 5, 3478);
const Address other = Address::v4(198, 51, 100, 6, 3479);
const Address outside = Address::v4(192, 0, 2, 1, 40'000);

struct Sent {
  Path path;
  Message message;
};

/// One client, driven by hand.
struct Desk {
  Client client{mrt::seed_from(1)};
  Instant now{};

  std::optional<Sent> sent() {
    std::array<uint8_t, 1'200> buffer;
    const auto batch = client.poll_transmit(now, buffer);
    CHECK(client.is_consistent());
    if (!batch) return std::nullopt;
    CHECK(batch->size == batch->segment_size);
    const auto message = read_message(mrt::ByteView(buffer).first(batch->size));
    REQUIRE(message);
    return Sent{batch->path, *message};
  }
  void hear(const Path& path, const Message& message) {
    Bytes bytes = write_message(message);
    client.on_datagrams(now, path, mrt::Ecn::not_ect, 0, bytes);
    CHECK(client.is_consistent());
  }
  /// To the next deadline.
  void run_on() {
    now = client.next_timeout();
    REQUIRE(now != mrt::never);
    client.on_timeout(now);
    CHECK(client.is_consistent());
    CHECK(client.next_timeout() > now);
  }
};

Query to_server(const Address& remote = server) { return {{home, remote}, remote}; }

Message answer_to(const Message& request, const Address& mapped = outside) {
  Message out;
  out.kind = Kind::success;
  out.id = request.id;
  out.xor_mapped = mapped;
  return out;
}

template <class T>
T event_of(Desk& desk) {
  const auto event = desk.client.poll_event();
  REQUIRE(event);
  REQUIRE(std::holds_alternative<T>(*event));
  CHECK(!desk.client.poll_event());
  return std::get<T>(*event);
}

}  // namespace

TEST_CASE("a query that nobody answers is repeated as RFC 8489 says, and then fails") {
  Desk desk;
  const auto id = desk.client.ask(desk.now, to_server());
  REQUIRE(id);
  const auto first = desk.sent();
  REQUIRE(first);
  CHECK(first->path == Path{home, server});
  CHECK(first->message.kind == Kind::request);
  CHECK(!first->message.id.is_classic());
  std::vector<int64_t> at;
  for (int i = 0; i < 6; ++i) {
    CHECK(!desk.sent());
    desk.run_on();
    at.push_back(mrt::to_ms(desk.now.time_since_epoch()));
    const auto again = desk.sent();
    REQUIRE(again);
    CHECK(again->message == first->message);
  }
  CHECK(at == std::vector<int64_t>{500, 1'500, 3'500, 7'500, 15'500, 31'500});
  desk.now = desk.client.next_timeout();
  CHECK(desk.now == Instant(39'500ms));
  desk.client.on_timeout(desk.now);
  const Failed failed = event_of<Failed>(desk);
  CHECK(failed.query == *id);
  CHECK(failed.why == Failure::silence);
  CHECK(desk.client.next_timeout() == mrt::never);
  CHECK(desk.client.stats().requests_sent == 7);
}

TEST_CASE("a late poll moves the next request, and loses none") {
  Desk desk;
  desk.client.ask(desk.now, to_server());
  desk.now += 10s;
  REQUIRE(desk.sent());
  CHECK(desk.client.next_timeout() == Instant(10'500ms));
}

TEST_CASE("an answer tells the mapped address and how long it took") {
  Desk desk;
  const auto id = desk.client.ask(desk.now, to_server());
  const auto request = desk.sent();
  desk.now += 30ms;
  Message answer = answer_to(request->message);
  answer.mapped = Address::v4(203, 0, 113, 1, 1);  // as a router may have rewritten it
  answer.other_address = other;
  answer.other_port = 3479;
  desk.hear({home, server}, answer);
  const Answered answered = event_of<Answered>(desk);
  CHECK(answered.query == *id);
  CHECK(answered.mapped == outside);
  CHECK(answered.took == 30ms);
  CHECK(answered.other_address == other);
  CHECK(answered.other_port == 3479);
  CHECK(answered.path == Path{home, server});
  CHECK(desk.client.next_timeout() == mrt::never);
  // Said again it is nothing new.
  desk.hear({home, server}, answer);
  CHECK(!desk.client.poll_event());
  CHECK(desk.client.stats().unexpected == 1);
}

TEST_CASE("a server after RFC 3489 is understood") {
  Desk desk;
  desk.client.ask(desk.now, to_server());
  Message answer = answer_to(desk.sent()->message);
  answer.mapped = std::exchange(answer.xor_mapped, std::nullopt);
  desk.hear({home, server}, answer);
  CHECK(event_of<Answered>(desk).mapped == outside);
}

TEST_CASE("only the right transaction id, from the server, to the socket that asked, counts") {
  Desk desk;
  desk.client.ask(desk.now, to_server());
  const Message right = answer_to(desk.sent()->message);
  Message wrong = right;
  wrong.id.bytes[15] ^= 1;
  desk.hear({home, server}, wrong);
  CHECK(desk.client.stats().unexpected == 1);
  desk.hear({home, other}, right);
  desk.hear({home, Address::v4(198, 51, 100, 5, 3479)}, right);
  desk.hear({Address::v4(10, 0, 0, 2, 4001), server}, right);
  CHECK(desk.client.stats().strange == 3);
  Message request = right;
  request.kind = Kind::request;
  desk.hear({home, server}, request);
  Bytes junk(40, 0xff);
  desk.client.on_datagrams(desk.now, {home, server}, mrt::Ecn::not_ect, 0, junk);
  CHECK(desk.client.stats().malformed == 2);
  CHECK(!desk.client.poll_event());
  desk.hear({home, server}, right);
  CHECK(event_of<Answered>(desk).mapped == outside);
}

TEST_CASE("an answer is not taken before the question was sent") {
  Desk desk;
  Desk twin;  // the same seed: it asks with the same id
  twin.client.ask(twin.now, to_server());
  desk.client.ask(desk.now, to_server());
  const Message answer = answer_to(twin.sent()->message);
  desk.hear({home, server}, answer);
  CHECK(!desk.client.poll_event());
  REQUIRE(desk.sent());
  desk.hear({home, server}, answer);
  CHECK(desk.client.poll_event());
}

TEST_CASE(
    "with CHANGE-REQUEST an answer comes from where it was asked to, an error from the server") {
  for (const bool refuses : {false, true}) {
    Desk desk;
    Query query = to_server();
    query.answer_from = other;
    query.change = {true, true};
    desk.client.ask(desk.now, query);
    const auto request = desk.sent();
    CHECK(request->path.remote == server);
    CHECK(request->message.change == query.change);
    Message answer = answer_to(request->message);
    desk.hear({home, server}, answer);  // a server that does not know CHANGE-REQUEST
    CHECK(desk.client.stats().strange == 1);
    CHECK(!desk.client.poll_event());
    if (refuses) {
      answer = {};
      answer.kind = Kind::error;
      answer.id = request->message.id;
      answer.error = ErrorCode{error_unknown_attribute, "no"};
      desk.hear({home, server}, answer);
      const Failed failed = event_of<Failed>(desk);
      CHECK(failed.why == Failure::refused);
      CHECK(failed.code == error_unknown_attribute);
    } else {
      desk.hear({home, other}, answer);
      CHECK(event_of<Answered>(desk).path.remote == other);
    }
  }
}

TEST_CASE(
    "with RESPONSE-PORT an answer comes to the other socket, an error to the one that asked") {
  const Path other_socket{Address::v4(10, 0, 0, 2, 4001), server};
  for (const bool refuses : {false, true}) {
    Desk desk;
    Query query = to_server();
    query.elsewhere = Elsewhere{40'001, 4001};
    desk.client.ask(desk.now, query);
    const Message request = desk.sent()->message;
    CHECK(request.response_port == 40'001);
    Message answer = answer_to(request);
    desk.hear({home, server}, answer);  // a server that does not know RESPONSE-PORT
    CHECK(desk.client.stats().strange == 1);
    CHECK(!desk.client.poll_event());
    if (refuses) {
      answer.kind = Kind::error;
      answer.error = ErrorCode{error_unknown_attribute, "no"};
      desk.hear({home, server}, answer);
      CHECK(event_of<Failed>(desk).why == Failure::refused);
    } else {
      desk.hear(other_socket, answer);
      CHECK(event_of<Answered>(desk).path.local == other_socket.local);
    }
  }
}

TEST_CASE("a request that was sent to ourselves is known when it comes, and no other is") {
  Desk desk;
  Query query = to_server(outside);
  query.returns = true;
  const auto id = desk.client.ask(desk.now, query);
  const Message request = desk.sent()->message;
  Message other_request = request;
  other_request.id.bytes[9] ^= 1;
  desk.hear({home, outside}, other_request);
  CHECK(!desk.client.poll_event());
  // By another socket, from wherever the NAT says.
  desk.hear({Address::v4(10, 0, 0, 2, 4001), other}, request);
  CHECK(event_of<Returned>(desk).query == *id);
  CHECK(desk.client.running() == 0);
  // One that is to be answered does not end so.
  desk.now += query_spacing;
  desk.client.ask(desk.now, to_server());
  desk.hear({home, server}, desk.sent()->message);
  CHECK(!desk.client.poll_event());
}

TEST_CASE("mapped addresses that cannot be anybody's are refused and counted") {
  for (const char* forged :
       {"0.0.0.0:5000", "0.1.2.3:5000", "127.0.0.1:5000", "127.9.9.9:5000", "224.0.0.1:5000",
        "239.255.255.255:5000", "240.0.0.1:5000", "255.255.255.255:5000", "192.0.2.1:0",
        "169.254.1.1:5000", "198.51.100.5:3478", "[2001:db8::1]:5000"}) {
    CAPTURE(forged);
    Desk desk;
    desk.client.ask(desk.now, to_server());
    desk.hear({home, server}, answer_to(desk.sent()->message, *Address::parse(forged)));
    CHECK(event_of<Failed>(desk).why == Failure::unusable);
    CHECK(desk.client.stats().unbelievable == 1);
  }
}

TEST_CASE("what can be believed of a server") {
  const auto at = [](const char* text) { return *Address::parse(text); };
  CHECK(is_believable(at("10.1.2.3:5"), at("10.0.0.1:3478")));
  CHECK(is_believable(at("198.51.100.5:5"), server));  // another program on the server's host
  CHECK(is_believable(at("127.0.0.1:5"), at("127.0.0.1:3478")));
  CHECK(is_believable(at("127.0.0.1:5"), at("127.0.0.2:3478")));
  CHECK(is_believable(at("[::1]:5"), at("[::1]:3478")));
  CHECK(is_believable(at("[2001:db8::7]:5"), at("[2001:db8::1]:3478")));
  CHECK(is_believable(at("169.254.0.7:5"), at("169.254.0.1:3478")));
  CHECK(is_believable(at("[fe80::7]:5"), at("[fe80::1]:3478")));
  for (const char* forged : {"[::]:5", "[::1]:5", "[ff02::1]:5", "[fe80::7]:5", "[2001:db8::7]:0",
                             "[2001:db8::1]:3478", "192.0.2.1:5"})
    CHECK_MESSAGE(!is_believable(at(forged), at("[2001:db8::1]:3478")), forged);
}

TEST_CASE("an answer without an address, or with what must be understood, ends the query") {
  for (const bool empty : {false, true}) {
    Desk desk;
    desk.client.ask(desk.now, to_server());
    Message answer = answer_to(desk.sent()->message);
    if (empty) answer.xor_mapped.reset();
    Bytes bytes = write_message(answer);
    if (!empty) {
      const Bytes attribute{0x7f, 0, 0, 0};
      bytes.insert(bytes.end(), attribute.begin(), attribute.end());
      bytes[3] = static_cast<uint8_t>(bytes[3] + attribute.size());
    }
    desk.client.on_datagrams(desk.now, {home, server}, mrt::Ecn::not_ect, 0, bytes);
    CHECK(event_of<Failed>(desk).why == Failure::unusable);
  }
}

TEST_CASE("several servers of both families are asked at once, the same one a moment later") {
  Desk desk;
  const Address six = *Address::parse("[2001:db8::1]:3478");
  desk.client.ask(desk.now, to_server());
  desk.client.ask(desk.now, to_server(other));
  desk.client.ask(desk.now, {{*Address::parse("[2001:db8::2]:4000"), six}, six});
  desk.client.ask(desk.now, to_server());
  std::vector<Sent> sent;
  while (auto one = desk.sent()) sent.push_back(*one);
  REQUIRE(sent.size() == 3);
  CHECK(sent[0].path.remote == server);
  CHECK(sent[1].path.remote == other);
  CHECK(sent[2].path.remote == six);
  CHECK(sent[0].message.id != sent[1].message.id);
  CHECK(desk.client.next_timeout() == Instant(query_spacing));
  desk.run_on();
  REQUIRE(desk.sent());
  CHECK(!desk.sent());
  // Answered in another order, and together in one batch as UDP_GRO joins them.
  desk.hear({*Address::parse("[2001:db8::2]:4000"), six},
            answer_to(sent[2].message, *Address::parse("[2001:db8::2]:4000")));
  CHECK(event_of<Answered>(desk).mapped == *Address::parse("[2001:db8::2]:4000"));
  desk.hear({home, other}, answer_to(sent[1].message));
  CHECK(event_of<Answered>(desk).path.remote == other);
  CHECK(desk.client.running() == 2);
}

TEST_CASE("answers that lie in one batch are all read") {
  Desk desk;
  Bytes both;
  for (int i = 0; i < 2; ++i) {
    desk.client.ask(desk.now, to_server());
    desk.client.on_timeout(desk.now);
    const Bytes one = write_message(answer_to(desk.sent()->message));
    both.insert(both.end(), one.begin(), one.end());
    desk.now += query_spacing;
  }
  desk.client.on_datagrams(desk.now, {home, server}, mrt::Ecn::not_ect, both.size() / 2, both);
  CHECK(desk.client.poll_event());
  CHECK(desk.client.poll_event());
}

TEST_CASE("no more than queries_max run, and a server must be one that can be sent to") {
  Desk desk;
  CHECK(!desk.client.ask(desk.now, to_server(Address::v4(224, 0, 0, 1, 3478))));
  CHECK(!desk.client.ask(desk.now, to_server(Address::v4(192, 0, 2, 1, 0))));
  Query hasty = to_server();
  hasty.patience.rto = {};
  CHECK(!desk.client.ask(desk.now, hasty));
  std::vector<QueryId> ids;
  for (size_t i = 0; i < queries_max; ++i)
    ids.push_back(desk.client.ask(desk.now, to_server()).value());
  CHECK(!desk.client.ask(desk.now, to_server()));
  for (const QueryId id : ids) desk.client.cancel(id);
  CHECK(desk.client.running() == 0);
  CHECK(desk.client.is_consistent());
  CHECK(desk.client.next_timeout() == mrt::never);
  CHECK(!desk.client.poll_event());
}

TEST_CASE("the same seed asks with the same bytes, another one with others") {
  const auto first_request = [](uint64_t seed) {
    Client client(mrt::seed_from(seed));
    client.ask(Instant{}, to_server());
    std::array<uint8_t, 100> buffer{};
    client.poll_transmit(Instant{}, buffer);
    return buffer;
  };
  CHECK(first_request(1) == first_request(1));
  CHECK(first_request(1) != first_request(2));
}

TEST_CASE("a buffer that is too small takes nothing and loses nothing") {
  Desk desk;
  desk.client.ask(desk.now, to_server());
  std::array<uint8_t, 10> small;
  CHECK(!desk.client.poll_transmit(desk.now, small));
  CHECK(desk.sent());
}

TEST_CASE("who asks one host after the other at once is bounded too") {
  Desk desk;
  for (uint8_t host = 1; host <= 3 * queries_max; ++host) {
    const auto id = desk.client.ask(desk.now, to_server(Address::v4(192, 0, 2, host, 3478)));
    CHECK(id.has_value() == (host <= queries_max));
    if (id) desk.client.cancel(*id);
    CHECK(desk.client.is_consistent());
  }
  desk.now += query_spacing;
  CHECK(desk.client.ask(desk.now, to_server()));
}
