// SPDX-License-Identifier: MIT
#include "node/transfer.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"
#include "unit/node/pattern.h"
#include "unit/sim/transfer_star.h"

using namespace node;
using namespace std::chrono_literals;
using star::Star;

namespace {

constexpr size_t MiB = 1024 * 1024;

bool failed(Star& star, size_t i) { return !star[i].all<DownloadFailed>().empty(); }

}  // namespace

TEST_CASE("a file of any size arrives as it was") {
  for (const size_t size : {size_t{0}, size_t{1}, block_bytes - 1, block_bytes, block_bytes + 1,
                            chunk_bytes_max, chunk_bytes_max + 1, 2 * chunk_bytes_max,
                            7 * chunk_bytes_max + 3 * block_bytes, 3 * MiB + 1}) {
    CAPTURE(size);
    Star star(3);
    const mrt::Bytes content = pattern(size);
    const Offer offer = star.share(1, "file.bin", content);
    star.download(2, offer);
    REQUIRE(star.run_until_received(2));
    CHECK(star.received(2, "file.bin") == content);
    CHECK(star[2].disk.received() == std::vector<std::string>{"file.bin"});
  }
}

TEST_CASE("the supernode may be the holder, the asker, or neither") {
  const mrt::Bytes content = pattern(MiB);
  for (const auto& [holder, asker] : {std::pair<size_t, size_t>{0, 1}, {1, 0}, {1, 2}}) {
    CAPTURE(holder);
    Star star(3);
    star.download(asker, star.share(holder, "file.bin", content));
    REQUIRE(star.run_until_received(asker));
    CHECK(star.received(asker, "file.bin") == content);
  }
}

