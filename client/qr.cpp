// SPDX-License-Identifier: MIT
#include "client/qr.h"

#include <qrencode.h>

#include <memory>
#include <utility>

#include "mrt/base/check.h"

namespace client {

// What a scanner needs around it (ISO/IEC 18004 section 5.3.8).
static constexpr int quiet_zone = 4;
// Capacity of the largest code at the lowest correction is 2,953 bytes (table 7).
static constexpr size_t text_max = 2'000;

QrCode qr_code(std::string_view text, bool painted) {
  CHECK(!text.empty() && text.size() <= text_max);
  // A screen has no scratches: the lowest correction makes the smallest code.
  const std::unique_ptr<QRcode, void (*)(QRcode*)> code(
      QRcode_encodeData(static_cast<int>(text.size()),
                        reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_L),
      QRcode_free);
  if (!code) return {};
  const int width = code->width;
  const auto is_light = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= width || y >= width) return true;
    return (code->data[y * width + x] & 1) == 0;
  };
  std::string out;
  for (int y = -quiet_zone; y < width + quiet_zone; y += 2) {
    if (!out.empty()) out += '\n';
    // White blocks on black ground.
    if (painted) out += "\033[97;40m";
    for (int x = -quiet_zone; x < width + quiet_zone; ++x) {
      const bool above = is_light(x, y), below = is_light(x, y + 1);
      out += above ? (below ? "█" : "▀") : (below ? "▄" : " ");
    }
    if (painted) out += "\033[0m";
  }
  return {std::move(out), static_cast<size_t>(width + 2 * quiet_zone)};
}

}  // namespace client
