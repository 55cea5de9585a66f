// SPDX-License-Identifier: MIT
//
// A Pair whose sides are two people with a password between them, and what tests of sealed
// connections ask of packets.
#pragma once

#include <algorithm>
#include <string_view>

#include "mrt/handshake.h"
#include "mrt/wire.h"
#include "unit/mrt/pair.h"

namespace mrt::test {

inline EndpointConfig with_key(uint8_t identity, const NetworkKey& key) {
  EndpointConfig config = sealed_config(identity);
  config.network_key = key;
  return config;
}
inline EndpointConfig with_password(uint8_t identity, std::string_view password) {
  return with_key(identity, {Access::password, {password.begin(), password.end()}});
}
inline EndpointConfig with_secret(uint8_t identity, uint8_t byte = 7) {
  return with_key(identity, {Access::secret, Bytes(16, byte)});
}
/// For a Forger: it reads the key log.
inline EndpointConfig with_keylog(EndpointConfig config) {
  config.keylog = true;
  return config;
}

struct Members : Pair {
  explicit Members(uint64_t seed = 1, const Weather& between = {},
                   const EndpointConfig& left_config = sealed_config(1),
                   const EndpointConfig& right_config = sealed_config(2))
      : Pair(seed, between, left_config, right_config) {}
};
/// Whose keys a Forger may have.
struct OpenBook : Members {
  explicit OpenBook(uint64_t seed = 1, const Weather& between = {})
      : Members(seed, between, with_keylog(sealed_config(1)), with_keylog(sealed_config(2))) {}
};

inline bool is_long(ByteView packet, LongType type) {
  return !packet.empty() && packet[0] == static_cast<uint8_t>(type);
}
inline bool is_short(ByteView packet) { return packet_form(packet[0]) == PacketForm::short_packet; }
inline bool contains(ByteView packet, ByteView what) {
  return std::search(packet.begin(), packet.end(), what.begin(), what.end()) != packet.end();
}

inline bool say(Pair& pair, Pair::Side from, SharedBytes bytes) {
  return pair.id[from] &&
         pair[from].send_message(pair.now, *pair.id[from], Priority::normal, std::move(bytes));
}
inline bool message_passes(Pair& pair, Pair::Side from, uint64_t number) {
  const Pair::Side to = Pair::other(from);
  const size_t before = pair.messages[to].size();
  if (!say(pair, from, shared_pattern(300, number))) return false;
  return pair.run(5s, [&] { return pair.messages[to].size() > before; }) &&
         pair.messages[to].back() == pattern(300, number);
}

}  // namespace mrt::test
