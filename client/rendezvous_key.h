// SPDX-License-Identifier: MIT
//
// The key under which this node's network is found (stun/rendezvous_key.h), from what one has to
// show there: at once for a random secret, from the state folder and beside the loop for a
// password. It knows no server.
//
// 1. What the state folder has is used at once, and computed anew all the same: the password may
//    be another one by now, and nothing that tells it faster is ever written down.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "client/state_dir.h"
#include "mrt/types.h"
#include "node/uv/stretcher.h"

namespace client {

class RendezvousKeys {
 public:
  using OnKey = std::function<void(const stun::RendezvousKey&)>;

  /// `on_key` is called from derive() or, later, from the loop.
  RendezvousKeys(uv_loop_t* loop, StateDir& state, std::string network, OnKey on_key);
  ~RendezvousKeys();
  RendezvousKeys(const RendezvousKeys&) = delete;
  RendezvousKeys& operator=(const RendezvousKeys&) = delete;

  /// Nothing is done twice for the same key.
  void derive(const mrt::NetworkKey& key);

 private:
  void on_stretched(const std::optional<stun::RendezvousSeed>& seed);

  StateDir& state_;
  std::string network_;
  OnKey on_key_;
  std::optional<mrt::NetworkKey> key_;  // the last that was given
  node::uv::Stretcher stretcher_;
};

}  // namespace client
