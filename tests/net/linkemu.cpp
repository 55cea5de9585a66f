// SPDX-License-Identifier: MIT
//
// A small network link emulator in user space (Linux, root): two TUN devices, and what is sent
// into one comes out of the other as link_direction.h says. lossy-net puts it between two
// network namespaces. True to about 500 Mb/s.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "net/link_direction.h"

using namespace net;

namespace {

constexpr const char* usage = R"(usage: linkemu [options]
devices
  --netns-a NAME, --netns-b NAME   create the TUN device of that end inside this
                                   namespace ("ip netns add NAME"); default: current
  --dev-a NAME, --dev-b NAME       device names            (emuA, emuB)
  --addr-a IP, --addr-b IP         IPv4 address, /24       (none)
  --mtu N                          device MTU              (1500)
link; plain options set both directions, --ab-X and --ba-X only one of them
  --delay T          one-way delay: 10ms, 500us, 1s        (0)
  --jitter T         uniform 0..T on top, order kept       (0)
  --rate R           bit/s: 100m, 20m, 1g; 0: unlimited    (0)
  --queue S          bytes: 250k, 1m; 0: one round-trip BDP, at least 30k (0)
  --burst S          token bucket depth in bytes           (0)
  --overhead N       extra bytes charged per packet        (0)
  --loss P           independent loss, percent             (0)
  --ge P:R[:B[:G]]   Gilbert-Elliott loss, percent: good->bad P, bad->good R,
                     loss in bad B (100), loss in good G (0)
  --reorder P        percent of packets held back by --reorder-by (0)
  --reorder-by T     how long                              (5ms)
  --duplicate P      percent sent twice                    (0)
  --corrupt P        percent with one bit turned over behind the IP header (0)
  --corrupt-deep     also zero the IPv4 UDP checksum, so that the damaged
                     payload reaches the application
run
  --seed N           (1)      --duration SECONDS   stop by itself
  --no-rt            do not ask for real-time scheduling
Prints "ready" once both devices are up, and one JSON line of counters per
direction at the end (SIGINT, SIGTERM or --duration).
)";

[[noreturn]] void die(const std::string& what, bool with_errno = false) {
  std::fprintf(stderr, "linkemu: %s%s%s\n", what.c_str(), with_errno ? ": " : "",
               with_errno ? std::strerror(errno) : "");
  std::exit(2);
}

struct Unit {
  const char* suffix;
  double factor;
};

double parse_unit(const std::string& text, std::initializer_list<Unit> units) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  for (const Unit& unit : units) {
    if (strcasecmp(end, unit.suffix) == 0 && end != text.c_str() && value >= 0) {
      return value * unit.factor;
    }
  }
  die("bad value '" + text + "'");
}
Nanoseconds parse_time(const std::string& text) {
  const double ns = parse_unit(text, {{"ms", 1e6}, {"us", 1e3}, {"s", 1e9}, {"", 1e6}});
  return static_cast<Nanoseconds>(ns);
}
double parse_amount(const std::string& text) {
  return parse_unit(
      text,
      {{"", 1}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}});
}
double parse_percent(const std::string& text) {
  return parse_unit(text, {{"", 0.01}, {"%", 0.01}});
}

struct End {
  std::string netns, device, address;
};

struct Options {
  LinkOptions ab, ba;
  End a{"", "emuA", ""}, b{"", "emuB", ""};
  size_t mtu = 1500;
  uint64_t seed = 1;
  double duration_seconds = 0;
  bool real_time = true;
};

/// Of one direction. False where there is no such option.
bool set_link(LinkOptions& link, const std::string& option, const std::string& value) {
  if (option == "--delay")
    link.delay = parse_time(value);
  else if (option == "--jitter")
    link.jitter = parse_time(value);
  else if (option == "--reorder-by")
    link.reorder_by = parse_time(value);
  else if (option == "--rate")
    link.rate_bits = parse_amount(value);
  else if (option == "--queue")
    link.queue_bytes = parse_amount(value);
  else if (option == "--burst")
    link.burst_bytes = parse_amount(value);
  else if (option == "--overhead")
    link.overhead = parse_amount(value);
  else if (option == "--loss")
    link.loss = parse_percent(value);
  else if (option == "--reorder")
    link.reorder = parse_percent(value);
  else if (option == "--duplicate")
    link.duplicate = parse_percent(value);
  else if (option == "--corrupt")
    link.corrupt = parse_percent(value);
  else if (option == "--ge") {
    double percent[4] = {0, 0, 100, 0};
    if (std::sscanf(value.c_str(), "%lf:%lf:%lf:%lf", &percent[0], &percent[1], &percent[2],
                    &percent[3]) < 2) {
      die("bad --ge " + value);
    }
    link.to_bad = percent[0] / 100;
    link.to_good = percent[1] / 100;
    link.loss_bad = percent[2] / 100;
    link.loss_good = percent[3] / 100;
  } else {
    return false;
  }
  return true;
}

