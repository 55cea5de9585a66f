// SPDX-License-Identifier: MIT
//
// Text of a peer on its way to a terminal: nothing in it does anything there.
#include "client/text.h"

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/file_name.h"

namespace fuzz {

static bool is_harmless(std::string_view text) {
  if (!node::is_utf8(text)) return false;
  while (!text.empty()) {
    if (client::is_unsafe(client::take_character(text))) return false;
  }
  return true;
}

void text(mrt::ByteView input) {
  if (input.empty()) return;
  client::use_utf8_locale();
  const std::string_view sent = mrt::as_text(input.subspan(1));
  const std::string cleaned = client::clean(sent);
  CHECK(is_harmless(cleaned));
  CHECK(client::clean(cleaned) == cleaned);
  CHECK(cleaned.size() <= 3 * sent.size());  // U+FFFD for each byte at worst

  // Three columns are needed to say that something was cut.
  const size_t columns_max = 3 + input[0];
  const std::string narrow = client::clean(sent, columns_max);
  CHECK(is_harmless(narrow));
  CHECK(client::columns(narrow) <= columns_max);
  CHECK(client::columns(client::pad_right(narrow, columns_max)) == columns_max);
  CHECK(client::columns(client::pad_left(narrow, columns_max)) == columns_max);

  // The two that read UTF-8 agree on what is well-formed.
  std::string again;
  for (std::string_view rest = sent; !rest.empty();)
    client::append_utf8(again, client::take_character(rest));
  CHECK(node::is_utf8(again));
  CHECK(node::is_utf8(sent) == (again == sent));
}

}  // namespace fuzz
