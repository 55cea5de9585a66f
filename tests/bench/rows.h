// SPDX-License-Identifier: MIT
//
// What the benches of the star print: a figure, and what is asked of it. No figure is a test.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "script/program.h"

namespace script {

inline void row(const std::string& what, const std::string& measured, const std::string& target) {
  std::printf("%-46s %-34s %s\n", what.c_str(), measured.c_str(), target.c_str());
  std::fflush(stdout);
}

inline std::string text(const char* format, double a, double b = 0) {
  char line[100];
  std::snprintf(line, sizeof line, format, a, b);
  return line;
}

/// The value that a share `p` of all does not exceed (nearest rank). REQUIRES: values.
inline double quantile(std::vector<double> values, double p) {
  REQUIRE(!values.empty());
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(p * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(1.0, rank)) - 1];
}

inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }
inline double worst(const std::vector<double>& values) { return quantile(values, 1); }

inline double ms_since(Clock::time_point begin) { return since(begin) * 1e3; }

}  // namespace script
