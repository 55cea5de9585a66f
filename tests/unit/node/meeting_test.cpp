// SPDX-License-Identifier: MIT
//
// Whom a supernode looks for after they have gone (OVERLAY.md 6.7).
#include <doctest/doctest.h>

#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::seconds;

TEST_CASE("a member that closes without a goodbye is looked for, and no other") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile bert{stage, remote(2), 2};
  bert.join(anna.at());
  bool is_sought = false;
  mrt::CloseCode code{};
  SUBCASE("it gave its question up before it knew the answer") {
    code = mrt::CloseCode{0x100};
    is_sought = true;
  }
  SUBCASE("it follows another") {
    code = mrt::CloseCode{0x101};
    is_sought = true;
  }
  SUBCASE("it leaves") { code = mrt::CloseCode{0x103}; }
  SUBCASE("it says that a rule was broken") { code = mrt::CloseCode{0x104}; }
  bert.hang_up(code);
  bert.wait_for_call();
  stage.run(seconds(1));
  REQUIRE(bert.is_called() == is_sought);
  REQUIRE(anna->peers().size() == 1);
  if (is_sought) CHECK(bert.heard<Hello>().front().purpose == Purpose::meet);
}
