// SPDX-License-Identifier: MIT
#include "stun/rendezvous_service.h"

#include <doctest/doctest.h>

using namespace stun;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using mrt::Path;
using namespace std::chrono_literals;

namespace {

const Address server = Address::v4(198, 51, 100, 1, 7700);
const Address caller = Address::v4(192, 0, 2, 1, 40'000);

std::vector<Bytes> answers(RendezvousService& service, Bytes datagrams, size_t each) {
  service.on_datagrams(Instant{1s}, {server, caller}, mrt::Ecn::not_ect, each, datagrams);
  CHECK(service.is_consistent());
  std::vector<Bytes> out;
  Bytes buffer(mrt::batch_bytes_max);
  while (const auto batch = service.poll_transmit(Instant{1s}, buffer)) {
    CHECK(batch->path == Path{server, caller});
    out.emplace_back(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(batch->size));
  }
  return out;
}

Bytes stun_request() {
  Message message;
  std::copy(magic_cookie.begin(), magic_cookie.end(), message.id.bytes.begin());
  return write_message(message);
}

}  // namespace

TEST_CASE("one port answers STUN and rendezvous, and nothing else") {
  RendezvousService service({server}, mrt::seed_from(1));
  const auto of_stun = answers(service, stun_request(), stun_request().size());
  REQUIRE(of_stun.size() == 1);
  CHECK(read_message(of_stun[0]));
  const Bytes find = write_rendezvous(Find{});
  const auto of_rendezvous = answers(service, find, find.size());
  REQUIRE(of_rendezvous.size() == 1);
  CHECK(parse_rendezvous(of_rendezvous[0]));
  // MRT, RTP, DTLS and noise.
  for (const uint8_t first : std::array<uint8_t, 6>{0x40, 0xc0, 0x80, 20, 0xe0, 0xff}) {
    Bytes other(100, first);
    CHECK(answers(service, other, other.size()).empty());
  }
  CHECK(service.strange() == 6);
}

TEST_CASE("a batch of both kinds is told apart datagram by datagram") {
  RendezvousService service({server}, mrt::seed_from(1));
  const Bytes find = write_rendezvous(Find{});
  Bytes padded = stun_request();
  // A comprehension-optional attribute fills it up to the same size.
  const size_t fill = find.size() - padded.size() - 4;
  padded[3] = static_cast<uint8_t>(fill + 4);
  padded.insert(padded.end(), {0x80, 0x7f, 0, static_cast<uint8_t>(fill)});
  padded.resize(find.size());
  Bytes run = find;
  run.insert(run.end(), padded.begin(), padded.end());
  run.insert(run.end(), find.begin(), find.end());
  const auto out = answers(service, run, find.size());
  REQUIRE(out.size() == 3);
  CHECK(std::count_if(out.begin(), out.end(),
                      [](const Bytes& one) { return is_rendezvous(one[0]); }) == 2);
}
