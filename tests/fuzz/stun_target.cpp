// SPDX-License-Identifier: MIT
//
// STUN (WIRE.md 8): what is read is what would be written; a responder gives nobody more than its
// share; a client believes nothing that cannot be. And what a gateway says of its ports.
#include <algorithm>
#include <array>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "stun/client.h"
#include "stun/nat_watch.h"
#include "stun/port_mapper.h"
#include "stun/rendezvous_candidates.h"
#include "stun/responder.h"

namespace fuzz {

using mrt::Address;
using mrt::Bytes;
using mrt::ByteView;
using mrt::Path;

static void check_message(ByteView bytes) {
  stun::has_right_integrity(bytes, bytes);
  auto message = stun::read_message(bytes);
  if (!message) return;
  CHECK(message->not_understood.size() <= stun::not_understood_max);
  CHECK(message->software.size() <= stun::text_bytes_max);
  // What cannot be written: more padding than we send, and what was not understood.
  if (message->padding) message->padding = std::min(*message->padding, stun::padding_bytes_max);
  message->not_understood.clear();
  const Bytes written = stun::write_message(*message, bytes);
  CHECK(stun::read_message(written) == message);
  CHECK(stun::has_right_integrity(written, bytes));
}

static void check_responder(ByteView bytes) {
  const auto at = [](uint8_t host, uint16_t port) { return Address::v4(198, 51, 100, host, port); };
  stun::Responder responder({at(5, 7700), at(5, 7701), at(6, 7700), at(6, 7701)});
  const Address caller = Address::v4(192, 0, 2, 1, 40'000);
  const auto answer = responder.answer(mrt::Instant{}, {at(5, 7700), caller}, bytes);
  CHECK(responder.is_consistent());
  if (!answer) return;
  CHECK(answer->bytes.size() <= stun::amplification_max * bytes.size());
  CHECK(answer->path.remote.ip == caller.ip && answer->path.remote.port != 0);
  const auto read = stun::read_message(answer->bytes);
  CHECK(read && (read->kind == stun::Kind::success || read->kind == stun::Kind::error));
  const Path back{answer->path.remote, answer->path.local};
  CHECK(!responder.answer(mrt::Instant{}, back, answer->bytes));
}

/// As an answer to a question that was asked.
static void check_client(ByteView bytes) {
  const Path path{Address::v4(10, 0, 0, 2, 4000), Address::v4(198, 51, 100, 5, 3478)};
  stun::Client client(mrt::seed_from(1));
  client.ask(mrt::Instant{}, {path, path.remote});
  std::array<uint8_t, 100> request;
  CHECK(client.poll_transmit(mrt::Instant{}, request));
  Bytes answer(bytes.begin(), bytes.end());
  if (answer.size() >= stun::header_bytes) std::copy_n(request.begin() + 4, 16, answer.begin() + 4);
  client.on_datagrams(mrt::Instant{}, path, mrt::Ecn::not_ect, 0, answer);
  CHECK(client.is_consistent());
  const auto event = client.poll_event();
  CHECK(event.has_value() == (client.running() == 0));
  if (!event) return;
  if (const auto* answered = std::get_if<stun::Answered>(&*event))
    CHECK(stun::is_believable(answered->mapped, path.remote));
}

/// As what a gateway says: pieces of 16 bytes (NAT-PMP) or all of it (PCP), with the nonce of the
/// question.
static void check_port_mapper(ByteView bytes) {
  const Address own = Address::v4(192, 168, 7, 5, 40'000);
  const Address gateway = Address::v4(192, 168, 7, 1, stun::port_map_port);
  mrt::Instant now;
  stun::PortMapper mapper(now, {own, gateway, 7777}, mrt::seed_from(1));
  std::array<uint8_t, 60> request;
  CHECK(mapper.poll_transmit(now, request));
  Bytes answer(bytes.begin(), bytes.end());
  if (answer.size() >= request.size()) std::copy_n(request.begin() + 24, 12, answer.begin() + 24);
  for (const size_t each : {size_t{0}, size_t{16}}) {
    Bytes said = answer;
    mapper.on_datagrams(now, {own, gateway}, mrt::Ecn::not_ect, each, said);
    if (mapper.next_timeout() != mrt::never) mapper.on_timeout(now = mapper.next_timeout());
    CHECK(mapper.is_consistent() && mapper.next_timeout() > now);
    while (const auto event = mapper.poll_event()) {
      const auto& changed = std::get<stun::PortMapChanged>(*event);
      if (changed.external) CHECK(stun::is_plausible(*changed.external, false));
    }
  }
}

/// As an answer to each question of a node that looks at its NAT, whatever comes of it.
static void check_watch(ByteView bytes) {
  const Address server = Address::v4(198, 51, 100, 5, 3478);
  const Address first = Address::v4(0, 0, 0, 0, 4000), second = Address::v4(0, 0, 0, 0, 4001);
  stun::NatWatch watch({{first}, {second}}, mrt::seed_from(1));
  mrt::Instant now{};
  watch.add_servers(now, {server});
  std::array<uint8_t, 100> request;
  for (int asked = 0; asked < 40;) {
    if (const auto batch = watch.poll_transmit(now, request)) {
      ++asked;
      Bytes answer(bytes.begin(), bytes.end());
      if (answer.size() >= stun::header_bytes)
        std::copy_n(request.begin() + 4, 16, answer.begin() + 4);
      const Address local = Address::v4(10, 0, 0, 2, batch->path.local.port);
      watch.on_datagrams(now, {local, batch->path.remote}, mrt::Ecn::not_ect, 0, answer);
    } else {
      while (const auto found = watch.poll_event()) {
        const auto& mapped = found->behaviour.mapped;
        CHECK(!mapped || stun::is_believable(*mapped, server));
      }
      CHECK(watch.is_consistent() && watch.next_timeout() != mrt::never);
      now = std::max(now, watch.next_timeout());
      watch.on_timeout(now);
    }
  }
}

void stun(ByteView input) {
  check_port_mapper(input);
  check_message(input);
  check_responder(input);
  check_client(input);
  check_watch(input);
}

}  // namespace fuzz
