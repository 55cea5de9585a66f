// SPDX-License-Identifier: MIT
//
// What happens by itself in the world of two endpoints: polling, events, datagrams.
#include <algorithm>

#include "fuzz/endpoint_world.h"
#include "mrt/base/check.h"
#include "mrt/base/match.h"
#include "mrt/handshake.h"
#include "mrt/wire.h"

namespace fuzz {

using namespace mrt;

namespace {

constexpr size_t wire_max = 256;
constexpr size_t wire_whole_max = 8'192;
constexpr size_t polls_max = 20'000;
// WIRE.md 3.2: three times what came from an address that has proven nothing.
constexpr size_t unproven_factor = 3;

}  // namespace

std::optional<ConnectionId> EndpointWorld::pick(size_t side, Reader& script) const {
  const std::vector<ConnectionId> ids = ends_[side].endpoint->connections();
  if (ids.empty()) return std::nullopt;
  return ids.size() == 1 ? ids[0] : ids[script.u8() % ids.size()];
}

void EndpointWorld::pump(size_t side) {
  Endpoint& endpoint = *ends_[side].endpoint;
  if (endpoint.next_timeout() <= now_) endpoint.on_timeout(now_);
  // Sending may be the end of something, of which an event tells.
  for (size_t polls = 0; take_events(side) || transmit_one(side); ++polls) CHECK(polls < polls_max);
  CHECK(endpoint.next_timeout() > now_);
}

bool EndpointWorld::take_events(size_t side) {
  bool any = false;
  while (const auto event = ends_[side].endpoint->poll_event()) {
    on_event(side, *event);
    any = true;
  }
  return any;
}

bool EndpointWorld::transmit_one(size_t side) {
  const auto batch = ends_[side].endpoint->poll_transmit(now_, buffer_);
  if (batch) transmit(side, *batch, ByteView(buffer_).first(batch->size));
  return batch.has_value();
}

void EndpointWorld::on_event(size_t side, const Event& event) {
  End& end = ends_[side];
  const auto of = [&](ConnectionId id) -> Known& {
    Known& known = end.known[id];
    CHECK(known.called || known.connected);
    CHECK(!known.closed);
    return known;
  };
  std::visit(
      Match{
          [&](const Connected& e) {
            Known& known = end.known[e.connection];
            CHECK(!known.connected && !known.closed);
            known.connected = true;
            const auto stats = end.endpoint->stats(e.connection);
            if (stats) end.proven.insert(stats->path.remote);
            end.path_unknown |= !stats;
          },
          [&](const Readable& e) {
            CHECK(!of(e.connection).ended.contains(e.stream));
            end.known[e.connection].readable.insert(e.stream);
            if (reads_) read_all(side, e.connection, e.stream, buffer_.size());
          },
          [&](const Writable& e) { of(e.connection); },
          [&](const MessageReceived& e) {
            CHECK(of(e.connection).connected && e.bytes.size() <= config_.message_bytes_max);
            check_numbered(e.bytes, ends_[1 - side].messages_sent, end.messages_received);
          },
          [&](const DatagramReceived& e) {
            CHECK(of(e.connection).connected);
            check_numbered(e.bytes, ends_[1 - side].datagrams_sent, end.datagrams_received);
          },
          [&](const StreamEnded& e) { CHECK(of(e.connection).ended.insert(e.stream).second); },
          [&](const PathChanged& e) {
            of(e.connection);
            end.proven.insert(e.path.remote);
          },
          [&](const Closed& e) {
            of(e.connection).closed = true;
            CHECK(e.reason.size() <= close_reason_bytes_max);
          },
          [](const OpeningHeard&) {},
          [&](const KeysLogged&) { CHECK(false); },
      },
      event);
}

void EndpointWorld::read_all(size_t side, ConnectionId id, StreamId stream, size_t bytes_max) {
  End& end = ends_[side];
  const MutableBytes bytes = MutableBytes(buffer_).first(bytes_max);
  const size_t size = end.endpoint->read(now_, id, stream, bytes);
  CHECK(size <= bytes_max);
  Known& known = end.known[id];
  CHECK(size == 0 || !known.ended.contains(stream));
  uint64_t& read = known.read[stream];
  for (size_t i = 0; i < size && !may_be_forged(); ++i)
    CHECK(bytes[i] == stream_byte(1 - side, stream, read + i));
  read += size;
}

void EndpointWorld::transmit(size_t side, const Transmit& batch, ByteView bytes) {
  End& end = ends_[side];
  CHECK(batch.segment_size > 0 && !bytes.empty());
  Heard& heard = end.heard[batch.path.remote];
  heard.sent += bytes.size();
  CHECK(heard.sent <= unproven_factor * heard.received || end.path_unknown ||
        end.proven.contains(batch.path.remote));
  size_t segments = 0;
  for (; !bytes.empty(); ++segments) {
    const ByteView packet = bytes.first(std::min(batch.segment_size, bytes.size()));
    bytes = bytes.subspan(packet.size());
    CHECK(packet.size() <= config_.mtu_bytes_max);
    listen(side, packet);
    // What goes to strangers, or to where the other side is no more, is lost.
    if (batch.path.remote != ends_[1 - side].address) continue;
    if (wire_.size() >= (whole_ ? wire_whole_max : wire_max)) wire_.pop_front();
    wire_.push_back({1 - side, {batch.path.remote, end.address}, {packet.begin(), packet.end()}});
  }
  CHECK(segments <= batch_segments_max);
}

void EndpointWorld::arrive(size_t to, const Path& path, ByteView bytes) {
  End& end = ends_[to];
  end.heard[path.remote].received += bytes.size();
  Bytes copy(bytes.begin(), bytes.end());
  end.endpoint->on_datagrams(now_, path, Ecn::not_ect, copy.size(), copy);
}

/// In suite plain whoever sees the handshake can seal what the two would.
void EndpointWorld::listen(size_t side, ByteView packet) {
  if (const auto rcon = read_rcon(packet)) {
    initiator_ = rcon->id;
    ends_[side].scid = rcon->scid;
  } else if (const auto acon = read_acon(packet)) {
    responder_ = acon->responder_id;
    ends_[side].scid = acon->scid;
  } else if (const auto header = read_short_header(packet)) {
    forged_number_ = std::max<uint64_t>(forged_number_, header->number_truncated & 0xff);
  }
}

/// Bytes that tell their number, and that every one of them is there.
Bytes EndpointWorld::numbered(uint64_t number, size_t size) const {
  Builder out;
  out.u64(number);
  Bytes bytes = out.take();
  while (bytes.size() < size)
    bytes.push_back(static_cast<uint8_t>(number * 131 + bytes.size() * 31 + size));
  return bytes;
}

void EndpointWorld::check_numbered(ByteView bytes, const Sent& sent, Sent& received) const {
  if (may_be_forged()) return;
  const uint64_t number = Reader(bytes).u64();
  CHECK(sent.contains(number));
  CHECK(std::ranges::equal(bytes, numbered(number, bytes.size())));
  CHECK(received.insert(number).second);
}

}  // namespace fuzz
