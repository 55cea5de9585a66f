// SPDX-License-Identifier: MIT
#include "support/bottleneck.h"

#include <algorithm>
#include <utility>

namespace mrt::test {

bool Link::lose() {
  bool gone = random_.chance(config_.loss);
  if (config_.burst_begin > 0) {
    bad_ = bad_ ? !random_.chance(config_.burst_end) : random_.chance(config_.burst_begin);
    gone = gone || bad_;
  }
  return gone;
}

Instant Link::admit(Instant now, size_t bytes) {
  const auto to_duration = [](double seconds) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  };
  if (bytes > config_.payload_max) return never;
  ++stats_.packets;
  const double size = static_cast<double>(bytes) + config_.overhead_bytes;
  const Duration wait = free_at_ > now ? free_at_ - now : Duration{};
  if (to_seconds(wait) * config_.bits_per_second / 8 + size > config_.queue_bytes) {
    ++stats_.dropped_at_queue;
    return never;
  }
  stats_.queued_seconds += to_seconds(wait);
  free_at_ = now + wait + to_duration(size * 8 / config_.bits_per_second);
  if (lose()) {
    ++stats_.lost;
    return never;
  }
  Instant due = free_at_ + config_.delay;
  if (config_.jitter > Duration{}) {
    due = std::max(last_arrival_, due + random_.between(Duration{}, config_.jitter));
    last_arrival_ = due;
  }
  if (random_.chance(config_.reorder)) due += config_.reorder_by;
  return due;
}

// One sends, the other reads and forgets.
struct Bottleneck::Flow {
  Endpoint sender;
  Endpoint receiver;
  Instant starts;
  bool started = false;
  std::optional<ConnectionId> id;
  StreamId stream{};
  uint64_t left;
  uint64_t delivered = 0;
  uint64_t sent = 0;
  Instant ended = never;
  ConnectionStats last;
  // Of the receiver's socket [true] and the sender's.
  std::array<Instant, 2> rests_until{};
  std::array<bool, 2> has_read{};
};

namespace {

Address address_of(size_t flow, bool sender) {
  return Address::v4(10, 0, static_cast<uint8_t>(flow), sender ? 1 : 2, 4000);
}

}  // namespace

Bottleneck::Bottleneck(const LinkConfig& forth, const LinkConfig& back, uint64_t seed,
                       const std::vector<FlowConfig>& flows)
    : forth_(forth, 2 * seed + 1), back_(back, 2 * seed + 2) {
  for (const FlowConfig& flow : flows) {
    EndpointConfig other = flow.endpoint;
    other.identity[0] ^= 1;
    const uint64_t number = flows_.size();
    flows_.push_back(std::unique_ptr<Flow>(
        new Flow{.sender = Endpoint(flow.endpoint, seed_from(1000 * seed + 2 * number)),
                 .receiver = Endpoint(other, seed_from(1000 * seed + 2 * number + 1)),
                 .starts = now + flow.starts,
                 .id = {},
                 .left = flow.bytes,
                 .last = {}}));
  }
}

Bottleneck::~Bottleneck() = default;

uint64_t Bottleneck::bytes_delivered(size_t flow) const { return flows_[flow]->delivered; }
uint64_t Bottleneck::bytes_sent(size_t flow) const { return flows_[flow]->sent; }

Duration Bottleneck::time_taken(size_t flow) const {
  const Flow& f = *flows_[flow];
  return f.ended == never ? Duration{} : f.ended - f.starts;
}

ConnectionStats Bottleneck::stats(size_t flow) const {
  const Flow& f = *flows_[flow];
  return f.id ? f.sender.stats(*f.id).value_or(f.last) : f.last;
}

Endpoint& Bottleneck::end_of(Flow& flow, bool forth) { return forth ? flow.receiver : flow.sender; }

void Bottleneck::write(Flow& flow) {
  flow.last = flow.sender.stats(*flow.id).value_or(flow.last);
  while (flow.left > 0) {
    const size_t size = std::min<uint64_t>(flow.left, chunk_.size());
    const size_t taken =
        flow.sender.write(now, *flow.id, flow.stream, ByteView(chunk_).first(size));
    flow.left -= taken;
    if (taken < size) return;
  }
  flow.sender.close_when_sent(now, *flow.id, CloseCode::none, "", std::chrono::seconds(30));
}

