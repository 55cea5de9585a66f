// SPDX-License-Identifier: MIT
//
// One connection to a Redis server on a libuv loop: commands go out, replies come in. hiredis
// writes and reads the protocol; the socket is libuv's. (hiredis' own asynchronous part waits for
// the resolver, tells nothing of an error that poll reports, and shows nothing of what has piled
// up.)
//
// 1. Where a reply is larger than reply_bytes_max the connection counts as lost.
// 2. on_lost is called once, and nothing after it, nor after close().
#pragma once

#include <uv.h>

#include <functional>
#include <string>

#include "mrt/base/address.h"
#include "stun/rendezvous_replica.h"

struct redisReader;

namespace stun::uv {

class RedisLine {
 public:
  // A page of keys has some 20 KB.
  static constexpr size_t reply_bytes_max = 1 << 20;

  struct Actions {
    std::function<void()> on_connected;
    std::function<void(const StoreReply&)> on_reply;
    std::function<void(const std::string& why)> on_lost;
  };

  /// Begins to connect; what is sent meanwhile waits. It is gone some turns of the loop after it
  /// was lost or close() was called, which has to be. Nothing, and `why`, where it cannot begin.
  static RedisLine* open(uv_loop_t* loop, const mrt::Address& address, Actions actions,
                         std::string& why);

  void send(const std::vector<std::string>& words);
  void close();
  /// Both ends are on one host.
  bool is_near() const;

 private:
  explicit RedisLine(Actions actions);
  ~RedisLine();

  static void on_connect(uv_connect_t* request, int error);
  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* bytes);
  static void on_written(uv_write_t* request, int error);

  void read(const char* bytes, size_t size);
  void flush();
  void lose(const std::string& why);

  Actions actions_;
  uv_tcp_t tcp_{};
  uv_connect_t connect_{};
  uv_write_t write_{};
  redisReader* reader_;
  // Bytes since the last whole reply, which hiredis' buffer does not tell: it lets go of those that
  // it has made elements of.
  size_t unfinished_ = 0;
  bool connected_ = false;
  bool writing_ = false;
  bool closed_ = false;
  std::string unsent_;  // bounded by who sends: RendezvousReplica::unanswered_max
  std::string sending_;
  std::string room_;  // for what is read
};

}  // namespace stun::uv
