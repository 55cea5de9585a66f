// SPDX-License-Identifier: MIT
#include "node/network_access.h"

#include <utility>

namespace node {

using mrt::Access;
using mrt::CloseCode;
using mrt::NetworkKey;

NetworkKey told_key(const NetworkKey& key) {
  return key.access == Access::secret ? key : NetworkKey{key.access, {}};
}

std::optional<NetworkKey> key_of_star(const NetworkKey& own, const NetworkKey& shown,
                                      const NetworkKey& told, bool on_one_host) {
  // Connections may be older than the star's key, which it got by joining another one.
  if (told == told_key(own) && own.access >= shown.access) return own;
  if (shown.access == Access::open) {
    // Nobody is a guest where there is a password.
    const bool possible =
        told.access == Access::open || (told.access == Access::secret && on_one_host);
    return possible ? std::optional(told) : std::nullopt;
  }
  return told == told_key(shown) ? std::optional(shown) : std::nullopt;
}

std::optional<NetworkKey> key_to_follow(const NetworkKey& own, const NetworkKey& told) {
  if (told.access == Access::password) {
    return own.access == Access::password ? std::optional(own) : std::nullopt;
  }
  // The order of mrt::Access: open asks for least.
  return told.access >= own.access ? std::optional(told) : std::nullopt;
}

std::optional<JoinFailure> join_failure(CloseCode code, Access shown) {
  const auto auth = [](std::string message, bool password_asked = false) {
    return JoinFailure{ErrorCode::auth, std::move(message), password_asked};
  };
  switch (code) {
    case CloseCode::wrong_secret:
      if (shown == Access::password) return auth("the password is wrong", true);
      return auth("the secret is not that network's: its invite is needed");
    case CloseCode::password_needed:
      return auth("that network asks for a password", true);
    case CloseCode::invite_needed:
      return auth("that network's invite is needed");
    case CloseCode::network_is_open:
      return auth("that network is open: it has neither password nor secret");
    case CloseCode::suite_mismatch:
      return auth("one side is encrypted and the other is not: --plain is said by both or none");
    case CloseCode::bad_identity:
      return auth("the node there did not prove its identity");
    case CloseCode::other_network:
      return JoinFailure{ErrorCode::network, "another network is there"};
    default:
      return std::nullopt;
  }
}

bool is_more_telling(const JoinFailure& one, const JoinFailure& other) {
  const auto worth = [](const JoinFailure& failure) {
    if (failure.code == ErrorCode::auth) return 2;
    return failure.code == ErrorCode::unreachable || failure.code == ErrorCode::timeout ? 0 : 1;
  };
  return worth(one) > worth(other);
}

}  // namespace node
