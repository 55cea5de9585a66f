// SPDX-License-Identifier: MIT
//
// stun_server IP:PORT...: a stun::Responder at these addresses, until it is ended. For trying STUN
// clients of others; says "ready" once it listens.
#include <uv.h>

#include <cstdio>
#include <variant>

#include "mrt/base/machine.h"
#include "mrt/uv/driver.h"
#include "stun/responder.h"

namespace {

class Server {
 public:
  explicit Server(std::vector<mrt::Address> sockets) : responder_(std::move(sockets)) {}

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn, size_t segment_size,
                    mrt::MutableBytes bytes) {
    const size_t each = segment_size == 0 ? bytes.size() : segment_size;
    while (!bytes.empty()) {
      const size_t size = std::min(each, bytes.size());
      responder_.on_datagram(now, path, bytes.first(size));
      bytes = bytes.subspan(size);
    }
  }
  void on_timeout(mrt::Instant) {}
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant, mrt::MutableBytes buffer) {
    return responder_.poll_transmit(buffer);
  }
  std::optional<std::monostate> poll_event() { return std::nullopt; }
  mrt::Instant next_timeout() const { return mrt::never; }
  bool is_consistent() const { return responder_.is_consistent(); }

 private:
  stun::Responder responder_;
};

struct Owner {
  void on_event(mrt::Instant, std::monostate) {}
};

}  // namespace

int main(int argc, char** argv) {
  std::vector<mrt::Address> binds;
  for (int i = 1; i < argc; ++i) {
    const auto address = mrt::Address::parse(argv[i]);
    if (!address) return 2;
    binds.push_back(*address);
  }
  mrt::uv::SocketError error;
  auto sockets = mrt::uv::open_sockets(binds, {}, error);
  if (sockets.empty()) {
    std::fprintf(stderr, "%s\n", error.text.c_str());
    return 1;
  }
  Server server(binds);
  Owner owner;
  mrt::uv::Driver<Server, Owner> driver(*uv_default_loop(), server, owner);
  driver.add(std::move(sockets));
  std::puts("ready");
  std::fflush(stdout);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
