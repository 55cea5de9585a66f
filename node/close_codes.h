// SPDX-License-Identifier: MIT
//
// Why a node closes a connection (WIRE.md 6.1). Values only.
#pragma once

#include "mrt/types.h"

namespace node {

/// CloseCode of a connection that is not needed any more: nothing is wrong.
inline constexpr auto close_unneeded = mrt::CloseCode{0x100};
/// Its node follows another supernode with a higher epoch.
inline constexpr auto close_superseded = mrt::CloseCode{0x101};
/// The supernode heard nothing of this member for too long and has gone on without it.
inline constexpr auto close_removed = mrt::CloseCode{0x102};
/// The node leaves.
inline constexpr auto close_quit = mrt::CloseCode{0x103};
/// It breaks the rules of OVERLAY.md.
inline constexpr auto close_violation = mrt::CloseCode{0x104};

}  // namespace node
