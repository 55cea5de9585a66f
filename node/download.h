// SPDX-License-Identifier: MIT
//
// One download: which chunks are missing, whom to ask for which, and what to believe. It asks
// in order, spread over all holders by how fast each answers, and writes only what it has
// verified. It knows neither connections nor disks, nor the other downloads: transfer.h shares
// the budget out.
//
// 1. At most window_chunks_max chunks are asked for or being written.
// 2. A holder that sent a wrong chunk twice is not asked again; with no other left the download
//    fails as `integrity`. One that cannot read its file is not asked again either.
// 3. Without a holder or a supernode it waits; what was outstanding is asked for again.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "mrt/base/interval_set.h"
#include "mrt/base/time.h"
#include "node/catalogue.h"
#include "node/file_io.h"
#include "node/file_message.h"
#include "node/rate_meter.h"

namespace node {

/// 1 MiB: a start that a LAN's round trip does not hold up.
inline constexpr size_t window_chunks_start = 16;
/// 4 MiB: 100 MB/s over 40 ms.
inline constexpr size_t window_chunks_max = 64;
/// Keeps a slow line busy while one chunk is written.
inline constexpr size_t window_chunks_min = 4;
/// One wrong chunk may be the fault of the supernode's cache; a second one was asked for fresh.
inline constexpr int bad_chunks_max = 2;

class Download {
 public:
  struct Progress {
    uint64_t bytes;
    uint64_t rate;
    NodeId from;
  };
  struct Done {
    std::string path;
    mrt::Duration took;
    bool was_there;
  };
  struct Failed {
    FileFault fault;
    std::string message;
  };
  using Event = std::variant<Progress, Done, Failed>;
  using Send = std::variant<Fetch, CancelFetch>;

  Download(mrt::Instant now, FileToken file, const Offer& offer,
           const std::vector<NodeId>& holders);

  // Inputs.
  void on_holder(const NodeId& holder);
  void on_holder_gone(const NodeId& holder);
  /// The way to this holder is another one: what it owes is asked for again.
  void on_way_changed(const NodeId& holder) { ask_others(holder); }
  /// The way to the holders changed: everything outstanding is asked for again; while there is
  /// none (`usable` false) nothing is asked.
  void on_route(bool usable);
  /// `message` is what the chunk's view lies in.
  void on_chunk(mrt::Instant now, const ChunkView& chunk, const mrt::SharedBytes& message);
  void on_failed(mrt::Instant now, const FetchFailed& failed);
  void on_result(mrt::Instant now, const FileResult& result);
  void on_timeout(mrt::Instant now);

  // Commands.
  /// Asks for chunks until `limit` are under way.
  void ask(mrt::Instant now, size_t limit);
  /// Ends it and removes the .part; no event follows.
  void cancel();

  // Outputs.
  std::optional<Send> poll_send();
  std::optional<FileRequest> poll_request();
  std::optional<Event> poll_event();
  mrt::Instant next_timeout() const;

  FileToken file() const { return file_; }
  const Offer& offer() const { return offer_; }
  bool ended() const { return state_ == State::ended; }
  /// Chunks asked for or being written.
  size_t under_way() const { return asked_.size() + writing_.size(); }
  /// How many it would have under way if it were alone.
  size_t window() const { return window_; }
  bool is_owed(const NodeId& holder, uint64_t chunk) const {
    const auto asked = asked_.find(chunk);
    return asked != asked_.end() && asked->second.holder == holder;
  }
  /// Who may be asked for what is missing.
  std::vector<NodeId> holders() const;
  /// Fetching, with a way to the holders and chunks that nobody was asked for.
  bool wants_more() const;
  bool is_consistent() const;

 private:
  enum class State : uint8_t { opening, fetching, finishing, ended };
  struct Holder {
    size_t asked = 0;  // chunks that it owes
    int bad_chunks = 0;
    bool offering = true;                    // in the catalogue
    bool excluded = false;                   // sent wrong chunks, or cannot read its file
    uint64_t turn = 0;                       // when it was asked last, in askings
    mrt::Instant since{};                    // last heard, or asked after it owed nothing
    std::optional<mrt::Instant> rest_until;  // was silent or gone
    bool may_be_asked() const { return offering && !excluded && !rest_until; }
  };
  struct Asked {
    NodeId holder;
    mrt::Instant at;
    bool relieved = false;  // it was another's before
  };
  struct Relief {
    uint64_t chunk;
    NodeId idle;
  };

  std::optional<NodeId> choose_holder(uint64_t chunk) const;
  void ask_again(uint64_t chunk);
  void ask_others(const NodeId& holder);
  void blame(const NodeId& sender, uint64_t chunk);
  void exclude(const NodeId& holder, Failed why);
  void fail_if_hopeless();
  void relieve(mrt::Instant now);
  std::optional<Relief> next_relief() const;
  void adapt_window(mrt::Duration latency);
  void on_opened(mrt::Instant now, const mrt::IntervalSet& have);
  void on_written(mrt::Instant now, uint64_t chunk);
  void finish_if_complete();
  void note_progress(mrt::Instant now);
  void end();
  void fail(FileFault fault, std::string message);

  FileToken file_;
  Offer offer_;
  mrt::Instant began_;
  State state_ = State::opening;
  bool route_usable_ = false;
  size_t window_ = window_chunks_start;
  uint64_t bytes_ = 0;  // written
  uint64_t turns_ = 0;
  std::map<NodeId, Holder> holders_;
  mrt::IntervalSet taken_;  // asked for, being written, or written
  std::map<uint64_t, Asked> asked_;
  std::set<uint64_t> writing_;
  std::map<uint64_t, NodeId> suspects_;  // chunks that came wrong or not at all, and whose
  std::optional<mrt::Instant> paused_until_;
  std::optional<Failed> why_excluded_;  // the last that was
  NodeId last_from_;
  RateMeter rate_;
  std::optional<mrt::Instant> progress_due_;
  bool progress_pending_ = false;
  std::deque<Send> sends_;
  std::deque<FileRequest> requests_;
  std::deque<Event> events_;
};

}  // namespace node
