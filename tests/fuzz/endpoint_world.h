// SPDX-License-Identifier: MIT
//
// Two endpoints and all that can happen to them and between them, one operation after the other
// as the bytes of a script say: calls, streams, messages, and a wire that loses, repeats, mangles
// and forges. What must hold is checked at each step.
//
// 1. Both are consistent, and quiet once nothing is due: no busy loop.
// 2. What is handed out was sent by the other side, whole, in order, once; a forger under the
//    right seal (plain, where anybody can be one) may add to it.
// 3. A connection's events begin with Connected, unless it was called, and end with Closed.
// 4. An address that has proven nothing gets at most three times what came from it.
// 5. Where nobody forged, everything arrives in the end once the wire is whole again.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "mrt/endpoint.h"

namespace fuzz {

/// So little of everything that a script of a few bytes reaches it; drawn from one byte.
mrt::EndpointConfig small_limits(uint8_t draw, bool plain);

/// The byte at this place of a stream, told apart by stream and direction.
uint8_t stream_byte(size_t sender, mrt::StreamId stream, uint64_t offset);

class EndpointWorld {
 public:
  /// Both sides have this configuration but for the identity.
  explicit EndpointWorld(const mrt::EndpointConfig& config);

  /// One operation; takes at least one byte of the script.
  void step(mrt::Reader& script);
  /// The wire is whole and time passes, until all that was promised is done.
  void settle();

 private:
  using Sent = std::set<uint64_t>;  // numbers of messages or datagrams
  struct Known {
    bool called = false;
    bool connected = false;
    bool closed = false;
    Sent messages;                                    // taken by send_message()
    std::map<mrt::StreamId, uint64_t> written, read;  // bytes so far
    std::set<mrt::StreamId> readable, ended;
  };
  struct Heard {
    size_t received = 0;
    size_t sent = 0;
  };
  struct End {
    std::unique_ptr<mrt::Endpoint> endpoint;
    mrt::Address address;
    std::map<mrt::ConnectionId, Known> known;
    std::map<mrt::Address, Heard> heard;
    std::set<mrt::Address> proven;
    bool path_unknown = false;  // it proved one and ended before it could be asked which
    Sent messages_sent, messages_received, datagrams_sent, datagrams_received;
    uint64_t scid = 0;  // as the long packets tell it
  };
  struct InFlight {
    size_t to;
    mrt::Path path;  // as the receiver sees it
    mrt::Bytes bytes;
  };

  // Operations.
  void call(size_t side);
  void write(size_t side, mrt::Reader& script);
  void read(size_t side, mrt::Reader& script);
  void end_stream(size_t side, mrt::Reader& script);
  void send(size_t side, mrt::Reader& script);
  void close(size_t side, mrt::Reader& script);
  void restart(size_t side);
  void move(size_t side, mrt::Reader& script);
  void deliver(mrt::Reader& script, bool keep);
  void mangle(mrt::Reader& script, bool seal_again);
  void forge(size_t side, mrt::Reader& script);
  void stranger(mrt::Reader& script);
  void wait(mrt::Duration time);

  // The world around them.
  std::optional<mrt::ConnectionId> pick(size_t side, mrt::Reader& script) const;
  void pump(size_t side);
  bool take_events(size_t side);
  bool transmit_one(size_t side);
  void on_event(size_t side, const mrt::Event& event);
  void read_all(size_t side, mrt::ConnectionId id, mrt::StreamId stream, size_t bytes_max);
  void transmit(size_t side, const mrt::Transmit& batch, mrt::ByteView bytes);
  void arrive(size_t to, const mrt::Path& path, mrt::ByteView bytes);
  void listen(size_t side, mrt::ByteView packet);
  bool may_be_forged() const { return config_.plain && forged_; }
  mrt::Bytes numbered(uint64_t number, size_t size) const;
  void check_numbered(mrt::ByteView bytes, const Sent& sent, Sent& received) const;

  mrt::EndpointConfig config_;
  mrt::Instant now_{std::chrono::seconds(100)};
  mrt::Random random_;
  std::array<End, 2> ends_;
  std::deque<InFlight> wire_;
  mrt::HandshakeId initiator_{}, responder_{};  // of the last handshake
  uint64_t forged_number_ = 0;
  uint64_t next_number_ = 1;
  size_t written_bytes_ = 0;
  bool forged_ = false;  // under a right seal
  bool reads_ = false;   // what arrives is read at once
  bool whole_ = false;   // the wire: what is sent arrives
  mrt::Bytes buffer_ = mrt::Bytes(mrt::batch_bytes_max);
};

}  // namespace fuzz
