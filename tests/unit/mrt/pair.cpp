// SPDX-License-Identifier: MIT
#include "unit/mrt/pair.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

namespace mrt::test {

Bytes pattern(size_t size, uint64_t number) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i)
    out[i] = static_cast<uint8_t>((i * 31 + number * 131 + (i >> 8) * 7) & 0xff);
  return out;
}

SharedBytes shared_pattern(size_t size, uint64_t number) {
  return std::make_shared<const Bytes>(pattern(size, number));
}

bool pairs_are_sealed() {
  const char* asked = std::getenv("THUBAN_TEST_SEALED");
  return asked && std::string_view(asked) == "1";
}

EndpointConfig sealed_config(uint8_t identity) {
  EndpointConfig config;
  config.identity[0] = identity;
  config.network = "lab";
  config.network_key = {Access::password, {'o', 'p', 'e', 'n', ' ', 'u', 'p'}};
  return config;
}

EndpointConfig pair_config() {
  EndpointConfig config;
  if (pairs_are_sealed()) {
    config = sealed_config();
    config.keylog = true;  // for a Forger
    return config;
  }
  config.plain = true;
  return config;
}

Pair::Pair(uint64_t seed, const Weather& w, const EndpointConfig& config,
           std::optional<EndpointConfig> right_config)
    : weather(w), random_(seed_from(seed)) {
  sides_[left] = {std::make_unique<Endpoint>(config, random_.fork()),
                  Address::v4(192, 0, 2, 1, 1001)};
  sides_[right] = {std::make_unique<Endpoint>(right_config.value_or(config), random_.fork()),
                   Address::v4(198, 51, 100, 2, 2002)};
}

bool Pair::connect(Duration limit) {
  id[left] = (*this)[left].connect(now, path_from(left));
  return run(limit, [this] { return find<Connected>(left) && find<Connected>(right); });
}

void Pair::replace(Side side, const EndpointConfig& config, uint64_t seed) {
  sides_[side].endpoint = std::make_unique<Endpoint>(config, seed_from(seed));
  id[side].reset();
}

void Pair::take_event(Side side, const Event& event) {
  if (on_event) on_event(side, event);
  if (const auto* connected = std::get_if<Connected>(&event)) id[side] = connected->connection;
  if (const auto* message = std::get_if<MessageReceived>(&event))
    messages[side].push_back(message->bytes);
  if (const auto* datagram = std::get_if<DatagramReceived>(&event))
    datagrams[side].push_back(datagram->bytes);
  if (const auto* readable = std::get_if<Readable>(&event); readable && reads[side]) {
    std::array<uint8_t, 10'000> chunk;
    Bytes& all = streams[side][readable->stream];
    while (const size_t size =
               (*this)[side].read(now, readable->connection, readable->stream, chunk))
      all.insert(all.end(), chunk.begin(), chunk.begin() + static_cast<ptrdiff_t>(size));
  }
  if (!std::holds_alternative<MessageReceived>(event)) events[side].push_back(event);
}

void Pair::pump(Side side) {
  Endpoint& endpoint = (*this)[side];
  if (endpoint.next_timeout() <= now) {
    endpoint.on_timeout(now);
    ++timeouts_run;
  }
  for (bool idle = false; !idle;) {
    idle = true;
    while (polls_events[side]) {
      const auto event = endpoint.poll_event();
      if (!event) break;
      take_event(side, *event);
      idle = false;
    }
    while (const auto batch = endpoint.poll_transmit(now, buffer_)) {
      send(side, *batch, ByteView(buffer_).first(batch->size));
      idle = false;
    }
  }
  REQUIRE(endpoint.next_timeout() > now);  // no busy loop
}

void Pair::pump_both() {
  pump(left);
  pump(right);
}

void Pair::send(Side from, const Transmit& batch, ByteView bytes) {
  REQUIRE(batch.segment_size > 0);
  REQUIRE((batch.size + batch.segment_size - 1) / batch.segment_size <= batch_segments_max);
  Bytes run;  // what arrives together, as UDP_GRO delivers it
  const Path seen{batch.path.remote, address(from)};
  for (size_t at = 0; at < bytes.size(); at += batch.segment_size) {
    const ByteView packet = bytes.subspan(at, std::min(batch.segment_size, bytes.size() - at));
    ++datagrams_sent[from];
    bytes_sent[from] += packet.size();
    if (watch) watch(from, batch.path, packet);
    const bool lost = packet.size() > weather.mtu || random_.chance(weather.loss) ||
                      batch.path.remote != address(other(from)) ||
                      (drop && drop(from, batch.path, packet));
    Bytes copy(packet.begin(), packet.end());
    if (random_.chance(weather.corrupt)) {
      const uint64_t bit = random_.below(copy.size() * 8);
      copy[bit / 8] = static_cast<uint8_t>(copy[bit / 8] ^ 1u << (bit % 8));
    }
    const bool late = random_.chance(weather.reorder);
    const bool twice = random_.chance(weather.duplicate);
    if (twice && !lost) enqueue(other(from), seen, copy, 0, 2 * weather.delay);
    if (!lost && late) {
      enqueue(other(from), seen, copy, 0, random_.between({}, 2 * weather.delay));
    } else if (!lost) {
      run.insert(run.end(), copy.begin(), copy.end());
    }
    const bool gap = lost || late;
    if (gap && !run.empty()) {
      enqueue(other(from), seen, std::move(run), batch.segment_size, {});
      run.clear();
    }
  }
  if (!run.empty()) enqueue(other(from), seen, std::move(run), batch.segment_size, {});
}

void Pair::enqueue(Side to, const Path& path, Bytes bytes, size_t segment_size, Duration extra) {
  const Duration jitter =
      weather.jitter > Duration{} ? random_.between({}, weather.jitter) : Duration{};
  wire_[{now + weather.delay + extra + jitter, order_++}] = {to, path, std::move(bytes),
                                                             segment_size};
}

void Pair::deliver(Side to, const Path& path, Bytes bytes, size_t segment_size) {
  (*this)[to].on_datagrams(now, path, Ecn::not_ect, segment_size, bytes);
}

bool Pair::run(Duration time, const std::function<bool()>& done) {
  const Instant until = now + time;
  for (;;) {
    pump_both();
    if (done && done()) return true;
    Instant next = std::min((*this)[left].next_timeout(), (*this)[right].next_timeout());
    if (!wire_.empty()) next = std::min(next, wire_.begin()->first.first);
    if (next > until) {
      now = until;
      return false;
    }
    now = std::max(now, next);
    while (!wire_.empty() && wire_.begin()->first.first <= now) {
      InFlight arriving = std::move(wire_.begin()->second);
      wire_.erase(wire_.begin());
      deliver(arriving.to, arriving.path, std::move(arriving.bytes), arriving.segment_size);
    }
  }
}

}  // namespace mrt::test
