// SPDX-License-Identifier: MIT
//
// The file side of a node, as a Machine: it offers local files and serves their chunks, fetches
// others' files chunk by chunk from all holders at once, through the supernode or over a connection
// of its own to the holder, and relays both while this node is the supernode. It knows neither
// connections nor disks: messages leave through poll_message() with the neighbour's id, disk work
// through poll_request(). What is on offer it is told.
//
// 1. A chunk is written only after it was verified against the file's hash.
// 2. A download ends by Downloaded, DownloadFailed or cancel(), and survives all changes of holders
//    and supernode in between; with no holder it waits.
// 3. Chunks wait for the connection that they go to: what on_unsent() gives back is the first to
//    go after on_writable(). A slow neighbour holds up nobody else.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mrt/base/time.h"
#include "mrt/types.h"
#include "node/catalogue.h"
#include "node/download.h"
#include "node/file_io.h"
#include "node/file_message.h"
#include "node/outbox.h"
#include "node/relay.h"
#include "node/source.h"
#include "node/transfer_events.h"

namespace node {

/// Downloads under way at once; one more is refused. Each costs a few KB and its open file.
inline constexpr size_t downloads_max = 128;
/// Chunks asked for and not yet written, of all downloads together: 8 MiB.
inline constexpr size_t chunks_under_way_max = 128;

/// Members whom this node serves without the supernode between, at once: 2 MiB of memory each. What
/// more than a few ask for, as a whole class does, goes through the supernode, which takes each
/// chunk once.
inline constexpr size_t direct_askers_max = 4;
/// Who has not asked for so long gives its place to another: not between two chunks, nor to whoever
/// asks and does not take what comes.
inline constexpr mrt::Duration direct_asker_pause = std::chrono::minutes(1);
/// Holders of what is being fetched, to whom this node wants connections: each costs the supernode
/// an introduction, and a few fill any line.
inline constexpr size_t direct_holders_max = 4;
/// Only for such files: a smaller one is there before two NATs are opened.
inline constexpr uint64_t direct_bytes_min = 4 * 1024 * 1024;

class Transfer {
 public:
  explicit Transfer(const NodeId& self);
  Transfer(const Transfer&) = delete;  // its parts refer to its outbox
  Transfer& operator=(const Transfer&) = delete;

  // Inputs.
  /// A message that is_file_message(), from a neighbour. Malformed ones are counted and dropped.
  void on_message(mrt::Instant now, const NodeId& from, mrt::Bytes message);
  void on_result(mrt::Instant now, const FileResult& result);
  void on_timeout(mrt::Instant now);
  /// Whom to ask from now on: the supernode, this node itself where it is that, or nobody while
  /// a new one is sought. What is outstanding is asked for again.
  void on_supernode(mrt::Instant now, std::optional<NodeId> supernode);
  /// The catalogue has a new holder of this content, or lost one (under its last name).
  void on_holder(mrt::Instant now, const FileHash& hash, const NodeId& holder);
  void on_holder_gone(mrt::Instant now, const FileHash& hash, const NodeId& holder);
  /// There is a connection to that node: what it holds is asked of it there, and no more through
  /// the supernode.
  void on_peer(const NodeId& peer) { direct_.insert(peer); }
  /// The connection to a neighbour ended, or a message to it had nowhere to go.
  void on_peer_gone(mrt::Instant now, const NodeId& peer);
  /// mrt::Writable came after send_message() had refused a message.
  void on_writable(mrt::Instant now, const NodeId& peer);
  /// send_message() refused this message: it goes first when the peer is writable again.
  void on_unsent(Outgoing message);

  // Outputs.
  std::optional<Outgoing> poll_message(mrt::Instant now);
  std::optional<FileRequest> poll_request();
  std::optional<TransferEvent> poll_event();
  mrt::Instant next_timeout() const;

  // Commands.
  /// Hashes a file and keeps it ready to serve. Shared or ShareFailed follows.
  FileToken share(mrt::Instant now, const std::string& path);
  /// Stops hashing or serving it. The offer that was announced, to be taken back; nothing where
  /// it was still being hashed.
  std::optional<Offer> unshare(mrt::Instant now, FileToken file);
  /// Fetches; the token of the download that is under way where that is the same one.
  FileToken download(mrt::Instant now, const Offer& offer, const std::vector<NodeId>& holders);
  /// Stops a download and removes what it left. False where there is none.
  bool cancel(mrt::Instant now, FileToken file);

  // Getters.
  /// Holders of large files that are being fetched through the supernode, or would be if there were
  /// no connections to them; at most direct_holders_max.
  std::vector<NodeId> sought() const;
  /// Downloads under way, in the order in which they began.
  std::vector<std::pair<FileToken, Offer>> downloads() const;
  /// What this node serves now.
  std::vector<Offer> shared() const;
  uint64_t malformed_messages() const { return malformed_; }
  bool is_consistent() const;

 private:
  void on_chunk(mrt::Instant now, const NodeId& from, const ChunkView& chunk,
                const mrt::SharedBytes& message);
  void on_failed(mrt::Instant now, const NodeId& from, const FetchFailed& failed);
  void serve(mrt::Instant now, const NodeId& from, const Fetch& fetch);
  void ask_elsewhere(const NodeId& holder);
  void settle(mrt::Instant now);
  void share_out(mrt::Instant now);
  bool route_downloads();
  bool route_relay(mrt::Instant now);
  bool route_source();
  void ask(const Download::Send& send);
  void put(const NodeId& to, mrt::Priority priority, mrt::SharedBytes message);
  void put(const FileSend& send);
  void tell(FileToken file, const Offer& offer, const Download::Event& event);
  void tell(const Source::Event& event);
  bool is_supernode() const { return supernode_ == self_; }

  NodeId self_;
  std::optional<NodeId> supernode_;
  std::set<NodeId> direct_;   // connected to
  std::set<NodeId> refused_;  // of these, who serves others and sent this node to the supernode
  std::map<NodeId, mrt::Instant> served_;  // askers beside the supernode, and when they last asked
  uint64_t tokens_ = 0;
  uint64_t malformed_ = 0;
  Outbox outbox_;
  Relay relay_;
  Source source_;
  std::map<FileToken, Download> downloads_;
  std::deque<FileRequest> requests_;
  std::deque<TransferEvent> events_;
};

}  // namespace node
