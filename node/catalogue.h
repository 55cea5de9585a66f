// SPDX-License-Identifier: MIT
//
// What is on offer, and who holds it. Fed by ordered broadcasts, so that all nodes of a star
// have the same one. Knows no files, connections or time.
//
// 1. An offer is known by (holder, name, size, hash); several holders may offer one content,
//    and one content may go by several names.
// 2. Listings are sorted by name, then hash: the same at every node.
// 3. At most offers_per_holder_max of one node and offers_max in all; what is above is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "node/ids.h"

namespace node {

/// A folder of 10,000 files may be shared as it is.
inline constexpr size_t offers_per_holder_max = 10'000;
/// About 20 MB at a supernode with names of common length: a third of what it may take.
inline constexpr size_t offers_max = 50'000;
/// The contract's short hash: fewer digits are taken for a name.
inline constexpr size_t hash_prefix_digits_min = 8;

struct Offer {
  std::string name;
  uint64_t size = 0;
  FileHash hash;
  bool operator==(const Offer&) const = default;
};

/// One row of the list.
struct ListedFile {
  Offer offer;
  std::vector<NodeId> holders;  // sorted
};

class Catalogue {
 public:
  enum class Added : uint8_t { added, known, refused_name, refused_limit };
  enum class Match : uint8_t { none, one, ambiguous };
  /// One: the single content meant. Ambiguous: one row for each content.
  struct Found {
    Match match = Match::none;
    std::vector<ListedFile> files;
  };

  Catalogue() = default;
  Catalogue(Catalogue&&) = default;  // its indexes point into itself: it moves, but is not copied
  Catalogue& operator=(Catalogue&&) = default;

  Added add(const NodeId& holder, const Offer& offer);
  /// False where there was no such offer.
  bool remove(const NodeId& holder, const Offer& offer);
  /// All that the holder offered, now withdrawn, in the order of listing.
  std::vector<Offer> remove_holder(const NodeId& holder);
  void clear();

  std::vector<ListedFile> listing() const;
  /// The offers of one holder, in the order of listing.
  std::vector<Offer> offers_of(const NodeId& holder) const;
  /// Who holds this content, under whatever name; sorted.
  std::vector<NodeId> holders(const FileHash& hash) const;
  /// By exact name; else, for 8 to 64 hexadecimal digits, by the start of the hash.
  Found find(std::string_view name_or_hash) const;

  size_t offer_count() const { return offer_count_; }
  bool is_consistent() const;

 private:
  /// Listing order: name, hash, size.
  using Key = std::tuple<std::string, FileHash, uint64_t>;
  /// The keys are files_'s own: a name is held once, however many indexes know it.
  struct ByValue {
    bool operator()(const Key* a, const Key* b) const { return *a < *b; }
  };
  using KeySet = std::set<const Key*, ByValue>;

  static Offer offer_of(const Key& key);
  void forget(const NodeId& holder, const Key* key);
  /// The row of one content among keys of one hash: the size that most holders state, since
  /// only one can be true.
  ListedFile row_of(const std::vector<const Key*>& same_hash) const;

  std::map<Key, std::set<NodeId>> files_;
  std::map<NodeId, KeySet> by_holder_;
  std::map<FileHash, KeySet> by_hash_;
  size_t offer_count_ = 0;
};

}  // namespace node
