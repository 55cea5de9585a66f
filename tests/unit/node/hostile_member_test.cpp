// SPDX-License-Identifier: MIT
//
// What a member that breaks the rules can do to a star, and cannot (OVERLAY.md 9).
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "mrt/base/address.h"
#include "node/file_message.h"
#include "node/speech_limits.h"
#include "node/tell_seal.h"
#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// Anna's star, with Bert as its first successor; Mallory is a member, too.
struct Star {
  Star() {
    REQUIRE(bert.join(anna.at()));
    mallory.join(anna.at());
    stage.run(milliseconds(200));
    bert.forget();
    anna.forget();
  }

  /// The star is as if Mallory had said nothing.
  void check_untouched() {
    CHECK(anna->role() == Role::supernode);
    CHECK(anna->epoch() == epoch);
    CHECK(bert->role() == Role::member);
    CHECK(bert->supernode() == anna->id());
    CHECK(bert->epoch() == epoch);
    CHECK(bert.told<Migrated>().empty());
    CHECK(bert.told<RoleChanged>().empty());
    CHECK(bert.told<ChatDelivered>().empty());
    CHECK(anna.told<ChatDelivered>().empty());
  }
  Offer offer(const std::string& name) { return {name, 5, FileHash{{1}}}; }
  Publish publish(uint64_t number, BroadcastKind kind, mrt::Bytes body) {
    return {mallory.life(), number, kind, std::move(body)};
  }
  Publish chat(uint64_t number, std::string_view text) {
    const mrt::ByteView bytes = mrt::as_bytes(text);
    return publish(number, BroadcastKind::chat, {bytes.begin(), bytes.end()});
  }

  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Honest bert{stage, remote(2), 2, "bert"};
  Hostile mallory{stage, remote(3), 3};
  const Epoch epoch = anna->epoch();
};

}  // namespace

TEST_CASE_FIXTURE(Star, "museum: SCLS from a member crashes and moves nobody (MRT, Python)") {
  for (const CloseReason reason : {CloseReason::left, CloseReason::handover, CloseReason::merged}) {
    mallory.say(SupernodeClose{{epoch.value + 1}, mallory.id(), {mallory.at()}, reason, {}, {}});
    stage.run(milliseconds(300));
  }
  check_untouched();
}

TEST_CASE_FIXTURE(Star, "what only a supernode says has no effect from a member") {
  const Ordered word{{epoch, {50}}, {anna->id(), {1}, 99},
                     "anna",        BroadcastKind::chat,
                     {104},         mrt::Identity(seed(1)).public_key()};
  RosterUpdate roster{epoch, anna->id(), {99}, true, true, {mallory.entry()}, {}};
  const std::vector<Message> messages = {
      word,
      roster,
      StandingOffers{true, {{bert->id(), offer("bert.txt")}}},
      Ready{epoch, {50}},
      Stable{epoch, {50}},
      Redirect{{epoch.value + 1}, mallory.id(), {mallory.at()}, secret()},
      Refuse{RefuseCode::banned, "go away"},
      MergeFailed{1, false, "no"},
      Survivor{{epoch.value + 1}, epoch, anna->id(), {}, {seq_max}, {1}},
      Holds{{epoch.value + 1}, {50}},
  };
  for (const Message& message : messages) {
    CAPTURE(message.index());
    mallory.say(message);
    // To one who is no supernode either.
    mallory.call(bert.at());
    mallory.say(mallory.hello(Purpose::warm));
    mallory.say(message);
    stage.run(milliseconds(300));
    check_untouched();
    CHECK(anna->files().empty());
    CHECK(bert->peers().size() >= 2);
    mallory.call(anna.at());
  }
}

TEST_CASE_FIXTURE(Star, "a Welcome that nobody asked for closes the connection") {
  mallory.say(Welcome{{epoch.value + 1}, mallory.id(), "anna", anna.at(), true, {0}, secret()});
  stage.run(milliseconds(300));
  CHECK(mallory.is_closed_for_violation());
  check_untouched();
}

