// SPDX-License-Identifier: MIT
#include "node/uv/disk.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <functional>
#include <map>

#include "node/file_message.h"
#include "unit/node/pattern.h"
#include "unit/node_uv/temporary_folder.h"

using namespace node;
using namespace node::uv;

namespace {

constexpr size_t MiB = 1024 * 1024;

/// A loop with a disk on it, and all results in the order in which they came.
struct Fixture {
  Fixture() {
    REQUIRE(uv_loop_init(&loop) == 0);
    disk = std::make_unique<Disk>(&loop, folder.path(),
                                  [this](FileResult result) { results.push_back(result); });
  }
  ~Fixture() {
    disk.reset();
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
  }

  /// Turns the loop until the condition holds; false where nothing is left to do before.
  bool run_until(const std::function<bool()>& condition) {
    while (!condition()) {
      if (uv_run(&loop, UV_RUN_ONCE) == 0) return condition();
    }
    return true;
  }
  template <class T>
  std::vector<T> all() const {
    std::vector<T> out;
    for (const FileResult& result : results) {
      if (const auto* r = std::get_if<T>(&result)) out.push_back(*r);
    }
    return out;
  }
  SourceOpened open_source(FileToken token, const std::string& path) {
    disk->request(OpenSource{token, path});
    const size_t before = all<SourceOpened>().size();
    REQUIRE(run_until([&] { return all<SourceOpened>().size() > before; }));
    return all<SourceOpened>().back();
  }
  void read(FileToken token, uint64_t chunk) {
    disk->request(ReadChunk{token, chunk, chunk_head(NodeId{}, FileHash{}, chunk)});
  }
  size_t open_descriptors() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      const auto path = std::filesystem::read_symlink(entry.path(), error);
      if (!error && path.string().starts_with(folder.path())) ++count;
    }
    return count;
  }

  TemporaryFolder folder;
  uv_loop_t loop{};
  std::vector<FileResult> results;
  std::unique_ptr<Disk> disk;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a file goes through the disk from source to target") {
  const mrt::Bytes content = pattern(3 * MiB + 5);
  const auto opened = open_source(FileToken{1}, folder.write("source", content));
  disk->request(OpenTarget{FileToken{2}, "target", opened.size, opened.hash});
  for (uint64_t i = 0; i < chunk_count(opened.size); ++i) read(FileToken{1}, i);
  REQUIRE(run_until([&] {
    return all<ChunkRead>().size() == chunk_count(opened.size) && !all<TargetOpened>().empty();
  }));
  for (const ChunkRead& chunk : all<ChunkRead>()) {
    const auto view = std::get<ChunkView>(*parse_file_message(*chunk.message));
    CHECK(verify_chunk(opened.hash, opened.size, chunk.chunk, view.bytes, view.proof));
    disk->request(
        WriteChunk{FileToken{2}, chunk.chunk, chunk.message, view.offset, view.bytes.size()});
  }
  disk->request(FinishTarget{FileToken{2}});
  REQUIRE(run_until([&] { return !all<TargetPlaced>().empty(); }));
  CHECK(all<ChunkWritten>().size() == chunk_count(opened.size));
  CHECK(folder.read("target") == content);
}

TEST_CASE_FIXTURE(Fixture, "requests of one token are done in their order") {
  open_source(FileToken{1}, folder.write("source", pattern(4 * MiB)));
  for (uint64_t i = 0; i < 64; ++i) read(FileToken{1}, (i * 13) % 64);
  REQUIRE(run_until([&] { return all<ChunkRead>().size() == 64; }));
  for (uint64_t i = 0; i < 64; ++i) CHECK(all<ChunkRead>()[i].chunk == (i * 13) % 64);
}

TEST_CASE_FIXTURE(Fixture, "chunks are served while other files are hashed") {
  open_source(FileToken{1}, folder.write("small", pattern(MiB)));
  for (uint64_t i = 2; i < 8; ++i) {
    const std::string path = folder.write("large" + std::to_string(i), pattern(1));
    REQUIRE(truncate(path.c_str(), 128 * MiB) == 0);
    disk->request(OpenSource{FileToken{i}, path});
  }
  read(FileToken{1}, 3);
  REQUIRE(run_until([&] { return !all<ChunkRead>().empty(); }));
  CHECK(all<SourceOpened>().size() < 7);
  REQUIRE(run_until([&] { return all<SourceOpened>().size() == 7; }));
}

