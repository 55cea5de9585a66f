// SPDX-License-Identifier: MIT
//
// Those whose place another has taken, until they are closed, which takes turns of the loop. It
// knows nothing of what they are.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace stun::uv {

/// T: close(done), and it may be destroyed once `done` was called and has returned.
template <class T>
class Leaving {
 public:
  void let_go(std::unique_ptr<T> one) {
    std::erase_if(held_, [](const auto& held) { return held->closed; });
    Held& held = *held_.emplace_back(std::make_unique<Held>());
    held.one = std::move(one);
    held.one->close([this, &held] {
      held.closed = true;
      tell();
    });
  }
  /// Perhaps at once. After it nobody is let go of. REQUIRES before destruction: it was called.
  void when_all_closed(std::function<void()> done) {
    done_ = std::move(done);
    tell();
  }

 private:
  struct Held {
    std::unique_ptr<T> one;
    bool closed = false;
  };

  void tell() {
    for (const auto& held : held_)
      if (!held->closed) return;
    if (const auto done = std::exchange(done_, nullptr)) done();
  }

  std::vector<std::unique_ptr<Held>> held_;
  std::function<void()> done_;
};

}  // namespace stun::uv
