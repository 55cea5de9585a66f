// SPDX-License-Identifier: MIT
#include "mrt/cpace.h"

#include <doctest/doctest.h>
#include <sodium/crypto_core_ristretto255.h>
#include <sodium/crypto_hash_sha512.h>
#include <sodium/randombytes.h>

#include <algorithm>
#include <string>

#include "mrt/identity.h"

using namespace mrt;

namespace {

template <size_t N>
std::array<uint8_t, N> array_of(const std::string& hex) {
  const auto bytes = from_hex(hex);
  REQUIRE(bytes);
  REQUIRE(bytes->size() == N);
  std::array<uint8_t, N> out;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

// The strings of the draft, assembled as its appendix "CPace function definitions" does.
Bytes prepend_len(ByteView text) {
  Bytes out;
  size_t length = text.size();
  do {
    out.push_back(static_cast<uint8_t>((length & 0x7f) | (length > 0x7f ? 0x80 : 0)));
    length >>= 7;
  } while (length != 0);
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

Bytes lv_cat(std::initializer_list<ByteView> strings) {
  Bytes out;
  for (const ByteView string : strings) {
    const Bytes one = prepend_len(string);
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

Bytes generator_string(const CpaceInput& input) {
  const ByteView domain = as_bytes("CPaceRistretto255");
  const size_t first = prepend_len(input.password).size() + prepend_len(domain).size();
  const Bytes zeros(std::max<size_t>(128, first + 1) - first - 1);
  return lv_cat({domain, input.password, zeros, input.channel, input.session});
}

CpaceShare naive_generator(const CpaceInput& input) {
  const Bytes text = generator_string(input);
  std::array<uint8_t, 64> hash;
  crypto_hash_sha512(hash.data(), text.data(), text.size());
  CpaceShare out;
  REQUIRE(crypto_core_ristretto255_from_hash(out.data(), hash.data()) == 0);
  return out;
}

// draft-irtf-cfrg-cpace, appendix "Test vector for CPace using group ristretto255 and hash
// SHA-512".
const Bytes vector_channel = from_hex("0b415f696e69746961746f720b425f726573706f6e646572").value();
const Bytes vector_session = from_hex("7e4b4791d6a8ef019b936c79fb7f2c57").value();
const CpaceInput vector_input{as_bytes("Password"), vector_channel, vector_session};
const std::string vector_generator_string =
    "11435061636552697374726574746f3235350850617373776f726464000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000180b415f696e69746961"
    "746f720b425f726573706f6e646572107e4b4791d6a8ef019b936c79fb7f2c57";
const std::string vector_generator =
    "222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56";
const std::string vector_ya = "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08";
const std::string vector_share_a =
    "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157";
const std::string vector_yb = "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d";
const std::string vector_share_b =
    "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258";
// It goes into the key's hash; the draft's section "Test vector for secret points K".
const std::string vector_point = "80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f";
const std::string vector_key =
    "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd2b38950a39dfd5d4a79164614c2984"
    "f7daa460b588c1e80c3fa2068af7900447";

CpaceRun run_with(const CpaceInput& input, const std::string& scalar) {
  return CpaceRun(input, SecretArray<32>(array_of<32>(scalar)));
}

std::string hex_of(const std::optional<CpaceKey>& key) {
  REQUIRE(key);
  return to_hex(key->view());
}

// Two honest sides; what each gets.
struct Outcome {
  std::string initiator;
  std::string responder;
};

Outcome meet(const CpaceInput& one, const CpaceInput& two, uint64_t seed = 1) {
  Random random(seed_from(seed));
  const CpaceRun initiator(one, random);
  const CpaceRun responder(two, random);
  const ByteView from_one = as_bytes("from one");
  const ByteView from_two = as_bytes("from two");
  return {hex_of(initiator.finish_initiator(responder.share(), from_one, from_two)),
          hex_of(responder.finish_responder(initiator.share(), from_two, from_one))};
}

}  // namespace

TEST_CASE("the draft's generator string gives the draft's generator") {
  CHECK(to_hex(generator_string(vector_input)) == vector_generator_string);
  CHECK(to_hex(cpace_generator(vector_input)) == vector_generator);
}

TEST_CASE("generators are the draft's for strings of any length") {
  // Around the sizes where a length takes another byte and where the padding ends.
  const Bytes text(20'000, 0x5a);
  for (const size_t password :
       {0u, 1u, 8u, 107u, 108u, 109u, 110u, 111u, 127u, 128u, 129u, 1'000u, 16'384u}) {
    for (const size_t channel : {0u, 1u, 127u, 128u, 16'383u, 16'384u}) {
      for (const size_t session : {0u, 32u, 128u}) {
        const ByteView view = text;
        const CpaceInput input{view.first(password), view.first(channel), view.first(session)};
        CHECK(cpace_generator(input) == naive_generator(input));
      }
    }
  }
}

TEST_CASE("bytes that move from one input to its neighbour make another generator") {
  const Bytes text(40, 0);
  const ByteView view = text;
  const CpaceShare one = cpace_generator({view.first(8), view.first(16), view.first(16)});
  CHECK(one != cpace_generator({view.first(9), view.first(15), view.first(16)}));
  CHECK(one != cpace_generator({view.first(8), view.first(17), view.first(15)}));
  CHECK(one != cpace_generator({view.first(8), view.first(32), {}}));
}

TEST_CASE("the draft's scalars give the draft's shares and the draft's key on both sides") {
  const CpaceRun a = run_with(vector_input, vector_ya);
  const CpaceRun b = run_with(vector_input, vector_yb);
  CHECK(to_hex(a.share()) == vector_share_a);
  CHECK(to_hex(b.share()) == vector_share_b);
  const ByteView data_a = as_bytes("ADa");
  const ByteView data_b = as_bytes("ADb");
  CHECK(hex_of(a.finish_initiator(b.share(), data_a, data_b)) == vector_key);
  CHECK(hex_of(b.finish_responder(a.share(), data_b, data_a)) == vector_key);
}

TEST_CASE("the key hashes the draft's point K and transcript") {
  // ISK = H.hash(lv_cat(G.DSI || b"_ISK", sid, K) || transcript_ir(Ya,ADa,Yb,ADb))
  const Bytes text = lv_cat({as_bytes("CPaceRistretto255_ISK"), vector_session,
                             array_of<32>(vector_point), array_of<32>(vector_share_a),
                             as_bytes("ADa"), array_of<32>(vector_share_b), as_bytes("ADb")});
  std::array<uint8_t, 64> hash;
  crypto_hash_sha512(hash.data(), text.data(), text.size());
  CHECK(to_hex(hash) == vector_key);
}

TEST_CASE("the draft's invalid shares give no key") {
  // Draft, "Test case for scalar_mult with valid inputs" and "Invalid inputs for
  // scalar_mult_vfy": Y_i1 does not decode, Y_i2 is the neutral element.
  const CpaceRun run =
      run_with(vector_input, "7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05");
  const auto valid =
      array_of<32>("2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c");
  const auto y_i1 =
      array_of<32>("2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c");
  const CpaceShare y_i2{};

  const Bytes text =
      lv_cat({as_bytes("CPaceRistretto255_ISK"),
              vector_session,
              array_of<32>("7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e"),
              run.share(),
              {},
              valid,
              {}});
  std::array<uint8_t, 64> hash;
  crypto_hash_sha512(hash.data(), text.data(), text.size());
  CHECK(hex_of(run.finish_initiator(valid, {}, {})) == to_hex(hash));
  for (const CpaceShare& share : {y_i1, y_i2}) {
    CHECK_FALSE(run.finish_initiator(share, {}, {}));
    CHECK_FALSE(run.finish_responder(share, {}, {}));
  }
}

TEST_CASE("RFC 9496's invalid encodings give no key") {
  const char* encodings[] = {
      // Appendix A.2: non-canonical field encodings,
      "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      // negative field elements,
      "0100000000000000000000000000000000000000000000000000000000000000",
      "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
      "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
      "c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
      "47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
      "f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
      "87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
      // x^2 that is no square,
      "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
      "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
      "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
      "bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
      "2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
      "f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
      "8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
      "2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
      // negative xy,
      "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
      "a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
      "d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
      "8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
      "32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
      "227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
      "5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
      "445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
      // and s = -1, which gives y = 0.
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  const CpaceRun run = run_with(vector_input, vector_ya);
  for (const char* encoding : encodings) {
    CAPTURE(encoding);
    CHECK_FALSE(run.finish_initiator(array_of<32>(encoding), {}, {}));
    CHECK_FALSE(run.finish_responder(array_of<32>(encoding), {}, {}));
  }
}

TEST_CASE("a valid share with its top bit set is not another form of it") {
  const CpaceRun run = run_with(vector_input, vector_ya);
  auto share = array_of<32>(vector_share_b);
  CHECK(run.finish_initiator(share, {}, {}));
  share[31] |= 0x80;
  CHECK_FALSE(run.finish_initiator(share, {}, {}));
}

TEST_CASE("random bytes as a share give a key or none, and never the peer's") {
  Random random(seed_from(7));
  const CpaceRun run(vector_input, random);
  int keys = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto key = run.finish_responder(random.array<32>(), {}, {});
    keys += key ? 1 : 0;
  }
  // One string of 32 bytes in sixteen encodes a point.
  CHECK(keys > 20);
  CHECK(keys < 150);
}

TEST_CASE("both sides get the same key when they agree on everything, and only then") {
  const CpaceInput input{as_bytes("a password"), as_bytes("network"), as_bytes("session")};
  const Outcome same = meet(input, input);
  CHECK(same.initiator == same.responder);

  CpaceInput other = input;
  other.password = as_bytes("a passwore");
  CHECK(meet(input, other).initiator != meet(input, other).responder);
  other = input;
  other.channel = as_bytes("netwosk");
  CHECK(meet(input, other).initiator != meet(input, other).responder);
  other = input;
  other.session = as_bytes("sessioo");
  CHECK(meet(input, other).initiator != meet(input, other).responder);
}

TEST_CASE("associated data and roles are part of the key") {
  Random random(seed_from(2));
  const CpaceRun one(vector_input, random);
  const CpaceRun two(vector_input, random);
  const ByteView x = as_bytes("x");
  const ByteView y = as_bytes("y");
  const auto key = hex_of(one.finish_initiator(two.share(), x, y));
  CHECK(key == hex_of(two.finish_responder(one.share(), y, x)));
  CHECK(key != hex_of(two.finish_responder(one.share(), x, y)));
  CHECK(key != hex_of(two.finish_responder(one.share(), y, y)));
  CHECK(key != hex_of(two.finish_responder(one.share(), y, {})));
  CHECK(key != hex_of(two.finish_initiator(one.share(), y, x)));
}

TEST_CASE("each run has a scalar of its own, and the same generator state gives the same run") {
  Random random(seed_from(3));
  Random again(seed_from(3));
  const CpaceRun one(vector_input, random);
  const CpaceRun two(vector_input, random);
  CHECK(one.share() != two.share());
  CHECK(one.share() == CpaceRun(vector_input, again).share());
}

TEST_CASE("scalars have as many random bits as the group's order") {
  // Draft, G.sample_scalar(): the bits above G.group_size_bits, 252, are cleared.
  Random random(seed_from(4));
  Random model(seed_from(4));
  for (int i = 0; i < 50; ++i) {
    const CpaceRun run(vector_input, random);
    auto scalar = model.array<32>();
    scalar[31] &= 0x0f;
    CHECK(run.share() == CpaceRun(vector_input, SecretArray<32>(scalar)).share());
  }
}

namespace {

// What libsodium draws of its own while these tests run.
int own_draws = 0;

randombytes_implementation counting_implementation() {
  randombytes_implementation out{};
  out.implementation_name = [] { return "counting"; };
  out.random = [] {
    ++own_draws;
    return uint32_t{4};
  };
  out.buf = [](void* const to, const size_t size) {
    ++own_draws;
    std::fill_n(static_cast<uint8_t*>(to), size, uint8_t{4});
  };
  return out;
}

}  // namespace

TEST_CASE("nothing here asks libsodium for random bytes") {
  static randombytes_implementation counting = counting_implementation();
  REQUIRE(randombytes_set_implementation(&counting) == 0);
  CpaceShare share;
  crypto_core_ristretto255_random(share.data());
  CHECK(own_draws > 0);  // it would be seen

  own_draws = 0;
  meet(vector_input, vector_input);
  const Identity identity(seed_from(5));
  CHECK(is_signed_by(identity.public_key(), share, identity.sign(share)));
  CHECK(own_draws == 0);
}
