// SPDX-License-Identifier: MIT
//
// Owns a libuv handle: when the owner lets go it is closed and freed, without being waited
// for. The loop must turn once more before it ends.
#pragma once

#include <uv.h>

#include <memory>

namespace client {

template <class H>
struct CloseHandle {
  void operator()(H* handle) const {
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<H*>(closed); });
  }
};

template <class H>
using Handle = std::unique_ptr<H, CloseHandle<H>>;

}  // namespace client
