// SPDX-License-Identifier: MIT
//
// A peer that breaks the rules: it listens to the handshake of a Pair (suite plain keeps no
// secrets, and of a sealed one it reads the key log), then sends any frames under the right seal
// in the name of one side.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <sstream>
#include <string>

#include "mrt/handshake.h"
#include "mrt/wire.h"
#include "unit/mrt/pair.h"

namespace mrt::test {

class Forger {
 public:
  /// Takes the place of `side`: what the real one sends is lost from silence() on.
  Forger(Pair& pair, Pair::Side side) : pair_(pair), side_(side) {
    pair.watch = [this](Pair::Side from, const Path&, ByteView packet) { listen(from, packet); };
  }

  /// The real side is cut off both ways; only the forger speaks.
  void silence() {
    pair_.drop = [](Pair::Side, const Path&, ByteView) { return true; };
  }

  /// One short packet with these frames; the number is the next, or `number`.
  Bytes packet(const std::function<void(Writer&)>& frames,
               std::optional<uint64_t> number = std::nullopt) {
    const PacketNumber at{number.value_or(next_)};
    next_ = std::max(next_, at.value + 1);
    Bytes out(20'000);
    Writer writer(out);
    ShortHeader header;
    header.dcid = cid_[Pair::other(side_)];
    header.number_bytes = 4;
    header.number_truncated = static_cast<uint32_t>(at.value);
    write_short_header(writer, header);
    frames(writer);
    REQUIRE_MESSAGE(writer.ok(), "the forged packet is too long");
    const size_t least = short_packet_bytes_min - trailer_bytes;
    if (writer.size() < least) writer.zeros(least - writer.size());
    out.resize(writer.size() + trailer_bytes);
    // A Seal of its own: the one that opens would refuse a number below the last.
    new_seal().seal(at, header.size(), out);
    return out;
  }

  void send(const std::function<void(Writer&)>& frames) {
    const Pair::Side to = Pair::other(side_);
    pair_.deliver(to, pair_.path_from(to), packet(frames));
    pair_.pump_both();
  }

  /// DATA with these bytes.
  void send_data(StreamId stream, uint64_t offset, ByteView bytes, bool fin = false) {
    send([&](Writer& out) {
      write_data_head(out, {stream, offset, bytes.size(), fin, true});
      out.bytes(bytes);
    });
  }

  uint64_t heard_end(Pair::Side from) const { return heard_end_[from]; }
  /// Called for each short packet of the side that is lied to.
  std::function<void(uint64_t number, ByteView frames)> on_heard;

 private:
  Seal& seal() {
    if (!seal_) seal_.emplace(new_seal());
    return *seal_;
  }

  Seal new_seal() {
    const auto* keys = pair_.find<KeysLogged>(side_);
    if (!keys) return Seal::plain(initiator_, responder_);
    // "mrt1 INITIATOR CIPHER TO_RESPONDER TO_INITIATOR"
    std::istringstream words(keys->line);
    std::string version, id, cipher, to_responder, to_initiator;
    words >> version >> id >> cipher >> to_responder >> to_initiator;
    const bool initiator = cid_[side_] == initiator_cid_;
    return Seal::with_keys(
        pool_, cipher == "aes-128-gcm" ? Cipher::aes_128_gcm : Cipher::chacha20_poly1305,
        secret(initiator ? to_responder : to_initiator),
        secret(initiator ? to_initiator : to_responder), packets_per_key_default);
  }

  static Secret secret(const std::string& hex) {
    Secret out;
    const auto bytes = from_hex(hex);
    std::copy(bytes->begin(), bytes->end(), out.data());
    return out;
  }

  void listen(Pair::Side from, ByteView packet) {
    if (const auto rcon = read_rcon(packet)) {
      initiator_ = rcon->id;
      cid_[from] = initiator_cid_ = rcon->scid;
    } else if (const auto acon = read_acon(packet)) {
      responder_ = acon->responder_id;
      cid_[from] = acon->scid;
    } else if (const auto header = read_short_header(packet)) {
      const uint64_t number =
          expand_packet_number(header->number_truncated, header->number_bytes, heard_end_[from]);
      heard_end_[from] = std::max(heard_end_[from], number + 1);
      if (from == side_) next_ = std::max(next_, number + 1);
      if (from == side_ || !on_heard) return;
      Bytes opened(packet.begin(), packet.end());
      if (seal().open({number}, header->key_phase, header->size(), opened))
        on_heard(number, ByteView(opened).subspan(header->size(),
                                                  opened.size() - header->size() - trailer_bytes));
    }
  }

  Pair& pair_;
  Pair::Side side_;
  HandshakeId initiator_{};
  HandshakeId responder_{};
  std::array<uint64_t, 2> cid_{};
  std::array<uint64_t, 2> heard_end_{};
  uint64_t next_ = 0;
  uint64_t initiator_cid_ = 0;
  CipherPool pool_;
  std::optional<Seal> seal_;
};

}  // namespace mrt::test
