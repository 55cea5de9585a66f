// SPDX-License-Identifier: MIT
#include <algorithm>

#include "client/bench/call.h"
#include "client/bench/protocol.h"
#include "client/deadline.h"
#include "mrt/uv/entropy.h"

namespace client {

namespace {

constexpr size_t chunk_bytes = 64 * 1024;  // one read of answers

class Ping final : public BenchCall {
 public:
  explicit Ping(const BenchOptions& options)
      : BenchCall(options),
        interval_(std::chrono::duration_cast<mrt::Duration>(
            std::chrono::duration<double>(1 / options.rate))) {}

  std::variant<PingResult, BenchFault> run(const mrt::Address& peer) {
    if (auto fault = call(peer)) return *fault;
    std::sort(result_.delays.begin(), result_.delays.end());
    return result_;
  }

 private:
  void on_begin(BenchRun& run) override { timer_ = std::make_unique<Deadline>(run.loop()); }
  void on_connected(BenchRun& run, mrt::Instant now) override;
  void on_news(BenchRun& run, mrt::Instant now, const mrt::Event& event) override;
  void on_end() override { timer_.reset(); }
  /// Sends what is due, and comes back for the next.
  void send_due(BenchRun& run);
  /// False where what came back cannot be.
  bool take_echoes(mrt::Instant now);

  mrt::Duration interval_;
  mrt::StreamId stream_{};
  mrt::Instant first_due_{};
  mrt::Bytes message_ = mrt::Bytes(options_.size, 0x5a);
  std::vector<mrt::Instant> sent_;
  bool held_up_ = false;  // the last message found no room
  std::unique_ptr<Deadline> timer_;

  mrt::Bytes chunk_ = mrt::Bytes(chunk_bytes);
  BenchEchoes echoes_{options_.size};
  std::vector<mrt::Instant> received_;
  PingResult result_;
};

void Ping::on_connected(BenchRun& run, mrt::Instant now) {
  const auto stream = run.endpoint().open_stream(id_, mrt::Priority::interactive);
  if (!stream) return fail(run, {node::ErrorCode::limit, "the bench there takes no stream"});
  stream_ = *stream;
  std::array<uint8_t, 16> nonce{};
  const auto seed = mrt::uv::entropy_seed();
  std::copy_n(seed.begin(), nonce.size(), nonce.begin());
  run.endpoint().write(now, id_, stream_,
                       ping_head(static_cast<uint32_t>(options_.size), nonce, boot_id()));
  first_due_ = now;
  sent_.reserve(options_.count);
  result_.delays.reserve(options_.count);
  send_due(run);
}

void Ping::send_due(BenchRun& run) {
  const mrt::Instant now = run.now();
  while (sent_.size() < options_.count) {
    const mrt::Instant due = first_due_ + interval_ * static_cast<int64_t>(sent_.size());
    if (due > now) {
      // Rounded up to libuv's milliseconds: never early, which would be to turn in vain.
      const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - now);
      timer_->arm(wait, [this, &run] { send_due(run); });
      break;
    }
    if (run.endpoint().send_room(id_) < message_.size()) {
      held_up_ = true;
      timer_->arm(std::chrono::milliseconds(1), [this, &run] { send_due(run); });
      break;
    }
    run.endpoint().write(now, id_, stream_, message_);
    // A timer's lateness is ours, a full buffer is the transport's.
    sent_.push_back(held_up_ ? due : now);
    held_up_ = false;
  }
  run.wake();
}

void Ping::on_news(BenchRun& run, mrt::Instant now, const mrt::Event& event) {
  const auto* readable = std::get_if<mrt::Readable>(&event);
  if (readable == nullptr || readable->stream != stream_) return;
  while (const size_t got = run.endpoint().read(now, id_, stream_, chunk_)) {
    echoes_.on_bytes(mrt::ByteView(chunk_).first(got), received_);
    if (!take_echoes(now)) {
      return fail(run, {node::ErrorCode::network, "that is no bench: its answers make no sense"});
    }
  }
  if (result_.delays.size() < options_.count) return;
  result_.halved = !echoes_.shared().value_or(false);
  result_.link = link(run);
  done(run);
}

bool Ping::take_echoes(mrt::Instant now) {
  for (const mrt::Instant received : std::exchange(received_, {})) {
    const size_t number = result_.delays.size();
    if (number >= sent_.size()) return false;
    // Each end reads its clock once for all that it does in a turn: a few microseconds less than
    // nothing are nothing.
    const mrt::Duration one_way = std::max(received - sent_[number], mrt::Duration{});
    result_.delays.push_back(*echoes_.shared() ? one_way : (now - sent_[number]) / 2);
  }
  return true;
}

}  // namespace

std::variant<PingResult, BenchFault> bench_ping(const BenchOptions& options,
                                                const mrt::Address& peer) {
  return Ping(options).run(peer);
}

}  // namespace client
