// SPDX-License-Identifier: MIT
#include "node/relay.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "mrt/base/random.h"

using namespace node;

namespace {

NodeId node_id(size_t number) {
  NodeId id;
  id.bytes[0] = static_cast<uint8_t>(number >> 8);
  id.bytes[1] = static_cast<uint8_t>(number);
  return id;
}

const NodeId ann = node_id(1);
const NodeId bob = node_id(2);
const NodeId cid = node_id(3);
const NodeId holder = node_id(8);
const NodeId other = node_id(9);

FileHash hash_number(uint8_t number) {
  FileHash hash;
  hash.bytes.fill(number);
  return hash;
}

Fetch fetch(uint64_t chunk, NodeId from = holder, bool fresh = false) {
  return {from, hash_number(7), chunk, fresh};
}

EncodedChunk chunk_of(const Fetch& fetch) {
  return {fetch.holder, fetch.hash, fetch.chunk,
          std::make_shared<const mrt::Bytes>(
              chunk_message(chunk_head(fetch.holder, fetch.hash, fetch.chunk), {}, 100))};
}

/// A relay whose sends are put where a Transfer would put them.
struct Fixture {
  Outbox outbox;
  Relay relay{outbox};
  mrt::Instant now{std::chrono::seconds(1)};
  std::vector<FileSend> sent;  // but the chunks

