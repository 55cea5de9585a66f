// SPDX-License-Identifier: MIT
#include "client/invite.h"

#include <sodium.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "client/text.h"
#include "mrt/base/check.h"

namespace client {

static constexpr uint8_t version = 1;
static constexpr size_t sum_size = 4;
static constexpr int alphabet = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

static uint32_t sum_of(mrt::ByteView bytes) {
  return static_cast<uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

bool is_network_name(std::string_view name) {
  if (name.empty() || name.size() > network_name_max) return false;
  while (!name.empty()) {
    const char32_t character = take_character(name);
    if (is_unsafe(character) || character == U' ' || character == 0xfffd) return false;
  }
  return true;
}

std::string write_invite(const Invite& invite) {
  CHECK(is_network_name(invite.network));
  CHECK(invite.secret.size() <= invite_secret_max);
  CHECK(invite.addresses.size() <= invite_addresses_max);
  mrt::Builder out;
  out.u8(version);
  out.varint(0);
  out.sized_text(invite.network);
  out.sized_bytes(invite.secret);
  out.varint(invite.addresses.size());
  for (const mrt::Address& address : invite.addresses) mrt::write_address(out, address);
  mrt::Bytes bytes = out.take();
  mrt::Builder sum;
  sum.u32(sum_of(bytes));
  const mrt::Bytes tail = sum.take();
  bytes.insert(bytes.end(), tail.begin(), tail.end());

  std::string text(sodium_base64_encoded_len(bytes.size(), alphabet), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), alphabet);
  text.pop_back();  // libsodium counts the terminator
  return std::string(invite_prefix) + text;
}

static std::optional<Invite> read_body(mrt::Reader in) {
  Invite invite;
  const uint64_t flags = in.varint();
  invite.network = in.sized_text(network_name_max);
  const mrt::ByteView secret = in.sized_bytes(invite_secret_max);
  invite.secret.assign(secret.begin(), secret.end());
  const uint64_t count = in.varint();
  if (!in.ok() || flags != 0 || count > invite_addresses_max) return std::nullopt;
  for (uint64_t i = 0; i < count; ++i) invite.addresses.push_back(mrt::read_address(in));
  const bool reachable = std::all_of(invite.addresses.begin(), invite.addresses.end(),
                                     [](const mrt::Address& a) { return a.is_unicast(); });
  if (!in.done() || !reachable || !is_network_name(invite.network)) return std::nullopt;
  return invite;
}

std::optional<Invite> parse_invite(std::string_view text, std::string& why) {
  why = "this invite is damaged: copy the whole of it again";
  if (!text.starts_with(invite_prefix) || text.size() > invite_text_max) return std::nullopt;
  text.remove_prefix(invite_prefix.size());
  if (text.empty()) return std::nullopt;
  mrt::Bytes bytes(text.size());
  size_t size = 0;
  if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &size,
                        nullptr, alphabet) != 0) {
    return std::nullopt;
  }
  bytes.resize(size);
  if (size < 1 + sum_size) return std::nullopt;
  const mrt::ByteView body = mrt::ByteView(bytes).first(size - sum_size);
  if (mrt::Reader(mrt::ByteView(bytes).last(sum_size)).u32() != sum_of(body)) return std::nullopt;
  if (body[0] != version) {
    why = "this invite is of another version of thuban";
    return std::nullopt;
  }
  return read_body(mrt::Reader(body.subspan(1)));
}

}  // namespace client
