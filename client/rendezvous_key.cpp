// SPDX-License-Identifier: MIT
#include "client/rendezvous_key.h"

#include <algorithm>

#include "mrt/base/secret.h"

namespace client {

RendezvousKeys::RendezvousKeys(uv_loop_t* loop, StateDir& state, std::string network, OnKey on_key)
    : state_(state),
      network_(std::move(network)),
      on_key_(std::move(on_key)),
      stretcher_(loop, [this](const auto& seed) { on_stretched(seed); }) {}

RendezvousKeys::~RendezvousKeys() {
  if (key_) mrt::wipe(key_->secret);
}

void RendezvousKeys::derive(const mrt::NetworkKey& key) {
  if (key_ == key) return;
  if (key_) mrt::wipe(key_->secret);
  key_ = key;
  switch (key.access) {
    case mrt::Access::open:
      return on_key_(stun::RendezvousKey(stun::open_rendezvous_seed(network_)));
    case mrt::Access::secret:
      return on_key_(stun::RendezvousKey(stun::secret_rendezvous_seed(network_, key.secret)));
    case mrt::Access::password:
      break;
  }
  stretcher_.stretch(network_, key.secret);
  if (const auto known = state_.stretched(network_)) on_key_(stun::RendezvousKey(*known));
}

void RendezvousKeys::on_stretched(const std::optional<stun::RendezvousSeed>& seed) {
  // Without the memory for it the network is found by other means or not at all.
  if (!seed || key_->access != mrt::Access::password) return;
  const auto known = state_.stretched(network_);
  const bool same =
      known && std::equal(seed->view().begin(), seed->view().end(), known->view().begin());
  if (!same) state_.remember_stretched(network_, *seed);
  on_key_(stun::RendezvousKey(*seed));
}

}  // namespace client
