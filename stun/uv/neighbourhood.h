// SPDX-License-Identifier: MIT
//
// A stun::Beacon on sockets of its own: asks on this host and its LAN for a network, and answers
// there for the node's. It knows no node.
//
// 1. It reaches no further than the node's own sockets do: of a node on loopback nothing leaves the
//    host.
// 2. Where the system refuses a socket less is found, and nothing else happens.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mrt/uv/driver.h"
#include "mrt/uv/interfaces.h"
#include "stun/beacon.h"
#include "stun/uv/leaving.h"

namespace stun::uv {

/// One address for each device and family at which a node with those sockets is reached, those on
/// loopback first; at most Beacon::links_max.
std::vector<mrt::uv::LocalAddress> links_of(const std::vector<mrt::Address>& bound,
                                            const std::vector<mrt::uv::LocalAddress>& interfaces);

class Neighbourhood {
 public:
  using OnFound = std::function<void(const std::vector<mrt::Address>&)>;

  /// `bound`: what the node's sockets are bound to.
  Neighbourhood(uv_loop_t* loop, std::vector<mrt::Address> bound);
  Neighbourhood(const Neighbourhood&) = delete;
  Neighbourhood& operator=(const Neighbourhood&) = delete;

  /// Those who ask for that network are led to the node, who has that rank there; empty: nobody.
  void answer_for(const std::string& network, size_t rank);
  /// `on_found` is called once, within stun::ask_time: with nothing, perhaps.
  void ask(const std::string& network, OnFound on_found);
  bool is_asking() const { return on_found_ != nullptr; }
  /// The host's addresses may be others than before, or usable at last: what is asked and answered
  /// goes on there.
  void look_again();
  /// REQUIRES before destruction: `done` was called. What was asked is forgotten.
  void close(std::function<void()> done);

  /// For the driver.
  void on_event(mrt::Instant now, const Neighbours& found);

 private:
  /// A beacon on one set of links.
  struct Voice {
    std::unique_ptr<Beacon> beacon;
    std::unique_ptr<mrt::uv::Driver<Beacon, Neighbourhood>> driver;
    void close(std::function<void()> done) { driver->close(std::move(done)); }
  };

  void open();

  uv_loop_t* loop_;
  std::vector<mrt::Address> bound_;
  std::vector<mrt::uv::LocalAddress> links_;
  // One of them has no socket: an IPv6 address is refused while its uniqueness is checked (DAD).
  bool missed_ = false;
  std::unique_ptr<Voice> voice_;
  std::optional<Answering> answering_;
  std::string asked_;  // while on_found_ waits
  OnFound on_found_;
  Leaving<Voice> leaving_;
};

}  // namespace stun::uv
