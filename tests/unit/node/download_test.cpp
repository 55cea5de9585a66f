// SPDX-License-Identifier: MIT
#include "node/download.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>

#include "node/merkle.h"
#include "unit/node/pattern.h"

using namespace node;
using namespace std::chrono_literals;

namespace {

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

const NodeId ann = node_id(1);
const NodeId bob = node_id(2);
constexpr FileToken token{7};

/// A file of a hundred chunks, the download of it, and what the download asked for.
struct Fixture {
  Fixture() { hash_content(); }

  void hash_content() {
    HashTreeBuilder builder(content.size());
    for (uint64_t i = 0; i < chunks; ++i) builder.add(hash_of(i));
    tree.emplace(builder.finish());
    offer = {"file.bin", content.size(), tree->root()};
  }
  mrt::ByteView bytes_of(uint64_t chunk) const {
    return mrt::ByteView(content).subspan(chunk * chunk_bytes_max,
                                          chunk_size(content.size(), chunk));
  }
  FileHash hash_of(uint64_t chunk) const { return hash_of_chunk(content.size(), bytes_of(chunk)); }

  Download& begin(const std::vector<NodeId>& holders, const mrt::IntervalSet& have = {}) {
    download.emplace(now, token, offer, holders);
    download->on_route(true);
    download->on_result(now, TargetOpened{token, have});
    step();
    return *download;
  }
  /// Asks, and takes everything out.
  void step() {
    download->ask(now, download->window());
    while (const auto send = download->poll_send()) {
      if (const auto* fetch = std::get_if<Fetch>(&*send)) asked.push_back(*fetch);
      if (const auto* cancel = std::get_if<CancelFetch>(&*send)) cancelled.push_back(*cancel);
    }
    while (const auto request = download->poll_request()) {
      if (const auto* write = std::get_if<WriteChunk>(&*request)) written.push_back(write->chunk);
      if (std::holds_alternative<FinishTarget>(*request)) ++finished;
      if (std::holds_alternative<CloseFile>(*request)) ++closed;
    }
    while (const auto event = download->poll_event()) {
      if (const auto* failed = std::get_if<Download::Failed>(&*event)) failure = *failed;
      if (const auto* done = std::get_if<Download::Done>(&*event)) path = done->path;
    }
    REQUIRE(download->is_consistent());
  }
  void give(const NodeId& from, uint64_t chunk, bool wrong = false) {
    const auto rows = tree->piece_rows(chunk, {hash_of(chunk)});
    const auto bytes = bytes_of(chunk);
    mrt::Bytes message =
        chunk_message(chunk_head(from, offer.hash, chunk), tree->proof(chunk, *rows), bytes.size());
    std::copy(bytes.begin(), bytes.end(), message.end() - static_cast<ptrdiff_t>(bytes.size()));
    if (wrong) message.back() ^= 1;
    const auto shared = std::make_shared<const mrt::Bytes>(std::move(message));
    download->on_chunk(now, std::get<ChunkView>(*parse_file_message(*shared)), shared);
    step();
  }
  void confirm(uint64_t chunk) {
    download->on_result(now, ChunkWritten{token, chunk});
    step();
  }
  void refuse(const NodeId& from, uint64_t chunk, FetchFault fault) {
    download->on_failed(now, {from, offer.hash, chunk, fault});
    step();
  }
  void wait(mrt::Duration time) {
    const mrt::Instant end = now + time;
    while (download->next_timeout() <= end) {
      now = download->next_timeout();
      download->on_timeout(now);
      step();
      REQUIRE(download->next_timeout() > now);
    }
    now = end;
  }

