// SPDX-License-Identifier: MIT
#include "node/source.h"

#include <doctest/doctest.h>

#include <string>

#include "node/merkle.h"

using namespace node;

namespace {

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

const NodeId self = node_id(1);
const NodeId ann = node_id(2);
const NodeId bob = node_id(3);

/// A source whose disk answers when the test says so.
struct Fixture {
  Outbox outbox;
  Source source{self, outbox};
  std::vector<ReadChunk> reads;
  std::vector<FileSend> sent;
  std::vector<Source::Event> events;

  void settle() {
    bool moved = true;
    while (moved) {
      moved = false;
      while (const auto send = source.poll_send()) {
        sent.push_back(*send);
        moved = true;
        if (const auto* chunk = std::get_if<EncodedChunk>(&send->message)) {
          outbox.put({send->to, mrt::Priority::bulk, chunk->message});
        }
      }
      while (const auto request = source.poll_request()) {
        moved = true;
        if (const auto* read = std::get_if<ReadChunk>(&*request)) reads.push_back(*read);
      }
      while (const auto event = source.poll_event()) events.push_back(*event);
    }
    REQUIRE(source.is_consistent());
  }
  FileHash open(uint64_t token, uint64_t size, const std::string& path = "/tmp/file") {
    const FileHash hash = sha256(mrt::as_bytes(std::to_string(size)));
    source.open(FileToken{token}, path);
    source.on_result(SourceOpened{FileToken{token}, size, hash});
    settle();
    return hash;
  }
  void ask(const NodeId& from, const FileHash& hash, uint64_t chunk) {
    source.on_fetch(from, {self, hash, chunk, false});
    settle();
  }
  void answer_reads() {
    const auto now = std::move(reads);
    reads.clear();
    for (const ReadChunk& read : now) {
      source.on_result(
          ChunkRead{read.file, read.chunk, std::make_shared<const mrt::Bytes>(10, uint8_t{1})});
    }
    settle();
  }
  std::vector<FetchFault> faults(const NodeId& to) const {
    std::vector<FetchFault> out;
    for (const FileSend& send : sent) {
      const auto* failed = std::get_if<FetchFailed>(&send.message);
      if (failed && send.to == to) out.push_back(failed->fault);
    }
    return out;
  }
};

constexpr uint64_t large = 10'000 * uint64_t{chunk_bytes_max};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a file is offered under its base name once it was hashed") {
  source.open(FileToken{1}, "/home/ann/a.txt");
  CHECK(source.offers().empty());
  source.on_result(HashProgress{FileToken{1}, 5, 9});
  source.on_result(SourceOpened{FileToken{1}, 9, FileHash{}});
  settle();
  REQUIRE(events.size() == 2);
  CHECK(std::get<Source::Progress>(events[0]).bytes == 5);
  CHECK(std::get<Source::Opened>(events[1]).offer == Offer{"a.txt", 9, FileHash{}});
  CHECK(source.offers().size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a name that nobody could store is not offered") {
  for (const char* path : {"/tmp/", "/tmp/..", "/tmp/a\nb", "/tmp/\xff", ""}) {
    source.open(FileToken{1}, path);
    settle();
    REQUIRE(events.size() == 1);
    CHECK(std::get<Source::Lost>(events[0]).fault == FileFault::name);
    CHECK_FALSE(std::get<Source::Lost>(events[0]).offer);
    events.clear();
  }
}

TEST_CASE_FIXTURE(Fixture, "no more than 10,000 files are offered") {
  for (uint64_t i = 0; i < offers_per_holder_max; ++i) source.open(FileToken{i}, "/tmp/x");
  settle();
  CHECK(events.empty());
  source.open(FileToken{99'999}, "/tmp/x");
  settle();
  REQUIRE(events.size() == 1);
  CHECK(std::get<Source::Lost>(events[0]).fault == FileFault::limit);
}

TEST_CASE_FIXTURE(Fixture, "of one asker only so much is read as its connection takes") {
  const FileHash hash = open(1, large);
  for (uint64_t i = 0; i < 100; ++i) ask(ann, hash, i);
  CHECK(reads.size() == reads_max);
  answer_reads();
  CHECK(reads.empty());  // 32 chunks wait for the connection
  CHECK(outbox.unsent(ann) == reads_max);
  ask(bob, hash, 5000);
  CHECK(reads.size() == 1);
  for (int i = 0; i < 10; ++i) outbox.poll();
  settle();
  CHECK(reads.size() == 11);
}

TEST_CASE_FIXTURE(Fixture, "two who ask for one chunk at once cost one reading") {
  const FileHash hash = open(1, large);
  ask(ann, hash, 5);
  ask(bob, hash, 5);
  CHECK(reads.size() == 1);
  answer_reads();
  CHECK(outbox.unsent(ann) == 1);
  CHECK(outbox.unsent(bob) == 1);
}

TEST_CASE_FIXTURE(Fixture, "too many fetches are refused as busy") {
  const FileHash hash = open(1, large);
  for (uint64_t i = 0; i < 1000; ++i) ask(ann, hash, i);
  CHECK(faults(ann).size() == 1000 - fetches_queued_max - reads_max);
  CHECK(faults(ann)[0] == FetchFault::busy);
}

TEST_CASE_FIXTURE(Fixture, "what was cancelled before it was read is not read") {
  const FileHash hash = open(1, large);
  for (uint64_t i = 0; i < 100; ++i) ask(ann, hash, i);
  for (uint64_t i = reads_max; i < 100; ++i) source.on_cancel(ann, {self, hash, i});
  answer_reads();
  while (outbox.poll()) {
  }
  settle();
  CHECK(reads.empty());
}

TEST_CASE_FIXTURE(Fixture, "who is gone is read nothing more for") {
  const FileHash hash = open(1, large);
  for (uint64_t i = 0; i < 100; ++i) ask(ann, hash, i);
  source.on_peer_gone(ann);
  settle();
  answer_reads();
  CHECK(sent.empty());
  CHECK(reads.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "when a file fails, everybody who waits for it is told, and it is gone") {
  const FileHash hash = open(1, large);
  for (uint64_t i = 0; i < 40; ++i) ask(ann, hash, i);
  ask(bob, hash, 3);
  events.clear();
  source.on_result(FileFailed{FileToken{1}, FileFault::changed, "it was changed"});
  settle();
  CHECK(faults(ann) == std::vector<FetchFault>(40, FetchFault::changed));
  CHECK(faults(bob) == std::vector{FetchFault::changed});
  REQUIRE(events.size() == 1);
  CHECK(std::get<Source::Lost>(events[0]).offer->hash == hash);
  ask(ann, hash, 1);
  CHECK(faults(ann).back() == FetchFault::unknown_file);
}

TEST_CASE_FIXTURE(Fixture, "another file of the same content steps in for one that fails") {
  const FileHash hash = open(1, large, "/tmp/one");
  CHECK(open(2, large, "/tmp/two") == hash);
  for (uint64_t i = 0; i < 40; ++i) ask(ann, hash, i);
  REQUIRE(reads.front().file == FileToken{1});
  reads.clear();
  source.on_result(FileFailed{FileToken{1}, FileFault::disk, "it cannot be read"});
  settle();
  CHECK(faults(ann).empty());
  CHECK(reads.size() == reads_max);
  CHECK(reads.front().file == FileToken{2});
}

TEST_CASE_FIXTURE(Fixture, "a result for a file that was closed is nothing") {
  const FileHash hash = open(1, large);
  ask(ann, hash, 1);
  CHECK(source.close(FileToken{1})->hash == hash);
  CHECK_FALSE(source.close(FileToken{1}));
  CHECK_FALSE(source.on_result(ChunkRead{FileToken{1}, 1, nullptr}));
  settle();
  CHECK(faults(ann) == std::vector{FetchFault::unknown_file});
}
