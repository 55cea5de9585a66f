// SPDX-License-Identifier: MIT
#include "node/sim/timeline.h"

#include <doctest/doctest.h>

#include "node/sim/time_axis.h"
#include "node/sim/timeline_picture.h"

using namespace std::chrono_literals;
using mrt::Duration;
using mrt::Instant;
using namespace node;
using namespace node::sim;

namespace {

NodeId id(uint8_t seat) { return {{static_cast<uint8_t>(seat + 1)}}; }
Instant at(Duration time) { return Instant{} + time; }

/// Two nodes: n0 leads epoch 1, n1 joins and says a thing that both hear.
struct Two {
  Two() {
    for (const size_t seat : {0U, 1U}) {
      timeline.on_deed(at(0s), {Deed::Kind::starts, {seat}, "starts"});
    }
    role(0s, 0, Role::supernode, 1, 0);
    role(10ms, 1, Role::member, 1, 0);
    timeline.on_deed(at(500ms), {Deed::Kind::says, {1}, "hi #1"});
    for (const size_t seat : {0U, 1U}) {
      timeline.on_event(at(510ms), seat, ChatDelivered{id(1), "n1", "hi #1", {}, {}, false});
    }
  }
  void role(Duration time, size_t seat, Role role, uint64_t epoch, uint8_t supernode) {
    timeline.on_event(at(time), seat, RoleChanged{role, Epoch{epoch}, id(supernode)});
  }
  void die_and_come_again() {
    timeline.on_deed(at(1s), {Deed::Kind::killed, {0}, "n0 is killed"});
    role(1400ms, 1, Role::alone, 2, 1);
    timeline.on_event(at(1400ms), 1,
                      Migrated{id(0), id(1), Epoch{2}, MigrationReason::lost, 100ms});
    timeline.on_deed(at(2s), {Deed::Kind::starts, {0}, "starts"});
    role(2s, 0, Role::supernode, 1, 0);
  }
  std::string picture(const std::optional<Violation>& violation = {}) const {
    return draw(timeline, {"two & two", "delay 1 ms", "thuban sim"}, at(3s), violation);
  }

  Timeline timeline{{{id(0), "n0"}, {id(1), "n1"}}};
};

size_t count(const std::string& text, std::string_view part) {
  size_t found = 0;
  for (size_t from = 0; (from = text.find(part, from)) != std::string::npos; ++from) ++found;
  return found;
}

}  // namespace

TEST_CASE(
    "a life ends with its stay and its frost, and the same epoch of the next is another view") {
  Two two;
  two.timeline.on_deed(at(900ms), {Deed::Kind::frozen, {0}, "n0 is frozen"});
  two.die_and_come_again();
  const Timeline::Row& row = two.timeline.rows()[0];
  REQUIRE(row.lives.size() == 2);
  CHECK(row.lives[0].to == at(1s));
  CHECK(row.lives[1].to == mrt::never);
  CHECK(row.frozen[0].to == at(1s));
  CHECK(row.stays[0].span.to == at(1s));
  CHECK(row.killed == std::vector{at(1s)});
  CHECK(two.timeline.seat_of_life() == std::vector<size_t>{0, 1, 0});
  const auto& views = two.timeline.views();
  REQUIRE(views.size() == 3);
  CHECK(views[0].epoch == views[2].epoch);
  CHECK(views[1].reason == "lost");
  CHECK(views[1].followers == 1);
  CHECK(views[1].slowest == 100ms);
  CHECK(two.timeline.rows()[1].unserved[0].from == at(1300ms));
}

TEST_CASE("who quits ends when it has stopped, and a cut when it is healed") {
  Two two;
  two.timeline.on_deed(at(1s), {Deed::Kind::divided, {1}, "the network is cut"});
  two.timeline.on_deed(at(1s), {Deed::Kind::cut, {0, 1}, "nothing gets from n0 to n1"});
  two.timeline.on_deed(at(2s), {Deed::Kind::healed, {}, "all cuts are healed"});
  two.timeline.on_deed(at(2s), {Deed::Kind::healed, {}, "all cuts are healed"});
  two.timeline.on_event(at(2500ms), 1, Stopped{"quit"});
  const auto& rows = two.timeline.rows();
  CHECK(rows[0].cut_off.empty());
  CHECK(rows[0].unheard[0].to == at(2s));
  CHECK(rows[1].cut_off[0].to == at(2s));
  CHECK(rows[1].lives[0].to == at(2500ms));
  CHECK(rows[1].killed.empty());
  CHECK(two.timeline.weather().size() == 3);  // what was whole already is no news
}