void Bottleneck::send(size_t flow, bool forth, const Transmit& batch) {
  if (forth) flows_[flow]->sent += batch.size;
  for (size_t at = 0; at < batch.size; at += batch.segment_size) {
    const size_t size = std::min(batch.segment_size, batch.size - at);
    const Instant due = (forth ? forth_ : back_).admit(now, size);
    if (due == never) continue;
    Bytes bytes;
    link_allocations_ += pool_.empty() ? 2 : 1;  // the bytes once, a node of wire_ each time
    if (!pool_.empty()) {
      bytes = std::move(pool_.back());
      pool_.pop_back();
    }
    bytes.assign(buffer_.begin() + static_cast<ptrdiff_t>(at),
                 buffer_.begin() + static_cast<ptrdiff_t>(at + size));
    wire_.emplace(std::pair(due, order_++), InFlight{flow, forth, std::move(bytes)});
  }
}

void Bottleneck::pump(size_t number, bool sender) {
  Flow& flow = *flows_[number];
  Endpoint& endpoint = sender ? flow.sender : flow.receiver;
  if (endpoint.next_timeout() <= now) endpoint.on_timeout(now);
  for (bool idle = false; !idle;) {
    idle = true;
    while (auto event = endpoint.poll_event()) {
      idle = false;
      if (const auto* connected = std::get_if<Connected>(&*event); connected && sender) {
        flow.stream = *endpoint.open_stream(connected->connection, Priority::bulk);
        write(flow);
      } else if (std::get_if<Writable>(&*event) && sender) {
        write(flow);
      } else if (const auto* readable = std::get_if<Readable>(&*event)) {
        while (const size_t got =
                   endpoint.read(now, readable->connection, readable->stream, chunk_))
          flow.delivered += got;
      } else if (std::get_if<Closed>(&*event) && sender) {
        flow.ended = now;
      }
    }
    while (const auto batch = endpoint.poll_transmit(now, buffer_)) {
      idle = false;
      send(number, sender, *batch);
    }
    if (sender && flow.left == 0) flow.last = stats(number);  // it may be the last that is known
  }
}

void Bottleneck::run(Duration time) {
  const Instant end = now + time;
  while (true) {
    Instant next = wire_.empty() ? never : wire_.begin()->first.first;
    bool all_ended = true;
    for (const auto& flow : flows_) {
      next = std::min({next, flow->started ? flow->sender.next_timeout() : flow->starts,
                       flow->receiver.next_timeout()});
      all_ended = all_ended && flow->ended != never;
    }
    if (next > end || all_ended) {
      now = all_ended ? now : end;
      return;
    }
    now = std::max(now, next);
    for (size_t i = 0; i < flows_.size(); ++i) {
      Flow& flow = *flows_[i];
      if (!flow.started && flow.starts <= now) {
        flow.started = true;
        flow.id = flow.sender.connect(now, {address_of(i, true), address_of(i, false)});
        pump(i, true);
      }
      if (flow.started && flow.sender.next_timeout() <= now) pump(i, true);
      if (flow.receiver.next_timeout() <= now) pump(i, false);
    }
    arrive();
  }
}

// A socket that rests (mrt/uv/driver.h) is read later, and all that came meanwhile together.
void Bottleneck::arrive() {
  while (!wire_.empty() && wire_.begin()->first.first <= now) {
    auto first = wire_.extract(wire_.begin());
    InFlight& in = first.mapped();
    Flow& flow = *flows_[in.flow];
    const Instant reads_at = flow.rests_until[in.forth];
    if (reads_at > now) {
      first.key().first = reads_at;
      wire_.insert(std::move(first));
      continue;
    }
    const Path path{address_of(in.flow, !in.forth), address_of(in.flow, in.forth)};
    end_of(flow, in.forth).on_datagrams(now, path, Ecn::not_ect, in.bytes.size(), in.bytes);
    pool_.push_back(std::move(in.bytes));
    flow.has_read[in.forth] = true;
  }
  for (size_t i = 0; i < flows_.size(); ++i) {
    for (const bool forth : {false, true}) {
      if (!std::exchange(flows_[i]->has_read[forth], false)) continue;
      flows_[i]->rests_until[forth] = now + end_of(*flows_[i], forth).take_patience();
      pump(i, !forth);
    }
  }
}

}  // namespace mrt::test
