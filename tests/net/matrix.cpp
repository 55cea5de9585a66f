// SPDX-License-Identifier: MIT
//
// Which NATs two may be behind and come together all the same, as a table: each kind with each, by
// rendezvous (which answers STUN, so that a symmetric NAT is known for one) or by `A` and `C`. By
// hand, as root: `test_net --no-skip -tc=*matrix*`; twenty runs of a cell, or THUBAN_MATRIX_RUNS of
// them. All cells run side by side.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

constexpr Nat kinds[] = {Nat::none, Nat::full_cone, Nat::restricted, Nat::port_restricted,
                         Nat::symmetric};

struct Cell {
  const net::Host& ann;  // who hosts
  const net::Host& ben;  // who comes
  std::string network;
  int met = 0;
};

/// All pairs of kinds around one rendezvous.
struct Matrix {
  Matrix() : middle(world.add(Nat::none)) {
    Launch launch{{"rendezvous", "--json", "--bind", middle.address + ":7700"},
                  folders.folder("middle")};
    launch.network = middle.network;
    server = std::make_unique<Node>(launch, "server", folders.folder("server"));
    server->await_event("listening");
    for (const Nat annas : kinds) {
      for (const Nat bens : kinds) {
        const net::Host& ann = world.add(annas);
        cells.push_back({ann, world.add(bens), "cell" + std::to_string(cells.size())});
      }
    }
  }

  /// Each cell once; ports are others each time, so that no NAT knows anything.
  void run(bool by_rendezvous, int number) {
    const std::string port = std::to_string(10'000 + 2 * number);
    Star star;
    std::vector<Node*> joiners;
    for (Cell& cell : cells) {
      for (const net::Host* host : {&cell.ann, &cell.ben}) {
        if (host->address != host->public_address) world.forget(*host);
      }
      std::vector<std::string> options{"--open", "--network", cell.network};
      if (by_rendezvous) {
        const std::string at = middle.address + ":7700";
        options.insert(options.end(), {"--rendezvous", at, "--stun", at});
      }
      Node& ben = star.start("ben", options, {"0.0.0.0:" + port, cell.ben.network});
      options.insert(options.begin(), "host");
      Node& anna = star.start("anna", options, {"0.0.0.0:" + port, cell.ann.network});
      joiners.push_back(&ben);
      if (by_rendezvous) {
        ben.say("C " + cell.network);
      } else {
        anna.say("A " + cell.ben.public_address + " " + port);
        ben.say("C " + cell.ann.public_address + " " + port);
      }
    }
    const auto is_member = [](const Node& node) {
      return node.find("role", [](const Json& role) { return role.at("role") == "member"; });
    };
    // A search gives up after 10 s, where a port has to be found after 14.
    Program::run_until(
        [&] {
          return std::ranges::all_of(
              joiners, [&](const Node* node) { return is_member(*node) || node->find("error"); });
        },
        Seconds{30});
    for (size_t i = 0; i < cells.size(); ++i) cells[i].met += is_member(*joiners[i]) ? 1 : 0;
  }

  void print(const char* how, int runs) {
    std::printf("\n%s, of %d runs\n%-16s", how, runs, "host \\ comes");
    for (const Nat kind : kinds) std::printf("%16s", net::name_of(kind));
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i % std::size(kinds) == 0)
        std::printf("\n%-16s", net::name_of(kinds[i / std::size(kinds)]));
      std::printf("%16d", std::exchange(cells[i].met, 0));
    }
    std::printf("\n");
    std::fflush(stdout);
  }

  Star folders;
  net::World world;
  const net::Host& middle;
  std::unique_ptr<Node> server;
  std::vector<Cell> cells;
};

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE("the matrix of NATs" * doctest::skip()) {
  if (net::World::is_skipped()) return;
  const char* asked = std::getenv("THUBAN_MATRIX_RUNS");
  const int runs = asked == nullptr ? 20 : std::atoi(asked);
  Matrix matrix;
  int number = 0;
  for (const bool by_rendezvous : {true, false}) {
    for (int i = 0; i < runs; ++i) matrix.run(by_rendezvous, ++number);
    matrix.print(by_rendezvous ? "by rendezvous" : "by A and C", runs);
  }
}
