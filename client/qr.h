// SPDX-License-Identifier: MIT
//
// A QR code (ISO/IEC 18004) as text: two rows of modules to a line, in half blocks. Which modules
// there are says libqrencode.
#pragma once

#include <string>
#include <string_view>

namespace client {

struct QrCode {
  std::string lines;  // without a newline at the end; empty where memory is out
  size_t columns = 0;
};

/// Of 1 to 2,000 bytes.
/// `painted`: black on white whatever the terminal's colours are; else light modules are the
/// blocks, as a dark terminal needs it.
QrCode qr_code(std::string_view text, bool painted);

}  // namespace client
