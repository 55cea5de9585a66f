// SPDX-License-Identifier: MIT
#include "stun/port_mapper.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace std::chrono_literals;
using namespace stun;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;

namespace {

const Instant start{100s};
const Address own = Address::v4(192, 168, 7, 5, 40'000);
const Address gateway = Address::v4(192, 168, 7, 1, port_map_port);
const Address outer = Address::v4(198, 51, 100, 9, 7777);

/// What RFC 6887 section 7.1 and 11.1 say of a request.
struct PcpRequest {
  uint32_t life_seconds;
  Bytes nonce;
  uint16_t internal_port, external_port;
};
std::optional<PcpRequest> as_pcp(const Bytes& bytes) {
  if (bytes.size() != 60 || bytes[0] != 2 || bytes[1] != 1) return std::nullopt;
  CHECK(bytes[36] == 17);
  CHECK(std::equal(own.ip.begin(), own.ip.end(), bytes.begin() + 8));
  const auto u16 = [&](size_t at) { return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]); };
  return PcpRequest{static_cast<uint32_t>(u16(4)) << 16 | u16(6),
                    Bytes(bytes.begin() + 24, bytes.begin() + 36), u16(40), u16(42)};
}

void put(Bytes& out, uint64_t value, int bytes) {
  while (--bytes >= 0) out.push_back(static_cast<uint8_t>(value >> (8 * bytes)));
}
Bytes pcp_answer(const PcpRequest& request, uint8_t result, uint32_t life_seconds,
                 const Address& external) {
  Bytes out{2, 0x81, 0, result};
  put(out, life_seconds, 4);
  put(out, 12345, 4);
  out.insert(out.end(), 12, 0);  // reserved
  out.insert(out.end(), request.nonce.begin(), request.nonce.end());
  put(out, 17, 1);
  put(out, 0, 3);
  put(out, request.internal_port, 2);
  put(out, external.port, 2);
  out.insert(out.end(), external.ip.begin(), external.ip.end());
  return out;
}
Bytes nat_pmp_address(const Address& external, uint16_t result = 0) {
  Bytes out{0, 128};
  put(out, result, 2);
  put(out, 12345, 4);
  out.insert(out.end(), external.ip.begin() + 12, external.ip.end());
  return out;
}
Bytes nat_pmp_mapping(uint16_t internal, uint16_t external, uint32_t life_seconds) {
  Bytes out{0, 129, 0, 0};
  put(out, 12345, 4);
  put(out, internal, 2);
  put(out, external, 2);
  put(out, life_seconds, 4);
  return out;
}

struct Home {
  Instant now = start;
  PortMapper mapper{start, {own, gateway, 7777}, mrt::seed_from(1)};

  std::vector<Bytes> drain() {
    std::vector<Bytes> out;
    Bytes buffer(2'000);
    while (const auto batch = mapper.poll_transmit(now, buffer)) {
      CHECK(batch->path == mrt::Path{own, gateway});
      out.emplace_back(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(batch->size));
    }
    CHECK(mapper.is_consistent());
    return out;
  }
  void hear(Bytes bytes, const Address& from = gateway) {
    mapper.on_datagrams(now, {own, from}, mrt::Ecn::not_ect, bytes.size(), bytes);
    CHECK(mapper.is_consistent());
  }
  /// To the next time that it wants to be called.
  std::vector<Bytes> pass() {
    REQUIRE(mapper.next_timeout() != mrt::never);
    CHECK(mapper.next_timeout() > now);
    now = mapper.next_timeout();
    mapper.on_timeout(now);
    return drain();
  }
  std::optional<PortMapChanged> changed() {
    const auto event = mapper.poll_event();
    if (!event) return std::nullopt;
    return std::get<PortMapChanged>(*event);
  }
  /// A mapping by PCP, for a minute.
  PcpRequest map() {
    const PcpRequest asked = *as_pcp(drain().at(0));
    hear(pcp_answer(asked, 0, 60, outer));
    CHECK(changed()->external == outer);
    return asked;
  }
};

}  // namespace

