// SPDX-License-Identifier: MIT
#include "stun/probe.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace stun {

using mrt::Address;
using mrt::Instant;
using mrt::Path;

Probe::Probe(Instant now, const ProbeConfig& config, const mrt::Random::Seed& seed)
    : local_(config.local), second_(config.second), client_(seed) {
  for (const Address& server : config.servers) {
    const bool askable = server.is_unicast() && server.is_v4() == local_.is_v4();
    if (askable && sent_to_.size() < probe_servers_max && !sent_to_.contains(server))
      ask(now, Purpose::address, server);
  }
  go_on(now);
}

// -- Inputs --

void Probe::on_datagrams(Instant now, const Path& path, mrt::Ecn ecn, size_t segment_size,
                         mrt::MutableBytes bytes) {
  client_.on_datagrams(now, path, ecn, segment_size, bytes);
  go_on(now);
}

void Probe::on_timeout(Instant now) {
  client_.on_timeout(now);
  go_on(now);
}

// -- Outputs --

std::optional<mrt::Transmit> Probe::poll_transmit(Instant now, mrt::MutableBytes buffer) {
  return client_.poll_transmit(now, buffer);
}

std::optional<ProbeEvent> Probe::poll_event() {
  if (events_.empty()) return std::nullopt;
  const ProbeEvent out = events_.front();
  events_.pop_front();
  return out;
}

// -- Questions and what came of them --

void Probe::ask(Instant now, Purpose purpose, const Address& server) {
  note(client_.ask(now, {{local_, server}, server, {}, patience_}), {purpose, server, server});
}

void Probe::ask_by_second(Instant now, Purpose purpose, const Address& server,
                          const Address& answer_from, Change change) {
  note(client_.ask(now, {{second_, server}, answer_from, change, patience_}),
       {purpose, server, answer_from});
}

void Probe::note(std::optional<QueryId> query, const Asked& asked) {
  if (!query) return;
  asked_.emplace(*query, asked);
  sent_to_.insert(asked.server);
}

void Probe::go_on(Instant now) {
  if (concluded_) return;
  while (const auto event = client_.poll_event()) on_event(now, *event);
  if (asked_.empty() && !ask_for_mapping(now)) conclude();
}

void Probe::on_event(Instant now, const ClientEvent& event) {
  if (const auto* answered = std::get_if<Answered>(&event))
    on_answered(now, take(answered->query), *answered);
  if (const auto* failed = std::get_if<Failed>(&event)) on_failed(take(failed->query), *failed);
  if (const auto* returned = std::get_if<Returned>(&event)) {
    take(returned->query);
    behaviour_.hairpins = true;
  }
}

Probe::Asked Probe::take(QueryId query) {
  const auto it = asked_.find(query);
  CHECK(it != asked_.end());
  const Asked out = it->second;
  asked_.erase(it);
  return out;
}

void Probe::on_answered(Instant now, const Asked& asked, const Answered& answered) {
  heard_ = true;
  if (asked.purpose == Purpose::second) {
    second_works_ = true;
    return;
  }
  if (asked.purpose == Purpose::filter) {
    tests_.push_back({asked.answer_from, true, has_sent_to_host(asked.answer_from)});
    return;
  }
  if (asked.purpose == Purpose::hairpin) {
    behaviour_.hairpins = true;  // who has the first socket answers requests
    return;
  }
  seen_.push_back({asked.server, answered.mapped});
  if (asked.purpose == Purpose::mapping) return;
  if (!behaviour_.mapped) {
    behaviour_.mapped = answered.mapped;
    behaviour_.local = answered.path.local;
    patience_.rto = std::clamp(3 * answered.took, probe_rto_min, patience_.rto);
    try_second(now, asked.server);
  }
  events_.push_back(AddressFound{asked.server, answered.mapped, answered.took});
  note_other(asked.server, answered);
  if (!others_.empty() && others_.back().server == asked.server) test_filter(now, others_.back());
}

void Probe::on_failed(const Asked& asked, const Failed& failed) {
  if (failed.why != Failure::silence) heard_ = true;
  if (asked.purpose == Purpose::hairpin) behaviour_.hairpins = false;
  if (asked.purpose == Purpose::address)
    events_.push_back(ServerFailed{asked.server, failed.why, failed.code});
  // A server that refuses to answer from elsewhere says nothing about filters.
  if (asked.purpose == Purpose::filter && failed.why == Failure::silence)
    tests_.push_back({asked.answer_from, false, has_sent_to_host(asked.answer_from)});
}

