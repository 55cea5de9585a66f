// SPDX-License-Identifier: MIT
//
// What a node believes about the key of the star that it comes into (OVERLAY.md 2.8): it was
// shown something to come in, and is told what newcomers have to show from now on. Pure rules
// over values; it knows no connections.
//
// 1. Nobody is talked down: who had to show a password or a secret is in a star that asks for
//    that very one.
// 2. A password is known to those who were given it by their users; nodes do not pass it on.
#pragma once

#include <optional>
#include <string>

#include "mrt/types.h"
#include "node/events.h"

namespace node {

/// As it goes to another node: without a password.
mrt::NetworkKey told_key(const mrt::NetworkKey& key);

/// The key of a node with key `own` that came in by `shown` and is told that the star's is `told`;
/// nothing where that cannot be true. A guest, who had nothing to show, takes the host's word; but
/// from another host only an open star takes guests.
std::optional<mrt::NetworkKey> key_of_star(const mrt::NetworkKey& own, const mrt::NetworkKey& shown,
                                           const mrt::NetworkKey& told, bool on_one_host);

/// What a member of a star with key `own` calls with where it is led to one with key `told`;
/// nothing where that one asks for less than the own one, or for a password.
std::optional<mrt::NetworkKey> key_to_follow(const mrt::NetworkKey& own,
                                             const mrt::NetworkKey& told);

/// Why a candidate cannot be joined.
struct JoinFailure {
  ErrorCode code = ErrorCode::unreachable;
  std::string message;
  bool password_asked = false;
};
/// Of a connection that ended so; nothing where that says nothing of keys and networks.
std::optional<JoinFailure> join_failure(mrt::CloseCode code, mrt::Access shown);
/// Of several candidates' failures the one to report: that of a key, then any that is an answer.
bool is_more_telling(const JoinFailure& one, const JoinFailure& other);

}  // namespace node