TEST_CASE("a mapping by PCP is renewed at half of its life") {
  Home home;
  const auto first = home.drain();
  REQUIRE(first.size() == 1);
  const auto asked = as_pcp(first[0]);
  REQUIRE(asked);
  CHECK(asked->life_seconds == 7'200);
  CHECK(asked->internal_port == 7777);
  CHECK(asked->external_port == 7777);
  home.now += 2ms;
  home.hear(pcp_answer(*asked, 0, 60, outer));
  const auto changed = home.changed();
  REQUIRE(changed);
  CHECK(changed->protocol == PortMapProtocol::pcp);
  CHECK(changed->external == outer);
  const Instant mapped = home.now;
  const auto again = home.pass();
  CHECK(home.now == mapped + 30s);
  REQUIRE(again.size() == 1);
  CHECK(as_pcp(again[0])->nonce == asked->nonce);
  home.hear(pcp_answer(*asked, 0, 60, outer));
  CHECK(!home.changed());
  // The gateway has another outer address now.
  home.hear(pcp_answer(*as_pcp(home.pass().at(0)), 0, 60, Address::v4(198, 51, 100, 10, 7778)));
  CHECK(home.changed()->external == Address::v4(198, 51, 100, 10, 7778));
  CHECK(as_pcp(home.pass().at(0))->external_port == 7778);
}

TEST_CASE("a gateway that knows NAT-PMP alone says so, or is silent: it gets its mapping") {
  for (const bool says_so : {true, false}) {
    CAPTURE(says_so);
    Home home;
    CHECK(as_pcp(home.drain().at(0)));
    std::vector<Bytes> said;
    if (says_so) {
      home.hear(nat_pmp_address(Address::v4(0, 0, 0, 0, 0), unsupported_version));
      said = home.drain();
    } else {
      said = home.pass();
      CHECK(home.now == start + 250ms);
    }
    REQUIRE(said.size() == 2);
    CHECK(said[0] == Bytes{0, 0});
    CHECK(said[1] == Bytes{0, 1, 0, 0, 0x1e, 0x61, 0x1e, 0x61, 0, 0, 0x1c, 0x20});
    home.hear(nat_pmp_mapping(7777, 7777, 60));
    CHECK(!home.changed());
    home.hear(nat_pmp_address(outer));
    const auto changed = home.changed();
    REQUIRE(changed);
    CHECK(changed->protocol == PortMapProtocol::nat_pmp);
    CHECK(changed->external == outer);
    CHECK(home.pass().size() == 2);
    CHECK(home.now >= start + 30s);
    home.hear(nat_pmp_address(outer));
    home.hear(nat_pmp_mapping(7777, 7777, 60));
    // And it is taken back: life 0, port 0 (RFC 6886 section 3.4).
    home.mapper.release(home.now);
    said = home.drain();
    REQUIRE(said.size() == 1);
    CHECK(said[0] == Bytes{0, 1, 0, 0, 0x1e, 0x61, 0, 0, 0, 0, 0, 0});
    home.hear(nat_pmp_mapping(7777, 0, 0));
    CHECK(std::holds_alternative<PortMapReleased>(*home.mapper.poll_event()));
    CHECK(home.mapper.next_timeout() == mrt::never);
  }
}

TEST_CASE("where no gateway answers it is asked six times, and much later again") {
  Home home;
  size_t said = home.drain().size();
  for (int i = 0; i < 5; ++i) said += home.pass().size();
  // PCP and NAT-PMP in turn; the latter has two datagrams.
  CHECK(said == 9);
  CHECK(home.pass().empty());
  CHECK(home.now == start + 250ms * 63);
  const auto changed = home.changed();
  REQUIRE(changed);
  CHECK(!changed->external);
  CHECK(changed->refused == 0);
  const Instant gave_up = home.now;
  CHECK(as_pcp(home.pass().at(0)));
  CHECK(home.now == gave_up + PortMapper::retry_time);
  // A mapping that is not renewed is none any more.
  home.hear(pcp_answer(*as_pcp([] {
    Home other;
    return other.drain().at(0);
  }()),
                       0, 60, outer));
  CHECK(home.changed()->external == outer);
  for (int i = 0; i < 7; ++i) home.pass();
  CHECK(!home.changed()->external);
}

TEST_CASE("what is taken back is waited for only where there was something") {
  Home nothing;
  nothing.drain();
  nothing.mapper.release(nothing.now);
  // Said all the same: what was asked for may be on its way.
  CHECK(as_pcp(nothing.drain().at(0))->life_seconds == 0);
  CHECK(std::holds_alternative<PortMapReleased>(*nothing.mapper.poll_event()));
  CHECK(nothing.mapper.next_timeout() == mrt::never);

  Home mapped;
  const PcpRequest asked = mapped.map();
  mapped.mapper.release(mapped.now);
  const auto taken_back = as_pcp(mapped.drain().at(0));
  REQUIRE(taken_back);
  CHECK(taken_back->life_seconds == 0);
  CHECK(taken_back->nonce == asked.nonce);
  CHECK(taken_back->external_port == 0);
  CHECK(!mapped.mapper.poll_event());
  // An answer to an earlier question is not the end.
  mapped.hear(pcp_answer(asked, 0, 60, outer));
  CHECK(!mapped.mapper.poll_event());
  mapped.hear(pcp_answer(asked, 0, 0, outer));
  CHECK(std::holds_alternative<PortMapReleased>(*mapped.mapper.poll_event()));
}

TEST_CASE("a refusal is told, and the gateway left alone for a while") {
  Home home;
  home.hear(pcp_answer(*as_pcp(home.drain().at(0)), 2, 1'800, {}));
  const auto changed = home.changed();
  REQUIRE(changed);
  CHECK(changed->refused == 2);
  CHECK(home.mapper.next_timeout() == start + PortMapper::retry_time);
}

TEST_CASE("strangers, wrong nonces and addresses that cannot be are not believed") {
  const Address impossible[] = {Address::v4(0, 0, 0, 0, 7777), Address::v4(127, 0, 0, 1, 7777),
                                Address::v4(224, 0, 0, 1, 7777), Address::v4(192, 168, 7, 5, 7777),
                                Address::v4(198, 51, 100, 9, 0)};
  for (const Address& one : impossible) {
    CAPTURE(one.to_string());
    Home home;
    home.hear(pcp_answer(*as_pcp(home.drain().at(0)), 0, 60, one));
    CHECK(!home.changed()->external);
  }
  Home home;
  PcpRequest asked = *as_pcp(home.drain().at(0));
  home.hear(pcp_answer(asked, 0, 60, outer), Address::v4(192, 168, 7, 66, port_map_port));
  home.hear(pcp_answer(asked, 0, 60, outer), Address::v4(192, 168, 7, 1, 1));
  ++asked.internal_port;
  home.hear(pcp_answer(asked, 0, 60, outer));
  --asked.internal_port;
  ++asked.nonce[0];
  home.hear(pcp_answer(asked, 0, 60, outer));
  CHECK(!home.mapper.poll_event());
}

TEST_CASE("what is cut or of another kind is nothing, and nothing is read beyond its end") {
  const Bytes pcp = pcp_answer({0, Bytes(12, 1), 7777, 7777}, 0, 60, outer);
  for (size_t size = 0; size < pcp.size(); ++size) {
    CHECK(!parse_pcp_answer(mrt::ByteView(pcp).first(size)));
  }
  CHECK(parse_pcp_answer(pcp));
  for (const Bytes& good : {nat_pmp_address(outer), nat_pmp_mapping(1, 2, 3)}) {
    for (size_t size = 0; size < good.size(); ++size) {
      CHECK(!parse_nat_pmp_answer(mrt::ByteView(good).first(size)));
    }
    CHECK(parse_nat_pmp_answer(good));
  }
  // Requests are no answers, nor is TCP's mapping.
  CHECK(!parse_nat_pmp_answer(write_nat_pmp_map({1, 2, 3})));
  CHECK(!parse_pcp_answer(write_pcp_map({}, own)));
  Bytes tcp = nat_pmp_mapping(1, 2, 3);
  tcp[1] = 130;
  CHECK(!parse_nat_pmp_answer(tcp));
}