TEST_CASE("three askers at once cost the holder one reading") {
  Star star(5);
  const mrt::Bytes content = pattern(8 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  for (size_t asker = 2; asker < 5; ++asker) star.download(asker, offer);
  for (size_t asker = 2; asker < 5; ++asker) {
    REQUIRE(star.run_until_received(asker));
    CHECK(star.received(asker, "file.bin") == content);
  }
  CHECK(star.chunks_sent[{1, 0}] == chunk_count(8 * MiB));
}

TEST_CASE("several files at once, each way, share the line") {
  Star star(3);
  std::vector<Offer> offers;
  for (int i = 0; i < 4; ++i) {
    offers.push_back(star.share(1, "a" + std::to_string(i), pattern(2 * MiB, 10u + i)));
    offers.push_back(star.share(2, "b" + std::to_string(i), pattern(2 * MiB, 20u + i)));
  }
  for (const Offer& offer : offers) star.download(offer.name[0] == 'a' ? 2 : 1, offer);
  REQUIRE(star.run_until_received(1, 4));
  REQUIRE(star.run_until_received(2, 4));
  for (unsigned i = 0; i < 4; ++i) {
    CHECK(star.received(2, "a" + std::to_string(i)) == pattern(2 * MiB, 10u + i));
    CHECK(star.received(1, "b" + std::to_string(i)) == pattern(2 * MiB, 20u + i));
  }
}

TEST_CASE("downloads that run side by side end side by side") {
  Star star(3);
  star.link(0, 2).bytes_per_second = 10e6;
  const Offer one = star.share(1, "one", pattern(16 * MiB, 1));
  const Offer two = star.share(1, "two", pattern(16 * MiB, 2));
  star.download(2, one);
  star.run_for(50ms);
  star.download(2, two);
  REQUIRE(star.run_until_received(2, 2));
  const auto done = star[2].all<Downloaded>();
  // Alone each takes 1.7 s: one after the other would be 1.7 s apart.
  CHECK(done[0].took > 2500ms);
  CHECK(done[1].took - done[0].took < 600ms);
}

TEST_CASE("a slow asker does not hold up a fast one, and holds little at the supernode") {
  Star star(4);
  star.link(0, 2).bytes_per_second = 100e3;
  star.link(0, 2).room_bytes = 256 * 1024;
  const mrt::Bytes content = pattern(16 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.download(2, offer);
  star.run_for(2s);
  const mrt::Instant began = star.now;
  star.download(3, offer);
  REQUIRE(star.run_until_received(3));
  CHECK(star.now - began < 1s);  // 16 MiB at 100 MB/s take 0.17 s
  CHECK(star[2].all<Downloaded>().empty());
  CHECK(star.chunks_sent[{0, 2}] < 16);
}

TEST_CASE("members that ask for what never comes do not keep the others waiting") {
  Star star(8);
  const Offer large = star.share(1, "large.bin", pattern(4 * MiB));
  const auto ask = [&](size_t asker, const NodeId& holder) {
    for (uint64_t chunk = 0; chunk < chunks_in_hand_per_asker_max; ++chunk) {
      const Fetch fetch{holder, large.hash, chunk, true};
      star[0].transfer->on_message(star.now, star[asker].id, encode(fetch));
    }
  };
  for (size_t asker = 3; asker < 7; ++asker) ask(asker, star[1].id);
  star.run_for(2s);  // so that each may have much under way
  star.tamper = [](size_t, size_t to, mrt::Bytes&) { return to != 2; };
  for (size_t asker = 3; asker < 7; ++asker) ask(asker, star[2].id);
  const mrt::Bytes content = pattern(MiB);
  star.download(7, star.share(1, "file.bin", content));
  CHECK_FALSE(star.run_until([&] { return !star[7].all<Downloaded>().empty(); }, 9s));
  REQUIRE(star.run_until([&] { return !star[7].all<Downloaded>().empty(); }, 2s));
  CHECK(star.received(7, "file.bin") == content);
}

TEST_CASE("all holders are asked, each as fast as it is") {
  Star star(4);
  star.link(1, 0).bytes_per_second = 30e6;
  star.link(2, 0).bytes_per_second = 10e6;
  const mrt::Bytes content = pattern(16 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.share(2, "copy.bin", content);
  star.download(3, offer);
  REQUIRE(star.run_until_received(3));
  CHECK(star.received(3, "file.bin") == content);
  CHECK(star.chunks_sent[{1, 0}] > 128);
  CHECK(star.chunks_sent[{2, 0}] > 32);
}

TEST_CASE("a download goes on with another holder when one dies") {
  Star star(4);
  star.link(0, 3).bytes_per_second = 10e6;
  const mrt::Bytes content = pattern(4 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.share(2, "file.bin", content);
  star.download(3, offer);
  star.run_for(100ms);
  REQUIRE(star[3].all<Downloaded>().empty());
  star.kill(1);
  REQUIRE(star.run_until_received(3));
  CHECK(star.received(3, "file.bin") == content);
}

TEST_CASE("without a holder a download waits, and goes on when one comes") {
  Star star(4);
  star.link(0, 3).bytes_per_second = 10e6;
  const mrt::Bytes content = pattern(4 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.download(3, offer);
  star.run_for(100ms);
  star.kill(1);
  star.run_for(30s);
  CHECK(star[3].all<Downloaded>().empty());
  CHECK_FALSE(failed(star, 3));
  star.share(2, "file.bin", content);
  REQUIRE(star.run_until_received(3));
  CHECK(star.received(3, "file.bin") == content);
}

TEST_CASE("a download survives a new supernode, and asks only for what it has not") {
  Star star(4);
  star.link(0, 3).bytes_per_second = 10e6;
  const mrt::Bytes content = pattern(4 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.download(3, offer);
  star.run_for(200ms);
  const uint64_t before = star.chunks_sent[{0, 3}];
  REQUIRE(before > 16);
  REQUIRE(star[3].all<Downloaded>().empty());
  star.kill(0);
  star.set_supernode(std::nullopt);
  star.run_for(300ms);
  star.set_supernode(2);
  REQUIRE(star.run_until_received(3));
  CHECK(star.received(3, "file.bin") == content);
  CHECK(star.chunks_sent[{2, 3}] <= 64 - before + window_chunks_max);
}

TEST_CASE("the holder or the asker may become the supernode while a download runs") {
  for (const size_t next : {size_t{1}, size_t{2}}) {
    CAPTURE(next);
    Star star(4);
    star.link(0, 2).bytes_per_second = 10e6;
    const mrt::Bytes content = pattern(4 * MiB);
    const Offer offer = star.share(1, "file.bin", content);
    star.download(2, offer);
    star.run_for(200ms);
    star.kill(0);
    star.set_supernode(next);
    REQUIRE(star.run_until_received(2));
    CHECK(star.received(2, "file.bin") == content);
  }
}

TEST_CASE("a download that was killed goes on from what it had") {
  Star star(3);
  star.link(0, 2).bytes_per_second = 10e6;
  const mrt::Bytes content = pattern(4 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.download(2, offer);
  star.run_for(300ms);
  const uint64_t before = star.chunks_sent[{0, 2}];
  REQUIRE(before > 32);
  star.kill(2);
  CHECK(star[2].disk.received().empty());
  star.restart(2);
  star.chunks_sent.clear();
  star.download(2, offer);
  REQUIRE(star.run_until_received(2));
  CHECK(star.received(2, "file.bin") == content);
  CHECK(star.chunks_sent[{0, 2}] < 64 - before + window_chunks_max);
}

TEST_CASE("the very content under that name is received at once and nothing is fetched") {
  Star star(3);
  const mrt::Bytes content = pattern(MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star[2].disk.put("/downloads/file.bin", content);
  const uint64_t before = star.bytes_sent;
  star.download(2, offer);
  REQUIRE(star.run_until_received(2));
  CHECK(star[2].all<Downloaded>()[0].was_there);
  CHECK(star.bytes_sent == before);
}

TEST_CASE("another file of that name stays as it is") {
  Star star(3);
  const mrt::Bytes content = pattern(MiB);
  const mrt::Bytes mine = pattern(MiB, 99);
  const Offer offer = star.share(1, "file.bin", content);
  star[2].disk.put("/downloads/file.bin", mine);
  star.download(2, offer);
  REQUIRE(star.run_until_received(2));
  CHECK(star[2].all<Downloaded>()[0].path == "/downloads/file (1).bin");
  CHECK(star.received(2, "file.bin") == mine);
  CHECK(star.received(2, "file (1).bin") == content);
}

TEST_CASE("a holder that sends wrong chunks is not asked again, and another one is") {
  Star star(4);
  const mrt::Bytes content = pattern(4 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.share(2, "file.bin", content);
  star.tamper = [](size_t from, size_t, mrt::Bytes& bytes) {
    if (from == 1 && bytes.size() > 1000) bytes.back() ^= 1;
    return true;
  };
  star.download(3, offer);
  REQUIRE(star.run_until_received(3));
  CHECK(star.received(3, "file.bin") == content);
  CHECK(star.chunks_sent[{1, 0}] < 32);
}

TEST_CASE("wrong chunks from the only holder end the download as an integrity fault") {
  Star star(3);
  const Offer offer = star.share(1, "file.bin", pattern(4 * MiB));
  star.tamper = [](size_t from, size_t, mrt::Bytes& bytes) {
    if (from == 1 && bytes.size() > 1000) bytes.back() ^= 1;
    return true;
  };
  star.download(2, offer);
  REQUIRE(star.run_until([&] { return failed(star, 2); }));
  CHECK(star[2].all<DownloadFailed>()[0].fault == FileFault::integrity);
  CHECK(star[2].disk.received().empty());
}

TEST_CASE("one chunk spoiled on its way is fetched again past the cache") {
  Star star(4);
  const mrt::Bytes content = pattern(MiB);
  const Offer offer = star.share(1, "file.bin", content);
  int spoiled = 0;
  star.tamper = [&](size_t from, size_t, mrt::Bytes& bytes) {
    if (from == 1 && bytes.size() > 1000 && spoiled++ == 0) bytes.back() ^= 1;
    return true;
  };
  star.download(2, offer);
  star.download(3, offer);
  REQUIRE(star.run_until_received(2));
  REQUIRE(star.run_until_received(3));
  CHECK(star.received(2, "file.bin") == content);
  CHECK(star.received(3, "file.bin") == content);
}

TEST_CASE("an empty file with a wrong hash is refused") {
  Star star(3);
  Offer offer{"empty", 0, sha256(mrt::as_bytes("not empty"))};
  star.download(2, offer);
  REQUIRE(failed(star, 2));
  CHECK(star[2].all<DownloadFailed>()[0].fault == FileFault::integrity);
}

TEST_CASE("a hostile name or size never reaches the disk") {
  for (const char* name : {"../x", "/etc/passwd", "..", "a/b", ""}) {
    Star star(2);
    star.download(1, Offer{name, 5, sha256(mrt::as_bytes("hello"))});
    REQUIRE(failed(star, 1));
    CHECK(star[1].all<DownloadFailed>()[0].fault == FileFault::name);
    CHECK(star[1].disk.next_timeout() == mrt::never);
  }
  Star star(2);
  star.download(1, Offer{"large", file_bytes_max + 1, {}});
  CHECK(star[1].all<DownloadFailed>().at(0).fault == FileFault::limit);
}

TEST_CASE("a file that changes while it is sent fails at both ends with its reason") {
  Star star(3);
  star.link(0, 2).bytes_per_second = 10e6;
  const Offer offer = star.share(1, "file.bin", pattern(4 * MiB));
  star.download(2, offer);
  star.run_for(100ms);
  star[1].disk.put("/home/file.bin", pattern(4 * MiB, 2));
  REQUIRE(star.run_until([&] { return failed(star, 2); }));
  CHECK(star[2].all<DownloadFailed>()[0].fault == FileFault::changed);
  REQUIRE(star[1].all<SourceLost>().size() == 1);
  CHECK(star[1].all<SourceLost>()[0].fault == FileFault::changed);
  CHECK(star[1].transfer->shared().empty());
  CHECK(star[2].disk.received().empty());
}

TEST_CASE("a disk that cannot be read any more fails its file and no other") {
  Star star(4);
  star.link(0, 3).bytes_per_second = 10e6;
  const Offer bad = star.share(1, "bad", pattern(4 * MiB, 1));
  const Offer good = star.share(2, "good", pattern(4 * MiB, 2));
  star.download(3, bad);
  star.download(3, good);
  star.run_for(100ms);
  star[1].disk.set_reads_fail(true);
  REQUIRE(star.run_until([&] { return failed(star, 3); }));
  CHECK(star[3].all<DownloadFailed>()[0].fault == FileFault::disk);
  REQUIRE(star.run_until_received(3));
  CHECK(star[3].disk.received() == std::vector<std::string>{"good"});
}

TEST_CASE("a full disk fails the download and leaves nothing under its name") {
  Star star(3);
  const Offer offer = star.share(1, "file.bin", pattern(4 * MiB));
  SUBCASE("known at the start") { star[2].disk.set_room(MiB); }
  SUBCASE("found while writing") { star[2].disk.set_writes_fail(true); }
  star.download(2, offer);
  REQUIRE(star.run_until([&] { return failed(star, 2); }));
  CHECK(star[2].all<DownloadFailed>()[0].fault == FileFault::disk);
  CHECK(star[2].disk.received().empty());
  CHECK(star[2].transfer->downloads().empty());
}

TEST_CASE("a cancelled download stops and another one can follow") {
  Star star(3);
  star.link(0, 2).bytes_per_second = 10e6;
  const mrt::Bytes content = pattern(4 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  const FileToken token = star.download(2, offer);
  star.run_for(100ms);
  CHECK(star[2].transfer->cancel(star.now, token));
  CHECK_FALSE(star[2].transfer->cancel(star.now, token));
  star.run_for(1s);
  const uint64_t sent = star.bytes_sent;
  star.run_for(10s);
  CHECK(star.bytes_sent == sent);
  CHECK(star[2].all<Downloaded>().empty());
  star.download(2, offer);
  REQUIRE(star.run_until_received(2));
  CHECK(star.received(2, "file.bin") == content);
}

TEST_CASE("the same download asked for twice is one download") {
  Star star(3);
  const Offer offer = star.share(1, "file.bin", pattern(4 * MiB));
  CHECK(star.download(2, offer) == star.download(2, offer));
  CHECK(star[2].transfer->downloads().size() == 1);
}

TEST_CASE("a withdrawn file is served no more, and its askers wait for another holder") {
  Star star(3);
  star.link(0, 2).bytes_per_second = 10e6;
  const Offer offer = star.share(1, "file.bin", pattern(4 * MiB));
  const FileToken source = star[1].all<Shared>()[0].file;
  star.download(2, offer);
  star.run_for(100ms);
  CHECK(star[1].transfer->unshare(star.now, source) == offer);
  CHECK_FALSE(star[1].transfer->unshare(star.now, source));
  star.run_for(5s);
  CHECK_FALSE(failed(star, 2));
  CHECK(star[2].all<Downloaded>().empty());
  CHECK(star[2].transfer->downloads().size() == 1);
}

TEST_CASE("progress comes at most ten times a second and never goes back") {
  Star star(3);
  star.link(0, 2).bytes_per_second = 4e6;
  const Offer offer = star.share(1, "file.bin", pattern(4 * MiB));
  star.download(2, offer);
  REQUIRE(star.run_until_received(2));
  const auto progress = star[2].all<TransferProgress>();
  CHECK(progress.size() >= 8);
  CHECK(progress.size() <= 12);
  uint64_t before = 0;
  for (const auto& p : progress) {
    CHECK(p.bytes >= before);
    before = p.bytes;
  }
  CHECK(progress.back().rate > 3'000'000);
  CHECK(progress.back().rate < 5'000'000);
  CHECK(progress.back().from == star[1].id);
}

TEST_CASE("a silent holder's chunks are asked from another one") {
  Star star(4);
  const mrt::Bytes content = pattern(2 * MiB);
  const Offer offer = star.share(1, "file.bin", content);
  star.share(2, "file.bin", content);
  star.tamper = [](size_t from, size_t, mrt::Bytes&) { return from != 1; };
  star.download(3, offer);
  REQUIRE(star.run_until_received(3));
  CHECK(star.received(3, "file.bin") == content);
}

TEST_CASE("garbage from anybody is counted and changes nothing") {
  Star star(3);
  const mrt::Bytes content = pattern(MiB);
  const Offer offer = star.share(1, "file.bin", content);
  mrt::Random random(mrt::seed_from(4));
  star.download(2, offer);
  for (int i = 0; i < 2000; ++i) {
    mrt::Bytes bytes(1 + random.below(200));
    random.fill(bytes);
    bytes[0] = static_cast<uint8_t>(0x40 + random.below(6));
    star[random.below(3)].transfer->on_message(star.now, star::node_id(random.below(9)), bytes);
  }
  // A chunk that nobody asked for, of a file that is wanted.
  star[2].transfer->on_message(star.now, star[1].id,
                               chunk_message(chunk_head(star[1].id, offer.hash, 3), {}, 100));
  CHECK(star[2].transfer->malformed_messages() > 0);
  REQUIRE(star.run_until_received(2));
  CHECK(star.received(2, "file.bin") == content);
}

TEST_CASE("a fetch for what is not offered or not there is answered, not served") {
  Star star(2);
  const Offer offer = star.share(1, "file.bin", pattern(MiB));
  const auto ask = [&](const Fetch& fetch) {
    star[1].transfer->on_message(star.now, star[0].id, encode(fetch));
    const auto answer = star[1].transfer->poll_message(star.now);
    REQUIRE(answer);
    return std::get<FetchFailed>(*parse_file_message(*answer->message)).fault;
  };
  CHECK(ask({star[1].id, FileHash{}, 0, false}) == FetchFault::unknown_file);
  CHECK(ask({star[1].id, offer.hash, 16, false}) == FetchFault::unknown_file);
  CHECK(ask({star[0].id, offer.hash, 0, false}) == FetchFault::busy);
}

TEST_CASE("the same seed gives the same messages") {
  const auto run = [] {
    Star star(5);
    const Offer one = star.share(1, "one", pattern(2 * MiB, 1));
    const Offer two = star.share(2, "two", pattern(2 * MiB, 2));
    star.download(3, one);
    star.download(3, two);
    star.download(4, one);
    star.download(1, two);
    FileHash digest;
    star.tamper = [&](size_t from, size_t to, mrt::Bytes& bytes) {
      mrt::Bytes all(digest.bytes.begin(), digest.bytes.end());
      all.push_back(static_cast<uint8_t>(from * 16 + to));
      all.insert(all.end(), bytes.begin(), bytes.end());
      digest = sha256(all);
      return true;
    };
    star.run_until_received(3, 2);
    star.run_until_received(4);
    return digest;
  };
  CHECK(run() == run());
}
