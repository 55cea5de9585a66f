// SPDX-License-Identifier: MIT
#include "node/catalogue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "mrt/base/random.h"
#include "node/merkle.h"

using namespace node;
using Added = Catalogue::Added;
using Match = Catalogue::Match;

namespace {

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

FileHash hash_of(const std::string& text) { return sha256(mrt::as_bytes(text)); }

Offer offer_of(const std::string& name, const std::string& content) {
  return {name, content.size(), hash_of(content)};
}

}  // namespace

TEST_CASE("a file may have several holders and goes with the last one") {
  Catalogue catalogue;
  const Offer offer = offer_of("a.txt", "hello");
  CHECK(catalogue.add(node_id(2), offer) == Added::added);
  CHECK(catalogue.add(node_id(1), offer) == Added::added);
  CHECK(catalogue.add(node_id(1), offer) == Added::known);
  REQUIRE(catalogue.listing().size() == 1);
  CHECK(catalogue.listing()[0].holders == std::vector{node_id(1), node_id(2)});
  CHECK(catalogue.remove(node_id(2), offer));
  CHECK_FALSE(catalogue.remove(node_id(2), offer));
  CHECK(catalogue.holders(offer.hash) == std::vector{node_id(1)});
  CHECK(catalogue.remove(node_id(1), offer));
  CHECK(catalogue.listing().empty());
  CHECK(catalogue.holders(offer.hash).empty());
  CHECK(catalogue.is_consistent());
}

TEST_CASE("a holder that leaves takes all of its offers and nobody else's") {
  Catalogue catalogue;
  catalogue.add(node_id(1), offer_of("b", "two"));
  catalogue.add(node_id(1), offer_of("a", "one"));
  catalogue.add(node_id(2), offer_of("a", "one"));
  const auto gone = catalogue.remove_holder(node_id(1));
  REQUIRE(gone.size() == 2);
  CHECK(gone[0].name == "a");
  CHECK(gone[1].name == "b");
  CHECK(catalogue.listing().size() == 1);
  CHECK(catalogue.remove_holder(node_id(1)).empty());
  CHECK(catalogue.is_consistent());
}

TEST_CASE("two files of one name are ambiguous, and each is found by its hash") {
  Catalogue catalogue;
  const Offer one = offer_of("notes.txt", "one");
  const Offer two = offer_of("notes.txt", "two");
  catalogue.add(node_id(1), one);
  catalogue.add(node_id(2), two);
  const auto by_name = catalogue.find("notes.txt");
  CHECK(by_name.match == Match::ambiguous);
  CHECK(by_name.files.size() == 2);
  for (const Offer& offer : {one, two}) {
    const std::string digits = offer.hash.to_string();
    for (const size_t length : {8, 13, 64}) {
      const auto found = catalogue.find(digits.substr(0, length));
      REQUIRE(found.match == Match::one);
      CHECK(found.files[0].offer == offer);
    }
    std::string upper = digits.substr(0, 9);
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c); });
    CHECK(catalogue.find(upper).match == Match::one);
    CHECK(catalogue.find(digits.substr(0, 7)).match == Match::none);
    CHECK(catalogue.find(digits + "0").match == Match::none);
  }
  CHECK(catalogue.find("notes").match == Match::none);
  CHECK(catalogue.find("").match == Match::none);
}

TEST_CASE("one content under two names is one file, held by all who offer it") {
  Catalogue catalogue;
  catalogue.add(node_id(1), offer_of("a.txt", "same"));
  catalogue.add(node_id(2), offer_of("b.txt", "same"));
  const auto found = catalogue.find(hash_of("same").to_string().substr(0, 8));
  REQUIRE(found.match == Match::one);
  CHECK(found.files[0].holders == std::vector{node_id(1), node_id(2)});
  CHECK(catalogue.holders(hash_of("same")).size() == 2);
  CHECK(catalogue.find("b.txt").files[0].offer.name == "b.txt");
  CHECK(catalogue.listing().size() == 2);
}

