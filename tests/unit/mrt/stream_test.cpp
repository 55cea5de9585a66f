// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>

#include "mrt/recv_stream.h"
#include "mrt/send_stream.h"
#include "unit/mrt/pair.h"

using namespace mrt;
using namespace mrt::test;

TEST_CASE("a sending stream gives each byte until it is acknowledged, whatever is lost") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed_from(seed));
    SendStream stream(Priority::normal, 1'000);
    const Bytes text = pattern(20'000, seed);
    const bool is_message = seed % 2 == 0;
    size_t written = 0;
    std::vector<SendStream::Piece> flying;
    Bytes arrived(text.size(), 0);
    std::vector<bool> seen(text.size(), false);
    uint64_t released = 0;
    bool fin_seen = false;
    for (int step = 0; step < 20'000 && !stream.done(); ++step) {
      switch (random.below(5)) {
        case 0: {
          if (!stream.writable()) break;
          const size_t size = std::min<size_t>(random.below(3'000), text.size() - written);
          if (is_message) {
            stream.append(std::make_shared<const Bytes>(text));
            written = text.size();
          } else {
            stream.append(ByteView(text).subspan(written, size));
            written += size;
          }
          if (written == text.size()) stream.finish();
          break;
        }
        case 1:
          stream.raise_limit(stream.sent() + random.below(2'000));
          break;
        case 2: {
          const size_t room = random.below(1'500);
          const bool lost = stream.has_lost();
          const auto piece = lost ? stream.next_lost(room) : stream.next_fresh(room);
          if (!piece) break;
          CHECK(piece->size <= room);
          CHECK(piece->offset + piece->size <= stream.limit());
          if (!lost) CHECK(piece->offset == stream.sent());
          Bytes bytes(piece->size);
          stream.copy(piece->offset, bytes);
          CHECK(std::equal(bytes.begin(), bytes.end(), text.begin() + ptrdiff_t(piece->offset)));
          stream.on_sent(*piece);
          flying.push_back(*piece);
          break;
        }
        default: {
          if (flying.empty()) break;
          const size_t which = random.below(flying.size());
          const SendStream::Piece piece = flying[which];
          if (random.chance(0.4)) {
            stream.on_lost(piece);
            // Lost spuriously: it may be acknowledged later all the same.
            if (random.chance(0.5)) flying.erase(flying.begin() + ptrdiff_t(which));
          } else {
            released += stream.on_acked(piece);
            for (size_t i = 0; i < piece.size; ++i) seen[piece.offset + i] = true;
            fin_seen |= piece.fin;
            flying.erase(flying.begin() + ptrdiff_t(which));
          }
        }
      }
      const auto first_unseen = std::find(seen.begin(), seen.end(), false) - seen.begin();
      REQUIRE(released == static_cast<uint64_t>(first_unseen));
      REQUIRE(stream.unreleased_bytes() == written - released);
      REQUIRE(stream.is_consistent());
      if (written == text.size() && !stream.writable() && random.chance(0.01))
        stream.raise_limit(text.size());
    }
    CHECK(stream.done());
    CHECK(fin_seen);
    CHECK(released == text.size());
  }
}

TEST_CASE("a receiving stream gives every byte once and in order, in whatever pieces it came") {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    CAPTURE(seed);
    Random random(seed_from(seed));
    const Bytes text = pattern(30'000, seed);
    constexpr uint64_t window = 5'000;
    RecvStream stream;
    std::vector<bool> came(text.size(), false);
    Bytes got;
    while (got.size() < text.size()) {
      const uint64_t low = random.chance(0.3) ? 0 : stream.consumed();
      const uint64_t high = std::min<uint64_t>(stream.consumed() + window, text.size());
      const uint64_t offset = low + random.below(high - low + 1);
      const uint64_t size = std::min<uint64_t>(random.below(800), high - offset);
      REQUIRE(stream.final_size().on_bytes(offset + size, offset + size == text.size()));
      stream.insert(offset, ByteView(text).subspan(offset, size));
      for (uint64_t i = 0; i < size; ++i) came[offset + i] = true;
      const auto first_missing = std::find(came.begin(), came.end(), false) - came.begin();
      REQUIRE(stream.readable_bytes() == static_cast<uint64_t>(first_missing) - got.size());
      if (random.chance(0.4)) {
        Bytes out(random.below(2'000));
        const size_t read = stream.read(out);
        got.insert(got.end(), out.begin(), out.begin() + ptrdiff_t(read));
      }
      CHECK(stream.capacity() <= 8'192);  // the window, rounded up
      if (random.chance(0.05)) stream.give_memory_back();
    }
    CHECK(got == text);
    CHECK(stream.readable_bytes() == 0);
  }
}

TEST_CASE("a message is whole when its last byte is there, in whatever order") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed_from(seed));
    const Bytes text = pattern(random.below(5'000), seed);
    std::vector<std::pair<size_t, size_t>> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t size = std::min<size_t>(1 + random.below(900), text.size() - at);
      pieces.push_back({at, size});
      at += size;
    }
    if (pieces.empty()) pieces.push_back({0, 0});
    for (size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[random.below(i)]);
    RecvMessage message;
    for (size_t i = 0; i < pieces.size(); ++i) {
      CHECK(!message.whole());
      const auto [at, size] = pieces[i];
      REQUIRE(message.final_size().on_bytes(at + size, at + size == text.size()));
      message.insert(at, ByteView(text).subspan(at, size));
      if (random.chance(0.3)) message.insert(at, ByteView(text).subspan(at, size));
    }
    CHECK(message.whole());
    CHECK(message.take() == text);
  }
}

TEST_CASE("a final size cannot move, nor be passed or undercut") {
  FinalSize size;
  CHECK(size.on_bytes(10, false));
  CHECK(!size.on_bytes(5, true));
  CHECK(size.on_bytes(20, true));
  CHECK(size.on_bytes(20, true));
  CHECK(size.on_bytes(7, false));
  CHECK(!size.on_bytes(21, false));
  CHECK(!size.on_bytes(19, true));
  CHECK(size.size() == uint64_t{20});
}

TEST_CASE("a stream that is reset drops what it holds and keeps its final size") {
  SendStream stream(Priority::normal, 10'000);
  stream.append(pattern(5'000, 1));
  stream.on_sent(*stream.next_fresh(1'000));
  CHECK(stream.reset(9) == 5'000);
  CHECK(stream.sent() == 1'000);
  CHECK(!stream.has_fresh());
  CHECK(!stream.writable());
  CHECK(stream.on_acked({0, 1'000, false}) == 0);
  stream.on_lost({0, 1'000, false});
  CHECK(!stream.has_lost());
  CHECK(!stream.done());
  stream.on_reset_acked();
  CHECK(stream.done());
}
