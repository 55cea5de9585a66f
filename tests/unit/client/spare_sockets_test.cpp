// SPDX-License-Identifier: MIT
#include "client/spare_sockets.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "unit/mrt_uv/turning_loop.h"

using client::SpareSockets;
using mrt::Address;
using mrt::Path;
using mrt::uv::UdpSocket;

namespace {

struct Waiting {
  Waiting()
      : spares(&loop.uv(), [this](std::unique_ptr<UdpSocket> one, const Path& path) {
          found.push_back(std::move(one));
          paths.push_back(path);
        }) {
    for (int i = 0; i < 5; ++i) spares.open({fixture::loopback_v4, far->local()}, packet);
  }
  /// Where the spares' packets came from.
  std::vector<Address> ports() {
    std::vector<Address> out;
    for (const auto& one : fixture::receive(*far, 5 * packet.size()))
      out.push_back(one.path.remote);
    return out;
  }
  static void send(UdpSocket& from, const Address& to) {
    const mrt::Bytes bytes = fixture::pattern(7);
    from.send(fixture::batch_to({{}, to}, bytes.size(), bytes.size()), bytes);
  }

  fixture::TurningLoop loop;
  const mrt::Bytes packet = fixture::pattern(2);
  std::unique_ptr<UdpSocket> far = fixture::open(fixture::loopback_v4);
  std::vector<std::unique_ptr<UdpSocket>> found;
  std::vector<Path> paths;
  SpareSockets spares;
};

}  // namespace

TEST_CASE("of sockets that wait for one host the first that is met is handed over, and no other") {
  Waiting all;
  const auto ports = all.ports();
  REQUIRE(ports.size() == 5);
  CHECK(ports[0] != ports[1]);
  Waiting::send(*all.far, ports[3]);
  Waiting::send(*all.far, ports[1]);
  all.loop.turn_until([&] { return !all.found.empty(); });
  REQUIRE(all.found.size() == 1);
  CHECK(all.paths[0].remote == all.far->local());
  CHECK(all.paths[0].local == all.found[0]->local());
  // The others are gone: their ports are free.
  for (const Address& port : ports) {
    if (port == all.found[0]->local()) continue;
    CHECK(fixture::open(port) != nullptr);
  }
  // And others may wait again.
  all.spares.open({fixture::loopback_v4, all.far->local()}, all.packet);
  const auto again = fixture::receive(*all.far, all.packet.size());
  REQUIRE(again.size() == 1);
  Waiting::send(*all.far, again[0].path.remote);
  all.loop.turn_until([&] { return all.found.size() == 2; });
}

TEST_CASE("a spare socket hears nobody but whom it waits for") {
  Waiting all;
  const auto ports = all.ports();
  REQUIRE(ports.size() == 5);
  const auto stranger = fixture::open(fixture::loopback_v4);
  Waiting::send(*stranger, ports[0]);
  Waiting::send(*stranger, ports[2]);
  Waiting::send(*all.far, ports[2]);
  all.loop.turn_until([&] { return !all.found.empty(); });
  CHECK(all.found[0]->local() == ports[2]);
  CHECK(all.paths[0].remote == all.far->local());
}

TEST_CASE("spare sockets that are given up are closed") {
  Waiting all;
  const auto ports = all.ports();
  REQUIRE(ports.size() == 5);
  all.spares.close_all();
  for (const Address& port : ports) CHECK(fixture::open(port) != nullptr);
}

TEST_CASE("a spare socket is told by the address that it is bound to, whichever it was called at") {
  Waiting all;
  all.spares.close_all();
  all.ports();
  all.spares.open({Address::v4(0, 0, 0, 0, 0), all.far->local()}, all.packet);
  const auto opened = fixture::receive(*all.far, all.packet.size());
  REQUIRE(opened.size() == 1);
  Waiting::send(*all.far, opened[0].path.remote);
  all.loop.turn_until([&] { return !all.found.empty(); });
  CHECK(all.found[0]->local().ip == Address::v4(0, 0, 0, 0, 0).ip);
  CHECK(all.paths[0].local == all.found[0]->local());
}

TEST_CASE("where descriptors are few some are left for others, however many are to wait") {
  rlimit usual{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &usual) == 0);
  const rlimit few{64, usual.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  {
    Waiting all;
    for (int i = 0; i < 100; ++i)
      all.spares.open({fixture::loopback_v4, all.far->local()}, all.packet);
    const auto one = fixture::open(fixture::loopback_v4);
    CHECK(one != nullptr);
  }
  CHECK(setrlimit(RLIMIT_NOFILE, &usual) == 0);
}
