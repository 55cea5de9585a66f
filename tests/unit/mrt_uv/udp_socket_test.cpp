// SPDX-License-Identifier: MIT
#include "mrt/uv/udp_socket.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>

#include "mrt/uv/sockaddr.h"
#include "unit/mrt_uv/kernel_faults.h"
#include "unit/mrt_uv/socket_fixture.h"

using fixture::batch_to;
using fixture::datagrams;
using fixture::pattern;
using kernel_faults::Faults;
using mrt::Address;
using mrt::Path;
using namespace mrt::uv;

namespace {

constexpr size_t segment = 1000;
/// As many as one call takes: 63 of a kilobyte and a shorter last.
constexpr size_t batch_size = (mrt::batch_segments_max - 1) * segment + 123;

void send_all(UdpSocket& from, const UdpSocket& to, const mrt::Bytes& bytes, size_t segment_size) {
  const Path path{from.local(), to.local()};
  REQUIRE(from.send(batch_to(path, bytes.size(), segment_size), bytes) == bytes.size());
}

Address with_port(Address address, uint16_t port) {
  address.port = port;
  return address;
}

}  // namespace

TEST_CASE("a batch of 63 segments and a shorter last arrives whole, with or without batching") {
  const mrt::Bytes bytes = pattern(batch_size);
  for (const Address& loopback : fixture::loopbacks()) {
    for (const bool sender_batches : {true, false}) {
      for (const bool receiver_batches : {true, false}) {
        CAPTURE(loopback.to_string());
        CAPTURE(sender_batches);
        CAPTURE(receiver_batches);
        const auto from = fixture::open(loopback, {.segmentation = sender_batches});
        const auto to = fixture::open(loopback, {.segmentation = receiver_batches});
        send_all(*from, *to, bytes, segment);
        const auto arrivals = fixture::receive(*to, bytes.size());
        CHECK(datagrams(arrivals) == datagrams(bytes, segment));
        CHECK(arrivals.front().path == Path{to->local(), from->local()});
        CHECK(from->stats().datagrams_sent == mrt::batch_segments_max);
        CHECK(to->stats().datagrams_received == mrt::batch_segments_max);
      }
    }
  }
}

TEST_CASE("a batch costs one call each way where the kernel cuts and joins") {
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  if (!from->segments() || !to->coalesces()) return;
  send_all(*from, *to, pattern(batch_size), segment);
  CHECK(fixture::receive(*to, batch_size).size() == 1);
  CHECK(from->stats().send_calls == 1);
  CHECK(to->stats().receive_calls == 1);
}

TEST_CASE("batches to several peers go in one call, where none of them needs more") {
  for (const bool batches : {true, false}) {
    CAPTURE(batches);
    const auto from = fixture::open(fixture::loopback_v4, {.segmentation = batches});
    const mrt::Bytes bytes = pattern(3 * segment + 5);
    std::vector<std::unique_ptr<UdpSocket>> peers;
    std::vector<Outgoing> all;
    for (size_t i = 0; i < 70; ++i) {
      peers.push_back(fixture::open(fixture::loopback_v4));
      // Every tenth is a batch of several datagrams.
      const size_t size = i % 10 == 0 ? bytes.size() : 1 + i;
      all.push_back({batch_to({from->local(), peers[i]->local()}, size, std::min(size, segment)),
                     mrt::ByteView(bytes).first(size)});
    }
    size_t part = 0;
    CHECK(from->send_all(all, part) == all.size());
    CHECK(part == 0);
    for (size_t i = 0; i < peers.size(); ++i)
      CHECK(datagrams(fixture::receive(*peers[i], all[i].bytes.size())) ==
            datagrams(mrt::Bytes(all[i].bytes.begin(), all[i].bytes.end()), segment));
    if (from->segments()) CHECK(from->stats().send_calls == 3);
    CHECK(from->stats().datagrams_sent == 63 + 7 * 4);
  }
}

TEST_CASE("of several batches, what the kernel has no room for is told to the batch") {
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  const mrt::Bytes bytes = pattern(100);
  const std::vector<Outgoing> all(5, {batch_to({from->local(), to->local()}, 100, 100), bytes});
  size_t part = 0;
  {
    const kernel_faults::Scope scope(Faults{.send_errno = EAGAIN, .send_refusals = 2});
    CHECK(from->send_all(all, part) == 0);
  }
  const kernel_faults::Scope scope(Faults{.send_cut_to = 2});
  CHECK(from->send_all(all, part) == 5);
  CHECK(from->stats().datagrams_sent == 5);
  CHECK(from->stats().blocked == 1);
}

