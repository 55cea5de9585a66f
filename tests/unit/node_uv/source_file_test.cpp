// SPDX-License-Identifier: MIT
#include "node/uv/source_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/file_message.h"
#include "unit/node/pattern.h"
#include "unit/node_uv/temporary_folder.h"

using namespace node;
using namespace node::uv;

namespace {

constexpr FileToken token{7};

/// A source, and what came of the last request.
struct Source {
  explicit Source(const std::string& path) : file(token, path) {}

  FileResult request(const FileRequest& what) {
    results.clear();
    file.carry_out(what, results);
    while (file.is_busy()) file.go_on(results);
    REQUIRE_FALSE(results.empty());
    return results.back();
  }
  FileResult open() { return request(OpenSource{token, ""}); }
  FileResult read(uint64_t chunk) {
    return request(ReadChunk{token, chunk, chunk_head(NodeId{}, FileHash{}, chunk)});
  }
  bool serves(const SourceOpened& opened, uint64_t chunk) {
    const FileResult result = read(chunk);
    const auto* got = std::get_if<ChunkRead>(&result);
    if (!got) return false;
    const auto view = std::get<ChunkView>(*parse_file_message(*got->message));
    return verify_chunk(opened.hash, opened.size, chunk, view.bytes, view.proof);
  }
  FileFault fault_of_reading(uint64_t chunk) { return std::get<FileFailed>(read(chunk)).fault; }

  SourceFile file;
  std::vector<FileResult> results;
};

}  // namespace

TEST_CASE("every chunk of a source comes with a proof that holds") {
  TemporaryFolder folder;
  for (const size_t size : {size_t{1}, block_bytes, block_bytes + 1, chunk_bytes_max,
                            chunk_bytes_max + 1, 9 * chunk_bytes_max + 77}) {
    CAPTURE(size);
    Source source(folder.write("file", pattern(size)));
    const auto opened = std::get<SourceOpened>(source.open());
    CHECK(opened.size == size);
    for (uint64_t i = chunk_count(size); i-- > 0;) CHECK(source.serves(opened, i));
  }
}

TEST_CASE("an empty source has the hash of nothing") {
  TemporaryFolder folder;
  Source source(folder.write("file", {}));
  const auto opened = std::get<SourceOpened>(source.open());
  CHECK(opened.size == 0);
  CHECK(opened.hash == sha256({}));
}

TEST_CASE("a large file is hashed in slices, and served in pieces of several chunks") {
  TemporaryFolder folder;
  // 400 MiB of holes but for a few bytes: two chunks to a piece.
  const std::string path = folder.write("file", pattern(100));
  const uint64_t size = uint64_t{400} * 1024 * 1024 + 3;
  REQUIRE(truncate(path.c_str(), static_cast<off_t>(size)) == 0);
  Source source(path);
  const auto opened = std::get<SourceOpened>(source.open());
  CHECK(source.results.size() > 20);
  CHECK(std::get<HashProgress>(source.results[0]).bytes == hash_slice_bytes);
  const uint64_t last = chunk_count(size) - 1;
  for (const uint64_t chunk :
       {uint64_t{0}, uint64_t{1}, uint64_t{2}, last / 2, last - 1, last, uint64_t{0}}) {
    CHECK(source.serves(opened, chunk));
  }
}

TEST_CASE("its descriptor may be given up between two reads") {
  TemporaryFolder folder;
  Source source(folder.write("file", pattern(3 * chunk_bytes_max)));
  const auto opened = std::get<SourceOpened>(source.open());
  CHECK(source.file.holds_idle_descriptor());
  source.file.release_descriptor();
  CHECK_FALSE(source.file.holds_idle_descriptor());
  CHECK(source.serves(opened, 1));
}

TEST_CASE("a source that is not what it was is served no more") {
  TemporaryFolder folder;
  const mrt::Bytes content = pattern(3 * chunk_bytes_max);
  const std::string path = folder.write("file", content);
  Source source(path);
  const auto opened = std::get<SourceOpened>(source.open());
  REQUIRE(source.serves(opened, 1));
  SUBCASE("written to") {
    // The next tick of the file system's clock, whatever its resolution.
    const timespec times[2] = {{0, UTIME_OMIT}, {1, 0}};
    REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
    CHECK(source.fault_of_reading(1) == FileFault::changed);
  }
  SUBCASE("shrunk") {
    REQUIRE(truncate(path.c_str(), 1000) == 0);
    CHECK(source.fault_of_reading(1) == FileFault::changed);
  }
  SUBCASE("grown") {
    REQUIRE(truncate(path.c_str(), static_cast<off_t>(content.size() + 1)) == 0);
    CHECK(source.fault_of_reading(1) == FileFault::changed);
  }
  SUBCASE("replaced, once it has to be opened again") {
    source.file.release_descriptor();
    std::filesystem::rename(folder.write("other", content), path);
    CHECK(source.fault_of_reading(1) == FileFault::changed);
  }
  SUBCASE("removed, once it has to be opened again") {
    source.file.release_descriptor();
    std::filesystem::remove(path);
    CHECK(source.fault_of_reading(1) == FileFault::not_found);
  }
}

TEST_CASE("a change that kept size and time is noticed by the hashes beside the chunk") {
  TemporaryFolder folder;
  const std::string path = folder.write("file", pattern(100));
  REQUIRE(truncate(path.c_str(), off_t{400} * 1024 * 1024) == 0);
  Source source(path);
  const auto opened = std::get<SourceOpened>(source.open());
  struct stat before {};
  REQUIRE(stat(path.c_str(), &before) == 0);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(5 * chunk_bytes_max);
    file.put('x');
  }
  const timespec times[2] = {before.st_atim, before.st_mtim};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  CHECK(source.serves(opened, 100));
  CHECK(source.fault_of_reading(4) == FileFault::changed);
}

TEST_CASE("what is no regular file cannot be offered") {
  TemporaryFolder folder;
  const auto fault_of = [](const std::string& path) {
    Source source(path);
    return std::get<FileFailed>(source.open()).fault;
  };
  CHECK(fault_of(folder / "nothing") == FileFault::not_found);
  CHECK(fault_of(folder.path()) == FileFault::not_found);
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK(fault_of(folder / "fifo") == FileFault::not_found);
  CHECK(fault_of("/dev/zero") == FileFault::not_found);
}

TEST_CASE("an unreadable file says so in a sentence") {
  TemporaryFolder folder;
  const std::string path = folder.write("secret", pattern(10));
  REQUIRE(chmod(path.c_str(), 0) == 0);
  Source source(path);
  const FileResult result = source.open();
  if (geteuid() == 0) return;  // root reads everything
  const auto failed = std::get<FileFailed>(result);
  CHECK(failed.fault == FileFault::disk);
  CHECK(failed.message == "cannot open " + path + ": Permission denied");
}
