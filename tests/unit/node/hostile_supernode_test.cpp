// SPDX-License-Identifier: MIT
//
// What a supernode that breaks the rules can do to its members, and cannot (OVERLAY.md 9): it is
// left, and not followed again.
#include <doctest/doctest.h>

#include <functional>

#include "node/file_message.h"
#include "node/network_access.h"
#include "node/tell_seal.h"
#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// Mallory is a supernode, in epoch 5; Anna comes to be its member.
struct Trap {
  Trap() {
    mallory.wait_for_call();
    anna->join(stage.now(), {1}, {mallory.at()}, secret());
    stage.run(milliseconds(100));
    REQUIRE(mallory.is_called());
    const auto hellos = mallory.heard<Hello>();
    REQUIRE(hellos.size() == 1);
    anna_entry = {hellos[0].node, hellos[0].incarnation, "anna", {}, 1, 0, hellos[0].key};
    mallory.say(mallory.hello(Purpose::answer));
  }

  void welcome(const mrt::NetworkKey& key = secret(), const std::vector<ViewMark>& line = {}) {
    mallory.say(Welcome{epoch, mallory.id(), "anna", anna.at(), false, {10}, key, line});
  }
  RosterUpdate roster(std::vector<RosterEntry> others = {}) {
    RosterUpdate out{epoch, mallory.id(), {1}, true, true, {mallory.entry(), anna_entry}, {}};
    out.entries.insert(out.entries.end(), others.begin(), others.end());
    return out;
  }
  /// Everything as it should be, so far.
  void take_in(std::vector<RosterEntry> others = {}) {
    welcome();
    mallory.say(roster(std::move(others)));
    mallory.say(StandingOffers{true, {}});
    mallory.say(Ready{epoch, {10}});
    stage.run(milliseconds(100));
    REQUIRE(anna->role() == Role::member);
    REQUIRE(anna.told<JoinDone>().size() == 1);
  }
  Ordered word(Seq seq, Epoch in, std::string_view text = "word") {
    const mrt::ByteView bytes = mrt::as_bytes(text);
    return {{in, seq},
            {mallory.id(), mallory.life(), seq.value},
            "mallory",
            BroadcastKind::chat,
            {bytes.begin(), bytes.end()},
            mallory.identity().public_key()};
  }
  /// What Anna said, in a place.
  Ordered placed(Seq seq, const Publish& said) {
    return {{epoch, seq},  {anna->id(), said.incarnation, said.number},
            "anna",        said.kind,
            said.body,     anna_entry.key,
            said.signature};
  }

  Stage stage;
  Hostile mallory{stage, remote(3), 3};
  Honest anna{stage, remote(1), 1, "anna"};
  RosterEntry anna_entry;
  const Epoch epoch{5};
};

}  // namespace

