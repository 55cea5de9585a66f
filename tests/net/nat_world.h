// SPDX-License-Identifier: MIT
//
// An internet of network namespaces: a switch in the middle, and around it hosts, each alone behind
// a gateway that nftables makes a NAT of one of the kinds of RFC 4787 (or on the switch itself). It
// knows nothing of what runs on the hosts. Needs root, ip and nft; nothing of it leaves the
// machine, and it is gone with its object.
#pragma once

#include <deque>
#include <string>

namespace net {

/// By what it lets in (RFC 4787, 5) unless it gives each destination a mapping of its own (4.1).
enum class Nat {
  none,             // the host has a public address
  full_cone,        // endpoint-independent filtering
  restricted,       // address-dependent
  port_restricted,  // address- and port-dependent
  symmetric,        // address- and port-dependent mapping, each to a port that is drawn
};
const char* name_of(Nat kind);

struct Host {
  std::string network;         // the path of its namespace, for setns()
  std::string address;         // its own, at eth0
  std::string public_address;  // where others see it
};

class World {
 public:
  /// Whether this process may make one, and has the tools.
  static bool is_possible();
  /// Where not, says that the test is skipped.
  static bool is_skipped();

  World();
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const Host& add(Nat kind);
  /// Of a host without a NAT: it gets that address, too, or instead of its own.
  void add_address(const Host& host, const std::string& address);
  void readdress(const Host& host, const std::string& address);
  /// Of a host with one: what it sends elsewhere than to others here is never heard of again.
  void swallow(const Host& host);
  /// Of a host with one: a mapping through which nothing goes ends after so many seconds.
  void forget_after(const Host& host, int seconds);
  /// Of a host with one: its mappings end, and who was let in is not any more.
  void forget(const Host& host);
  /// Of a host with one: its gateway has no uplink, or one again. Mappings end with it.
  void unplug(const Host& host);
  void plug(const Host& host);
  /// The same as if the gateway were switched off and on, and gave others ports from then on than
  /// those that a host has itself: some of 40000 to 49999.
  void reboot(const Host& host);

 private:
  static std::string namespace_of(const Host& host);
  static std::string gateway_of(const Host& host);
  std::string add_namespace(const std::string& name);

  std::string prefix_;  // of the namespaces' names: several tests may run at once
  std::deque<std::string> namespaces_;
  std::deque<Host> hosts_;
};

}  // namespace net
