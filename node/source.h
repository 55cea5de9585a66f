// SPDX-License-Identifier: MIT
//
// The files that this node offers: it has them hashed, and answers fetches with chunks read
// from the disk. It knows files by token only; paths and proofs are the disk's business.
//
// 1. A fetch is answered by one chunk or failure; once it was cancelled, perhaps by none.
// 2. At most reads_max chunks of one asker are being read or wait for its connection; what it
//    asks beyond waits, and beyond fetches_queued_max is refused as busy.
// 3. A file that fails once is served no more, and everybody who waits for it is told.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "mrt/types.h"
#include "node/catalogue.h"
#include "node/file_io.h"
#include "node/file_message.h"
#include "node/file_send.h"
#include "node/outbox.h"

namespace node {

/// 2 MiB for each asker: the disk's next chunks are there when the connection takes them.
inline constexpr size_t reads_max = 32;
/// All that a supernode may ask of one holder at once (chunks_in_hand_max), twice.
inline constexpr size_t fetches_queued_max = 512;

class Source {
 public:
  struct Opened {
    FileToken file;
    std::string path;
    Offer offer;
  };
  struct Progress {
    FileToken file;
    std::string path;
    uint64_t bytes;
    uint64_t size;
  };
  /// `offer` is there when the file had been announced.
  struct Lost {
    FileToken file;
    std::string path;
    std::optional<Offer> offer;
    FileFault fault;
    std::string message;
  };
  using Event = std::variant<Opened, Progress, Lost>;

  Source(const NodeId& self, const Outbox& outbox) : self_(self), outbox_(outbox) {}

  // Inputs.
  void on_fetch(const NodeId& from, const Fetch& fetch);
  void on_cancel(const NodeId& from, const CancelFetch& cancel);
  void on_peer_gone(const NodeId& peer);
  /// Those who still want something ask again.
  void forget_askers();
  /// True where the result was for one of its files.
  bool on_result(const FileResult& result);

  // Commands.
  void open(FileToken file, const std::string& path);
  /// The offer, where it had been opened.
  std::optional<Offer> close(FileToken file);

  // Outputs.
  std::optional<FileSend> poll_send();
  /// Starts reads that may start now. REQUIRES: what poll_send() gave is in the outbox.
  std::optional<FileRequest> poll_request();
  std::optional<Event> poll_event();

  /// Everything that is served, in the order in which it was opened.
  std::vector<Offer> offers() const;
  bool is_consistent() const;

 private:
  using ReadKey = std::pair<FileToken, uint64_t>;
  struct File {
    std::string path;
    std::optional<Offer> offer;  // nothing while it is hashed
  };
  struct Asker {
    std::deque<Fetch> queued;
    size_t reading = 0;
    bool is_idle() const { return queued.empty() && reading == 0; }
  };

  void on_opened(const SourceOpened& opened);
  void on_read(const ChunkRead& read);
  void lose(FileToken file, FileFault fault, const std::string& message);
  File take_out(FileToken token, FetchFault fault);
  void refuse_queued(const FileHash& hash, FetchFault fault);
  void start_reads();
  bool may_read(const NodeId& peer, const Asker& asker) const;
  void start_read(const NodeId& peer, Asker& asker);
  std::optional<FileToken> serving(const FileHash& hash) const;
  void refuse(const NodeId& to, const Fetch& fetch, FetchFault fault);
  void forget_if_idle(const NodeId& peer);

  NodeId self_;
  const Outbox& outbox_;
  std::map<FileToken, File> files_;
  std::map<FileHash, std::set<FileToken>> by_hash_;
  std::map<NodeId, Asker> askers_;
  std::map<ReadKey, std::vector<NodeId>> reads_;  // who waits for each chunk being read
  NodeId last_;                                   // whose turn the last read was
  std::deque<FileSend> sends_;
  std::deque<FileRequest> requests_;
  std::deque<Event> events_;
};

}  // namespace node
