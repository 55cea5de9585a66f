// SPDX-License-Identifier: MIT
//
// The fuzz targets: each takes any bytes and CHECKs what must hold whatever they are. One
// target a file, NAME_target.cpp; its seeds and what fuzzing found lie in corpus/NAME.
//
// 1. A target is a function of its bytes alone: no clock, no randomness, and nothing is kept
//    from one call to the next.
// 2. One call ends in well under a second for the longest input that fuzzing makes (4 KiB).
#pragma once

#include <array>
#include <string_view>

#include "mrt/base/bytes.h"

namespace fuzz {

void bench(mrt::ByteView input);
void command(mrt::ByteView input);
void endpoints(mrt::ByteView input);
void file_message(mrt::ByteView input);
void frames(mrt::ByteView input);
void handshake(mrt::ByteView input);
void invite(mrt::ByteView input);
void known_peers(mrt::ByteView input);
void long_packets(mrt::ByteView input);
void message(mrt::ByteView input);
void names(mrt::ByteView input);
void options(mrt::ByteView input);
void parameters(mrt::ByteView input);
void part_file(mrt::ByteView input);
void part_footer(mrt::ByteView input);
void rendezvous(mrt::ByteView input);
void screen(mrt::ByteView input);
void sealed_endpoints(mrt::ByteView input);
void star(mrt::ByteView input);
void stun(mrt::ByteView input);
void tell(mrt::ByteView input);
void text(mrt::ByteView input);

struct Target {
  std::string_view name;
  void (*run)(mrt::ByteView);
};

inline constexpr std::array targets{
    Target{"bench", bench},
    Target{"command", command},
    Target{"endpoints", endpoints},
    Target{"file_message", file_message},
    Target{"frames", frames},
    Target{"handshake", handshake},
    Target{"invite", invite},
    Target{"known_peers", known_peers},
    Target{"long_packets", long_packets},
    Target{"message", message},
    Target{"names", names},
    Target{"options", options},
    Target{"parameters", parameters},
    Target{"part_file", part_file},
    Target{"part_footer", part_footer},
    Target{"rendezvous", rendezvous},
    Target{"screen", screen},
    Target{"sealed_endpoints", sealed_endpoints},
    Target{"star", star},
    Target{"stun", stun},
    Target{"tell", tell},
    Target{"text", text},
};

}  // namespace fuzz
