// SPDX-License-Identifier: MIT
#include "node/merkle.h"

#include <doctest/doctest.h>

#include <bit>
#include <string>

#include "unit/node/pattern.h"

using namespace node;

namespace {

mrt::ByteView chunk_of(const mrt::Bytes& bytes, uint64_t chunk) {
  return mrt::ByteView(bytes).subspan(chunk * chunk_bytes_max, chunk_size(bytes.size(), chunk));
}

/// The rows of a tree over these nodes, padded to a power of two with `padding`, as BEP 52 is
/// written: no cleverness.
std::vector<std::vector<FileHash>> naive_rows(std::vector<FileHash> nodes, FileHash padding) {
  nodes.resize(std::bit_ceil(nodes.size()), padding);
  std::vector<std::vector<FileHash>> rows{nodes};
  while (rows.back().size() > 1) {
    std::vector<FileHash> row;
    for (size_t i = 0; i < rows.back().size(); i += 2) {
      row.push_back(hash_of_children(rows.back()[i], rows.back()[i + 1]));
    }
    rows.push_back(row);
  }
  return rows;
}

FileHash naive_root(const mrt::Bytes& bytes) {
  if (bytes.empty()) return sha256({});
  std::vector<FileHash> leaves;
  for (size_t i = 0; i < bytes.size(); i += block_bytes) {
    leaves.push_back(
        sha256(mrt::ByteView(bytes).subspan(i, std::min(block_bytes, bytes.size() - i))));
  }
  return naive_rows(leaves, FileHash{}).back().front();
}

HashTree tree_of(const mrt::Bytes& bytes) {
  HashTreeBuilder builder(bytes.size());
  for (uint64_t i = 0; i < chunk_count(bytes.size()); ++i) {
    builder.add(hash_of_chunk(bytes.size(), chunk_of(bytes, i)));
  }
  return builder.finish();
}

std::vector<FileHash> proof_of(const mrt::Bytes& bytes, const HashTree& tree, uint64_t chunk) {
  const auto rows = tree.piece_rows(chunk, {hash_of_chunk(bytes.size(), chunk_of(bytes, chunk))});
  REQUIRE(rows);
  return tree.proof(chunk, *rows);
}

/// A hash that stands for a chunk of a file too large to have here.
FileHash made_up(uint64_t number) {
  const mrt::Bytes bytes = pattern(8, static_cast<uint32_t>(number));
  return sha256(bytes);
}

struct Vector {
  size_t size;
  const char* root;
};

// Of pattern(size), by hashlib and nothing of ours.
constexpr Vector vectors[] = {
    {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {1, "49994461d6b46390f014c8c5275a8591ef8764760afe2739cee23f6fbe285778"},
    {16383, "75137898c4c96cd8d7947dc81f0032488d702515ebf771fc4f3ad8b0540b8fff"},
    {16384, "dc0ba7593ec87b938a5dc16b2554affc2f176b2752a87eb4819da5983887394d"},
    {16385, "ddcf1469b8b0573aa8935a080758a5b8fe2e0d0866acd6acf2894155798d732b"},
    {32768, "60790c906a65c0dc99ec746dc8911c2c5ab806ba728f5e8b45e9c133dfe83a87"},
    {49152, "e302cc37566e33515cc2a88486ede436bd1ac1691501fd77f7da9da5d4d775e2"},
    {65536, "87dfde4934e419e688d8c070b79dca12f598d593612665434dbc37cd0299037e"},
    {65537, "d9bc4f8035e2f6a4b1146d95236ace9c903c3540e3d1f94cfdfd540e6712ae10"},
    {81920, "e070ff157ef2e08962dbdb59b401acecfd23231b177ae5589a12338da0455eac"},
    {131072, "5c4265a2729eee6187bd7b512d94f81e239dbbc50f37332f60625de5098886c9"},
    {147461, "4403ffbcb285e6e15ffd5865eb5cd16400ce76ad570423ef42b837f2e1127231"},
    {1048576, "9cf2becf1c46c9fd28c54a5133c449ca52cc6f6862d91fac1108adea85877356"},
    {1048577, "ba67a64e306d6458d3dbc2f9d6e7b83a8c5c6ce1a90dd437b09822284ecce6cf"},
    {1000003, "a09007aa73e304fb0e5bfce438980321fb0bfc99ac0de8791bbad1f22150cfc3"},
};

}  // namespace

TEST_CASE("museum: a file's hash is of its content, as another program finds it (python-p2p)") {
  for (const Vector& vector : vectors) {
    CAPTURE(vector.size);
    const mrt::Bytes bytes = pattern(vector.size);
    CHECK(tree_of(bytes).root().to_string() == vector.root);
    CHECK(naive_root(bytes).to_string() == vector.root);
  }
}

TEST_CASE("a file of at most one block has its plain SHA-256 as hash") {
  const auto text = mrt::as_bytes("abc");  // FIPS 180-2, appendix B.1
  CHECK(sha256(text).to_string() ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(tree_of(mrt::Bytes(text.begin(), text.end())).root() == sha256(text));
}

TEST_CASE("every chunk is verified by its own proof") {
  for (const Vector& vector : vectors) {
    CAPTURE(vector.size);
    const mrt::Bytes bytes = pattern(vector.size);
    const HashTree tree = tree_of(bytes);
    for (uint64_t i = 0; i < chunk_count(bytes.size()); ++i) {
      const auto proof = proof_of(bytes, tree, i);
      CHECK(proof.size() == proof_size(bytes.size()));
      CHECK(verify_chunk(tree.root(), bytes.size(), i, chunk_of(bytes, i), proof));
    }
  }
}

TEST_CASE("museum: a chunk that differs in anything is refused (python-p2p)") {
  const mrt::Bytes bytes = pattern(5 * chunk_bytes_max + 100);
  const HashTree tree = tree_of(bytes);
  const uint64_t size = bytes.size();
  const mrt::Bytes chunk(chunk_of(bytes, 2).begin(), chunk_of(bytes, 2).end());
  const auto proof = proof_of(bytes, tree, 2);
  REQUIRE(verify_chunk(tree.root(), size, 2, chunk, proof));

  for (const size_t at : {size_t{0}, chunk.size() / 2, chunk.size() - 1}) {
    mrt::Bytes changed = chunk;
    changed[at] ^= 1;
    CHECK_FALSE(verify_chunk(tree.root(), size, 2, changed, proof));
  }
  for (size_t i = 0; i < proof.size(); ++i) {
    auto changed = proof;
    changed[i].bytes[31] ^= 1;
    CHECK_FALSE(verify_chunk(tree.root(), size, 2, chunk, changed));
  }
  CHECK_FALSE(verify_chunk(tree.root(), size, 3, chunk, proof));
  CHECK_FALSE(verify_chunk(FileHash{}, size, 2, chunk, proof));
}

TEST_CASE("sizes, counts and places that cannot be are refused") {
  const mrt::Bytes bytes = pattern(5 * chunk_bytes_max + 100);
  const HashTree tree = tree_of(bytes);
  const uint64_t size = bytes.size();
  const auto chunk = chunk_of(bytes, 2);
  const auto last = chunk_of(bytes, 5);
  auto proof = proof_of(bytes, tree, 2);

  CHECK_FALSE(verify_chunk(tree.root(), size, 2, chunk.first(chunk.size() - 1), proof));
  CHECK_FALSE(verify_chunk(tree.root(), size, 2, {}, proof));
  CHECK_FALSE(verify_chunk(tree.root(), size, 6, last, proof));
  CHECK_FALSE(verify_chunk(tree.root(), size, UINT64_MAX, chunk, proof));
  CHECK_FALSE(verify_chunk(tree.root(), 0, 0, {}, {}));
  CHECK_FALSE(verify_chunk(tree.root(), UINT64_MAX, 2, chunk, proof));
  CHECK_FALSE(verify_chunk(tree.root(), file_bytes_max + 1, 2, chunk, proof));
  // The largest file needs 44 hashes: neither this proof nor a larger one fits it.
  CHECK_FALSE(verify_chunk(tree.root(), file_bytes_max, 2, chunk, proof));
  CHECK(proof_size(file_bytes_max) == proof_hashes_max);
  proof.push_back(FileHash{});
  CHECK_FALSE(verify_chunk(tree.root(), size, 2, chunk, proof));
  proof.resize(proof.size() - 2);
  CHECK_FALSE(verify_chunk(tree.root(), size, 2, chunk, proof));
}

TEST_CASE("the tree of a large file keeps few hashes and still proves every chunk") {
  for (const uint64_t chunks : {4095u, 4096u, 4097u, 8191u, 10'001u, 16'384u, 33'000u}) {
    CAPTURE(chunks);
    const uint64_t size = chunks * chunk_bytes_max - 5;
    std::vector<FileHash> hashes;
    HashTreeBuilder builder(size);
    for (uint64_t i = 0; i < chunks; ++i) {
      hashes.push_back(made_up(i));
      builder.add(hashes.back());
    }
    const HashTree tree = builder.finish();
    const auto rows = naive_rows(hashes, padding_hash(0));
    CHECK(tree.root() == rows.back().front());
    CHECK((chunks - 1) / tree.chunks_per_piece() < 4096);

    for (const uint64_t chunk : {uint64_t{0}, uint64_t{1}, chunks / 3, chunks / 2, chunks - 1}) {
      const uint64_t piece = chunk / tree.chunks_per_piece();
      const auto first = hashes.begin() + static_cast<ptrdiff_t>(piece * tree.chunks_per_piece());
      const auto inner = tree.piece_rows(
          piece, {first, first + static_cast<ptrdiff_t>(tree.chunks_in_piece(piece))});
      REQUIRE(inner);
      std::vector<FileHash> naive;
      for (size_t level = 0; level + 1 < rows.size(); ++level) {
        naive.push_back(rows[level][(chunk >> level) ^ 1]);
      }
      CHECK(tree.proof(chunk, *inner) == naive);
      CHECK(naive.size() == proof_size(size));
    }
  }
}

TEST_CASE("a piece that is not what it was is noticed before its chunks are proven") {
  const uint64_t chunks = 10'000;
  HashTreeBuilder builder(chunks * chunk_bytes_max);
  for (uint64_t i = 0; i < chunks; ++i) builder.add(made_up(i));
  const HashTree tree = builder.finish();
  REQUIRE(tree.chunks_per_piece() == 4);
  std::vector<FileHash> piece{made_up(8), made_up(9), made_up(10), made_up(11)};
  CHECK(tree.piece_rows(2, piece));
  std::swap(piece[0], piece[1]);
  CHECK_FALSE(tree.piece_rows(2, piece));
}

TEST_CASE("the smallest files have one chunk or none") {
  CHECK(chunk_count(0) == 0);
  CHECK(chunk_count(1) == 1);
  CHECK(chunk_count(chunk_bytes_max) == 1);
  CHECK(chunk_count(chunk_bytes_max + 1) == 2);
  CHECK(chunk_size(chunk_bytes_max + 1, 0) == chunk_bytes_max);
  CHECK(chunk_size(chunk_bytes_max + 1, 1) == 1);
  CHECK(proof_size(0) == 0);
  CHECK(proof_size(1) == 0);
  CHECK(proof_size(chunk_bytes_max + 1) == 1);
  CHECK(chunk_count(UINT64_MAX) == uint64_t{1} << 48);
}
