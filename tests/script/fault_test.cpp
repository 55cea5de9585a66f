// SPDX-License-Identifier: MIT
//
// Disks and files that fail, and bytes from strangers: the transfer ends with its reason, all
// else goes on, and nothing half-written appears under a file's name.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include <fstream>
#include <random>

#include "script/star.h"

using namespace script;

namespace {

constexpr size_t megabyte = 1'000'000;

// A star in which ben's slow line makes a download from him take seconds.
struct SlowDownload {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--impair", "rate=20mbit"});
  std::filesystem::path file;

  Node& start(const std::vector<std::string>& options = {}) {
    Node& carla = star.join("carla", anna, options);
    star.settle();
    file = make_file(ben.folder() / "film", 8 * megabyte);
    ben.say("B " + file.string());
    carla.await_event("offered");
    carla.say("R film");
    carla.await_event("progress",
                      [](const Json& body) { return body.value("bytes", size_t{0}) > megabyte; });
    return carla;
  }

  // Chat from each still reaches all.
  void check_alive() {
    const size_t count = anna.count("chat");
    for (Node* node : star.running()) node->say("T " + node->nick() + " is alive");
    star.await_same_chat(count + star.running().size());
  }
};

// A disk of one megabyte; unmounted with its object.
class SmallDisk {
 public:
  explicit SmallDisk(const std::filesystem::path& path) : path_(path) {
    mounted_ = mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

 private:
  std::filesystem::path path_;
  bool mounted_;
};

class Stranger {
 public:
  explicit Stranger(const std::string& address) : socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
    const size_t colon = address.rfind(':');
    to_.sin_family = AF_INET;
    to_.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to_.sin_addr);
  }
  ~Stranger() { close(socket_); }
  void send(const std::string& bytes) const {
    sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to_),
           sizeof to_);
  }

 private:
  int socket_;
  sockaddr_in to_{};
};

}  // namespace

TEST_SUITE_BEGIN("fault");

TEST_CASE("what is not a readable file is not offered") {
  Star star;
  Node& anna = star.host("anna");
  const auto fifo = anna.folder() / "fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  for (const std::string& path :
       {std::string("/"), std::string("/no/such/file"), fifo.string(), std::string("/dev/zero")}) {
    CAPTURE(path);
    const size_t mark = anna.mark();
    anna.say("B " + path);
    anna.await_event("error", any, mark);
  }
  CHECK(anna.count("offered") == 0);
  anna.say("T alive");
  anna.await_event("chat");
}

TEST_CASE("a file that shrinks while it is sent ends the download with its reason") {
  SlowDownload slow;
  Node& carla = slow.start();
  std::filesystem::resize_file(slow.file, megabyte / 2);
  const Json& error = carla.await_event("error");
  CHECK(error.value("command", "") == "R film");
  CHECK(!error.value("message", "").empty());
  slow.ben.await_event("error");
  CHECK(!std::filesystem::exists(carla.downloads() / "film"));
  slow.check_alive();
}

