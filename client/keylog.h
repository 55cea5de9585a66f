// SPDX-License-Identifier: MIT
//
// The file that THUBAN_KEYLOG names: keys of packets, one line each, for a dissector. It knows
// nothing of what the lines say (WIRE.md 4.6).
//
// 1. Whoever reads the file reads the traffic: it is 0600 before the first line is in it.
// 2. Lines of several processes that share the file are not mixed: each is one write behind its
//    end.
#pragma once

#include <string>
#include <string_view>

namespace client {

class KeyLog {
 public:
  /// `error`: why it cannot be had; empty where all is well.
  KeyLog(const std::string& path, std::string& error);
  ~KeyLog();
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;

  /// False, and errno, where it could not be written.
  bool write(std::string_view line);

 private:
  int fd_ = -1;
};

}  // namespace client
