// SPDX-License-Identifier: MIT
#include "node/file_message.h"

#include <array>

#include "mrt/base/check.h"

namespace node {
namespace {

/// Holder, hash and chunk stand at the start of every file message. WIRE.md 7.1
struct Subject {
  NodeId holder;
  FileHash hash;
  uint64_t chunk;
};

void write_subject(mrt::Builder& out, FileMessageType type, const Subject& subject) {
  out.u8(static_cast<uint8_t>(type));
  out.bytes(subject.holder.bytes);
  out.bytes(subject.hash.bytes);
  out.varint(subject.chunk);
}

Subject read_subject(mrt::Reader& in) {
  Subject subject{};
  subject.holder = read_node_id(in);
  subject.hash.bytes = in.array<32>();
  subject.chunk = in.varint();
  if (subject.chunk >= chunk_count(file_bytes_max)) in.fail();
  return subject;
}

std::optional<FileMessage> parse_chunk(mrt::ByteView message, mrt::Reader& in) {
  const Subject subject = read_subject(in);
  const uint8_t count = in.u8();
  if (count > proof_hashes_max) in.fail();
  ChunkView view{subject.holder, subject.hash, subject.chunk, {}, {}, 0};
  for (uint8_t i = 0; in.ok() && i < count; ++i) view.proof.push_back({in.array<32>()});
  view.offset = message.size() - in.remaining();
  view.bytes = in.rest();
  if (!in.done() || view.bytes.empty() || view.bytes.size() > chunk_bytes_max) return std::nullopt;
  return view;
}

}  // namespace

bool is_file_message(mrt::ByteView message) {
  return !message.empty() && (message[0] & 0xf0) == 0x40;
}

std::optional<FileMessage> parse_file_message(mrt::ByteView message) {
  mrt::Reader in(message);
  switch (static_cast<FileMessageType>(in.u8())) {
    case FileMessageType::fetch: {
      const Subject subject = read_subject(in);
      const uint8_t flags = in.u8();
      if (!in.done() || flags > 1) return std::nullopt;
      return Fetch{subject.holder, subject.hash, subject.chunk, flags == 1};
    }
    case FileMessageType::cancel_fetch: {
      const Subject subject = read_subject(in);
      if (!in.done()) return std::nullopt;
      return CancelFetch{subject.holder, subject.hash, subject.chunk};
    }
    case FileMessageType::fetch_failed: {
      const Subject subject = read_subject(in);
      const uint8_t fault = in.u8();
      if (!in.done() || fault > fetch_fault_max) return std::nullopt;
      return FetchFailed{subject.holder, subject.hash, subject.chunk,
                         static_cast<FetchFault>(fault)};
    }
    case FileMessageType::chunk:
      return parse_chunk(message, in);
  }
  return std::nullopt;
}

mrt::Bytes encode(const Fetch& fetch) {
  mrt::Builder out;
  write_subject(out, FileMessageType::fetch, {fetch.holder, fetch.hash, fetch.chunk});
  out.u8(fetch.fresh ? 1 : 0);
  return out.take();
}

mrt::Bytes encode(const CancelFetch& cancel) {
  mrt::Builder out;
  write_subject(out, FileMessageType::cancel_fetch, {cancel.holder, cancel.hash, cancel.chunk});
  return out.take();
}

mrt::Bytes encode(const FetchFailed& failed) {
  mrt::Builder out;
  write_subject(out, FileMessageType::fetch_failed, {failed.holder, failed.hash, failed.chunk});
  out.u8(static_cast<uint8_t>(failed.fault));
  return out.take();
}

mrt::Bytes chunk_head(const NodeId& holder, const FileHash& hash, uint64_t chunk) {
  mrt::Builder out;
  write_subject(out, FileMessageType::chunk, {holder, hash, chunk});
  return out.take();
}

mrt::Bytes chunk_message(mrt::ByteView head, std::span<const FileHash> proof, size_t size) {
  CHECK(proof.size() <= proof_hashes_max && size <= chunk_bytes_max);
  mrt::Bytes out;
  out.reserve(head.size() + 1 + proof.size() * sizeof(FileHash{}.bytes) + size);
  out.insert(out.end(), head.begin(), head.end());
  out.push_back(static_cast<uint8_t>(proof.size()));
  for (const FileHash& hash : proof) out.insert(out.end(), hash.bytes.begin(), hash.bytes.end());
  out.resize(out.size() + size);
  return out;
}

}  // namespace node
