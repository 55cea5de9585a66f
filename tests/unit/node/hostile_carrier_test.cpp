// SPDX-License-Identifier: MIT
//
// What a member can make a star believe that one who is not here has said, and cannot
// (OVERLAY.md 3.8).
#include <doctest/doctest.h>

#include <algorithm>

#include "node/broadcast_proof.h"
#include "node/speech_limits.h"
#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// Anna's star with Bert. Mallory was in its line before; Carl is not here, and did speak.
struct Carriers {
  Carriers() {
    REQUIRE(bert.join(anna.at()));
    anna->chat(stage.now(), {1}, "before");
    mallory.join(anna.at());
    come_back();
  }

  /// Mallory joins as one who knows the star's views.
  void come_back() {
    Hello again = mallory.hello(Purpose::join);
    again.line = mallory.heard<Welcome>().back().line;
    mallory.say(again);
    stage.run(milliseconds(100));
    REQUIRE(mallory.heard<Welcome>().back().resumed);
    bert.forget();
    anna.forget();
    // What it says in its keep-alives it has from its Welcome.
    std::erase_if(mallory.line().heard,
                  [](const Message& m) { return std::holds_alternative<Ordered>(m); });
  }
  Ordered said(uint64_t number, std::string_view text = "true", std::string_view network = "stage",
               BroadcastKind kind = BroadcastKind::chat) const {
    const mrt::ByteView bytes = mrt::as_bytes(text);
    Publish own{{44}, number, kind, {bytes.begin(), bytes.end()}};
    own.signature = sign_broadcast({carl, network}, own);
    const MessageId id{node_id_of(carl.public_key()), own.incarnation, number};
    return {{{1}, {1}}, id, "carl", kind, own.body, carl.public_key(), own.signature};
  }
  std::vector<std::string> heard_by_bert() const {
    std::vector<std::string> out;
    for (const ChatDelivered& chat : bert.told<ChatDelivered>()) {
      out.push_back(chat.nick + ": " + chat.text);
    }
    return out;
  }
  using Texts = std::vector<std::string>;

  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Honest bert{stage, remote(2), 2, "bert"};
  Hostile mallory{stage, remote(3), 3};
  const mrt::Identity carl{seed(4)};
};

}  // namespace

TEST_CASE_FIXTURE(Carriers, "what one who is away has signed gets its place, and keeps its proof") {
  mallory.say(Carried{said(1)});
  mallory.say(Carried{said(2, "too")});
  mallory.say(Carried{said(1)});
  stage.run(milliseconds(300));
  CHECK(heard_by_bert() == Texts{"carl: true", "carl: too"});
  const auto placed = mallory.heard<Ordered>();
  REQUIRE(placed.size() == 2);
  for (const Ordered& message : placed) CHECK(is_proven(message, "stage"));
}

TEST_CASE_FIXTURE(Carriers, "what is said by those who are here can be proven later") {
  bert->chat(stage.now(), {2}, "by a member");
  anna->chat(stage.now(), {3}, "by the supernode");
  stage.run(milliseconds(300));
  const auto placed = mallory.heard<Ordered>();
  REQUIRE(placed.size() == 2);
  for (const Ordered& message : placed) CHECK(is_proven(message, "stage"));
}

TEST_CASE_FIXTURE(Carriers, "nobody puts words into the mouth of one who is away") {
  Ordered forged = said(1);
  SUBCASE("unsigned") { forged.signature = {}; }
  SUBCASE("other words") { forged.body = {'f'}; }
  SUBCASE("as another number") { forged.id.number = 2; }
  SUBCASE("as of another life") { forged.id.incarnation = {45}; }
  SUBCASE("as another kind") {
    forged = said(1, mrt::as_text(encode_offer({"carl.txt", 5, {}})));
    forged.kind = BroadcastKind::offer;
  }
  SUBCASE("said in another network") { forged = said(1, "true", "elsewhere"); }
  SUBCASE("signed by another") {
    const Publish own{{44}, 1, forged.kind, forged.body};
    forged.signature = sign_broadcast({mallory.identity(), "stage"}, own);
  }
  mallory.say(Carried{forged});
  stage.run(milliseconds(300));
  CHECK(heard_by_bert().empty());
  CHECK(anna.told<ChatDelivered>().empty());
  CHECK(mallory.heard<Ordered>().empty());
  CHECK(anna.told<Noted>().size() == 1);
  // It may have been deceived itself; and what is true is taken after it.
  CHECK_FALSE(mallory.line().closed);
  mallory.say(Carried{said(1)});
  stage.run(milliseconds(300));
  CHECK(heard_by_bert() == Texts{"carl: true"});
}

