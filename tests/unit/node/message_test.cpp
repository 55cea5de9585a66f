// SPDX-License-Identifier: MIT
#include "node/message.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"
#include "support/vectors.h"

using namespace node;

static NodeId node_id(uint8_t last) {
  NodeId id;
  id.bytes[15] = last;
  return id;
}

static std::vector<Message> samples() {
  const mrt::Address here = mrt::Address::v4(192, 0, 2, 1, 7700);
  const mrt::Address six = *mrt::Address::parse("[2001:db8::1]:7700");
  const mrt::PublicKey key = {9, 8, 7};
  const mrt::Signature signature = {5, 6, 7};
  const mrt::NetworkKey secret{mrt::Access::secret, {1, 2, 3}};
  Hello hello{Purpose::join,
              "lab",
              node_id_of(key),
              {77},
              "anna",
              {3},
              node_id(2),
              {{{3}, node_id(2), {9}, {}}},
              4,
              20,
              {here, six},
              key};
  RosterUpdate roster{{3}, node_id(2), {8}, true, false, {}, {}};
  roster.entries.push_back(
      {node_id_of(key), {77}, "anna", {here}, 1, 1500, key, true, false, true});
  roster.removals.push_back({node_id(4), GoneReason::quit});
  StandingOffers offers{true, {{node_id(1), {"a.txt", 5, {}}}}};
  return {hello,
          Welcome{{3}, node_id(2), "anna-2", here, true, {9}, secret},
          Redirect{{3}, node_id(2), {here, six}, {mrt::Access::password, {}}},
          Refuse{RefuseCode::busy, "later"},
          roster,
          offers,
          Ready{{3}, {10}},
          Publish{{77}, 5, BroadcastKind::chat, {104, 105}, signature},
          Ordered{{{3}, {11}},
                  {node_id_of(key), {77}, 5},
                  "anna",
                  BroadcastKind::offer,
                  {1, 2, 3},
                  key,
                  signature},
          Holds{{3}, {11}},
          Stable{{3}, {11}},
          Tell{node_id(1), node_id(2), 1, key, mrt::Bytes(80, 1)},
          TellResult{node_id(1), node_id(2), 1, true},
          Leave{"quit"},
          SupernodeClose{{4}, node_id(1), {here}, CloseReason::merged, {12}, secret},
          Suspect{{3}, {node_id(2), node_id(1)}},
          Gather{{4}, node_id(1), CloseReason::left},
          Survivor{{4}, {3}, node_id(2), {7}, {11}, {1}, {{{7}, 5, BroadcastKind::chat, {104}}}},
          Want{{9}, {11}},
          Merge{2, {here}, {}},
          MergeFailed{2, true, "no"},
          Heartbeat{{3}, node_id(2), 11, 25, {node_id(4)}},
          Introduce{node_id(1), {here, six}},
          Carried{{{{3}, {11}},
                   {node_id_of(key), {77}, 5},
                   "anna",
                   BroadcastKind::chat,
                   {1, 2, 3},
                   key,
                   signature}},
          Reachable{{here, six}, {here}, true}};
}

TEST_CASE("every message reads back as it was written, and its bytes are canonical") {
  const auto messages = samples();
  REQUIRE(messages.size() == std::variant_size_v<Message>);
  for (const Message& message : messages) {
    CAPTURE(message.index());
    const mrt::Bytes bytes = encode(message);
    const auto read = decode(bytes);
    REQUIRE(read);
    CHECK(read->index() == message.index());
    CHECK(encode(*read) == bytes);
  }
}

TEST_CASE("museum: a message cut short anywhere, or a byte too long, is nothing (memberlist)") {
  for (const Message& message : samples()) {
    CAPTURE(message.index());
    mrt::Bytes bytes = encode(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      CHECK_FALSE(decode(mrt::ByteView(bytes).first(size)));
    }
    bytes.push_back(0);
    CHECK_FALSE(decode(bytes));
  }
}

TEST_CASE("mutated messages never crash, and what is read can be written again") {
  mrt::Random random(mrt::seed_from(7));
  size_t read = 0;
  for (int round = 0; round < 2000; ++round) {
    for (const Message& message : samples()) {
      mrt::Bytes bytes = encode(message);
      const size_t flips = 1 + random.below(3);
      for (size_t i = 0; i < flips; ++i) {
        bytes[random.below(bytes.size())] ^= static_cast<uint8_t>(1u << random.below(8));
      }
      if (const auto out = decode(bytes)) {
        encode(*out);
        ++read;
      }
    }
  }
  CHECK(read > 0);
}

