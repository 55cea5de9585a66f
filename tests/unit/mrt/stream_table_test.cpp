// SPDX-License-Identifier: MIT
#include "mrt/stream_table.h"

#include <memory>
#include <set>
#include <vector>

#include "mrt/base/random.h"

#include <doctest/doctest.h>

using namespace mrt;

using Owned = std::shared_ptr<int>;

TEST_CASE("streams are found by id, and a message's place goes when it and all before it went") {
  Random random(seed_from(1));
  StreamTable<Owned> table;
  std::map<StreamId, int> model;
  int made = 0;
  for (int step = 0; step < 3'000; ++step) {
    if (random.chance(0.5) || model.empty()) {
      const bool message = random.chance(0.8);
      const StreamId id = message ? make_stream_id(table.next_message(), true, true)
                                  : make_stream_id(static_cast<uint64_t>(step), false, true);
      ++made;
      if (message)
        table.add_message() = std::make_shared<int>(made);
      else
        table.add(id, std::make_shared<int>(made));
      model[id] = made;
    } else {
      const auto it = std::next(model.begin(), static_cast<ptrdiff_t>(random.below(model.size())));
      const std::weak_ptr<int> held = *table.find(it->first);
      table.erase(it->first);
      CHECK(held.expired());
      CHECK(!table.contains(it->first));
      model.erase(it);
    }
    for (const auto& [id, value] : model) REQUIRE(**table.find(id) == value);
    size_t seen = 0;
    table.for_each([&](const Owned&, bool) { ++seen; });
    REQUIRE(seen == model.size());
    uint64_t oldest = table.next_message();
    for (const auto& [id, value] : model)
      if (is_message(id)) oldest = std::min(oldest, stream_index(id));
    REQUIRE(table.message_span() == table.next_message() - oldest);
  }
  CHECK(!table.contains(make_stream_id(table.next_message(), true, true)));
}

TEST_CASE("streams to speak of are taken once each, the lowest first") {
  StreamIds ids;
  for (const uint64_t id : {9, 1, 5, 9, 1}) ids.insert({id});
  ids.erase({5});
  ids.erase({7});
  CHECK(std::vector<StreamId>(ids.begin(), ids.end()) == std::vector<StreamId>{{1}, {9}});
  CHECK(ids.take() == StreamId{1});
  CHECK(ids.take() == StreamId{9});
  CHECK(ids.empty());
}
