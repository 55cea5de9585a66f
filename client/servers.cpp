// SPDX-License-Identifier: MIT
#include "client/servers.h"

namespace client {

Servers::Servers(uv_loop_t* loop, const Options& options, Actions actions)
    : options_(options), actions_(std::move(actions)), resolver_(loop) {}

void Servers::begin() {
  rendezvous_left_ = options_.rendezvous.size();
  for (const std::string& name : options_.rendezvous) {
    resolver_.resolve(name,
                      [this](const auto& found, const auto& why) { on_rendezvous(found, why); });
  }
  if (!options_.watch_nat) return;
  for (const std::string& name : options_.stun) {
    resolver_.resolve(name, [this](const auto& found, const auto& why) {
      found.empty() ? actions_.warn("STUN server " + why) : actions_.on_stun(found);
    });
  }
}

void Servers::on_rendezvous(const std::vector<mrt::Address>& addresses, const std::string& why) {
  --rendezvous_left_;
  rendezvous_found_ |= !addresses.empty();
  if (addresses.empty()) {
    actions_.warn("rendezvous " + why);
    if (!has_rendezvous()) actions_.on_rendezvous({});
    return;
  }
  actions_.on_rendezvous(addresses);
  // They answer STUN too.
  if (options_.watch_nat) actions_.on_stun(addresses);
}

void Servers::reach_beyond() {
  const bool named = !options_.stun.empty() || !options_.rendezvous.empty();
  if (beyond_ || named || !options_.watch_nat) return;
  beyond_ = true;
  for (const char* name : public_stun_servers) {
    // Without a way out nobody has to hear that public servers are not found.
    resolver_.resolve(name, [this](const auto& found, const auto&) {
      if (!found.empty()) actions_.on_stun(found);
    });
  }
}

}  // namespace client
