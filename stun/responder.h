// SPDX-License-Identifier: MIT
//
// Answers Binding requests (RFC 8489 section 6.3, RFC 5780 section 6, RFC 3489): one datagram in,
// at most one out. A node has one for its own port, `thuban rendezvous` one for two ports and,
// where it was given them, two addresses. It knows no sockets, only their addresses. WIRE.md 8.4.
//
// 1. An answer goes to the address that the request came from, and to no other; by RESPONSE-PORT to
//    another port of it. Answers are never answered, so no two responders can be set on each other.
// 2. An answer is at most amplification_max times as long as its request.
// 3. One address gets at most so many answers a second, all together so many: whoever forges a
//    victim's address gains nothing by going through here.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/allowance.h"
#include "mrt/base/machine.h"
#include "mrt/base/time.h"
#include "stun/message.h"
#include "stun/place.h"

namespace stun {

/// The shortest request is a header of 20 bytes, the longest answer to it has four addresses of
/// IPv6: 116 bytes. With UDP's and IP's headers it is 2.4 times. (IPv4: 68 bytes, 3.4 and 2 times.)
inline constexpr size_t amplification_max = 6;

/// A discovery takes about ten requests, `stun-client` sends forty within a second, and a school
/// may be behind one address. A victim whose address is forged gets 50 times 116 bytes a second:
/// less than one idle web page asks of it.
inline constexpr int64_t answers_per_address = 50;
inline constexpr int64_t answers_per_address_burst = 100;
/// An answer takes half a microsecond here and about ten with the kernel's share: 5 % of a core at
/// worst.
inline constexpr int64_t answers_per_second = 5'000;
inline constexpr int64_t answers_burst = 5'000;
/// Addresses (of IPv6: networks of 64 bits) that are told apart; 400 KB. Who comes beyond that
/// shares one allowance until others are full again.
inline constexpr size_t places_max = 4'096;

/// Answers that wait for poll_transmit(). A driver takes them after each batch of at most so many
/// requests (UDP_GRO); what is beyond that is dropped like in a full socket buffer.
inline constexpr size_t answers_queued_max = 64;

struct ResponderStats {
  uint64_t answered = 0;
  uint64_t refused = 0;   // with an error
  uint64_t withheld = 0;  // beyond what is answered in a second
  uint64_t ignored = 0;   // no request, or from an address that nothing can be sent to
};

class Responder {
 public:
  struct Answer {
    mrt::Path path;  // from which of the own sockets, where to
    mrt::Bytes bytes;
  };

  /// `sockets`: what was bound, with 0.0.0.0 and [::] where it was that. A second address counts
  /// only where the same two ports are bound at both (RFC 5780 section 6).
  explicit Responder(std::vector<mrt::Address> sockets) : sockets_(std::move(sockets)) {}

  /// REQUIRES: `path.local` is the address that the request was sent to, not 0.0.0.0: it is what
  /// tells a host with several addresses where it was asked.
  std::optional<Answer> answer(mrt::Instant now, const mrt::Path& path, mrt::ByteView request);

  /// The same, and keeps the answer for poll_transmit().
  void on_datagram(mrt::Instant now, const mrt::Path& path, mrt::ByteView datagram);
  std::optional<mrt::Transmit> poll_transmit(mrt::MutableBytes buffer);

  const ResponderStats& stats() const { return stats_; }
  bool is_consistent() const {
    return places_.is_consistent() && answers_.size() <= answers_queued_max;
  }

 private:
  bool may_answer(mrt::Instant now, const mrt::Address& to);
  bool is_bound(const mrt::Address& address) const;
  bool is_own(const mrt::Address& address, const mrt::Address& local) const;
  std::optional<uint16_t> other_port(const mrt::Address& local) const;
  std::optional<mrt::Address> other_address(const mrt::Address& local) const;
  Answer success(const mrt::Path& path, const Message& request) const;
  Answer refusal(const mrt::Path& path, const Message& request, uint16_t code) const;
  /// What the request asks for and cannot have; empty where it can be answered.
  std::vector<uint16_t> not_granted(const mrt::Path& path, const Message& request) const;

  std::vector<mrt::Address> sockets_;
  std::deque<Answer> answers_;
  PlaceAllowances places_{answers_per_address, answers_per_address_burst, places_max};
  mrt::Allowance all_{answers_per_second, answers_burst};
  ResponderStats stats_;
};

}  // namespace stun
