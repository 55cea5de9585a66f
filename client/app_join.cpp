// SPDX-License-Identifier: MIT
//
// Where an App seeks the star that it is to join, and what it shows there.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/app.h"
#include "mrt/base/secret.h"

namespace client {

App::Sought::~Sought() {
  if (target.key) mrt::wipe(target.key->secret);
}

void App::join(node::CommandId id, const Target& target) {
  if (target.network && *target.network != options_.network) {
    return on_failed(
        {id, node::ErrorCode::network,
         fmt::format("that is network {}, this node is of {}", *target.network, options_.network)});
  }
  if (!target.addresses.empty() || !neighbourhood_) return begin_join(id, target, {});
  if (sought_) {
    return on_failed({id, node::ErrorCode::refused, "a connection is being made already"});
  }
  sought_ = std::make_unique<Sought>(id, target);
  neighbourhood_->ask(options_.network, [this](const auto& found) { join_near(found); });
}

void App::join_near(const std::vector<mrt::Address>& found) {
  if (leaving_) return;
  const auto sought = std::exchange(sought_, nullptr);
  if (found.empty()) nobody_near_ = sought->command;
  begin_join(sought->command, sought->target, found);
}

/// `near`: who answered for a network that was only named. What else is known is tried beside them,
/// for a neighbour may lie.
void App::begin_join(node::CommandId id, const Target& target,
                     const std::vector<mrt::Address>& near) {
  std::vector<mrt::Address> addresses, on_this_host;
  std::partition_copy(near.begin(), near.end(), std::back_inserter(on_this_host),
                      std::back_inserter(addresses),
                      [](const mrt::Address& one) { return one.is_loopback(); });
  const auto& others =
      target.addresses.empty() ? state_->known(options_.network) : target.addresses;
  addresses.insert(addresses.end(), others.begin(), others.end());
  // An address says where; a name or an invite says which network, wherever it is by now.
  const bool look_up = target.network && servers_->has_rendezvous();
  if (addresses.empty() && on_this_host.empty() && !look_up) {
    return on_failed({id, node::ErrorCode::unreachable,
                      fmt::format("nobody of network {} {}was ever met from here: give IP:PORT, "
                                  "an invite or --rendezvous",
                                  options_.network,
                                  std::exchange(nobody_near_, std::nullopt)
                                      ? "answers on this host or its LAN, or "
                                      : "")});
  }
  const auto key = key_for(target, addresses);
  if (key && key->access == mrt::Access::password && key->secret.empty()) {
    return on_failed({id, node::ErrorCode::auth,
                      fmt::format("network {} asks for its password", options_.network), true});
  }
  if (look_up) {
    rendezvous_keys_->derive(key.value_or(node().network_key()));
    joining_ = id;
  }
  std::map<mrt::Address, mrt::NetworkKey> keys;
  for (const mrt::Address& one : on_this_host) {
    // A guest, whatever is known of a star of that name elsewhere.
    if (key && !target.key) keys[one] = {};
  }
  expect(addresses);
  addresses.insert(addresses.begin(), on_this_host.begin(), on_this_host.end());
  node().join(now(), id, addresses, key, look_up, std::move(keys));
  session_->wake();
}

std::optional<mrt::NetworkKey> App::key_for(const Target& target,
                                            const std::vector<mrt::Address>& addresses) const {
  const mrt::Access own = session_->node().network_key().access;
  if (target.key) {
    const bool to_be_typed =
        target.key->access == mrt::Access::password && target.key->secret.empty();
    return to_be_typed && own == mrt::Access::password ? std::nullopt : target.key;
  }
  if (own != mrt::Access::secret) return std::nullopt;
  // Over loopback none is needed, and the one that is known may be an earlier star's.
  const bool elsewhere = std::any_of(addresses.begin(), addresses.end(),
                                     [](const mrt::Address& a) { return !a.is_loopback(); });
  const bool named = target.addresses.empty();
  const bool asked = elsewhere || (addresses.empty() && rendezvous_keys_);
  if (const auto known = state_->known_key(options_.network); known && named && asked) {
    return known;
  }
  // The secret of a node that is alone opens no door; a star that is open wants to be shown none.
  const bool alone = session_->node().peers().size() <= 1;
  return alone ? std::optional(mrt::NetworkKey{}) : std::nullopt;
}

}  // namespace client