bool set_device(Options& options, const std::string& option, const std::string& value) {
  if (option == "--netns-a")
    options.a.netns = value;
  else if (option == "--netns-b")
    options.b.netns = value;
  else if (option == "--dev-a")
    options.a.device = value;
  else if (option == "--dev-b")
    options.b.device = value;
  else if (option == "--addr-a")
    options.a.address = value;
  else if (option == "--addr-b")
    options.b.address = value;
  else if (option == "--mtu")
    options.mtu = std::clamp<size_t>(std::strtoul(value.c_str(), nullptr, 10), 68, 65'535);
  else if (option == "--seed")
    options.seed = std::strtoull(value.c_str(), nullptr, 0);
  else if (option == "--duration")
    options.duration_seconds = std::atof(value.c_str());
  else
    return false;
  return true;
}

Options parse(int argc, char** argv) {
  Options out;
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i];
    if (option == "-h" || option == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    }
    if (option == "--no-rt") {
      out.real_time = false;
      continue;
    }
    std::vector<LinkOptions*> directions = {&out.ab, &out.ba};
    if (option.starts_with("--ab-") || option.starts_with("--ba-")) {
      directions = {option[2] == 'a' ? &out.ab : &out.ba};
      option.erase(2, 3);
    }
    if (option == "--corrupt-deep") {
      for (LinkOptions* link : directions) link->corrupt_deep = true;
      continue;
    }
    if (i + 1 >= argc) die("missing value for " + option + " (see --help)");
    const std::string value = argv[++i];
    bool known = set_device(out, option, value);
    if (!known) {
      for (LinkOptions* link : directions) known = set_link(*link, option, value);
    }
    if (!known) die("unknown option " + option + " (see --help)");
  }
  const double round_trip = static_cast<double>(out.ab.delay + out.ba.delay) / 1e9;
  for (LinkOptions* link : {&out.ab, &out.ba}) {
    if (link->queue_bytes == 0)
      link->queue_bytes = std::max(30e3, link->rate_bits / 8 * round_trip);
  }
  return out;
}

void set_up(int control, const End& end, ifreq& request, size_t mtu) {
  const auto set = [&](unsigned long what, const char* name) {
    if (ioctl(control, what, &request) != 0) die(end.device + ": " + name, true);
  };
  request.ifr_mtu = static_cast<int>(mtu);
  set(SIOCSIFMTU, "mtu");
  request.ifr_qlen = 4096;  // the emulated queue is ours; this one must never overflow
  set(SIOCSIFTXQLEN, "txqueuelen");
  if (!end.address.empty()) {
    auto* const address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    std::memset(&request.ifr_addr, 0, sizeof(request.ifr_addr));
    address->sin_family = AF_INET;
    if (inet_pton(AF_INET, end.address.c_str(), &address->sin_addr) != 1) {
      die("bad address " + end.address);
    }
    set(SIOCSIFADDR, "address");
    address->sin_addr.s_addr = htonl(0xffffff00);
    set(SIOCSIFNETMASK, "netmask");
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  set(SIOCSIFFLAGS, "up");
}

/// Opens a TUN device inside the wanted namespace. The descriptor works from any namespace, so
/// this process returns to its own one.
int open_tun(const End& end, size_t mtu) {
  const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (!end.netns.empty()) {
    const int netns = open(("/var/run/netns/" + end.netns).c_str(), O_RDONLY | O_CLOEXEC);
    if (netns < 0 || setns(netns, CLONE_NEWNET) != 0) die("namespace " + end.netns, true);
    close(netns);
  }
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  end.device.copy(request.ifr_name, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
    die("cannot create TUN device " + end.device, true);
  }
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  set_up(control, end, request, mtu);
  close(control);
  if (!end.netns.empty() && setns(home, CLONE_NEWNET) != 0) die("cannot return home", true);
  close(home);
  return fd;
}

volatile sig_atomic_t stopped = 0;

void forward(Direction& there, Direction& back, int fd_a, int fd_b, double duration_seconds) {
  sigset_t block, during;  // signals come only inside ppoll(): none is missed
  sigemptyset(&block);
  sigaddset(&block, SIGINT);
  sigaddset(&block, SIGTERM);
  sigprocmask(SIG_BLOCK, &block, &during);
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigdelset(&during, SIGINT);
  sigdelset(&during, SIGTERM);
  std::puts("ready");
  std::fflush(stdout);

  const Nanoseconds end =
      duration_seconds > 0 ? now() + static_cast<Nanoseconds>(duration_seconds * 1e9) : never;
  pollfd watched[2] = {{fd_a, POLLIN, 0}, {fd_b, POLLIN, 0}};
  while (stopped == 0 && now() < end) {
    bool busy = there.receive();
    busy |= back.receive();
    const Nanoseconds next = std::min({there.deliver(), back.deliver(), end});
    const Nanoseconds wait = busy ? 0 : std::clamp<Nanoseconds>(next - now(), 0, 1'000'000'000);
    const timespec limit{wait / 1'000'000'000, wait % 1'000'000'000};
    ppoll(watched, 2, &limit, &during);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const int fd_a = open_tun(options.a, options.mtu), fd_b = open_tun(options.b, options.mtu);
  Direction there("ab", fd_a, fd_b, options.ab, options.mtu, options.seed);
  Direction back("ba", fd_b, fd_a, options.ba, options.mtu, options.seed ^ 0x5bd1e995);
  prctl(PR_SET_TIMERSLACK, 1UL);  // woken when asked, not some time later
  sched_param priority{};
  priority.sched_priority = 10;
  if (options.real_time && sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
    std::fprintf(stderr, "linkemu: no real-time scheduling\n");
  }
  forward(there, back, fd_a, fd_b, options.duration_seconds);
  there.print_counters();
  back.print_counters();
  return 0;
}