TEST_CASE_FIXTURE(Trap, "a supernode that breaks the rules is left, and not followed again") {
  take_in();
  mallory.say(word({11}, {5}));
  stage.run(milliseconds(50));
  REQUIRE(anna.told<ChatDelivered>().size() == 1);
  SUBCASE("by a hole in the order") { mallory.say(word({13}, {5})); }
  SUBCASE("by a place in an unknown epoch") { mallory.say(word({12}, {6})); }
  SUBCASE("by places that go backwards") { mallory.say(word({12}, {4})); }
  SUBCASE("by a word that this node never said") {
    mallory.say(placed({12}, {anna_entry.incarnation, 7, BroadcastKind::chat, {'f'}}));
  }
  SUBCASE("by another word than this node said") {
    anna->chat(stage.now(), {2}, "mine");
    stage.run(milliseconds(20));
    REQUIRE(mallory.heard<Publish>().size() == 1);
    Publish said = mallory.heard<Publish>()[0];
    SUBCASE("text") { said.body = {'f'}; }
    SUBCASE("signature") { said.signature[3] ^= 1; }
    SUBCASE("text, once its own came back") {
      mallory.say(placed({12}, said));
      mallory.say(placed({13}, said));  // as where two stars become one
      stage.run(milliseconds(20));
      CHECK_FALSE(mallory.line().closed);
      said.body = {'f'};
      mallory.say(placed({14}, said));
    }
    mallory.say(placed({12}, said));
  }
  SUBCASE("by a roster without this node") {
    mallory.say(RosterUpdate{epoch, mallory.id(), {2}, true, true, {mallory.entry()}, {}});
  }
  SUBCASE("by removing this node from the roster") {
    mallory.say(
        RosterUpdate{epoch, mallory.id(), {2}, false, true, {}, {{anna->id(), GoneReason::lost}}});
  }
  SUBCASE("by a roster of another's star") {
    mallory.say(RosterUpdate{epoch, anna->id(), {2}, false, true, {}, {}});
  }
  SUBCASE("by a roster of an old epoch") {
    mallory.say(RosterUpdate{{4}, mallory.id(), {2}, false, true, {}, {}});
  }
  SUBCASE("by an epoch out of reach") {
    mallory.say(RosterUpdate{{epoch_max}, mallory.id(), {2}, false, true, {}, {}});
  }
  SUBCASE("by naming a successor who is none") {
    mallory.say(SupernodeClose{{6}, {}, {remote(7)}, CloseReason::left, {11}, secret()});
  }
  SUBCASE("by leaving for an epoch out of reach") {
    mallory.say(SupernodeClose{{epoch_max}, anna->id(), {}, CloseReason::left, {11}, secret()});
  }
  SUBCASE("by a Welcome with another key") { welcome({mrt::Access::open, {}}); }
  SUBCASE("by a Welcome as another") {
    mallory.say(Welcome{epoch, anna->id(), "anna", anna.at(), true, {11}, secret()});
  }
  stage.run(seconds(3));
  CHECK(mallory.is_closed_for_violation());
  CHECK(anna->role() == Role::alone);
  CHECK(anna->network_key() == secret());
  CHECK(anna->is_consistent());
  CHECK(anna.told<ChatDelivered>().size() <= 2);  // its own word is said again, alone

  anna.forget();
  mallory.wait_for_call();
  anna->join(stage.now(), {9}, {mallory.at()}, secret());
  stage.run(milliseconds(100));
  mallory.say(mallory.hello(Purpose::answer));
  mallory.say(Welcome{{900}, mallory.id(), "anna", anna.at(), false, {10}, secret()});
  stage.run(seconds(1));
  CHECK(anna->role() == Role::alone);
  REQUIRE(anna.told<CommandFailed>().size() == 1);
  CHECK(anna.told<CommandFailed>()[0].code == ErrorCode::refused);
}

TEST_CASE_FIXTURE(Trap, "who promises more places than it sends, or than any star has, is left") {
  Welcome said{epoch, mallory.id(), "anna", anna.at(), false, {10}, secret()};
  SUBCASE("than it sends") {}
  SUBCASE("than any star has") { said.delivered = {seq_max}; }
  mallory.say(said);
  mallory.say(roster());
  mallory.say(StandingOffers{true, {}});
  mallory.say(Ready{epoch, {12}});
  stage.run(seconds(1));
  CHECK(mallory.is_closed_for_violation());
}

TEST_CASE_FIXTURE(Trap, "who tells of views beyond the places that it sends is left") {
  // Who believed it would lead others past places that nobody has, once it is the supernode.
  Seq last{10};
  SUBCASE("a view ended where the next one has begun") {}
  SUBCASE("it ended further on") { last = {11}; }
  SUBCASE("far away") { last = {seq_max}; }
  welcome(secret(), {{epoch, mallory.id(), mallory.life(), {10}}, {{4}, {}, {}, last}});
  mallory.say(roster());
  mallory.say(StandingOffers{true, {}});
  mallory.say(Ready{epoch, {10}});
  stage.run(seconds(1));
  CHECK(mallory.is_closed_for_violation() == (last > Seq{10}));
  CHECK((anna->role() == Role::member) == (last == Seq{10}));
}

