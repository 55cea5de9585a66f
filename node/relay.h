// SPDX-License-Identifier: MIT
//
// The supernode's part in files: it takes fetches from askers, answers from its cache, joins
// those for the same chunk, forwards the rest to the holders, and hands each chunk to all who
// wait for it. It verifies nothing (askers do) and knows neither names nor sizes.
//
// 1. A fetch is forwarded only while its asker takes chunks: its connection is not full, and
//    less than its share of `chunks_in_hand_max` is on its way to it. Else it waits.
// 2. Askers take turns; what waits is bounded for each and in all, and refused as busy above.
// 3. An answer counts only from the holder that was asked, under its own id.
// 4. Nobody keeps places for nothing: where all are taken and somebody waits for one, the asker whose
//    connection took no chunk for longest, and for `idle_places_max`, loses all that it has.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "mrt/base/time.h"
#include "mrt/types.h"
#include "node/chunk_cache.h"
#include "node/file_message.h"
#include "node/file_send.h"
#include "node/outbox.h"

namespace node {

/// Chunks requested or not yet taken by the askers' connections, in all: 16 MiB, so that a
/// supernode with its cache stays far below 64 MB.
inline constexpr size_t chunks_in_hand_max = 256;
/// Of one asker: more than a path of 100 MB/s and 40 ms holds.
inline constexpr size_t chunks_in_hand_per_asker_max = 64;
/// Of one asker that hardly takes them: one on its way, one being fetched. Where there are more
/// askers than half of chunks_in_hand_max, each has its even share.
inline constexpr size_t chunks_in_hand_per_asker_min = 2;
/// Waiting fetches of one asker: twice what an asker has under way at most (transfer.h).
inline constexpr size_t fetches_waiting_per_asker_max = 256;
/// In all: 6 MB.
inline constexpr size_t fetches_waiting_max = 65'536;
/// A chunk takes 5 s on a line of 100 kbit/s, and who waits for a place gives its holder up after
/// 15 s (download.cpp). A connection that was full takes three at once when it has room again: below
/// some 160 kbit/s that is too seldom where all places are taken, and costs some fetches twice.
inline constexpr mrt::Duration idle_places_max = std::chrono::seconds(10);

class Relay {
 public:
  /// Reads from the outbox how full each asker's connection is, and takes chunks back from it.
  explicit Relay(Outbox& outbox) : outbox_(outbox) {}

  // Inputs.
  void on_fetch(const NodeId& asker, const Fetch& fetch);
  void on_cancel(const NodeId& asker, const CancelFetch& cancel);
  void on_chunk(const NodeId& from, const EncodedChunk& chunk);
  void on_failed(const NodeId& from, const FetchFailed& failed);
  void on_peer_gone(const NodeId& peer);
  /// The outbox gave out a chunk for this neighbour; its connection refused one; it has room.
  void on_sent(mrt::Instant now, const NodeId& peer);
  void on_refused(const NodeId& peer);
  void on_writable(const NodeId& peer);
  /// This node is not the supernode any more: askers ask the next one.
  void clear();

  // Outputs.
  /// Forwards what may be forwarded now. REQUIRES: what it gave before is in the outbox.
  std::optional<FileSend> poll_send(mrt::Instant now);
  /// When poll_send() may have places to take back.
  mrt::Instant next_timeout() const;

  size_t waiting() const { return waiting_count_; }
  size_t under_way() const { return under_way_.size(); }
  bool is_consistent() const;

 private:
  using Key = std::tuple<FileHash, uint64_t, NodeId>;  // hash, chunk, holder
  struct Asker {
    std::deque<Fetch> waiting;
    std::map<Key, Fetch> under_way;  // as it asked; the key's holder may be another (joined)
    size_t limit = 8;                // grows by what it takes, halves when it is full
    mrt::Instant since{};            // it took its last chunk, or had no place before
  };

  static Key key_of(const Fetch& fetch) { return {fetch.hash, fetch.chunk, fetch.holder}; }
  bool may_take(const NodeId& peer, const Asker& asker) const;
  void note(const NodeId& peer);
  bool is_full() const { return in_hand_ + outbox_.unsent() >= chunks_in_hand_max; }
  void note_progress(mrt::Instant now, const NodeId& peer, Asker& asker);
  void take_idle_places(mrt::Instant now);
  void take_places(const NodeId& peer, Asker& asker);
  void admit(mrt::Instant now, const NodeId& peer, Asker& asker);
  std::optional<Key> joinable(const Fetch& fetch) const;
  void leave(const NodeId& peer, Key key);
  void fail(const Key& key, FetchFault fault);
  void refuse(const NodeId& asker, const Fetch& fetch, FetchFault fault);

  Outbox& outbox_;
  ChunkCache cache_;
  std::map<NodeId, Asker> askers_;
  std::map<Key, std::set<NodeId>> under_way_;  // who waits for each
  std::set<NodeId> active_;                    // askers with something waiting or under way
  std::set<NodeId> ready_;                     // askers with something waiting that they may have
  std::set<std::pair<mrt::Instant, NodeId>> by_progress_;  // all askers
  NodeId last_;                                            // whose turn the last was
  size_t waiting_count_ = 0;
  size_t in_hand_ = 0;  // under way, counted for each asker
  std::deque<FileSend> sends_;
};

}  // namespace node
