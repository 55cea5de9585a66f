// SPDX-License-Identifier: MIT
//
// An MRT endpoint: one UDP port's worth of connections, as a Machine (mrt/base/machine.h).
// It routes datagrams to connections, accepts and opens them, and says whose turn it is
// to send. It knows nothing of sockets, clocks or what the bytes mean.
//
// 1. Every datagram belongs to exactly one connection or is dropped and counted.
// 2. Nothing that a peer sends throws, asserts or grows memory beyond EndpointConfig.
// 3. Work per datagram and per send does not grow with the number of idle connections.
// 4. After Closed no event and no command of that connection has an effect.
//
// Commands on an id that is closed or unknown do nothing and say so in their result.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "mrt/base/allowance.h"
#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "mrt/doors.h"
#include "mrt/handshake.h"
#include "mrt/identity.h"
#include "mrt/types.h"

namespace mrt {

class Connection;
class Residents;
struct Household;
struct Resident;

/// Who waits for one waits for a few packets of one or two hosts, each sent three times.
inline constexpr int64_t openings_heard_per_second = 64;

class Endpoint {
 public:
  Endpoint(const EndpointConfig& config, const Random::Seed& seed);
  ~Endpoint();

  // Inputs. `bytes` holds datagrams of `segment_size` each (the last may be shorter), as
  // UDP_GRO delivers them; it may be written to (packets are opened in place).
  void on_datagrams(Instant now, const Path& path, Ecn ecn, size_t segment_size,
                    MutableBytes bytes);
  void on_timeout(Instant now);

  // Outputs. A buffer below packet_bytes_initial (1200) takes nothing.
  std::optional<Transmit> poll_transmit(Instant now, MutableBytes buffer);
  std::optional<Event> poll_event();
  Instant next_timeout() const;

  // Commands.
  /// Starts a connection; Connected or Closed follows. Where one to that remote address is
  /// under way or open, that one's id. Nothing at connections_max or for an address that
  /// is not unicast.
  /// It shows `shown`, else the network's key; over loopback it shows no random secret, since
  /// none is asked for there and the other side may have another one.
  std::optional<ConnectionId> connect(Instant now, const Path& path,
                                      const std::optional<NetworkKey>& shown = std::nullopt);
  /// Callers are asked for this key from now on. Open connections stay.
  void set_network_key(const NetworkKey& key);
  /// Sends RCLS and drops the connection after the closing period; Closed follows at once.
  /// What is still unsent is lost: use close_when_sent() to flush.
  void close(Instant now, ConnectionId id, CloseCode code, std::string_view reason);
  /// Sends all that was written, waits for its acknowledgement (at most `limit`), then closes.
  void close_when_sent(Instant now, ConnectionId id, CloseCode code, std::string_view reason,
                       Duration limit);
  /// Opens the NAT towards an address: one tiny packet that asks for no answer (WIRE.md 3.5).
  void send_opening(Instant now, const Path& path);
  /// Whether those of others are told as OpeningHeard; at most openings_heard_per_second.
  void hear_openings(bool on) { hears_openings_ = on; }
  /// As EndpointConfig::keep_alive, from each connection's next packet on.
  void set_keep_alive(Duration interval) { config_.keep_alive = interval; }

  /// The lowest unused ordered stream of this side; nothing at the peer's limit.
  std::optional<StreamId> open_stream(ConnectionId id, Priority priority);
  void set_priority(ConnectionId id, StreamId stream, Priority priority);
  /// How many of the bytes were taken (0 to all); where fewer, Writable follows.
  size_t write(Instant now, ConnectionId id, StreamId stream, ByteView bytes);
  /// Ends this side of a stream after what was written.
  void finish(Instant now, ConnectionId id, StreamId stream);
  void reset_stream(Instant now, ConnectionId id, StreamId stream, uint64_t code);
  /// Moves up to out.size() bytes out of a stream; how many. Opens the flow-control window.
  size_t read(Instant now, ConnectionId id, StreamId stream, MutableBytes out);
  /// Queues one reliable message of up to message_bytes_max. False, and Writable follows,
  /// where the send buffer or the number of open messages does not allow it.
  bool send_message(Instant now, ConnectionId id, Priority priority, SharedBytes bytes);
  /// Sends once, never again. False where it cannot fit into one packet or none is open.
  bool send_datagram(Instant now, ConnectionId id, ByteView bytes);

