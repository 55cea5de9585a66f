// SPDX-License-Identifier: MIT
#include "mrt/wire.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"
#include "mrt/handshake.h"
#include "support/vectors.h"

using namespace mrt;
using namespace mrt::test;

namespace {

std::string number_text(uint64_t value) { return std::to_string(value); }

std::string hex_u64(uint64_t value) {
  Bytes big_endian(8);
  for (size_t i = 0; i < 8; ++i) big_endian[7 - i] = static_cast<uint8_t>(value >> (8 * i));
  return to_hex(big_endian);
}

// What a frame means, in the words of docs/WIRE.md.
struct Meaning {
  std::map<std::string, std::string> operator()(const PaddingFrame&) { return {}; }
  std::map<std::string, std::string> operator()(const PingFrame&) { return {}; }
  std::map<std::string, std::string> operator()(const AckFrame& f) {
    std::string ranges;
    f.for_each_range([&](Interval r) {
      ranges += (ranges.empty() ? "" : " ") + number_text(r.begin) + "-" + number_text(r.end - 1);
    });
    return {{"largest", number_text(f.largest)},
            {"delay_us", std::to_string(to_us(f.delay))},
            {"ranges", ranges}};
  }
  std::map<std::string, std::string> operator()(const CloseFrame& f) {
    return {{"code", number_text(f.code)}, {"reason", std::string(as_text(f.reason))}};
  }
  std::map<std::string, std::string> operator()(const AuthFrame& f) {
    return {{"bytes", to_hex(f.bytes)}};
  }
  std::map<std::string, std::string> operator()(const MaxDataFrame& f) {
    return {{"bytes", number_text(f.bytes)}};
  }
  std::map<std::string, std::string> operator()(const MaxStreamDataFrame& f) {
    return {{"stream", number_text(f.stream.value)}, {"bytes", number_text(f.bytes)}};
  }
  std::map<std::string, std::string> operator()(const DataBlockedFrame& f) {
    return {{"bytes", number_text(f.bytes)}};
  }
  std::map<std::string, std::string> operator()(const StreamDataBlockedFrame& f) {
    return {{"stream", number_text(f.stream.value)}, {"bytes", number_text(f.bytes)}};
  }
  std::map<std::string, std::string> operator()(const ResetStreamFrame& f) {
    return {{"stream", number_text(f.stream.value)},
            {"code", number_text(f.code)},
            {"final_size", number_text(f.final_size)}};
  }
  std::map<std::string, std::string> operator()(const StopSendingFrame& f) {
    return {{"stream", number_text(f.stream.value)}, {"code", number_text(f.code)}};
  }
  std::map<std::string, std::string> operator()(const PathChallengeFrame& f) {
    return {{"value", hex_u64(f.value)}};
  }
  std::map<std::string, std::string> operator()(const PathResponseFrame& f) {
    return {{"value", hex_u64(f.value)}};
  }
  std::map<std::string, std::string> operator()(const MaxStreamsFrame& f) {
    return {{"count", number_text(f.count)}};
  }
  std::map<std::string, std::string> operator()(const DataFrame& f) {
    return {{"stream", number_text(f.stream.value)},
            {"offset", number_text(f.offset)},
            {"bytes", to_hex(f.bytes)},
            {"fin", f.fin ? "1" : "0"}};
  }
  std::map<std::string, std::string> operator()(const DatagramFrame& f) {
    return {{"bytes", to_hex(f.bytes)}};
  }
};

// Writes a frame again; ACK and DATA have writers of their own kind.
struct Rewrite {
  Writer& out;
  template <class F>
  void operator()(const F& frame) {
    write_frame(out, frame);
  }
  void operator()(const PaddingFrame&) { out.u8(0); }
  void operator()(const AckFrame& f) {
    IntervalSet received;
    f.for_each_range([&](Interval r) { received.add(r.begin, r.end); });
    write_ack(out, received, f.delay);
  }
  void operator()(const DataFrame& f) {
    // The vectors give a length where the frame is not the last thing in its packet.
    const bool sized = f.fin;
    write_data_head(out, {f.stream, f.offset, f.bytes.size(), f.fin, sized});
    out.bytes(f.bytes);
  }
};

HandshakeId handshake_id(const std::string& hex) {
  const auto bytes = from_hex(hex);
  REQUIRE(bytes);
  Reader in(*bytes);
  return in.array<16>();
}

}  // namespace

TEST_CASE("every frame in WIRE.md is read as the document says and written as it stands there") {
  size_t frames = 0;
  for (const auto& [name, vector] : read_vectors()) {
    if (!name.starts_with("frame-")) continue;
    CAPTURE(name);
    ++frames;
    Reader in(vector.bytes);
    const auto frame = read_frame(in);
    REQUIRE(frame);
    CHECK(in.done());
    CHECK(std::visit(Meaning{}, *frame) == vector.meaning);
    Bytes again(vector.bytes.size() + 64);
    Writer out(again);
    std::visit(Rewrite{out}, *frame);
    CHECK(to_hex(out.written()) == to_hex(vector.bytes));
  }
  CHECK(frames == 15);
}

