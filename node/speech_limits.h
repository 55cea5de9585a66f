// SPDX-License-Identifier: MIT
//
// How much a neighbour may say in a time (OVERLAY.md 9): an allowance for each kind of load. What
// exceeds it is not lost: the link is not read until it has filled up again, and MRT's flow
// control holds the sender. Only what no honest node does so often (calls that begin something)
// breaks a rule. It knows no messages but their kinds.
#pragma once

#include <algorithm>

#include "mrt/base/allowance.h"
#include "mrt/base/time.h"
#include "node/message.h"

namespace node {

/// What one link may bring.
struct SpeechLimits {
  // A script that pipes a file line by line is slowed to this, a person never is. Twenty such
  // senders are what one supernode can place and hand on; the burst is what a person pastes.
  mrt::Allowance messages{5'000, 1'000};
  // More than a 100 Mb/s line brings; the burst is a quarter of what a sender may have pending.
  mrt::Allowance bytes{16 * 1024 * 1024, 4 * 1024 * 1024};
  // Opening a private message costs its receiver 0.2 ms: 2 % of a core for each sender.
  mrt::Allowance tells{100, 200};
  // Proving what a member carries costs 0.1 ms: a tenth of a core for each member. As much as can
  // be carried is proven in 10 s. What is proven at once costs less than coming in anew does.
  mrt::Allowance proofs{1'000, 20};
  // Hello, Suspect, Gather, Survivor, Want, Merge. One that waits for a busy supernode says Hello
  // ten times a second; nothing else comes near.
  mrt::Allowance calls{20, 50};
  // Being taken in costs the supernode a whole roster, all offers and up to 16 MiB of history.
  mrt::Allowance joins{1, 5};

  // Whom it asks to be brought together with, or sends here: a first successor each second, and
  // those who come by its address. Each costs a few packets; what is above is dropped.
  mrt::Allowance introductions{20, 50};

  /// A message of so many bytes came.
  void note(mrt::Instant now, const Message& message, size_t bytes);
  bool is_exceeded(mrt::Instant now) const { return now < usable_at(); }
  mrt::Instant usable_at() const {
    return std::max(
        {messages.usable_at(), bytes.usable_at(), tells.usable_at(), proofs.usable_at()});
  }
};

}  // namespace node
