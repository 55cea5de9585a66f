// SPDX-License-Identifier: MIT
//
// One running node: its sockets, its driver and its disk on a libuv loop. It knows nothing of
// prompts, screens or commands.
//
// 1. All of the node's events but those for the disk and the sockets go to `on_event`, in order.
// 2. close() ends everything within a moment; the object must live until it was called back.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/fd_watch.h"
#include "client/impair.h"
#include "client/spare_sockets.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/interfaces.h"
#include "node/node.h"
#include "node/uv/disk.h"

namespace client {

struct SessionConfig {
  node::NodeConfig node;       // sockets and addresses are filled in
  mrt::uv::Sockets seconds{};  // one beside each, where its NAT is looked at
  std::string downloads;
  std::optional<ImpairSpec> impair;
};

/// Where others reach sockets: of an unspecified address all of this host's, those on a
/// network before loopback. Never empty where a socket is bound: with no interface up, loopback.
std::vector<mrt::Address> reachable_addresses(const std::vector<mrt::Address>& bound,
                                              const std::vector<mrt::uv::LocalAddress>& interfaces);

class Session {
 public:
  struct Actions {
    std::function<void(const node::Event&)> on_event;
    /// A download is placed (`was_there`: nothing was written, it had been there before);
    /// it may be moved then. Its path in the end.
    std::function<std::string(const std::string& path, bool was_there)> place;
    /// The host's addresses, which the node knows by then, or its routes may have changed.
    std::function<void()> on_moved;
  };

  Session(uv_loop_t* loop, mrt::uv::Sockets sockets, SessionConfig config, Actions actions);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// After commands given to it: wake().
  node::Node& node() { return *node_; }
  const node::Node& node() const { return *node_; }
  /// The time to give to commands.
  mrt::Instant now() const { return driver_->now(); }
  void wake() { driver_->wake(); }
  /// How others on this host or LAN reach this node, the best first.
  const std::vector<mrt::Address>& addresses() const { return addresses_; }
  /// And from beyond the gateway, which leads these here.
  void set_mapped(const std::vector<mrt::Address>& mapped);

  void close(std::function<void()> done);

  /// For the driver.
  void on_event(mrt::Instant now, node::Event& event);

 private:
  using PlainDriver = mrt::uv::Driver<node::Node, Session>;
  using ImpairedDriver = mrt::uv::Driver<Impaired<node::Node>, Session>;

  void watch_addresses();
  void on_socket_request(const node::SocketRequest& request);
  void on_file_result(node::FileResult result);
  void on_part_closed();
  void tell_addresses();

  Actions actions_;
  std::vector<mrt::Address> bound_, local_, mapped_, addresses_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<Impaired<node::Node>> impaired_;
  std::unique_ptr<PlainDriver> plain_driver_;
  std::unique_ptr<ImpairedDriver> impaired_driver_;
  mrt::uv::DriverCore* driver_ = nullptr;  // one of the two
  node::uv::Disk disk_;
  int address_changes_ = -1;
  FdWatch address_watch_;
  SpareSockets spares_;
  std::function<void()> closed_;
  int parts_open_ = 2;  // driver and disk
};

}  // namespace client
