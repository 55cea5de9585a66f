// SPDX-License-Identifier: MIT
#include "mrt/seal.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "mrt/base/random.h"

using namespace mrt;

namespace {

constexpr Cipher both[] = {Cipher::aes_128_gcm, Cipher::chacha20_poly1305};
constexpr size_t header_bytes = 9;
constexpr size_t body_bytes = 24;

struct Packet {
  PacketNumber number;
  bool phase = false;
  uint64_t generation = 0;  // how often the sender had renewed its key: what the test knows
  Bytes bytes;
};

Secret secret_of(uint64_t number) { return Secret(Random(seed_from(number)).array<32>()); }

Bytes plain_bytes(PacketNumber number, bool phase) {
  Bytes out(header_bytes + body_bytes + aead_tag_bytes, 0x33);
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(number.value >> (8 * i));
  out[8] = phase ? 1 : 0;
  return out;
}

/// One direction: a sender, the receiver at the other end, and the numbers between.
struct Direction {
  CipherPool pool;
  Seal sender;
  Seal receiver;
  PacketNumber next{};

  explicit Direction(uint64_t packets_per_key, Cipher cipher = Cipher::aes_128_gcm)
      : sender(Seal::with_keys(pool, cipher, secret_of(1), secret_of(2), packets_per_key)),
        receiver(Seal::with_keys(pool, cipher, secret_of(2), secret_of(1), packets_per_key)) {}

  Packet send() {
    sender.renew_if_due(next);
    Packet out{next, sender.key_phase(), sender.key_updates(), {}};
    out.bytes = plain_bytes(out.number, out.phase);
    sender.seal(out.number, header_bytes, out.bytes);
    ++next.value;
    return out;
  }
  bool receive(Packet packet) {
    if (!receiver.open(packet.number, packet.phase, header_bytes, packet.bytes)) return false;
    const Bytes plain = plain_bytes(packet.number, packet.phase);
    return std::equal(plain.begin(), plain.end() - aead_tag_bytes, packet.bytes.begin());
  }
  /// Sends, receives and acknowledges so many.
  void exchange(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const Packet packet = send();
      REQUIRE(receive(packet));
      sender.on_acked(packet.number);
    }
  }
};

Packet forged(Packet packet, bool phase) {
  packet.phase = phase;
  packet.bytes[8] = phase ? 1 : 0;
  packet.bytes.back() ^= 1;
  return packet;
}

}  // namespace