TEST_CASE("a name made of hexadecimal digits wins over a hash that begins so") {
  Catalogue catalogue;
  const Offer content = offer_of("x", "content");
  catalogue.add(node_id(1), content);
  const Offer named = offer_of(content.hash.to_string().substr(0, 8), "other");
  catalogue.add(node_id(1), named);
  const auto found = catalogue.find(named.name);
  REQUIRE(found.match == Match::one);
  CHECK(found.files[0].offer == named);
}

TEST_CASE("a liar about a size does not make a file ambiguous") {
  Catalogue catalogue;
  const Offer honest = offer_of("a.txt", "hello");
  Offer lie = honest;
  lie.size = 1;
  catalogue.add(node_id(1), honest);
  catalogue.add(node_id(2), honest);
  catalogue.add(node_id(3), lie);
  const auto found = catalogue.find("a.txt");
  REQUIRE(found.match == Match::one);
  CHECK(found.files[0].offer == honest);
  CHECK(found.files[0].holders.size() == 2);
}

TEST_CASE("hostile names and sizes are not taken into the list") {
  Catalogue catalogue;
  CHECK(catalogue.add(node_id(1), offer_of("../x", "a")) == Added::refused_name);
  CHECK(catalogue.add(node_id(1), offer_of("/etc/passwd", "a")) == Added::refused_name);
  CHECK(catalogue.add(node_id(1), offer_of("x\x1b[2J", "a")) == Added::refused_name);
  Offer large = offer_of("large", "a");
  large.size = file_bytes_max + 1;
  CHECK(catalogue.add(node_id(1), large) == Added::refused_limit);
  CHECK(catalogue.offer_count() == 0);
}

TEST_CASE("one holder may offer 10,000 files, all together 50,000") {
  Catalogue catalogue;
  for (uint8_t holder = 0; holder < 5; ++holder) {
    for (size_t i = 0; i < offers_per_holder_max; ++i) {
      Offer offer{"f" + std::to_string(i), i, {}};
      offer.hash.bytes[0] = static_cast<uint8_t>(i);
      offer.hash.bytes[1] = holder;
      REQUIRE(catalogue.add(node_id(holder), offer) == Added::added);
    }
    if (holder == 0) {
      CHECK(catalogue.add(node_id(0), offer_of("one more", "x")) == Added::refused_limit);
      CHECK(catalogue.add(node_id(9), offer_of("one more", "x")) == Added::added);
      catalogue.remove_holder(node_id(9));
    }
  }
  CHECK(catalogue.offer_count() == offers_max);
  CHECK(catalogue.add(node_id(9), offer_of("one more", "x")) == Added::refused_limit);
  CHECK(catalogue.remove_holder(node_id(3)).size() == offers_per_holder_max);
  CHECK(catalogue.add(node_id(9), offer_of("one more", "x")) == Added::added);
  CHECK(catalogue.is_consistent());
}

TEST_CASE("after any additions and removals the list is what a plain list of pairs says") {
  mrt::Random random(mrt::seed_from(52));
  Catalogue catalogue;
  std::vector<std::pair<NodeId, Offer>> model;
  for (int step = 0; step < 3000; ++step) {
    const NodeId holder = node_id(static_cast<uint8_t>(random.below(5)));
    const std::string content(1 + random.below(3), static_cast<char>('a' + random.below(3)));
    const Offer offer = offer_of("name" + std::to_string(random.below(4)), content);
    const auto same = std::find(model.begin(), model.end(), std::pair{holder, offer});
    switch (random.below(8)) {
      case 0:
        std::erase_if(model, [&](const auto& entry) { return entry.first == holder; });
        catalogue.remove_holder(holder);
        break;
      case 1:
      case 2:
        CHECK(catalogue.remove(holder, offer) == (same != model.end()));
        if (same != model.end()) model.erase(same);
        break;
      default:
        CHECK(catalogue.add(holder, offer) == (same == model.end() ? Added::added : Added::known));
        if (same == model.end()) model.emplace_back(holder, offer);
    }
    CHECK(catalogue.is_consistent());
    CHECK(catalogue.offer_count() == model.size());
  }
  for (const ListedFile& row : catalogue.listing()) {
    for (const NodeId& holder : row.holders) {
      CHECK(std::count(model.begin(), model.end(), std::pair{holder, row.offer}) == 1);
    }
  }
}
