// SPDX-License-Identifier: MIT
//
// The command line: what each command prints and which code it exits with.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "script/star.h"

using namespace script;

namespace {

constexpr const char* empty_hash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

size_t lines_of(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// An address of this host where nobody listens: bound, so that nobody else gets it meanwhile.
class DeadAddress {
 public:
  explicit DeadAddress(Star& star) : node_(star.host("frozen")) { node_.signal(SIGSTOP); }
  std::string text() const { return node_.addr(); }

 private:
  Node& node_;
};

}  // namespace

TEST_SUITE_BEGIN("command");

TEST_CASE("a mistake on the command line gets one clear line and exit code 2") {
  Star star;
  const std::vector<std::vector<std::string>> mistakes = {
      {"frobnicate"},
      {"--wrong"},
      {"host", "--wrong"},
      {"join"},
      {"join", "127.0.0.1:99999"},
      {"join", "127.0.0.1:0"},
      {"get", "x"},
      {"get", "--from", "127.0.0.1:7777"},
      {"chat", "--to", "127.0.0.1:7777"},
      {"chat", "hello"},
      {"peers"},
      {"files"},
      {"hash"},
      {"share"},
      {"host", "--nick", "a b"},
      {"host", "--nick", ""},
      {"host", "--nick", "a\x1b[31m"},
      {"host", "--nick", std::string(33, 'a')},
      {"host", "--bind", "nonsense"},
      {"host", "--bind", "127.0.0.1:99999"},
      {"host", "--history", "-1"},
      {"host", "--impair", "loss=200%"},
      {"host", "--impair", "frobnicate=1"},
      {"host", "--color", "sometimes"},
      {"host", "--log", "loudly"},
      {"host", "extra"},
      {"sim", "--nodes", "many"},
      {"bench", "dance"},
      {"bench", "serve", "extra"},
      {"bench", "send", "127.0.0.1:7702"},
      {"bench", "ping", "127.0.0.1"},
  };
  for (const auto& mistake : mistakes) {
    std::string typed;
    for (const auto& word : mistake) typed += " " + word;
    CAPTURE(typed);
    const Outcome outcome = star.run(mistake);
    CHECK(outcome.code == 2);
    CHECK(outcome.output.empty());
    CHECK_MESSAGE(lines_of(outcome.complaints) == 1, outcome.complaints);
    CHECK_MESSAGE(outcome.complaints.find('\x1b') == std::string::npos, outcome.complaints);
  }
}

TEST_CASE("--help and --version work on every command") {
  Star star;
  for (const char* command :
       {"host", "join", "share", "get", "chat", "peers", "files", "hash", "demo", "sim", "bench"}) {
    CAPTURE(command);
    const Outcome help = star.run({command, "--help"});
    CHECK(help.code == 0);
    CHECK(help.output.find(command) != std::string::npos);
    CHECK(help.complaints.empty());
    const Outcome version = star.run({command, "--version"});
    CHECK(version.code == 0);
    CHECK(lines_of(version.output) == 1);
  }
  CHECK(star.run({"--help"}).code == 0);
}

TEST_CASE("with too few descriptors each command says so, at any limit, and ends with 1") {
  Star star;
  for (const rlim_t limit : {8, 12, 16, 24, 40, 48}) {
    for (const char* verb : {"host", "rendezvous", "doctor", "demo"}) {
      Launch launch = star.launch({verb});
      launch.prepare = [limit] {
        const rlimit few{limit, limit};
        if (setrlimit(RLIMIT_NOFILE, &few) != 0) _exit(126);
      };
      const Outcome outcome = run(launch);
      CAPTURE(limit);
      CAPTURE(verb);
      CHECK_MESSAGE(outcome.code == 1, outcome.complaints);
      CHECK(lines_of(outcome.complaints) == 1);
      CHECK(outcome.complaints.find("too few file descriptors") != std::string::npos);
    }
  }
}

TEST_CASE("hash prints the BitTorrent v2 root of each file") {
  Star star;
  const auto folder = star.folder("files");
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return (folder / name).string();
  };
  const std::vector<std::pair<std::string, std::string>> expected = {
      {write("empty", ""), empty_hash},
      {write("abc", "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {write("block", std::string(16384, '\0')),
       "4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe"},
      {write("block and a byte", std::string(16385, '\0')),
       "477e14ff3453ec4ec3855f8753cb07288aade5618a473ccc2ab1208886e460ec"},
      {write("four and a byte", std::string(4 * 16384 + 1, '\0')),
       "5237ab44f83ac2e214b8c1e1627f18e5d50caed1c8ead9b66770c15b7ee609c7"},
  };
  std::vector<std::string> all = {"hash"};
  for (const auto& [path, hash] : expected) {
    const Outcome outcome = star.run({"hash", path});
    CHECK(outcome.code == 0);
    CHECK_MESSAGE(outcome.output.find(hash) != std::string::npos, outcome.output);
    all.push_back(path);
  }
  const Outcome outcome = star.run(all);
  CHECK(outcome.code == 0);
  CHECK(lines_of(outcome.output) == expected.size());
}

TEST_CASE("hash of what cannot be read fails in one line") {
  Star star;
  const Outcome missing = star.run({"hash", "no-such-file"});
  CHECK(missing.code == 6);
  CHECK(missing.output.empty());
  CHECK(lines_of(missing.complaints) == 1);
  const Outcome folder = star.run({"hash", "/"});
  CHECK(folder.code == 1);
  CHECK(lines_of(folder.complaints) == 1);
}

TEST_CASE("chat says one message to all and ends") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  const Outcome outcome = star.run({"chat", "good evening", "--to", ben.addr(), "--nick", "carla"});
  CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
  for (Node* node : {&anna, &ben}) {
    const Json& chat = node->await_event("chat");
    CHECK(chat.value("text", "") == "good evening");
    CHECK(chat.value("nick", "") == "carla");
  }
}