TEST_CASE(
    "every long packet in WIRE.md is read as the document says and written as it stands there") {
  auto vectors = read_vectors();
  {
    auto& [bytes, meaning] = vectors.at("rcon");
    const auto rcon = read_rcon(bytes);
    REQUIRE(rcon);
    CHECK(hex_u64(rcon->scid) == meaning["scid"]);
    CHECK(to_hex(rcon->id) == meaning["handshake_id"]);
    CHECK(number_text(rcon->suites) == meaning["suites"]);
    CHECK(to_hex(rcon->cookie) == meaning["cookie"]);
    CHECK(write_packet(*rcon) == bytes);
    // The windows are below the default of the largest message: not a usable set alone.
    CHECK(!read_parameters(rcon->parameters));
    Builder more;
    more.bytes(rcon->parameters);
    more.varint(5);
    more.sized_bytes(*from_hex("4200"));
    const auto parameters = read_parameters(more.take());
    REQUIRE(parameters);
    CHECK(number_text(parameters->connection_window) == meaning["connection_window"]);
    CHECK(number_text(parameters->stream_window) == meaning["stream_window"]);
  }
  {
    auto& [bytes, meaning] = vectors.at("acon");
    const auto acon = read_acon(bytes);
    REQUIRE(acon);
    CHECK(hex_u64(acon->dcid) == meaning["dcid"]);
    CHECK(hex_u64(acon->scid) == meaning["scid"]);
    CHECK(to_hex(acon->initiator_id) == meaning["initiator"]);
    CHECK(to_hex(acon->responder_id) == meaning["responder"]);
    CHECK(number_text(acon->suite) == meaning["suite"]);
    CHECK(number_text(read_parameters(acon->parameters)->socket_buffer) ==
          meaning["socket_buffer"]);
    CHECK(write_packet(*acon) == bytes);
  }
  {
    auto& [bytes, meaning] = vectors.at("cookie");
    const auto cookie = read_cookie(bytes);
    REQUIRE(cookie);
    CHECK(hex_u64(cookie->dcid) == meaning["dcid"]);
    CHECK(to_hex(cookie->id) == meaning["handshake_id"]);
    CHECK(to_hex(cookie->cookie) == meaning["cookie"]);
    CHECK(write_packet(*cookie) == bytes);
  }
  {
    auto& [bytes, meaning] = vectors.at("reset");
    const auto reset = read_reset(bytes);
    REQUIRE(reset);
    CHECK(hex_u64(reset->scid) == meaning["scid"]);
    CHECK(to_hex(reset->token) == meaning["token"]);
    CHECK(write_packet(*reset) == bytes);
  }
  {
    auto& [bytes, meaning] = vectors.at("version");
    const auto list = read_version_list(bytes);
    REQUIRE(list);
    CHECK(hex_u64(list->dcid) == meaning["dcid"]);
    CHECK(to_hex(list->versions) == meaning["versions"]);
    CHECK(write_packet(*list) == bytes);
  }
  {
    auto& [bytes, meaning] = vectors.at("refuse");
    const auto refuse = read_refuse(bytes);
    REQUIRE(refuse);
    CHECK(hex_u64(refuse->dcid) == meaning["dcid"]);
    CHECK(to_hex(refuse->id) == meaning["handshake_id"]);
    CHECK(number_text(refuse->code) == meaning["code"]);
    CHECK(refuse->reason == meaning["reason"]);
    CHECK(write_packet(*refuse) == bytes);
  }
  CHECK(opening_packet() == vectors.at("opening").bytes);
}

TEST_CASE("the short packet in WIRE.md opens under the seed in WIRE.md") {
  auto vectors = read_vectors();
  auto& seed = vectors.at("short-seed").meaning;
  Seal seal = Seal::plain(handshake_id(seed["initiator"]), handshake_id(seed["responder"]));
  CHECK(hex_u64(seal.plain_seed()) == seed["seed"]);

  auto& [bytes, meaning] = vectors.at("short");
  const auto header = read_short_header(bytes);
  REQUIRE(header);
  CHECK(hex_u64(header->dcid) == meaning["dcid"]);
  const uint64_t number =
      expand_packet_number(header->number_truncated, header->number_bytes, 0x1201);
  CHECK(number == std::stoull(meaning["packet_number"], nullptr, 16));
  CHECK(seal.open({number}, header->key_phase, header->size(), bytes));
  CHECK(!seal.open({number + 256}, header->key_phase, header->size(), bytes));
  bytes[10] ^= 1;
  CHECK(!seal.open({number}, header->key_phase, header->size(), bytes));
}

