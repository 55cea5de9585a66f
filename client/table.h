// SPDX-License-Identifier: MIT
//
// Rows of text in columns as wide as what is in them. Pure.
#pragma once

#include <string>
#include <vector>

namespace client {

class Table {
 public:
  /// A title that begins with '>' is of a column aligned to the right.
  explicit Table(std::vector<std::string> titles);
  /// REQUIRES: as many cells as titles, cleaned.
  void add(std::vector<std::string> cells);
  /// Without a line end at the end.
  std::string to_string() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace client
