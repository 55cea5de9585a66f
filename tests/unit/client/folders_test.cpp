// SPDX-License-Identifier: MIT
//
// The state folder (state_dir.h), the shared folder (share_folder.h), `hash` lines.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "client/hash_command.h"
#include "client/share_folder.h"
#include "client/state_dir.h"

namespace client {

namespace fs = std::filesystem;

/// A folder that is gone with its owner.
struct Folder {
  Folder() {
    char name[] = "/tmp/thuban-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + '/' + name; }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(*this / name) << content;
  }
  std::string path;
};

static unsigned mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

TEST_CASE("an identity is made once, private, and found again") {
  const Folder folder;
  std::string warning;
  node::NodeId id;
  {
    const StateDir state(folder / "a/b/thuban", warning);
    CHECK(state.keeps());
    id = state.node_id();
    CHECK(mode_of(folder / "a/b/thuban") == 0700);
    CHECK(mode_of(folder / "a/b/thuban/identity") == 0600);
  }
  const StateDir again(folder / "a/b/thuban", warning);
  CHECK(again.node_id() == id);
  CHECK(warning.empty());
}

TEST_CASE("a second process on the host is another node, and the first folder is taken again") {
  const Folder folder;
  std::string warning;
  auto first = std::make_unique<StateDir>(folder / "s", warning);
  const StateDir second(folder / "s", warning);
  const StateDir third(folder / "s", warning);
  CHECK(first->node_id() != second.node_id());
  CHECK(second.node_id() != third.node_id());
  CHECK(fs::exists(folder / "s/2/identity"));
  CHECK(fs::exists(folder / "s/3/identity"));
  const node::NodeId id = first->node_id();
  first.reset();
  CHECK(StateDir(folder / "s", warning).node_id() == id);
  CHECK(warning.empty());
}

TEST_CASE("what is no identity is told, left alone and done without") {
  const Folder folder;
  folder.write("identity", "too short");
  std::string warning;
  const StateDir state(folder.path, warning);
  CHECK_FALSE(warning.empty());
  CHECK_FALSE(state.keeps());
  CHECK_FALSE(state.node_id().is_null());
  CHECK(*read_small_file(folder / "identity", 100) == "too short");
}

TEST_CASE("a place that cannot be a folder is told and done without") {
  const Folder folder;
  folder.write("file", "");
  for (const std::string& path : {folder / "file", folder / "file/below", std::string()}) {
    std::string warning;
    const StateDir state(path, warning);
    CHECK_FALSE(warning.empty());
    CHECK_FALSE(state.keeps());
    CHECK_FALSE(state.node_id().is_null());
  }
}

TEST_CASE("known peers are remembered by network, the latest first, within limits") {
  const Folder folder;
  std::string warning;
  const auto address = [](int i) {
    return mrt::Address::v4(10, 0, 0, 1, static_cast<uint16_t>(i));
  };
  {
    StateDir state(folder.path, warning);
    for (int i = 1; i <= 20; ++i) state.remember("stars", {address(i)});
    state.remember("moons", {address(99)});
  }
  const StateDir again(folder.path, warning);
  REQUIRE(again.known("stars").size() == known_addresses_max);
  CHECK(again.known("stars").front() == address(20));
  CHECK(again.known("moons") == std::vector{address(99)});
  CHECK(again.known("suns").empty());
  CHECK(mode_of(folder / "peers") == 0600);
}

TEST_CASE("lines of the peers file that mean nothing are skipped") {
  const KnownPeers known = parse_known_peers(
      "stars 10.0.0.1:7700\nnonsense\nstars\n stars x\nstars 0.0.0.0:1\n\x1b 10.0.0.1:1\n"
      "stars [2001:db8::1]:1");
  REQUIRE(known.size() == 1);
  CHECK(known.at("stars").size() == 2);
  CHECK(parse_known_peers(write_known_peers(known)) == known);
}

TEST_CASE("a shared folder offers its plain files and nothing else") {
  const Folder folder;
  folder.write("a.txt", "a");
  folder.write(".hidden", "h");
  folder.write("film.12345678.part", "p");
  fs::create_directory(folder / "sub");
  fs::create_symlink("/etc/passwd", folder / "link");
  CHECK(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  const FolderContent content = read_folder(folder.path);
  REQUIRE(content.size() == 1);
  CHECK(content.begin()->first == "a.txt");
  CHECK(content.begin()->second.size == 1);
  CHECK(read_folder(folder / "nowhere").empty());
}

TEST_CASE("new files are offered, gone ones withdrawn, changed ones both") {
  const FolderContent before = {{"kept", {1, 1, 1}}, {"gone", {2, 1, 1}}, {"changed", {3, 1, 1}}};
  const FolderContent after = {{"kept", {1, 1, 1}}, {"new", {4, 1, 1}}, {"changed", {3, 1, 2}}};
  const FolderChange change = changes_between(before, after);
  CHECK(change.withdraw == std::vector<std::string>{"changed", "gone"});
  CHECK(change.offer == std::vector<std::string>{"changed", "new"});
  CHECK(changes_between(after, after).offer.empty());
}

TEST_CASE("a file is left alone while it is being written") {
  FolderContent content = {
      {"old", {1, 1, 1'000}}, {"fresh", {2, 1, 1'900}}, {"future", {3, 1, 5'000}}};
  CHECK(take_out_unsettled(content, 2'000, 300));
  CHECK(content.size() == 2);
  CHECK_FALSE(content.contains("fresh"));
  CHECK_FALSE(take_out_unsettled(content, 2'200, 300));
}

TEST_CASE("hash lines are those of sha256sum") {
  CHECK(hash_line("ab", "a file") == "ab  a file\n");
  CHECK(hash_line("ab", "a\nb\\") == "\\ab  a\\nb\\\\\n");
}

}  // namespace client