TEST_CASE_FIXTURE(Trap, "welcomed twice, a member goes on where it was: places never go back") {
  take_in();
  for (uint64_t seq = 11; seq <= 13; ++seq) mallory.say(word({seq}, {5}));
  stage.run(milliseconds(50));
  welcome();  // from place 10 on
  mallory.say(roster());
  mallory.say(StandingOffers{true, {}});
  for (uint64_t seq = 11; seq <= 14; ++seq) mallory.say(word({seq}, {5}, "another"));
  mallory.say(Ready{epoch, {14}});
  stage.run(milliseconds(50));
  const auto chats = anna.told<ChatDelivered>();
  REQUIRE(chats.size() == 4);
  for (size_t i = 1; i < chats.size(); ++i) CHECK(chats[i - 1].place < chats[i].place);
}

TEST_CASE_FIXTURE(Trap, "a Fetch that overtakes the Welcome is refused as busy, not dropped") {
  const Fetch wanted{anna->id(), {}, 3};
  mallory.send_message(encode(wanted));
  stage.run(milliseconds(100));
  REQUIRE(mallory.line().files_heard.size() == 1);
  const auto answer = parse_file_message(mallory.line().files_heard[0]);
  REQUIRE((answer && std::holds_alternative<FetchFailed>(*answer)));
  const auto& refused = std::get<FetchFailed>(*answer);
  CHECK(refused.holder == anna->id());
  CHECK(refused.chunk == wanted.chunk);
  CHECK(refused.fault == FetchFault::busy);
  take_in();
}

TEST_CASE_FIXTURE(Trap, "who asked twice is taken in twice: the second time in a later epoch") {
  take_in();
  for (uint64_t seq = 11; seq <= 13; ++seq) mallory.say(word({seq}, {5}));
  stage.run(milliseconds(50));
  mallory.say(Welcome{{6}, mallory.id(), "anna", anna.at(), false, {10}, secret()});
  RosterUpdate whole = roster();
  whole.epoch = {6};
  mallory.say(whole);
  mallory.say(StandingOffers{true, {}});
  for (uint64_t seq = 11; seq <= 13; ++seq) mallory.say(word({seq}, {5}));
  mallory.say(Ready{{6}, {13}});
  mallory.say(word({14}, {6}));
  stage.run(milliseconds(50));
  CHECK_FALSE(mallory.line().closed);
  CHECK(anna->role() == Role::member);
  CHECK(anna->epoch() == Epoch{6});
  CHECK(anna.told<ChatDelivered>().size() == 4);
  CHECK(anna.told<GapFound>().empty());
}

TEST_CASE_FIXTURE(Trap, "what came with the news of a new epoch is told before it") {
  take_in();
  mallory.say(word({11}, {5}));
  mallory.say(RosterUpdate{{6}, mallory.id(), {2}, false, true, {mallory.entry()}, {}});
  mallory.say(word({12}, {6}));
  stage.run(milliseconds(50));
  CHECK(anna->epoch() == Epoch{6});
  CHECK(anna.told<ChatDelivered>().size() == 2);
}

TEST_CASE_FIXTURE(Trap, "told of a new epoch, the first successor says anew what it holds") {
  take_in();
  mallory.say(word({11}, {5}));
  stage.run(milliseconds(50));
  REQUIRE(mallory.heard<Holds>().size() == 2);  // Ready's place, and this one
  mallory.say(RosterUpdate{{6}, mallory.id(), {2}, false, true, {mallory.entry()}, {}});
  stage.run(milliseconds(50));
  REQUIRE(mallory.heard<Holds>().size() == 3);
  CHECK(mallory.heard<Holds>().back().epoch == Epoch{6});
  CHECK(mallory.heard<Holds>().back().seq == Seq{11});
}

