// SPDX-License-Identifier: MIT
//
// Cuts what a terminal sends into whole keys, so that the line editor, which waits inside a
// key that has not arrived as a whole, never has to. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace client {

/// Bytes of the first key: a character of UTF-8, an escape sequence (ECMA-48: CSI, SS3, Alt
/// with a key), or Ctrl-V or Ctrl-X with the key behind it. 0: more must come.
/// REQUIRES: !bytes.empty().
size_t key_size(std::string_view bytes);

}  // namespace client
