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
  mrt::Random::Seed id;
  {
    const StateDir state(folder / "a/b/thuban", warning);
    CHECK(state.keeps());
    id = state.identity();
    CHECK(mode_of(folder / "a/b/thuban") == 0700);
    CHECK(mode_of(folder / "a/b/thuban/identity") == 0600);
  }
  const StateDir again(folder / "a/b/thuban", warning);
  CHECK(again.identity() == id);
  CHECK(warning.empty());
}

TEST_CASE("a second process on the host is another node, and the first folder is taken again") {
  const Folder folder;
  std::string warning;
  auto first = std::make_unique<StateDir>(folder / "s", warning);
  const StateDir second(folder / "s", warning);
  const StateDir third(folder / "s", warning);
  CHECK(first->identity() != second.identity());
  CHECK(second.identity() != third.identity());
  CHECK(fs::exists(folder / "s/2/identity"));
  CHECK(fs::exists(folder / "s/3/identity"));
  const mrt::Random::Seed id = first->identity();
  first.reset();
  CHECK(StateDir(folder / "s", warning).identity() == id);
  CHECK(warning.empty());
}

TEST_CASE("what is no identity is told, left alone and done without") {
  const Folder folder;
  folder.write("identity", "too short");
  std::string warning;
  const StateDir state(folder.path, warning);
  CHECK_FALSE(warning.empty());
  CHECK_FALSE(state.keeps());
  CHECK(state.identity() != mrt::Random::Seed{});
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
    CHECK(state.identity() != mrt::Random::Seed{});
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
    for (int i = 1; i <= 20; ++i) state.remember("stars", {address(i)}, {});
    state.remember("moons", {address(99)}, {});
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

TEST_CASE("the random secret of a star is remembered with its peers, a password never") {
  const Folder folder;
  std::string warning;
  const auto here = mrt::Address::v4(10, 0, 0, 1, 1);
  const auto there = mrt::Address::v4(10, 0, 0, 2, 2);
  const auto key = [](uint8_t byte) {
    return mrt::NetworkKey{mrt::Access::secret, mrt::Bytes(16, byte)};
  };
  {
    StateDir state(folder.path, warning);
    state.remember("stars", {here}, key(1));
    state.remember("moons", {here}, {mrt::Access::password, {'s', 'e', 's', 'a', 'm', 'e'}});
    state.remember("suns", {here}, {});
  }
  CHECK(mode_of(folder / "secrets") == 0600);
  CHECK(read_small_file(folder / "secrets", 1000)->find("sesame") == std::string::npos);
  StateDir again(folder.path, warning);
  CHECK(again.known_key("stars") == key(1));
  CHECK_FALSE(again.known_key("moons"));
  CHECK_FALSE(again.known_key("suns"));
  // Another secret is another star: the old one's peers do not know it.
  again.remember("stars", {there}, key(2));
  CHECK(again.known_key("stars") == key(2));
  CHECK(again.known("stars") == std::vector{there});
  again.remember("stars", {here}, {mrt::Access::password, {'x'}});
  CHECK_FALSE(again.known_key("stars"));
  CHECK(again.known("stars") == std::vector{here});
}

TEST_CASE("what a password was stretched to is kept by network, private, within limits") {
  const Folder folder;
  std::string warning;
  const auto seed = [](size_t i) {
    stun::RendezvousSeed out;
    out.data()[0] = static_cast<uint8_t>(i);
    return out;
  };
  {
    StateDir state(folder / "thuban", warning);
    CHECK_FALSE(state.stretched("lab"));
    state.remember_stretched("lab", seed(1));
    state.remember_stretched("lab", seed(2));
    state.remember_stretched("other", seed(3));
  }
  CHECK(mode_of(folder / "thuban/stretched") == 0600);
  {
    StateDir again(folder / "thuban", warning);
    REQUIRE(again.stretched("lab"));
    CHECK(again.stretched("lab")->data()[0] == 2);
    CHECK(again.stretched("other")->data()[0] == 3);
    for (size_t i = 0; i < 2 * known_networks_max; ++i) {
      again.remember_stretched("net" + std::to_string(i), seed(i));
    }
  }
  const auto text = read_small_file(folder / "thuban/stretched", 64 * 1024);
  REQUIRE(text);
  CHECK(parse_known_secrets(*text).size() == known_networks_max);
  // What is no seed is as if it were not there.
  folder.write("thuban/stretched", "thuban secrets 1\nlab 0102\nother xyz\n");
  const StateDir damaged(folder / "thuban", warning);
  CHECK_FALSE(damaged.stretched("lab"));
  CHECK_FALSE(damaged.stretched("other"));
  StateDir nowhere;
  nowhere.remember_stretched("lab", seed(1));
  CHECK_FALSE(nowhere.stretched("lab"));
}

TEST_CASE("lines of the secrets file that mean nothing are skipped") {
  const std::string good = "stars " + std::string(32, 'a');
  const auto read = [](const std::string& text) { return parse_known_secrets(text); };
  const KnownSecrets known =
      read("thuban secrets 1\nnonsense\n" + good + "\nmoons \nmoons " + std::string(130, 'a') +
           "\nmoons " + std::string(32, 'g') + "\n\x1b " + std::string(32, 'a') +
           "\nmoons\n\nsuns " + std::string(33, 'a'));
  CHECK(known == KnownSecrets{{"stars", mrt::Bytes(16, 0xaa)}});
  CHECK(read(write_known_secrets(known)) == known);
  CHECK(read("thuban secrets 2\n" + good).empty());
  CHECK(read(good).empty());
  CHECK(read("").empty());
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
