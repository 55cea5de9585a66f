// SPDX-License-Identifier: MIT
//
// A disk made of memory and virtual time: the results that node/uv/disk gives, from the same
// hashing, with a latency and with faults when somebody wants them. One for each simulated
// node; it outlives the node's crashes.
//
// 1. Results come in the order of the requests, each `latency` after the one before at the
//    earliest: a disk does one thing at a time.
// 2. No file is ever overwritten by a download, and none has its name before it is complete.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mrt/base/time.h"
#include "node/file_io.h"
#include "node/merkle.h"

namespace node::sim {

struct MemoryDiskConfig {
  std::string downloads = "/downloads";
  mrt::Duration latency = std::chrono::microseconds(100);  // of each request: an SSD's
  double bytes_per_second = 1e9;                           // reading, hashing and writing
};

class MemoryDisk {
 public:
  MemoryDisk() = default;
  explicit MemoryDisk(MemoryDiskConfig config) : config_(std::move(config)) {}

  // Inputs and outputs.
  void on_request(mrt::Instant now, const FileRequest& request);
  /// What is ready by now.
  std::optional<FileResult> poll_result(mrt::Instant now);
  mrt::Instant next_timeout() const;

  // The world's side: files and faults.
  void put(const std::string& path, mrt::Bytes content);
  void erase(const std::string& path);
  /// Null where there is none.
  const mrt::Bytes* content(const std::string& path) const;
  /// Complete files below the downloads folder, by name.
  std::vector<std::string> received() const;
  /// Bytes that may still be written; no limit at the start.
  void set_room(uint64_t bytes) { room_ = bytes; }
  /// How long requests take from now on; latency and rate alone count.
  void set_speed(const MemoryDiskConfig& speed) {
    config_.latency = speed.latency;
    config_.bytes_per_second = speed.bytes_per_second;
  }
  /// Reads (or writes) fail with an I/O error while set.
  void set_reads_fail(bool fail) { reads_fail_ = fail; }
  void set_writes_fail(bool fail) { writes_fail_ = fail; }
  /// The process died: open tokens and results are lost, files and parts stay.
  void crash();

 private:
  struct Content {
    mrt::Bytes bytes;
    uint64_t version = 0;  // stands for inode and times: another one is another content
  };
  struct SourceFile {
    std::string path;
    HashTree tree;
    uint64_t version = 0;  // of the file when it was hashed
  };
  struct Part {
    mrt::Bytes bytes;
    mrt::IntervalSet have;
    bool in_use = false;
  };
  struct TargetFile {
    OpenTarget request;
    std::string part;
    bool resumed = false;
  };
  struct Ready {
    mrt::Instant at;
    FileResult result;
  };

  void carry_out(const OpenSource& request);
  void carry_out(const ReadChunk& request);
  void carry_out(const OpenTarget& request);
  void carry_out(const WriteChunk& request);
  void carry_out(const FinishTarget& request);
  void carry_out(const CloseFile& request);
  /// The disk is busy with this for its latency and so many bytes.
  void answer(FileResult result, uint64_t bytes);
  void fail(FileToken file, FileFault fault, std::string message);
  void close(FileToken file, bool discard);

  MemoryDiskConfig config_;
  std::map<std::string, Content> files_;
  std::map<std::string, Part> parts_;
  std::map<FileToken, SourceFile> sources_;
  std::map<FileToken, TargetFile> targets_;
  std::deque<Ready> ready_;
  mrt::Instant now_{};
  mrt::Instant free_at_{};  // when it has done what it was asked so far
  uint64_t versions_ = 0;
  uint64_t room_ = file_bytes_max;
  bool reads_fail_ = false;
  bool writes_fail_ = false;
};

}  // namespace node::sim
