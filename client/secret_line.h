// SPDX-License-Identifier: MIT
//
// A password being typed, key by key, where nothing of it is shown. Pure; it knows no terminal.
//
// 1. What was typed stays in one place, and is overwritten when it goes.
#pragma once

#include <string_view>

#include "mrt/base/bytes.h"

namespace client {

class SecretLine {
 public:
  enum class State { typing, done, given_up };

  SecretLine();
  ~SecretLine();
  SecretLine(const SecretLine&) = delete;
  SecretLine& operator=(const SecretLine&) = delete;

  /// A whole key (keys.h). Return ends it; Return or Ctrl-D on nothing gives it up, and so does
  /// a line that became too long for a password.
  State on_key(std::string_view key);
  /// What was typed; nothing is left here.
  mrt::Bytes take();

 private:
  void drop_character();
  void clear();

  mrt::Bytes typed_;
  bool too_long_ = false;
};

}  // namespace client
