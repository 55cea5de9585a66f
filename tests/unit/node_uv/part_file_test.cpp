// SPDX-License-Identifier: MIT
#include "node/uv/part_file.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mrt/base/random.h"
#include "node/file_name.h"
#include "node/uv/part_footer.h"
#include "unit/node/pattern.h"
#include "unit/node_uv/temporary_folder.h"

using namespace node;
using namespace node::uv;

namespace {

constexpr FileToken token{7};
using Names = std::vector<std::string>;

FileHash hash_of(const mrt::Bytes& bytes) {
  HashTreeBuilder builder(bytes.size());
  for (uint64_t i = 0; i < chunk_count(bytes.size()); ++i) {
    builder.add(hash_of_chunk(bytes.size(), mrt::ByteView(bytes).subspan(
                                                i * chunk_bytes_max, chunk_size(bytes.size(), i))));
  }
  return builder.finish().root();
}

/// A download of `content` into a folder, step by step.
struct Target {
  Target(const std::string& folder, mrt::Bytes wanted, std::string file_name = "file.bin")
      : content(std::make_shared<const mrt::Bytes>(std::move(wanted))),
        name(std::move(file_name)),
        hash(hash_of(*content)),
        file(std::make_unique<PartFile>(folder)) {}

  FileResult request(const FileRequest& what) {
    results.clear();
    file->carry_out(what, results);
    while (file->is_busy()) file->go_on(results);
    return results.empty() ? FileResult(ChunkWritten{}) : results.back();
  }
  FileResult open() { return request(OpenTarget{token, name, content->size(), hash}); }
  FileResult write(uint64_t chunk) {
    return request(WriteChunk{token, chunk, content, chunk * chunk_bytes_max,
                              chunk_size(content->size(), chunk)});
  }
  void write_all() {
    for (uint64_t i = 0; i < chunk_count(content->size()); ++i) {
      REQUIRE(std::holds_alternative<ChunkWritten>(write(i)));
    }
  }
  FileResult finish() { return request(FinishTarget{token}); }
  void close(bool discard = false) { request(CloseFile{token, discard}); }
  std::string part() const { return part_name(name, hash); }

  mrt::SharedBytes content;
  std::string name;
  FileHash hash;
  std::unique_ptr<PartFile> file;
  std::vector<FileResult> results;
};

std::string placed_path(const FileResult& result) {
  REQUIRE(std::holds_alternative<TargetPlaced>(result));
  return std::get<TargetPlaced>(result).path;
}

FileFailed failure(const FileResult& result) {
  REQUIRE(std::holds_alternative<FileFailed>(result));
  return std::get<FileFailed>(result);
}

}  // namespace

TEST_CASE("a file appears under its name when it is complete, and not before") {
  TemporaryFolder folder;
  for (const size_t size :
       {size_t{1}, block_bytes, chunk_bytes_max, chunk_bytes_max + 1, 5 * chunk_bytes_max + 9}) {
    CAPTURE(size);
    Target target(folder.path(), pattern(size), "file-" + std::to_string(size));
    CHECK(std::get<TargetOpened>(target.open()).have.empty());
    target.write_all();
    CHECK(std::filesystem::exists(folder / target.part()));
    CHECK_FALSE(std::filesystem::exists(folder / target.name));
    const std::string path = placed_path(target.finish());
    CHECK(path == std::filesystem::canonical(folder / target.name));
    CHECK(folder.read(target.name) == *target.content);
    CHECK_FALSE(std::filesystem::exists(folder / target.part()));
  }
}

TEST_CASE("chunks may be written in any order") {
  TemporaryFolder folder;
  Target target(folder.path(), pattern(5 * chunk_bytes_max + 9));
  target.open();
  for (const uint64_t chunk : {5, 2, 4, 0, 1, 3}) target.write(chunk);
  target.finish();
  CHECK(folder.read("file.bin") == *target.content);
}

