// SPDX-License-Identifier: MIT
//
// Transport parameters (WIRE.md 3.8): what is taken is within its bounds and survives writing.
#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "mrt/handshake.h"

namespace fuzz {

void parameters(mrt::ByteView input) {
  const auto read = mrt::read_parameters(input);
  if (!read) return;
  constexpr uint64_t window_max = uint64_t{1} << 40;
  constexpr uint64_t count_max = 65'536;
  CHECK(read->connection_window <= window_max && read->stream_window <= window_max);
  CHECK(read->message_bytes_max <= read->connection_window);
  CHECK(read->streams_open_max <= count_max && read->messages_open_max <= count_max);
  CHECK(read->idle_timeout >= std::chrono::seconds(1));
  CHECK(read->udp_payload_max >= 1'200 && read->udp_payload_max <= 65'527);
  CHECK(read->socket_buffer >= 8'192);
  CHECK(read->ack_delay_max >= mrt::Duration{} && read->ack_delay_max <= std::chrono::seconds(1));
  mrt::Builder out;
  mrt::write_parameters(out, *read);
  CHECK(mrt::read_parameters(out.take()) == read);
}

}  // namespace fuzz
