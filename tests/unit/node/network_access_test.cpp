// SPDX-License-Identifier: MIT
#include "node/network_access.h"

#include <doctest/doctest.h>

#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using mrt::Access;
using mrt::NetworkKey;
using std::chrono::milliseconds;
using std::chrono::seconds;

static const NetworkKey open_key{Access::open, {}};
static const NetworkKey password{Access::password, {'p', 'w'}};
static const NetworkKey other_password{Access::password, {'q'}};

TEST_CASE("a password is told to nobody") {
  CHECK(told_key(password) == NetworkKey{Access::password, {}});
  CHECK(told_key(secret()) == secret());
  CHECK(told_key(open_key) == open_key);
}

TEST_CASE("what is told of a star's key must be what was shown; a guest is told it") {
  const NetworkKey own = secret(1);
  CHECK(key_of_star(own, password, told_key(password), true) == password);
  CHECK_FALSE(key_of_star(own, password, open_key, true));
  CHECK_FALSE(key_of_star(own, password, secret(2), true));
  CHECK_FALSE(key_of_star(own, password, own, true));
  CHECK(key_of_star(own, secret(2), secret(2), true) == secret(2));
  CHECK_FALSE(key_of_star(own, secret(2), secret(3), true));
  CHECK_FALSE(key_of_star(own, secret(2), open_key, true));
  CHECK(key_of_star(own, open_key, secret(2), true) == secret(2));
  CHECK(key_of_star(own, open_key, open_key, true) == open_key);
  CHECK_FALSE(key_of_star(own, open_key, told_key(password), true));
  CHECK_FALSE(key_of_star(own, open_key, secret(2), false));
  CHECK(key_of_star(own, open_key, open_key, false) == open_key);
  // An old connection within a star that has another key by now.
  CHECK(key_of_star(secret(2), secret(1), secret(2), true) == secret(2));
  CHECK_FALSE(key_of_star(open_key, secret(1), open_key, true));
}

TEST_CASE("nobody follows to a star that asks for less") {
  CHECK(key_to_follow(secret(1), secret(2)) == secret(2));
  CHECK_FALSE(key_to_follow(secret(1), open_key));
  CHECK_FALSE(key_to_follow(secret(1), told_key(password)));
  CHECK(key_to_follow(password, told_key(password)) == password);
  CHECK_FALSE(key_to_follow(password, secret(1)));
  CHECK(key_to_follow(open_key, secret(1)) == secret(1));
}

TEST_CASE("of several failures the one of the key is told") {
  const JoinFailure key{ErrorCode::auth, ""};
  const JoinFailure full{ErrorCode::refused, ""};
  const JoinFailure nobody{ErrorCode::unreachable, ""};
  CHECK(is_more_telling(key, full));
  CHECK(is_more_telling(full, nobody));
  CHECK_FALSE(is_more_telling(nobody, key));
  CHECK_FALSE(is_more_telling(key, key));
}

TEST_CASE("a guest over loopback is handed the secret, and shows it from then on") {
  Stage stage;
  Honest anna(stage, local(1), 1, "anna", secret(1), true);
  Honest bert(stage, local(2), 2, "bert", secret(2));
  REQUIRE(bert.join(anna.at()));
  CHECK(bert->network_key() == secret(1));
  REQUIRE(bert.told<AccessChanged>().size() == 1);
  CHECK(bert.told<AccessChanged>()[0].access == Access::secret);
  // Through a member, too: the third is led on, with the key to call with.
  Honest carl(stage, local(3), 3, "carl", secret(3));
  REQUIRE(carl.join(bert.at()));
  CHECK(carl->network_key() == secret(1));
  CHECK(carl->supernode() == anna->id());
}

TEST_CASE("an invite's secret is the node's own once it is in") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(1), true);
  Honest bert(stage, remote(2), 2, "bert", secret(2));
  CHECK_FALSE(bert.join(anna.at()));
  CHECK(bert.told<CommandFailed>().back().code == ErrorCode::auth);
  CHECK_FALSE(bert.told<CommandFailed>().back().password_asked);
  CHECK(bert->network_key() == secret(2));
  REQUIRE(bert.join(anna.at(), secret(1)));
  CHECK(bert->network_key() == secret(1));
  // Others come in by it through either of them.
  Honest carl(stage, remote(3), 3, "carl", secret(3));
  CHECK(carl.join(bert.at(), secret(1)));
}