TEST_CASE("a batch that is refused for good does not stop those behind it") {
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  const mrt::Bytes bytes = pattern(100);
  std::vector<Outgoing> all(5, {batch_to({from->local(), to->local()}, 100, 100), bytes});
  all[2].batch.path.remote = Address::v4(192, 0, 2, 1, 9);  // beyond loopback
  size_t part = 0;
  CHECK(from->send_all(all, part) == 5);
  CHECK(from->stats().lost_confined == 1);
  CHECK(from->stats().datagrams_sent == 4);
}

TEST_CASE("a route whose device cannot segment gets single datagrams from then on") {
  for (const int code : {EIO, EINVAL}) {
    const auto from = fixture::open(fixture::loopback_v4);
    const auto to = fixture::open(fixture::loopback_v4);
    if (!from->segments()) return;
    const mrt::Bytes bytes = pattern(batch_size);
    const kernel_faults::Scope scope(
        Faults{.send_errno = code, .send_refusals = 1, .only_segmented = true});
    send_all(*from, *to, bytes, segment);
    CHECK(datagrams(fixture::receive(*to, bytes.size())) == datagrams(bytes, segment));
    CHECK_FALSE(from->segments());
    CHECK(from->stats().lost_unsendable == 0);
  }
}

TEST_CASE("a kernel that knows neither UDP_SEGMENT nor UDP_GRO is served all the same") {
  const kernel_faults::Scope scope(Faults{.udp_options_unknown = true});
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  CHECK_FALSE(from->segments());
  CHECK_FALSE(to->coalesces());
  const mrt::Bytes bytes = pattern(batch_size);
  send_all(*from, *to, bytes, segment);
  CHECK(datagrams(fixture::receive(*to, bytes.size())) == datagrams(bytes, segment));
}

TEST_CASE("THUBAN_NO_GSO=1 forbids both") {
  setenv("THUBAN_NO_GSO", "1", 1);
  const auto socket = fixture::open(fixture::loopback_v4);
  unsetenv("THUBAN_NO_GSO");
  CHECK_FALSE(socket->segments());
  CHECK_FALSE(socket->coalesces());
}

TEST_CASE("what the kernel has no room for is left to be sent again") {
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  const mrt::Bytes bytes = pattern(batch_size);
  const auto batch = batch_to({from->local(), to->local()}, bytes.size(), segment);
  {
    const kernel_faults::Scope scope(Faults{.send_errno = EAGAIN, .send_refusals = 1});
    CHECK(from->send(batch, bytes) == 0);
  }
  CHECK(from->stats().blocked == 1);
  CHECK(from->send(batch, bytes) == bytes.size());
  CHECK(datagrams(fixture::receive(*to, bytes.size())) == datagrams(bytes, segment));
}

TEST_CASE("single datagrams that the kernel takes in part are told to the byte") {
  const auto from = fixture::open(fixture::loopback_v4, {.segmentation = false});
  const auto to = fixture::open(fixture::loopback_v4);
  const mrt::Bytes bytes = pattern(batch_size);
  const kernel_faults::Scope scope(Faults{.send_cut_to = 7});
  send_all(*from, *to, bytes, segment);
  CHECK(datagrams(fixture::receive(*to, bytes.size())) == datagrams(bytes, segment));
}

TEST_CASE("a datagram beyond what the link carries is lost and counted, never fragmented") {
  // 65,507 is what an IPv4 datagram can hold at all; ::1 has an MTU of 65,536, less headers.
  for (const Address& loopback : fixture::loopbacks()) {
    const auto from = fixture::open(loopback);
    const auto to = fixture::open(loopback);
    const mrt::Bytes bytes = pattern(loopback.is_v4() ? 65'508 : 65'500);
    send_all(*from, *to, bytes, bytes.size());
    CHECK(from->stats().lost_too_big == 1);
    CHECK(from->stats().datagrams_sent == 0);
    const mrt::Bytes small = pattern(100);
    send_all(*from, *to, small, small.size());
    CHECK(datagrams(fixture::receive(*to, 1)) == std::vector<mrt::Bytes>{small});
  }
}

TEST_CASE("an IPv4 socket too sets DF and heeds no ICMP about the MTU") {
  // Loopback carries every IPv4 datagram whole, so only the option itself can be asked.
  const auto socket = fixture::open(fixture::loopback_v4);
  int discovery = 0;
  socklen_t size = sizeof discovery;
  REQUIRE(getsockopt(socket->fd(), IPPROTO_IP, IP_MTU_DISCOVER, &discovery, &size) == 0);
  CHECK(discovery == IP_PMTUDISC_PROBE);
}

