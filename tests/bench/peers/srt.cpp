// SPDX-License-Identifier: MIT
//
// SRT. Bulk in file mode with its own congestion control; small messages in live mode, without
// delivery by time stamps (TSBPD) and without dropping what is late. MAXBW=bytes/s in the
// environment: bulk in that live mode, paced at this rate.
#include <arpa/inet.h>
#include <srt/srt.h>

#include "bench/peers/peer.h"

namespace {

template <class T>
void set(SRTSOCKET socket, SRT_SOCKOPT option, T value) {
  srt_setsockflag(socket, option, &value, sizeof value);
}

constexpr size_t live_bytes = 1316;  // seven MPEG-TS packets, what live mode takes at once

SRTSOCKET open_socket(bool latency, int64_t rate) {
  const SRTSOCKET out = srt_create_socket();
  const bool live = latency || rate > 0;
  set(out, SRTO_TRANSTYPE, live ? SRTT_LIVE : SRTT_FILE);
  if (live) {
    set(out, SRTO_TSBPDMODE, 0);
    set(out, SRTO_TLPKTDROP, 0);
    if (rate > 0) set(out, SRTO_MAXBW, rate);
  }
  if (!latency) {
    set(out, SRTO_FC, 32'768);
    set(out, SRTO_SNDBUF, 32 << 20);
    set(out, SRTO_RCVBUF, 32 << 20);
    set(out, SRTO_UDP_SNDBUF, 4 << 20);
    set(out, SRTO_UDP_RCVBUF, 4 << 20);
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const peer::Arguments asked = peer::parse(argc, argv);
  srt_startup();
  const char* given = getenv("MAXBW");
  const int64_t rate = given != nullptr ? std::atoll(given) : 0;
  const SRTSOCKET socket = open_socket(asked.latency, rate);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(asked.port);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  std::vector<char> chunk(128 * 1024);
  if (asked.sender) {
    inet_pton(AF_INET, asked.host.c_str(), &address.sin_addr);
    if (srt_connect(socket, generic, sizeof address) == SRT_ERROR) {
      peer::fail(srt_getlasterror_str());
    }
    const auto put = [&](const char* bytes, size_t size) {
      if (srt_send(socket, bytes, static_cast<int>(size)) == SRT_ERROR) pause();
    };
    if (asked.latency) peer::paced(asked, put, peer::wait_until);
    peer::run_for(asked.seconds);
    while (true) put(chunk.data(), rate > 0 ? live_bytes : chunk.size());
  }
  if (srt_bind(socket, generic, sizeof address) == SRT_ERROR ||
      srt_listen(socket, 1) == SRT_ERROR) {
    peer::fail(srt_getlasterror_str());
  }
  peer::Sink* const sink = asked.latency ? nullptr : new peer::Sink(asked.seconds);
  peer::Latency* const latency = asked.latency ? new peer::Latency(asked) : nullptr;
  const SRTSOCKET from = srt_accept(socket, nullptr, nullptr);
  const auto room = static_cast<int>(chunk.size());
  for (int got; (got = srt_recv(from, chunk.data(), room)) > 0;) {
    if (sink != nullptr) {
      sink->got(static_cast<size_t>(got));
    } else {
      latency->got(chunk.data());
    }
  }
  pause();
}
