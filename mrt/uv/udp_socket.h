// SPDX-License-Identifier: MIT
//
// A non-blocking UDP socket that moves batches: UDP_SEGMENT and UDP_GRO where the kernel
// has them, sendmmsg and recvmmsg of single datagrams where it has not. It knows no loop,
// no time and nothing of what it carries.
//
// 1. Datagrams are never fragmented: DF is set, what does not fit is lost and counted.
// 2. A datagram that came to one of several local addresses is answered from that one.
// 3. A socket bound to loopback sends nothing beyond it. (To an IPv4 group it may send: from there
//    the kernel takes the loopback device, for the address is that one's.)
// 4. What ICMP says (connection refused, unreachable) is counted and ignored: it is a
//    hint that anybody can forge, never proof of death.
// 5. An IPv6 socket carries no IPv4, so 0.0.0.0 and [::] may share a port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"
#include "mrt/base/machine.h"

namespace mrt::uv {

struct SocketConfig {
  // Asked of SO_RCVBUF; the kernel cuts it to net.core.rmem_max (208 KiB unless raised).
  // 4 MiB: 1 Gb/s for 30 ms, longer than a busy process stays off its core.
  size_t receive_buffer_bytes = 4 * 1024 * 1024;
  // Asked of SO_SNDBUF. Sixteen batches on their way to the card keep it busy; more would
  // only be a queue that the pacer does not see.
  size_t send_buffer_bytes = 1024 * 1024;
  // Let the kernel cut and join batches. THUBAN_NO_GSO=1 in the environment forbids it too.
  bool segmentation = true;
  // Others on this host may bind the same: for a group that all of them hear (multicast.h).
  bool shared = false;
};

/// Why a socket could not be opened: an errno, and words for a user.
struct SocketError {
  int code = 0;
  std::string text;  // "cannot bind 127.0.0.1:7700: address already in use"
};

struct SocketStats {
  uint64_t send_calls = 0;
  uint64_t receive_calls = 0;
  uint64_t datagrams_sent = 0;
  uint64_t datagrams_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t blocked = 0;          // no room: the rest of a batch had to wait
  uint64_t lost_too_big = 0;     // EMSGSIZE: an MTU probe beyond what the link carries
  uint64_t lost_unsendable = 0;  // any other refusal: no route, firewall, no memory
  uint64_t lost_confined = 0;    // from a loopback socket to beyond (3)
  uint64_t errors_received = 0;  // ICMP (4)
};

/// A batch and its bytes. REQUIRES: bytes.size() == batch.size.
struct Outgoing {
  Transmit batch;
  ByteView bytes;
};

/// A run of datagrams from one peer as UDP_GRO delivers it: `segment_size` each, the last
/// may be shorter. `bytes` lies in the ReceiveBuffer and may be written to.
struct Received {
  Path path;
  Ecn ecn = Ecn::not_ect;
  size_t segment_size = 0;
  MutableBytes bytes;
};

/// Where receive() puts things; one serves all sockets of a loop.
class ReceiveBuffer {
 public:
  // A run is at most an IP packet of 64 KiB. Sixteen a call: chats of many peers cost few
  // calls, a bulk sender still leaves the loop to others within a millisecond.
  static constexpr size_t slots = 16;
  static constexpr size_t slot_bytes = 64 * 1024;

  ReceiveBuffer();

 private:
  friend class UdpSocket;
  std::unique_ptr<uint8_t[]> bytes_;  // untouched pages cost nothing
  std::vector<Received> received_;
};

class UdpSocket {
 public:
  /// Binds; port 0 lets the kernel choose. Nothing, and `error` says why, on refusal.
  static std::unique_ptr<UdpSocket> open(const Address& bind, const SocketConfig& config,
                                         SocketError& error);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  /// Sends a batch. Returns how many bytes from the start are done with (sent, or lost and
  /// counted). Fewer than batch.size: the kernel has no room now; when the socket is
  /// writable again, send the rest.
  /// REQUIRES: bytes.size() == batch.size, 0 < batch.segment_size, remote of our family.
  size_t send(const Transmit& batch, ByteView bytes);

  /// Sends several, as few calls to the kernel as may be. Returns how many from the start are done
  /// with. Fewer: of the next one `part` bytes are, and the kernel has no room now.
  /// REQUIRES: as send(), for each.
  size_t send_all(std::span<const Outgoing> all, size_t& part);

  /// One call to the kernel: what waits, up to ReceiveBuffer::slots runs, valid until the
  /// buffer's next use. Empty when nothing waits.
  std::span<const Received> receive(ReceiveBuffer& buffer);

  int fd() const { return fd_; }
  /// As bound, with the port that the kernel chose.
  const Address& local() const { return local_; }
  bool is_confined() const { return local_.is_loopback(); }
  bool reaches(const Address& remote) const {
    return !is_confined() || remote.is_loopback() || (remote.is_v4() && remote.is_multicast());
  }
  /// Payload that the kernel granted to hold (it keeps as much again for bookkeeping):
  /// EndpointConfig::socket_buffer_bytes.
  size_t receive_buffer_bytes() const { return receive_buffer_bytes_; }
  size_t send_buffer_bytes() const { return send_buffer_bytes_; }
  bool segments() const { return segments_; }
  bool coalesces() const { return coalesces_; }
  const SocketStats& stats() const { return stats_; }

 private:
  UdpSocket(int fd, const Address& local);
  void set_options(const SocketConfig& config);
  int send_whole(const Transmit& batch, ByteView bytes, bool pinned);
  /// One call for as many as the kernel takes; how many that were, perhaps none.
  size_t send_together(std::span<const Outgoing> all);
  bool goes_whole(const Transmit& batch) const;
  bool is_pinned(const Path& path) const;
  size_t send_singly(const Transmit& batch, ByteView bytes, bool pinned);
  void count_sent(size_t datagrams, size_t bytes);
  void count_lost(int code, size_t datagrams);

  int fd_;
  Address local_;
  bool segments_ = false;
  bool coalesces_ = false;
  size_t receive_buffer_bytes_ = 0;
  size_t send_buffer_bytes_ = 0;
  SocketStats stats_;
};

using Sockets = std::vector<std::unique_ptr<UdpSocket>>;

/// One socket for each address; those with port 0 all get the same free port. All or none.
Sockets open_sockets(std::span<const Address> binds, const SocketConfig& config,
                     SocketError& error);
/// 0.0.0.0 and [::] on one port (0: a free one); only the one that the host has.
Sockets open_unspecified(uint16_t port, const SocketConfig& config, SocketError& error);
/// For each another one at its address, with a port of its own. All or none.
Sockets open_beside(const Sockets& sockets, const SocketConfig& config, SocketError& error);
/// The smallest of theirs: for EndpointConfig::socket_buffer_bytes.
size_t receive_buffer_bytes(const Sockets& sockets);

}  // namespace mrt::uv
