// SPDX-License-Identifier: MIT
#include "node/sim/memory_disk.h"

#include <doctest/doctest.h>

#include "node/file_message.h"
#include "unit/node/pattern.h"

using namespace node;
using namespace std::chrono_literals;
using node::sim::MemoryDisk;

namespace {

struct Fixture {
  FileResult request(const FileRequest& what) {
    disk.on_request(now, what);
    now = disk.next_timeout();
    REQUIRE(now != mrt::never);
    const auto result = disk.poll_result(now);
    REQUIRE(result);
    return *result;
  }
  SourceOpened open_source(FileToken token, const mrt::Bytes& content) {
    disk.put("/home/file", content);
    return std::get<SourceOpened>(request(OpenSource{token, "/home/file"}));
  }
  FileResult read(FileToken token, uint64_t chunk) {
    return request(ReadChunk{token, chunk, chunk_head(NodeId{}, FileHash{}, chunk)});
  }
  FileResult open_target(FileToken token, const SourceOpened& source) {
    return request(OpenTarget{token, "file", source.size, source.hash});
  }
  FileResult write(FileToken token, const mrt::Bytes& content, uint64_t chunk) {
    return request(WriteChunk{token, chunk, std::make_shared<const mrt::Bytes>(content),
                              chunk * chunk_bytes_max, chunk_size(content.size(), chunk)});
  }

  mrt::Instant now{1s};
  MemoryDisk disk;
};

constexpr FileToken source_token{1};
constexpr FileToken target_token{2};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "what it reads can be verified") {
  const mrt::Bytes content = pattern(5 * chunk_bytes_max + 9);
  const auto opened = open_source(source_token, content);
  for (uint64_t i = 0; i < chunk_count(content.size()); ++i) {
    const FileResult result = read(source_token, i);
    const auto& message = *std::get<ChunkRead>(result).message;
    const auto view = std::get<ChunkView>(*parse_file_message(message));
    CHECK(verify_chunk(opened.hash, opened.size, i, view.bytes, view.proof));
  }
}

TEST_CASE_FIXTURE(Fixture, "results come after the latency, in the order of the requests") {
  disk.put("/home/file", pattern(1000));
  disk.on_request(now, OpenSource{FileToken{1}, "/home/file"});
  disk.on_request(now, OpenSource{FileToken{2}, "/home/nothing"});
  CHECK_FALSE(disk.poll_result(now));
  CHECK(disk.next_timeout() > now);
  const auto first = disk.poll_result(now + 1s);
  const auto second = disk.poll_result(now + 1s);
  CHECK(std::get<SourceOpened>(*first).file == FileToken{1});
  CHECK(std::get<FileFailed>(*second).fault == FileFault::not_found);
  CHECK(disk.next_timeout() == mrt::never);
}

TEST_CASE_FIXTURE(Fixture, "a download survives a crash of its process as a part") {
  const mrt::Bytes content = pattern(3 * chunk_bytes_max);
  const auto opened = open_source(source_token, content);
  open_target(target_token, opened);
  write(target_token, content, 1);
  disk.crash();
  CHECK(disk.next_timeout() == mrt::never);
  CHECK(disk.received().empty());
  const auto again = std::get<TargetOpened>(open_target(FileToken{3}, opened));
  CHECK(again.have.contains(1));
  CHECK(again.have.size() == 1);
  write(FileToken{3}, content, 0);
  write(FileToken{3}, content, 2);
  CHECK(std::get<TargetPlaced>(request(FinishTarget{FileToken{3}})).path == "/downloads/file");
  CHECK(*disk.content("/downloads/file") == content);
}

TEST_CASE_FIXTURE(Fixture, "a changed, unreadable or missing source fails") {
  open_source(source_token, pattern(1000));
  SUBCASE("changed") {
    disk.put("/home/file", pattern(1000));
    CHECK(std::get<FileFailed>(read(source_token, 0)).fault == FileFault::changed);
  }
  SUBCASE("missing") {
    disk.erase("/home/file");
    CHECK(std::get<FileFailed>(read(source_token, 0)).fault == FileFault::changed);
  }
  SUBCASE("unreadable") {
    disk.set_reads_fail(true);
    CHECK(std::get<FileFailed>(read(source_token, 0)).fault == FileFault::disk);
  }
  disk.on_request(now, ReadChunk{source_token, 0, {}});
  CHECK(disk.next_timeout() == mrt::never);
}

TEST_CASE_FIXTURE(Fixture, "room is taken at the start and given back when it is discarded") {
  const mrt::Bytes content = pattern(3 * chunk_bytes_max);
  const auto opened = open_source(source_token, content);
  disk.set_room(content.size());
  open_target(target_token, opened);
  const auto other = FileToken{3};
  CHECK(std::get<FileFailed>(request(OpenTarget{other, "b", opened.size, opened.hash})).fault ==
        FileFault::disk);
  disk.on_request(now, CloseFile{target_token, true});
  CHECK(std::holds_alternative<TargetOpened>(
      request(OpenTarget{FileToken{4}, "b", opened.size, opened.hash})));
}