TEST_CASE("an empty file is placed without a chunk") {
  TemporaryFolder folder;
  Target target(folder.path(), {});
  target.open();
  CHECK(placed_path(target.finish()).ends_with("/file.bin"));
  CHECK(folder.read("file.bin").empty());
  CHECK(folder.names() == Names{"file.bin"});
}

TEST_CASE("a name that is taken is left alone, and the next free one is found") {
  TemporaryFolder folder;
  const mrt::Bytes mine = pattern(5, 77);
  folder.write("file.bin", mine);
  folder.write("file (1).bin", mine);
  Target target(folder.path(), pattern(chunk_bytes_max));
  target.open();
  target.write_all();
  CHECK(placed_path(target.finish()).ends_with("/file (2).bin"));
  CHECK(folder.read("file.bin") == mine);
  CHECK(folder.read("file (1).bin") == mine);
  CHECK(folder.read("file (2).bin") == *target.content);
}

TEST_CASE("a name that is taken while the download runs is left alone too") {
  TemporaryFolder folder;
  Target target(folder.path(), pattern(chunk_bytes_max));
  target.open();
  target.write_all();
  const mrt::Bytes mine = pattern(5, 77);
  folder.write("file.bin", mine);
  CHECK(placed_path(target.finish()).ends_with("/file (1).bin"));
  CHECK(folder.read("file.bin") == mine);
}

TEST_CASE("the very content under the name or a number of it is found, not written again") {
  TemporaryFolder folder;
  const mrt::Bytes content = pattern(3 * chunk_bytes_max);
  std::string where = "file.bin";
  SUBCASE("under the name") {}
  SUBCASE("under a number") {
    folder.write("file.bin", pattern(3 * chunk_bytes_max, 77));
    where = "file (1).bin";
  }
  folder.write(where, content);
  const Names before = folder.names();
  Target target(folder.path(), content);
  const FileResult result = target.open();
  CHECK(placed_path(result).ends_with("/" + where));
  CHECK(std::get<TargetPlaced>(result).was_there);
  CHECK(folder.names() == before);
}

TEST_CASE("a link in the folder is neither followed nor replaced") {
  TemporaryFolder folder;
  TemporaryFolder elsewhere;
  const mrt::Bytes victim = pattern(2 * chunk_bytes_max, 5);
  const std::string victim_path = elsewhere.write("victim", victim);
  Target target(folder.path(), pattern(2 * chunk_bytes_max));
  SUBCASE("under the name") {
    std::filesystem::create_symlink(victim_path, folder / "file.bin");
    target.open();
    target.write_all();
    CHECK(placed_path(target.finish()).ends_with("/file (1).bin"));
    CHECK(std::filesystem::is_symlink(folder / "file.bin"));
  }
  SUBCASE("under the name, leading to the very content") {
    elsewhere.write("victim", *target.content);
    std::filesystem::create_symlink(victim_path, folder / "file.bin");
    CHECK(std::holds_alternative<TargetOpened>(target.open()));
    elsewhere.write("victim", victim);
  }
  SUBCASE("under the name, leading nowhere") {
    std::filesystem::create_symlink(elsewhere / "new", folder / "file.bin");
    target.open();
    target.write_all();
    CHECK(placed_path(target.finish()).ends_with("/file (1).bin"));
    CHECK_FALSE(std::filesystem::exists(elsewhere / "new"));
  }
  SUBCASE("in the place of the .part") {
    std::filesystem::create_symlink(victim_path, folder / target.part());
    CHECK(failure(target.open()).fault == FileFault::disk);
  }
  SUBCASE("a hard link in the place of the .part") {
    std::error_code error;
    std::filesystem::create_hard_link(victim_path, folder / target.part(), error);
    REQUIRE_FALSE(error);
    CHECK(failure(target.open()).fault == FileFault::disk);
  }
  CHECK(elsewhere.read("victim") == victim);
}

