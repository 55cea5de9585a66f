// SPDX-License-Identifier: MIT
//
// A file message before it is known whether it stays in this node: values that downloads,
// sources and the relay give out, and the transfer hands on or encodes.
#pragma once

#include <cstdint>
#include <variant>

#include "mrt/types.h"
#include "node/file_message.h"
#include "node/ids.h"

namespace node {

/// A chunk's whole message (file_message.h), and what it is.
struct EncodedChunk {
  NodeId holder;
  FileHash hash;
  uint64_t chunk = 0;
  mrt::SharedBytes message;
};

/// `to` may be the node itself.
struct FileSend {
  NodeId to;
  std::variant<Fetch, CancelFetch, FetchFailed, EncodedChunk> message;
};

}  // namespace node
