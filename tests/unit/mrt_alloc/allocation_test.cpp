// SPDX-License-Identifier: MIT
//
// What packets cost in allocations once everything has its size: a program of its own, since it
// counts each operator new.
#include <cstdlib>
#include <new>

#include "mrt/endpoint.h"

#include <doctest/doctest.h>

using namespace mrt;
using namespace std::chrono_literals;

static size_t allocations = 0;

void* operator new(size_t size) {
  ++allocations;
  if (void* const block = std::malloc(size == 0 ? 1 : size)) return block;
  throw std::bad_alloc();
}
void* operator new[](size_t size) { return operator new(size); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t) noexcept { std::free(block); }

namespace {

/// Two endpoints a millisecond apart, in virtual time, that lose nothing. It allocates nothing
/// itself.
class Link {
 public:
  explicit Link(bool plain) {
    EndpointConfig config;
    config.network = "lab";
    config.plain = plain;
    config.mtu_bytes_max = 1'500;
    for (size_t side = 0; side < 2; ++side) {
      config.identity[0] = static_cast<uint8_t>(side + 1);
      ends_[side].emplace(config, seed_from(side));
    }
    id = *ends_[0]->connect(now_, {address(0), address(1)});
    run(1s, [] { return false; });
    REQUIRE(ends_[0]->connections().size() == 1);
  }

  Endpoint& left() { return *ends_[0]; }
  Endpoint& right() { return *ends_[1]; }
  Instant now() const { return now_; }

  template <class Done>
  bool run(Duration limit, Done done) {
    const Instant end = now_ + limit;
    while (now_ < end && !done()) {
      for (size_t from = 0; from < 2; ++from) {
        while (const auto batch = ends_[from]->poll_transmit(now_, buffer_)) {
          packets += (batch->size + batch->segment_size - 1) / batch->segment_size;
          ends_[1 - from]->on_datagrams(now_, {batch->path.remote, batch->path.local}, Ecn::not_ect,
                                        batch->segment_size,
                                        MutableBytes(buffer_).first(batch->size));
        }
        while (const auto event = ends_[from]->poll_event()) take(from, *event);
      }
      now_ += 1ms;
      for (auto& end_point : ends_) end_point->on_timeout(now_);
    }
    return done();
  }

  ConnectionId id;
  size_t packets = 0;
  size_t messages = 0;
  uint64_t bytes_read = 0;
  Bytes sink = Bytes(256 * 1024);

 private:
  static Address address(size_t side) {
    return Address::v4(10, 0, 0, static_cast<uint8_t>(side + 1), 7700);
  }
  void take(size_t side, const Event& event) {
    if (std::holds_alternative<MessageReceived>(event)) ++messages;
    if (const auto* readable = std::get_if<Readable>(&event))
      while (const size_t got =
                 ends_[side]->read(now_, readable->connection, readable->stream, sink))
        bytes_read += got;
  }

  std::array<std::optional<Endpoint>, 2> ends_;
  Instant now_{1s};
  Bytes buffer_ = Bytes(batch_bytes_max);
};

struct Cost {
  size_t packets;
  size_t allocations;
};

Cost bulk(Link& link, const Bytes& chunk, uint64_t bytes) {
  const uint64_t until = link.bytes_read + bytes;
  const Cost before{link.packets, allocations};
  uint64_t left = bytes;
  REQUIRE(link.run(60s, [&] {
    left -= link.left().write(link.now(), link.id, first_stream,
                              ByteView(chunk).first(std::min<uint64_t>(left, chunk.size())));
    return link.bytes_read == until;
  }));
  return {link.packets - before.packets, allocations - before.allocations};
}

Cost chatter(Link& link, const SharedBytes& message, size_t count) {
  const size_t until = link.messages + count;
  const Cost before{link.packets, allocations};
  size_t left = count;
  REQUIRE(link.run(60s, [&] {
    for (int i = 0; i < 8 && left > 0; ++i)
      left -= link.left().send_message(link.now(), link.id, Priority::interactive, message);
    return link.messages == until;
  }));
  return {link.packets - before.packets, allocations - before.allocations};
}

}  // namespace

TEST_CASE("packets of bulk cost no allocation once the buffers have their size") {
  for (const bool plain : {true, false}) {
    CAPTURE(plain);
    Link link(plain);
    const Bytes chunk(64 * 1024, 0x5a);
    bulk(link, chunk, 30'000'000);
    const Cost cost = bulk(link, chunk, 20'000'000);
    MESSAGE(cost.allocations << " allocations for " << cost.packets << " packets");
    CHECK(cost.packets > 10'000);
    // What was written waits in blocks of the writer's size.
    CHECK(cost.allocations < 20'000'000 / chunk.size() + 50);
  }
}

TEST_CASE("bulk that is written in small pieces costs as few as any") {
  for (const size_t piece : {size_t{100}, size_t{1'500}}) {
    CAPTURE(piece);
    Link link(true);
    const Bytes line(piece, 0x5a);
    uint64_t left = 0;
    const auto write = [&](uint64_t bytes) {
      left = bytes;
      const uint64_t until = link.bytes_read + bytes;
      REQUIRE(link.run(60s, [&] {
        while (left > 0) {
          const size_t taken = link.left().write(link.now(), link.id, first_stream,
                                                 ByteView(line).first(std::min(left, line.size())));
          if (taken == 0) break;
          left -= taken;
        }
        return link.bytes_read == until;
      }));
    };
    write(10'000'000);
    const size_t before = allocations;
    write(10'000'000);
    CHECK(allocations - before < 10'000'000 / (32 * 1024) + 50);
  }
}

TEST_CASE("a message costs one allocation: the bytes that the receiver's user is given") {
  for (const bool plain : {true, false}) {
    CAPTURE(plain);
    Link link(plain);
    const SharedBytes message = std::make_shared<const Bytes>(Bytes(100, 0x5a));
    chatter(link, message, 5'000);
    const Cost cost = chatter(link, message, 10'000);
    MESSAGE(cost.allocations << " allocations for 10000 messages in " << cost.packets
                             << " packets");
    CHECK(cost.allocations <= 10'000 + 20);
  }
}