TEST_CASE_FIXTURE(Star, "museum: a member's Gather moves nobody who hears the supernode (gossip)") {
  for (const mrt::Address& to : {bert.at(), anna.at()}) {
    mallory.call(to);
    mallory.say(mallory.hello(Purpose::warm));
    for (const CloseReason reason : {CloseReason::lost, CloseReason::left}) {
      mallory.say(Gather{{epoch.value + 1}, mallory.id(), reason});
      stage.run(seconds(1));
      check_untouched();
    }
    CHECK(mallory.heard<Survivor>().empty());
    mallory.say(Gather{{epoch.value + 2'000'000}, mallory.id(), CloseReason::lost});
    stage.run(milliseconds(300));
    CHECK(mallory.is_closed_for_violation());
    check_untouched();
  }
}

TEST_CASE_FIXTURE(Star,
                  "museum: one who says that the supernode is dead is not believed (gossip)") {
  for (const mrt::Address& to : {anna.at(), bert.at()}) {
    mallory.call(to);
    mallory.say(mallory.hello(Purpose::warm));
    for (int i = 0; i < 10; ++i) mallory.say(Suspect{epoch, {anna->id(), bert->id()}});
    stage.run(seconds(2));
    check_untouched();
  }
}

TEST_CASE_FIXTURE(Star, "nobody speaks as another") {
  SUBCASE("in a private message") {
    mallory.say(Tell{bert->id(), anna->id(), 1, {}, mrt::Bytes(80)});
  }
  SUBCASE("in answer to another's private message") {
    mallory.say(TellResult{bert->id(), anna->id(), 1, true});
  }
  SUBCASE("in another life") { mallory.say(Publish{{999}, 1, BroadcastKind::chat, {104}}); }
  SUBCASE("with a number that no message has") { mallory.say(chat(0, "h")); }
  SUBCASE("by another Hello") {
    Hostile other(stage, remote(8), 8);
    mallory.say(other.hello(Purpose::join));
    stage.run(milliseconds(100));
  }
  SUBCASE("by a Hello of another life") {
    Hello hello = mallory.hello(Purpose::join);
    hello.incarnation = {12345};
    mallory.say(hello);
  }
  SUBCASE("by a key that it has not") {
    mallory.call(bert.at());
    Hello hello = mallory.hello(Purpose::warm);
    hello.key = mrt::Identity(seed(1)).public_key();
    mallory.say(hello);
  }
  SUBCASE("before it has said who it is") {
    mallory.call(bert.at());
    mallory.say(Suspect{epoch, {}});
  }
  SUBCASE("after it has left") {
    mallory.say(Leave{"bye"});
    mallory.say(chat(1, "still here"));
  }
  stage.run(milliseconds(300));
  CHECK(mallory.is_closed_for_violation());
  check_untouched();
}

TEST_CASE_FIXTURE(Star, "nobody withdraws another's file") {
  Hostile carl(stage, remote(4), 4);
  carl.join(anna.at());
  carl.say(Publish{carl.life(), 1, BroadcastKind::offer, encode_offer(offer("carl.txt"))});
  stage.run(milliseconds(300));
  REQUIRE(anna->files().size() == 1);
  mallory.say(publish(1, BroadcastKind::withdraw, encode_offer(offer("carl.txt"))));
  stage.run(milliseconds(300));
  CHECK(anna->files().size() == 1);
  CHECK(bert->files().size() == 1);
  CHECK_FALSE(mallory.line().closed);
}

TEST_CASE_FIXTURE(Star,
                  "museum: a byte that is not UTF-8 ends nobody but its sender (MRT, Python)") {
  mallory.say(chat(1, "h\xff"));
  stage.run(milliseconds(300));
  CHECK(mallory.is_closed_for_violation());
  check_untouched();
  CHECK(anna->chat(stage.now(), {1}, "still here") != 0);
  stage.run(milliseconds(300));
  CHECK(bert.told<ChatDelivered>().size() == 1);
}

TEST_CASE_FIXTURE(Star,
                  "museum: a name that is no base name is offered by nobody (MRT, wormhole)") {
  for (const std::string name :
       {"../x", "a/b", "..", ".", "", "a\\b", "a\nb", "a\x1b[2Jb", "a\xc2\x9bz", "\xff",
        "a\xe2\x80\xae"
        "b"}) {
    CAPTURE(name);
    Hostile mal(stage, remote(7), 7);
    mal.join(anna.at());
    // encode_offer() writes whatever it is given, but for what is too long.
    mal.say(Publish{mal.life(), 1, BroadcastKind::offer, encode_offer(offer(name))});
    stage.run(milliseconds(300));
    CHECK(mal.is_closed_for_violation());
    CHECK(anna->files().empty());
  }
  mrt::Builder longer;
  longer.sized_text(std::string(256, 'x'));
  longer.varint(5);
  longer.bytes(FileHash{}.bytes);
  mallory.say(publish(1, BroadcastKind::offer, longer.take()));
  stage.run(milliseconds(300));
  CHECK(mallory.is_closed_for_violation());
}