TEST_CASE_FIXTURE(Fixture, "nothing is said of a token after it was closed") {
  const std::string path = folder.write("large", pattern(1));
  REQUIRE(truncate(path.c_str(), 512 * MiB) == 0);
  disk->request(OpenSource{FileToken{1}, path});
  uv_run(&loop, UV_RUN_NOWAIT);
  disk->request(CloseFile{FileToken{1}});
  const size_t before = results.size();
  disk->request(ReadChunk{FileToken{1}, 0, {}});
  run_until([] { return false; });
  CHECK(results.size() == before);
  CHECK(open_descriptors() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a request for a token that never was or has failed is dropped") {
  read(FileToken{9}, 0);
  disk->request(FinishTarget{FileToken{9}});
  disk->request(CloseFile{FileToken{9}});
  disk->request(OpenSource{FileToken{1}, folder / "nothing"});
  read(FileToken{1}, 0);
  read(FileToken{1}, 1);
  run_until([] { return false; });
  read(FileToken{1}, 2);
  run_until([] { return false; });
  REQUIRE(results.size() == 1);
  CHECK(all<FileFailed>()[0].fault == FileFault::not_found);
  CHECK(all<FileFailed>()[0].message ==
        "cannot open " + (folder / "nothing") + ": No such file or directory");
}

TEST_CASE_FIXTURE(Fixture, "many sources need few descriptors, and all are served") {
  constexpr uint64_t count = 1500;
  std::map<FileToken, SourceOpened> opened;
  for (uint64_t i = 1; i <= count; ++i) {
    const std::string text = "content " + std::to_string(i);
    disk->request(
        OpenSource{FileToken{i}, folder.write("file" + std::to_string(i), mrt::as_bytes(text))});
  }
  REQUIRE(run_until([&] { return all<SourceOpened>().size() == count; }));
  CHECK(open_descriptors() <= descriptors_max + 8);
  for (uint64_t i = 1; i <= count; ++i) read(FileToken{i}, 0);
  REQUIRE(run_until([&] { return all<ChunkRead>().size() == count; }));
  CHECK(open_descriptors() <= descriptors_max + 8);
  for (const ChunkRead& chunk : all<ChunkRead>()) {
    const auto view = std::get<ChunkView>(*parse_file_message(*chunk.message));
    CHECK(mrt::as_text(view.bytes) == "content " + std::to_string(chunk.file.value));
  }
}

TEST_CASE("where descriptors are few downloads are refused, and what is offered is served on") {
  rlimit usual{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &usual) == 0);
  const rlimit few{64, usual.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  {
    Fixture one;
    constexpr uint64_t count = 40;
    for (uint64_t i = 1; i <= count; ++i) {
      const std::string name = "file" + std::to_string(i);
      one.open_source(FileToken{i}, one.folder.write(name, mrt::as_bytes(name)));
    }
    for (uint64_t i = 1; i <= count; ++i) {
      one.disk->request(OpenTarget{FileToken{count + i}, "t" + std::to_string(i), 9, FileHash{}});
    }
    REQUIRE(one.run_until(
        [&] { return one.all<TargetOpened>().size() + one.all<FileFailed>().size() == count; }));
    CHECK(!one.all<TargetOpened>().empty());
    CHECK(!one.all<FileFailed>().empty());
    for (const FileFailed& failed : one.all<FileFailed>()) CHECK(failed.fault == FileFault::limit);
    for (uint64_t i = 1; i <= count; ++i) one.read(FileToken{i}, 0);
    CHECK(one.run_until([&] { return one.all<ChunkRead>().size() == count; }));
  }
  REQUIRE(setrlimit(RLIMIT_NOFILE, &usual) == 0);
}

TEST_CASE_FIXTURE(Fixture, "closing leaves parts for a later try and then says so") {
  const mrt::Bytes content = pattern(4 * MiB);
  const auto opened = open_source(FileToken{1}, folder.write("source", content));
  disk->request(OpenTarget{FileToken{2}, "target", opened.size, opened.hash});
  for (uint64_t i = 0; i < 10; ++i) {
    disk->request(
        WriteChunk{FileToken{2}, i,
                   std::make_shared<const mrt::Bytes>(
                       content.begin() + static_cast<ptrdiff_t>(i * chunk_bytes_max),
                       content.begin() + static_cast<ptrdiff_t>((i + 1) * chunk_bytes_max)),
                   0, chunk_bytes_max});
  }
  REQUIRE(run_until([&] { return all<ChunkWritten>().size() == 10; }));
  bool closed = false;
  disk->close([&] { closed = true; });
  const size_t before = results.size();
  REQUIRE(run_until([&] { return closed; }));
  CHECK(results.size() == before);
  CHECK(open_descriptors() == 0);

  disk = std::make_unique<Disk>(&loop, folder.path(),
                                [this](FileResult result) { results.push_back(result); });
  disk->request(OpenTarget{FileToken{3}, "target", opened.size, opened.hash});
  REQUIRE(run_until([&] { return all<TargetOpened>().size() == 2; }));
  CHECK(all<TargetOpened>()[1].have.size() == 10);
}

TEST_CASE_FIXTURE(Fixture, "a disk may go while its workers are busy") {
  for (uint64_t i = 1; i < 6; ++i) {
    const std::string path = folder.write("large" + std::to_string(i), pattern(1));
    REQUIRE(truncate(path.c_str(), 256 * MiB) == 0);
    disk->request(OpenSource{FileToken{i}, path});
  }
  uv_run(&loop, UV_RUN_NOWAIT);
  disk.reset();
  const size_t before = results.size();
  run_until([] { return false; });
  CHECK(results.size() == before);
}