/// RFC 5780 section 7.4 has both different. What is not, or cannot be sent to, is of no use.
void Probe::note_other(const Address& server, const Answered& answered) {
  const auto& address = answered.other_address;
  const bool both = address && is_believable(*address, server) && address->ip != server.ip &&
                    address->port != server.port;
  if (both) {
    others_.push_back({server, address, address->port});
  } else if (answered.other_port && *answered.other_port != 0 &&
             *answered.other_port != server.port) {
    others_.push_back({server, std::nullopt, *answered.other_port});
  }
}

/// Does it work at all? And does what it sends to the first socket's mapped address come back?
void Probe::try_second(Instant now, const Address& server) {
  ask_by_second(now, Purpose::second, server, server, {});
  if (!behaviour_.is_translated()) return;
  const Address& mapped = *behaviour_.mapped;
  note(client_.ask(now, {{second_, mapped}, mapped, {}, patience_, {}, true}),
       {Purpose::hairpin, mapped, mapped});
}

// RFC 5780 section 4.4: tests II and III, side by side, since both only wait.
void Probe::test_filter(Instant now, const Other& other) {
  if (other.address && !tests_host_ && !sent_to_.contains(*other.address)) {
    tests_host_ = true;
    ask_by_second(now, Purpose::filter, other.server, *other.address, {true, true});
  }
  const Address port{other.server.ip, other.port};
  if (!tests_port_ && !sent_to_.contains(port)) {
    tests_port_ = true;
    ask_by_second(now, Purpose::filter, other.server, port, {false, true});
  }
}

bool Probe::has_sent_to_host(const Address& address) const {
  return std::any_of(sent_to_.begin(), sent_to_.end(),
                     [&address](const Address& one) { return one.ip == address.ip; });
}

// RFC 5780 section 4.3: test II asks another host, test III another port of it.
bool Probe::ask_for_mapping(Instant now) {
  if (!behaviour_.mapped || !behaviour_.is_translated()) return false;
  const auto pair_of = [this](bool hosts) {
    return std::any_of(seen_.begin(), seen_.end(), [&](const MappingSeen& one) {
      return (one.server.ip != seen_.front().server.ip) == hosts &&
             one.server != seen_.front().server;
    });
  };
  const bool hosts_compared = pair_of(true);
  const auto ask_first = [&](bool host) {
    for (const Other& other : others_) {
      if (host && !other.address) continue;
      const Address to = host ? Address{other.address->ip, other.server.port}
                              : Address{other.server.ip, other.port};
      if (sent_to_.contains(to)) continue;
      ask(now, Purpose::mapping, to);
      return !asked_.empty();
    }
    return false;
  };
  if (!hosts_compared && ask_first(true)) return true;
  const bool same_elsewhere =
      hosts_compared && mapping_of(seen_) == Dependence::endpoint_independent;
  return !same_elsewhere && !pair_of(false) && ask_first(false);
}

void Probe::conclude() {
  concluded_ = true;
  const bool translated = behaviour_.is_translated();
  const bool untranslated = behaviour_.mapped && !translated;
  // RFC 5780 section 4.3: "the client knows that it is not NATed and the effective mapping will be
  // Endpoint-Independent".
  behaviour_.mapping = untranslated ? Dependence::endpoint_independent : mapping_of(seen_);
  if (!second_works_ && behaviour_.hairpins == false) behaviour_.hairpins.reset();
  if (!second_works_) std::erase_if(tests_, [](const FilterTest& one) { return !one.came_in; });
  behaviour_.filtering = filtering_of(tests_);
  if (behaviour_.mapped)
    behaviour_.type = type_of(translated, behaviour_.mapping, behaviour_.filtering);
  else if (!sent_to_.empty() && !heard_)
    behaviour_.type = NatType::blocked;
  events_.push_back(Concluded{behaviour_});
}

bool Probe::is_consistent() const {
  return client_.is_consistent() && asked_.size() >= client_.running() &&
         (!concluded_ || asked_.empty()) && others_.size() <= probe_servers_max &&
         events_.size() <= probe_servers_max + 1;
}

}  // namespace stun
