// SPDX-License-Identifier: MIT
//
// How the demo speaks: a narration for people, or the same as events for programs. Each call
// of one kind is silent where the other is wanted. It knows no nodes, only nicks.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "client/demo.h"

namespace client {

class DemoScreen {
 public:
  /// `nicks` get a colour each, in this order.
  DemoScreen(const DemoOptions& options, const std::vector<std::string>& nicks)
      : options_(options), nicks_(nicks) {}

  // For people.
  void say(const std::string& line = "");
  /// The headline of a scene; the event of the same name, too.
  void scene(int number, const std::string& title);
  void star(const std::string& centre, const std::vector<std::string>& around,
            const std::string& gone);
  /// One line that is redrawn in place on a terminal and otherwise left out.
  void progress(const std::string& nick, uint64_t bytes, uint64_t size, uint64_t rate);
  void clear_progress();
  /// A nick in its colour, padded to the longest.
  std::string name(const std::string& nick) const;
  std::string bold(const std::string& text) const { return styled(text, "1"); }
  std::string faint(const std::string& text) const { return styled(text, "2"); }
  std::string tick() const { return options_.unicode ? styled("✓", "32") : "ok"; }
  std::string cross() const { return styled(options_.unicode ? "✗" : "x", "31"); }

  // For programs.
  void event(const std::string& name, nlohmann::json fields);

 private:
  std::string styled(const std::string& text, const std::string& codes) const;
  int colour(const std::string& nick) const;

  DemoOptions options_;
  std::vector<std::string> nicks_;
};

}  // namespace client