TEST_CASE("a packet number survives truncation wherever the receiver stands within the window") {
  Random random(seed_from(5));
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t acked_end = random.below(uint64_t{1} << random.below(60));
    const uint64_t number = acked_end + random.below(uint64_t{1} << random.below(30));
    const size_t bytes = packet_number_bytes(number, acked_end);
    // The receiver has something between what the sender knows and the packet itself.
    const uint64_t received_end = acked_end + random.below(number - acked_end + 1);
    const uint64_t mask = bytes == 8 ? UINT64_MAX : (uint64_t{1} << (8 * bytes)) - 1;
    CHECK(expand_packet_number(static_cast<uint32_t>(number & mask), bytes, received_end) ==
          number);
  }
  // RFC 9000 A.3's example: 0xa82f30ea received, 0x9b32 in two bytes.
  CHECK(expand_packet_number(0x9b32, 2, 0xa82f30eb) == 0xa82f9b32);
  // RFC 9000 A.2's examples.
  CHECK(packet_number_bytes(0xac5c02, 0xabe8b4) == 2);
  CHECK(packet_number_bytes(0xace8fe, 0xabe8b4) == 3);
}

TEST_CASE("no bytes at all crash the frame parser, and no cut frame is read") {
  Random random(seed_from(6));
  for (int i = 0; i < 50'000; ++i) {
    Bytes bytes(random.below(64));
    random.fill(bytes);
    if (!bytes.empty() && random.chance(0.8)) bytes[0] %= 0x19;
    Reader in(bytes);
    while (in.remaining() > 0 && read_frame(in)) {
    }
    CHECK(in.remaining() == 0);
  }
  for (const auto& [name, vector] : read_vectors()) {
    if (!name.starts_with("frame-") || name == "frame-data-rest") continue;
    for (size_t size = 0; size < vector.bytes.size(); ++size) {
      Reader in(ByteView(vector.bytes).first(size));
      CHECK_MESSAGE(!read_frame(in), name << " cut to " << size);
    }
  }
}

TEST_CASE("an ack with a negative number or too many ranges is malformed") {
  auto reads = [](std::string_view hex) {
    const Bytes bytes = *from_hex(hex);
    Reader in(bytes);
    return read_frame(in).has_value();
  };
  CHECK(reads("0205000005"));   // 0 to 5
  CHECK(!reads("0205000006"));  // first range below zero
  CHECK(
      reads("020500010000"
            "03"));                 // 5, then 0 to 3
  CHECK(!reads("02050001000004"));  // 5, then -1 to 3
  Builder many;
  many.u8(0x02);
  many.varint(1'000);
  many.varint(0);
  many.varint(64);
  many.varint(0);
  for (int i = 0; i < 64; ++i) many.u16(0);
  const Bytes bytes = many.take();
  Reader in(bytes);
  CHECK(!read_frame(in));
}

TEST_CASE("an ack that does not fit keeps the newest ranges") {
  IntervalSet received;
  for (uint64_t n = 0; n < 200; n += 2) received.add(n, n + 1);
  Bytes buffer(1'200);
  for (const size_t room : {30u, 60u, 200u, 1'200u}) {
    Writer out(MutableBytes(buffer).first(room));
    write_ack(out, received, std::chrono::milliseconds(3));
    REQUIRE(out.ok());
    Reader in(out.written());
    const auto frame = read_frame(in);
    REQUIRE(frame);
    const auto& ack = std::get<AckFrame>(*frame);
    CHECK(ack.largest == 198);
    CHECK(ack.count + 1 <= ack_ranges_max);
    ack.for_each_range([&](Interval range) { CHECK(received.contains(range.begin, range.end)); });
  }
}

TEST_CASE(
    "transport parameters: unknown ones are ignored, doubled or impossible ones are not taken") {
  TransportParameters parameters;
  parameters.connection_window = 2'000'000;
  parameters.message_bytes_max = 100'000;
  parameters.idle_timeout = std::chrono::seconds(5);
  parameters.reset_token = ResetToken{1, 2, 3};
  Builder out;
  out.varint(777);
  out.sized_text("from the future");
  write_parameters(out, parameters);
  const Bytes bytes = out.take();
  CHECK(read_parameters(bytes) == parameters);
  Bytes twice = bytes;
  twice.insert(twice.end(), bytes.begin(), bytes.end());
  CHECK(!read_parameters(twice));
  for (size_t size = 1; size < bytes.size(); ++size) {
    const auto cut = read_parameters(ByteView(bytes).first(size));
    if (cut) CHECK(*cut != parameters);  // cut between two of them
  }
  for (const char* hex : {"070204af",       // payload of 1199
                          "0602 43e7",      // idle of 999 ms
                          "0902 43e9",      // ack delay of 1001 ms
                          "0a0101",         // a token of one byte
                          "0804 80001fff",  // socket buffer of 8191
                          "0102 4400"}) {   // a window below the largest message's default
    std::string packed(hex);
    std::erase(packed, ' ');
    CHECK_MESSAGE(!read_parameters(*from_hex(packed)), hex);
  }
}
