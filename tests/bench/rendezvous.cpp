// SPDX-License-Identifier: MIT
//
// What one `thuban rendezvous` carries: the real program on 127.0.0.1, asked over real UDP from
// thousands of addresses of 127.0.0.0/8. All networks register with signatures of their own, at
// the rate that the server allows, then they are looked up with cookies.
//
//   bench_rendezvous                          both, in a minute and a half
//   bench_rendezvous --test-case='a thousand*'   the small one
//   THUBAN_STORE=redis://... bench_rendezvous    two servers share that store: networks register at
//                                             one and are looked up at the other; a third comes
//                                             last
//
// 1. A registration lives for 60 s: on a host that is too busy the first end before the last have
//    come, and "found" says so.
// 2. Memory is the program's resident set, look-ups a second are by its processor time: how fast
//    this side can ask does not count.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>

#include "mrt/base/random.h"
#include "script/star.h"
#include "stun/rendezvous_key.h"

using namespace stun;
using mrt::Bytes;
using script::Clock;
using script::Seconds;

namespace {

// Below the burst of signatures that one address has (stun/callers.h).
constexpr size_t networks_per_source = 60;
// Below what the server checks in a second from all.
constexpr double registrations_per_second = 1'900;
constexpr size_t under_way_max = 256;
constexpr size_t datagram_bytes_max = 1'500;

double process_seconds(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
    FAIL("no such process");
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double resident_megabytes(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
  double pages = 0, resident = 0;
  in >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) * 1e-6;
}

/// One socket that sends from any address of 127.0.0.0/8.
class Wire {
 public:
  explicit Wire(uint16_t port) : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const int on = 1, room = 4 << 20;
    setsockopt(fd_, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) FAIL("cannot bind");
    to_.sin_family = AF_INET;
    to_.sin_port = htons(port);
    to_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  ~Wire() { close(fd_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void send(uint32_t source, const RendezvousMessage& message) {
    Bytes bytes = write_rendezvous(message);
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    msghdr header{};
    header.msg_name = &to_;
    header.msg_namelen = sizeof to_;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* const info = CMSG_FIRSTHDR(&header);
    info->cmsg_level = IPPROTO_IP;
    info->cmsg_type = IP_PKTINFO;
    info->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo from{};
    from.ipi_spec_dst.s_addr = htonl(source);
    std::memcpy(CMSG_DATA(info), &from, sizeof from);
    if (sendmsg(fd_, &header, 0) < 0) std::perror("sendmsg");
  }

  /// The next answer; nothing after `wait_ms`.
  std::optional<RendezvousMessage> receive(int wait_ms) {
    pollfd ready{fd_, POLLIN, 0};
    if (wait_ms > 0 && poll(&ready, 1, wait_ms) <= 0) return std::nullopt;
    uint8_t room[datagram_bytes_max];
    const ssize_t size = recv(fd_, room, sizeof room, MSG_DONTWAIT);
    if (size <= 0) return std::nullopt;
    return parse_rendezvous(mrt::ByteView(room).first(static_cast<size_t>(size)));
  }

 private:
  int fd_;
  sockaddr_in to_{};
};

/// Asks for all of 0 to count - 1, at most under_way_max at a time, and again what was lost.
class Round {
 public:
  Round(Wire& wire, size_t count) : wire_(wire), pending_(count, true), left_(count) {}

  /// `ask(i)` sends; `answered(i, message)` says whether that was it. An answer's transaction is i.
  template <class Ask, class Answered>
  void run(Ask ask, Answered answered, double per_second = 1e9) {
    const auto begin = Clock::now();
    size_t next = 0;
    double sent = 0;
    while (left_ > 0) {
      while (under_way_ < under_way_max && sent < 1 + script::since(begin) * per_second) {
        while (next < pending_.size() && !pending_[next]) ++next;
        if (next == pending_.size()) break;
        ask(next++);
        ++under_way_;
        ++sent;
      }
      const auto message = wire_.receive(under_way_ == 0 ? 1 : 200);
      if (!message && next == pending_.size()) {
        next = 0;  // some were lost
        under_way_ = 0;
      } else if (!message && under_way_ == under_way_max) {
        under_way_ = 0;
      }
      if (message) on_answer(*message, answered);
    }
  }

 private:
  template <class Answered>
  void on_answer(const RendezvousMessage& message, Answered answered) {
    uint64_t i = 0;
    std::visit([&](const auto& one) { i = one.transaction; }, message);
    if (under_way_ > 0) --under_way_;
    if (i >= pending_.size() || !pending_[i] || !answered(i, message)) return;
    pending_[i] = false;
    --left_;
  }

  Wire& wire_;
  std::vector<bool> pending_;
  size_t left_;
  size_t under_way_ = 0;
};

class Bench {
 public:
  Bench(size_t networks, size_t look_ups)
      : networks_(networks),
        look_ups_(look_ups),
        server_(launch(), "server", ""),
        wire_(port_of(server_)) {
    if (is_shared()) other_.emplace(launch(), "other", "");
  }

  void run() {
    const double before = resident_megabytes(server_.pid());
    const double cpu_before = process_seconds(server_.pid());
    const auto begin = Clock::now();
    register_all();
    const double seconds = script::since(begin);
    const double cpu = process_seconds(server_.pid()) - cpu_before;
    const double after = resident_megabytes(server_.pid());
    std::printf("%zu networks registered in %.0f s (%.0f us of the server's processor each)\n",
                networks_, seconds, cpu * 1e6 / static_cast<double>(networks_));
    std::printf("resident: %.1f MB before, %.1f MB with all: %.0f bytes a network\n", before, after,
                (after - before) * 1e6 / static_cast<double>(networks_));
    look_all_up(wire_, server_);
    if (is_shared()) look_elsewhere();
    server_.signal(SIGTERM);
    server_.await_end();
  }

 private:
  static bool is_shared() { return std::getenv("THUBAN_STORE") != nullptr; }
  script::Launch launch() {
    auto out = star_.launch({"rendezvous", "--bind", "127.0.0.1:0", "--json"});
    if (is_shared()) out.environment["THUBAN_STORE"] = std::getenv("THUBAN_STORE");
    return out;
  }
  static uint16_t port_of(script::Node& server) {
    server.await_event("listening");
    const std::string at = server.addr();
    return static_cast<uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
  }
  static void await_shared(script::Node& server) {
    server.await_event(
        "store", [](const script::Json& said) { return said.at("state") == "shared"; }, 0,
        Seconds(120));
  }

  void look_elsewhere() {
    std::printf("at the other server, as soon as the last has registered at the first: %.1f MB\n",
                resident_megabytes(other_->pid()));
    Wire wire(port_of(*other_));
    look_all_up(wire, *other_);
    keep_all();
    const auto begin = Clock::now();
    script::Node third(launch(), "third", "");
    await_shared(third);
    std::printf("a third has loaded all in %.1f s, with %.1f s of its processor, %.1f MB\n",
                script::since(begin), process_seconds(third.pid()),
                resident_megabytes(third.pid()));
    Wire to_third(port_of(third));
    look_all_up(to_third, third);
  }
  static uint32_t source(size_t network) {
    return 0x7f010000u + static_cast<uint32_t>(network / networks_per_source);
  }
  static RendezvousKey key(size_t network) {
    return RendezvousKey(open_rendezvous_seed(std::to_string(network)));
  }

  void fetch_cookies(Wire& wire, size_t sources) {
    cookies_.resize(sources);
    Round(wire, sources)
        .run(
            [&](size_t i) {
              wire.send(source(i * networks_per_source), Find{i, false, {}, {}, {}});
            },
            [&](size_t i, const RendezvousMessage& message) {
              const auto* given = std::get_if<CookieGiven>(&message);
              if (given != nullptr) cookies_[i] = given->cookie;
              return given != nullptr;
            });
  }

  void register_all() {
    cookies_.resize(networks_ / networks_per_source + 1);
    ids_.resize(networks_);
    Round(wire_, networks_)
        .run(
            [&](size_t i) {
              Registration one;
              one.transaction = i;
              one.cookie = cookies_[i / networks_per_source];
              one.node = {1};
              one.life_seconds = 60;
              for (uint8_t k = 0; k < 4; ++k) {
                one.told.push_back(mrt::Address::v4(10, 0, k, 1, 7700));
              }
              const RendezvousKey own = key(i);
              own.sign(one);
              ids_[i] = own.id();
              wire_.send(source(i), one);
            },
            [&](size_t i, const RendezvousMessage& message) {
              // Old or none: the next round takes this one.
              const auto* given = std::get_if<CookieGiven>(&message);
              if (given != nullptr) cookies_[i / networks_per_source] = given->cookie;
              return std::holds_alternative<Registered>(message);
            },
            registrations_per_second);
  }

  /// Else the first end while the third loads.
  void keep_all() {
    Round(wire_, networks_)
        .run(
            [&](size_t i) {
              wire_.send(source(i), Keep{i, ids_[i], {1}, false});
            },
            [&](size_t, const RendezvousMessage& message) {
              // Refused are those that have ended already.
              return !std::holds_alternative<CookieGiven>(message);
            });
  }

  void look_all_up(Wire& wire, const script::Node& server) {
    fetch_cookies(wire, networks_ / networks_per_source + 1);
    mrt::Random random(mrt::seed_from(1));
    std::vector<uint32_t> wanted(look_ups_);
    for (uint32_t& one : wanted) one = static_cast<uint32_t>(random.below(networks_));
    size_t found = 0;
    const double cpu_before = process_seconds(server.pid());
    const auto begin = Clock::now();
    Round(wire, look_ups_)
        .run(
            [&](size_t i) {
              const size_t from = i % cookies_.size();
              wire.send(source(from * networks_per_source),
                        Find{i, false, cookies_[from], ids_[wanted[i]], {}});
            },
            [&](size_t, const RendezvousMessage& message) {
              const auto* answer = std::get_if<Found>(&message);
              if (answer != nullptr) found += answer->supernodes.size();
              return answer != nullptr;
            });
    const double seconds = script::since(begin);
    const double cpu = process_seconds(server.pid()) - cpu_before;
    const auto count = static_cast<double>(look_ups_);
    std::printf("%zu look-ups, %zu found: %.1f us of the server's processor each\n", look_ups_,
                found, cpu * 1e6 / count);
    std::printf("look-ups a second: %.0f on one core, %.0f as they were asked here\n", count / cpu,
                count / seconds);
    std::fflush(stdout);
  }

  size_t networks_, look_ups_;
  script::Star star_;
  script::Node server_;
  Wire wire_;
  std::optional<script::Node> other_;
  std::vector<std::optional<RendezvousCookie>> cookies_;
  std::vector<LookUpId> ids_;
};

}  // namespace

TEST_CASE("a thousand networks") { Bench(1'000, 5'000).run(); }

TEST_CASE("a hundred thousand networks") { Bench(100'000, 200'000).run(); }
