// SPDX-License-Identifier: MIT
#include "stun/uv/neighbourhood.h"

#include <algorithm>
#include <utility>

#include "mrt/uv/entropy.h"
#include "mrt/uv/multicast.h"

namespace stun::uv {

using mrt::Address;
using mrt::uv::LocalAddress;
using mrt::uv::Sockets;

std::vector<LocalAddress> links_of(const std::vector<Address>& bound,
                                   const std::vector<LocalAddress>& interfaces) {
  std::vector<LocalAddress> out;
  const auto is_reached = [&bound](const Address& at) {
    return std::any_of(bound.begin(), bound.end(), [&at](const Address& one) {
      return one.is_v4() == at.is_v4() && (one.is_unspecified() || one.ip == at.ip);
    });
  };
  for (const bool loopback : {true, false}) {
    for (const LocalAddress& one : interfaces) {
      // The kernel has no groups of IPv6 on the loopback device.
      const bool usable = one.loopback == loopback && (!loopback || one.address.is_v4());
      const bool again = std::any_of(out.begin(), out.end(), [&one](const LocalAddress& known) {
        return known.interface == one.interface && known.address.is_v4() == one.address.is_v4();
      });
      if (usable && !again && is_reached(one.address) && out.size() < Beacon::links_max) {
        out.push_back(one);
      }
    }
  }
  return out;
}

Neighbourhood::Neighbourhood(uv_loop_t* loop, std::vector<Address> bound)
    : loop_(loop), bound_(std::move(bound)), links_(links_of(bound_, mrt::uv::local_addresses())) {
  open();
}

void Neighbourhood::open() {
  std::vector<LocalAddress> links;
  std::vector<BeaconLink> asked;
  Sockets sockets;
  missed_ = false;
  for (const LocalAddress& link : links_) {
    auto socket = mrt::uv::open_asking(link);
    if (!socket) {
      missed_ = true;
      continue;
    }
    links.push_back(link);
    asked.push_back({socket->local(), link.prefix_bits});
    sockets.push_back(std::move(socket));
  }
  for (const bool v4 : {true, false}) {
    if (auto socket = mrt::uv::open_hearing(beacon_group(v4), links)) {
      sockets.push_back(std::move(socket));
    }
  }
  voice_ = std::make_unique<Voice>();
  voice_->beacon = std::make_unique<Beacon>(std::move(asked), mrt::uv::entropy_seed());
  voice_->driver =
      std::make_unique<mrt::uv::Driver<Beacon, Neighbourhood>>(*loop_, *voice_->beacon, *this);
  voice_->driver->add(std::move(sockets));
  voice_->beacon->answer_for(answering_);
}

void Neighbourhood::look_again() {
  auto links = links_of(bound_, mrt::uv::local_addresses());
  if (links == links_ && !missed_) return;
  links_ = std::move(links);
  // What it has found so far is asked for once more.
  OnFound waiting = std::exchange(on_found_, nullptr);
  leaving_.let_go(std::move(voice_));
  open();
  if (waiting) ask(asked_, std::move(waiting));
}

void Neighbourhood::answer_for(const std::string& network, size_t rank) {
  answering_.reset();
  if (!network.empty()) answering_ = Answering{network, bound_, rank};
  voice_->beacon->answer_for(answering_);
}

void Neighbourhood::ask(const std::string& network, OnFound on_found) {
  asked_ = network;
  on_found_ = std::move(on_found);
  voice_->beacon->ask(voice_->driver->now(), network);
  voice_->driver->wake();
}

void Neighbourhood::on_event(mrt::Instant, const Neighbours& found) {
  // What is called may ask anew.
  if (const OnFound tell = std::exchange(on_found_, nullptr)) tell(found.addresses);
}

void Neighbourhood::close(std::function<void()> done) {
  on_found_ = nullptr;
  leaving_.let_go(std::move(voice_));
  leaving_.when_all_closed(std::move(done));
}

}  // namespace stun::uv