TEST_CASE("a Welcome into a namesake of the own epoch is answered by asking again") {
  Stage stage;
  Hostile mallory{stage, remote(3), 3};
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  mallory.wait_for_call();
  anna->join(stage.now(), {1}, {mallory.at()}, secret());
  stage.run(milliseconds(100));
  REQUIRE(mallory.heard<Hello>().size() == 1);
  mallory.say(mallory.hello(Purpose::answer));
  mallory.say(Welcome{anna->epoch(), mallory.id(), "anna", anna.at(), true, {0}, secret()});
  stage.run(milliseconds(200));
  CHECK(anna->supernode() == anna->id());
  CHECK(mallory.heard<Hello>().size() == 2);
}

TEST_CASE_FIXTURE(Trap, "one that was gathered and begins too late breaks no rule") {
  Hostile kate{stage, remote(4), 4};
  RosterEntry heir = kate.entry();
  heir.nick = "kate";
  heir.rank = 2;
  take_in({heir});
  kate.call(anna.at());
  kate.say(kate.hello(Purpose::warm));
  stage.run(milliseconds(50));
  mallory.say(SupernodeClose{{6}, kate.id(), {kate.at()}, CloseReason::handover, {10}, secret()});
  stage.run(milliseconds(2000));  // it is given up for the next one
  REQUIRE(kate.heard<Survivor>().size() == 1);
  REQUIRE_FALSE(kate.line().closed);
  kate.say(Welcome{{6}, kate.id(), "anna", anna.at(), true, {10}, secret()});
  stage.run(milliseconds(100));
  CHECK(kate.line().closed == mrt::CloseCode{0x101});
}

TEST_CASE("one that is not asked yet is greeted before anything else is said to it") {
  Stage stage;
  Hostile mallory{stage, remote(3), 3};
  Hostile kate{stage, remote(4), 4};
  Honest anna{stage, remote(1), 1, "anna"};
  mallory.wait_for_call();
  kate.wait_for_call();
  anna->join(stage.now(), {1}, {mallory.at(), kate.at()}, secret());
  stage.run(milliseconds(50));
  Hostile& asked = mallory.heard<Hello>().empty() ? kate : mallory;
  Hostile& waiting = &asked == &kate ? mallory : kate;
  REQUIRE(asked.heard<Hello>().size() == 1);
  REQUIRE(waiting.heard<Hello>().empty());
  waiting.say(waiting.hello(Purpose::warm));
  stage.run(milliseconds(50));
  CHECK(waiting.heard<Hello>().size() == 1);
}

TEST_CASE_FIXTURE(Trap, "who was gathered takes nothing more of the supernode before") {
  Hostile kate{stage, remote(4), 4};
  RosterEntry heir = kate.entry();
  heir.nick = "kate";
  heir.rank = 2;
  const SupernodeClose goes{{6}, kate.id(), {kate.at()}, CloseReason::handover, {10}, secret()};
  SUBCASE("no other successor") {
    take_in({heir});
    kate.call(anna.at());
    kate.say(kate.hello(Purpose::warm));
    stage.run(milliseconds(50));
    mallory.say(goes);
    mallory.say(SupernodeClose{{7}, anna->id(), {}, CloseReason::handover, {10}, secret()});
  }
  SUBCASE("no place and no Ready, where it had none yet") {
    welcome();
    mallory.say(roster({heir}));
    kate.call(anna.at());
    kate.say(kate.hello(Purpose::warm));
    stage.run(milliseconds(50));
    mallory.say(goes);
    mallory.say(word({11}, {5}));
    mallory.say(Ready{epoch, {11}});
  }
  SUBCASE("not taken in once more") {
    take_in({heir});
    kate.call(anna.at());
    kate.say(kate.hello(Purpose::warm));
    stage.run(milliseconds(50));
    mallory.say(goes);
    mallory.say(Welcome{epoch, mallory.id(), "anna", anna.at(), true, {10}, secret()});
  }
  stage.run(milliseconds(100));
  REQUIRE(kate.heard<Survivor>().size() == 1);
  CHECK(kate.heard<Survivor>()[0].delivered == Seq{10});
  kate.say(Welcome{{6}, kate.id(), "anna", anna.at(), true, {10}, secret()});
  heir.rank = 0;
  kate.say(RosterUpdate{{6}, kate.id(), {1}, true, true, {heir, anna_entry}, {}});
  kate.say(StandingOffers{true, {}});
  kate.say(Ready{{6}, {10}});
  stage.run(milliseconds(100));
  CHECK(anna->supernode() == kate.id());
  CHECK(anna->epoch() == Epoch{6});
  CHECK(anna.told<ChatDelivered>().empty());
}

