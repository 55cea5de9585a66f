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

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mrt/agreement.h"
#include "mrt/base/allowance.h"
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

/// What all connections of an endpoint share; it outlives them.
struct Household {
  const EndpointConfig& config;
  const Identity& identity;
  CipherPool& ciphers;
  EventQueue events;               // in the order in which they came about
  std::vector<SentFrame> records;  // of the packet being built
};

/// The suite to use of those offered: 0 where there is none in common.
uint8_t suite_for(uint8_t offered, const EndpointConfig& config);

class Connection {
 public:
  /// What this one is known by.
  struct Names {
    ConnectionId id;
    uint64_t scid;  // what the peer puts into its packets
    HandshakeId handshake_id;
    ResetToken reset_token;
  };

  /// Calls: the RCON is due at once.
  Connection(Instant now, Household& household, const Names& names, const Path& path,
             const Random::Seed& seed, const NetworkKey& shown);
  /// Answers an RCON, which showed `key`. REQUIRES: its parameters are right, and suite_for() it
  /// is not 0. The connection is dead where the key exchange makes no sense.
  Connection(Instant now, Household& household, const Names& names, const Path& path,
             const Random::Seed& seed, const Rcon& rcon, const TransportParameters& theirs,
             const NetworkKey& key);

  // Inputs: long packets that were matched with this connection.
  void on_acon(Instant now, const Path& path, const Acon& acon);
  void on_rcon_again(const Path& path);
  /// Both call at once, and the peer's handshake id is the smaller.
  /// False where the RCON makes no sense: then this connection goes on calling.
  [[nodiscard]] bool answer_instead(Instant now, const Rcon& rcon,
                                    const TransportParameters& theirs, const NetworkKey& key);
  /// An RCON from the peer's address. True if it is the peer's half of a call by both, repeated
  /// since it has not heard that its ACON has opened this connection; else it comes from a new one.
  bool on_rival_rcon(Instant now);
  void on_cookie(const Cookie& cookie);
  void on_refuse(const HandshakeId& id, CloseCode code, std::string reason);
  void on_reset(const Reset& reset);
  /// One short packet, and the end of a batch of them. True if it passed its check.
  bool on_packet(Instant now, const Path& path, const ShortHeader& header, MutableBytes packet);
  void on_batch_end(Instant now);
  void on_timeout(Instant now);

  // Outputs. `urgent_only`: datagrams and what is interactive, with acks, and no more.
  std::optional<Transmit> poll_transmit(Instant now, MutableBytes buffer, bool urgent_only = false);
  Instant next_timeout() const { return timers_.next(); }

  // Commands.
  void close(Instant now, CloseCode code, std::string_view reason);
  void close_when_sent(Instant now, CloseCode code, std::string_view reason, Duration limit);
  /// The peer has a new connection with us: this one ends without a word.
  void abandon();
  /// connect() gave the id of a connection that the peer, or somebody in its name, had begun.
  void call_too(Instant now, const NetworkKey& shown);
  std::optional<StreamId> open_stream(Priority priority);
  void set_priority(StreamId stream, Priority priority);
  size_t write(StreamId stream, ByteView bytes);
  void finish(StreamId stream);
  void reset_stream(StreamId stream, uint64_t code);
  size_t read(StreamId stream, MutableBytes out);
  bool send_message(Priority priority, SharedBytes bytes);
  bool send_datagram(ByteView bytes);
  /// True where there is something to send about it.
  bool on_message_taken(size_t bytes);
  void on_datagram_taken() { --datagrams_held_; }

  // Getters.
  ConnectionId id() const { return names_.id; }
  uint64_t scid() const { return names_.scid; }
  uint64_t peer_cid() const { return peer_cid_; }
  /// The RCON's, whoever sent it: what a repetition of it is known by.
  const HandshakeId& initiator_id() const { return initiator_id_; }
  /// Of the RCON that this side sends, while it does.
  const HandshakeId* calling_id() const { return calling_ ? &calling_->rcon.id : nullptr; }
  /// What the caller showed, whichever side that was.
  const NetworkKey& key_shown() const { return key_shown_; }
  const std::optional<PublicKey>& peer_key() const { return peer_key_; }
  const Path& path() const { return path_.path(); }
  bool is_path_proven() const { return path_.proven(); }
  bool is_requesting() const { return state_ == State::requesting; }
  bool is_half_open() const { return state_ == State::half_open; }
  bool is_open() const { return state_ == State::open; }
  /// Closed was given: no more events, but packets may still be answered.
  bool is_over() const { return state_ > State::open; }
  bool is_dead() const { return state_ == State::dead; }
  ConnectionStats stats() const;
  /// How long packets may wait to be read together: nothing unless they come one after the other,
  /// and from far enough that it is not felt.
  Duration patience() const;
  size_t send_room() const;
  /// Something interactive waits to be sent, or what is sent once and is worth little later.
  bool has_urgent() const {
    return streams_ && (!datagrams_.empty() || streams_->outbound().anything_urgent());
  }
  bool is_consistent() const;

 private:
  enum class State { requesting, half_open, open, closing, draining, dead };

