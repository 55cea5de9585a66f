// SPDX-License-Identifier: MIT
//
// Sockets that wait for one host, each at a port of its own, until something comes from there to
// one of them. It knows neither nodes nor why: node_ports.cpp says when one more is opened.
//
// 1. Who is found is called once for all that wait; the others are closed by then.
// 2. What comes from anybody else is dropped.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "client/fd_watch.h"
#include "mrt/uv/udp_socket.h"

namespace client {

class SpareSockets {
 public:
  /// `path`: between that socket and the one who was waited for.
  using OnFound =
      std::function<void(std::unique_ptr<mrt::uv::UdpSocket> socket, const mrt::Path& path)>;

  SpareSockets(uv_loop_t* loop, OnFound on_found);
  ~SpareSockets();
  SpareSockets(const SpareSockets&) = delete;
  SpareSockets& operator=(const SpareSockets&) = delete;

  /// One more at `path.local`'s IP, which sends `packet` to `path.remote` and waits for that one.
  /// Where the system refuses, or has few descriptors left, none.
  void open(const mrt::Path& path, mrt::ByteView packet);
  void close_all();

 private:
  struct Spare {
    std::unique_ptr<mrt::uv::UdpSocket> socket;
    mrt::Address awaited;
  };

  void on_ready();
  /// From whom it was waited for, where that is among what has come.
  std::optional<mrt::Path> read(Spare& spare);

  OnFound on_found_;
  std::vector<Spare> spares_;
  int epoll_ = -1;  // of all of them
  FdWatch watch_;
  mrt::uv::ReceiveBuffer buffer_;
};

}  // namespace client