TEST_CASE("a refused datagram is lost and does not hold up the rest of its batch") {
  const auto from = fixture::open(fixture::loopback_v4, {.segmentation = false});
  const auto to = fixture::open(fixture::loopback_v4);
  const mrt::Bytes bytes = pattern(3 * segment);
  const kernel_faults::Scope scope(Faults{.send_errno = EPERM, .send_refusals = 1});
  send_all(*from, *to, bytes, segment);
  CHECK(from->stats().lost_unsendable == 1);
  auto expected = datagrams(bytes, segment);
  expected.erase(expected.begin());
  CHECK(datagrams(fixture::receive(*to, 2 * segment)) == expected);
}

TEST_CASE("a datagram is answered from the address that it came to") {
  for (const bool batches : {true, false}) {
    const auto server = fixture::open(fixture::any_v4, {.segmentation = batches});
    const auto client = fixture::open(fixture::loopback_v4);
    const Address second = Address::v4(127, 0, 0, 2, server->local().port);
    const mrt::Bytes question = pattern(10);
    const mrt::Bytes answer = pattern(2500, 1);
    REQUIRE(client->send(batch_to({client->local(), second}, 10, 10), question) == 10);
    const auto asked = fixture::receive(*server, 10);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].path == Path{second, client->local()});
    REQUIRE(server->send(batch_to(asked[0].path, 2500, segment), answer) == 2500);
    const auto answered = fixture::receive(*client, 2500);
    CHECK(datagrams(answered) == datagrams(answer, segment));
    CHECK(answered[0].path.remote == second);
  }
}

TEST_CASE("the same holds for IPv6") {
  if (!fixture::has_v6()) return;
  const auto server = fixture::open(*Address::parse("[::]:0"));
  const auto client = fixture::open(fixture::loopback_v6);
  const Address to = with_port(fixture::loopback_v6, server->local().port);
  const mrt::Bytes question = pattern(10);
  REQUIRE(client->send(batch_to({client->local(), to}, 10, 10), question) == 10);
  const auto asked = fixture::receive(*server, 10);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].path == Path{to, client->local()});
  REQUIRE(server->send(batch_to(asked[0].path, 10, 10), question) == 10);
  CHECK(fixture::receive(*client, 10)[0].path.remote == to);
}

TEST_CASE("a local address that the host no longer has does not silence a path") {
  // RFC 5737 and RFC 3849: addresses for documentation, which no host has.
  for (const bool batches : {true, false}) {
    for (const Address& loopback : fixture::loopbacks()) {
      const bool four = loopback.is_v4();
      const auto gone = *Address::parse(four ? "198.51.100.77" : "2001:db8::77", 0);
      const auto from =
          fixture::open(four ? fixture::any_v4 : Address{}, {.segmentation = batches});
      const auto to = fixture::open(loopback);
      const mrt::Bytes bytes = pattern(2500);
      const Path path{with_port(gone, from->local().port), to->local()};
      REQUIRE(from->send(batch_to(path, 2500, segment), bytes) == 2500);
      const auto arrivals = fixture::receive(*to, 2500);
      REQUIRE_FALSE(arrivals.empty());
      CHECK(datagrams(arrivals) == datagrams(bytes, segment));
      CHECK(arrivals[0].path.remote == with_port(loopback, from->local().port));
      CHECK(from->segments() == batches);
    }
  }
}

TEST_CASE("the congestion mark of a batch reaches the other side") {
  for (const Address& loopback : fixture::loopbacks()) {
    for (const bool batches : {true, false}) {
      const auto from = fixture::open(loopback, {.segmentation = batches});
      const auto to = fixture::open(loopback);
      for (const auto ecn : {mrt::Ecn::not_ect, mrt::Ecn::ect1, mrt::Ecn::ect0, mrt::Ecn::ce}) {
        const mrt::Bytes bytes = pattern(2500);
        mrt::Transmit batch = batch_to({from->local(), to->local()}, 2500, segment);
        batch.ecn = ecn;
        REQUIRE(from->send(batch, bytes) == 2500);
        for (const auto& run : fixture::receive(*to, 2500)) CHECK(run.ecn == ecn);
      }
    }
  }
}

