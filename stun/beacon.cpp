// SPDX-License-Identifier: MIT
#include "stun/beacon.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"

namespace stun {

using mrt::Address;
using mrt::Instant;

bool is_on_link(const BeaconLink& link, const Address& address) {
  if (address.is_v4() != link.own.is_v4()) return false;
  if (link.own.is_loopback() || address.is_loopback()) {
    return link.own.is_loopback() && address.is_loopback();
  }
  // IPv4 addresses lie in the last 32 bits.
  const unsigned bits = link.prefix_bits + (address.is_v4() ? 96 : 0);
  for (unsigned i = 0; i < std::min(bits, 128u); ++i) {
    const uint8_t differs = address.ip[i / 8] ^ link.own.ip[i / 8];
    if ((differs & (0x80u >> (i % 8))) != 0) return false;
  }
  return true;
}

Beacon::Beacon(std::vector<BeaconLink> links, const mrt::Random::Seed& seed)
    : links_(std::move(links)),
      random_(seed),
      places_(beacon_answers_per_place, beacon_answers_per_place_burst, beacon_places_max),
      all_(beacon_answers_per_second, beacon_answers_burst) {
  CHECK(links_.size() <= links_max);
}

void Beacon::answer_for(std::optional<Answering> answering) {
  answering_ = std::move(answering);
  if (!answering_) due_.clear();
}

void Beacon::ask(Instant now, std::string network) {
  Question question;
  question.network = std::move(network);
  question.message.nonce = random_.array<16>();
  question.message.mark = beacon_mark(BeaconKind::ask, question.network, question.message.nonce);
  question.next = now;
  // Where nobody can be asked nobody is waited for.
  question.ends = links_.empty() ? now : now + ask_time;
  question_ = std::move(question);
  on_timeout(now);
}

void Beacon::on_datagrams(Instant now, const mrt::Path& path, mrt::Ecn, size_t segment_size,
                          mrt::MutableBytes bytes) {
  const size_t each = segment_size == 0 ? bytes.size() : segment_size;
  for (size_t at = 0; at < bytes.size(); at += each) {
    on_datagram(now, path.remote, bytes.subspan(at, std::min(each, bytes.size() - at)));
  }
}

void Beacon::on_datagram(Instant now, const Address& from, mrt::ByteView datagram) {
  const auto message = parse_beacon(datagram);
  if (!message) {
    ++stats_.malformed;
    return;
  }
  const auto link = std::find_if(links_.begin(), links_.end(),
                                 [&from](const BeaconLink& one) { return is_on_link(one, from); });
  if (link == links_.end() || !from.is_unicast()) {
    ++stats_.strangers;
    return;
  }
  message->kind == BeaconKind::ask ? on_ask(now, *link, from, *message)
                                   : on_answer(now, from, *message);
}

/// Of the node that is answered for, for who asks on that link.
std::optional<uint16_t> Beacon::port_at(const BeaconLink& link) const {
  for (const Address& socket : answering_->sockets) {
    const bool fits = socket.is_unspecified() || socket.ip == link.own.ip;
    if (fits && socket.is_v4() == link.own.is_v4()) return socket.port;
  }
  return std::nullopt;
}

void Beacon::on_ask(Instant now, const BeaconLink& link, const Address& from,
                    const BeaconMessage& asked) {
  const bool is_own = question_ && question_->message.nonce == asked.nonce;
  if (!answering_ || is_own) return;
  const auto port = port_at(link);
  const auto& network = answering_->network;
  if (!port || asked.mark != beacon_mark(BeaconKind::ask, network, asked.nonce)) return;
  mrt::Allowance& own = places_.of(now, from);
  if (own.is_spent(now) || all_.is_spent(now) || due_.size() + outbox_.size() >= outbox_max) {
    ++stats_.withheld;
    return;
  }
  own.spend(now);
  all_.spend(now);
  ++stats_.answered;
  BeaconMessage answer = asked;
  answer.kind = BeaconKind::answer;
  answer.mark = beacon_mark(BeaconKind::answer, network, asked.nonce);
  answer.port = *port;
  const auto rank = static_cast<int64_t>(std::min(answering_->rank, ranks_told_apart));
  const mrt::Duration delay =
      rank == 0 ? mrt::Duration{} : member_delay + rank * member_delay_per_rank;
  due_.emplace(now + delay, Saying{{link.own, from}, write_beacon(answer)});
  if (rank == 0) on_timeout(now);
}

void Beacon::on_answer(Instant now, const Address& from, const BeaconMessage& answer) {
  const bool is_asked =
      question_ && question_->message.nonce == answer.nonce &&
      answer.mark == beacon_mark(BeaconKind::answer, question_->network, answer.nonce);
  if (!is_asked) {
    ++stats_.unasked;
    return;
  }
  Address there = from;
  there.port = answer.port;
  auto& found = question_->found;
  const auto of_one = std::count_if(found.begin(), found.end(),
                                    [&](const Address& one) { return one.ip == there.ip; });
  const int64_t of_one_max = there.is_loopback() ? candidates_of_own_host : candidates_of_one;
  const bool known = std::find(found.begin(), found.end(), there) != found.end();
  if (known || of_one >= of_one_max || found.size() >= candidates_max) return;
  if (found.empty()) question_->ends = std::min(question_->ends, now + gather_time);
  question_->next = mrt::never;
  found.push_back(there);
}

void Beacon::on_timeout(Instant now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    outbox_.push_back(std::move(due_.begin()->second));
    due_.erase(due_.begin());
  }
  if (!question_) return;
  if (question_->ends <= now) return end_question();
  if (question_->next <= now) say_question(now);
}

void Beacon::say_question(Instant now) {
  const mrt::Bytes bytes = write_beacon(question_->message);
  for (const BeaconLink& link : links_) {
    if (outbox_.size() >= outbox_max) break;
    outbox_.push_back({{link.own, beacon_group(link.own.is_v4())}, bytes});
  }
  ++question_->said;
  question_->next = question_->said < asks_max ? now + ask_interval : mrt::never;
}

void Beacon::end_question() {
  Neighbours out{std::move(question_->found)};
  question_.reset();
  std::stable_partition(out.addresses.begin(), out.addresses.end(),
                        [](const Address& one) { return one.is_loopback(); });
  if (events_.size() < events_max) events_.push_back(std::move(out));
}

std::optional<mrt::Transmit> Beacon::poll_transmit(Instant, mrt::MutableBytes buffer) {
  if (outbox_.empty() || buffer.size() < outbox_.front().bytes.size()) return std::nullopt;
  const Saying next = std::move(outbox_.front());
  outbox_.pop_front();
  std::copy(next.bytes.begin(), next.bytes.end(), buffer.begin());
  return mrt::Transmit{next.path, next.bytes.size(), next.bytes.size()};
}

std::optional<Neighbours> Beacon::poll_event() {
  if (events_.empty()) return std::nullopt;
  Neighbours event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Instant Beacon::next_timeout() const {
  Instant next = due_.empty() ? mrt::never : due_.begin()->first;
  if (question_) next = std::min({next, question_->next, question_->ends});
  return next;
}

bool Beacon::is_consistent() const {
  return due_.size() + outbox_.size() <= outbox_max + links_max && events_.size() <= events_max &&
         places_.is_consistent() && (!question_ || question_->found.size() <= candidates_max);
}

}  // namespace stun