  static constexpr uint64_t chunks = 100;
  mrt::Bytes content = pattern(chunks * chunk_bytes_max - 77);
  std::optional<HashTree> tree;
  Offer offer;
  mrt::Instant now{1s};
  std::optional<Download> download;
  std::vector<Fetch> asked;
  std::vector<CancelFetch> cancelled;
  std::vector<uint64_t> written;
  int finished = 0;
  int closed = 0;
  std::optional<Download::Failed> failure;
  std::string path;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "it asks in order, for as many as the window has") {
  begin({ann});
  REQUIRE(asked.size() == window_chunks_start);
  for (size_t i = 0; i < asked.size(); ++i) {
    CHECK(asked[i] == Fetch{ann, offer.hash, i, false});
  }
}

TEST_CASE_FIXTURE(Fixture, "what is being written counts, so a slow disk slows the asking") {
  begin({ann});
  for (uint64_t i = 0; i < 200 && i < asked.size(); ++i) give(ann, asked[i].chunk);
  CHECK(asked.size() <= window_chunks_max);
  CHECK(written.size() == asked.size());
  const size_t before = asked.size();
  confirm(0);
  CHECK(asked.size() == before + 1);
}

TEST_CASE_FIXTURE(Fixture, "quick answers widen the window, slow ones narrow it") {
  begin({ann});
  for (uint64_t i = 0; i < 10; ++i) give(ann, i);
  CHECK(download->window() == window_chunks_start + 10);
  now += 3s;
  for (uint64_t i = 10; i < 20; ++i) give(ann, i);
  CHECK(download->window() == window_chunks_start);
  for (uint64_t i = 0; i < 20; ++i) confirm(i);
  const size_t asked_now = asked.size();
  now += 3s;
  for (uint64_t i = 20; i < asked_now; ++i) give(ann, i);
  CHECK(download->window() >= window_chunks_min);
}

TEST_CASE_FIXTURE(Fixture, "what an earlier try left is not asked for") {
  mrt::IntervalSet have;
  have.add(0, 50);
  have.add(52, 98);
  begin({ann}, have);
  CHECK(asked.size() == 4);
  for (const uint64_t chunk : {50, 51, 98, 99}) {
    give(ann, chunk);
    confirm(chunk);
  }
  CHECK(finished == 1);
}

TEST_CASE_FIXTURE(Fixture, "a part that proves wrong at the end is fetched again whole") {
  mrt::IntervalSet have;
  have.add(0, chunks);
  begin({ann}, have);
  CHECK(asked.empty());
  CHECK(finished == 1);
  download->on_result(now, TargetOpened{token, {}});
  step();
  for (size_t i = 0; i < asked.size(); ++i) {
    give(ann, asked[i].chunk);
    confirm(asked[i].chunk);
  }
  CHECK(asked.size() == chunks);
  CHECK(finished == 2);
  download->on_result(now, TargetPlaced{token, "/downloads/file.bin", false});
  step();
  CHECK(path == "/downloads/file.bin");
  CHECK(download->ended());
}

TEST_CASE_FIXTURE(Fixture, "a new way to the holders means asking again, and late chunks count") {
  begin({ann});
  const size_t before = asked.size();
  download->on_route(false);
  step();
  CHECK(asked.size() == before);
  give(ann, 3);  // it was on its way
  CHECK(written == std::vector<uint64_t>{3});
  download->on_route(true);
  step();
  std::vector<uint64_t> again;
  for (size_t i = before; i < asked.size(); ++i) again.push_back(asked[i].chunk);
  CHECK(again.size() == window_chunks_start - 1);
  CHECK(again.front() == 0);
  CHECK(std::find(again.begin(), again.end(), 3u) == again.end());
}

TEST_CASE_FIXTURE(Fixture, "unasked chunks are taken only as far as the window goes") {
  begin({ann});
  for (uint64_t chunk = 0; chunk < chunks; ++chunk) give(ann, chunk);
  CHECK(written.size() <= window_chunks_max);
  CHECK(download->under_way() <= window_chunks_max);
}

TEST_CASE_FIXTURE(Fixture, "a chunk that comes twice is written once") {
  begin({ann});
  give(ann, 0);
  give(ann, 0);
  CHECK(written == std::vector<uint64_t>{0});
  confirm(0);
  give(ann, 0);
  confirm(0);
  CHECK(written == std::vector<uint64_t>{0});
}

TEST_CASE_FIXTURE(Fixture, "holders share the work, and the quicker one gets more of it") {
  begin({ann, bob});
  const auto count = [&](const NodeId& id) {
    return std::count_if(asked.begin(), asked.end(),
                         [&](const Fetch& fetch) { return fetch.holder == id; });
  };
  CHECK(count(ann) == 8);
  CHECK(count(bob) == 8);
  for (size_t i = 0; i < asked.size(); ++i) {
    if (asked[i].holder != ann) continue;
    give(ann, asked[i].chunk);
    confirm(asked[i].chunk);
  }
  CHECK(count(ann) > 2 * count(bob));
}

TEST_CASE_FIXTURE(Fixture, "a wrong chunk is asked for fresh, of another holder if there is one") {
  begin({ann, bob});
  const Fetch first = asked[0];
  const NodeId second = first.holder == ann ? bob : ann;
  give(first.holder, first.chunk, true);
  REQUIRE(asked.back().chunk == first.chunk);
  CHECK(asked.back().fresh);
  CHECK(asked.back().holder == second);
  CHECK_FALSE(download->ended());
}

TEST_CASE_FIXTURE(Fixture, "a wrong chunk under a stranger's name is put down to who was asked") {
  begin({ann});
  // Once it may be what somebody put into the supernode's cache.
  for (int i = 0; i < 2; ++i) {
    give(node_id(77), 0, true);
    CHECK_FALSE(failure);
    CHECK(asked.back().fresh);
  }
  give(node_id(77), 0, true);
  REQUIRE(failure);
  CHECK(failure->fault == FileFault::integrity);
  CHECK(closed == 1);
}

TEST_CASE_FIXTURE(Fixture, "what somebody put into the supernode's cache is put down to no holder") {
  begin({ann});
  for (uint64_t chunk = 0; chunk < 8; ++chunk) {
    give(node_id(77), chunk, true);
    REQUIRE(asked.back().chunk == chunk);
    CHECK(asked.back().fresh);
    give(ann, chunk);
    confirm(chunk);
  }
  CHECK_FALSE(failure);
}

TEST_CASE_FIXTURE(Fixture, "one who was wrong twice is left alone even if he offers it again") {
  begin({ann, bob});
  give(ann, asked[0].holder == ann ? asked[0].chunk : asked[1].chunk, true);
  for (const Fetch& fetch : std::vector(asked)) {
    if (fetch.holder == ann && !failure) give(ann, fetch.chunk, true);
  }
  asked.clear();
  download->on_holder_gone(ann);
  download->on_holder(ann);
  download->on_route(true);
  step();
  CHECK_FALSE(asked.empty());
  for (const Fetch& fetch : asked) CHECK(fetch.holder == bob);
  download->on_holder_gone(bob);
  step();
  REQUIRE(failure);
  CHECK(failure->fault == FileFault::integrity);
}

TEST_CASE_FIXTURE(Fixture, "who is busy is asked again a little later, with half the window") {
  begin({ann});
  refuse(ann, 0, FetchFault::busy);
  CHECK(download->window() == window_chunks_start / 2);
  const size_t before = asked.size();
  wait(99ms);
  CHECK(asked.size() == before);
  for (uint64_t i = 1; i < 16; ++i) {
    give(ann, i);
    confirm(i);
  }
  wait(2ms);
  CHECK(asked.size() > before);
  CHECK(asked[before].chunk == 0);
}

TEST_CASE_FIXTURE(Fixture, "a holder that is not there is asked again after a second") {
  begin({ann});
  for (uint64_t i = 0; i < window_chunks_start; ++i) refuse(ann, i, FetchFault::holder_gone);
  const size_t before = asked.size();
  CHECK(before == window_chunks_start);
  wait(999ms);
  CHECK(asked.size() == before);
  wait(2ms);
  CHECK(asked.size() == 2 * before);
}

TEST_CASE_FIXTURE(Fixture, "a failure of what was asked of another is not this one's") {
  begin({ann, bob});
  const Fetch first = asked[0];
  const size_t before = asked.size();
  refuse(first.holder == ann ? bob : ann, first.chunk, FetchFault::unknown_file);
  CHECK(asked.size() == before);
  refuse(node_id(77), first.chunk, FetchFault::changed);
  CHECK_FALSE(failure);
}

TEST_CASE_FIXTURE(Fixture, "after 15 silent seconds a holder's chunks are asked of another") {
  begin({ann, bob});
  for (size_t i = 0; i < window_chunks_start; ++i) {
    if (asked[i].holder == bob) give(bob, asked[i].chunk);
  }
  const size_t before = asked.size();
  wait(14s);
  CHECK(cancelled.empty());
  wait(2s);
  CHECK_FALSE(cancelled.empty());
  CHECK(asked.size() > before);
  CHECK_FALSE(failure);
}

TEST_CASE_FIXTURE(Fixture, "what did not come in 15 seconds is asked for past what is under way") {
  begin({ann});
  const size_t before = asked.size();
  wait(17s);
  REQUIRE(asked.size() == 2 * before);
  CHECK(asked[before].fresh);
  give(ann, asked[before].chunk);
  confirm(asked[before].chunk);
  CHECK(asked.size() == 2 * before + 1);
  CHECK_FALSE(asked.back().fresh);
}

TEST_CASE_FIXTURE(Fixture,
                  "at the end an idle holder takes over what a slow one still owes, once") {
  mrt::IntervalSet have;
  have.add(0, 96);
  begin({ann, bob}, have);
  REQUIRE(asked.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    if (asked[i].holder == ann) give(ann, asked[i].chunk);
  }
  CHECK(asked.size() == 4);
  wait(2100ms);
  REQUIRE(asked.size() == 5);
  CHECK(asked[4].holder == ann);
  CHECK(asked[4].fresh);
  give(ann, asked[4].chunk);
  REQUIRE(asked.size() == 6);
  CHECK(asked[5].holder == ann);
  CHECK(asked[5].chunk != asked[4].chunk);
  wait(10s);
  CHECK(asked.size() == 6);
  give(bob, asked[5].chunk);  // the slow one was quicker after all
  for (uint64_t chunk = 96; chunk < chunks; ++chunk) confirm(chunk);
  CHECK(finished == 1);
}

TEST_CASE_FIXTURE(Fixture, "without any holder it waits without end and without work") {
  begin({});
  CHECK(asked.empty());
  CHECK(download->next_timeout() == mrt::never);
  download->on_holder(bob);
  step();
  CHECK(asked.size() == window_chunks_start);
  download->on_holder_gone(bob);
  step();
  CHECK_FALSE(download->ended());
}

TEST_CASE_FIXTURE(Fixture,
                  "a cancelled download takes back what it asked for and says nothing more") {
  begin({ann});
  download->cancel();
  step();
  CHECK(cancelled.size() == window_chunks_start);
  CHECK(closed == 1);
  CHECK(download->ended());
  give(ann, 0);
  CHECK(written.empty());
  CHECK_FALSE(failure);
  CHECK(path.empty());
}

TEST_CASE_FIXTURE(Fixture, "a disk that fails ends the download with its words") {
  begin({ann});
  give(ann, 0);
  download->on_result(now, FileFailed{token, FileFault::disk, "cannot write file.bin: disk full"});
  step();
  REQUIRE(failure);
  CHECK(failure->fault == FileFault::disk);
  CHECK(failure->message == "cannot write file.bin: disk full");
  CHECK(cancelled.size() == window_chunks_start);
  CHECK(closed == 0);
}
