// SPDX-License-Identifier: MIT
//
// One connection as a machine: handshake, packets, streams, path and close put together. The
// endpoint gives it what is addressed to it and asks what it has to send. It knows no other
// connection and no address but its own path.
//
//   requesting --ACON--> open --close()--> closing --+
//   half_open --first short packet--> open --RCLS--> draining --+--> dead
//
// 1. Exactly one Closed event, the last; none before Connected in half_open.
// 2. After on_timeout(now) and a drain, next_timeout() > now.
// 3. Bytes of the peer are counted and dropped, or close the connection with a code.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "mrt/handshake.h"
#include "mrt/path.h"
#include "mrt/receiver.h"
#include "mrt/seal.h"
#include "mrt/sender.h"
#include "mrt/streams.h"
#include "mrt/timers.h"
#include "mrt/types.h"

namespace mrt {

class Connection {
 public:
  struct Identity {
    ConnectionId id;
    uint64_t scid;  // what the peer puts into its packets
    HandshakeId handshake_id;
    ResetToken reset_token;
  };

  /// Calls: the RCON is due at once.
  Connection(Instant now, const EndpointConfig& config, const Identity& identity, const Path& path,
             const Random::Seed& seed);
  /// Answers an RCON. REQUIRES: its parameters are right.
  Connection(Instant now, const EndpointConfig& config, const Identity& identity, const Path& path,
             const Random::Seed& seed, const Rcon& rcon, const TransportParameters& theirs);

  // Inputs: long packets that were matched with this connection.
  void on_acon(Instant now, const Path& path, const Acon& acon);
  void on_rcon_again(const Path& path);
  /// Both call at once, and the peer's handshake id is the smaller.
  void answer_instead(Instant now, const Rcon& rcon, const TransportParameters& theirs);
  void on_cookie(const Cookie& cookie);
  void on_refuse(CloseCode code, std::string reason);
  void on_reset(const Reset& reset);
  /// One short packet, and the end of a batch of them. True if it passed its check.
  bool on_packet(Instant now, const Path& path, const ShortHeader& header, MutableBytes packet);
  void on_batch_end(Instant now);
  void on_timeout(Instant now);

  // Outputs.
  std::optional<Transmit> poll_transmit(Instant now, MutableBytes buffer);
  std::deque<Event>& events() { return events_; }
  const std::deque<Event>& events() const { return events_; }
  Instant next_timeout() const { return timers_.next(); }

  // Commands.
  void close(Instant now, CloseCode code, std::string_view reason);
  void close_when_sent(Instant now, CloseCode code, std::string_view reason, Duration limit);
  /// The peer has a new connection with us: this one ends without a word.
  void abandon();
  /// connect() gave the id of a connection that the peer had begun.
  void make_known() { known_to_user_ = true; }
  std::optional<StreamId> open_stream(Priority priority);
  void set_priority(StreamId stream, Priority priority);
  size_t write(StreamId stream, ByteView bytes);
  void finish(StreamId stream);
  void reset_stream(StreamId stream, uint64_t code);
  size_t read(StreamId stream, MutableBytes out);
  bool send_message(Priority priority, SharedBytes bytes);
  bool send_datagram(ByteView bytes);
  void on_message_taken(size_t bytes);
  void on_datagram_taken() { --datagrams_held_; }

  // Getters.
  ConnectionId id() const { return identity_.id; }
  uint64_t scid() const { return identity_.scid; }
  uint64_t peer_cid() const { return peer_cid_; }
  /// The RCON's, whoever sent it: what a repetition of it is known by.
  const HandshakeId& initiator_id() const { return initiator_id_; }
  const HandshakeId& handshake_id() const { return identity_.handshake_id; }
  const Path& path() const { return path_.path(); }
  bool is_requesting() const { return state_ == State::requesting; }
  bool is_half_open() const { return state_ == State::half_open; }
  bool is_open() const { return state_ == State::open; }
  /// Closed was given: no more events, but packets may still be answered.
  bool is_over() const { return state_ > State::open; }
  bool is_dead() const { return state_ == State::dead; }
  ConnectionStats stats() const;
  size_t send_room() const;
  bool is_consistent() const;

 private:
  enum class State { requesting, half_open, open, closing, draining, dead };

  // connection.cpp: life
  void start_open(Instant now, bool initiator);
  void accept(Instant now, const Rcon& rcon, const TransportParameters& theirs);
  void prove(Instant now, PacketNumber number);
  void report_closed(CloseCode code, bool by_peer, std::string reason);
  void linger(Instant now, State state);
  void close_if_flushed(Instant now);
  void update_timers(Instant now);
  Duration probe_timeout() const;

  // connection_receive.cpp
  void read_frames(Instant now, const Path& path, ByteView frames, bool& ack_eliciting);
  CloseCode on_frame(Instant now, const Path& path, const Frame& frame);
  CloseCode on_ack(Instant now, const AckFrame& ack);
  void on_outcome(Instant now, const SendOutcome& outcome);
  void on_close_frame(Instant now, const CloseFrame& frame);
  void on_datagram(const DatagramFrame& frame);
  void follow_peer(Instant now, const Path& path, size_t bytes);
  void start_path(const Path& old);

  // connection_transmit.cpp
  std::optional<Transmit> transmit_long(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_close(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_path_frame(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_mtu_probe(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_batch(Instant now, MutableBytes buffer);
  size_t build_packet(Instant now, MutableBytes room);
  bool may_send_eliciting(Instant now, size_t bytes);
  bool anything_eliciting() const;
  void write_eliciting(Writer& out);
  ShortHeader next_header() const;
  size_t seal_packet(MutableBytes room, size_t size);
  size_t peer_buffer() const;
  size_t mtu_limit() const;
  bool takes_commands() const { return state_ == State::open && !flushing_; }

  EndpointConfig config_;
  Identity identity_;
  State state_ = State::requesting;
  Random random_;
  PathValidator path_;
  MtuProber mtu_{packet_bytes_initial};
  Timers timers_;
  Sender sender_;
  Receiver receiver_;
  TransportParameters ours_;
  TransportParameters theirs_;
  std::optional<Seal> seal_;
  std::optional<Streams> streams_;
  std::deque<Event> events_;

  // Handshake.
  HandshakeId initiator_id_{};
  bool known_to_user_ = false;  // the id was given by connect() or in Connected
  bool cookie_taken_ = false;
  uint64_t peer_cid_ = 0;
  Bytes long_packet_;  // the RCON or ACON, to be sent again
  int long_packets_due_ = 0;
  int long_packets_sent_ = 0;
  Instant long_packet_at_{};
  Duration rcon_interval_ = rcon_interval_first;

  // Path frames to answer, each to where it came from.
  struct PathAnswer {
    Path path;
    uint64_t value;
  };
  std::deque<PathAnswer> path_answers_;

  bool ping_due_ = false;
  int acks_alone_ = 0;  // packets since the last ack-eliciting one
  std::deque<Bytes> datagrams_;
  size_t datagrams_held_ = 0;

  // Close.
  CloseCode close_code_ = CloseCode::none;
  std::string close_reason_;
  bool flushing_ = false;
  bool close_due_ = false;
  uint64_t closing_received_ = 0;

  Instant last_received_{};
  Instant last_eliciting_sent_{};
  Instant kept_alive_{};
  Duration idle_timeout_{};
  std::vector<SentFrame> records_;  // of the packet being built
  ConnectionStats counters_;
};

}  // namespace mrt