  // Getters.
  const PublicKey& public_key() const;
  /// Whose identity the peer has proven. Known before the first of its bytes is handed out;
  /// nothing in suite plain.
  std::optional<PublicKey> peer_key(ConnectionId id) const;
  /// What was shown to get this connection, by whichever side called.
  std::optional<NetworkKey> key_shown(ConnectionId id) const;
  std::optional<ConnectionStats> stats(ConnectionId id) const;
  const EndpointStats& endpoint_stats() const;
  /// How long a driver may let datagrams lie, so as to read several at once; nothing where one of
  /// the connections that were heard since the last call would feel it.
  Duration take_patience();
  /// Bytes that may be written now before write() is cut short; 0 for an unknown id.
  size_t send_room(ConnectionId id) const;
  std::vector<ConnectionId> connections() const;
  bool is_consistent() const;

 private:
  struct Reply {
    Path path;
    Bytes packet;
  };

  // Datagrams by kind.
  void on_short(Instant now, const Path& path, MutableBytes packet, Resident*& batch);
  void end_batch(Instant now, Resident*& batch);
  void on_long(Instant now, const Path& path, ByteView packet);
  void on_rcon(Instant now, const Path& path, ByteView packet);
  void accept(Instant now, const Path& path, const Rcon& rcon);
  /// The key by which the caller may come in; nothing, and the code to refuse it with, else.
  std::optional<NetworkKey> key_for(const Path& path, const Rcon& rcon, const NetworkKey* dialled,
                                    CloseCode& why) const;
  /// Asks the doors. What the call counts as; nothing where it has to wait, or was sent a cookie.
  std::optional<Doors::Try> knock(Instant now, const Path& path, const Rcon& rcon,
                                  const NetworkKey& key);
  void on_opening(Instant now, const Path& path, ByteView packet);
  void on_acon(Instant now, const Path& path, ByteView packet);
  void on_cookie(ByteView packet);
  void on_refuse(ByteView packet);
  void on_reset(const Path& path, ByteView packet);
  void on_version_list(ByteView packet);
  void answer_unknown(Instant now, const Path& path, uint64_t dcid, size_t size);
  void reply(const Path& path, Bytes packet);
  void refuse(const Path& path, const Rcon& rcon, CloseCode code, std::string_view reason = "");

  /// One that calls that address, or is called from it, or is open to it.
  Resident* find_by_remote(const Address& remote);
  Resident& add(std::unique_ptr<Connection> connection);
  uint64_t new_cid();
  /// After anything was done to a connection: indices, deadline, its turn to send.
  void settle(Resident& resident, bool may_have_to_send = true);
  void on_opened(Instant now, Resident& resident);
  /// For commands: does `action` if the connection takes commands; else gives `otherwise`.
  template <class Result, class Action>
  Result command(ConnectionId id, Result otherwise, Action action);
  /// The same for those that only add to what there is to send: no deadline moves.
  template <class Result, class Action>
  Result add_to_send(ConnectionId id, Result otherwise, Action action);

  EndpointConfig config_;
  Random random_;
  Secrets secrets_;
  Identity identity_;
  CipherPool ciphers_;
  std::unique_ptr<Household> household_;  // what its connections share
  Doors doors_;
  EndpointStats stats_;
  Duration patience_ = Duration::max();

  std::unique_ptr<Residents> residents_;
  std::deque<Reply> replies_;  // that belong to no connection
  ConnectionId next_id_{1};
  bool hears_openings_ = false;
  Allowance openings_{openings_heard_per_second, openings_heard_per_second};
  Instant resets_since_{};
  int resets_sent_ = 0;
};

static_assert(Machine<Endpoint>);

}  // namespace mrt
