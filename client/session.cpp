// SPDX-License-Identifier: MIT
#include "client/session.h"

#include <unistd.h>

#include <algorithm>

#include "mrt/base/secret.h"
#include "mrt/handshake.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/entropy.h"

namespace client {

std::vector<mrt::Address> reachable_addresses(
    const std::vector<mrt::Address>& bound, const std::vector<mrt::uv::LocalAddress>& interfaces) {
  std::vector<mrt::Address> out;
  const auto add = [&](mrt::Address address, uint16_t port) {
    address.port = port;
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
  };
  // People type and read IPv4 more easily, so it comes first among equals.
  for (const bool loopback : {false, true}) {
    for (const bool v4 : {true, false}) {
      for (const mrt::Address& socket : bound) {
        if (socket.is_v4() != v4) continue;
        if (!socket.is_unspecified() && socket.is_loopback() == loopback) add(socket, socket.port);
        if (!socket.is_unspecified()) continue;
        for (const auto& local : interfaces) {
          if (local.loopback == loopback && local.address.is_v4() == v4) {
            add(local.address, socket.port);
          }
        }
      }
    }
  }
  // No interface is up: here it will be reached once the loopback one is.
  if (out.empty() && !bound.empty()) {
    mrt::Address here = mrt::Address::v4(127, 0, 0, 1, 0);
    if (!bound.front().is_v4()) here = *mrt::Address::parse("::1", 0);
    add(here, bound.front().port);
  }
  return out;
}

static std::vector<mrt::Address> bound_addresses(const mrt::uv::Sockets& sockets) {
  std::vector<mrt::Address> out;
  for (const auto& socket : sockets) out.push_back(socket->local());
  return out;
}

static size_t smallest_buffer(const mrt::uv::Sockets& sockets, size_t otherwise) {
  size_t smallest = SIZE_MAX;
  for (const auto& socket : sockets) {
    smallest = std::min(smallest, socket->receive_buffer_bytes());
  }
  return sockets.empty() ? otherwise : smallest;
}

Session::Session(uv_loop_t* loop, mrt::uv::Sockets sockets, SessionConfig config, Actions actions)
    : actions_(std::move(actions)),
      disk_(loop, config.downloads,
            [this](node::FileResult result) { on_file_result(std::move(result)); }),
      address_watch_(loop),
      spares_(loop, [this](std::unique_ptr<mrt::uv::UdpSocket> socket, const mrt::Path& path) {
        driver_->add(std::move(socket));
        node_->on_spare(now(), path);
        wake();
      }) {
  config.node.sockets = bound_ = bound_addresses(sockets);
  config.node.seconds = bound_addresses(config.seconds);
  addresses_ = local_ = reachable_addresses(bound_, mrt::uv::local_addresses());
  config.node.addresses = addresses_;
  auto& buffer_bytes = config.node.endpoint.socket_buffer_bytes;
  buffer_bytes = smallest_buffer(sockets, buffer_bytes);
  node_ =
      std::make_unique<node::Node>(mrt::uv::monotonic_now(), config.node, mrt::uv::entropy_seed());
  mrt::wipe(config.node.endpoint.identity);
  mrt::wipe(config.node.endpoint.network_key.secret);
  if (config.impair) {
    impaired_ = std::make_unique<Impaired<node::Node>>(*node_, *config.impair);
    impaired_driver_ = std::make_unique<ImpairedDriver>(*loop, *impaired_, *this);
    driver_ = impaired_driver_.get();
  } else {
    plain_driver_ = std::make_unique<PlainDriver>(*loop, *node_, *this);
    driver_ = plain_driver_.get();
  }
  // These first: what does not say from which socket it goes takes one of them.
  driver_->add(std::move(sockets));
  driver_->add(std::move(config.seconds));
  watch_addresses();
  driver_->wake();
}

Session::~Session() {
  if (address_changes_ >= 0) ::close(address_changes_);
}

void Session::watch_addresses() {
  address_changes_ = mrt::uv::open_address_changes();
  if (address_changes_ < 0) return;
  address_watch_.start(address_changes_, FdWatch::For::reading, [this] {
    mrt::uv::take_address_changes(address_changes_);
    auto now_reached = reachable_addresses(bound_, mrt::uv::local_addresses());
    const bool is_same = now_reached == local_;
    local_ = std::move(now_reached);
    if (!is_same) tell_addresses();
    actions_.on_moved();
  });
}

void Session::set_mapped(const std::vector<mrt::Address>& mapped) {
  if (mapped_ == mapped) return;
  mapped_ = mapped;
  tell_addresses();
}

void Session::tell_addresses() {
  addresses_ = local_;
  // Behind the first: who is on the LAN takes the shorter way.
  addresses_.insert(addresses_.begin() + (addresses_.empty() ? 0 : 1), mapped_.begin(),
                    mapped_.end());
  node_->set_addresses(now(), addresses_);
  wake();
}

void Session::on_event(mrt::Instant, node::Event& event) {
  if (auto* request = std::get_if<node::FileRequest>(&event)) {
    disk_.request(std::move(*request));
  } else if (const auto* sockets = std::get_if<node::SocketRequest>(&event)) {
    on_socket_request(*sockets);
  } else {
    actions_.on_event(event);
  }
}

void Session::on_socket_request(const node::SocketRequest& request) {
  if (const auto* wanted = std::get_if<node::SpareWanted>(&request)) {
    spares_.open(wanted->path, mrt::opening_packet());
  } else if (const auto* ended = std::get_if<node::SpareEnded>(&request)) {
    driver_->remove(ended->local);
  } else {
    spares_.close_all();
  }
}

void Session::on_file_result(node::FileResult result) {
  if (auto* placed = std::get_if<node::TargetPlaced>(&result)) {
    placed->path = actions_.place(placed->path, placed->was_there);
  }
  node_->on_file_result(driver_->now(), result);
  driver_->wake();
}

void Session::close(std::function<void()> done) {
  closed_ = std::move(done);
  address_watch_.stop();
  spares_.close_all();
  driver_->close([this] { on_part_closed(); });
  disk_.close([this] { on_part_closed(); });
}

void Session::on_part_closed() {
  if (--parts_open_ == 0) closed_();
}

}  // namespace client
