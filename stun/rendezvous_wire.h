// SPDX-License-Identifier: MIT
//
// What is said to a rendezvous server and by it, and its bytes (WIRE.md 9). Values only: it
// knows no table, no timer and no key but to check a signature.
//
// 1. Each message has one spelling: parse_rendezvous(write_rendezvous(x)) is x, and whatever else
//    it is given is nothing.
// 2. Lists are bounded by the limits below, on reading and on writing.
// 3. What a server says before an address is proven (CookieGiven) is shorter than all that it
//    may answer with it.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"

namespace stun {

/// An Ed25519 public key (RFC 8032): which network. rendezvous_key.h tells whence it comes.
using LookUpId = std::array<uint8_t, 32>;
/// A node's id; here only something that tells nodes apart.
using NodeTag = std::array<uint8_t, 16>;
using RendezvousCookie = std::array<uint8_t, 16>;
using RendezvousSignature = std::array<uint8_t, 64>;

/// After a split of a star each part has a supernode, until they merge: two, rarely three.
inline constexpr size_t supernodes_max = 4;
/// A host's own addresses of both families, and those that a router gave it.
inline constexpr size_t told_max = 8;
/// Told by one who looks for a network, whom nobody vouches for: the other side sends there.
inline constexpr size_t told_by_looker_max = 4;

/// Where is the network's supernode?
struct Find {
  uint64_t transaction = 0;
  bool introduce = false;  // the supernodes are to be told of the one who asks
  std::optional<RendezvousCookie> cookie;
  LookUpId id{};
  std::vector<mrt::Address> told;  // where else the one who asks may be
  bool symmetric = false;          // its NAT gives each destination another port
  bool operator==(const Find&) const = default;
};

struct Whereabouts {
  NodeTag node{};
  uint64_t epoch = 0;
  std::optional<mrt::Address> seen;  // as the server sees it; nothing where that leads nowhere
  std::vector<mrt::Address> told;    // as it says itself
  bool symmetric = false;            // likewise: its NAT gives each destination another port
  bool operator==(const Whereabouts&) const = default;
};
/// The answer to Find; the highest epoch first.
struct Found {
  uint64_t transaction = 0;
  mrt::Address seen;  // of the one who asked
  std::vector<Whereabouts> supernodes;
  bool operator==(const Found&) const = default;
};

/// Ask again with this, so that it shows that you get what is sent to you.
struct CookieGiven {
  uint64_t transaction = 0;
  RendezvousCookie cookie{};
  bool operator==(const CookieGiven&) const = default;
};

/// Here is the network's supernode.
struct Registration {
  uint64_t transaction = 0;
  std::optional<RendezvousCookie> cookie;
  LookUpId id{};
  NodeTag node{};
  uint64_t epoch = 0;
  uint64_t sequence = 0;      // rises with each that a node says under one transaction
  uint16_t life_seconds = 1;  // never 0
  std::vector<mrt::Address> told;
  RendezvousSignature signature{};  // over all before it
  bool symmetric = false;           // as in Find; it is among what is signed
  bool operator==(const Registration&) const = default;
};
/// The answer to Registration and to Keep; a life of 0 where it was taken back.
struct Registered {
  uint64_t transaction = 0;
  uint64_t sequence = 0;
  uint16_t life_seconds = 0;
  mrt::Address seen;
  bool operator==(const Registered&) const = default;
};
/// I am still here: holds the registration and the NAT's mapping. Or: I leave.
struct Keep {
  uint64_t transaction = 0;  // that of the registration
  LookUpId id{};
  NodeTag node{};
  bool leave = false;
  bool operator==(const Keep&) const = default;
};

enum class RefusalCode : uint8_t {
  unknown = 1,  // Keep: no such registration from there. Register
  full = 2,     // there is room for no more; later perhaps
  crowded = 3,  // there is no more for this address, or not so often
  forged = 4,   // the signature is wrong
};
struct Refusal {
  uint64_t transaction = 0;
  RefusalCode code = RefusalCode::unknown;
  bool operator==(const Refusal&) const = default;
};

/// To a supernode, unasked: there is one who comes to you. Open your NAT.
struct Introduction {
  uint64_t transaction = 0;  // that of the registration
  mrt::Address seen;
  std::vector<mrt::Address> told;
  bool symmetric = false;  // as the one who comes says
  bool operator==(const Introduction&) const = default;
};

using RendezvousMessage =
    std::variant<Find, Found, CookieGiven, Registration, Registered, Keep, Refusal, Introduction>;

/// Of the datagrams that share a socket with STUN and MRT.
constexpr bool is_rendezvous(uint8_t first_byte) { return (first_byte & 0xf0) == 0xd0; }

std::optional<RendezvousMessage> parse_rendezvous(mrt::ByteView datagram);
/// REQUIRES: lists within their limits.
mrt::Bytes write_rendezvous(const RendezvousMessage& message);

/// What a Registration's signature is over: a context, and all bytes but the signature.
mrt::Bytes signed_part(const Registration& registration);
/// Costs some 0.1 ms.
bool is_signed_by_its_network(const Registration& registration);

}  // namespace stun