TEST_CASE("a socket bound to loopback sends nothing beyond it") {
  for (const Address& loopback : fixture::loopbacks()) {
    const auto from = fixture::open(loopback);
    const mrt::Bytes bytes = pattern(2500);
    const auto beyond = *Address::parse(loopback.is_v4() ? "198.51.100.1:9" : "[2001:db8::1]:9");
    CHECK(from->is_confined());
    CHECK(from->send(batch_to({from->local(), beyond}, 2500, segment), bytes) == 2500);
    CHECK(from->stats().lost_confined == 3);
    CHECK(from->stats().send_calls == 0);
  }
}

TEST_CASE("IPv4 and IPv6 take the same port and do not mix") {
  SocketError error;
  const Sockets both = open_unspecified(0, {}, error);
  REQUIRE_MESSAGE(!both.empty(), error.text);
  if (!fixture::has_v6()) return;
  REQUIRE(both.size() == 2);
  CHECK(both[0]->local().is_v4());
  CHECK_FALSE(both[1]->local().is_v4());
  const uint16_t port = both[0]->local().port;
  CHECK(both[1]->local().port == port);
  for (const size_t i : {0u, 1u}) {
    const Address loopback = i == 0 ? fixture::loopback_v4 : fixture::loopback_v6;
    const auto from = fixture::open(loopback);
    const mrt::Bytes bytes = pattern(10);
    REQUIRE(from->send(batch_to({from->local(), with_port(loopback, port)}, 10, 10), bytes) == 10);
    CHECK(fixture::receive(*both[i], 10).size() == 1);
    ReceiveBuffer buffer;
    CHECK(both[1 - i]->receive(buffer).empty());
  }
}

TEST_CASE("several addresses with port 0 are given one and the same") {
  SocketError error;
  const Address binds[] = {fixture::loopback_v4, Address::v4(127, 0, 0, 2, 0)};
  const Sockets sockets = open_sockets(binds, {}, error);
  REQUIRE_MESSAGE(sockets.size() == 2, error.text);
  CHECK(sockets[0]->local().port != 0);
  CHECK(sockets[0]->local().port == sockets[1]->local().port);
}

TEST_CASE("a taken port and an address of somebody else's are refused with clear words") {
  SocketError error;
  const auto first = fixture::open(fixture::loopback_v4);
  CHECK(UdpSocket::open(first->local(), {}, error) == nullptr);
  CHECK(error.code == EADDRINUSE);
  CHECK(error.text == "cannot bind " + first->local().to_string() + ": address already in use");
  const Address binds[] = {fixture::loopback_v4, first->local()};
  CHECK(open_sockets(binds, {}, error).empty());
  CHECK(error.code == EADDRINUSE);
  CHECK(UdpSocket::open(Address::v4(198, 51, 100, 1, 0), {}, error) == nullptr);
  CHECK(error.code == EADDRNOTAVAIL);
}

TEST_CASE("what the kernel granted to hold, it holds") {
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  const size_t granted = to->receive_buffer_bytes();
  CHECK(granted > 0);
  CHECK(granted <= SocketConfig{}.receive_buffer_bytes);
  const mrt::Bytes bytes = pattern(40 * 1200);
  size_t sent = 0;
  for (; sent + bytes.size() <= granted; sent += bytes.size()) send_all(*from, *to, bytes, 1200);
  size_t got = 0;
  for (const auto& run : fixture::receive(*to, sent)) got += run.bytes.size();
  CHECK(got == sent);
}

TEST_CASE("a closed port at the other end changes nothing for the others") {
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  const Address closed = fixture::open(fixture::loopback_v4)->local();
  const mrt::Bytes bytes = pattern(100);
  ReceiveBuffer buffer;
  for (int i = 0; i < 3; ++i) {
    CHECK(from->send(batch_to({from->local(), closed}, 100, 100), bytes) == 100);
    CHECK(from->receive(buffer).empty());
    send_all(*from, *to, bytes, 100);
    CHECK(fixture::receive(*to, 100).size() == 1);
  }
}

TEST_CASE("an empty datagram is nobody's input, and what follows it arrives") {
  const auto from = fixture::open(fixture::loopback_v4);
  const auto to = fixture::open(fixture::loopback_v4);
  const SocketAddress name = to_sockaddr(to->local());
  REQUIRE(sendto(from->fd(), nullptr, 0, 0, reinterpret_cast<const sockaddr*>(&name.storage),
                 name.size) == 0);
  const mrt::Bytes bytes = pattern(100);
  send_all(*from, *to, bytes, 100);
  CHECK(datagrams(fixture::receive(*to, 100)) == std::vector<mrt::Bytes>{bytes});
}