TEST_CASE_FIXTURE(Trap, "nobody is told down: a star asks for the secret that was shown") {
  SUBCASE("not for none") { welcome({mrt::Access::open, {}}); }
  SUBCASE("not for another") { welcome(secret(1)); }
  SUBCASE("not for a password") { welcome({mrt::Access::password, {}}); }
  stage.run(milliseconds(300));
  CHECK(mallory.is_closed_for_violation());
  CHECK(anna->role() == Role::alone);
  CHECK(anna.told<AccessChanged>().empty());
}

TEST_CASE_FIXTURE(Trap, "a member is not led to a star that asks for less, nor for a password") {
  take_in();
  anna.forget();
  SUBCASE("an open one") {
    mallory.say(SupernodeClose{{9}, {}, {remote(7)}, CloseReason::merged, {10}, {}});
  }
  SUBCASE("one with a password") {
    mallory.say(SupernodeClose{
        {9}, {}, {remote(7)}, CloseReason::merged, {10}, {mrt::Access::password, {}}});
  }
  stage.run(seconds(3));
  CHECK(stage.sent_to(remote(7)) == 0);
  CHECK(anna->role() == Role::alone);
  CHECK(anna.told<AccessChanged>().empty());
}

TEST_CASE_FIXTURE(Trap, "led elsewhere again and again, a member calls only the first") {
  take_in();
  for (uint8_t host = 100; host < 130; ++host) {
    mallory.say(SupernodeClose{{9}, {}, {remote(host)}, CloseReason::merged, {10}, secret()});
  }
  stage.run(seconds(1));
  CHECK(stage.sent_to(remote(100)) > 0);
  for (uint8_t host = 101; host < 130; ++host) CHECK(stage.sent_to(remote(host)) == 0);
}

TEST_CASE_FIXTURE(Trap, "a supernode says of nobody that he offers what he does not") {
  welcome();
  mallory.say(roster());
  const Offer lie{"anna's secrets.txt", 5, FileHash{{1}}};
  mallory.say(StandingOffers{true, {{anna->id(), lie}, {NodeId{{7}}, lie}}});
  mallory.say(Ready{epoch, {10}});
  stage.run(milliseconds(100));
  CHECK(anna->role() == Role::member);
  CHECK(anna->files().empty());
}

TEST_CASE_FIXTURE(Trap, "an offer counts for the life that made it, and from Ready on") {
  const mrt::Identity carl(seed(4));
  const RosterEntry entry{node_id_of(carl.public_key()), {44}, "carl", {}, 2, 0, carl.public_key()};
  const auto offer = [&](Seq seq, Incarnation life) {
    const mrt::Bytes body = encode_offer({"carl.txt", 5, FileHash{{1}}});
    return Ordered{{epoch, seq}, {entry.node, life, seq.value}, "carl", BroadcastKind::offer, body,
                   entry.key};
  };
  take_in({entry});
  mallory.say(offer({11}, {43}));  // of a life that has gone
  stage.run(milliseconds(50));
  CHECK(anna->files().empty());
  welcome();
  mallory.say(roster({entry}));
  mallory.say(StandingOffers{true, {}});
  mallory.say(offer({12}, {44}));  // withdrawn since: the list says how things are now
  mallory.say(Ready{epoch, {12}});
  stage.run(milliseconds(50));
  CHECK(anna->files().empty());
  mallory.say(offer({13}, {44}));
  stage.run(milliseconds(50));
  CHECK(anna->files().size() == 1);
}

