// SPDX-License-Identifier: MIT
#include "node/file_message.h"
#include "support/vectors.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "mrt/base/random.h"
#include "unit/node/pattern.h"

using namespace node;

namespace {

NodeId some_node() {
  NodeId id;
  id.bytes.fill(0x11);
  return id;
}

FileHash some_hash() {
  FileHash hash;
  hash.bytes.fill(0x22);
  return hash;
}

mrt::Bytes some_chunk(size_t proof, size_t size) {
  const mrt::Bytes head = chunk_head(some_node(), some_hash(), 5);
  mrt::Bytes message = chunk_message(head, std::vector<FileHash>(proof, some_hash()), size);
  const mrt::Bytes bytes = pattern(size);
  std::copy(bytes.begin(), bytes.end(), message.end() - static_cast<ptrdiff_t>(size));
  return message;
}

}  // namespace

TEST_CASE("each file message is read as it was written") {
  const Fetch fetch{some_node(), some_hash(), 1234567, true};
  const mrt::Bytes fetch_bytes = encode(fetch);
  CHECK(is_file_message(fetch_bytes));
  CHECK(std::get<Fetch>(*parse_file_message(fetch_bytes)) == fetch);

  const CancelFetch cancel{some_node(), some_hash(), 7};
  const auto read_cancel = std::get<CancelFetch>(*parse_file_message(encode(cancel)));
  CHECK(read_cancel.holder == cancel.holder);
  CHECK(read_cancel.chunk == 7);

  for (uint8_t fault = 0; fault <= fetch_fault_max; ++fault) {
    const FetchFailed failed{some_node(), some_hash(), 9, static_cast<FetchFault>(fault)};
    const auto read = std::get<FetchFailed>(*parse_file_message(encode(failed)));
    CHECK(read.fault == failed.fault);
    CHECK(read.chunk == 9);
  }
}

TEST_CASE("a chunk's bytes lie in its message where the view says") {
  for (const size_t proof : {size_t{0}, size_t{1}, proof_hashes_max}) {
    for (const size_t size : {size_t{1}, chunk_bytes_max}) {
      const mrt::Bytes message = some_chunk(proof, size);
      CHECK(message.size() <= chunk_message_bytes_max);
      const auto view = std::get<ChunkView>(*parse_file_message(message));
      CHECK(view.holder == some_node());
      CHECK(view.hash == some_hash());
      CHECK(view.chunk == 5);
      CHECK(view.proof.size() == proof);
      CHECK(view.offset + view.bytes.size() == message.size());
      const mrt::Bytes bytes = pattern(size);
      CHECK(std::equal(view.bytes.begin(), view.bytes.end(), bytes.begin(), bytes.end()));
    }
  }
}

TEST_CASE("a message that is cut short, too long or unknown is nothing") {
  const mrt::Bytes fetch = encode(Fetch{some_node(), some_hash(), 300, false});
  for (size_t size = 0; size < fetch.size(); ++size) {
    CHECK_FALSE(parse_file_message(mrt::ByteView(fetch).first(size)));
  }
  mrt::Bytes longer = fetch;
  longer.push_back(0);
  CHECK_FALSE(parse_file_message(longer));
  mrt::Bytes flags = fetch;
  flags.back() = 2;
  CHECK_FALSE(parse_file_message(flags));
  mrt::Bytes fault = encode(FetchFailed{some_node(), some_hash(), 1, FetchFault::busy});
  fault.back() = fetch_fault_max + 1;
  CHECK_FALSE(parse_file_message(fault));
  mrt::Bytes type = fetch;
  type[0] = 0x44;
  CHECK(is_file_message(type));
  CHECK_FALSE(parse_file_message(type));
  type[0] = 0x50;
  CHECK_FALSE(is_file_message(type));
  CHECK_FALSE(is_file_message({}));
}