  void settle() {
    while (const auto send = relay.poll_send(now)) {
      if (const auto* chunk = std::get_if<EncodedChunk>(&send->message)) {
        outbox.put({send->to, mrt::Priority::bulk, chunk->message});
      } else {
        sent.push_back(*send);
      }
    }
    REQUIRE(relay.is_consistent());
    REQUIRE(relay.next_timeout() > now);
  }
  void pass(mrt::Duration time) {
    now += time;
    settle();
  }
  void ask(const NodeId& asker, const Fetch& wanted) {
    relay.on_fetch(asker, wanted);
    settle();
  }
  void answer(const Fetch& wanted) {
    relay.on_chunk(wanted.holder, chunk_of(wanted));
    settle();
  }
  /// The connections take all that waits for them.
  std::vector<NodeId> take_all() {
    std::vector<NodeId> out;
    while (const auto message = outbox.poll()) {
      out.push_back(message->to);
      relay.on_sent(now, message->to);
      settle();
    }
    return out;
  }
  template <class T>
  std::vector<T> sent_of(const NodeId& to) const {
    std::vector<T> out;
    for (const FileSend& send : sent) {
      const auto* message = std::get_if<T>(&send.message);
      if (message && send.to == to) out.push_back(*message);
    }
    return out;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a fetch goes to its holder and the chunk to its asker") {
  ask(ann, fetch(3));
  CHECK(sent_of<Fetch>(holder) == std::vector{fetch(3)});
  answer(fetch(3));
  CHECK(take_all() == std::vector{ann});
  CHECK(relay.under_way() == 0);
}

TEST_CASE_FIXTURE(Fixture, "those who ask for a chunk that is under way join, and all get it") {
  ask(ann, fetch(3));
  ask(bob, fetch(3));
  ask(cid, fetch(3, other));
  CHECK(sent.size() == 1);
  answer(fetch(3));
  CHECK(take_all() == std::vector{ann, bob, cid});
}

TEST_CASE_FIXTURE(Fixture, "who asks later is answered from the cache") {
  ask(ann, fetch(3));
  answer(fetch(3));
  take_all();
  ask(bob, fetch(3, other));
  CHECK(sent.size() == 1);
  CHECK(take_all() == std::vector{bob});
}

TEST_CASE_FIXTURE(Fixture, "a fresh fetch goes past the cache and joins no other holder's") {
  ask(ann, fetch(3));
  ask(bob, fetch(3, other, true));
  CHECK(sent_of<Fetch>(other).size() == 1);
  answer(fetch(3));
  CHECK(take_all() == std::vector{ann});
  ask(cid, fetch(3, holder, true));
  CHECK(sent_of<Fetch>(holder).size() == 2);
  answer(fetch(3, other));
  CHECK(take_all() == std::vector{bob});
}

TEST_CASE_FIXTURE(Fixture,
                  "a fresh fetch is sent although its holder was asked: that may be lost") {
  ask(ann, fetch(3));
  ask(bob, fetch(3, holder, true));
  CHECK(sent_of<Fetch>(holder).size() == 2);
  answer(fetch(3));
  CHECK(take_all() == std::vector{ann, bob});
  answer(fetch(3));  // and once more
  CHECK(take_all().empty());
}

TEST_CASE_FIXTURE(Fixture, "an answer counts only from the holder that was asked, as its own") {
  ask(ann, fetch(3));
  relay.on_chunk(other, chunk_of(fetch(3)));         // another, under the holder's id
  relay.on_chunk(other, chunk_of(fetch(3, other)));  // another, under its own
  relay.on_chunk(holder, chunk_of(fetch(4)));        // nobody asked for that
  relay.on_failed(other, {holder, hash_number(7), 3, FetchFault::changed});
  settle();
  CHECK(take_all().empty());
  CHECK(sent.size() == 1);
  answer(fetch(3));
  CHECK(take_all() == std::vector{ann});
  ask(bob, fetch(4));
  CHECK(sent_of<Fetch>(holder).size() == 2);  // what nobody had asked for was not kept
}

TEST_CASE_FIXTURE(Fixture, "a failure is told to who named the holder; who joined gets his own") {
  ask(ann, fetch(3));
  ask(bob, fetch(3, other));
  relay.on_failed(holder, {holder, hash_number(7), 3, FetchFault::changed});
  settle();
  REQUIRE(sent_of<FetchFailed>(ann).size() == 1);
  CHECK(sent_of<FetchFailed>(ann)[0].fault == FetchFault::changed);
  CHECK(sent_of<FetchFailed>(bob).empty());
  CHECK(sent_of<Fetch>(other) == std::vector{fetch(3, other)});
}

TEST_CASE_FIXTURE(Fixture, "when a holder goes, what it owed has failed") {
  ask(ann, fetch(3));
  ask(ann, fetch(4, other));
  relay.on_peer_gone(holder);
  settle();
  REQUIRE(sent_of<FetchFailed>(ann).size() == 1);
  CHECK(sent_of<FetchFailed>(ann)[0].fault == FetchFault::holder_gone);
  CHECK(sent_of<FetchFailed>(ann)[0].chunk == 3);
  CHECK(relay.under_way() == 1);
}

TEST_CASE_FIXTURE(Fixture, "when the last asker goes or cancels, the fetch is cancelled") {
  ask(ann, fetch(3));
  ask(bob, fetch(3));
  relay.on_peer_gone(ann);
  settle();
  CHECK(sent_of<CancelFetch>(holder).empty());
  relay.on_cancel(bob, {holder, hash_number(7), 3});
  settle();
  REQUIRE(sent_of<CancelFetch>(holder).size() == 1);
  CHECK(sent_of<CancelFetch>(holder)[0].chunk == 3);
  CHECK(relay.under_way() == 0);
  answer(fetch(3));
  CHECK(take_all().empty());
}

TEST_CASE_FIXTURE(Fixture, "cancelling one holder's fetch leaves that of another holder") {
  ask(ann, fetch(3, other));
  relay.on_cancel(ann, {holder, hash_number(7), 3});
  settle();
  CHECK(relay.under_way() == 1);
}

TEST_CASE_FIXTURE(Fixture, "an asker whose connection is full is fetched nothing more for") {
  for (uint64_t i = 0; i < 40; ++i) ask(ann, fetch(i));
  const size_t forwarded = sent_of<Fetch>(holder).size();
  CHECK(forwarded < 40);
  for (uint64_t i = 0; i < forwarded; ++i) answer(fetch(i));
  auto first = outbox.poll();
  REQUIRE(first);
  outbox.put_back(*first);
  relay.on_refused(ann);
  settle();
  CHECK(sent_of<Fetch>(holder).size() == forwarded);
  CHECK(relay.waiting() == 40 - forwarded);

  outbox.on_writable(ann);
  relay.on_writable(ann);
  settle();
  while (relay.waiting() > 0 || relay.under_way() > 0) {
    take_all();
    const auto asked = sent_of<Fetch>(holder);
    for (const Fetch& one : asked) answer(one);
  }
  CHECK(sent_of<Fetch>(holder).size() == 40);
}

TEST_CASE_FIXTURE(Fixture, "what it has in hand is bounded, for each asker and in all") {
  for (uint64_t i = 0; i < 200; ++i) {
    for (size_t asker = 1; asker <= 40; ++asker) {
      relay.on_fetch(node_id(asker), fetch(1000 * asker + i));
    }
  }
  settle();
  CHECK(relay.under_way() <= chunks_in_hand_max);
  for (int round = 0; round < 50; ++round) {
    for (const Fetch& one : sent_of<Fetch>(holder)) {
      relay.on_chunk(holder, chunk_of(one));
    }
    sent.clear();
    settle();
    CHECK(relay.under_way() + outbox.unsent() <= chunks_in_hand_max);
    for (size_t asker = 1; asker <= 40; ++asker) {
      CHECK(outbox.unsent(node_id(asker)) <= chunks_in_hand_per_asker_max);
    }
    take_all();
  }
}

namespace {

/// Four askers, 100 to 103, have all places, each for 64 chunks that nobody else wants.
struct Crowded : Fixture {
  Crowded() {
    for (size_t asker = 100; asker < 104; ++asker) {
      ask(node_id(asker), fetch(asker));
      answer(fetch(asker));
      for (size_t i = 0; i < chunks_in_hand_per_asker_max; ++i) relay.on_sent(now, node_id(asker));
    }
    take_all();
    for (size_t asker = 100; asker < 104; ++asker) {
      for (const Fetch& one : wanted(asker)) ask(node_id(asker), one);
    }
    REQUIRE(relay.under_way() == chunks_in_hand_max);
    sent.clear();
  }
  static std::vector<Fetch> wanted(size_t asker) {
    std::vector<Fetch> out;
    for (uint64_t i = 0; i < chunks_in_hand_per_asker_max; ++i) {
      out.push_back(fetch(1000 * asker + i));
    }
    return out;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Crowded, "who keeps all places for nothing loses them to one who waits") {
  pass(std::chrono::hours(1));  // nobody else wants them
  CHECK(relay.next_timeout() == mrt::never);
  relay.on_sent(now, node_id(100));  // something goes out to this one
  pass(std::chrono::seconds(5));
  for (size_t asker = 101; asker < 104; ++asker) relay.on_sent(now, node_id(asker));
  ask(ann, fetch(3, other));
  CHECK(relay.next_timeout() == now + idle_places_max - std::chrono::seconds(5));
  pass(std::chrono::milliseconds(4'999));
  CHECK(sent.empty());
  pass(std::chrono::milliseconds(1));
  CHECK(sent_of<Fetch>(other) == std::vector{fetch(3, other)});
  CHECK(sent_of<CancelFetch>(holder).size() == chunks_in_hand_per_asker_max);
  REQUIRE(sent_of<FetchFailed>(node_id(100)).size() == chunks_in_hand_per_asker_max);
  CHECK(sent_of<FetchFailed>(node_id(100))[0].fault == FetchFault::holder_gone);
  for (size_t asker = 101; asker < 104; ++asker) {
    CHECK(sent_of<FetchFailed>(node_id(asker)).empty());
  }
  CHECK(relay.next_timeout() == mrt::never);
}

TEST_CASE_FIXTURE(Crowded,
                  "chunks that an asker does not take leave their places, and come later") {
  for (size_t asker = 100; asker < 104; ++asker) {
    for (const Fetch& one : wanted(asker)) answer(one);
  }
  for (size_t asker = 100; asker < 104; ++asker) {
    auto refused = outbox.poll();
    REQUIRE(refused);
    const NodeId to = refused->to;
    outbox.put_back(std::move(*refused));
    relay.on_refused(to);
  }
  ask(ann, fetch(3, other));
  CHECK(sent.empty());
  pass(idle_places_max);
  CHECK(sent_of<Fetch>(other) == std::vector{fetch(3, other)});
  CHECK(outbox.unsent() == 3 * chunks_in_hand_per_asker_max);
  relay.on_cancel(ann, {other, hash_number(7), 3});

  size_t taken = 0;
  for (size_t asker = 100; asker < 104; ++asker) {
    outbox.on_writable(node_id(asker));
    relay.on_writable(node_id(asker));
  }
  settle();
  while (relay.waiting() > 0 || relay.under_way() > 0 || outbox.unsent() > 0) {
    const auto asked = sent_of<Fetch>(holder);
    sent.clear();
    for (const Fetch& one : asked) answer(one);
    taken += take_all().size();
  }
  CHECK(taken == chunks_in_hand_max);
}

TEST_CASE_FIXTURE(Crowded, "who loses his places has his own holder asked for what he had joined") {
  for (size_t i = 0; i < 2; ++i) answer(wanted(100)[i]);
  take_all();
  ask(ann, fetch(5, other));
  ask(bob, fetch(5));
  REQUIRE(relay.under_way() == chunks_in_hand_max - 1);  // these two have one between them
  pass(std::chrono::seconds(5));
  relay.on_sent(now, ann);
  for (size_t asker = 100; asker < 104; ++asker) relay.on_sent(now, node_id(asker));
  ask(node_id(7), fetch(6));
  sent.clear();
  pass(idle_places_max - std::chrono::seconds(5));
  answer(wanted(100)[2]);
  take_all();
  settle();
  CHECK(sent_of<FetchFailed>(bob).empty());
  CHECK(sent_of<Fetch>(holder) == std::vector{fetch(6), fetch(5, holder, true)});
  answer(fetch(5));
  CHECK(take_all() == std::vector{bob});
}

TEST_CASE_FIXTURE(Fixture, "askers take turns however much one of them asks for") {
  for (uint64_t i = 0; i < 200; ++i) relay.on_fetch(ann, fetch(i));
  for (uint64_t i = 0; i < 4; ++i) relay.on_fetch(bob, fetch(1000 + i));
  settle();
  const auto asked = sent_of<Fetch>(holder);
  const auto his =
      std::count_if(asked.begin(), asked.end(), [](const Fetch& one) { return one.chunk >= 1000; });
  CHECK(his == 4);
}

TEST_CASE_FIXTURE(Fixture, "too many waiting fetches are refused as busy") {
  for (uint64_t i = 0; i < 2 * fetches_waiting_per_asker_max; ++i) ask(ann, fetch(i));
  CHECK(relay.waiting() == fetches_waiting_per_asker_max);
  CHECK(sent_of<FetchFailed>(ann).size() > 100);
  CHECK(sent_of<FetchFailed>(ann)[0].fault == FetchFault::busy);
  for (size_t asker = 100; asker < 1000; ++asker) {
    for (uint64_t i = 0; i < fetches_waiting_per_asker_max; ++i) {
      relay.on_fetch(node_id(asker), fetch(i));
    }
  }
  CHECK(relay.waiting() <= fetches_waiting_max);
  CHECK(relay.waiting() > fetches_waiting_max - 1000);
}

TEST_CASE_FIXTURE(Fixture, "who is no supernode any more knows nothing") {
  ask(ann, fetch(3));
  ask(ann, fetch(4));
  answer(fetch(3));
  relay.clear();
  settle();
  CHECK(relay.under_way() == 0);
  CHECK(relay.waiting() == 0);
  answer(fetch(4));
  ask(bob, fetch(3));
  CHECK(sent_of<Fetch>(holder).size() == 3);
}

TEST_CASE("after any fetches, cancels, answers and losses nobody waits for ever") {
  mrt::Random random(mrt::seed_from(21));
  for (int run = 0; run < 30; ++run) {
    Fixture f;
    for (int step = 0; step < 600; ++step) {
      const NodeId asker = node_id(1 + random.below(4));
      const Fetch one = fetch(random.below(12), node_id(8 + random.below(2)), random.chance(0.1));
      switch (random.below(9)) {
        case 0:
          f.relay.on_cancel(asker, {one.holder, one.hash, one.chunk});
          break;
        case 1:
          f.relay.on_failed(one.holder, {one.holder, one.hash, one.chunk, FetchFault::busy});
          break;
        case 2:
        case 3:
          f.relay.on_chunk(one.holder, chunk_of(one));
          break;
        case 4:
          if (random.chance(0.2)) {
            const NodeId gone = random.chance(0.5) ? asker : one.holder;
            f.outbox.on_peer_gone(gone);
            f.relay.on_peer_gone(gone);
          } else if (auto message = f.outbox.poll()) {
            if (random.chance(0.3)) {
              const NodeId to = message->to;
              f.outbox.put_back(std::move(*message));
              f.relay.on_refused(to);
            } else {
              f.relay.on_sent(f.now, message->to);
            }
          }
          break;
        case 5:
          f.outbox.on_writable(asker);
          f.relay.on_writable(asker);
          break;
        default:
          f.relay.on_fetch(asker, one);
      }
      f.settle();
    }
    for (size_t asker = 1; asker <= 4; ++asker) {
      f.outbox.on_writable(node_id(asker));
      f.relay.on_writable(node_id(asker));
    }
    f.settle();
    for (int round = 0; round < 100 && f.relay.waiting() + f.relay.under_way() > 0; ++round) {
      f.take_all();
      for (uint64_t chunk = 0; chunk < 12; ++chunk) {
        f.relay.on_chunk(node_id(8), chunk_of(fetch(chunk, node_id(8))));
        f.relay.on_chunk(node_id(9), chunk_of(fetch(chunk, node_id(9))));
        f.settle();
      }
    }
    CHECK(f.relay.waiting() == 0);
    CHECK(f.relay.under_way() == 0);
  }
}