TEST_CASE_FIXTURE(Star, "of one member no more than 10,000 offers stand, and the others' do") {
  for (uint64_t i = 1; i <= offers_per_holder_max + 1; ++i) {
    mallory.say(publish(i, BroadcastKind::offer, encode_offer(offer("file" + std::to_string(i)))));
  }
  Hostile carl(stage, remote(4), 4);
  carl.join(anna.at());
  carl.say(Publish{carl.life(), 1, BroadcastKind::offer, encode_offer(offer("carl.txt"))});
  stage.run(seconds(4));
  CHECK(anna->files().size() == offers_per_holder_max + 1);
  CHECK(bert->files().size() == offers_per_holder_max + 1);
  CHECK_FALSE(mallory.line().closed);
}

TEST_CASE_FIXTURE(Star, "a member that says too much is read later, and nothing of it is lost") {
  constexpr uint64_t count = 20'000;
  for (uint64_t i = 1; i <= count; ++i) mallory.say(chat(i, std::to_string(i)));
  stage.run(seconds(1));
  const size_t at_first = bert.told<ChatDelivered>().size();
  CHECK(at_first > 4'000);
  CHECK(at_first <= 6'100);  // the burst and a second's worth
  // Others are not held up by it.
  anna->chat(stage.now(), {1}, "and I?");
  stage.run(milliseconds(100));
  CHECK(bert.told<ChatDelivered>().size() < 7'000);
  const auto own = bert.told<ChatDelivered>();
  CHECK(std::ranges::any_of(own, [](const ChatDelivered& e) { return e.text == "and I?"; }));
  stage.run(seconds(4));
  uint64_t next = 0;
  for (const ChatDelivered& chat : bert.told<ChatDelivered>()) {
    if (chat.from == mallory.id()) CHECK(chat.id.number == ++next);
  }
  CHECK(next == count);
  CHECK_FALSE(mallory.line().closed);
}

TEST_CASE_FIXTURE(Star, "who calls without end is closed, and who joins without end has to wait") {
  SUBCASE("suspecting") {
    for (int i = 0; i < 200; ++i) mallory.say(Suspect{epoch, {anna->id()}});
    stage.run(milliseconds(300));
    CHECK(mallory.is_closed_for_violation());
  }
  SUBCASE("saying hello") {
    for (int i = 0; i < 200; ++i) mallory.say(mallory.hello(Purpose::warm));
    stage.run(milliseconds(300));
    CHECK(mallory.is_closed_for_violation());
  }
  SUBCASE("merging") {
    for (int i = 0; i < 20; ++i) mallory.say(Merge{1, {remote(99)}, secret()});
    stage.run(milliseconds(300));
    CHECK(mallory.is_closed_for_violation());
  }
  SUBCASE("joining") {
    for (int i = 0; i < 20; ++i) mallory.say(mallory.hello(Purpose::join));
    stage.run(milliseconds(300));
    CHECK(mallory.heard<Welcome>().size() <= 6);
    CHECK(mallory.heard<Refuse>().size() >= 14);
  }
  check_untouched();
}

TEST_CASE_FIXTURE(Star, "a message longer than any is not waited for") {
  mrt::Builder out;
  out.varint(message_bytes_max + 1);
  out.bytes(mrt::Bytes(100));
  mallory.say_bytes(out.take());
  stage.run(milliseconds(300));
  CHECK(mallory.is_closed_for_violation());
}

TEST_CASE_FIXTURE(Star, "museum: a huge range wanted is no loop and no answer (RakNet)") {
  anna->chat(stage.now(), {1}, "one");
  stage.run(milliseconds(300));
  mallory.line().heard.clear();
  mallory.say(Want{{0}, {seq_max}});
  mallory.say(Want{{1}, {seq_max}});
  mallory.call(bert.at());
  mallory.say(mallory.hello(Purpose::warm));
  mallory.say(Want{{1}, {seq_max}});
  stage.run(milliseconds(300));
  CHECK(mallory.heard<Ordered>().empty());
}

TEST_CASE("a successor that claims to hold what it has not makes nothing stable in advance") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(), true);
  Hostile mallory(stage, remote(3), 3);
  mallory.join(anna.at());
  stage.run(milliseconds(200));
  mallory.say(Holds{anna->epoch(), {seq_max}});
  stage.run(milliseconds(100));
  anna->chat(stage.now(), {1}, "one");
  stage.run(milliseconds(300));
  CHECK(anna.told<OwnStable>().empty());
  CHECK(anna.told<ChatDelivered>().empty());
  mallory.say(Holds{anna->epoch(), {1}});
  stage.run(milliseconds(300));
  CHECK(anna.told<OwnStable>().size() == 1);
}

TEST_CASE("a supernode that was frozen places nothing before its successor repeats its word") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile mallory{stage, remote(3), 3};
  mallory.join(anna.at());
  stage.run(milliseconds(500));
  mallory.confirm(false);  // it lives, and may be gathered by now
  stage.remove(anna);
  stage.run(milliseconds(400));
  stage.add(anna);
  stage.run(milliseconds(10));
  mallory.say(Publish{mallory.life(), 1, BroadcastKind::chat, {104}});
  stage.run(seconds(4));
  CHECK(anna->role() == Role::supernode);
  CHECK(mallory.heard<Ordered>().empty());
  mallory.confirm(true);
  stage.run(milliseconds(300));
  CHECK(mallory.heard<Ordered>().size() == 1);
}