TEST_CASE("both directions seal with keys of their own") {
  for (const Cipher cipher : both) {
    Direction line(1'000, cipher);
    const Packet there = line.send();
    CHECK(line.receive(there));
    Packet back{PacketNumber{0}, false, 0, plain_bytes(PacketNumber{0}, false)};
    line.receiver.seal(back.number, header_bytes, back.bytes);
    CHECK(back.bytes != there.bytes);
    Packet reflected = there;  // one's own packet sent back is no packet
    CHECK_FALSE(line.sender.open(there.number, false, header_bytes, reflected.bytes));
    CHECK(line.sender.open(back.number, false, header_bytes, back.bytes));
  }
}

TEST_CASE("a key is renewed after its packets, and the other side follows") {
  for (const Cipher cipher : both) {
    Direction line(10, cipher);
    line.exchange(10);
    CHECK_FALSE(line.sender.key_phase());
    line.exchange(1);
    CHECK(line.sender.key_phase());
    CHECK(line.sender.key_updates() == 1);
    CHECK(line.receiver.has_old_key());
    line.exchange(95);
    CHECK(line.sender.key_updates() == 10);
    CHECK_FALSE(line.sender.key_phase());
    CHECK(line.receiver.key_updates() == 0);  // each direction by its own sender
    CHECK_FALSE(line.receiver.key_phase());
  }
}

TEST_CASE("a key is not renewed again before the peer has acknowledged one of its packets") {
  Direction line(5);
  for (int i = 0; i < 50; ++i) CHECK(line.receive(line.send()));
  CHECK(line.sender.key_updates() == 0);
  line.sender.on_acked(PacketNumber{3});
  const Packet first = line.send();
  CHECK(first.generation == 1);
  for (int i = 0; i < 50; ++i) line.send();
  CHECK(line.sender.key_updates() == 1);
  // Acknowledgements of the phase before, which come late, do not count.
  line.sender.on_acked(PacketNumber{first.number.value - 1});
  line.send();
  CHECK(line.sender.key_updates() == 1);
  line.sender.on_acked(first.number);
  line.send();
  CHECK(line.sender.key_updates() == 2);
}

TEST_CASE("packets that change places around an update all open") {
  Direction line(4);
  line.exchange(3);
  const Packet last_old = line.send();
  const Packet first_new = line.send();
  const Packet second_new = line.send();
  CHECK(last_old.phase != first_new.phase);
  CHECK(line.receive(second_new));
  CHECK(line.receive(last_old));
  CHECK(line.receive(first_new));
  CHECK(line.receive(last_old));  // a replay: for the caller's window to see
  CHECK(line.receiver.has_old_key());
}

TEST_CASE("an update under loss is found by the first packet that arrives") {
  Direction line(4);
  line.exchange(4);
  for (int i = 0; i < 20; ++i) line.send();  // lost
  CHECK(line.sender.key_updates() == 1);
  CHECK(line.receive(line.send()));
  CHECK(line.receiver.has_old_key());
}

TEST_CASE("a packet of the old phase does not open once its key is forgotten") {
  Direction line(4);
  line.exchange(3);
  const Packet old = line.send();
  CHECK(line.receive(old));
  line.exchange(1);
  CHECK(line.receive(old));
  line.receiver.forget_old_key();
  CHECK_FALSE(line.receiver.has_old_key());
  CHECK_FALSE(line.receive(old));
  line.exchange(1);
  line.receiver.forget_old_key();  // with none there it does nothing
  line.exchange(1);
}

TEST_CASE("after two updates a packet of the first phase opens no more, under the same bit") {
  for (const bool forgotten : {false, true}) {
    Direction line(4);
    line.exchange(3);
    const Packet first_phase = line.send();
    const uint64_t first_number = first_phase.number.value;
    line.sender.on_acked(PacketNumber{first_number});
    line.exchange(4);
    if (forgotten) line.receiver.forget_old_key();
    const Packet second_phase = line.send();
    CHECK(second_phase.generation == 2);
    CHECK(second_phase.phase == first_phase.phase);
    CHECK(line.receive(second_phase));
    CHECK_FALSE(line.receive(first_phase));
    CHECK(line.receiver.has_old_key());
    line.exchange(20);
  }
}

TEST_CASE("a forged packet changes nothing, whatever its phase and number") {
  Direction line(4);
  line.exchange(6);
  line.receiver.forget_old_key();
  for (const bool phase : {false, true}) {
    for (const uint64_t number : {uint64_t{0}, uint64_t{3}, uint64_t{4}, uint64_t{6}, varint_max}) {
      Packet packet = forged(line.send(), phase);
      packet.number = PacketNumber{number};
      CHECK_FALSE(line.receive(packet));
      CHECK_FALSE(line.receiver.has_old_key());
    }
  }
  // Nor does a real packet with the other bit: the bit is in the header, which is sealed.
  Packet turned = line.send();
  turned.phase = !turned.phase;
  turned.bytes[8] ^= 1;
  CHECK_FALSE(line.receive(turned));
  CHECK_FALSE(line.receiver.has_old_key());
  line.exchange(30);
}

TEST_CASE("what is cut short fails in every phase") {
  Direction line(4);
  line.exchange(5);
  for (const bool phase : {false, true}) {
    for (const uint64_t number : {0u, 100u}) {
      for (size_t size = 0; size < header_bytes + aead_tag_bytes; ++size) {
        CHECK_FALSE(line.receive({PacketNumber{number}, phase, 0, Bytes(size)}));
      }
    }
  }
}

TEST_CASE("a Seal that was moved goes on") {
  Direction line(4);
  line.exchange(6);
  Seal moved = std::move(line.sender);
  line.sender = std::move(moved);
  line.exchange(6);
  CHECK(line.sender.key_updates() == 2);
}

TEST_CASE("connections of one pool come and go without touching each other's keys") {
  CipherPool pool;
  std::vector<std::pair<Seal, Seal>> lines;
  Random random(seed_from(8));
  int wrong = 0;
  for (uint64_t number = 0; number < 5'000; ++number) {
    const size_t at = random.below(100);
    const uint64_t secret = random.u64();
    if (at >= lines.size()) {
      const Cipher cipher = both[number % 2];
      lines.emplace_back(
          Seal::with_keys(pool, cipher, secret_of(secret), secret_of(secret + 1), 50),
          Seal::with_keys(pool, cipher, secret_of(secret + 1), secret_of(secret), 50));
      continue;
    }
    if (random.chance(0.02)) {
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
      continue;
    }
    Bytes packet = plain_bytes(PacketNumber{number}, false);
    lines[at].first.seal(PacketNumber{number}, header_bytes, packet);
    wrong += lines[at].second.open(PacketNumber{number}, false, header_bytes, packet) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

namespace {

/// What a receiver should do, by the generation that the test knows of each packet.
struct Model {
  uint64_t generation = 0;
  bool has_old = false;

  bool opens(const Packet& packet) {
    if (packet.generation == generation) return true;
    if (packet.generation + 1 == generation) return has_old;
    if (packet.generation != generation + 1) return false;
    ++generation;
    has_old = true;
    return true;
  }
};

}  // namespace

TEST_CASE("a million packets, a thousand a key: reordered, lost, late, forged, as the model") {
  Direction line(1'000);
  Model model;
  Random random(seed_from(9));
  std::vector<Packet> under_way;
  std::vector<Packet> late;  // kept across updates
  std::vector<PacketNumber> acks;
  uint64_t wrong = 0;
  uint64_t opened = 0;
  uint64_t stale = 0;
  const auto deliver = [&](const Packet& packet) {
    const bool expected = model.opens(packet);
    wrong += line.receive(packet) == expected ? 0 : 1;
    wrong += line.receiver.has_old_key() == model.has_old ? 0 : 1;
    opened += expected ? 1 : 0;
    stale += expected ? 0 : 1;
    if (expected && random.chance(0.7)) acks.push_back(packet.number);
  };
  while (line.next.value < 1'000'000) {
    under_way.push_back(line.send());
    if (random.chance(0.001)) late.push_back(under_way.back());
    while (under_way.size() > random.below(64)) {
      const size_t at = random.below(under_way.size());
      if (random.chance(0.02)) {
        wrong += line.receive(forged(under_way[at], random.chance(0.5))) ? 1 : 0;
      }
      if (random.chance(0.9)) deliver(under_way[at]);
      if (random.chance(0.05)) continue;  // it comes once more
      std::swap(under_way[at], under_way.back());
      under_way.pop_back();
    }
    while (acks.size() > random.below(32)) {
      line.sender.on_acked(acks[random.below(acks.size())]);
      acks.pop_back();
    }
    if (late.size() > 3 && random.chance(0.01)) {
      deliver(late.front());
      late.erase(late.begin());
    }
    if (random.chance(0.001)) {
      line.receiver.forget_old_key();
      model.has_old = false;
    }
  }
  CHECK(wrong == 0);
  CHECK(line.sender.key_updates() > 900);
  CHECK(line.sender.key_updates() - model.generation <= 1);
  CHECK(opened > 800'000);
  CHECK(stale > 500);
}

TEST_CASE("no key seals two packets under one number, and each update gives another key") {
  for (const Cipher cipher : both) {
    Direction line(50, cipher);
    // The keys of all generations, derived here one after the other (WIRE.md 4.5).
    CipherPool pool;
    std::vector<AeadKey> keys;
    Secret secret = secret_of(1);
    for (int i = 0; i < 42; ++i) {
      keys.push_back(pool.derive(cipher, secret));
      secret = hkdf_expand(secret, "thuban next");
    }
    std::set<std::pair<Bytes, std::array<uint8_t, 12>>> nonces;
    Random random(seed_from(10));
    uint64_t wrong = 0;
    const uint64_t count = 2'000;
    while (line.next.value < count) {
      const Packet packet = line.send();
      line.sender.on_acked(PacketNumber{packet.number.value - random.below(3)});
      const AeadKey* sealed_by = nullptr;
      for (const AeadKey& key : keys) {
        Bytes bytes = packet.bytes;
        if (pool.open(key, packet.number.value, header_bytes, bytes)) {
          wrong += sealed_by ? 1 : 0;
          sealed_by = &key;
        }
      }
      REQUIRE(sealed_by);
      wrong += sealed_by == &keys[packet.generation] ? 0 : 1;
      std::array<uint8_t, 12> nonce = sealed_by->iv;
      for (size_t i = 0; i < 8; ++i)
        nonce[11 - i] ^= static_cast<uint8_t>(packet.number.value >> 8 * i);
      const ByteView key_bytes = sealed_by->key.view();
      nonces.insert({Bytes(key_bytes.begin(), key_bytes.end()), nonce});
    }
    CHECK(wrong == 0);
    CHECK(nonces.size() == count);
    CHECK(line.sender.key_updates() >= 35);
  }
}

TEST_CASE("suite plain has no keys, no phase and nothing to renew") {
  const HandshakeId one{1};
  const HandshakeId two{2};
  Seal sender = Seal::plain(one, two);
  Seal receiver = Seal::plain(one, two);
  CHECK(sender.is_plain());
  CHECK_FALSE(sender.key_phase());
  sender.renew_if_due(PacketNumber{5});
  sender.on_acked(PacketNumber{5});
  sender.forget_old_key();
  CHECK(sender.key_updates() == 0);
  CHECK_FALSE(sender.has_old_key());

  Bytes packet = plain_bytes(PacketNumber{5}, false);
  const Bytes plain = packet;
  sender.seal(PacketNumber{5}, header_bytes, packet);
  CHECK(std::equal(plain.begin(), plain.end() - aead_tag_bytes, packet.begin()));
  CHECK(receiver.open(PacketNumber{5}, false, header_bytes, packet));
  CHECK_FALSE(receiver.open(PacketNumber{5}, true, header_bytes, packet));
  CHECK_FALSE(receiver.open(PacketNumber{6}, false, header_bytes, packet));
  CHECK_FALSE(Seal::plain(two, one).open(PacketNumber{5}, false, header_bytes, packet));
  packet[12] ^= 1;
  CHECK_FALSE(receiver.open(PacketNumber{5}, false, header_bytes, packet));
}

TEST_CASE("plain packets and sealed ones never open each other") {
  Direction line(10);
  Seal plain = Seal::plain({}, {});
  CHECK_FALSE(line.sender.is_plain());
  Packet sealed = line.send();
  CHECK_FALSE(plain.open(sealed.number, false, header_bytes, sealed.bytes));
  Bytes packet = plain_bytes(PacketNumber{1}, false);
  plain.seal(PacketNumber{1}, header_bytes, packet);
  CHECK_FALSE(line.receiver.open(PacketNumber{1}, false, header_bytes, packet));
}