TEST_CASE("a FIFO or a folder in the way does not hang or hurt") {
  TemporaryFolder folder;
  Target target(folder.path(), pattern(chunk_bytes_max));
  SUBCASE("under the name") {
    REQUIRE(mkfifo((folder / "file.bin").c_str(), 0600) == 0);
    std::filesystem::create_directory(folder / "file (1).bin");
    target.open();
    target.write_all();
    CHECK(placed_path(target.finish()).ends_with("/file (2).bin"));
  }
  SUBCASE("in the place of the .part") {
    REQUIRE(mkfifo((folder / target.part()).c_str(), 0600) == 0);
    CHECK(failure(target.open()).fault == FileFault::disk);
  }
}

TEST_CASE("a download goes on from what a closed or killed one left") {
  TemporaryFolder folder;
  const mrt::Bytes content = pattern(600 * chunk_bytes_max + 5);
  uint64_t expected = 0;
  {
    Target target(folder.path(), content);
    target.open();
    for (uint64_t i = 0; i < 300; ++i) target.write(i);
    SUBCASE("closed") {
      target.close();
      expected = 300;
    }
    SUBCASE("killed") {
      // What a SIGKILL leaves: a copy of the .part as it lies there now.
      std::filesystem::copy(folder / target.part(), folder / "copy");
      target.close(true);
      std::filesystem::rename(folder / "copy", folder / target.part());
      expected = 288;  // the footer is renewed each MiB
    }
  }
  Target again(folder.path(), content);
  const auto opened = std::get<TargetOpened>(again.open());
  CHECK(opened.have.size() == expected);
  for (uint64_t i = 0; i < chunk_count(content.size()); ++i) {
    if (!opened.have.contains(i)) again.write(i);
  }
  placed_path(again.finish());
  CHECK(folder.read("file.bin") == content);
}

TEST_CASE("a .part with wrong bytes is found out at the end and fetched anew") {
  TemporaryFolder folder;
  const mrt::Bytes content = pattern(8 * chunk_bytes_max);
  {
    Target target(folder.path(), content);
    target.open();
    for (uint64_t i = 0; i < 4; ++i) target.write(i);
    target.close();
    std::fstream part(folder / target.part(), std::ios::in | std::ios::out | std::ios::binary);
    part.seekp(1000);
    part.put('x');
  }
  Target again(folder.path(), content);
  REQUIRE(std::get<TargetOpened>(again.open()).have.size() == 4);
  for (uint64_t i = 4; i < 8; ++i) again.write(i);
  const FileResult result = again.finish();
  REQUIRE(std::holds_alternative<TargetOpened>(result));
  CHECK(std::get<TargetOpened>(result).have.empty());
  CHECK_FALSE(std::filesystem::exists(folder / "file.bin"));
  again.write_all();
  placed_path(again.finish());
  CHECK(folder.read("file.bin") == content);
}

TEST_CASE("a .part whose footer was changed begins anew") {
  TemporaryFolder folder;
  const mrt::Bytes content = pattern(8 * chunk_bytes_max);
  mrt::Random random(mrt::seed_from(3));
  for (int i = 0; i < 30; ++i) {
    Target target(folder.path(), content);
    target.open();
    for (uint64_t chunk = 0; chunk < 4; ++chunk) target.write(chunk);
    target.close();
    mrt::Bytes bytes = folder.read(target.part());
    REQUIRE(bytes.size() > content.size());
    bytes[content.size() + random.below(bytes.size() - content.size())] ^=
        static_cast<uint8_t>(1 + random.below(255));
    if (i == 0) bytes.resize(content.size() / 2);
    folder.write(target.part(), bytes);
    Target again(folder.path(), content);
    CHECK(std::get<TargetOpened>(again.open()).have.empty());
    again.write_all();
    placed_path(again.finish());
    CHECK(folder.read("file.bin") == content);
    std::filesystem::remove(folder / "file.bin");
  }
}

TEST_CASE("a discarded download and one without a chunk leave nothing") {
  TemporaryFolder folder;
  Target target(folder.path(), pattern(8 * chunk_bytes_max));
  target.open();
  CHECK(folder.names().size() == 1);
  SUBCASE("discarded") {
    target.write(0);
    target.close(true);
  }
  SUBCASE("without a chunk") { target.close(); }
  CHECK(folder.names().empty());
}

