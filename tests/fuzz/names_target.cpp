// SPDX-License-Identifier: MIT
//
// Names of files and nodes from a peer: what is taken leads nowhere else and shows nothing else.
#include "client/text.h"
#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/message.h"

namespace fuzz {

/// One component of a path, which stays one whatever it is joined to.
static void check_name(std::string_view name) {
  CHECK(!name.empty() && name.size() <= node::file_name_bytes_max);
  CHECK(name != "." && name != "..");
  CHECK(name.find('/') == name.npos && name.find('\\') == name.npos &&
        name.find('\0') == name.npos);
  CHECK(node::is_utf8(name) && node::base_name(name) == name);
  CHECK(name.find('\n') == name.npos && name.find('\x1b') == name.npos);
}

void names(mrt::ByteView input) {
  mrt::Reader in(input);
  const uint32_t number = in.u32();
  const node::FileHash hash{in.array<32>()};
  const std::string name(mrt::as_text(in.rest()));

  CHECK(node::base_name(name).find('/') == std::string_view::npos);
  if (node::is_file_name(name)) {
    check_name(name);
    const std::string numbered = node::numbered_name(name, number);
    const std::string part = node::part_name(name, hash, number);
    CHECK(node::is_file_name(numbered) && node::is_file_name(part));
    check_name(numbered);
    check_name(part);
    CHECK(numbered != name);
  }
  if (node::is_nick(name)) {
    CHECK(name.size() <= node::nick_bytes_max);
    for (const char c : name) CHECK(static_cast<uint8_t>(c) > 0x20 && c != 0x7f);
  }
  if (const auto parsed = node::FileHash::parse(name))
    CHECK(parsed->to_string() == client::to_lower(name));
  if (const auto parsed = node::NodeId::parse(name))
    CHECK(parsed->to_string() == client::to_lower(name));
  if (const auto address = mrt::Address::parse(name))
    CHECK(mrt::Address::parse(address->to_string()) == address);
}

}  // namespace fuzz
