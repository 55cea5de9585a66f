// SPDX-License-Identifier: MIT
#include "fuzz/endpoint_world.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"
#include "mrt/handshake.h"
#include "mrt/seal.h"
#include "mrt/wire.h"

namespace fuzz {

using namespace mrt;
using namespace std::chrono_literals;

namespace {

// Enough for every window and queue of the small configurations used here, and still quick.
constexpr size_t written_bytes_max = 512 * 1024;
constexpr size_t rounds_max = 20'000;

Address home(size_t side) {
  return side == 0 ? Address::v4(192, 0, 2, 1, 1001) : Address::v4(198, 51, 100, 2, 2002);
}

}  // namespace

uint8_t stream_byte(size_t sender, StreamId stream, uint64_t offset) {
  return static_cast<uint8_t>(offset * 31 + (offset >> 8) * 7 + stream.value * 131 + sender * 17);
}

EndpointConfig small_limits(uint8_t draw, bool plain) {
  EndpointConfig config;
  config.plain = plain;
  config.network = "lab";
  config.only_cipher = (draw & 1) != 0 ? Cipher::aes_128_gcm : Cipher::chacha20_poly1305;
  config.network_key = {Access::password, {'s', 'e', 'c', 'r', 'e', 't'}};
  config.packets_per_key = 8;
  config.connections_max = 8;
  config.half_open_max = (draw & 2) != 0 ? 2 : 6;
  config.receive_window_bytes = (draw & 4) != 0 ? 4'096 : 65'536;
  config.stream_window_bytes = (draw & 8) != 0 ? 1'024 : 32'768;
  config.send_buffer_bytes = (draw & 16) != 0 ? 2'048 : 131'072;
  config.message_bytes_max = (draw & 4) != 0 ? 3'000 : 20'000;
  config.messages_open_max = (draw & 32) != 0 ? 2 : 64;
  config.streams_open_max = (draw & 64) != 0 ? 1 : 8;
  config.mtu_bytes_max = (draw & 128) != 0 ? 9'000 : 1'452;
  return config;
}

EndpointWorld::EndpointWorld(const EndpointConfig& config)
    : config_(config), random_(seed_from(1)) {
  for (size_t side = 0; side < 2; ++side) {
    restart(side);
    ends_[side].address = home(side);
  }
}

void EndpointWorld::step(Reader& script) {
  const uint8_t what = script.u8();
  const size_t side = what & 1;
  switch ((what >> 1) % 18) {
    case 0:
      call(side);
      break;
    case 1:
    case 2:
      write(side, script);
      break;
    case 3:
      read(side, script);
      break;
    case 4:
      end_stream(side, script);
      break;
    case 5:
    case 6:
      send(side, script);
      break;
    case 7:
      close(side, script);
      break;
    case 8:
      side == 0 ? move(script.u8() & 1, script) : restart(script.u8() & 1);
      break;
    case 9:
    case 10:
      deliver(script, false);
      break;
    case 11:
      deliver(script, true);
      break;
    case 12:
      if (!wire_.empty()) wire_.erase(wire_.begin() + script.u8() % static_cast<int>(wire_.size()));
      break;
    case 13:
      mangle(script, side == 1);
      break;
    case 14:
      forge(side, script);
      break;
    case 15:
      stranger(script);
      break;
    case 16:
      wait(std::chrono::milliseconds(script.u8()) * (side == 0 ? 1 : 100));
      break;
    default:
      whole_ = true;
      wait(std::chrono::milliseconds(script.u8()));
      whole_ = false;
  }
  // Polling late costs only latency: what a script marks so is not looked at yet.
  if ((what & 0x80) == 0) {
    pump(0);
    pump(1);
  }
  for (const End& end : ends_) CHECK(end.endpoint->is_consistent());
}

// -- Operations --

void EndpointWorld::call(size_t side) {
  End& end = ends_[side];
  const Path path{end.address, ends_[1 - side].address};
  const auto id = end.endpoint->connect(now_, path);
  if (!id) return;
  end.known[*id].called = true;
  CHECK(!end.known[*id].closed);
  end.proven.insert(path.remote);  // whom one calls oneself
}

void EndpointWorld::write(size_t side, Reader& script) {
  End& end = ends_[side];
  const auto id = pick(side, script);
  const uint8_t how = script.u8();
  const size_t size = size_t{1} << (how % 16);
  if (!id || written_bytes_ + size > written_bytes_max) return;
  const auto priority = static_cast<Priority>(how >> 6 == 3 ? 0 : how >> 6);
  const StreamId stream = (how & 0x10) != 0
                              ? end.endpoint->open_stream(*id, priority).value_or(first_stream)
                              : StreamId{script.u8() % 8u};
  end.endpoint->set_priority(*id, stream, priority);
  uint64_t& written = end.known[*id].written[stream];
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = stream_byte(side, stream, written + i);
  const size_t room = end.endpoint->send_room(*id);
  const size_t taken = end.endpoint->write(now_, *id, stream, bytes);
  // Some room is kept for interactive streams alone.
  CHECK(taken <= size && (taken <= room || priority == Priority::interactive));
  written += taken;
  written_bytes_ += taken;
}

void EndpointWorld::read(size_t side, Reader& script) {
  const auto id = pick(side, script);
  const StreamId stream{script.u8() % 16u};
  if (id) read_all(side, *id, stream, size_t{1} << (script.u8() % 16));
}

void EndpointWorld::end_stream(size_t side, Reader& script) {
  End& end = ends_[side];
  const auto id = pick(side, script);
  const uint8_t how = script.u8();
  const StreamId stream{how % 8u};
  if (!id) return;
  if ((how & 0x80) != 0) {
    end.endpoint->reset_stream(now_, *id, stream, how);
  } else {
    end.endpoint->finish(now_, *id, stream);
  }
}

void EndpointWorld::send(size_t side, Reader& script) {
  End& end = ends_[side];
  const auto id = pick(side, script);
  const uint8_t how = script.u8();
  const size_t size = 8 + (size_t{1} << (how % 16)) + script.u8();
  if (!id || written_bytes_ + size > written_bytes_max) return;
  const uint64_t number = next_number_++;
  written_bytes_ += size;
  if ((how & 0x10) != 0) {
    if (end.endpoint->send_datagram(now_, *id, numbered(number, size)))
      end.datagrams_sent.insert(number);
    return;
  }
  const auto bytes = std::make_shared<const Bytes>(numbered(number, size));
  const bool taken = end.endpoint->send_message(now_, *id, Priority::normal, bytes);
  CHECK(!taken || size <= config_.message_bytes_max);
  if (!taken) return;
  end.messages_sent.insert(number);
  end.known[*id].messages.insert(number);
}

void EndpointWorld::close(size_t side, Reader& script) {
  End& end = ends_[side];
  const auto id = pick(side, script);
  const uint8_t how = script.u8();
  if (!id) return;
  const std::string reason(how % 64 * 8, 'r');
  if ((how & 0x80) != 0) {
    end.endpoint->close_when_sent(now_, *id, CloseCode::none, reason, how % 16 * 100ms);
  } else {
    end.endpoint->close(now_, *id, CloseCode::none, reason);
  }
}

/// The process died and is there again: it knows nothing of what it was.
void EndpointWorld::restart(size_t side) {
  End& end = ends_[side];
  EndpointConfig config = config_;
  config.identity[0] = static_cast<uint8_t>(side + 1);
  End fresh;
  fresh.endpoint = std::make_unique<Endpoint>(config, random_.fork());
  fresh.endpoint->hear_openings(true);
  fresh.address = end.address;
  fresh.messages_sent = end.messages_sent;
  fresh.messages_received = end.messages_received;
  fresh.datagrams_sent = end.datagrams_sent;
  fresh.datagrams_received = end.datagrams_received;
  end = std::move(fresh);
}

/// A NAT between them gives the side another address.
void EndpointWorld::move(size_t side, Reader& script) {
  ends_[side].address = home(side);
  ends_[side].address.port = static_cast<uint16_t>(ends_[side].address.port + script.u8() % 4);
}

void EndpointWorld::deliver(Reader& script, bool keep) {
  if (wire_.empty()) return;
  const auto at = wire_.begin() + script.u8() % static_cast<int>(wire_.size());
  const InFlight arriving = *at;
  if (!keep) wire_.erase(at);
  arrive(arriving.to, arriving.path, arriving.bytes);
}

/// Some bytes of a datagram under way are changed; with its trailer made right where that needs
/// no key, and then whoever did it is a forger.
void EndpointWorld::mangle(Reader& script, bool seal_again) {
  if (wire_.empty()) return;
  Bytes& bytes = wire_[script.u8() % wire_.size()].bytes;
  const uint8_t how = script.u8();
  for (int i = 0; i <= how % 4 && !bytes.empty(); ++i) {
    const size_t at = script.u16() % bytes.size();
    bytes[at] = static_cast<uint8_t>(bytes[at] ^ (1 + script.u8() % 255));
  }
  if ((how & 0x80) != 0) bytes.resize(script.u16() % (bytes.size() + 1));
  if (!seal_again || bytes.size() < trailer_bytes) return;
  if (packet_form(bytes[0]) == PacketForm::long_packet) {
    seal_long(bytes);
    forged_ = true;
  } else if (const auto header = read_short_header(bytes); header && config_.plain) {
    Seal::plain(initiator_, responder_)
        .seal({header->number_truncated}, header->size(), MutableBytes(bytes));
    forged_ = true;
  }
}

/// Any frames, under the right seal, in the name of one side.
void EndpointWorld::forge(size_t side, Reader& script) {
  const ByteView frames = script.bytes(std::min<size_t>(script.u8(), script.remaining()));
  if (!config_.plain) return;
  ShortHeader header;
  header.dcid = ends_[1 - side].scid;
  header.number_bytes = 4;
  header.number_truncated = static_cast<uint32_t>(forged_number_ += 1 + frames.size() % 2);
  Bytes packet(std::max(header.size() + frames.size() + trailer_bytes, short_packet_bytes_min));
  Writer out(packet);
  write_short_header(out, header);
  out.bytes(frames);
  Seal::plain(initiator_, responder_).seal({forged_number_}, header.size(), packet);
  forged_ = true;
  arrive(1 - side, {ends_[1 - side].address, ends_[side].address}, packet);
}

/// Somebody else: an RCON with any parameters and handshake bytes, or any bytes at all.
void EndpointWorld::stranger(Reader& script) {
  const uint8_t who = script.u8();
  const Path path{ends_[who & 1].address, Address::v4(203, 0, 113, who, 5)};
  const uint8_t how = script.u8();
  const ByteView bytes = script.bytes(std::min<size_t>(how % 128, script.remaining()));
  if ((how & 0x80) == 0) return arrive(who & 1, path, bytes);
  Rcon rcon;
  rcon.scid = 1 + who;
  rcon.id = random_.array<16>();
  rcon.suites = config_.plain ? suite_plain : suite_aes_128_gcm;
  rcon.parameters.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(bytes.size() / 2));
  rcon.handshake.assign(bytes.begin() + static_cast<ptrdiff_t>(bytes.size() / 2), bytes.end());
  arrive(who & 1, path, write_packet(rcon));
}

