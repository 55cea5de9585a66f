// SPDX-License-Identifier: MIT
#include "stun/responder.h"

#include <algorithm>

namespace stun {

using mrt::Address;
using mrt::ByteView;
using mrt::Instant;
using mrt::Path;

static constexpr uint16_t type_change_request = 0x0003;

std::optional<Responder::Answer> Responder::answer(Instant now, const Path& path,
                                                   ByteView request) {
  const bool is_stun = !request.empty() && may_be_stun(request.front());
  const auto message = is_stun ? read_message(request) : std::nullopt;
  if (!message || message->kind != Kind::request || message->method != method_binding) {
    ++stats_.ignored;
    return std::nullopt;
  }
  Path back = path;
  back.remote.port = message->response_port.value_or(path.remote.port);
  // What seems to come from ourselves was forged to make us talk to ourselves.
  if (!path.remote.is_unicast() || is_own(path.remote, path.local) ||
      is_own(back.remote, path.local)) {
    ++stats_.ignored;
    return std::nullopt;
  }
  if (!may_answer(now, path.remote)) {
    ++stats_.withheld;
    return std::nullopt;
  }
  // RFC 5780 section 6.1: PADDING and RESPONSE-PORT together get a 400. Port 0 is nobody's.
  if (back.remote.port == 0 || (message->padding && message->response_port)) {
    ++stats_.refused;
    return refusal(path, *message, error_bad_request);
  }
  if (!not_granted(path, *message).empty()) {
    ++stats_.refused;
    return refusal(path, *message, error_unknown_attribute);
  }
  ++stats_.answered;
  Answer out = success(path, *message);
  out.path.remote = back.remote;
  return out;
}

void Responder::on_datagram(Instant now, const Path& path, ByteView datagram) {
  auto out = answer(now, path, datagram);
  if (out && answers_.size() < answers_queued_max) answers_.push_back(std::move(*out));
}

std::optional<mrt::Transmit> Responder::poll_transmit(mrt::MutableBytes buffer) {
  if (answers_.empty() || buffer.size() < answers_.front().bytes.size()) return std::nullopt;
  const Answer answer = std::move(answers_.front());
  answers_.pop_front();
  std::copy(answer.bytes.begin(), answer.bytes.end(), buffer.begin());
  return mrt::Transmit{answer.path, answer.bytes.size(), answer.bytes.size()};
}

// -- How many --

bool Responder::may_answer(Instant now, const Address& to) {
  mrt::Allowance& own = places_.of(now, to);
  if (own.is_spent(now) || all_.is_spent(now)) return false;
  own.spend(now);
  all_.spend(now);
  return true;
}

// -- Own addresses --

bool Responder::is_bound(const Address& address) const {
  return std::find(sockets_.begin(), sockets_.end(), address) != sockets_.end();
}

/// Of what is bound to 0.0.0.0 only the address is known that a request came to.
bool Responder::is_own(const Address& address, const Address& local) const {
  Address wildcard = address;
  wildcard.ip = address.is_v4() ? Address::v4(0, 0, 0, 0, 0).ip : Address{}.ip;
  return is_bound(address) || (address.ip == local.ip && is_bound(wildcard));
}

std::optional<uint16_t> Responder::other_port(const Address& local) const {
  for (const Address& one : sockets_) {
    const bool at_local =
        one.ip == local.ip || (one.is_unspecified() && one.is_v4() == local.is_v4());
    if (at_local && one.port != local.port) return one.port;
  }
  return std::nullopt;
}

std::optional<Address> Responder::other_address(const Address& local) const {
  const auto port = other_port(local);
  if (!port) return std::nullopt;
  for (const Address& one : sockets_) {
    const bool elsewhere = one.ip != local.ip && one.is_v4() == local.is_v4();
    if (!elsewhere || one.is_unspecified()) continue;
    const Address other{one.ip, *port};
    if (is_bound(other) && is_bound({one.ip, local.port})) return other;
  }
  return std::nullopt;
}

// -- What is said --

std::vector<uint16_t> Responder::not_granted(const Path& path, const Message& request) const {
  if (!request.not_understood.empty()) return request.not_understood;
  const Change change = request.change.value_or(Change{});
  // RFC 5780 section 6 refuses CHANGE-REQUEST altogether where there is no second address. The
  // other port alone can be had all the same, and shows what a filter does with it.
  const bool granted =
      (!change.ip || other_address(path.local)) && (!change.port || other_port(path.local));
  if (granted) return {};
  return {type_change_request};
}

Responder::Answer Responder::refusal(const Path& path, const Message& request,
                                     uint16_t code) const {
  Message out;
  out.kind = Kind::error;
  out.id = request.id;
  out.fingerprint = request.fingerprint;
  out.error = ErrorCode{code, ""};
  if (code == error_unknown_attribute) {
    out.unknown_attributes = not_granted(path, request);
    // RFC 3489 section 11.2.10: "if the number of unknown attributes is an odd number, one of the
    // attributes MUST be repeated".
    if (request.id.is_classic() && out.unknown_attributes.size() % 2 != 0)
      out.unknown_attributes.push_back(out.unknown_attributes.back());
  }
  return {path, write_message(out)};
}

Responder::Answer Responder::success(const Path& path, const Message& request) const {
  const auto other = other_address(path.local);
  const auto port = other_port(path.local);
  const Change change = request.change.value_or(Change{});
  Path back = path;
  if (change.ip) back.local.ip = other->ip;
  if (change.port) back.local.port = *port;
  Message out;
  out.kind = Kind::success;
  out.id = request.id;
  out.fingerprint = request.fingerprint;
  out.mapped = path.remote;
  if (request.id.is_classic()) {
    out.source = back.local;
    out.changed = other;
  } else {
    // RFC 5780 section 6.1: "The server MUST include both MAPPED-ADDRESS and XOR-MAPPED-ADDRESS".
    out.xor_mapped = path.remote;
    out.response_origin = back.local;
    out.other_address = other;
    if (!other) out.other_port = port;
  }
  if (request.padding) out.padding = std::min(*request.padding, padding_bytes_max);
  return {back, write_message(out)};
}

}  // namespace stun
