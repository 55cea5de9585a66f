// SPDX-License-Identifier: MIT
//
// A network address translator as RFC 4787 takes them apart: which outer port a flow gets
// (mapping), who may send to it (filtering), how long both last. It knows neither links nor hosts;
// the world asks it what becomes of each datagram.
//
// 1. Only what goes out makes a mapping, lets somebody in, or makes either last (REQ-6: what comes
//    in need not, so that nobody here relies on it).
// 2. Everything is drawn from one Random: the same seed and datagrams give the same ports.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "mrt/base/address.h"
#include "mrt/base/random.h"
#include "mrt/base/time.h"

namespace node::sim {

/// Of the far end: what a mapping is good for, and what lets it in (RFC 4787, 4.1 and 5).
enum class Depends : uint8_t { on_nothing, on_address, on_address_and_port };

struct NatSpec {
  Depends mapping = Depends::on_nothing;
  Depends filtering = Depends::on_address_and_port;
  bool keeps_ports = true;  // where they are free (4.2.1); else all are drawn
  bool hairpins = false;    // one inside reaches another by its outer address (6)
  // Of a mapping that nothing goes out by. REQ-5 asks for two minutes; some last twenty seconds.
  mrt::Duration timeout = std::chrono::minutes(2);
};

/// "port-restricted", "symmetric", or the words of RFC 4787 where the seeds have none.
std::string describe(const NatSpec& spec);

class Nat {
 public:
  /// `outer`: its address in the world; the port means nothing.
  Nat(const NatSpec& spec, const mrt::Address& outer, const mrt::Random::Seed& seed);

  const NatSpec& spec() const { return spec_; }
  /// Where the world sees something come from that goes from inside to `target`.
  mrt::Address send_out(mrt::Instant now, const mrt::Address& inside, const mrt::Address& target);
  /// Whose it is; nothing where it is not let in.
  std::optional<mrt::Address> let_in(mrt::Instant now, uint16_t outer_port,
                                     const mrt::Address& source) const;
  /// It forgets everything.
  void reboot() { mappings_.clear(); }

 private:
  struct Mapping {
    uint16_t port = 0;
    mrt::Instant ends;
    std::map<mrt::Address, mrt::Instant> let_in;  // who was sent something: until when
  };
  using Flow = std::pair<mrt::Address, mrt::Address>;  // inside, and what it depends on outside

  void forget_old(mrt::Instant now);
  bool is_taken(uint16_t port) const;
  uint16_t choose_port(uint16_t inside);

  NatSpec spec_;
  mrt::Address outer_;
  mrt::Random random_;
  std::map<Flow, Mapping> mappings_;
};

}  // namespace node::sim
