// SPDX-License-Identifier: MIT
#include "node/download.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/take_first.h"

namespace node {
namespace {

/// Nothing at all from a holder that owes chunks for so long: another one is asked. A chunk
/// takes 5 s on a line of 100 kbit/s.
constexpr mrt::Duration silence_max = std::chrono::seconds(15);
/// Before a holder that was gone or silent is asked again.
constexpr mrt::Duration rest = std::chrono::seconds(1);
/// Before anyone is asked again after somebody said `busy`.
constexpr mrt::Duration pause = std::chrono::milliseconds(100);
/// What a holder owes for so long another one, who has nothing to do, is asked for as well.
constexpr mrt::Duration relief_age = std::chrono::seconds(2);
/// docs/CLI.md: progress comes at most ten times a second.
constexpr mrt::Duration progress_interval = std::chrono::milliseconds(100);
/// A chunk that came faster than this lets the window grow, one slower than that lets it
/// shrink: in between the line is full and the queues are short.
constexpr mrt::Duration latency_low = std::chrono::milliseconds(300);
constexpr mrt::Duration latency_high = std::chrono::seconds(2);

}  // namespace

Download::Download(mrt::Instant now, FileToken file, const Offer& offer,
                   const std::vector<NodeId>& holders)
    : file_(file), offer_(offer), began_(now) {
  for (const NodeId& holder : holders) holders_[holder];
  if (!is_file_name(offer.name)) {
    fail(FileFault::name, "its name cannot be used for a file");
  } else if (offer.size > file_bytes_max) {
    fail(FileFault::limit, "it is larger than a file can be");
  } else if (offer.size == 0 && offer.hash != sha256({})) {
    fail(FileFault::integrity, "its hash is not that of an empty file");
  } else {
    requests_.push_back(OpenTarget{file_, offer.name, offer.size, offer.hash});
  }
}

std::vector<NodeId> Download::holders() const {
  std::vector<NodeId> out;
  for (const auto& [id, holder] : holders_) {
    if (state_ == State::fetching && holder.offering && !holder.excluded) out.push_back(id);
  }
  return out;
}

void Download::on_holder(const NodeId& id) {
  Holder& holder = holders_[id];
  holder.offering = true;
  holder.rest_until.reset();
}

void Download::on_holder_gone(const NodeId& id) {
  const auto holder = holders_.find(id);
  if (holder == holders_.end()) return;
  holder->second.offering = false;
  ask_others(id);
  fail_if_hopeless();
}

void Download::on_route(bool usable) {
  route_usable_ = usable;
  for (const auto& [chunk, asked] : asked_) taken_.remove(chunk, chunk + 1);
  asked_.clear();
  paused_until_.reset();
  for (auto& [id, holder] : holders_) {
    holder.asked = 0;
    holder.rest_until.reset();
  }
}

void Download::on_chunk(mrt::Instant now, const ChunkView& chunk, const mrt::SharedBytes& message) {
  if (state_ != State::fetching) return;
  const auto asked = asked_.find(chunk.chunk);
  // One that was asked for before the way changed is as good, while there is room for it.
  const bool unasked = asked == asked_.end();
  if (unasked && (taken_.contains(chunk.chunk) || under_way() >= window_chunks_max)) return;
  if (!verify_chunk(offer_.hash, offer_.size, chunk.chunk, chunk.bytes, chunk.proof)) {
    if (!unasked) blame(chunk.holder, chunk.chunk);
    return;
  }
  if (!unasked) {
    Holder& holder = holders_.at(asked->second.holder);
    holder.since = now;
    --holder.asked;
    adapt_window(now - asked->second.at);
    asked_.erase(asked);
  }
  last_from_ = chunk.holder;
  suspects_.erase(chunk.chunk);
  taken_.add(chunk.chunk, chunk.chunk + 1);
  writing_.insert(chunk.chunk);
  requests_.push_back(WriteChunk{file_, chunk.chunk, message, chunk.offset, chunk.bytes.size()});
  relieve(now);
}

/// Slow growth and slow decline around latencies between the two marks.
void Download::adapt_window(mrt::Duration latency) {
  if (latency < latency_low) window_ = std::min(window_ + 1, window_chunks_max);
  if (latency > latency_high) window_ = std::max(window_ - 1, window_chunks_min);
}

/// A wrong chunk: who said it was his. Nobody knows him where the supernode's cache had it, into
/// which anybody may have it put what he sends: it is asked for fresh, and then it is his who was
/// asked.
void Download::blame(const NodeId& sender, uint64_t chunk) {
  const bool known = holders_.contains(sender);
  const bool was_fresh = suspects_.contains(chunk);
  const NodeId id = known ? sender : asked_.at(chunk).holder;
  suspects_[chunk] = id;
  ask_again(chunk);
  if (!known && !was_fresh) return;
  Holder& holder = holders_.at(id);
  if (++holder.bad_chunks < bad_chunks_max) return;
  exclude(id, {FileFault::integrity, "what the holders sent is not what the hash says"});
}

void Download::exclude(const NodeId& id, Failed why) {
  holders_.at(id).excluded = true;
  why_excluded_ = std::move(why);
  ask_others(id);
  fail_if_hopeless();
}

/// What this holder owes is asked for elsewhere.
void Download::ask_others(const NodeId& id) {
  for (auto asked = asked_.begin(); asked != asked_.end();) {
    const uint64_t chunk = asked->first;
    const bool is_his = asked->second.holder == id;
    ++asked;
    if (is_his) ask_again(chunk);
  }
}

void Download::ask_again(uint64_t chunk) {
  const auto asked = asked_.extract(chunk);
  --holders_.at(asked.mapped().holder).asked;
  taken_.remove(chunk, chunk + 1);
}

void Download::on_failed(mrt::Instant now, const FetchFailed& failed) {
  if (state_ != State::fetching || !holders_.contains(failed.holder)) return;
  // These are about the file, whether this chunk is still wanted of that holder or not.
  if (failed.fault == FetchFault::unreadable) {
    return exclude(failed.holder, {FileFault::disk, "its holder cannot read it any more"});
  }
  if (failed.fault == FetchFault::changed) {
    return exclude(failed.holder, {FileFault::changed, "it was changed at its holder"});
  }
  const auto asked = asked_.find(failed.chunk);
  if (asked == asked_.end() || asked->second.holder != failed.holder) return;
  ask_again(failed.chunk);
  if (failed.fault == FetchFault::busy) {
    paused_until_ = now + pause;
    window_ = std::max(window_ / 2, window_chunks_min);
  } else {  // unknown or gone: the catalogue will say so too
    holders_.at(failed.holder).rest_until = now + rest;
  }
}

void Download::fail_if_hopeless() {
  if (!why_excluded_ || ended()) return;
  const bool hope = std::any_of(holders_.begin(), holders_.end(), [](const auto& entry) {
    return entry.second.offering && !entry.second.excluded;
  });
  if (hope) return;
  requests_.push_back(CloseFile{file_});
  fail(why_excluded_->fault, why_excluded_->message);
}

void Download::on_result(mrt::Instant now, const FileResult& result) {
  if (ended()) return;
  if (const auto* opened = std::get_if<TargetOpened>(&result)) {
    on_opened(now, opened->have);
  } else if (const auto* written = std::get_if<ChunkWritten>(&result)) {
    on_written(now, written->chunk);
  } else if (const auto* placed = std::get_if<TargetPlaced>(&result)) {
    end();
    events_.push_back(Done{placed->path, now - began_, placed->was_there});
  } else if (const auto* failed = std::get_if<FileFailed>(&result)) {
    fail(failed->fault, failed->message);
  }
}

void Download::on_opened(mrt::Instant now, const mrt::IntervalSet& have) {
  state_ = State::fetching;
  taken_ = have;
  bytes_ = 0;
  for (const mrt::Interval& interval : have.intervals()) {
    bytes_ +=
        std::min(interval.end * chunk_bytes_max, offer_.size) - interval.begin * chunk_bytes_max;
  }
  rate_ = RateMeter();
  rate_.note(now, bytes_);
  finish_if_complete();
}

void Download::on_written(mrt::Instant now, uint64_t chunk) {
  if (writing_.erase(chunk) == 0) return;
  bytes_ += chunk_size(offer_.size, chunk);
  rate_.note(now, bytes_);
  note_progress(now);
  finish_if_complete();
}

void Download::finish_if_complete() {
  if (bytes_ < offer_.size) return;
  state_ = State::finishing;
  requests_.push_back(FinishTarget{file_});
}

void Download::note_progress(mrt::Instant now) {
  if (progress_due_ && now < *progress_due_) {
    progress_pending_ = true;
    return;
  }
  events_.push_back(Progress{bytes_, rate_.rate(now), last_from_});
  progress_pending_ = false;
  progress_due_ = now + progress_interval;
}

void Download::on_timeout(mrt::Instant now) {
  if (ended()) return;
  if (progress_pending_ && now >= *progress_due_) note_progress(now);
  if (paused_until_ && now >= *paused_until_) paused_until_.reset();
  for (auto& [id, holder] : holders_) {
    if (holder.rest_until && now >= *holder.rest_until) holder.rest_until.reset();
    if (holder.asked == 0 || now < holder.since + silence_max) continue;
    for (const auto& [chunk, asked] : asked_) {
      if (asked.holder != id) continue;
      sends_.push_back(CancelFetch{id, offer_.hash, chunk});
      suspects_[chunk] = id;  // what it was asked may be lost, and others still wait for it
    }
    holder.rest_until = now + rest;
    ask_others(id);
  }
  relieve(now);
}

/// Near the end: all is asked for, and who has nothing to do helps the one who is slow. Fresh,
/// so that it does not just join the slow one's fetch; once for each chunk.
void Download::relieve(mrt::Instant now) {
  while (const auto relief = next_relief()) {
    Asked& asked = asked_.at(relief->chunk);
    if (now < asked.at + relief_age) return;
    --holders_.at(asked.holder).asked;
    asked = {relief->idle, now, true};
    Holder& idle = holders_.at(relief->idle);
    idle.asked = 1;
    idle.since = now;
    sends_.push_back(Fetch{relief->idle, offer_.hash, relief->chunk, true});
  }
}

std::optional<Download::Relief> Download::next_relief() const {
  if (state_ != State::fetching || !route_usable_ || wants_more()) return std::nullopt;
  const auto idle = std::find_if(holders_.begin(), holders_.end(), [](const auto& entry) {
    return entry.second.asked == 0 && entry.second.may_be_asked();
  });
  if (idle == holders_.end()) return std::nullopt;
  std::optional<Relief> oldest;
  for (const auto& [chunk, asked] : asked_) {
    if (asked.relieved || (oldest && asked.at >= asked_.at(oldest->chunk).at)) continue;
    oldest = Relief{chunk, idle->first};
  }
  return oldest;
}

mrt::Instant Download::next_timeout() const {
  if (ended()) return mrt::never;
  mrt::Instant next = progress_pending_ ? *progress_due_ : mrt::never;
  if (paused_until_) next = std::min(next, *paused_until_);
  for (const auto& [id, holder] : holders_) {
    if (holder.rest_until) next = std::min(next, *holder.rest_until);
    if (holder.asked > 0) next = std::min(next, holder.since + silence_max);
  }
  if (const auto relief = next_relief()) {
    next = std::min(next, asked_.at(relief->chunk).at + relief_age);
  }
  return next;
}

void Download::ask(mrt::Instant now, size_t limit) {
  if (!wants_more() || paused_until_) return;
  while (under_way() < std::min(limit, window_chunks_max)) {
    const uint64_t chunk = taken_.first_gap(0);
    if (chunk >= chunk_count(offer_.size)) return;
    const auto id = choose_holder(chunk);
    if (!id) return;
    Holder& holder = holders_.at(*id);
    if (holder.asked++ == 0) holder.since = now;
    holder.turn = ++turns_;
    asked_[chunk] = {*id, now, false};
    taken_.add(chunk, chunk + 1);
    sends_.push_back(Fetch{*id, offer_.hash, chunk, suspects_.contains(chunk)});
  }
}

bool Download::wants_more() const {
  return state_ == State::fetching && route_usable_ &&
         taken_.first_gap(0) < chunk_count(offer_.size);
}

/// The one who owes least, and of these who waited longest: so each gets as much to do as it
/// gets done. Who is under suspicion for this very chunk comes last.
std::optional<NodeId> Download::choose_holder(uint64_t chunk) const {
  const auto suspect = suspects_.find(chunk);
  std::optional<NodeId> best;
  std::tuple<bool, size_t, uint64_t> best_score;
  for (const auto& [id, holder] : holders_) {
    if (!holder.may_be_asked()) continue;
    const bool suspected = suspect != suspects_.end() && suspect->second == id;
    const std::tuple score{suspected, holder.asked, holder.turn};
    if (best && score >= best_score) continue;
    best = id;
    best_score = score;
  }
  return best;
}

void Download::cancel() {
  if (ended()) return;
  requests_.push_back(CloseFile{file_, true});
  end();
}

void Download::end() {
  state_ = State::ended;
  for (const auto& [chunk, asked] : asked_) {
    sends_.push_back(CancelFetch{asked.holder, offer_.hash, chunk});
  }
  asked_.clear();
  writing_.clear();
}

void Download::fail(FileFault fault, std::string message) {
  end();
  events_.push_back(Failed{fault, std::move(message)});
}

std::optional<Download::Send> Download::poll_send() { return take_first(sends_); }

std::optional<FileRequest> Download::poll_request() { return take_first(requests_); }

std::optional<Download::Event> Download::poll_event() { return take_first(events_); }

bool Download::is_consistent() const {
  if (ended()) return true;
  std::map<NodeId, size_t> asked;
  for (const auto& [chunk, entry] : asked_) {
    ++asked[entry.holder];
    if (!taken_.contains(chunk) || writing_.contains(chunk)) return false;
  }
  for (const auto& [id, holder] : holders_) {
    if (holder.asked != asked[id]) return false;
  }
  for (const uint64_t chunk : writing_) {
    if (!taken_.contains(chunk)) return false;
  }
  return bytes_ <= offer_.size && under_way() <= window_chunks_max;
}

}  // namespace node
