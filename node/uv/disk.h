// SPDX-License-Identifier: MIT
//
// The disk driver: carries out a node's FileRequests on libuv's worker threads and hands the
// results back on the loop. It schedules only; what is done to files is in source_file and
// part_file, which know no libuv.
//
// 1. All requests of one token are done in their order, by one thread at a time: what belongs
//    to a token needs no lock. Different tokens go side by side.
// 2. Long work (hashing) is done in slices, so that it delays nobody and can be given up.
// 3. At most descriptors_max sources, or an eighth of what the process may have, keep their file
//    open: the least recently read are closed, and opened again when they are read.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>

#include "node/file_io.h"

namespace node::uv {

/// An eighth of the usual limit of a process.
inline constexpr size_t descriptors_max = 128;

class Disk {
 public:
  using OnResult = std::function<void(FileResult)>;

  /// `downloads` is opened at the first OpenTarget: a node that only gives needs none.
  Disk(uv_loop_t* loop, std::string downloads, OnResult on_result);
  /// As close(), without being told the end. The loop must run until its workers are back.
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  void request(FileRequest request);
  /// No result comes from now on. Parts of downloads are left for a later try; `done` is called
  /// on the loop when the last worker is back.
  void close(std::function<void()> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace node::uv
