// SPDX-License-Identifier: MIT
#include "mrt/aead.h"

#include <doctest/doctest.h>
#include <sodium/crypto_aead_chacha20poly1305.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "mrt/base/random.h"

using namespace mrt;

namespace {

constexpr Cipher both[] = {Cipher::aes_128_gcm, Cipher::chacha20_poly1305};

Bytes bytes_of(const std::string& hex) {
  const auto bytes = from_hex(hex);
  REQUIRE(bytes);
  return *bytes;
}

Secret secret_of(uint64_t number) { return Secret(Random(seed_from(number)).array<32>()); }

struct Known {
  const char* source;
  Cipher cipher;
  std::string key;
  std::string iv;
  uint64_t number;
  std::string header;
  std::string plain;
  std::string sealed;  // ciphertext and tag
};

const Known vectors[] = {
    {"McGrew and Viega, The Galois/Counter Mode of Operation, test case 1", Cipher::aes_128_gcm,
     "00000000000000000000000000000000", "000000000000000000000000", 0, "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"},
    {"test case 2", Cipher::aes_128_gcm, "00000000000000000000000000000000",
     "000000000000000000000000", 0, "", "00000000000000000000000000000000",
     "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
    {"test case 3", Cipher::aes_128_gcm, "feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", 0, "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b391aafd255",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84"
     "aa051ba30b396a0aac973d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4"},
    {"test case 4", Cipher::aes_128_gcm, "feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", 0, "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84"
     "aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"},
    {"test case 4, where the number makes the same nonce of another IV", Cipher::aes_128_gcm,
     "feffe9928665731c6d6a8f9467308308", "cafebabefbed9eca57613567", 0x0123'4567'89ab'cdef,
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84"
     "aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"},
    {"RFC 8439 section 2.8.2", Cipher::chacha20_poly1305,
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", "070000004041424344454647",
     0, "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a2049662049"
     "20636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c20"
     "73756e73637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92"
     "728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b"
     "4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
    {"RFC 9001 appendix A.5", Cipher::chacha20_poly1305,
     "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8", "e0459b3474bdd0e44a41c144",
     654'360'564, "4200bff4", "01", "655e5cd55c41f69080575d7999c25a5bfb"},
};

// A key from outside: its serial is far from those that a pool gives.
AeadKey key_of(const Known& known, uint64_t serial) {
  AeadKey key;
  key.cipher = known.cipher;
  key.serial = serial;
  const Bytes bytes = bytes_of(known.key);
  std::copy(bytes.begin(), bytes.end(), key.key.data());
  const Bytes iv = bytes_of(known.iv);
  REQUIRE(iv.size() == key.iv.size());
  std::copy(iv.begin(), iv.end(), key.iv.begin());
  return key;
}

Bytes packet_of(size_t header_bytes, size_t body_bytes, uint8_t fill = 0) {
  Bytes packet(header_bytes + body_bytes + aead_tag_bytes);
  for (size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<uint8_t>(fill + i);
  return packet;
}

bool starts_alike(const Bytes& one, const Bytes& two, size_t size) {
  return std::equal(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(size), two.begin());
}

}  // namespace

TEST_CASE("sealing and opening give the published vectors") {
  CipherPool pool;
  uint64_t serial = 1'000'000;
  for (const Known& known : vectors) {
    CAPTURE(known.source);
    const AeadKey key = key_of(known, ++serial);
    const size_t header_bytes = known.header.size() / 2;
    Bytes packet = bytes_of(known.header + known.plain);
    packet.resize(packet.size() + aead_tag_bytes);
    pool.seal(key, known.number, header_bytes, packet);
    CHECK(to_hex(packet) == known.header + known.sealed);
    CHECK(pool.open(key, known.number, header_bytes, packet));
    packet.resize(packet.size() - aead_tag_bytes);
    CHECK(to_hex(packet) == known.header + known.plain);
  }
}

TEST_CASE("keys and IVs follow from the traffic secret by their labels") {
  // Made with another implementation of HKDF.
  const Bytes bytes = bytes_of("8ece2d4eb302ae42b51396b4545dee7a59d0fba8cf2812516f9d7fd26c68c889");
  Secret secret;
  std::copy(bytes.begin(), bytes.end(), secret.data());
  CipherPool pool;
  const AeadKey aes = pool.derive(Cipher::aes_128_gcm, secret);
  CHECK(to_hex(aes.key.view()) ==
        "fb5a650bbb62b5d2c2940ac5cec4e3b600000000000000000000000000000000");
  CHECK(to_hex(aes.iv) == "32f13dd4cdaf4b9a68bfa8e3");
  const AeadKey chacha = pool.derive(Cipher::chacha20_poly1305, secret);
  CHECK(to_hex(chacha.key.view()) ==
        "fb5a650bbb62b5d2c2940ac5cec4e3b645ef9ee993fa55693ac4841280836890");
  CHECK(to_hex(chacha.iv) == "32f13dd4cdaf4b9a68bfa8e3");
}

TEST_CASE("every key of a pool has a serial of its own") {
  CipherPool pool;
  std::set<uint64_t> serials;
  for (int i = 0; i < 1'000; ++i) serials.insert(pool.derive(both[i % 2], secret_of(1)).serial);
  CHECK(serials.size() == 1'000);
  CHECK_FALSE(serials.contains(0));
}

TEST_CASE("what is sealed opens, at every size, and its header stays readable") {
  CipherPool pool;
  for (const Cipher cipher : both) {
    const AeadKey key = pool.derive(cipher, secret_of(2));
    uint64_t number = 0;
    for (const size_t header_bytes : {0u, 1u, 9u, 16u, 33u}) {
      for (const size_t body_bytes :
           {0u, 1u, 15u, 16u, 17u, 63u, 64u, 65u, 1'400u, 16'000u, 65'000u}) {
        const Bytes plain = packet_of(header_bytes, body_bytes);
        Bytes packet = plain;
        pool.seal(key, ++number, header_bytes, packet);
        CHECK(starts_alike(packet, plain, header_bytes));
        if (body_bytes >= 15) CHECK_FALSE(starts_alike(packet, plain, plain.size() - 16));
        CHECK(pool.open(key, number, header_bytes, packet));
        CHECK(starts_alike(packet, plain, plain.size() - aead_tag_bytes));
      }
    }
  }
}

TEST_CASE("ChaCha20-Poly1305 agrees with libsodium's on anything") {
  CipherPool pool;
  Random random(seed_from(3));
  for (int i = 0; i < 500; ++i) {
    AeadKey key = pool.derive(Cipher::chacha20_poly1305, secret_of(random.u64()));
    const size_t header_bytes = random.below(40);
    const size_t body_bytes = random.below(2'000);
    Bytes packet = packet_of(header_bytes, body_bytes);
    const uint64_t number = random.u64() >> random.below(64);

    // RFC 9001 section 5.3, written out: the number's bytes, biggest first, at the IV's end.
    std::array<uint8_t, 12> nonce = key.iv;
    for (size_t at = 0; at < 8; ++at)
      nonce[4 + at] ^= static_cast<uint8_t>(number >> (56 - 8 * at));
    Bytes model = packet;
    crypto_aead_chacha20poly1305_ietf_encrypt(
        model.data() + header_bytes, nullptr, packet.data() + header_bytes, body_bytes,
        packet.data(), header_bytes, nullptr, nonce.data(), key.key.data());
    pool.seal(key, number, header_bytes, packet);
    CHECK(packet == model);
  }
}

TEST_CASE("no bit of a packet can be changed, and the number and the key must be the right ones") {
  CipherPool pool;
  for (const Cipher cipher : both) {
    const AeadKey key = pool.derive(cipher, secret_of(4));
    const AeadKey other = pool.derive(cipher, secret_of(5));
    const Bytes plain = packet_of(9, 40);
    Bytes sealed = plain;
    pool.seal(key, 7, 9, sealed);
    for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
      Bytes packet = sealed;
      packet[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      CHECK_FALSE(pool.open(key, 7, 9, packet));
    }
    for (const uint64_t number :
         {uint64_t{0}, uint64_t{6}, uint64_t{8}, uint64_t{7} << 32, (uint64_t{1} << 63) | 7}) {
      Bytes packet = sealed;
      CHECK_FALSE(pool.open(key, number, 9, packet));
    }
    for (const size_t header_bytes : {0u, 8u, 10u, 49u}) {
      Bytes packet = sealed;
      CHECK_FALSE(pool.open(key, 7, header_bytes, packet));
    }
    Bytes packet = sealed;
    CHECK_FALSE(pool.open(other, 7, 9, packet));
    // What failed left no trace: the packet itself still opens.
    CHECK(pool.open(key, 7, 9, sealed));
    CHECK(starts_alike(sealed, plain, 49));
  }
}

TEST_CASE("what is too short for its header and a tag does not open") {
  CipherPool pool;
  for (const Cipher cipher : both) {
    const AeadKey key = pool.derive(cipher, secret_of(6));
    Bytes sealed = packet_of(9, 5);
    pool.seal(key, 1, 9, sealed);
    for (size_t size = 0; size < sealed.size(); ++size) {
      // A vector of its own, so that a byte read beyond its end is found.
      Bytes packet(sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(size));
      const Bytes before = packet;
      CHECK_FALSE(pool.open(key, 1, 9, packet));
      if (size < 9 + aead_tag_bytes) CHECK(packet == before);
    }
    Bytes packet = sealed;
    CHECK_FALSE(pool.open(key, 1, SIZE_MAX, packet));
    CHECK_FALSE(pool.open(key, 1, SIZE_MAX - 15, packet));
    CHECK(packet == sealed);
    CHECK_FALSE(pool.open(key, 1, 0, {}));
  }
}

TEST_CASE("more keys than contexts, used in any order, never take each other's") {
  CipherPool pool;
  CipherPool model;
  Random random(seed_from(7));
  std::vector<AeadKey> keys;
  for (uint64_t i = 0; i < 300; ++i) keys.push_back(pool.derive(both[i % 2], secret_of(i)));
  int wrong = 0;
  for (uint64_t number = 0; number < 20'000; ++number) {
    const AeadKey& key = keys[random.below(keys.size())];
    const Bytes plain = packet_of(5, 30, static_cast<uint8_t>(number));
    Bytes packet = plain;
    pool.seal(key, number, 5, packet);
    // The model's contexts are thrown away each time.
    Bytes expected = plain;
    model.seal(key, number, 5, expected);
    model.forget(key);
    wrong += packet != expected ? 1 : 0;

    const AeadKey& other = keys[random.below(keys.size())];
    Bytes forged = packet;
    if (other.serial != key.serial) wrong += pool.open(other, number, 5, forged) ? 1 : 0;
    wrong += pool.open(key, number, 5, packet) && starts_alike(packet, plain, 35) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a forgotten key leaves others alone, and sets up its context again if used") {
  CipherPool pool;
  const AeadKey one = pool.derive(Cipher::aes_128_gcm, secret_of(1));
  const AeadKey two = pool.derive(Cipher::chacha20_poly1305, secret_of(2));
  Bytes first = packet_of(4, 4);
  Bytes second = packet_of(4, 4);
  pool.seal(one, 1, 4, first);
  pool.seal(two, 1, 4, second);
  pool.forget(one);
  pool.forget(one);
  CHECK(pool.open(two, 1, 4, second));
  CHECK(pool.open(one, 1, 4, first));
  pool.forget(AeadKey{});  // one that was never used
}

#if defined(__x86_64__)
TEST_CASE("whether the CPU has AES is what the kernel says of it") {
  std::ifstream file("/proc/cpuinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) return;  // no Linux, nothing to compare with
  std::istringstream words(text);
  std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
  CHECK(cpu_has_aes() == (flags.contains("aes") && flags.contains("pclmulqdq")));
}
#endif
