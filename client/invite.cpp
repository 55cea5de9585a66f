// SPDX-License-Identifier: MIT
#include "client/invite.h"

#include <sodium.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cctype>

#include "client/text.h"
#include "mrt/base/check.h"

namespace client {

static constexpr uint8_t version = 2;
static constexpr size_t sum_size = 4;
// Bits of `kind`.
static constexpr uint8_t access_bits = 0x03;
static constexpr uint8_t network_bit = 0x04;
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

static bool has_its_secret(const Invite& invite) {
  return invite.secret.size() <= invite_secret_max &&
         invite.secret.empty() == (invite.access != mrt::Access::secret);
}

std::string write_invite(const Invite& invite) {
  CHECK(is_network_name(invite.network));
  CHECK(has_its_secret(invite));
  CHECK(invite.addresses.size() <= invite_addresses_max);
  const bool named = invite.network != network_default;
  mrt::Builder out;
  out.u8(version);
  out.u8(static_cast<uint8_t>(static_cast<uint8_t>(invite.access) | (named ? network_bit : 0)));
  if (named) out.sized_text(invite.network);
  if (invite.access == mrt::Access::secret) out.sized_bytes(invite.secret);
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
  const uint8_t kind = in.u8();
  invite.access = static_cast<mrt::Access>(kind & access_bits);
  const bool known = (kind & ~(access_bits | network_bit)) == 0;
  if (!known || invite.access > mrt::Access::password) return std::nullopt;
  invite.network = kind & network_bit ? in.sized_text(network_name_max) : network_default;
  if (invite.access == mrt::Access::secret) {
    const mrt::ByteView secret = in.sized_bytes(invite_secret_max);
    invite.secret.assign(secret.begin(), secret.end());
  }
  while (in.ok() && in.remaining() > 0 && invite.addresses.size() < invite_addresses_max) {
    invite.addresses.push_back(mrt::read_address(in));
  }
  const bool reachable = std::all_of(invite.addresses.begin(), invite.addresses.end(),
                                     [](const mrt::Address& a) { return a.is_unicast(); });
  if (!in.done() || !reachable || !has_its_secret(invite)) return std::nullopt;
  return is_network_name(invite.network) ? std::optional(invite) : std::nullopt;
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

std::string without_invites(std::string_view text) {
  const auto is_in_invite = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
  const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == b; };
  std::string out;
  while (true) {
    const auto found =
        std::search(text.begin(), text.end(), invite_prefix.begin(), invite_prefix.end(), same);
    const auto body = found == text.end() ? found : found + invite_prefix.size();
    out.append(text.begin(), body);
    const auto end = std::find_if_not(body, text.end(), is_in_invite);
    if (end != body) out += "...";
    if (end == text.end()) return out;
    text.remove_prefix(static_cast<size_t>(end - text.begin()));
  }
}

}  // namespace client
