// SPDX-License-Identifier: MIT
#include "stun/message.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"
#include "stun/integrity.h"
#include "support/vectors.h"

using mrt::Address;
using mrt::Bytes;
using mrt::ByteView;
using namespace stun;

namespace {

// RFC 5769 section 2: the password of 2.1 to 2.3.
constexpr std::string_view password = "VOkJxbRl1RmTxUk/WvJxBt";

const Bytes rfc_request = *mrt::from_hex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf");
const Bytes rfc_answer_v4 = *mrt::from_hex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96");
const Bytes rfc_answer_v6 = *mrt::from_hex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c");
const Bytes rfc_long_term = *mrt::from_hex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b3935346436"
    "4f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666");
// MD5("マトリックス:example.org:TheMatrIX").
const Bytes long_term_key = *mrt::from_hex("e8ca7ad59d5eb0518e312911d2dab2a9");

Message binding() {
  Message out;
  for (size_t i = 0; i < out.id.bytes.size(); ++i) out.id.bytes[i] = static_cast<uint8_t>(i);
  std::copy(magic_cookie.begin(), magic_cookie.end(), out.id.bytes.begin());
  return out;
}

/// The datagram with one attribute more at its end, as it is given.
Bytes with_attribute(Bytes datagram, std::string_view hex) {
  const Bytes attribute = *mrt::from_hex(hex);
  datagram.insert(datagram.end(), attribute.begin(), attribute.end());
  const size_t length = datagram.size() - header_bytes;
  datagram[2] = static_cast<uint8_t>(length >> 8);
  datagram[3] = static_cast<uint8_t>(length);
  return datagram;
}

