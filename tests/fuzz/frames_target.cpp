// SPDX-License-Identifier: MIT
//
// The short header and the frames behind it (WIRE.md 4 and 5): bounds, progress, and round trips.
#include <type_traits>
#include <vector>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "mrt/wire.h"

namespace fuzz {

using mrt::Bytes;
using mrt::ByteView;

static bool lies_in(ByteView part, ByteView whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

static bool same(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

static std::vector<mrt::Interval> ranges_of(const mrt::AckFrame& ack) {
  std::vector<mrt::Interval> ranges;
  ack.for_each_range([&](mrt::Interval range) { ranges.push_back(range); });
  return ranges;
}

/// The ranges come down from the largest, are as many as allowed, and never wrap around.
static void check_frame(const mrt::AckFrame& ack, ByteView packet) {
  CHECK(lies_in(ack.encoded, packet));
  const std::vector<mrt::Interval> ranges = ranges_of(ack);
  CHECK(ranges.size() == ack.count + 1 && ranges.size() <= mrt::ack_ranges_max);
  CHECK(ranges.front().end == ack.largest + 1);
  mrt::IntervalSet set;
  for (size_t i = 0; i < ranges.size(); ++i) {
    CHECK(ranges[i].begin < ranges[i].end);
    CHECK(i == 0 || ranges[i].end < ranges[i - 1].begin);
    set.add(ranges[i].begin, ranges[i].end);
  }
  CHECK(ack.delay >= mrt::Duration{});

  Bytes bytes(2'000);
  mrt::Writer out(bytes);
  mrt::write_ack(out, set, ack.delay);
  CHECK(out.ok());
  mrt::Reader in(out.written());
  const auto again = mrt::read_frame(in);
  CHECK(again && in.done());
  const auto& written = std::get<mrt::AckFrame>(*again);
  CHECK(ranges_of(written) == ranges && written.delay == ack.delay);
}

static void check_frame(const mrt::DataFrame& data, ByteView packet) {
  CHECK(lies_in(data.bytes, packet));
  CHECK(data.offset + data.bytes.size() <= mrt::varint_max);
  for (const bool sized : {false, true}) {
    const mrt::DataHead head{data.stream, data.offset, data.bytes.size(), data.fin, sized};
    Bytes bytes(mrt::data_head_size(head) + data.bytes.size());
    mrt::Writer out(bytes);
    mrt::write_data_head(out, head);
    out.bytes(data.bytes);
    CHECK(out.ok() && out.remaining() == 0);  // data_head_size() is exact
    mrt::Reader in(bytes);
    const auto again = mrt::read_frame(in);
    CHECK(again && in.done());
    const auto& read = std::get<mrt::DataFrame>(*again);
    CHECK(read.stream == data.stream && read.offset == data.offset && read.fin == data.fin);
    CHECK(same(read.bytes, data.bytes));
  }
}

static void check_frame(const mrt::PaddingFrame&, ByteView) {}

/// All others: written, they read and write alike.
template <class F>
static void check_frame(const F& frame, ByteView packet) {
  if constexpr (requires { frame.reason; }) {
    CHECK(lies_in(frame.reason, packet) && frame.reason.size() <= mrt::close_reason_bytes_max);
  } else if constexpr (std::is_same_v<F, mrt::DatagramFrame>) {
    CHECK(lies_in(frame.bytes, packet) && frame.bytes.size() <= mrt::datagram_bytes_max);
  }
  Bytes first(packet.size() + 64);
  mrt::Writer out(first);
  mrt::write_frame(out, frame);
  CHECK(out.ok());
  mrt::Reader in(out.written());
  const auto again = mrt::read_frame(in);
  CHECK(again && in.done() && std::holds_alternative<F>(*again));
  Bytes second(first.size());
  mrt::Writer out_again(second);
  mrt::write_frame(out_again, std::get<F>(*again));
  CHECK(same(out.written(), out_again.written()));
}

static void check_frames(ByteView frames) {
  mrt::Reader in(frames);
  while (in.remaining() > 0) {
    const size_t before = in.remaining();
    const auto frame = mrt::read_frame(in);
    CHECK(in.remaining() < before);
    CHECK(frame.has_value() == in.ok());
    if (!frame) break;
    std::visit([&](const auto& read) { check_frame(read, frames); }, *frame);
  }
}

/// RFC 9000 A.3: the number that is nearest to what is expected among those that end so.
static void check_number(const mrt::ShortHeader& header, uint64_t expected) {
  const uint64_t window = uint64_t{1} << (8 * header.number_bytes);
  const uint64_t number =
      mrt::expand_packet_number(header.number_truncated, header.number_bytes, expected);
  CHECK((number & (window - 1)) == header.number_truncated);
  CHECK(number <= mrt::varint_max);
  const uint64_t distance = number > expected ? number - expected : expected - number;
  CHECK(distance <= window / 2 || number < window || number + window > mrt::varint_max);
}

void frames(ByteView input) {
  check_frames(input);
  const auto header = mrt::read_short_header(input);
  if (!header) return;
  CHECK(mrt::packet_form(input[0]) == mrt::PacketForm::short_packet);
  CHECK(header->number_bytes >= 1 && header->number_bytes <= 4);
  CHECK(header->size() + mrt::trailer_bytes <= input.size());
  Bytes bytes(header->size());
  mrt::Writer out(bytes);
  mrt::write_short_header(out, *header);
  CHECK(out.ok() && same(bytes, input.first(bytes.size())));
  const ByteView behind = input.subspan(header->size());
  check_number(*header, mrt::Reader(behind).varint());
  check_frames(behind.first(behind.size() - mrt::trailer_bytes));
}

}  // namespace fuzz