TEST_CASE("text that is not UTF-8 is no message") {
  mrt::Bytes bytes = encode(Leave{"quit"});
  bytes.back() = 0xff;
  CHECK_FALSE(decode(bytes));
}

TEST_CASE("a list longer than its limit is refused before it is read") {
  mrt::Builder out;
  out.u8(16);  // Suspect
  out.varint(3);
  out.varint(suspects_max + 1);
  for (size_t i = 0; i <= suspects_max; ++i) write_node_id(out, node_id(1));
  CHECK_FALSE(decode(out.take()));
}

TEST_CASE("a nick is 1 to 32 characters without space or control") {
  CHECK(is_nick("anna"));
  CHECK(is_nick("\xc3\xa5sa"));
  CHECK(is_nick(std::string(32, 'x')));
  CHECK_FALSE(is_nick(""));
  CHECK_FALSE(is_nick(std::string(33, 'x')));
  CHECK_FALSE(is_nick("an na"));
  CHECK_FALSE(is_nick("an\x1bna"));
  CHECK_FALSE(is_nick("an\xc2\x9bna"));  // a C1 control: CSI in one character
  CHECK_FALSE(is_nick("an\xff"));
}

TEST_CASE("the reader cuts a stream into messages wherever it is split") {
  mrt::Bytes stream;
  for (const Message& message : samples()) {
    const mrt::Bytes framed = encode_framed(message);
    stream.insert(stream.end(), framed.begin(), framed.end());
  }
  for (const size_t step : {1u, 2u, 7u, 1000u}) {
    MessageReader reader;
    size_t index = 0;
    for (size_t at = 0; at < stream.size(); at += step) {
      reader.push(mrt::ByteView(stream).subspan(at, std::min(step, stream.size() - at)));
      while (const auto bytes = reader.next()) {
        const auto message = decode(*bytes);
        REQUIRE(message);
        CHECK(message->index() == index++);
      }
    }
    CHECK(index == samples().size());
    CHECK_FALSE(reader.failed());
  }
}

TEST_CASE("a length above the limit fails the stream instead of waiting for it") {
  mrt::Builder out;
  out.varint(message_bytes_max + 1);
  MessageReader reader;
  reader.push(out.take());
  CHECK_FALSE(reader.next());
  CHECK(reader.failed());
}

TEST_CASE("the examples of WIRE.md 6.3 are what the codec reads and writes") {
  size_t checked = 0;
  for (auto& [name, vector] : mrt::test::read_vectors()) {
    if (!name.starts_with("overlay-")) continue;
    CAPTURE(name);
    MessageReader reader;
    reader.push(vector.bytes);
    const auto bytes = reader.next();
    REQUIRE(bytes);
    const auto message = decode(*bytes);
    REQUIRE(message);
    CHECK(encode_framed(*message) == vector.bytes);
    auto& meaning = vector.meaning;
    CHECK(mrt::to_hex(bytes->first(1)) == meaning["type"]);
    const auto has = [&](const char* key, uint64_t value) {
      CHECK(meaning[key] == std::to_string(value));
    };
    if (const auto* m = std::get_if<Hello>(&*message)) {
      has("purpose", static_cast<uint64_t>(m->purpose));
      REQUIRE(m->line.size() == 1);
      has("delivered", m->line[0].last.value);
    }
    if (const auto* m = std::get_if<Welcome>(&*message)) has("delivered", m->delivered.value);
    if (const auto* m = std::get_if<RosterUpdate>(&*message)) has("version", m->version.value);
    if (const auto* m = std::get_if<Publish>(&*message)) has("number", m->number);
    if (const auto* m = std::get_if<Ordered>(&*message)) has("seq", m->place.seq.value);
    if (const auto* m = std::get_if<SupernodeClose>(&*message)) has("seq", m->final_seq.value);
    if (const auto* m = std::get_if<Survivor>(&*message)) has("delivered", m->delivered.value);
    if (const auto* m = std::get_if<Introduce>(&*message)) has("addresses", m->addresses.size());
    if (const auto* m = std::get_if<Reachable>(&*message)) has("addresses", m->addresses.size());
    ++checked;
  }
  CHECK(checked == 12);
}
