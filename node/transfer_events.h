// SPDX-License-Identifier: MIT
//
// What a Transfer tells: how shares and downloads go and end. `file` is what share() or
// download() returned.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "mrt/base/time.h"
#include "node/catalogue.h"
#include "node/file_io.h"
#include "node/ids.h"

namespace node {

/// A share() ended well: the offer to announce.
struct Shared {
  FileToken file;
  std::string path;
  Offer offer;
};
struct ShareProgress {
  FileToken file;
  std::string path;
  uint64_t bytes;
  uint64_t size;
};
struct ShareFailed {
  FileToken file;
  std::string path;
  FileFault fault;
  std::string message;
};
/// A shared file cannot be served any more (changed, unreadable): the offer to take back.
struct SourceLost {
  FileToken file;
  std::string path;
  Offer offer;
  FileFault fault;
  std::string message;
};
/// At most ten a second for each download.
struct TransferProgress {
  FileToken file;
  Offer offer;
  uint64_t bytes;
  uint64_t rate;
  NodeId from;
};
/// Verified and in its place. `was_there`: nothing was fetched.
struct Downloaded {
  FileToken file;
  Offer offer;
  std::string path;
  mrt::Duration took;
  bool was_there;
};
struct DownloadFailed {
  FileToken file;
  Offer offer;
  FileFault fault;
  std::string message;
};

using TransferEvent = std::variant<Shared, ShareProgress, ShareFailed, SourceLost, TransferProgress,
                                   Downloaded, DownloadFailed>;

}  // namespace node
