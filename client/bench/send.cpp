// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>

#include "client/bench/call.h"
#include "client/bench/protocol.h"
#include "client/deadline.h"

namespace client {

namespace {

constexpr size_t chunk_bytes = 256 * 1024;  // what a user writes at once

class Send final : public BenchCall {
 public:
  explicit Send(const BenchOptions& options) : BenchCall(options) {}

  std::variant<SendResult, BenchFault> run(const mrt::Address& peer) {
    if (auto fault = call(peer)) return *fault;
    return result_;
  }

 private:
  struct Stream {
    mrt::StreamId id;
    uint64_t left;  // to write
  };

  void on_begin(BenchRun& run) override;
  void on_connected(BenchRun& run, mrt::Instant now) override;
  void on_news(BenchRun& run, mrt::Instant now, const mrt::Event& event) override;
  void on_turn(BenchRun& run) override;
  void on_end() override;
  void on_time_up(BenchRun& run);
  void write(BenchRun& run, mrt::Instant now);
  /// Of what was written, what the receiver is known to have.
  uint64_t acknowledged(BenchRun& run) const;
  void conclude(BenchRun& run);

  mrt::Bytes chunk_ = mrt::Bytes(chunk_bytes, 0x5a);
  std::vector<Stream> streams_;
  size_t next_ = 0;  // whose turn it is
  uint64_t written_ = 0;
  bool all_written_ = false;
  mrt::Instant counted_from_{};
  uint64_t omitted_bytes_ = 0;
  std::unique_ptr<Deadline> omission_, deadline_;
  SendResult result_;
};

void Send::on_begin(BenchRun& run) {
  counted_from_ = begin_;
  if (!options_.duration) return;
  using std::chrono::milliseconds;
  deadline_ = std::make_unique<Deadline>(run.loop());
  deadline_->arm(std::chrono::duration_cast<milliseconds>(options_.omitted + *options_.duration),
                 [this, &run] { on_time_up(run); });
  if (options_.omitted == mrt::Duration{}) return;
  omission_ = std::make_unique<Deadline>(run.loop());
  omission_->arm(std::chrono::duration_cast<milliseconds>(options_.omitted), [this, &run] {
    counted_from_ = run.now();
    omitted_bytes_ = acknowledged(run);
  });
}

void Send::on_end() {
  omission_.reset();
  deadline_.reset();
}

void Send::on_connected(BenchRun& run, mrt::Instant now) {
  const uint64_t share = options_.bytes ? *options_.bytes / options_.streams : UINT64_MAX;
  for (size_t i = 0; i < options_.streams; ++i) {
    const auto id = run.endpoint().open_stream(id_, mrt::Priority::bulk);
    if (!id) return fail(run, {node::ErrorCode::limit, "the bench there takes fewer streams"});
    run.endpoint().write(now, id_, *id, mrt::ByteView(&bench_kind_bulk, 1));
    streams_.push_back({*id, share});
  }
  if (options_.bytes) streams_.front().left += *options_.bytes % options_.streams;
  write(run, now);
}

void Send::on_news(BenchRun& run, mrt::Instant now, const mrt::Event& event) {
  if (std::holds_alternative<mrt::Writable>(event)) write(run, now);
}

/// In turn, until a write is cut short: then Writable follows.
void Send::write(BenchRun& run, mrt::Instant now) {
  while (!streams_.empty()) {
    next_ %= streams_.size();
    Stream& stream = streams_[next_];
    const size_t size = std::min<uint64_t>(stream.left, chunk_.size());
    const size_t taken =
        run.endpoint().write(now, id_, stream.id, mrt::ByteView(chunk_).first(size));
    stream.left -= taken;
    written_ += taken;
    if (taken < size) return;
    if (stream.left == 0) {
      run.endpoint().finish(now, id_, stream.id);
      streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(next_));
    } else {
      ++next_;
    }
  }
  all_written_ = true;
}

void Send::on_turn(BenchRun& run) {
  if (!all_written_) return;
  const auto stats = run.endpoint().stats(id_);
  if (stats && stats->queued_bytes == 0) conclude(run);
}

void Send::on_time_up(BenchRun& run) {
  if (!connected_) {
    return fail(run, {node::ErrorCode::timeout,
                      fmt::format("no answer from {} in that time", options_.peer)});
  }
  conclude(run);
}

uint64_t Send::acknowledged(BenchRun& run) const {
  const auto stats = run.endpoint().stats(id_);
  return written_ - std::min(written_, stats ? stats->queued_bytes : written_);
}

void Send::conclude(BenchRun& run) {
  result_.bytes = std::max(acknowledged(run), omitted_bytes_) - omitted_bytes_;
  result_.seconds = mrt::to_seconds(run.now() - counted_from_);
  result_.link = link(run);
  done(run);
}

}  // namespace

std::variant<SendResult, BenchFault> bench_send(const BenchOptions& options,
                                                const mrt::Address& peer) {
  return Send(options).run(peer);
}

}  // namespace client
