// SPDX-License-Identifier: MIT
#include "client/bench/protocol.h"

#include <sodium.h>

#include <algorithm>
#include <fstream>

namespace client {

namespace {

using HostTag = std::array<uint8_t, 16>;

/// Who does not know the boot id learns nothing of it.
HostTag host_tag(const std::array<uint8_t, 16>& nonce, const std::string& boot_id) {
  HostTag out{};
  crypto_generichash(out.data(), out.size(), reinterpret_cast<const uint8_t*>(boot_id.data()),
                     boot_id.size(), nonce.data(), nonce.size());
  return out;
}

}  // namespace

std::string boot_id() {
  std::string out;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> out;
  return out;
}

mrt::Bytes ping_head(uint32_t size, const std::array<uint8_t, 16>& nonce,
                     const std::string& boot_id) {
  mrt::Bytes out(bench_ping_head_bytes);
  mrt::Writer writer(out);
  writer.u8(bench_kind_ping);
  writer.u32(size);
  writer.bytes(nonce);
  writer.bytes(host_tag(nonce, boot_id));
  return out;
}

mrt::Bytes time_bytes(mrt::Instant at) {
  mrt::Bytes out(bench_time_bytes);
  mrt::Writer(out).u64(static_cast<uint64_t>(at.time_since_epoch().count()));
  return out;
}

mrt::Instant time_of(mrt::ByteView eight) {
  return mrt::Instant(mrt::Duration(static_cast<int64_t>(mrt::Reader(eight).u64())));
}

bool BenchAnswer::on_bytes(mrt::Instant now, mrt::ByteView bytes, mrt::Bytes& answer) {
  if (bytes.empty()) return true;
  if (kind_ == 0) {
    kind_ = bytes[0];
    if (kind_ == bench_kind_bulk) bytes = bytes.subspan(1);
  }
  if (kind_ == bench_kind_bulk) {
    bulk_bytes_ += bytes.size();
    return true;
  }
  if (kind_ != bench_kind_ping) return false;
  if (size_ == 0 && !on_head(bytes, answer)) return false;
  if (size_ > 0) on_messages(now, bytes, answer);
  return true;
}

bool BenchAnswer::on_head(mrt::ByteView& bytes, mrt::Bytes& answer) {
  const size_t taken = std::min(bytes.size(), bench_ping_head_bytes - head_.size());
  head_.insert(head_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  bytes = bytes.subspan(taken);
  if (head_.size() < bench_ping_head_bytes) return true;
  mrt::Reader reader(head_);
  reader.u8();
  const uint32_t size = reader.u32();
  const auto nonce = reader.array<16>();
  const auto tag = reader.array<16>();
  if (size == 0 || size > bench_ping_bytes_max) return false;
  size_ = missing_ = size;
  shared_ = !boot_id_.empty() && tag == host_tag(nonce, boot_id_);
  answer.push_back(shared_ ? 1 : 0);
  return true;
}

void BenchAnswer::on_messages(mrt::Instant now, mrt::ByteView bytes, mrt::Bytes& answer) {
  while (!bytes.empty()) {
    const mrt::ByteView part = bytes.first(std::min<size_t>(missing_, bytes.size()));
    answer.insert(answer.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    missing_ -= static_cast<uint32_t>(part.size());
    if (missing_ > 0) return;
    const mrt::Bytes received = time_bytes(shared_ ? now : mrt::Instant{});
    answer.insert(answer.end(), received.begin(), received.end());
    missing_ = size_;
    ++messages_;
  }
}

void BenchEchoes::on_bytes(mrt::ByteView bytes, std::vector<mrt::Instant>& received) {
  if (!shared_ && !bytes.empty()) {
    shared_ = bytes[0] == 1;
    bytes = bytes.subspan(1);
  }
  while (!bytes.empty()) {
    const bool message = into_ < message_bytes_;
    const size_t whole = message_bytes_ + (message ? 0 : bench_time_bytes);
    const size_t size = std::min(whole - into_, bytes.size());
    if (!message) std::copy_n(bytes.begin(), size, time_.begin() + (into_ - message_bytes_));
    into_ += size;
    bytes = bytes.subspan(size);
    if (message || into_ < whole) continue;
    into_ = 0;
    received.push_back(time_of(time_));
  }
}

}  // namespace client
