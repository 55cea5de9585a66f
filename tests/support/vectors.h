// SPDX-License-Identifier: MIT
//
// The test vectors of docs/WIRE.md, read from the document itself (WIRE.md 1): blocks fenced
// as `hex NAME`, with lines of hex bytes, `zeros N`, and `= key value` for what they mean.
#pragma once

#include <map>
#include <string>

#include "mrt/base/bytes.h"

namespace mrt::test {

struct Vector {
  Bytes bytes;
  std::map<std::string, std::string> meaning;
};

/// All vectors by name; fails the test where the document cannot be read.
std::map<std::string, Vector> read_vectors();

}  // namespace mrt::test