TEST_CASE_FIXTURE(Carriers, "what no message says is not carried, signed or not") {
  mallory.say(Carried{said(0)});
  mallory.say(Carried{said(1, "h\xff")});
  mallory.say(Carried{said(1, "no offer", "stage", BroadcastKind::offer)});
  stage.run(milliseconds(300));
  CHECK(heard_by_bert().empty());
  CHECK(mallory.heard<Ordered>().empty());
  // Its supernode may have told it so.
  CHECK_FALSE(mallory.line().closed);
}

TEST_CASE_FIXTURE(Carriers, "what a newcomer had placed as a supernode, and comes late, is not carried") {
  mallory.say(said(2, "too"));
  mallory.say(Carried{said(1)});
  mallory.say(Carried{said(2, "too")});
  stage.run(milliseconds(300));
  CHECK(heard_by_bert() == Texts{"carl: true", "carl: too"});
}

TEST_CASE_FIXTURE(Carriers, "who was never in this line carries nothing") {
  Hostile trudy{stage, remote(5), 5};
  trudy.join(anna.at());
  trudy.say(Carried{said(1)});
  stage.run(milliseconds(300));
  CHECK(heard_by_bert().empty());
}

TEST_CASE_FIXTURE(Carriers, "who is carried is taken for nobody who is here") {
  Ordered renamed = said(1);
  renamed.nick = "bert";
  mallory.say(Carried{renamed});
  stage.run(milliseconds(300));
  CHECK(heard_by_bert() == Texts{"bert-2: true"});
}

TEST_CASE_FIXTURE(Carriers,
                  "a hostile carrier has no more proven than its share, others do not wait") {
  // Each with another forged text: nothing is known from before.
  constexpr size_t count = 2'000;
  Ordered forged = said(1);
  for (uint64_t i = 1; i <= count; ++i) {
    forged.body = {static_cast<uint8_t>('a' + i % 26)};
    mallory.say(Carried{forged});
  }
  mallory.say(Publish{mallory.life(), 1, BroadcastKind::chat, {'m'}});
  stage.run(milliseconds(1'500));
  CHECK(heard_by_bert().empty());  // 20 at once, and 1,000 a second
  anna->chat(stage.now(), {2}, "and I?");
  stage.run(milliseconds(100));
  CHECK(heard_by_bert() == Texts{"anna: and I?"});
  stage.run(milliseconds(700));
  CHECK(heard_by_bert() == Texts{"anna: and I?", "mallory: m"});
  CHECK(anna.told<Noted>().size() == 1);
}

TEST_CASE_FIXTURE(Carriers, "a long text counts for what it costs to prove") {
  Ordered forged = said(1, std::string(text_bytes_max, 'x'));
  forged.signature = {};
  for (int i = 0; i < 240; ++i) mallory.say(Carried{forged});  // five each: 1,200
  mallory.say(Publish{mallory.life(), 1, BroadcastKind::chat, {'m'}});
  stage.run(milliseconds(900));
  CHECK(heard_by_bert().empty());
  stage.run(milliseconds(1'000));
  CHECK(heard_by_bert() == Texts{"mallory: m"});
}

TEST_CASE_FIXTURE(Carriers, "what is known already is not proven once more") {
  for (int i = 0; i < 2'000; ++i) mallory.say(Carried{said(1)});
  mallory.say(Publish{mallory.life(), 1, BroadcastKind::chat, {'m'}});
  stage.run(milliseconds(500));  // within what a member may say
  CHECK(heard_by_bert() == Texts{"carl: true", "mallory: m"});
}
