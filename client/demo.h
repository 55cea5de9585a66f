// SPDX-License-Identifier: MIT
//
// `thuban demo`: five nodes as processes of this very program on 127.0.0.1, driven through
// their standard streams as any script would, and narrated for somebody who has never seen
// a star. It knows the command line (docs/CLI.md) and nothing of what is behind it.
//
// 1. Every figure that it prints is computed from the nodes' events.
// 2. Whatever happens, Ctrl-C and SIGKILL included, no process and no file stays behind.
#pragma once

namespace client {

struct DemoOptions {
  bool step = false;      // wait for a key between scenes
  bool json = false;      // scenes and figures as events instead of narration
  bool colour = false;    // standard output may be coloured
  bool unicode = false;   // stars and boxes, where the locale is UTF-8; else plain ASCII
  bool animated = false;  // standard output is a terminal: progress is redrawn in place
};

/// Exit code: 0, 1 where a step failed (standard error says which), 130 where interrupted.
int run_demo(const DemoOptions& wanted);

}  // namespace client