TEST_CASE("a file that changes while it is sent is never received as another one") {
  SlowDownload slow;
  Node& carla = slow.start();
  {
    std::fstream file(slow.file, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(5 * megabyte);
    file << std::string(3 * megabyte, 'x');
  }
  carla.await_error("integrity");
  CHECK(carla.count("received") == 0);
  CHECK(!std::filesystem::exists(carla.downloads() / "film"));
  slow.check_alive();
}

TEST_CASE("a file that is removed while it is sent: the download goes on or says why not") {
  SlowDownload slow;
  Node& carla = slow.start();
  std::filesystem::remove(slow.file);
  Program::await("an end", [&] {
    return carla.find("received") != nullptr || carla.find("error") != nullptr;
  });
  slow.check_alive();
}

TEST_CASE("a downloads folder that vanishes ends the download with its reason") {
  SlowDownload slow;
  Node& carla = slow.start();
  std::filesystem::remove_all(carla.downloads());
  carla.await_error("disk");
  CHECK(!std::filesystem::exists(carla.downloads() / "film"));
  slow.check_alive();
}

TEST_CASE("a downloads folder that never was is made or told, and the prompt lives") {
  Star star;
  Node& anna = star.host("anna");
  const auto missing = star.root() / "missing" / "folder";
  Node& ben = star.join("ben", anna, {"--downloads", missing});
  anna.say("B " + make_file(anna.folder() / "file", 1'000).string());
  ben.await_event("offered");
  ben.say("R file");
  Program::await("an end",
                 [&] { return ben.find("received") != nullptr || ben.find("error") != nullptr; });
  ben.say("T alive");
  anna.await_event("chat");
}

TEST_CASE("a full disk ends the download with its reason and leaves room for the next") {
  if (geteuid() != 0) {
    MESSAGE("SKIPPED: a small disk needs root to mount it");
    return;
  }
  Star star;
  const auto folder = star.folder("disk");
  const SmallDisk disk(folder);
  if (!disk.mounted()) {
    MESSAGE("SKIPPED: a small disk cannot be mounted here");
    return;
  }
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--downloads", folder});
  star.settle();
  const auto large = make_file(anna.folder() / "large", 3 * megabyte);
  const auto small = make_file(anna.folder() / "small", 100'000, 2);
  anna.say("B " + large.string());
  anna.say("B " + small.string());
  Program::await("two offers", [&] { return ben.count("offered") == 2; });
  ben.say("R large");
  ben.await_error("disk");
  CHECK(!std::filesystem::exists(folder / "large"));
  for (const auto& name : listing(folder)) std::filesystem::remove(folder / name);
  ben.say("R small");
  ben.await_event("received");
  CHECK(same_files(folder / "small", small));
  ben.say("T alive");
  anna.await_event("chat");
}

// From here on this process is told that a system call fails.
void forbid(int call, int error) {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(call), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<__u32>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(rules), rules};
  const bool done = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  if (!done) _exit(126);
}

TEST_CASE("where no rename spares what is there --out is named by a link, or it is said why not") {
  Star star;
  Node& anna = star.host("anna");
  const auto original = make_file(anna.folder() / "song.ogg", 30'000);
  anna.say("B " + original.string());
  anna.await_event("offered");
  Launch get = star.launch({"get", "song.ogg", "--from", anna.addr(), "--out", "other.ogg"});
  get.prepare = [] { forbid(SYS_renameat2, EINVAL); };
  const Outcome linked = run(get);
  CHECK_MESSAGE(linked.code == 0, linked.complaints);
  CHECK(listing(get.folder) == std::vector<std::string>{"other.ogg", "state"});
  CHECK(same_files(get.folder / "other.ogg", original));

  get = star.launch({"get", "song.ogg", "--from", anna.addr(), "--out", "other.ogg"});
  get.prepare = [] {
    forbid(SYS_renameat2, EINVAL);
    forbid(SYS_linkat, EPERM);
  };
  const Outcome neither = run(get);
  CHECK(neither.code == 1);
  CHECK_MESSAGE(neither.complaints.find("no hard links") != std::string::npos, neither.complaints);
  CHECK(!std::filesystem::exists(get.folder / "other.ogg"));
}

TEST_CASE("garbage from strangers changes nothing") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  const size_t mark = anna.mark();
  const Stranger stranger(anna.addr());
  std::mt19937 random(11);
  for (int i = 0; i < 2'000; ++i) {
    std::string bytes(random() % 1'500, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    stranger.send(bytes);
  }
  for (int first = 0; first < 256; ++first) {
    for (const size_t size : {1, 2, 20, 1'200}) {
      stranger.send(std::string(size, static_cast<char>(first)));
    }
  }
  stranger.send("");
  ben.say("T still fine");
  anna.await_event("chat");
  CHECK(anna.count("error", any, mark) == 0);
  CHECK(anna.count("joined", any, mark) == 0);
  CHECK(anna.count("left", any, mark) == 0);
}

TEST_CASE("output that nobody reads any more ends a node quietly") {
  Star star;
  Node& anna = star.host("anna");
  Launch launch = star.launch({"peers", anna.addr()});
  const Outcome outcome = run(launch);
  CHECK(outcome.code == 0);
}

TEST_SUITE_END();
