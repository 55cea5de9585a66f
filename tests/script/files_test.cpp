// SPDX-License-Identifier: MIT
//
// Files: any size, several at once, told apart by content, and never where they should not be.
#include <doctest/doctest.h>

#include <fstream>

#include "script/star.h"

using namespace script;

namespace {

Match named(const std::string& name) {
  return [=](const Json& body) { return body.value("name", "") == name; };
}

// Offers a file at `holder` and waits until `others` know of it; the offer.
const Json& offer(Node& holder, const std::filesystem::path& file,
                  const std::vector<Node*>& others) {
  const std::string name = file.filename();
  const size_t mark = holder.mark();
  holder.say("B " + file.string());
  // Of another's file by that name it may hear only now.
  const auto own = [&](const Json& body) {
    return body.value("name", "") == name && body.value("holder", "") == holder.id();
  };
  const Json& offered = holder.await_event("offered", own, mark);
  const std::string hash = offered.value("hash", "");
  for (Node* node : others) {
    node->await_event("offered", [&](const Json& body) { return body.value("hash", "") == hash; });
  }
  return offered;
}

}  // namespace

TEST_SUITE_BEGIN("files");

TEST_CASE("files of every awkward size arrive as they were") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{16384}, size_t{16385}, size_t{5'000'000}}) {
    CAPTURE(size);
    const std::string name = "file " + std::to_string(size) + ".bin";
    const auto file = make_file(ben.folder() / name, size, size);
    const Json& offered = offer(ben, file, {&carla});
    CHECK(offered.value("size", size_t{1} << 60) == size);
    CHECK(offered.value("holder", "") == ben.id());
    carla.say("R " + name);
    const Json& received = carla.await_event("received", named(name));
    CHECK(received.value("hash", "") == offered.value("hash", "x"));
    CHECK(received.value("size", size_t{1} << 60) == size);
    const std::filesystem::path path = received.value("path", "");
    CHECK(path.is_absolute());
    CHECK(same_files(path, file));
    CHECK(path == std::filesystem::canonical(carla.downloads()) / name);
  }
  CHECK(listing(carla.downloads()).size() == 5);
}

TEST_CASE("the hash of an offer is what `hash` prints") {
  Star star;
  Node& anna = star.host("anna");
  const auto file = make_file(anna.folder() / "file", 1'234'567);
  const std::string hash = offer(anna, file, {}).value("hash", "");
  CHECK(star.run({"hash", file}).output.find(hash) != std::string::npos);
}

TEST_CASE("the supernode's own file is fetched by a member, and a member's by the supernode") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  const auto annas = make_file(anna.folder() / "annas", 700'000, 1);
  const auto bens = make_file(ben.folder() / "bens", 700'000, 2);
  offer(anna, annas, {&ben});
  offer(ben, bens, {&anna});
  anna.say("R bens");
  ben.say("R annas");
  anna.await_event("received");
  ben.await_event("received");
  CHECK(same_files(anna.downloads() / "bens", bens));
  CHECK(same_files(ben.downloads() / "annas", annas));
}

TEST_CASE("three ask for one file at once and all get it") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  std::vector<Node*> askers;
  for (const char* nick : {"carla", "dan", "eva"}) askers.push_back(&star.join(nick, anna));
  star.settle();
  const auto file = make_file(ben.folder() / "film", 5'000'000);
  offer(ben, file, askers);
  for (Node* node : askers) node->say("r film");
  for (Node* node : askers) node->await_event("received");
  for (Node* node : askers) CHECK(same_files(node->downloads() / "film", file));
}

TEST_CASE("two files at once each way") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  std::vector<std::filesystem::path> files;
  for (Node* node : {&ben, &carla}) {
    for (const char* number : {"1", "2"}) {
      files.push_back(make_file(node->folder() / (node->nick() + number), 2'000'000, files.size()));
      offer(*node, files.back(), {&ben, &carla});
    }
  }
  ben.say("R carla1");
  ben.say("R carla2");
  carla.say("R ben1");
  carla.say("R ben2");
  for (Node* node : {&ben, &carla}) {
    Program::await("two files", [&] { return node->count("received") == 2; });
  }
  CHECK(same_files(carla.downloads() / "ben1", files[0]));
  CHECK(same_files(carla.downloads() / "ben2", files[1]));
  CHECK(same_files(ben.downloads() / "carla1", files[2]));
  CHECK(same_files(ben.downloads() / "carla2", files[3]));
}

