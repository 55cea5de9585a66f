// SPDX-License-Identifier: MIT
//
// Events and datagrams as short lines of plain text: what the digest covers, what a trace
// and a failing test show. It knows no terminal and no time.
#pragma once

#include <string>

#include "mrt/base/bytes.h"
#include "node/events.h"
#include "node/sim/link.h"

namespace node::sim {

/// The same event gives the same text, with all of its fields but a transferred file's bytes.
std::string describe(const Event& event);
/// The packet as WIRE.md names it, with its frames: "RCON 1200", "short 62: ACK, DATA 0+11".
std::string describe_datagram(mrt::ByteView bytes);

/// "delay 10 ms, loss 5 %".
std::string describe(const LinkSpec& spec);

}  // namespace node::sim
