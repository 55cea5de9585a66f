// SPDX-License-Identifier: MIT
#include "client/spare_sockets.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "node/uv/descriptor.h"

namespace client {

SpareSockets::SpareSockets(uv_loop_t* loop, OnFound on_found)
    : on_found_(std::move(on_found)), watch_(loop) {}

SpareSockets::~SpareSockets() { close_all(); }

void SpareSockets::open(const mrt::Path& path, mrt::ByteView packet) {
  mrt::uv::SocketError ignored;
  auto socket = mrt::uv::UdpSocket::open({path.local.ip, 0}, {}, ignored);
  if (!socket || !node::uv::leaves_room(socket->fd())) return;
  if (epoll_ < 0) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) return;
    watch_.start(epoll_, FdWatch::For::reading, [this] { on_ready(); });
  }
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.u64 = spares_.size();
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket->fd(), &wanted) != 0) return;
  socket->send({{{}, path.remote}, packet.size(), packet.size(), mrt::Ecn::not_ect}, packet);
  spares_.push_back({std::move(socket), path.remote});
}

void SpareSockets::close_all() {
  watch_.stop();
  if (epoll_ >= 0) ::close(epoll_);
  epoll_ = -1;
  spares_.clear();
}

void SpareSockets::on_ready() {
  std::array<epoll_event, 16> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    Spare& spare = spares_.at(events.at(static_cast<size_t>(i)).data.u64);
    const auto path = read(spare);
    if (!path) continue;
    auto socket = std::move(spare.socket);
    close_all();
    return on_found_(std::move(socket), *path);
  }
}

std::optional<mrt::Path> SpareSockets::read(Spare& spare) {
  for (const mrt::uv::Received& run : spare.socket->receive(buffer_)) {
    // As it is bound: whoever is to close it knows it by that.
    if (run.path.remote == spare.awaited) return mrt::Path{spare.socket->local(), run.path.remote};
  }
  return std::nullopt;
}

}  // namespace client