TEST_CASE("a message is known by its text, with all who heard it") {
  const Two two;
  REQUIRE(two.timeline.messages().size() == 1);
  const Timeline::Message& message = two.timeline.messages()[0];
  CHECK(message.sender == 1);
  CHECK(message.at == at(500ms));
  CHECK(message.heard.size() == 2);
  CHECK(two.timeline.rows()[0].heard == std::vector{at(510ms)});
}

TEST_CASE("the picture names nodes and epochs, escapes words and is the same each time") {
  Two two;
  two.die_and_come_again();
  const std::string picture = two.picture();
  CHECK(picture.starts_with("<svg "));
  CHECK(picture.ends_with("</svg>\n"));
  CHECK(count(picture, "<text") == count(picture, "</text>"));
  CHECK(picture.find("two &amp; two") != std::string::npos);
  CHECK(picture.find("two & two") == std::string::npos);
  CHECK(picture.find(">n1<") != std::string::npos);
  CHECK(picture.find(">epoch 2<") != std::string::npos);
  CHECK(picture.find(">1: n0<") != std::string::npos);
  CHECK(picture.find("2: n1 from 1.4 s (lost; 1 came, the last in 100 ms)") != std::string::npos);
  CHECK(picture.find("All rules kept") != std::string::npos);
  CHECK(picture == two.picture());
}

TEST_CASE("a broken rule shows with its node and the way of the message that it is about") {
  const Two two;
  const Violation violation{{"n0 heard \"hi #1\" <twice>", {Life{0}}, {0}}, at(2s)};
  const std::string picture = two.picture(violation);
  CHECK(picture.find("Rule broken at 2 s: n0 heard \"hi #1\" &lt;twice&gt;") != std::string::npos);
  CHECK(picture.find("Message A was said by n1 at 0.5 s, and heard by n0, n1.") !=
        std::string::npos);
  CHECK(picture.find("All rules kept") == std::string::npos);
  // What the checker names and the timeline does not know is passed over.
  CHECK_NOTHROW(two.picture(Violation{{"?", {Life{9}}, {9}}, at(9s)}));
}

TEST_CASE("however many nodes and however long the run, the picture is bounded") {
  std::vector<TimelineSeat> seats;
  for (uint8_t seat = 0; seat < 200; ++seat) seats.push_back({id(seat), "n"});
  Timeline timeline(seats);
  for (size_t seat = 0; seat < 200; ++seat) {
    timeline.on_deed(at(0s), {Deed::Kind::starts, {seat}, ""});
  }
  for (int i = 1; i < 3'000; ++i) {
    for (size_t seat = 0; seat < 200; ++seat) {
      timeline.on_event(at(i * 1s), seat,
                        RoleChanged{Role::member, Epoch{static_cast<uint64_t>(i)}, id(0)});
      timeline.on_deed(at(i * 1s), {Deed::Kind::frozen, {seat}, ""});
      timeline.on_deed(at(i * 1s + 500ms), {Deed::Kind::thaws, {seat}, ""});
    }
    timeline.on_deed(at(i * 1s), {Deed::Kind::links, {}, "links " + std::to_string(i)});
  }
  CHECK(draw(timeline, {"long", "", ""}, at(3'000s), {}).size() < 12'000'000);
}

TEST_CASE("an axis never runs back, folds pauses, and labels round instants outside of them") {
  const TimeAxis axis({at(1s), at(2s), at(600s), at(601s)}, at(602s));
  REQUIRE(axis.folds().size() == 1);
  CHECK(axis.folds()[0].from == at(2s));
  CHECK(axis.folds()[0].to == at(600s));
  double last = -1;
  for (Duration time{}; time <= 602s; time += 100ms) {
    CHECK(axis.at(at(time)) >= last);
    last = axis.at(at(time));
  }
  CHECK(last <= axis.width());
  CHECK(axis.at(at(600s)) - axis.at(at(2s)) < axis.at(at(1s)) - axis.at(at(0s)));
  CHECK(axis.at(at(700s)) == axis.width());
  REQUIRE(axis.ticks().size() > 4);
  for (const Instant tick : axis.ticks()) {
    CHECK(tick.time_since_epoch() % 100ms == 0ns);
    CHECK((tick <= at(2s) || tick >= at(600s)));
  }
  CHECK(TimeAxis({}, Instant{}).width() > 0);
  CHECK(TimeAxis({}, at(24h)).width() <= 2400);
}
