// SPDX-License-Identifier: MIT
//
// The one idea that carries everything: outside the drivers and the client each part is
// a Machine. Values in, values out; no clock, no socket, no thread, no callback.
//
//   inputs    on_datagrams(now, path, ecn, segment_size, bytes), on_timeout(now), ...
//   outputs   poll_transmit(now, buffer), poll_event(), next_timeout()
//
// 1. Any interleaving of inputs and polls is correct; polling late costs only latency.
// 2. `now` never runs backwards.
// 3. After on_timeout(now) and a full drain, next_timeout() > now: no busy loop.
//
// pump() is the loop around one machine, written once for libuv and the simulator.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"
#include "mrt/base/time.h"

namespace mrt {

/// Explicit congestion notification as the IP header carries it (RFC 3168 section 5).
enum class Ecn : uint8_t { not_ect = 0, ect1 = 1, ect0 = 2, ce = 3 };

/// A batch of datagrams of one size to one path, lying one behind the other in the buffer
/// that poll_transmit() was given. Only the last may be shorter than segment_size.
struct Transmit {
  Path path;
  size_t size = 0;          // of all of them together
  size_t segment_size = 0;  // of each; a driver hands it to UDP_SEGMENT
  Ecn ecn = Ecn::not_ect;
};

/// The kernel takes at most 64 segments and 65,507 bytes of payload in one UDP_SEGMENT
/// send (UDP_MAX_SEGMENTS in linux/udp.h; IPv4's 65,535 less its headers).
inline constexpr size_t batch_segments_max = 64;
inline constexpr size_t batch_bytes_max = 65'507;

template <class M>
concept Machine = requires(M machine, const M& state, Instant now, Path path, MutableBytes bytes) {
  machine.on_datagrams(now, path, Ecn::not_ect, size_t{0}, bytes);
  machine.on_timeout(now);
  { machine.poll_transmit(now, bytes) } -> std::same_as<std::optional<Transmit>>;
  {static_cast<bool>(machine.poll_event())};
  { state.next_timeout() } -> std::same_as<Instant>;
  { state.is_consistent() } -> std::same_as<bool>;
};

/// What a driver gives to pump(): a place for batches and for events.
template <class Io, class M>
concept PumpIo = Machine<M> && requires(Io io, M& machine, Instant now) {
  // Room for the next batch of up to batch_bytes_max bytes; empty while nothing can be
  // sent, and then pump() is called again when it can.
  { io.transmit_buffer() } -> std::same_as<MutableBytes>;
  io.transmit(Transmit{});
  io.on_event(now, *machine.poll_event());
};

/// Small batches, each to somebody else, for one full one: they cost about as much.
inline constexpr size_t small_batches_per_full = 8;

/// Runs what is due, hands out events and batches until there are none, and returns when
/// to call again. At most `batches_max` full batches, or more where they are small, so that a busy
/// machine does not starve the rest of the loop: what is left is then due at once.
template <class M, class Io>
requires PumpIo<Io, M> Instant pump(M& machine, Instant now, Io& io, size_t batches_max = 16) {
  if (machine.next_timeout() <= now) machine.on_timeout(now);
  size_t bytes = 0;
  for (size_t round = 0; round < batches_max * small_batches_per_full; ++round) {
    if (bytes >= batches_max * batch_bytes_max) break;
    bool idle = true;
    while (auto event = machine.poll_event()) {
      io.on_event(now, *event);
      idle = false;
    }
    const MutableBytes buffer = io.transmit_buffer();
    if (!buffer.empty()) {
      if (const auto batch = machine.poll_transmit(now, buffer)) {
        io.transmit(*batch);
        bytes += batch->size;
        idle = false;
      }
    }
    if (idle) return machine.next_timeout();
  }
  return now;
}

}  // namespace mrt
