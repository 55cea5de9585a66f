// SPDX-License-Identifier: MIT
//
// Nodes of one star as real programs, on 127.0.0.1 unless in a network of the test's own, driven by
// commands and watched by events
// (`--json`). Each has folders of its own, so tests may run side by side.
//
// 1. At its end each node's whole output is held against docs/CLI.md: every line an event, the
//    first `listening`, the last `closed`, places that only rise, no message twice.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "script/program.h"

namespace script {

using Match = std::function<bool(const Json&)>;
bool any(const Json&);

class Node : public Program {
 public:
  Node(const Launch& launch, std::string nick, std::filesystem::path folder);

  const std::string& nick() const { return nick_; }
  /// Working directory of the node; downloads go to downloads().
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path downloads() const { return folder_ / "downloads"; }
  std::string addr() const;
  std::string id() const;

  /// Where a search for later events starts.
  size_t mark() const { return events().size(); }
  /// The first such event from `from` on; nullptr where there is none yet.
  const Json* find(const std::string& event, const Match& match = any, size_t from = 0) const;
  const Json* last(const std::string& event) const;
  size_t count(const std::string& event, const Match& match = any, size_t from = 0) const;
  /// Waits for it; the test fails where it does not come.
  const Json& await_event(const std::string& event, const Match& match = any, size_t from = 0,
                          Seconds limit = patience);
  const Json& await_error(const std::string& code, size_t from = 0, Seconds limit = patience);

  /// The chat as this node shows it, without history.
  std::vector<std::string> texts() const;
  /// The nicks of the last roster, sorted.
  std::vector<std::string> roster() const;
  std::string supernode() const;  // id, of the last roster

  /// Ends by `Q` and expects 0 within two seconds.
  void quit();
  /// The promises of the header comment.
  void check_events() const;

 private:
  std::string nick_;
  std::filesystem::path folder_;
};

/// Where a node runs: of this host, only on loopback.
struct Place {
  std::string bind = "127.0.0.1:0";
  std::string network{};  // as in Launch
  std::map<std::string, std::string> environment{};
};

class Star {
 public:
  ~Star();

  Node& host(const std::string& nick, const std::vector<std::string>& options = {});
  Node& join(const std::string& nick, const Node& through,
             const std::vector<std::string>& options = {});
  /// Any command that opens a node with the prompt; waits for `listening`.
  Node& open(const std::string& nick, const std::vector<std::string>& arguments,
             const Place& place = {});
  /// The same without waiting.
  Node& start(const std::string& nick, const std::vector<std::string>& arguments,
              const Place& place = {});
  /// A command that ends by itself, with folders of its own.
  Launch launch(const std::vector<std::string>& arguments);
  Outcome run(const std::vector<std::string>& arguments, Seconds limit = patience) {
    return script::run(launch(arguments), limit);
  }

  /// Until the last roster of each running node names exactly the running nodes and one
  /// supernode.
  void settle(Seconds limit = patience);
  /// Until each running node shows these texts (and no others since) in one order.
  void await_same_chat(size_t count, Seconds limit = patience);
  std::vector<Node*> running() const;
  /// Counts a node as no longer running: it is frozen, or about to end.
  void leave_out(const Node& node) { left_out_.push_back(&node); }
  std::filesystem::path folder(const std::string& name);
  const Folder& root() const { return root_; }

 private:
  Folder root_;
  std::deque<std::unique_ptr<Node>> nodes_;
  std::vector<const Node*> left_out_;
  size_t folders_ = 0;
};

// Files.

/// A file of pseudo-random bytes; the same seed makes the same file.
std::filesystem::path make_file(const std::filesystem::path& path, size_t size, uint64_t seed = 1);
bool same_files(const std::filesystem::path& a, const std::filesystem::path& b);
std::string contents(const std::filesystem::path& path);
/// Names in a folder, sorted.
std::vector<std::string> listing(const std::filesystem::path& folder);

}  // namespace script