TEST_CASE("progress tells how far a download is") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--impair", "rate=20mbit"});
  Node& carla = star.join("carla", anna);
  star.settle();
  offer(ben, make_file(ben.folder() / "file", 2'500'000), {&carla});
  const auto begin = Clock::now();
  carla.say("R file");
  carla.await_event("received");
  const double took = since(begin);
  CHECK(took > 0.9);  // the impaired line is a real one
  int64_t before = 0;
  for (const auto& event : carla.events()) {
    if (event.body.value("event", "") != "progress") continue;
    for (const char* field : {"name", "hash", "bytes", "size", "rate", "path"}) {
      CHECK(event.body.contains(field));
    }
    CHECK(event.body.value("bytes", int64_t{0}) >= before);
    before = event.body.value("bytes", int64_t{0});
  }
  const size_t count = carla.count("progress");
  CHECK(count >= 3);
  CHECK(static_cast<double>(count) <= 10 * took + 2);
}

TEST_CASE("one name for two contents is ambiguous, and the hash tells them apart") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  const auto first = make_file(anna.folder() / "notes.txt", 50'000, 1);
  const auto second = make_file(ben.folder() / "notes.txt", 60'000, 2);
  const std::string hash1 = offer(anna, first, {&carla}).value("hash", "");
  const std::string hash2 = offer(ben, second, {&carla}).value("hash", "");
  carla.say("R notes.txt");
  const std::string message = carla.await_error("ambiguous").value("message", "");
  CHECK_MESSAGE(message.find(hash1.substr(0, 8)) != std::string::npos, message);
  CHECK_MESSAGE(message.find(hash2.substr(0, 8)) != std::string::npos, message);
  CHECK(listing(carla.downloads()).empty());
  carla.say("R " + hash2);
  carla.await_event("received");
  CHECK(same_files(carla.downloads() / "notes.txt", second));
  // The other one must not take its place.
  const size_t mark = carla.mark();
  carla.say("R " + hash1.substr(0, 8));
  const Json& received = carla.await_event("received", any, mark);
  CHECK(std::filesystem::path(received.value("path", "")).filename() == "notes (1).txt");
  CHECK(same_files(carla.downloads() / "notes (1).txt", first));
  CHECK(same_files(carla.downloads() / "notes.txt", second));
}

TEST_CASE("what is already there is received at once, another file of the name stays") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  const auto file = make_file(anna.folder() / "a.tar.gz", 900'000, 1);
  make_file(ben.downloads() / "a.tar.gz", 900'000, 1);
  offer(anna, file, {&ben});
  ben.say("R a.tar.gz");
  ben.await_event("received");
  CHECK(listing(ben.downloads()) == std::vector<std::string>{"a.tar.gz"});

  const auto other = make_file(anna.folder() / "README", 1'000, 2);
  std::ofstream(ben.downloads() / "README") << "mine";
  offer(anna, other, {&ben});
  ben.say("R README");
  const Json& received = ben.await_event("received", named("README"));
  CHECK(std::filesystem::path(received.value("path", "")).filename() == "README (1)");
  CHECK(same_files(ben.downloads() / "README (1)", other));
  CHECK(contents(ben.downloads() / "README") == "mine");
}

TEST_CASE("asking twice for one file fetches it once") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  offer(anna, make_file(anna.folder() / "file", 1'000'000), {&ben});
  ben.say("R file");
  ben.say("R file");
  ben.await_event("received");
  ben.say("T done");
  ben.await_event("chat");
  CHECK(listing(ben.downloads()) == std::vector<std::string>{"file"});
}

TEST_CASE("no name leads out of the downloads folder") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  offer(anna, make_file(anna.folder() / "file", 1'000), {&ben});
  for (const char* name : {"../file", "/etc/passwd", "..", "downloads/../file"}) {
    const size_t mark = ben.mark();
    ben.say(std::string("R ") + name);
    ben.await_error("not-found", mark);
  }
  // A link in the folder that leads out of it is not followed to write there.
  const auto outside = star.folder("outside");
  std::filesystem::create_symlink(outside / "victim", ben.downloads() / "file");
  ben.say("R file");
  const Json& received = ben.await_event("received");
  CHECK(listing(outside).empty());
  CHECK(std::filesystem::path(received.value("path", "")).filename() == "file (1)");
}

TEST_CASE("names with spaces, quotes and other scripts are kept") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  star.settle();
  uint64_t seed = 0;
  for (const char* name : {"two  spaces.txt", "grüße 北京.txt", "it's \"quoted\".txt", ".hidden",
                           "no extension", "-dash"}) {
    CAPTURE(name);
    const auto file = make_file(anna.folder() / name, 2'000, ++seed);
    offer(anna, file, {&ben});
    ben.say(std::string("R ") + name);
    ben.await_event("received", named(name));
    CHECK(same_files(ben.downloads() / name, file));
  }
}

TEST_CASE("a file that was downloaded is offered on, unless --no-reshare") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna, {"--no-reshare"});
  Node& dan = star.join("dan", anna);
  star.settle();
  const auto file = make_file(ben.folder() / "file", 100'000);
  offer(ben, file, {&anna, &carla, &dan});
  carla.say("R file");
  carla.await_event("received");
  anna.say("R file");
  anna.await_event("received");
  const auto by_anna = [&](const Json& body) { return body.value("holder", "") == anna.id(); };
  dan.await_event("offered", by_anna);
  CHECK(dan.count("offered",
                  [&](const Json& body) { return body.value("holder", "") == carla.id(); }) == 0);
  ben.quit();
  star.settle();
  dan.say("R file");
  dan.await_event("received");
  CHECK(same_files(dan.downloads() / "file", file));
}

TEST_CASE("a leaving holder's files are withdrawn, a newcomer hears of those that stand") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  star.settle();
  offer(ben, make_file(ben.folder() / "bens", 1'000), {&anna, &carla});
  offer(carla, make_file(carla.folder() / "carlas", 1'000, 2), {&anna, &ben});
  ben.quit();
  for (Node* node : {&anna, &carla}) {
    CHECK(node->await_event("withdrawn").value("holder", "") == ben.id());
  }
  carla.signal(SIGKILL);
  carla.await_end();
  anna.await_event("withdrawn", named("carlas"));
  offer(anna, make_file(anna.folder() / "annas", 1'000, 3), {});
  Node& dan = star.join("dan", anna);
  dan.await_event("offered", named("annas"));
  dan.say("G");
  const Json& files = dan.await_event("files");
  REQUIRE(files.at("files").size() == 1);
  CHECK(files.at("files")[0].at("name") == "annas");
  CHECK(files.at("files")[0].at("holders") == Json::array({anna.id()}));
}

TEST_CASE("a download is resumed after its asker was killed") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--impair", "rate=40mbit"});
  Node& carla = star.join("carla", anna);
  star.settle();
  const auto file = make_file(ben.folder() / "film", 15'000'000);
  offer(ben, file, {&carla});
  carla.say("R film");
  carla.await_event("progress",
                    [](const Json& body) { return body.value("bytes", 0) > 5'000'000; });
  carla.signal(SIGKILL);
  carla.await_end();
  CHECK(!std::filesystem::exists(carla.downloads() / "film"));

  Node& again = star.join("carla", anna, {"--downloads", carla.downloads()});
  again.await_event("offered");
  again.say("R film");
  const Json& first = again.await_event("progress");
  CHECK_MESSAGE(first.value("bytes", 0) > 3'500'000, first);  // a footer for each 1 MiB
  again.await_event("received");
  CHECK(same_files(carla.downloads() / "film", file));
  CHECK(listing(carla.downloads()) == std::vector<std::string>{"film"});
}

TEST_CASE("a download can be cancelled") {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna, {"--impair", "rate=20mbit"});
  Node& carla = star.join("carla", anna);
  star.settle();
  offer(ben, make_file(ben.folder() / "film", 20'000'000), {&carla});
  carla.say("R film");
  carla.await_event("progress");
  carla.say("cancel film");
  carla.say("T cancelled");
  carla.await_event("chat");
  const size_t mark = carla.mark();
  carla.say("cancel film");
  carla.await_error("not-found", mark);
  CHECK(carla.count("progress", any, mark) == 0);
  CHECK(!std::filesystem::exists(carla.downloads() / "film"));
}

TEST_CASE("--share offers what is in a folder and follows its changes") {
  Star star;
  const auto folder = star.folder("shared");
  make_file(folder / "one", 1'000, 1);
  Node& anna = star.host("anna", {"--share", folder});
  Node& ben = star.join("ben", anna);
  ben.await_event("offered", named("one"));
  make_file(folder / "two", 2'000, 2);
  ben.await_event("offered", named("two"));
  std::filesystem::remove(folder / "one");
  ben.await_event("withdrawn", named("one"));
  ben.say("R two");
  ben.await_event("received");
  CHECK(same_files(ben.downloads() / "two", folder / "two"));
}

TEST_SUITE_END();