TEST_CASE_FIXTURE(Star, "museum: what is no candidate is called by nobody (coturn)") {
  const std::vector<mrt::Address> bad = {
      mrt::Address::v4(0, 0, 0, 0, 9),   local(9),
      mrt::Address::v4(224, 0, 0, 1, 9), mrt::Address::v4(255, 255, 255, 255, 9),
      *mrt::Address::parse("[::1]:9"),   mrt::Address::v4(10, 0, 0, 9, 0)};
  mallory.say(Merge{7, bad, secret()});
  stage.run(seconds(1));
  CHECK(mallory.heard<MergeFailed>().size() == 1);
  // Nor handed on.
  Hostile carl(stage, remote(4), 4);
  carl.call(anna.at());
  Hello hello = carl.hello(Purpose::join);
  hello.addresses = bad;
  carl.say(hello);
  stage.run(seconds(1));
  std::set<mrt::Address> told;
  for (const RosterUpdate& update : mallory.heard<RosterUpdate>()) {
    for (const RosterEntry& entry : update.entries) {
      told.insert(entry.addresses.begin(), entry.addresses.end());
    }
  }
  CHECK(told.contains(carl.at()));
  for (const mrt::Address& address : bad) {
    CHECK_FALSE(told.contains(address));
    CHECK(stage.sent_to(address) == 0);
  }
}

TEST_CASE_FIXTURE(Star, "an epoch out of reach is not joined, nor counted on from") {
  Hostile carl(stage, remote(4), 4);
  carl.call(anna.at());
  Hello hello = carl.hello(Purpose::join);
  hello.epoch = {epoch_max};
  carl.say(hello);
  stage.run(milliseconds(300));
  CHECK(carl.is_closed_for_violation());
  check_untouched();
}

TEST_CASE_FIXTURE(Star, "who is banned is shut out, and stays so whatever it calls itself") {
  anna->ban(stage.now(), {1}, "mallory");
  stage.run(milliseconds(300));
  CHECK(mallory.heard<Refuse>().back().code == RefuseCode::banned);
  CHECK(mallory.line().closed);
  for (const char* nick : {"mallory", "trudy"}) {
    mallory.call(anna.at());
    Hello hello = mallory.hello(Purpose::join);
    hello.nick = nick;
    hello.incarnation = {hello.incarnation.value + 1};
    mallory.say(hello);
    stage.run(milliseconds(600));
    CHECK(mallory.heard<Refuse>().size() == 1);
    CHECK(mallory.heard<Welcome>().empty());
    CHECK(mallory.line().closed);
  }
  CHECK(anna->peers().size() == 2);
}

TEST_CASE_FIXTURE(Star, "fetches without end are answered as busy, not kept") {
  Hostile carl(stage, remote(4), 4);
  carl.join(anna.at());
  for (uint64_t chunk = 0; chunk < 2'000; ++chunk) {
    while (!mallory.send_message(encode(Fetch{carl.id(), FileHash{{1}}, chunk, false}))) {
      stage.run(milliseconds(5));
    }
  }
  stage.run(seconds(1));
  CHECK(anna->is_consistent());
  CHECK_FALSE(mallory.line().closed);
  check_untouched();
}