TEST_CASE("peers and files print what is there") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  ben.say("B " + make_file(ben.folder() / "photo.jpg", 12'345).string());
  anna.await_event("offered");
  const Outcome peers = star.run({"peers", anna.addr()});
  CHECK_MESSAGE(peers.code == 0, peers.complaints);
  for (const char* word : {"anna", "ben", "supernode", "member"}) {
    CHECK_MESSAGE(peers.output.find(word) != std::string::npos, peers.output);
  }
  const Outcome files = star.run({"files", ben.addr()});
  CHECK_MESSAGE(files.code == 0, files.complaints);
  CHECK_MESSAGE(files.output.find("photo.jpg") != std::string::npos, files.output);
  const Outcome json = star.run({"files", anna.addr(), "--json"});
  CHECK(json.code == 0);
  CHECK_MESSAGE(json.output.find("\"event\":\"files\"") != std::string::npos, json.output);
}

TEST_CASE("a long result is all there for a reader that comes late") {
  Star star;
  const auto folder = star.folder("shared");
  constexpr size_t count = 600;
  for (size_t i = 0; i < count; ++i)
    make_file(folder / (std::string(100, 'f') + std::to_string(i)), 1, i);
  Node& anna = star.host("anna", {"--share", folder});
  Program::await("all offers", [&] { return anna.count("offered") == count; });
  Program files(star.launch({"files", anna.addr(), "--json"}));
  // More than a pipe holds, and nobody reads it here.
  pollfd end{static_cast<int>(syscall(SYS_pidfd_open, files.pid(), 0)), POLLIN, 0};
  CHECK(poll(&end, 1, 1'700) == 0);
  close(end.fd);
  CHECK(files.await_end() == 0);
  REQUIRE(files.events().size() >= 2);
  CHECK(files.events().back().body["event"] == "closed");
  const auto list = std::ranges::find_if(
      files.events(), [](const Event& event) { return event.body["event"] == "files"; });
  REQUIRE(list != files.events().end());
  CHECK(list->body["files"].size() == count);
}

TEST_CASE("an invite that is typed without its command is not told on") {
  Star star;
  Node& anna = star.host("anna");
  const std::string secret = "AgUDbGFiECJGaVv7KHDJPAC1ccybDTwEfwAAARQe40-5dg";
  for (const char* before : {"", "G ", "A ", "R "}) {
    const size_t mark = anna.mark();
    anna.say(before + std::string("thuban:") + secret);
    const Json& error = anna.await_event("error", any, mark);
    CHECK(error.dump().find(secret.substr(0, 12)) == std::string::npos);
  }
}

TEST_CASE("share offers until it is interrupted, get fetches by name and by hash") {
  Star star;
  Node& anna = star.host("anna");
  const auto original = make_file(star.folder("shared") / "song.ogg", 300'000);
  Program share(star.launch({"share", original, "--to", anna.addr(), "--nick", "ben"}));
  const std::string hash = anna.await_event("offered").value("hash", "");

  const Launch by_name = star.launch({"get", "song.ogg", "--from", anna.addr()});
  const Outcome named = run(by_name);
  CHECK_MESSAGE(named.code == 0, named.complaints);
  CHECK(same_files(by_name.folder / "song.ogg", original));

  const Launch by_hash = star.launch({"get", hash.substr(0, 8), "--from", anna.addr()});
  CHECK(run(by_hash).code == 0);
  CHECK(same_files(by_hash.folder / "song.ogg", original));

  const Launch elsewhere = star.launch({"get", hash, "--from", anna.addr(), "--out", "other.ogg"});
  CHECK(run(elsewhere).code == 0);
  CHECK(same_files(elsewhere.folder / "other.ogg", original));

  // Under the name that it was offered with, too, and in a folder with two names.
  const auto real = star.folder("real");
  std::filesystem::create_directory_symlink(real, real.parent_path() / "linked");
  for (const std::string path : {"song.ogg", "../linked/song.ogg"}) {
    const Launch same = star.launch({"get", hash, "--from", anna.addr(), "--out", path});
    const Outcome outcome = run(same);
    CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
    CHECK(same_files(same.folder / path, original));
  }
  CHECK(listing(real).size() == 1);

  const Launch nowhere = star.launch(
      {"get", hash, "--from", anna.addr(), "--out", std::string(300, 'x') + "/song.ogg"});
  CHECK(run(nowhere).code == 1);

  share.signal(SIGINT);
  const int code = share.await_end(Seconds(2));
  CHECK_MESSAGE((code == 0 || code == 130), share.account());
}

TEST_CASE("share without a target hosts") {
  Star star;
  const auto original = make_file(star.folder("shared") / "song.ogg", 30'000);
  Program share(star.launch({"share", original, "--json", "--bind", "127.0.0.1:0"}));
  Program::await("share listens", [&] { return share.events().size() >= 1; });
  const std::string addr = share.events().front().body.value("addr", "");
  const Launch get = star.launch({"get", "song.ogg", "--from", addr});
  const Outcome outcome = run(get);
  CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
  CHECK(same_files(get.folder / "song.ogg", original));
  share.signal(SIGTERM);
  share.await_end(Seconds(2));
}

TEST_CASE("two that get one file into one folder at once both succeed") {
  Star star;
  Node& anna = star.host("anna");
  const auto original = make_file(anna.folder() / "song.ogg", 5'000'000);
  anna.say("B " + original.string());
  anna.await_event("offered");
  const Launch launch = star.launch({"get", "song.ogg", "--from", anna.addr(), "--ephemeral"});
  Program first(launch), second(launch);
  CHECK_MESSAGE(first.await_end() == 0, first.account());
  CHECK_MESSAGE(second.await_end() == 0, second.account());
  CHECK(same_files(launch.folder / "song.ogg", original));
  for (const auto& name : listing(launch.folder)) {
    CHECK_MESSAGE(name.find(".part") == std::string::npos, name);
  }
}

TEST_CASE("a target and --network that contradict each other give 2, a stranger's network 7") {
  Star star;
  Node& anna = star.host("anna", {"--network", "red"});
  const std::string invite = anna.await_event("invite").value("invite", "");
  CHECK(star.run({"peers", invite}).code == 0);
  CHECK(star.run({"peers", invite, "--network", "red"}).code == 0);
  CHECK(star.run({"peers", invite, "--network", "blue"}).code == 2);
  CHECK(star.run({"peers", "thuban:damaged"}).code == 2);
  CHECK(star.run({"peers", anna.addr(), "--network", "blue"}).code == 7);
}

TEST_CASE("get of what nobody offers ends with 6 at once") {
  Star star;
  Node& anna = star.host("anna");
  const Outcome outcome = star.run({"get", "nothing", "--from", anna.addr()});
  CHECK(outcome.code == 6);
  CHECK(outcome.seconds < 5);
  CHECK(lines_of(outcome.complaints) >= 1);
}

TEST_CASE("sharing a file that is not there is said and does not stay") {
  Star star;
  Node& anna = star.host("anna");
  const Outcome outcome = star.run({"share", "no-such-file", "--to", anna.addr()});
  CHECK(outcome.code != 0);
  CHECK(outcome.code != 3);
}

TEST_CASE("whoever is not reached gives 3 in bounded time, from each command") {
  Star star;
  const DeadAddress dead(star);
  std::vector<std::unique_ptr<Program>> programs;
  const auto begin = Clock::now();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"join", dead.text()},
           {"chat", "x", "--to", dead.text()},
           {"get", "x", "--from", dead.text()},
           {"peers", dead.text()},
           {"files", dead.text()},
           {"share", make_file(star.folder("x") / "x", 1), "--to", dead.text()},
       }) {
    programs.push_back(std::make_unique<Program>(star.launch(command)));
  }
  for (const auto& program : programs) {
    CHECK_MESSAGE(program->await_end(Seconds(14)) == 3, program->account());
  }
  CHECK(since(begin) < 12);
}

TEST_CASE("sim says the same for the same seed") {
  Star star;
  const Outcome first = star.run({"sim", "--nodes", "20", "--seed", "7"}, Seconds(60));
  const Outcome again = star.run({"sim", "--nodes", "20", "--seed", "7"}, Seconds(60));
  const Outcome other = star.run({"sim", "--nodes", "20", "--seed", "8"}, Seconds(60));
  CHECK(first.code == 0);
  CHECK(first.output == again.output);
  CHECK(first.output != other.output);
}

TEST_CASE("sim draws a run where it is told to, and says at once where it cannot") {
  Star star;
  const std::filesystem::path file = star.folder("pictures") / "run.svg";
  CHECK(star.run({"sim", "--seed", "7", "--svg", file}, Seconds(60)).code == 0);
  CHECK(std::filesystem::file_size(file) > 5'000);
  const Outcome nowhere = star.run({"sim", "--svg", file / "x"}, Seconds(60));
  CHECK(nowhere.code == 1);
  CHECK(nowhere.output.empty());
  CHECK(nowhere.complaints.find("cannot be written: Not a directory") != std::string::npos);
  CHECK(star.run({"peers", "127.0.0.1:9", "--svg", file}).code == 2);
}

TEST_CASE("five hosts at once on one state folder are five nodes") {
  Star star;
  const auto state = star.folder("state") / "thuban";
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    star.start("anna", {"host", "--state", state, "--network", "n" + std::to_string(i)});
  }
  for (Node* node : star.running()) {
    node->await_event("listening");
    ids.push_back(node->id());
  }
  CHECK(ids.size() == 5);
  std::sort(ids.begin(), ids.end());
  CHECK(std::unique(ids.begin(), ids.end()) == ids.end());
}

TEST_CASE("a node keeps its identity between runs, --ephemeral does not") {
  Star star;
  const auto state = (star.folder("state") / "thuban").string();
  const auto id_of = [&](const std::vector<std::string>& options) {
    Node& node = star.host("anna", options);
    const std::string id = node.id();
    node.quit();
    return id;
  };
  const std::string first = id_of({"--state", state});
  CHECK(id_of({"--state", state}) == first);
  CHECK(id_of({"--ephemeral"}) != first);
}

TEST_CASE("without --json data goes to standard output and the rest to standard error") {
  Star star;
  Node& anna = star.host("anna");
  Program ben(star.launch({"join", anna.addr(), "--nick", "ben", "--bind", "127.0.0.1:0"}));
  anna.await_event("joined");
  anna.say("T hello \x1b[31mred\x1b[0m and \u202egnp.exe");
  Program::await("the chat is shown",
                 [&] { return ben.output().find("hello") != std::string::npos; });
  CHECK(ben.output().find("anna") != std::string::npos);
  CHECK_MESSAGE(ben.output().find('\x1b') == std::string::npos, ben.output());
  CHECK_MESSAGE(ben.output().find("\u202e") == std::string::npos, ben.output());
  ben.say("frobnicate");
  Program::await("the mistake is told",
                 [&] { return ben.complaints().find("frobnicate") != std::string::npos; });
  CHECK(ben.output().find("frobnicate") == std::string::npos);
  ben.end_input();
  CHECK(ben.await_end(Seconds(2)) == 0);
}

TEST_SUITE_END();
