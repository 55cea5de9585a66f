// SPDX-License-Identifier: MIT
//
// Events as text for people. Pure: events in, lines out; it knows no terminal, only whether
// it may use colour.
//
// 1. Whatever a peer sent is cleaned (text.h) before it is part of a line.
// 2. Chat and what was asked for is data; everything else is a note.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "client/report.h"

namespace client {

struct Line {
  enum class Kind { result, note, error };
  Kind kind;
  std::string text;  // without line end; tables have several lines
};

class Screen {
 public:
  explicit Screen(bool colour) : colour_(colour) {}

  std::optional<Line> show(const Report& report);
  std::optional<Line> show(const node::Event& event);

  /// A nick where it is known, else the start of the id; cleaned.
  std::string name_of(const node::NodeId& id) const;

 private:
  struct Words;

  std::string painted(const char* code, std::string_view text) const;
  void learn(const std::vector<node::Peer>& peers);

  bool colour_;
  node::NodeId own_;
  node::Role role_ = node::Role::alone;
  std::map<node::NodeId, std::string> nicks_;
};

/// Tables, aligned to what is in them.
std::string peers_table(const node::RosterChanged& roster, const node::NodeId& own);
std::string files_table(const std::vector<node::FileRow>& files);
std::string stats_table(const StatsAsked& stats, const Screen& screen);

/// The first 8 digits: what `R` takes for the whole.
std::string short_hash(const node::FileHash& hash);

}  // namespace client