void EndpointWorld::wait(Duration time) {
  const Instant until = now_ + time;
  for (size_t round = 0;; ++round) {
    CHECK(round < rounds_max);
    pump(0);
    pump(1);
    if (whole_ && !wire_.empty()) {
      // A round trip of 2 ms; both directions at once.
      now_ += 1ms;
      for (size_t n = wire_.size(); n > 0; --n) {
        const InFlight arriving = std::move(wire_.front());
        wire_.pop_front();
        arrive(arriving.to, arriving.path, arriving.bytes);
      }
      continue;
    }
    const Instant next =
        std::min(ends_[0].endpoint->next_timeout(), ends_[1].endpoint->next_timeout());
    if (next > until) break;
    now_ = std::max(now_, next);
  }
  now_ = std::max(now_, until);
}

void EndpointWorld::settle() {
  whole_ = true;
  // Who does not read what came stops the other, so from here on all is read at once.
  reads_ = true;
  for (size_t side = 0; side < 2; ++side)
    for (auto& [id, known] : ends_[side].known)
      for (const StreamId stream : std::exchange(known.readable, {}))
        read_all(side, id, stream, buffer_.size());
  // Longer than the idle time-out and the longest probe: what still lives then, works.
  wait(100s);
  if (forged_) return;
  for (size_t side = 0; side < 2; ++side) {
    for (const auto& [id, known] : ends_[side].known) {
      if (!known.connected || known.closed) continue;
      // One whose peer has gone hears nothing, and may wait for it as long as three round trips
      // took that the script made long.
      const auto stats = ends_[side].endpoint->stats(id);
      if (!stats || now_ - stats->last_received > 2 * config_.keep_alive) continue;
      for (const uint64_t number : known.messages)
        CHECK(ends_[1 - side].messages_received.contains(number));
    }
  }
}

}  // namespace fuzz
