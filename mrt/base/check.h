// SPDX-License-Identifier: MIT
//
// CHECK states what only a bug can break, stays on in release, prints and aborts.
// It is never used on what a peer or a caller sent: that is counted or returned.
// DCHECK is for what is too costly to ask in release (is_consistent() at each exit).
#pragma once

namespace mrt {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace mrt

// Macros, because the text of the condition and its place must reach the message.
#define CHECK(condition) \
  (static_cast<bool>(condition) ? void() : ::mrt::check_failed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif
