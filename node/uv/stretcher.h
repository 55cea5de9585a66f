// SPDX-License-Identifier: MIT
//
// Stretches passwords beside the loop (stun/rendezvous_key.h): on libuv's pool of threads, for it
// takes a tenth of a second and 64 MiB. It keeps no password longer than that.
//
// 1. One at a time: what is asked for meanwhile waits, and of several only the last counts.
// 2. After its end nothing is called back; the loop must turn once more.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mrt/base/bytes.h"
#include "stun/rendezvous_key.h"

namespace node::uv {

class Stretcher {
 public:
  /// Nothing where there was no memory for it.
  using OnStretched = std::function<void(const std::optional<stun::RendezvousSeed>&)>;

  Stretcher(uv_loop_t* loop, OnStretched on_stretched);
  ~Stretcher();
  Stretcher(const Stretcher&) = delete;
  Stretcher& operator=(const Stretcher&) = delete;

  void stretch(std::string network, mrt::Bytes password);

 private:
  struct Job;

  void begin();
  void on_done(const Job& job);

  uv_loop_t* loop_;
  OnStretched on_stretched_;
  std::unique_ptr<Job> next_;
  Job* running_ = nullptr;  // owned by the pool
};

}  // namespace node::uv