TEST_CASE("a chunk's message has room for one chunk and 44 hashes at most") {
  const mrt::Bytes chunk = some_chunk(0, chunk_bytes_max);
  mrt::Bytes longer = chunk;
  longer.push_back(0);
  CHECK_FALSE(parse_file_message(longer));
  const mrt::Bytes head = chunk_head(some_node(), some_hash(), 5);
  CHECK_FALSE(parse_file_message(chunk_message(head, {}, 0)));  // no bytes, no chunk
  mrt::Bytes proof = some_chunk(proof_hashes_max, 64);
  proof[head.size()] = proof_hashes_max + 1;
  CHECK_FALSE(parse_file_message(proof));
}

TEST_CASE("a chunk number beyond the largest file is refused") {
  CHECK(
      parse_file_message(encode(Fetch{some_node(), some_hash(), (uint64_t{1} << 44) - 1, false})));
  CHECK_FALSE(
      parse_file_message(encode(Fetch{some_node(), some_hash(), uint64_t{1} << 44, false})));
}

TEST_CASE("mutated messages are read or refused, and views never leave them") {
  mrt::Random random(mrt::seed_from(11));
  const mrt::Bytes originals[] = {encode(Fetch{some_node(), some_hash(), 300, false}),
                                  encode(CancelFetch{some_node(), some_hash(), 1}),
                                  encode(FetchFailed{some_node(), some_hash(), 1, {}}),
                                  some_chunk(3, 100)};
  for (int i = 0; i < 20'000; ++i) {
    mrt::Bytes bytes = originals[random.below(std::size(originals))];
    for (uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = static_cast<uint8_t>(random.below(256));
    }
    bytes.resize(random.below(bytes.size() + 1));
    const auto message = parse_file_message(bytes);
    if (!message) continue;
    if (const auto* chunk = std::get_if<ChunkView>(&*message)) {
      CHECK(chunk->offset + chunk->bytes.size() == bytes.size());
      CHECK(chunk->proof.size() <= proof_hashes_max);
    }
  }
}

namespace {

mrt::test::Vector documented(const std::string& name) {
  auto vectors = mrt::test::read_vectors();
  REQUIRE_MESSAGE(vectors.contains(name), name);
  return vectors[name];
}

NodeId documented_holder() {
  NodeId id;
  id.bytes.fill(0xa1);
  return id;
}

}  // namespace

TEST_CASE("the document's file messages are read and written as it says") {
  const FileHash hash = sha256(mrt::as_bytes("hello, star\n"));

  auto fetch = documented("file-fetch");
  const auto read_fetch = std::get<Fetch>(*parse_file_message(fetch.bytes));
  CHECK(std::to_string(read_fetch.chunk) == fetch.meaning["chunk"]);
  CHECK(read_fetch.fresh == (fetch.meaning["fresh"] == "1"));
  CHECK(read_fetch.hash == hash);
  CHECK(encode(read_fetch) == fetch.bytes);

  auto chunk = documented("file-chunk");
  const auto view = std::get<ChunkView>(*parse_file_message(chunk.bytes));
  CHECK(std::to_string(view.chunk) == chunk.meaning["chunk"]);
  CHECK(view.holder == documented_holder());
  CHECK(mrt::as_text(view.bytes) == "hello, star\n");
  CHECK(verify_chunk(view.hash, view.bytes.size(), 0, view.bytes, view.proof));
  CHECK(view.hash == hash);

  auto failed = documented("file-fetch-failed");
  const auto read_failed = std::get<FetchFailed>(*parse_file_message(failed.bytes));
  CHECK(std::to_string(read_failed.chunk) == failed.meaning["chunk"]);
  CHECK(std::to_string(static_cast<int>(read_failed.fault)) == failed.meaning["fault"]);
  CHECK(encode(read_failed) == failed.bytes);

  auto cancel = documented("file-cancel");
  const auto read_cancel = std::get<CancelFetch>(*parse_file_message(cancel.bytes));
  CHECK(std::to_string(read_cancel.chunk) == cancel.meaning["chunk"]);
  CHECK(encode(read_cancel) == cancel.bytes);
}