TEST_CASE("a survivor that lies of what it holds delays the next view, and forges nothing in it") {
  Stage stage;
  auto anna = std::make_unique<Honest>(stage, remote(1), 1, "anna", secret(), true);
  Honest bert(stage, remote(2), 2, "bert");
  Hostile mallory(stage, remote(3), 3);
  REQUIRE(bert.join(anna->at()));
  mallory.join(anna->at());
  (*anna)->chat(stage.now(), {1}, "last words");
  stage.run(milliseconds(300));
  REQUIRE(bert.told<ChatDelivered>().size() == 1);
  const NodeId gone = (*anna)->id();
  const Epoch epoch = (*anna)->epoch();
  std::map<NodeId, RosterEntry> entries;
  for (const auto& roster : mallory.heard<RosterUpdate>()) {
    for (const RosterEntry& entry : roster.entries) entries[entry.node] = entry;
  }
  anna.reset();

  mallory.call(bert.at());
  mallory.say(mallory.hello(Purpose::warm));
  for (int i = 0; i < 20 && mallory.heard<Gather>().empty(); ++i) {
    if (i % 5 == 0) mallory.say(Suspect{epoch, {gone}});
    stage.run(milliseconds(100));
  }
  REQUIRE(mallory.heard<Gather>().size() == 1);
  const Epoch next = mallory.heard<Gather>()[0].epoch;
  mallory.say(Survivor{next, epoch, gone, entries[gone].incarnation, {3}, {1}});
  stage.run(milliseconds(20));
  REQUIRE(mallory.heard<Want>().size() == 1);
  CHECK(mallory.heard<Want>()[0].to == Seq{3});
  const auto forged = [&](Epoch in, uint64_t seq, const NodeId& sender) {
    const RosterEntry& said = entries[sender];
    const MessageId id{sender, said.incarnation, seq};
    return Ordered{{in, {seq}}, id, "x", BroadcastKind::chat, {'f'}, said.key};
  };
  SUBCASE("in places that nobody knows") {
    mallory.say(forged(epoch, 3, mallory.id()));  // a hole
    mallory.say(forged(epoch, 2, mallory.id()));  // its own word: nobody can tell
    mallory.say(forged({epoch.value + 7}, 3, mallory.id()));
  }
  SUBCASE("in the name of the one who asks") {
    mallory.say(forged(epoch, 2, mallory.id()));
    mallory.say(forged(epoch, 3, bert->id()));
    stage.run(milliseconds(50));
    CHECK(mallory.is_closed_for_violation());
  }
  stage.run(seconds(3));
  CHECK(bert->is_consistent());
  CHECK(bert->supernode() == bert->id());
  CHECK(bert.told<ChatDelivered>().size() == 2);
}

TEST_CASE_FIXTURE(Star, "museum: equal texts of two senders are two messages (gossip seeds)") {
  Hostile carl(stage, remote(4), 4);
  carl.join(anna.at());
  mallory.say(chat(1, "same"));
  carl.say(Publish{carl.life(), 1, BroadcastKind::chat, {'s', 'a', 'm', 'e'}});
  stage.run(milliseconds(300));
  CHECK(bert.told<ChatDelivered>().size() == 2);
}

TEST_CASE_FIXTURE(Star, "a private message goes to one, once, and its relay cannot say it again") {
  const TellEnd to{mrt::Identity(seed(2)).public_key(), {}};
  bert->tell(stage.now(), {5}, "mallory", "psst");
  stage.run(milliseconds(300));
  const auto tells = mallory.heard<Tell>();
  REQUIRE(tells.size() == 1);
  Incarnation bert_life;
  for (const RosterUpdate& update : mallory.heard<RosterUpdate>()) {
    for (const RosterEntry& entry : update.entries) {
      if (entry.node == bert->id()) bert_life = entry.incarnation;
    }
  }
  CHECK(open_tell(mallory.identity(), mallory.life(), {to.key, bert_life}, tells[0]) == "psst");
  CHECK(bert.told<CommandDone>().empty());
  mallory.say(TellResult{bert->id(), mallory.id(), tells[0].number, true});
  stage.run(milliseconds(300));
  CHECK(bert.told<CommandDone>().size() == 1);
}
