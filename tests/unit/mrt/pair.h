// SPDX-License-Identifier: MIT
//
// Two endpoints and the wire between them, in virtual time, drawn from one seed: delay,
// loss, duplicates, reordering, corruption. What a test wants to see of the wire it takes
// with `watch`; what it wants to lose, with `drop`.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mrt/endpoint.h"

namespace mrt::test {

using namespace std::chrono_literals;

struct Weather {
  Duration delay = 5ms;
  Duration jitter{};
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;  // late by up to twice the delay
  double corrupt = 0;
  size_t mtu = 65'535;
};

/// A message whose bytes tell its number, so that a wrong one is seen.
Bytes pattern(size_t size, uint64_t number);
SharedBytes shared_pattern(size_t size, uint64_t number);

/// What a Pair's endpoints are like where a test does not care: plain, so that a Forger can
/// speak for them, or sealed with THUBAN_TEST_SEALED=1 in the environment.
EndpointConfig pair_config();
/// Sealed, and a password between them. The identity follows from the number.
EndpointConfig sealed_config(uint8_t identity = 1);
/// Whether pair_config() is sealed.
bool pairs_are_sealed();

class Pair {
 public:
  enum Side { left = 0, right = 1 };

  explicit Pair(uint64_t seed = 1, const Weather& weather = {},
                const EndpointConfig& config = pair_config(),
                std::optional<EndpointConfig> right_config = {});

  Endpoint& operator[](Side side) { return *sides_[side].endpoint; }
  Address address(Side side) const { return sides_[side].address; }
  Path path_from(Side side) const { return {address(side), address(other(side))}; }
  static Side other(Side side) { return side == left ? right : left; }

  /// left calls right and both are Connected. False where that takes longer than `limit`.
  bool connect(Duration limit = 20s);
  /// Runs the world for that long, or until `done`. True if done.
  bool run(Duration time, const std::function<bool()>& done = {});
  /// Everything both have to do at this instant; nothing is delivered.
  void pump_both();
  void deliver(Side to, const Path& path, Bytes bytes, size_t segment_size = 0);
  void replace(Side side, const EndpointConfig& config, uint64_t seed);
  void move(Side side, const Address& address) { sides_[side].address = address; }

  Instant now{std::chrono::seconds(1)};
  Weather weather;
  std::array<std::optional<ConnectionId>, 2> id;
  /// Readable streams are read at once into `streams`, unless a test wants to be slow.
  std::array<bool, 2> reads{true, true};
  std::array<bool, 2> polls_events{true, true};
  std::array<std::vector<Event>, 2> events;
  std::array<std::vector<Bytes>, 2> messages;
  std::array<std::vector<Bytes>, 2> datagrams;
  std::array<std::map<StreamId, Bytes>, 2> streams;
  std::array<size_t, 2> datagrams_sent{};
  std::array<size_t, 2> bytes_sent{};
  std::function<bool(Side from, const Path&, ByteView)> drop;   // true: lost
  std::function<void(Side from, const Path&, ByteView)> watch;  // all that is sent
  std::function<void(Side, const Event&)> on_event;
  size_t timeouts_run = 0;

  template <class E>
  const E* find(Side side) const {
    for (const Event& event : events[side])
      if (const E* found = std::get_if<E>(&event)) return found;
    return nullptr;
  }
  template <class E>
  size_t count(Side side) const {
    size_t n = 0;
    for (const Event& event : events[side]) n += std::holds_alternative<E>(event) ? 1 : 0;
    return n;
  }
  const Closed* closed(Side side) const { return find<Closed>(side); }

 private:
  struct End {
    std::unique_ptr<Endpoint> endpoint;
    Address address;
  };
  struct InFlight {
    Side to;
    Path path;  // as the receiver sees it
    Bytes bytes;
    size_t segment_size;
  };

  void pump(Side side);
  void take_event(Side side, const Event& event);
  void send(Side from, const Transmit& batch, ByteView bytes);
  void enqueue(Side to, const Path& path, Bytes bytes, size_t segment_size, Duration delay);

  Random random_;
  std::array<End, 2> sides_;
  std::map<std::pair<Instant, uint64_t>, InFlight> wire_;
  uint64_t order_ = 0;
  Bytes buffer_ = Bytes(batch_bytes_max);
};

}  // namespace mrt::test
