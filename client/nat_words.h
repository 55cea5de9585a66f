// SPDX-License-Identifier: MIT
//
// What a NAT is called and does to people, and what they can do about it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "stun/behaviour.h"

namespace client {

/// What it means to whoever is behind it.
std::string_view meaning_of(stun::NatType type);
/// What helps; empty where nothing is wrong.
std::string_view fix_for(stun::NatType type);
/// One line for a running node: the type, the address that the other side must be given, what to
/// do.
std::string nat_sentence(const stun::Behaviour& behaviour);

}  // namespace client
