// SPDX-License-Identifier: MIT
//
// What a user of MRT sees beside the Endpoint: priorities, events, close codes, counters,
// configuration. Values only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"
#include "mrt/base/ids.h"
#include "mrt/base/time.h"
#include "mrt/congestion.h"
#include "mrt/seal.h"

namespace mrt {

/// Bytes that several connections send at once without a copy each.
using SharedBytes = std::shared_ptr<const Bytes>;

/// Which stream's bytes go first into a packet. Within one level: round robin.
enum class Priority : uint8_t { interactive = 0, normal = 1, bulk = 2 };
inline constexpr size_t priority_count = 3;

/// Ordered streams carry bytes both ways. A message is a stream of its own that is
/// delivered whole and in no order with others (WIRE.md 5.1).
/// The first ordered stream that the initiator opens; both sides may write to it at once.
inline constexpr StreamId first_stream{0};

/// Why a connection ended. Below 0x100: MRT's own; from 0x100 on: the user's (WIRE.md 5.6).
enum class CloseCode : uint64_t {
  none = 0x00,  // closed by the user, nothing wrong
  internal = 0x01,
  refused = 0x02,       // limits of the listener
  flow_control = 0x03,  // more than was allowed
  stream_limit = 0x04,
  stream_state = 0x05,  // a frame that this stream's kind or state does not allow
  final_size = 0x06,
  frame_encoding = 0x07,
  transport_parameter = 0x08,
  protocol_violation = 0x0a,
  wrong_secret = 0x0b,       // the password or secret that was shown is not that network's
  password_needed = 0x0c,    // a listener admits only who knows its password
  invite_needed = 0x0d,      // a listener admits only who has its secret, or calls over loopback
  network_is_open = 0x0e,    // a secret was shown, and there is none
  bad_identity = 0x0f,       // the peer did not prove its identity
  idle_timeout = 0x10,       // local only: nothing heard for the idle time-out
  handshake_timeout = 0x11,  // local only: no ACON
  reset = 0x12,              // local only: the peer does not know the connection any more
  other_network = 0x13,      // the caller means a network of another name
  suite_mismatch = 0x14,     // one side is plain and the other is not
  aead_limit = 0x15,         // too many forged packets under one key (RFC 9001 section 6.6)
  application = 0x100,       // first of the user's
};

/// Who may come into a network, and what a caller shows to come in (WIRE.md 3.10).
enum class Access : uint8_t {
  open = 0,      // anyone: encrypted, not authenticated. Of a caller: it has nothing to show
  secret = 1,    // who has the network's random secret, and who calls over loopback
  password = 2,  // who knows the network's password
};
struct NetworkKey {
  Access access = Access::open;
  Bytes secret;  // the password or the random secret; empty where open
  bool operator==(const NetworkKey&) const = default;
};

/// The handshake is done both ways: the peer has proven its address.
struct Connected {
  ConnectionId connection;
  bool initiator;
};
/// An ordered stream has bytes to read(). Given again when more arrive after a read(), so
/// read until nothing comes, or come back without being told.
struct Readable {
  ConnectionId connection;
  StreamId stream;
};
/// A write() that was cut short, or a refused send_message(), may be tried again.
struct Writable {
  ConnectionId connection;
};
/// One reliable message, whole, once.
struct MessageReceived {
  ConnectionId connection;
  Bytes bytes;
};
/// One unreliable datagram.
struct DatagramReceived {
  ConnectionId connection;
  Bytes bytes;
};
/// The peer has finished its side of an ordered stream (all was delivered) or reset it.
struct StreamEnded {
  ConnectionId connection;
  StreamId stream;
  std::optional<uint64_t> reset_code;
};
/// The peer's address changed and the new one was validated.
struct PathChanged {
  ConnectionId connection;
  Path path;
};
/// The last event of a connection; its id means nothing from here on.
struct Closed {
  ConnectionId connection;
  CloseCode code;
  bool by_peer;
  std::string reason;  // the peer's words: at most 256 bytes, not checked to be text
};

/// Somebody there has opened its NAT for this endpoint (WIRE.md 3.5), or anyone says so in its
/// name: it proves nothing. Only while Endpoint::hear_openings() is on.
struct OpeningHeard {
  Path path;
};

/// The traffic secrets of a connection as a line of text, for a dissector (WIRE.md 4.6). Only
/// where EndpointConfig::keylog is set.
struct KeysLogged {
  std::string line;
};

using Event = std::variant<Connected, Readable, Writable, MessageReceived, DatagramReceived,
                           StreamEnded, PathChanged, Closed, OpeningHeard, KeysLogged>;

struct ConnectionStats {
  Path path;
  Duration rtt{};  // smoothed (RFC 9002 section 5.3); zero before the first sample
  Duration rtt_latest{};
  Duration rtt_variance{};
  size_t window_bytes = 0;  // congestion window
  size_t in_flight_bytes = 0;
  size_t queued_bytes = 0;  // written and not yet acknowledged
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;
  uint64_t packets_lost = 0;
  uint64_t packets_lost_spuriously = 0;
  uint64_t packets_corrupt = 0;
  uint64_t bytes_sent = 0;  // UDP payload
  uint64_t bytes_received = 0;
  uint64_t bytes_retransmitted = 0;  // of streams, copies of small pieces included
  size_t mtu_bytes = 0;              // largest UDP payload proven to pass
  Instant last_received{};           // when the peer was last heard
  bool sealed = false;               // encrypted and authenticated
  uint64_t key_updates = 0;          // how often this side has renewed its sending key
};

struct EndpointStats {
  uint64_t datagrams_received = 0;
  uint64_t datagrams_dropped = 0;  // of no connection, malformed or failing their check
  uint64_t connections_refused = 0;
};

struct EndpointConfig {
  bool accepting = true;
  // Ed25519 seed (mrt/identity.h): who this endpoint is to its peers.
  std::array<uint8_t, 32> identity{};
  // Name and key of the network; peers with another one of either do not come in.
  std::string network;
  NetworkKey network_key;
  // No encryption, and only with peers that say so too: the wire can be read.
  bool plain = false;
  // Nothing: AES-128-GCM where both CPUs have it, else ChaCha20-Poly1305. A simulation pins one.
  std::optional<Cipher> only_cipher;
  bool keylog = false;  // KeysLogged events
  uint64_t packets_per_key = packets_per_key_default;
  // A star of thousands, not dozens; each idle connection costs about 4 KB.
  size_t connections_max = 5'000;
  size_t half_open_max = 512;  // a burst of joins, and 4 MB of state at most
  // How much is in flight; cubic is for comparison, it yields to random loss.
  CongestionControl congestion = CongestionControl::model;
  // What a connection buffers for reading at most: 100 Mb/s at 100 ms, where a packet that is lost
  // twice holds up what comes in four round trips; and a bulk connection may cost 8 MB.
  size_t receive_window_bytes = 6 * 1024 * 1024;
  size_t stream_window_bytes = 6 * 1024 * 1024;
  // What it buffers for sending before write() is cut short: that, and some to go on with.
  size_t send_buffer_bytes = 7 * 1024 * 1024;
  size_t message_bytes_max = 128 * 1024;  // largest reliable message accepted or sent
  size_t messages_open_max = 256;         // messages under way at once, each way
  size_t streams_open_max = 64;           // ordered streams at once, opened by the peer
  Duration idle_timeout = std::chrono::seconds(30);
  Duration keep_alive = std::chrono::seconds(10);  // below the 30 s of short NAT timers; 0 = off
  Duration handshake_timeout = std::chrono::seconds(10);  // a user who calls nobody hears of it
  // What the kernel will hold for us: in flight beyond it is lost on loopback (SO_RCVBUF).
  size_t socket_buffer_bytes = 212'992;
  // Largest UDP payload that is tried (IPv4's 65,535 less its headers) and taken.
  size_t mtu_bytes_max = 65'507;
};

}  // namespace mrt
