// SPDX-License-Identifier: MIT
#include "stun/client.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace stun {

using mrt::Address;
using mrt::Bytes;
using mrt::ByteView;
using mrt::Instant;
using mrt::Path;

static bool is_link_local(const Address& address) {
  if (address.is_v4()) return address.ip[12] == 169 && address.ip[13] == 254;
  return address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
}

/// 0.0.0.0/8 and 240.0.0.0/4 (RFC 6890): nobody has one of them.
static bool is_reserved(const Address& address) {
  return address.is_v4() && (address.ip[12] == 0 || address.ip[12] >= 240);
}

bool is_believable(const Address& mapped, const Address& server) {
  if (!mapped.is_unicast() || mapped.is_v4() != server.is_v4() || mapped == server) return false;
  if (mapped.is_loopback() && !server.is_loopback()) return false;
  if (is_link_local(mapped) && !is_link_local(server)) return false;
  return !is_reserved(mapped);
}

// -- Inputs --

void Client::on_datagrams(Instant now, const Path& path, mrt::Ecn, size_t segment_size,
                          mrt::MutableBytes bytes) {
  if (segment_size == 0) segment_size = bytes.size();
  while (!bytes.empty()) {
    const size_t size = std::min(segment_size, bytes.size());
    on_datagram(now, path, bytes.first(size));
    bytes = bytes.subspan(size);
  }
}

void Client::on_datagram(Instant now, const Path& path, ByteView datagram) {
  const auto message = read_message(datagram);
  if (message && message->kind == Kind::request && on_request(message->id)) return;
  const bool answer = message && message->method == method_binding &&
                      (message->kind == Kind::success || message->kind == Kind::error);
  if (!answer) {
    ++stats_.malformed;
    return;
  }
  const Entry entry = find(message->id);
  if (entry == running_.end()) {
    ++stats_.unexpected;
    return;
  }
  // An error comes from the address that was asked, to the socket that asked: it says that no other
  // could be used.
  const Query& query = entry->second.query;
  const bool refuses = message->kind == Kind::error;
  const bool from_asked = refuses && path.remote == query.path.remote;
  const uint16_t to =
      query.elsewhere && !refuses ? query.elsewhere->local_port : query.path.local.port;
  if ((path.remote != query.answer_from && !from_asked) || (to != 0 && path.local.port != to)) {
    ++stats_.strange;
    return;
  }
  ++stats_.answers;
  on_answer(now, path, *message, entry);
}

bool Client::on_request(const TransactionId& id) {
  const Entry entry = find(id);
  if (entry == running_.end() || !entry->second.query.returns) return false;
  events_.push_back(Returned{entry->first});
  running_.erase(entry);
  return true;
}

void Client::on_answer(Instant now, const Path& path, const Message& answer, Entry entry) {
  if (answer.kind == Kind::error)
    return fail(entry, Failure::refused, answer.error ? answer.error->code : 0);
  // RFC 8489 section 6.3.3: with attributes that had to be understood and are not "the client MUST
  // discard the response and consider the transaction as having failed".
  if (!answer.not_understood.empty()) return fail(entry, Failure::unusable);
  // A server after RFC 3489 knows MAPPED-ADDRESS only. Some routers rewrite it, so the masked one
  // is preferred.
  const Message::MaybeAddress& mapped = answer.xor_mapped ? answer.xor_mapped : answer.mapped;
  if (!mapped || !is_believable(*mapped, path.remote)) {
    ++stats_.unbelievable;
    return fail(entry, Failure::unusable);
  }
  const Running& running = entry->second;
  events_.push_back(Answered{entry->first, path, *mapped, now - running.first_sent,
                             answer.other_address, answer.other_port});
  running_.erase(entry);
}

void Client::on_timeout(Instant now) {
  for (auto it = running_.begin(); it != running_.end();) {
    const Entry entry = it++;
    Running& running = entry->second;
    if (running.due || running.deadline > now) continue;
    if (running.sent == running.query.patience.requests)
      fail(entry, Failure::silence);
    else
      running.due = true;
  }
}

// -- Outputs --

std::optional<mrt::Transmit> Client::poll_transmit(Instant now, mrt::MutableBytes buffer) {
  for (auto& [id, running] : running_) {
    if (!running.due) continue;
    Message request;
    request.id = running.id;
    const Query& query = running.query;
    if (query.change != Change{}) request.change = query.change;
    if (query.elsewhere) request.response_port = query.elsewhere->mapped_port;
    const Bytes bytes = write_message(request);
    if (buffer.size() < bytes.size()) return std::nullopt;
    std::copy(bytes.begin(), bytes.end(), buffer.begin());
    if (running.sent == 0) running.first_sent = now;
    const bool last = ++running.sent == query.patience.requests;
    running.deadline =
        now + query.patience.rto * (last ? query.patience.last_wait : 1 << (running.sent - 1));
    running.due = false;
    ++stats_.requests_sent;
    return mrt::Transmit{query.path, bytes.size(), bytes.size()};
  }
  return std::nullopt;
}

std::optional<ClientEvent> Client::poll_event() {
  if (events_.empty()) return std::nullopt;
  const ClientEvent out = events_.front();
  events_.pop_front();
  return out;
}

Instant Client::next_timeout() const {
  Instant next = mrt::never;
  for (const auto& [id, running] : running_)
    if (!running.due) next = std::min(next, running.deadline);
  return next;
}

// -- Commands --

std::optional<QueryId> Client::ask(Instant now, const Query& query) {
  const Patience& patience = query.patience;
  const bool patient = patience.rto > mrt::Duration{} && patience.last_wait > 0 &&
                       patience.requests > 0 && patience.requests <= 16;
  if (!query.path.remote.is_unicast() || !patient) return std::nullopt;
  if (running_.size() + events_.size() >= queries_max) return std::nullopt;
  std::erase_if(begun_, [now](const auto& entry) { return entry.second + query_spacing <= now; });
  if (begun_.size() >= queries_max) return std::nullopt;
  Running running{query, {}};
  random_.fill(running.id.bytes);
  std::copy(magic_cookie.begin(), magic_cookie.end(), running.id.bytes.begin());
  running.deadline = start_of(now, query.path.remote);
  running.due = running.deadline <= now;
  const QueryId id = next_id_;
  ++next_id_.value;
  running_.emplace(id, running);
  return id;
}

Instant Client::start_of(Instant now, const Address& server) {
  const auto [last, is_first] = begun_.try_emplace(server.ip, now);
  if (!is_first) last->second += query_spacing;
  return last->second;
}

Client::Entry Client::find(const TransactionId& id) {
  return std::find_if(running_.begin(), running_.end(), [&id](const auto& entry) {
    return entry.second.sent > 0 && entry.second.id == id;
  });
}

void Client::fail(Entry entry, Failure why, uint16_t code) {
  events_.push_back(Failed{entry->first, why, code});
  running_.erase(entry);
}

bool Client::is_consistent() const {
  if (running_.size() + events_.size() > queries_max || begun_.size() > queries_max) return false;
  return std::all_of(running_.begin(), running_.end(), [](const auto& entry) {
    const Running& running = entry.second;
    return running.sent <= running.query.patience.requests &&
           !(running.due && running.sent == running.query.patience.requests);
  });
}

}  // namespace stun