TEST_CASE_FIXTURE(Trap, "a relay can drop a private message, and neither change nor repeat it") {
  const mrt::Identity carl(seed(4));
  const RosterEntry entry{node_id_of(carl.public_key()), {44}, "carl", {}, 2, 0, carl.public_key()};
  take_in({entry});
  const TellEnd to{anna_entry.key, anna_entry.incarnation};
  const mrt::SecretArray<32> ephemeral(seed(5));
  const Tell message = seal_tell(carl, {44}, to, 3, "psst", ephemeral).value();
  const auto results = [&] {
    stage.run(milliseconds(50));
    return mallory.heard<TellResult>();
  };
  mallory.say(message);
  REQUIRE(results().size() == 1);
  CHECK(results().back().delivered);
  REQUIRE(anna.told<TellDelivered>().size() == 1);
  CHECK(anna.told<TellDelivered>()[0].text == "psst");
  CHECK(anna.told<TellDelivered>()[0].nick == "carl");

  SUBCASE("repeated") { mallory.say(message); }
  SUBCASE("an older one") { mallory.say(seal_tell(carl, {44}, to, 2, "old", ephemeral).value()); }
  SUBCASE("changed") {
    Tell changed = message;
    changed.number = 4;
    changed.sealed[3] ^= 1;
    mallory.say(changed);
  }
  SUBCASE("with a number of its own") {
    Tell changed = message;
    changed.number = 4;
    mallory.say(changed);
  }
  SUBCASE("of its own, in another's name") {
    Tell forged = seal_tell(mallory.identity(), {44}, to, 4, "psst", ephemeral).value();
    forged.from = entry.node;
    mallory.say(forged);
  }
  SUBCASE("for another life of the receiver") {
    mallory.say(seal_tell(carl, {44}, {to.key, {1}}, 4, "psst", ephemeral).value());
  }
  SUBCASE("of somebody who is not here") {
    mallory.say(seal_tell(mrt::Identity(seed(6)), {1}, to, 1, "psst", ephemeral).value());
  }
  SUBCASE("sent back to its sender") {
    anna->tell(stage.now(), {8}, "carl", "mine");
    stage.run(milliseconds(50));
    Tell back = mallory.heard<Tell>().at(0);
    std::swap(back.from, back.to);
    mallory.say(back);
  }
  REQUIRE(results().size() == 2);
  CHECK_FALSE(results().back().delivered);
  CHECK(anna.told<TellDelivered>().size() == 1);
}

TEST_CASE_FIXTURE(Trap, "a private message is for the key whose fingerprint the node is") {
  const mrt::Identity carl(seed(4));
  take_in({{node_id_of(carl.public_key()), {44}, "carl", {}, 2, 0, carl.public_key()}});
  anna->tell(stage.now(), {8}, "carl", "psst");
  stage.run(milliseconds(50));
  const Tell sent = mallory.heard<Tell>().at(0);
  const TellEnd from{anna_entry.key, anna_entry.incarnation};
  CHECK(open_tell(carl, {44}, from, sent) == "psst");
  CHECK_FALSE(open_tell(mallory.identity(), {44}, from, sent));
  // What the supernode answers in Carl's place is believed: it cannot be told apart.
  mallory.say(TellResult{anna->id(), node_id_of(carl.public_key()), sent.number, false});
  stage.run(milliseconds(50));
  CHECK(anna.told<CommandFailed>().size() == 1);
}

TEST_CASE_FIXTURE(Trap,
                  "private messages that wait for an answer are given up with the supernode") {
  const mrt::Identity carl(seed(4));
  take_in({{node_id_of(carl.public_key()), {44}, "carl", {}, 2, 0, carl.public_key()}});
  anna.forget();
  anna->tell(stage.now(), {8}, "carl", "psst");
  stage.run(milliseconds(50));
  mallory.say(word({99}, {5}));  // it is left
  stage.run(seconds(12));
  REQUIRE(anna.told<CommandFailed>().size() == 1);
  CHECK(anna.told<CommandFailed>()[0].command == CommandId{8});
}
