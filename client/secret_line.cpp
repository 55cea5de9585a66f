// SPDX-License-Identifier: MIT
#include "client/secret_line.h"

#include <utility>

#include "client/access.h"
#include "mrt/base/secret.h"

namespace client {

static constexpr std::string_view backspace = "\b";
static constexpr std::string_view del = "\x7f";
static constexpr std::string_view control_d = "\x04";
static constexpr std::string_view control_u = "\x15";

// Reserved at once: a vector that grows would leave copies behind.
SecretLine::SecretLine() { typed_.reserve(password_bytes_max); }

SecretLine::~SecretLine() { mrt::wipe(typed_); }

SecretLine::State SecretLine::on_key(std::string_view key) {
  if (key == "\r" || key == "\n") {
    return typed_.empty() || too_long_ ? State::given_up : State::done;
  }
  if (key == control_d && typed_.empty()) return State::given_up;
  if (key == control_u) {
    clear();
  } else if (key == backspace || key == del) {
    drop_character();
  } else if (static_cast<uint8_t>(key[0]) >= 0x20) {
    too_long_ |= typed_.size() + key.size() > password_bytes_max;
    if (!too_long_) typed_.insert(typed_.end(), key.begin(), key.end());
  }
  return State::typing;
}

void SecretLine::drop_character() {
  // Its continuation bytes are 10xxxxxx (RFC 3629).
  bool whole = false;
  while (!typed_.empty() && !whole) {
    whole = (typed_.back() & 0xc0) != 0x80;
    typed_.back() = 0;
    typed_.pop_back();
  }
}

void SecretLine::clear() {
  mrt::wipe(typed_);
  typed_.clear();
  too_long_ = false;
}

mrt::Bytes SecretLine::take() { return std::exchange(typed_, {}); }

}  // namespace client
