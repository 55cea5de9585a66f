// SPDX-License-Identifier: MIT
//
// Long packets (WIRE.md 3), as they come and with their trailer made right.
#include <algorithm>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "mrt/handshake.h"
#include "mrt/wire.h"

namespace fuzz {

using mrt::Bytes;
using mrt::ByteView;

/// What was read can be written, is read again, and is then written alike.
template <class Packet>
static void check_packet(std::optional<Packet> (*read)(ByteView), ByteView bytes) {
  const std::optional<Packet> packet = read(bytes);
  if (!packet) return;
  const Bytes written = mrt::write_packet(*packet);
  const std::optional<Packet> again = read(written);
  CHECK(again);
  CHECK(mrt::write_packet(*again) == written);
  // No answer is longer than the RCON or the short packet that it answers, whoever sent that.
  constexpr bool answers_short = std::is_same_v<Packet, mrt::Reset>;
  CHECK(written.size() <= mrt::packet_bytes_initial);
  CHECK(!answers_short || written.size() < mrt::short_packet_bytes_min);
}

static void check_all(ByteView packet) {
  const auto header = mrt::read_long_header(packet);
  CHECK(!header || mrt::packet_form(packet[0]) == mrt::PacketForm::long_packet);
  check_packet(mrt::read_rcon, packet);
  check_packet(mrt::read_acon, packet);
  check_packet(mrt::read_cookie, packet);
  check_packet(mrt::read_refuse, packet);
  check_packet(mrt::read_reset, packet);
  check_packet(mrt::read_version_list, packet);
}

/// As an RCON or ACON has to be: the input, zeros up to 1200 bytes, a right trailer.
static Bytes padded(ByteView input) {
  Bytes packet(input.begin(), input.end());
  packet.resize(std::max(packet.size() + mrt::trailer_bytes, mrt::packet_bytes_initial));
  mrt::seal_long(packet);
  return packet;
}

static Bytes sealed(ByteView input) {
  Bytes packet(input.begin(), input.end());
  packet.resize(packet.size() + mrt::trailer_bytes);
  mrt::seal_long(packet);
  return packet;
}

void long_packets(ByteView input) {
  check_all(input);
  check_all(sealed(input));
  check_all(padded(input));
}

}  // namespace fuzz
