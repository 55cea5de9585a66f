// SPDX-License-Identifier: MIT
//
// `thuban sim`: runs one scenario of the simulated world (node/sim) and tells on standard
// output what happened, in virtual milliseconds. Nothing leaves the process; the same
// options give the same lines, to the last digit of the digest.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace client {

struct SimOptions {
  std::optional<size_t> nodes;  // else the scenario's own number
  uint64_t seed = 1;
  std::string scenario = "story";  // `--scenario list` names them all
  // Of every link, each way. With neither, the seed draws a loopback, a LAN or the Internet.
  std::optional<double> loss;  // 0 to 1
  std::optional<std::chrono::milliseconds> delay;
  std::optional<std::chrono::milliseconds> duration;  // of the part with load and faults
  bool kill = false;    // the story's supernode is killed instead of leaving
  bool sealed = false;  // packets are sealed; else they are plain, which is quicker
  bool trace = false;   // every datagram
  std::string svg{};    // a file for the picture, where one is wanted
  bool json = false;
};

/// 0 done, 1 a rule was violated, the star did not come to rest or the picture cannot be written,
/// 2 no such scenario or too few nodes for it.
int run_sim(const SimOptions& options);

}  // namespace client
