// SPDX-License-Identifier: MIT
#include "mrt/uv/udp_socket.h"

#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "mrt/base/check.h"
#include "mrt/uv/sockaddr.h"

namespace mrt::uv {
namespace {

/// Batches in one call: what they are told with lies on the stack, a quarter of a KB each.
constexpr size_t together_max = 32;

/// Room for a packet info, a traffic class and a segment size: 88 bytes with IPv6.
struct ControlSpace {
  alignas(cmsghdr) char bytes[128];
};

/// What is told to the kernel beside the bytes of a message.
class Control {
 public:
  template <class T>
  void add(int level, int type, const T& value) {
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof value);
    header.cmsg_level = level;
    header.cmsg_type = type;
    CHECK(size_ + CMSG_SPACE(sizeof value) <= sizeof space_.bytes);
    std::memcpy(space_.bytes + size_, &header, sizeof header);
    std::memcpy(space_.bytes + size_ + CMSG_LEN(0), &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
  }
  void attach(msghdr& message) {
    message.msg_control = size_ == 0 ? nullptr : space_.bytes;
    message.msg_controllen = size_;
  }

 private:
  ControlSpace space_{};
  size_t size_ = 0;
};

template <class T>
T control_value(cmsghdr* header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

bool set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/// Returns the payload that was granted: the kernel doubles what is asked for, to have as
/// much again for its bookkeeping, and reports the double (socket(7)).
size_t grow_buffer(int fd, int name, size_t wanted) {
  set_option(fd, SOL_SOCKET, name, static_cast<int>(wanted));
  int granted = 0;
  socklen_t size = sizeof granted;
  getsockopt(fd, SOL_SOCKET, name, &granted, &size);
  return static_cast<size_t>(granted) / 2;
}

bool segmentation_forbidden() {
  const char* value = std::getenv("THUBAN_NO_GSO");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

/// What accompanies each datagram of a batch: where from and how marked.
Control control_for(const Transmit& batch, bool pinned) {
  Control control;
  const bool four = batch.path.remote.is_v4();
  if (pinned && four) {
    in_pktinfo source{};
    source.ipi_spec_dst = to_in_addr(batch.path.local);
    control.add(IPPROTO_IP, IP_PKTINFO, source);
  } else if (pinned) {
    in6_pktinfo source{};
    source.ipi6_addr = to_in6_addr(batch.path.local);
    control.add(IPPROTO_IPV6, IPV6_PKTINFO, source);
  }
  if (batch.ecn != Ecn::not_ect) {
    const int mark = static_cast<int>(batch.ecn);
    four ? control.add(IPPROTO_IP, IP_TOS, mark) : control.add(IPPROTO_IPV6, IPV6_TCLASS, mark);
  }
  return control;
}

/// What the kernel says about a run of datagrams beside its bytes.
void read_control(msghdr& message, Received& run) {
  for (cmsghdr* it = CMSG_FIRSTHDR(&message); it != nullptr; it = CMSG_NXTHDR(&message, it)) {
    const auto kind = std::pair(it->cmsg_level, it->cmsg_type);
    if (kind == std::pair<int, int>(IPPROTO_UDP, UDP_GRO)) {
      run.segment_size = static_cast<size_t>(control_value<int>(it));
    } else if (kind == std::pair<int, int>(IPPROTO_IP, IP_TOS)) {
      run.ecn = static_cast<Ecn>(control_value<uint8_t>(it) & 3);
    } else if (kind == std::pair<int, int>(IPPROTO_IPV6, IPV6_TCLASS)) {
      run.ecn = static_cast<Ecn>(control_value<int>(it) & 3);
    } else if (kind == std::pair<int, int>(IPPROTO_IP, IP_PKTINFO)) {
      // Not ipi_addr: for what came by broadcast or multicast this is an address of ours.
      const in_addr local = control_value<in_pktinfo>(it).ipi_spec_dst;
      run.path.local = from_in_addr(local, run.path.local.port);
    } else if (kind == std::pair<int, int>(IPPROTO_IPV6, IPV6_PKTINFO)) {
      const in6_addr local = control_value<in6_pktinfo>(it).ipi6_addr;
      run.path.local = from_in6_addr(local, run.path.local.port);
    }
  }
}

size_t datagram_count(size_t bytes, size_t segment_size) {
  return (bytes + segment_size - 1) / segment_size;
}

/// What IP_PKTINFO with an address that is no longer ours brings, by family and kernel.
bool says_source_is_gone(int code) {
  return code == EINVAL || code == ENETUNREACH || code == EADDRNOTAVAIL;
}

SocketError error_here(const std::string& what) {
  const int code = errno;
  std::string reason = std::strerror(code);
  reason.front() = static_cast<char>(std::tolower(reason.front()));
  return {code, what + ": " + reason};
}

}  // namespace

ReceiveBuffer::ReceiveBuffer()
    : bytes_(std::make_unique_for_overwrite<uint8_t[]>(slots * slot_bytes)) {
  received_.reserve(slots);
}

std::unique_ptr<UdpSocket> UdpSocket::open(const Address& bind_to, const SocketConfig& config,
                                           SocketError& error) {
  const int family = bind_to.is_v4() ? AF_INET : AF_INET6;
  const int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) {
    error = error_here("cannot open a socket for " + bind_to.to_string());
    return nullptr;
  }
  std::unique_ptr<UdpSocket> out(new UdpSocket(fd, bind_to));
  if (family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (config.shared) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  SocketAddress name = to_sockaddr(bind_to);
  auto* const raw = reinterpret_cast<sockaddr*>(&name.storage);
  if (bind(fd, raw, name.size) != 0 || getsockname(fd, raw, &name.size) != 0) {
    error = error_here("cannot bind " + bind_to.to_string());
    return nullptr;
  }
  out->local_ = from_sockaddr(raw);
  out->set_options(config);
  return out;
}

UdpSocket::UdpSocket(int fd, const Address& local) : fd_(fd), local_(local) {}

UdpSocket::~UdpSocket() { close(fd_); }

/// Where the kernel lacks one of these, things go slower or less is known; nothing breaks.
void UdpSocket::set_options(const SocketConfig& config) {
  receive_buffer_bytes_ = grow_buffer(fd_, SO_RCVBUF, config.receive_buffer_bytes);
  send_buffer_bytes_ = grow_buffer(fd_, SO_SNDBUF, config.send_buffer_bytes);
  // PROBE sets DF and leaves path MTU discovery to us (RFC 8899): what the kernel heard by
  // ICMP, which anybody can forge, does not count.
  if (local_.is_v4()) {
    set_option(fd_, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    set_option(fd_, IPPROTO_IP, IP_RECVTOS, 1);
    set_option(fd_, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    set_option(fd_, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    set_option(fd_, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set_option(fd_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
  if (!config.segmentation || segmentation_forbidden()) return;
  coalesces_ = set_option(fd_, IPPROTO_UDP, UDP_GRO, 1);
  // Zero changes nothing; it only asks whether the kernel knows the option.
  segments_ = set_option(fd_, IPPROTO_UDP, UDP_SEGMENT, 0);
}

size_t UdpSocket::send(const Transmit& batch, ByteView bytes) {
  CHECK(bytes.size() == batch.size && batch.segment_size > 0);
  CHECK(batch.path.remote.is_v4() == local_.is_v4());
  const size_t datagrams = datagram_count(batch.size, batch.segment_size);
  if (!reaches(batch.path.remote)) {
    stats_.lost_confined += datagrams;
    return batch.size;
  }
  bool pinned = is_pinned(batch.path);
  if (datagrams > 1 && !segments_) return send_singly(batch, bytes, pinned);

  int code = send_whole(batch, bytes, pinned);
  if (pinned && says_source_is_gone(code)) {
    // The address is no longer ours: the host has moved. Let the kernel choose; the peer
    // sees a new address and validates it.
    pinned = false;
    code = send_whole(batch, bytes, pinned);
  }
  if (code == EAGAIN) {
    ++stats_.blocked;
    return 0;
  }
  if (datagrams > 1 && (code == EINVAL || code == EIO)) {
    // EIO: this route's device cannot check-sum segments. EINVAL: that too, or on older
    // kernels a segment beyond the MTU. Which, single datagrams show.
    const uint64_t sent_before = stats_.datagrams_sent;
    const size_t done = send_singly(batch, bytes, pinned);
    if (stats_.datagrams_sent - sent_before == datagrams) segments_ = false;
    return done;
  }
  code == 0 ? count_sent(datagrams, batch.size) : count_lost(code, datagrams);
  return batch.size;
}

/// The socket answers from several addresses, and this one is to be the source.
bool UdpSocket::is_pinned(const Path& path) const {
  return local_.is_unspecified() && !path.local.is_unspecified() &&
         path.local.is_v4() == local_.is_v4();
}

/// One message to the kernel, and nothing beside it that has to be counted.
bool UdpSocket::goes_whole(const Transmit& batch) const {
  return (segments_ || batch.size <= batch.segment_size) && reaches(batch.path.remote);
}

size_t UdpSocket::send_all(std::span<const Outgoing> all, size_t& part) {
  size_t done = 0;
  part = 0;
  while (done < all.size()) {
    const size_t together = all.size() - done > 1 ? send_together(all.subspan(done)) : 0;
    done += together;
    if (together == together_max || done == all.size()) continue;
    // Where it stopped, one call by itself tells why.
    const Outgoing& next = all[done];
    part = send(next.batch, next.bytes);
    if (part < next.batch.size) break;
    part = 0;
    ++done;
  }
  return done;
}

size_t UdpSocket::send_together(std::span<const Outgoing> all) {
  std::array<SocketAddress, together_max> names;
  std::array<Control, together_max> controls;
  std::array<iovec, together_max> pieces;
  std::array<mmsghdr, together_max> messages;
  unsigned count = 0;
  for (; count < std::min(all.size(), together_max) && goes_whole(all[count].batch); ++count) {
    const auto& [batch, bytes] = all[count];
    CHECK(bytes.size() == batch.size && batch.path.remote.is_v4() == local_.is_v4());
    names[count] = to_sockaddr(batch.path.remote);
    controls[count] = control_for(batch, is_pinned(batch.path));
    if (batch.size > batch.segment_size)
      controls[count].add(IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(batch.segment_size));
    pieces[count] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
    messages[count] = {};
    msghdr& message = messages[count].msg_hdr;
    message.msg_name = &names[count].storage;
    message.msg_namelen = names[count].size;
    message.msg_iov = &pieces[count];
    message.msg_iovlen = 1;
    controls[count].attach(message);
  }
  if (count < 2) return 0;
  ++stats_.send_calls;
  const int sent = sendmmsg(fd_, messages.data(), count, 0);
  for (int i = 0; i < sent; ++i) {
    const Transmit& batch = all[static_cast<size_t>(i)].batch;
    count_sent(datagram_count(batch.size, batch.segment_size), batch.size);
  }
  return static_cast<size_t>(std::max(sent, 0));
}

/// One call for the whole batch. Returns 0 or an errno.
int UdpSocket::send_whole(const Transmit& batch, ByteView bytes, bool pinned) {
  SocketAddress to = to_sockaddr(batch.path.remote);
  Control control = control_for(batch, pinned);
  if (batch.size > batch.segment_size) {
    control.add(IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(batch.segment_size));
  }
  // The kernel does not write to what it sends; iovec has no const form.
  iovec piece{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = &to.storage;
  message.msg_namelen = to.size;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  control.attach(message);
  ssize_t result = 0;
  do {
    ++stats_.send_calls;
    result = sendmsg(fd_, &message, 0);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}

size_t UdpSocket::send_singly(const Transmit& batch, ByteView bytes, bool pinned) {
  SocketAddress to = to_sockaddr(batch.path.remote);
  Control control = control_for(batch, pinned);
  std::array<iovec, batch_segments_max> pieces{};
  std::array<mmsghdr, batch_segments_max> messages{};
  size_t done = 0;
  while (done < bytes.size()) {
    unsigned count = 0;
    for (size_t at = done; at < bytes.size() && count < messages.size(); ++count) {
      const ByteView one = bytes.subspan(at, std::min(batch.segment_size, bytes.size() - at));
      pieces[count] = {const_cast<uint8_t*>(one.data()), one.size()};
      msghdr& message = messages[count].msg_hdr;
      message.msg_name = &to.storage;
      message.msg_namelen = to.size;
      message.msg_iov = &pieces[count];
      message.msg_iovlen = 1;
      control.attach(message);
      at += one.size();
    }
    ++stats_.send_calls;
    const int sent = sendmmsg(fd_, messages.data(), count, 0);
    if (sent > 0) {
      const size_t size =
          std::min(bytes.size() - done, static_cast<size_t>(sent) * batch.segment_size);
      count_sent(static_cast<size_t>(sent), size);
      done += size;
    } else if (errno == EAGAIN) {
      ++stats_.blocked;
      break;
    } else if (pinned && says_source_is_gone(errno)) {
      pinned = false;
      control = control_for(batch, pinned);
    } else if (errno != EINTR) {
      count_lost(errno, 1);
      done += pieces[0].iov_len;
    }
  }
  return done;
}

std::span<const Received> UdpSocket::receive(ReceiveBuffer& buffer) {
  constexpr size_t slots = ReceiveBuffer::slots;
  std::array<sockaddr_in6, slots> names;
  std::array<ControlSpace, slots> controls;
  std::array<iovec, slots> pieces;
  std::array<mmsghdr, slots> messages{};
  for (size_t i = 0; i < slots; ++i) {
    pieces[i] = {buffer.bytes_.get() + i * ReceiveBuffer::slot_bytes, ReceiveBuffer::slot_bytes};
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_namelen = sizeof names[i];
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = controls[i].bytes;
    messages[i].msg_hdr.msg_controllen = sizeof controls[i].bytes;
  }
  buffer.received_.clear();
  ++stats_.receive_calls;
  const int count = recvmmsg(fd_, messages.data(), slots, 0, nullptr);
  if (count < 0 && errno != EAGAIN && errno != EINTR) ++stats_.errors_received;
  for (int i = 0; i < count; ++i) {
    mmsghdr& message = messages[static_cast<size_t>(i)];
    // An empty datagram carries nothing for anybody; a cut one cannot be told from forged.
    if (message.msg_len == 0 || (message.msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
    Received run;
    run.path.local = local_;
    run.path.remote = from_sockaddr(static_cast<const sockaddr*>(message.msg_hdr.msg_name));
    run.segment_size = message.msg_len;
    run.bytes = {static_cast<uint8_t*>(message.msg_hdr.msg_iov->iov_base), message.msg_len};
    read_control(message.msg_hdr, run);
    stats_.datagrams_received += datagram_count(run.bytes.size(), run.segment_size);
    stats_.bytes_received += run.bytes.size();
    buffer.received_.push_back(run);
  }
  return buffer.received_;
}

void UdpSocket::count_sent(size_t datagrams, size_t bytes) {
  stats_.datagrams_sent += datagrams;
  stats_.bytes_sent += bytes;
}

void UdpSocket::count_lost(int code, size_t datagrams) {
  (code == EMSGSIZE ? stats_.lost_too_big : stats_.lost_unsendable) += datagrams;
}

/// All that want "a free port" get `port`; where it is 0, the one that the first is given.
static Sockets open_on_port(std::span<const Address> binds, uint16_t port,
                            const SocketConfig& config, SocketError& error) {
  Sockets out;
  for (Address address : binds) {
    const bool any = address.port == 0;
    if (any) address.port = port;
    auto socket = UdpSocket::open(address, config, error);
    if (!socket) return {};
    if (any) port = socket->local().port;
    out.push_back(std::move(socket));
  }
  return out;
}

Sockets open_sockets(std::span<const Address> binds, const SocketConfig& config,
                     SocketError& error) {
  const bool any = std::any_of(binds.begin(), binds.end(),
                               [](const Address& address) { return address.port == 0; });
  // What is free for one address may be taken for the next. With 28,000 ports to choose
  // from, sixteen tries fail together only on a host that has hardly any left.
  for (int tries_left = any ? 16 : 1;; --tries_left) {
    Sockets out = open_on_port(binds, 0, config, error);
    if (!out.empty() || tries_left == 1 || error.code != EADDRINUSE) return out;
  }
}

Sockets open_unspecified(uint16_t port, const SocketConfig& config, SocketError& error) {
  const Address four = Address::v4(0, 0, 0, 0, port);
  Address six;
  six.port = port;
  const Address both[] = {four, six};
  Sockets out = open_sockets(both, config, error);
  const bool lacks_one = error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL;
  for (size_t i = 0; i < 2 && out.empty() && lacks_one; ++i) {
    out = open_sockets(std::span(both).subspan(i, 1), config, error);
  }
  return out;
}

Sockets open_beside(const Sockets& sockets, const SocketConfig& config, SocketError& error) {
  Sockets out;
  for (const auto& socket : sockets) {
    auto second = UdpSocket::open({socket->local().ip, 0}, config, error);
    if (!second) return {};
    out.push_back(std::move(second));
  }
  return out;
}

size_t receive_buffer_bytes(const Sockets& sockets) {
  size_t least = SIZE_MAX;
  for (const auto& socket : sockets) least = std::min(least, socket->receive_buffer_bytes());
  return least;
}

}  // namespace mrt::uv
