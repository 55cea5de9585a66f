// SPDX-License-Identifier: MIT
#include "node/catalogue.h"

#include <algorithm>

#include "node/file_name.h"
#include "node/merkle.h"

namespace node {
namespace {

bool is_hash_prefix(std::string_view text) {
  constexpr size_t digits_max = 2 * sizeof(FileHash{}.bytes);
  return text.size() >= hash_prefix_digits_min && text.size() <= digits_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

/// The lowest hash that begins with these digits.
FileHash lowest_with_prefix(std::string_view digits) {
  std::string text(digits);
  text.resize(2 * sizeof(FileHash{}.bytes), '0');
  return FileHash::parse(text).value_or(FileHash{});
}

bool begins_with(const FileHash& hash, std::string_view digits) {
  const std::string text = hash.to_string();
  return std::equal(digits.begin(), digits.end(), text.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'F' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace

Offer Catalogue::offer_of(const Key& key) {
  return {std::get<0>(key), std::get<2>(key), std::get<1>(key)};
}

Catalogue::Added Catalogue::add(const NodeId& holder, const Offer& offer) {
  if (!is_file_name(offer.name)) return Added::refused_name;
  if (offer.size > file_bytes_max) return Added::refused_limit;
  const Key key{offer.name, offer.hash, offer.size};
  const auto own = by_holder_.find(holder);
  if (own != by_holder_.end() && own->second.contains(&key)) return Added::known;
  if (offer_count_ >= offers_max) return Added::refused_limit;
  if (own != by_holder_.end() && own->second.size() >= offers_per_holder_max) {
    return Added::refused_limit;
  }
  const auto file = files_.try_emplace(key).first;
  file->second.insert(holder);
  by_holder_[holder].insert(&file->first);
  by_hash_[offer.hash].insert(&file->first);
  ++offer_count_;
  return Added::added;
}

bool Catalogue::remove(const NodeId& holder, const Offer& offer) {
  const Key key{offer.name, offer.hash, offer.size};
  const auto own = by_holder_.find(holder);
  if (own == by_holder_.end()) return false;
  const auto known = own->second.find(&key);
  if (known == own->second.end()) return false;
  const Key* const stored = *known;
  own->second.erase(known);
  if (own->second.empty()) by_holder_.erase(own);
  forget(holder, stored);
  return true;
}

void Catalogue::forget(const NodeId& holder, const Key* key) {
  const auto file = files_.find(*key);
  file->second.erase(holder);
  --offer_count_;
  if (!file->second.empty()) return;
  const auto same_hash = by_hash_.find(std::get<1>(*key));
  same_hash->second.erase(key);
  if (same_hash->second.empty()) by_hash_.erase(same_hash);
  files_.erase(file);
}

std::vector<Offer> Catalogue::remove_holder(const NodeId& holder) {
  std::vector<Offer> out = offers_of(holder);
  const auto own = by_holder_.extract(holder);
  if (own.empty()) return out;
  for (const Key* key : own.mapped()) forget(holder, key);
  return out;
}

void Catalogue::clear() { *this = Catalogue(); }

std::vector<ListedFile> Catalogue::listing() const {
  std::vector<ListedFile> out;
  out.reserve(files_.size());
  for (const auto& [key, holders] : files_) {
    out.push_back({offer_of(key), {holders.begin(), holders.end()}});
  }
  return out;
}

std::vector<Offer> Catalogue::offers_of(const NodeId& holder) const {
  std::vector<Offer> out;
  const auto own = by_holder_.find(holder);
  if (own == by_holder_.end()) return out;
  for (const Key* key : own->second) out.push_back(offer_of(*key));
  return out;
}

std::vector<NodeId> Catalogue::holders(const FileHash& hash) const {
  std::set<NodeId> out;
  const auto same_hash = by_hash_.find(hash);
  if (same_hash == by_hash_.end()) return {};
  for (const Key* key : same_hash->second) {
    const std::set<NodeId>& holders = files_.at(*key);
    out.insert(holders.begin(), holders.end());
  }
  return {out.begin(), out.end()};
}

ListedFile Catalogue::row_of(const std::vector<const Key*>& same_hash) const {
  std::map<uint64_t, std::set<NodeId>> by_size;
  for (const Key* key : same_hash) {
    const std::set<NodeId>& holders = files_.at(*key);
    by_size[std::get<2>(*key)].insert(holders.begin(), holders.end());
  }
  const auto best = std::max_element(
      by_size.begin(), by_size.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  Offer offer = offer_of(*same_hash.front());
  offer.size = best->first;
  return {offer, {best->second.begin(), best->second.end()}};
}

Catalogue::Found Catalogue::find(std::string_view name_or_hash) const {
  std::map<FileHash, std::vector<const Key*>> contents;
  const Key first{std::string(name_or_hash), FileHash{}, 0};
  for (auto file = files_.lower_bound(first);
       file != files_.end() && std::get<0>(file->first) == name_or_hash; ++file) {
    contents[std::get<1>(file->first)].push_back(&file->first);
  }
  if (contents.empty() && is_hash_prefix(name_or_hash)) {
    for (auto hash = by_hash_.lower_bound(lowest_with_prefix(name_or_hash));
         hash != by_hash_.end() && begins_with(hash->first, name_or_hash); ++hash) {
      contents[hash->first].assign(hash->second.begin(), hash->second.end());
    }
  }
  Found found;
  for (const auto& [hash, keys] : contents) found.files.push_back(row_of(keys));
  found.match = found.files.empty()       ? Match::none
                : found.files.size() == 1 ? Match::one
                                          : Match::ambiguous;
  return found;
}

bool Catalogue::is_consistent() const {
  size_t offers = 0;
  for (const auto& [key, holders] : files_) {
    if (holders.empty()) return false;
    offers += holders.size();
    for (const NodeId& holder : holders) {
      const auto own = by_holder_.find(holder);
      if (own == by_holder_.end() || !own->second.contains(&key)) return false;
    }
    const auto same_hash = by_hash_.find(std::get<1>(key));
    if (same_hash == by_hash_.end() || !same_hash->second.contains(&key)) return false;
  }
  size_t held = 0;
  for (const auto& [holder, keys] : by_holder_) held += keys.size();
  return offers == offer_count_ && held == offer_count_ && offer_count_ <= offers_max;
}

}  // namespace node