TEST_CASE("two that write one file into one folder do not meet") {
  TemporaryFolder folder;
  const mrt::Bytes content = pattern(3 * chunk_bytes_max);
  Target one(folder.path(), content);
  Target two(folder.path(), content);
  one.open();
  two.open();
  CHECK(folder.names().size() == 2);
  one.write_all();
  two.write_all();
  CHECK(placed_path(one.finish()).ends_with("/file.bin"));
  CHECK(placed_path(two.finish()).ends_with("/file (1).bin"));
  CHECK(folder.read("file.bin") == content);
  CHECK(folder.read("file (1).bin") == content);
  CHECK(folder.names().size() == 2);
}

TEST_CASE("a folder that is not there or vanishes fails the download") {
  TemporaryFolder folder;
  const std::string path = folder / "downloads";
  Target target(path, pattern(3 * chunk_bytes_max));
  SUBCASE("not there") {
    const FileFailed failed = failure(target.open());
    CHECK(failed.fault == FileFault::disk);
    CHECK(failed.message ==
          "cannot open the downloads folder " + path + ": No such file or directory");
  }
  SUBCASE("vanishes") {
    std::filesystem::create_directory(path);
    target.open();
    target.write(0);
    std::filesystem::remove_all(path);
    target.write(1);
    target.write(2);
    CHECK(failure(target.finish()).fault == FileFault::disk);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a .part that somebody took away or changed for another file is not placed") {
  TemporaryFolder folder;
  Target target(folder.path(), pattern(chunk_bytes_max));
  target.open();
  target.write_all();
  SUBCASE("taken away") { std::filesystem::remove(folder / target.part()); }
  SUBCASE("another file") {
    folder.write("other", pattern(5));
    std::filesystem::rename(folder / "other", folder / target.part());
  }
  CHECK(failure(target.finish()).fault == FileFault::disk);
  CHECK_FALSE(std::filesystem::exists(folder / "file.bin"));
}

TEST_CASE("a full disk is known before anything is fetched") {
  TemporaryFolder folder;
  if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
    MESSAGE("skipped: mounting a small file system needs root");
    return;
  }
  Target target(folder.path(), pattern(2 * 1024 * 1024));
  const FileFailed failed = failure(target.open());
  CHECK(failed.fault == FileFault::disk);
  CHECK(failed.message == "cannot write file.bin: No space left on device");
  CHECK(folder.names().empty());
  target.file.reset();
  CHECK(umount2(folder.path().c_str(), MNT_DETACH) == 0);
}

TEST_CASE("a size that no file system holds is refused at once") {
  TemporaryFolder folder;
  Target target(folder.path(), pattern(10));
  const FileFailed failed =
      failure(target.request(OpenTarget{token, "file.bin", file_bytes_max, target.hash}));
  CHECK((failed.fault == FileFault::disk || failed.fault == FileFault::limit));
  CHECK(folder.names().empty());
}

TEST_CASE("a read-only folder says so") {
  if (geteuid() == 0) return;  // root writes everywhere
  TemporaryFolder folder;
  REQUIRE(chmod(folder.path().c_str(), 0500) == 0);
  Target target(folder.path(), pattern(10));
  CHECK(failure(target.open()).message == "cannot write " + target.part() + ": Permission denied");
}

TEST_CASE("the longest name there is can be downloaded") {
  TemporaryFolder folder;
  const std::string name = std::string(251, 'n') + ".bin";
  for (int i = 0; i < 3; ++i) {
    Target target(folder.path(), pattern(chunk_bytes_max, static_cast<uint32_t>(i + 1)), name);
    target.open();
    target.write_all();
    CHECK(folder.read(std::filesystem::path(placed_path(target.finish())).filename()) ==
          *target.content);
  }
  CHECK(folder.names().size() == 3);
}