TEST_CASE("a password is asked for where none or a wrong one was shown") {
  Stage stage;
  Honest anna(stage, local(1), 1, "anna", password, true);
  Honest bert(stage, local(2), 2, "bert", secret(2));
  for (const auto& key : {std::optional<NetworkKey>(), std::optional(other_password)}) {
    CHECK_FALSE(bert.join(anna.at(), key));
    CHECK(bert.told<CommandFailed>().back().code == ErrorCode::auth);
    CHECK(bert.told<CommandFailed>().back().password_asked);
  }
  REQUIRE(bert.join(anna.at(), password));
  CHECK(bert->network_key() == password);
}

TEST_CASE("an open network is joined by who says so") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", open_key, true);
  Honest bert(stage, remote(2), 2, "bert", secret(2));
  CHECK_FALSE(bert.join(anna.at()));
  CHECK(bert.told<CommandFailed>().back().code == ErrorCode::auth);
  REQUIRE(bert.join(anna.at(), open_key));
  CHECK(bert->network_key() == open_key);
  REQUIRE(bert.told<AccessChanged>().size() == 1);
}

TEST_CASE("one candidate's wrong key ends no search, and is what is told in the end") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(1), true);
  Honest dora(stage, remote(4), 4, "dora", secret(4), true);
  Honest bert(stage, remote(2), 2, "bert", secret(2));
  bert->join(stage.now(), {70}, {remote(99), dora.at(), anna.at()}, secret(1));
  stage.run(seconds(1));
  REQUIRE(bert.told<JoinDone>().size() == 1);
  CHECK(bert->supernode() == anna->id());

  Honest carl(stage, remote(3), 3, "carl", secret(3));
  carl->join(stage.now(), {71}, {remote(99), dora.at()}, secret(1));
  stage.run(seconds(1));
  CHECK(carl.told<CommandFailed>().empty());  // the other one may still answer
  stage.run(seconds(10));
  REQUIRE(carl.told<CommandFailed>().size() == 1);
  CHECK(carl.told<CommandFailed>()[0].code == ErrorCode::auth);
}

TEST_CASE("a star follows its supernode to another one, with that one's secret") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(1), true);
  Honest bert(stage, remote(2), 2, "bert", secret(1));
  Honest xara(stage, remote(11), 11, "xara", secret(7), true);
  REQUIRE(bert.join(anna.at()));
  SUBCASE("asked by its own user") { CHECK(anna.join(xara.at(), secret(7))); }
  SUBCASE("asked by a member's") { CHECK(bert.join(xara.at(), secret(7))); }
  stage.run(seconds(2));
  for (Honest* one : {&anna, &bert, &xara}) {
    CHECK((*one)->supernode() == xara->id());
    CHECK((*one)->network_key() == secret(7));
    CHECK((*one)->peers().size() == 3);
  }
}

TEST_CASE("a member's user has no star moved to one that asks for less") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(1), true);
  Honest bert(stage, remote(2), 2, "bert", secret(1));
  Honest xara(stage, remote(11), 11, "xara", open_key, true);
  REQUIRE(bert.join(anna.at()));
  CHECK_FALSE(bert.join(xara.at(), open_key));
  CHECK(bert.told<CommandFailed>().back().code == ErrorCode::auth);
  CHECK_FALSE(bert.join(xara.at(), password));  // which is not handed to the supernode
  CHECK(bert.told<CommandFailed>().back().code == ErrorCode::refused);
  CHECK(anna->network_key() == secret(1));
  CHECK(bert->supernode() == anna->id());
}

TEST_CASE("who does not follow its supernode to another network goes on without it") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(1), true);
  Honest bert(stage, remote(2), 2, "bert", secret(1));
  Honest carl(stage, remote(3), 3, "carl", secret(1));
  Honest xara(stage, remote(11), 11, "xara", open_key, true);
  REQUIRE(bert.join(anna.at()));
  REQUIRE(carl.join(anna.at()));
  CHECK(anna.join(xara.at(), open_key));
  stage.run(seconds(15));
  CHECK(anna->network_key() == open_key);
  CHECK(bert->network_key() == secret(1));
  CHECK(bert->peers().size() == 2);
  CHECK(carl->supernode() == bert->supernode());
}