Message drawn_message(mrt::Random& random) {
  Message out;
  out.kind = static_cast<Kind>(random.below(4));
  out.method = static_cast<uint16_t>(random.below(0x1000));
  random.fill(out.id.bytes);
  const auto address = [&]() -> Message::MaybeAddress {
    if (random.chance(0.5)) return std::nullopt;
    const auto port = static_cast<uint16_t>(random.below(65'536));
    const auto ip = random.array<16>();
    if (random.chance(0.5)) return Address::v4(ip[0], ip[1], ip[2], ip[3], port);
    return Address{ip, port};
  };
  for (auto* field : {&out.mapped, &out.source, &out.changed, &out.xor_mapped, &out.response_origin,
                      &out.other_address})
    *field = address();
  if (random.chance(0.5)) out.change = Change{random.chance(0.5), random.chance(0.5)};
  if (random.chance(0.5)) out.response_port = static_cast<uint16_t>(random.below(65'536));
  if (random.chance(0.5)) out.other_port = static_cast<uint16_t>(random.below(65'536));
  if (random.chance(0.5))
    out.error = ErrorCode{static_cast<uint16_t>(300 + random.below(400)),
                          std::string(random.below(text_bytes_max + 1), 'e')};
  for (uint64_t i = random.below(5); i > 0; --i)
    out.unknown_attributes.push_back(static_cast<uint16_t>(random.below(65'536)));
  out.software = std::string(random.below(text_bytes_max + 1), 's');
  if (random.chance(0.5)) out.padding = random.below(padding_bytes_max + 1);
  out.fingerprint = random.chance(0.5);
  return out;
}

/// What a message means, in the words of docs/WIRE.md.
std::map<std::string, std::string> meaning(const Message& message) {
  constexpr std::array kinds{"request", "indication", "success", "error"};
  std::map<std::string, std::string> out{{"kind", kinds[static_cast<size_t>(message.kind)]}};
  if (message.change)
    out["change"] = std::string(message.change->ip ? "ip" : "") +
                    (message.change->ip && message.change->port ? " " : "") +
                    (message.change->port ? "port" : "");
  if (message.mapped) out["mapped"] = message.mapped->to_string();
  if (message.xor_mapped) out["xor_mapped"] = message.xor_mapped->to_string();
  if (message.response_origin) out["response_origin"] = message.response_origin->to_string();
  if (message.other_port) out["other_port"] = std::to_string(*message.other_port);
  if (message.fingerprint) out["fingerprint"] = "1";
  if (message.error)
    out["error"] = std::to_string(message.error->code) + " " + message.error->reason;
  for (const uint16_t type : message.unknown_attributes) {
    const uint8_t bytes[] = {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type)};
    std::string& list = out["unknown"];
    list += (list.empty() ? "" : " ") + mrt::to_hex(bytes);
  }
  return out;
}

}  // namespace

TEST_CASE("the vectors of docs/WIRE.md 8 are read and written as they stand there") {
  const auto vectors = mrt::test::read_vectors();
  for (const char* name : {"stun-request", "stun-answer", "stun-error"}) {
    CAPTURE(name);
    REQUIRE(vectors.contains(name));
    const mrt::test::Vector& vector = vectors.at(name);
    const auto message = read_message(vector.bytes);
    REQUIRE(message);
    CHECK(meaning(*message) == vector.meaning);
    CHECK(mrt::to_hex(write_message(*message)) == mrt::to_hex(vector.bytes));
  }
}

TEST_CASE("the sample request of RFC 5769 is understood, its sums are right") {
  const auto request = read_message(rfc_request);
  REQUIRE(request);
  CHECK(request->kind == Kind::request);
  CHECK(request->method == method_binding);
  CHECK(!request->id.is_classic());
  CHECK(mrt::to_hex(ByteView(request->id.bytes).subspan(4)) == "b7e7a701bc34d686fa87dfae");
  CHECK(request->software == "STUN test client");
  CHECK(request->fingerprint);
  // PRIORITY belongs to ICE, which is not spoken here; ICE-CONTROLLED may be left alone.
  CHECK(request->not_understood == std::vector<uint16_t>{0x0024});
  CHECK(has_right_integrity(rfc_request, mrt::as_bytes(password)));
  CHECK(!has_right_integrity(rfc_request, mrt::as_bytes("VOkJxbRl1RmTxUk/WvJxBT")));
}

TEST_CASE("the sample answers of RFC 5769 say the addresses that they should") {
  const auto four = read_message(rfc_answer_v4);
  REQUIRE(four);
  CHECK(four->kind == Kind::success);
  CHECK(four->software == "test vector");
  CHECK(four->xor_mapped == Address::v4(192, 0, 2, 1, 32853));
  CHECK(four->fingerprint);
  CHECK(has_right_integrity(rfc_answer_v4, mrt::as_bytes(password)));
  const auto six = read_message(rfc_answer_v6);
  REQUIRE(six);
  CHECK(six->xor_mapped == Address::parse("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
  CHECK(six->fingerprint);
  CHECK(has_right_integrity(rfc_answer_v6, mrt::as_bytes(password)));
}

TEST_CASE("the sample request of RFC 5769 with a long-term credential has the right integrity") {
  const auto request = read_message(rfc_long_term);
  REQUIRE(request);
  CHECK(request->not_understood.empty());
  CHECK(!request->fingerprint);
  CHECK(has_right_integrity(rfc_long_term, long_term_key));
  CHECK(!has_right_integrity(rfc_long_term, mrt::as_bytes("TheMatrIX")));
}

TEST_CASE("each flipped bit of a message with a fingerprint is found") {
  for (size_t bit = 0; bit < rfc_answer_v6.size() * 8; ++bit) {
    Bytes flipped = rfc_answer_v6;
    flipped[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto read = read_message(flipped);
    // FINGERPRINT's own type may become another that need not be understood.
    CHECK((!read || !read->fingerprint));
    // Its length is set anew for the HMAC, which ends before the fingerprint.
    const bool covered = bit / 8 < rfc_answer_v6.size() - 8 && bit / 8 != 2 && bit / 8 != 3;
    if (covered) CHECK(!has_right_integrity(flipped, mrt::as_bytes(password)));
  }
}

TEST_CASE("a message cut anywhere, or longer than it says, is none") {
  for (size_t size = 0; size < rfc_request.size(); ++size) {
    CHECK(!read_message(ByteView(rfc_request).first(size)));
    CHECK(!has_right_integrity(ByteView(rfc_request).first(size), mrt::as_bytes("x")));
  }
  Bytes longer = write_message(binding());
  CHECK(read_message(longer));
  longer.resize(longer.size() + 4);
  CHECK(!read_message(longer));
}

TEST_CASE("what is written is read again, whatever it is") {
  mrt::Random random(mrt::seed_from(5));
  for (int round = 0; round < 300; ++round) {
    const Message message = drawn_message(random);
    const Bytes key = round % 2 == 0 ? Bytes{} : Bytes{1, 2, 3};
    const Bytes bytes = write_message(message, key);
    CHECK(bytes.size() % 4 == 0);
    CHECK(read_message(bytes) == message);
    CHECK(has_right_integrity(bytes, key) == !key.empty());
  }
}

TEST_CASE("a request without the magic cookie is one after RFC 3489") {
  Message classic = binding();
  classic.id.bytes[3] ^= 1;
  CHECK(classic.id.is_classic());
  CHECK(!binding().id.is_classic());
  const auto read = read_message(write_message(classic));
  REQUIRE(read);
  CHECK(read->id == classic.id);
}

TEST_CASE("known attributes with impossible values make the message malformed") {
  const Bytes plain = write_message(binding());
  for (const char* attribute : {
           "00010008000300500a000001",                          // family 3
           "00010008000200500a000001",                          // IPv6 in four bytes
           "000100140001005020010db8000000000000000000000001",  // IPv4 in sixteen
           "00010014000200500000000000000000"
           "0000ffff0a000001",  // IPv4-mapped
           "00010004000100"
           "50",                        // no address at all
           "002000080000a147e112a643",  // family 0
           "00030008000000000000"
           "0006",      // flags of eight bytes
           "00030000",  // none
           "00270000",  // no port
           "00090004"
           "00000200",  // error 200
           "00090004"
           "00000464",  // error 4 and 100
           "00090000",  // no error code
       })
    CHECK_MESSAGE(!read_message(with_attribute(plain, attribute)), attribute);
}

TEST_CASE("lengths that lie are refused") {
  const Bytes plain = write_message(binding());
  // An attribute that says it is longer than the message, or whose padding is missing.
  for (const char* attribute : {"80220004", "8022ffff00000000", "8022000961616161616161616100"})
    CHECK_MESSAGE(!read_message(with_attribute(plain, attribute)), attribute);
  Bytes odd = with_attribute(plain, "80220000");
  odd.push_back(0);
  odd[3] = 5;
  CHECK(!read_message(odd));
  // The two bits that tell it from other protocols.
  for (const uint8_t first : std::array<uint8_t, 3>{0x40, 0x80, 0xc0}) {
    Bytes other = plain;
    other[0] |= first;
    CHECK(!read_message(other));
  }
}

TEST_CASE("of an attribute that comes twice the first one counts") {
  Message message = binding();
  message.xor_mapped = Address::v4(192, 0, 2, 1, 7);
  const Bytes twice = with_attribute(write_message(message), "002000080001a147e112a643");
  CHECK(read_message(twice) == message);
}

TEST_CASE("what follows MESSAGE-INTEGRITY is not believed") {
  const Bytes sealed = write_message(binding(), mrt::as_bytes("key"));
  const auto read = read_message(with_attribute(sealed, "002000080001a147e112a643"));
  REQUIRE(read);
  CHECK(!read->xor_mapped);
}

TEST_CASE("a fingerprint that is wrong, or not the last, makes a message none of ours") {
  Message message = binding();
  message.fingerprint = true;
  Bytes right = write_message(message);
  REQUIRE(read_message(right));
  CHECK(!read_message(with_attribute(right, "80220000")));
  right.back() ^= 1;
  CHECK(!read_message(right));
  // The sum is right, and something follows.
  const Bytes head = with_attribute(write_message(binding()),
                                    "8028000400000000"
                                    "80220000");
  const uint32_t sum = fingerprint_of(ByteView(head).first(header_bytes));
  Bytes followed = head;
  for (size_t i = 0; i < 4; ++i)
    followed[header_bytes + 4 + i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
  CHECK(!read_message(followed));
}

TEST_CASE("what must be understood and is not is noted, and the list is bounded") {
  Bytes many = write_message(binding());
  for (int i = 0; i < 100; ++i) many = with_attribute(many, "7f000000");
  CHECK(read_message(many)->not_understood == std::vector<uint16_t>{0x7f00});
  for (size_t i = 0; i < 2 * not_understood_max; ++i) {
    const uint8_t type[] = {0x70, static_cast<uint8_t>(i), 0, 0};
    many = with_attribute(many, mrt::to_hex(type));
  }
  CHECK(read_message(many)->not_understood.size() == not_understood_max);
  // From 0x8000 on it may be left alone.
  CHECK(read_message(with_attribute(write_message(binding()), "ff000000"))->not_understood.empty());
}

TEST_CASE("a text longer than any may be is left out") {
  Message message = binding();
  message.software = std::string(text_bytes_max, 'x');
  CHECK(read_message(write_message(message))->software.size() == text_bytes_max);
  Bytes longer = with_attribute(write_message(binding()), "80220300" + std::string(0x600, '6'));
  CHECK(read_message(longer)->software.empty());
}

TEST_CASE("bytes drawn at random are read without harm") {
  mrt::Random random(mrt::seed_from(6));
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes(random.below(120));
    random.fill(bytes);
    if (bytes.size() >= header_bytes) {  // as near to a message as that all is parsed
      bytes[0] &= 0x3f;
      bytes.resize(bytes.size() & ~size_t{3});
      bytes[2] = 0;
      bytes[3] = static_cast<uint8_t>(bytes.size() - header_bytes);
      for (size_t at = header_bytes; at + 8 <= bytes.size(); at += 8) {
        bytes[at] &= 0x80;
        bytes[at + 1] &= 0x2f;
        bytes[at + 2] = 0;
        bytes[at + 3] &= 0x0f;
      }
    }
    const auto read = read_message(bytes);
    has_right_integrity(bytes, bytes);
    if (read && read->not_understood.empty() && read->software.size() <= text_bytes_max)
      CHECK(read_message(write_message(*read)) == read);
  }
}
