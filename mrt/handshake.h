// SPDX-License-Identifier: MIT
//
// Long packets (WIRE.md 3): parse and write, transport parameters, and the keyed hashes by
// which a listener recognises its own cookies and reset tokens without keeping state.
// It knows no connection; who answers what is the endpoint's and the connection's business.
//
// 1. Parsers take any bytes; what is malformed or fails its trailer gives nothing.
// 2. No answer is longer than what it answers.
#pragma once

#include <optional>
#include <string>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"
#include "mrt/base/random.h"
#include "mrt/base/time.h"
#include "mrt/seal.h"
#include "mrt/types.h"

namespace mrt {

enum class LongType : uint8_t {
  rcon = 0xc0,
  acon = 0xc1,
  cookie = 0xc2,
  reset = 0xc3,
  version = 0xc4,
  opening = 0xc5,
  refuse = 0xc6,
};

struct LongHeader {
  LongType type = LongType::rcon;
  uint8_t version = 0;
  uint64_t dcid = 0;
  uint64_t scid = 0;
};
inline constexpr size_t long_header_bytes = 18;

enum Suite : uint8_t { suite_plain = 1, suite_aes_128_gcm = 2, suite_chacha20_poly1305 = 4 };

using ResetToken = std::array<uint8_t, 16>;

/// What one side allows the other. WIRE.md 3.8; here with the values of "where missing".
struct TransportParameters {
  uint64_t connection_window = 65'536;
  uint64_t stream_window = 65'536;
  uint64_t streams_open_max = 1;
  uint64_t messages_open_max = 1;
  uint64_t message_bytes_max = 1'200;
  Duration idle_timeout = std::chrono::seconds(30);
  uint64_t udp_payload_max = 1'200;
  uint64_t socket_buffer = 65'536;
  Duration ack_delay_max = std::chrono::milliseconds(25);
  std::optional<ResetToken> reset_token;

  bool operator==(const TransportParameters&) const = default;
};
void write_parameters(Builder& out, const TransportParameters& parameters);
std::optional<TransportParameters> read_parameters(ByteView bytes);

struct Rcon {
  uint64_t scid = 0;
  HandshakeId id{};
  uint8_t suites = suite_plain;
  Bytes parameters;  // still encoded: whether they are right is another question
  Bytes cookie;
  Bytes handshake;
};
struct Acon {
  uint64_t dcid = 0;
  uint64_t scid = 0;
  HandshakeId initiator_id{};
  HandshakeId responder_id{};
  uint8_t suite = suite_plain;
  Bytes parameters;
  Bytes handshake;
};
struct Cookie {
  uint64_t dcid = 0;
  HandshakeId id{};
  Bytes cookie;
};
struct Refuse {
  uint64_t dcid = 0;
  HandshakeId id{};
  uint64_t code = 0;
  std::string reason;
};
struct Reset {
  uint64_t scid = 0;
  ResetToken token{};
};
struct VersionList {
  uint64_t dcid = 0;
  Bytes versions;
};

/// Any first byte of 11xxxxxx; nothing where the type is unknown or the header is cut short.
std::optional<LongHeader> read_long_header(ByteView packet);
std::optional<Rcon> read_rcon(ByteView packet);
std::optional<Acon> read_acon(ByteView packet);
std::optional<Cookie> read_cookie(ByteView packet);
std::optional<Refuse> read_refuse(ByteView packet);
std::optional<Reset> read_reset(ByteView packet);
std::optional<VersionList> read_version_list(ByteView packet);

/// Whole packets with trailer, ready to be sent.
Bytes write_packet(const Rcon& rcon);
Bytes write_packet(const Acon& acon);
Bytes write_packet(const Cookie& cookie);
Bytes write_packet(const Refuse& refuse);
Bytes write_packet(const Reset& reset);
Bytes write_packet(const VersionList& list);
Bytes opening_packet();
inline constexpr size_t opening_packet_bytes = 2;

// WIRE.md 3.1. A tenth of a second is beyond most round trips; where one packet in five is lost
// each way, one call of sixty is not answered after four. A packet of 1200 bytes each second is
// little, and at 30 % loss both ways one of twelve gets through.
inline constexpr Duration rcon_interval_first = std::chrono::milliseconds(100);
inline constexpr int rcons_at_first_interval = 3;
inline constexpr Duration rcon_interval_max = std::chrono::seconds(1);

inline constexpr size_t reset_packet_bytes = long_header_bytes + sizeof(ResetToken);

/// Keyed hashes of one endpoint. Stateless: a cookie or token is checked by making it again.
class Secrets {
 public:
  explicit Secrets(Random& random) : key_(random.array<32>()) {}

  Bytes cookie(Instant now, const Address& address) const;
  bool cookie_is_right(Instant now, const Address& address, ByteView cookie) const;
  ResetToken reset_token(uint64_t connection_id) const;

 private:
  std::array<uint8_t, 16> keyed_hash(uint8_t purpose, ByteView bytes) const;
  Bytes cookie_of(uint64_t slot, const Address& address) const;

  std::array<uint8_t, 32> key_;
};

}  // namespace mrt