  // connection_handshake.cpp
  /// What is drawn is so little that no generator is kept for it.
  Random new_random();
  TransportParameters our_parameters() const;
  void start_open(Instant now, bool initiator);
  void call(Instant now, const HandshakeId& id, const NetworkKey& shown);
  bool accept(Instant now, const Rcon& rcon, const TransportParameters& theirs,
              const NetworkKey& key);
  void take_keys(const Agreed& agreed, HandshakeRole role, uint8_t suite);
  void fail_call(CloseCode code, std::string reason);
  void prove(Instant now, PacketNumber number);
  /// What the handshake needed is given back when nothing of it is waited for.
  void end_opening();
  void report_closed(CloseCode code, bool by_peer, std::string reason);
  void linger(Instant now, State state);
  void close_if_flushed(Instant now);
  void update_timers(Instant now);
  void give_memory_back();
  Duration probe_timeout() const;

  // connection_receive.cpp
  bool authenticate(Instant now, ByteView frames);
  void read_frames(Instant now, const Path& path, ByteView frames, bool& ack_eliciting);
  CloseCode on_frame(Instant now, const Path& path, const Frame& frame);
  void bound_answers(size_t first, size_t packet_bytes);
  CloseCode on_ack(Instant now, const AckFrame& ack);
  void on_outcome(const SendOutcome& outcome);
  void on_close_frame(Instant now, const CloseFrame& frame);
  void on_datagram(const DatagramFrame& frame);
  void follow_peer(Instant now, const Path& path, size_t bytes);
  void start_path(const Path& old, bool was_proven);

  // connection_transmit.cpp
  std::optional<Transmit> transmit_long(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_close(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_path_frame(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_mtu_probe(Instant now, MutableBytes buffer);
  std::optional<Transmit> transmit_batch(Instant now, MutableBytes buffer, bool urgent_only);
  size_t build_packet(Instant now, MutableBytes room, bool urgent_only);
  // What may go beside an ack: what is interactive and copies of it, or everything.
  enum class Turn { nothing, urgent, all };
  Turn turn_at(Instant now, size_t bytes);
  bool may_overdraw(Instant now) const;
  bool copies_help() const;
  Instant repeat_at() const;
  bool anything_eliciting() const;
  size_t write_eliciting(Instant now, Turn turn, bool urgent_only, Writer& out);
  ShortHeader next_header() const;
  void begin_packet(Writer& out);
  size_t seal_packet(MutableBytes room, size_t size);
  size_t peer_buffer() const;
  size_t mtu_limit() const;
  bool takes_commands() const { return state_ == State::open && !flushing_; }

  Household& household_;
  Names names_;
  State state_ = State::requesting;
  Random::Seed seed_;
  PathValidator path_;
  MtuProber mtu_{packet_bytes_initial};
  Timers timers_;
  Sender sender_;
  RecentLoss recent_loss_;
  // Bytes that go in copies, and beyond pacing and window: ten packets at once, and 1 Mb/s, a
  // hundred lines a second with five copies each and as much again.
  Allowance urgent_{125'000, 10 * packet_bytes_initial};
  Receiver receiver_;
  TransportParameters theirs_;
  std::optional<Seal> seal_;
  std::optional<Streams> streams_;

  // Handshake. What is only needed until the connection is open goes then.
  struct Repeated {  // an RCON or ACON
    Bytes packet;
    bool due = false;
    int sent = 0;
    Instant first_sent_at{};
  };
  struct Calling {
    Rcon rcon;
    NetworkKey shown;
    std::optional<Call> call;  // not in suite plain
    Repeated out;
    Duration interval = rcon_interval_first;
  };
  std::unique_ptr<Calling> calling_;
  HandshakeId initiator_id_{};
  NetworkKey key_shown_;
  HandshakeRole role_ = HandshakeRole::initiator;
  std::optional<PublicKey> peer_key_;
  struct Opening {    // what there is of a handshake until both are proven
    Repeated answer;  // the ACON
    TranscriptHash transcript{};
    std::string keys_logged;
  };
  std::unique_ptr<Opening> opening_ = std::make_unique<Opening>();
  Bytes proof_;                 // of our identity, until the peer has acknowledged it
  bool known_to_user_ = false;  // the id was given by connect() or in Connected
  uint64_t peer_cid_ = 0;

  // Path frames to answer, each to where it came from.
  struct PathAnswer {
    Path path;
    uint64_t value;
    size_t bytes_max;
  };
  std::vector<PathAnswer> path_answers_;

  bool ping_due_ = false;
  int acks_alone_ = 0;  // packets since the last ack-eliciting one
  Ring<Bytes> datagrams_;
  size_t datagrams_held_ = 0;

  // Close.
  CloseCode close_code_ = CloseCode::none;
  std::string close_reason_;
  bool flushing_ = false;
  bool close_due_ = false;
  uint64_t closing_received_ = 0;

  Instant last_received_{};
  bool packets_follow_ = false;  // the last came closely behind the one before
  Instant last_eliciting_sent_{};
  Instant kept_alive_{};
  Duration idle_timeout_{};
  std::vector<SentFrame>& records_ = household_.records;
  struct Counters {
    uint64_t packets_received = 0;
    uint64_t packets_corrupt = 0;
    uint64_t bytes_sent = 0;
    uint64_t bytes_received = 0;
  };
  Counters counters_;
};

}  // namespace mrt
