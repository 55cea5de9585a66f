// SPDX-License-Identifier: MIT
//
// The overlay's messages (WIRE.md 6): what decode() takes is what encode() writes, and a stream
// is cut into the same messages in whatever pieces it comes.
#include <algorithm>
#include <vector>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/message.h"

namespace fuzz {

using mrt::Bytes;
using mrt::ByteView;

static void check_message(ByteView bytes) {
  const auto message = node::decode(bytes);
  if (!message) return;
  // Varints may be longer than needed, so what is written need not be what was read.
  const Bytes written = node::encode(*message);
  CHECK(written.size() <= bytes.size());
  const auto again = node::decode(written);
  CHECK(again && again->index() == message->index());
  CHECK(node::encode(*again) == written);
  // Nothing is an end of something longer, or a start of something shorter.
  Bytes longer = written;
  longer.push_back(0);
  CHECK(!node::decode(longer));
  CHECK(!node::decode(ByteView(written).first(written.size() - 1)));

  if (written.size() > node::message_bytes_max) return;
  node::MessageReader reader;
  reader.push(node::encode_framed(*message));
  const auto framed = reader.next();
  CHECK(framed && std::ranges::equal(*framed, written));
  CHECK(!reader.next() && !reader.failed());
}

static void check_offer(ByteView bytes) {
  const auto offer = node::decode_offer(bytes);
  if (!offer) return;
  CHECK(node::is_file_name(offer->name));
  CHECK(node::decode_offer(node::encode_offer(*offer)) == offer);
}

struct Cut {
  std::vector<Bytes> messages;
  bool failed = false;
  bool operator==(const Cut&) const = default;
};

static Cut cut(ByteView stream, size_t piece) {
  Cut out;
  node::MessageReader reader;
  while (!stream.empty()) {
    const size_t size = std::min(piece, stream.size());
    reader.push(stream.first(size));
    stream = stream.subspan(size);
    while (const auto message = reader.next()) {
      CHECK(message->size() <= node::message_bytes_max);
      out.messages.emplace_back(message->begin(), message->end());
    }
    out.failed = reader.failed();
  }
  return out;
}

void message(ByteView input) {
  check_message(input);
  check_offer(input);
  const Cut whole = cut(input, std::max<size_t>(input.size(), 1));
  for (const size_t piece : {size_t{1}, size_t{7}}) CHECK(cut(input, piece) == whole);
  for (const Bytes& one : whole.messages) check_message(one);
}

}  // namespace fuzz
