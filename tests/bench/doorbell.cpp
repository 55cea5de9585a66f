// SPDX-License-Identifier: MIT
//
// What strangers cost. The CPU time of a handshake, both sides together; then a listener with one
// member, over real sockets on loopback, while others ring: its CPU time, what the member sees of
// it, and how many bytes it answers. Everything stops by itself within a minute.
//
//   doorbell [SECONDS [CALLS_A_SECOND]]      default 10 2000
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <vector>

#include "bench/loopback.h"
#include "mrt/agreement.h"
#include "mrt/endpoint.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"
#include "mrt/wire.h"

using namespace mrt;
using namespace std::chrono_literals;
using bench::fail;
using bench::loopback_socket;

namespace {

constexpr unsigned seconds_in_all = 59;
constexpr uint64_t message_interval_ms = 10;
constexpr size_t flood_sockets = 500;  // each with an address of its own in 127.0.0.0/8
// Looked at for answers each millisecond: to ask all of them would take a core by itself.
constexpr size_t sockets_a_turn = 10;

uint64_t phase_seconds = 10;
uint64_t calls_a_second = 2'000;

EndpointConfig config_of(uint8_t identity) {
  EndpointConfig out;
  out.identity[0] = identity;
  out.network = "lab";
  out.network_key = {Access::password, {'o', 'p', 'e', 'n', ' ', 'u', 'p'}};
  return out;
}

double cpu_seconds(clockid_t clock) {
  timespec used{};
  clock_gettime(clock, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

// -- A handshake, in memory --

/// Gives to `to` all that `from` has to send; true if there was something.
bool carry(Endpoint& from, Endpoint& to, Instant now, Bytes& buffer) {
  bool any = false;
  while (from.poll_event()) {
  }
  while (const auto batch = from.poll_transmit(now, buffer)) {
    any = true;
    to.on_datagrams(now, {batch->path.remote, batch->path.local}, Ecn::not_ect, batch->segment_size,
                    MutableBytes(buffer).first(batch->size));
  }
  return any;
}

void measure_handshakes() {
  constexpr int rounds = 10;
  constexpr int calls = 100;
  Endpoint caller(config_of(1), uv::entropy_seed());
  Endpoint listener(config_of(2), uv::entropy_seed());
  Bytes buffer(batch_bytes_max);
  Instant now{1s};
  size_t open = 0;
  double total = 0;
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    double used = 0;
    for (int i = 0; i < calls; ++i) {
      // Below the pace at which cookies are asked for, and each from elsewhere.
      now += 20ms;
      const auto a = static_cast<uint8_t>(round);
      const auto b = static_cast<uint8_t>(i);
      const Path path{Address::v4(10, 1, a, b, 1), Address::v4(10, 2, a, b, 2)};
      const double start = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
      const auto id = caller.connect(now, path);
      while (carry(caller, listener, now, buffer) | carry(listener, caller, now, buffer)) {
      }
      used += cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
      open += id && caller.peer_key(*id) == listener.public_key() ? 1 : 0;
      for (const ConnectionId each : listener.connections())
        listener.close(now, each, CloseCode::none, "");
      while (carry(listener, caller, now, buffer) | carry(caller, listener, now, buffer)) {
      }
      now += 1s;
      caller.on_timeout(now);
      listener.on_timeout(now);
    }
    total += used;
    best = std::min(best, used / calls);
  }
  if (open != size_t{rounds} * calls) fail("not every handshake came to an end");
  std::printf("handshake, both sides: %.3f ms of CPU (best hundred %.3f ms), %d of them\n",
              total / (rounds * calls) * 1e3, best * 1e3, rounds * calls);
}

// -- The listener and its member --

int64_t stamp() { return to_us(uv::monotonic_now().time_since_epoch()); }

SharedBytes written(std::initializer_list<int64_t> values) {
  Builder out;
  for (const int64_t value : values) out.u64(static_cast<uint64_t>(value));
  return std::make_shared<const Bytes>(out.take());
}

int64_t read_stamp(Reader& in) { return static_cast<int64_t>(in.u64()); }

/// Answers each message with its bytes and the time at which it came. Ends with its member.
struct Listener {
  Endpoint endpoint{config_of(2), uv::entropy_seed()};
  uv::Driver<Endpoint, Listener> driver{*uv_default_loop(), endpoint, *this};
  std::optional<ConnectionId> member;
  size_t others = 0;
  bool over = false;

  void on_event(Instant now, Event& event) {
    if (const auto* connected = std::get_if<Connected>(&event)) {
      others += member ? 1 : 0;
      if (!member) member = connected->connection;
    } else if (const auto* message = std::get_if<MessageReceived>(&event)) {
      Reader in(message->bytes);
      endpoint.send_message(now, message->connection, Priority::interactive,
                            written({read_stamp(in), stamp()}));
    } else if (const auto* closed = std::get_if<Closed>(&event)) {
      over |= closed->connection == member;
    }
  }

  int run(uv::Sockets sockets) {
    driver.add(std::move(sockets));
    while (!over) uv_run(uv_default_loop(), UV_RUN_ONCE);
    return others == 0 ? 0 : 1;
  }
};

struct Member {
  Endpoint endpoint{config_of(1), uv::entropy_seed()};
  uv::Driver<Endpoint, Member> driver{*uv_default_loop(), endpoint, *this};
  uv_timer_t ticks{};
  std::optional<ConnectionId> listener;
  std::vector<int64_t> delays_us;  // one way, of both ways
  bool over = false;

  explicit Member(const Address& target) {
    driver.add(loopback_socket());
    endpoint.connect(driver.now(), {driver.sockets()[0]->local(), target});
    driver.wake();
    uv_timer_init(uv_default_loop(), &ticks);
    ticks.data = this;
    uv_timer_start(
        &ticks, [](uv_timer_t* timer) { static_cast<Member*>(timer->data)->tick(); }, 0,
        message_interval_ms);
  }

  void tick() {
    if (!listener) return;
    endpoint.send_message(driver.now(), *listener, Priority::interactive, written({stamp()}));
    driver.wake();
  }

  void on_event(Instant, Event& event) {
    if (const auto* connected = std::get_if<Connected>(&event)) {
      listener = connected->connection;
    } else if (const auto* message = std::get_if<MessageReceived>(&event)) {
      Reader in(message->bytes);
      const int64_t sent = read_stamp(in);
      const int64_t there = read_stamp(in);
      delays_us.push_back(there - sent);
      delays_us.push_back(stamp() - there);
    } else if (std::get_if<Closed>(&event) != nullptr) {
      over = true;
    }
  }

  void run_until(Instant end) {
    while (!over && uv::monotonic_now() < end) uv_run(uv_default_loop(), UV_RUN_ONCE);
    if (over) fail("the member lost its connection");
  }
};

// -- Who rings --

enum class Ring { garbage, false_senders, guessers };

struct FloodFigures {
  uint64_t sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_answered = 0;
  double worst_ratio = 0;  // of one address
};

/// Rings for phase_seconds from many addresses. Calls are made beforehand, so that their
/// arithmetic takes nothing from the listener's core.
class Flood {
 public:
  Flood(Ring kind, const Address& target) : kind_(kind), target_(target) {
    Random random(uv::entropy_seed());
    for (size_t i = 0; i < flood_sockets; ++i) {
      uv::SocketError error;
      const Address from =
          Address::v4(127, 1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 0);
      uv::SocketConfig small;
      small.receive_buffer_bytes = small.send_buffer_bytes = 16 * 1024;
      sockets_.push_back({uv::UdpSocket::open(from, small, error)});
      if (!sockets_.back()) fail(error.text);
    }
    rcons_.resize(kind == Ring::garbage ? 0 : phase_seconds * calls_a_second);
    for (size_t i = 0; i < rcons_.size(); ++i) {
      rcons_[i].scid = i + 1;
      rcons_[i].id = random.array<16>();
      rcons_[i].suites = suite_aes_128_gcm | suite_chacha20_poly1305;
      Builder parameters;
      write_parameters(parameters, {});
      rcons_[i].parameters = parameters.take();
      const Call call({Access::password, {'g', 'u', 'e', 's', 's'}}, "lab", rcons_[i], random);
    }
    garbage_.resize(packet_bytes_initial);
    random.fill(garbage_);
    garbage_[0] = static_cast<uint8_t>(LongType::rcon);  // as far as it gets: to the trailer
    garbage_[1] = wire_version;
  }

  FloodFigures run() {
    uv_timer_t timer;
    uv_timer_init(uv_default_loop(), &timer);
    uv_timer_start(
        &timer, [](uv_timer_t*) {}, 1, 1);
    const Instant start = uv::monotonic_now();
    const uint64_t wanted = phase_seconds * calls_a_second;
    uint64_t rung = 0;
    while (rung < wanted) {
      uv_run(uv_default_loop(), UV_RUN_ONCE);
      const double elapsed = to_seconds(uv::monotonic_now() - start);
      const auto due = static_cast<uint64_t>(elapsed * static_cast<double>(calls_a_second));
      for (; rung < std::min(due, wanted); ++rung) ring(rung);
      take_answers();
    }
    for (size_t turn = 0; turn < sockets_.size(); turn += sockets_a_turn) take_answers();
    FloodFigures out;
    for (const auto& socket : sockets_) {
      const uv::SocketStats& stats = socket->stats();
      out.sent += stats.datagrams_sent;
      out.bytes_sent += stats.bytes_sent;
      out.bytes_answered += stats.bytes_received;
      out.worst_ratio = std::max(out.worst_ratio,
                                 static_cast<double>(stats.bytes_received) /
                                     static_cast<double>(std::max<uint64_t>(stats.bytes_sent, 1)));
    }
    return out;
  }

 private:
  void ring(uint64_t number) {
    if (kind_ == Ring::garbage) {
      send(number, garbage_);
    } else {
      send(number, write_packet(rcons_[number]));
    }
  }

  void send(uint64_t number, ByteView packet) {
    sockets_[number % sockets_.size()]->send({{{}, target_}, packet.size(), packet.size()}, packet);
  }

  /// Guessers show the cookie that they are asked for; false senders would never see it.
  void take_answers() {
    for (size_t turn = 0; turn < sockets_a_turn; ++turn) {
      const auto& socket = sockets_[next_socket_++ % sockets_.size()];
      for (const uv::Received& received : socket->receive(buffer_)) {
        const auto cookie = read_cookie(received.bytes);
        if (kind_ != Ring::guessers || !cookie || cookie->dcid > rcons_.size()) continue;
        Rcon& rcon = rcons_[cookie->dcid - 1];
        rcon.cookie = cookie->cookie;
        send(cookie->dcid - 1, write_packet(rcon));
      }
    }
  }

  Ring kind_;
  size_t next_socket_ = 0;
  Address target_;
  uv::Sockets sockets_;
  std::vector<Rcon> rcons_;
  Bytes garbage_;
  uv::ReceiveBuffer buffer_;
};

/// In a process of its own: says when it is ready, waits for the word, tells its figures.
struct FloodProcess {
  int ours = -1;
  pid_t pid = -1;

  FloodProcess(Ring kind, const Address& target) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("socketpair");
    ours = ends[0];
    pid = fork();
    if (pid == 0) {
      alarm(seconds_in_all);
      uv_loop_fork(uv_default_loop());
      Flood flood(kind, target);
      uint8_t word = 1;
      if (write(ends[1], &word, 1) != 1 || read(ends[1], &word, 1) != 1) _exit(1);
      const FloodFigures figures = flood.run();
      _exit(write(ends[1], &figures, sizeof figures) == sizeof figures ? 0 : 1);
    }
    close(ends[1]);
    uint8_t word = 0;
    if (read(ours, &word, 1) != 1) fail("the flood did not begin");
  }

  void start() const {
    const uint8_t word = 1;
    if (write(ours, &word, 1) != 1) fail("the flood did not begin");
  }

  FloodFigures finish() const {
    FloodFigures figures;
    if (read(ours, &figures, sizeof figures) != sizeof figures) fail("the flood broke off");
    waitpid(pid, nullptr, 0);
    close(ours);
    return figures;
  }
};

double percentile_ms(std::vector<int64_t>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return static_cast<double>(values[static_cast<size_t>(share * last)]) / 1e3;
}

void measure(const char* name, Member& member, clockid_t listener, const FloodProcess* flood) {
  member.delays_us.clear();
  const double before = cpu_seconds(listener);
  const Instant start = uv::monotonic_now();
  if (flood) flood->start();
  member.run_until(start + std::chrono::seconds(phase_seconds));
  const double seconds = to_seconds(uv::monotonic_now() - start);
  const double share = (cpu_seconds(listener) - before) / seconds * 100;
  std::printf("%-14s listener %5.1f %% of a core; messages %zu, one way p50 %.3f ms, p99 %.3f ms",
              name, share, member.delays_us.size(), percentile_ms(member.delays_us, 0.5),
              percentile_ms(member.delays_us, 0.99));
  if (flood) {
    const FloodFigures figures = flood->finish();
    std::printf("; %" PRIu64 " rings, bytes answered %.3f of those sent, worst address %.3f",
                figures.sent,
                static_cast<double>(figures.bytes_answered) /
                    static_cast<double>(std::max<uint64_t>(figures.bytes_sent, 1)),
                figures.worst_ratio);
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) phase_seconds = std::strtoull(argv[1], nullptr, 10);
  if (argc > 2) calls_a_second = std::strtoull(argv[2], nullptr, 10);
  if (phase_seconds == 0 || phase_seconds > 12 || calls_a_second > 20'000) return 2;
  alarm(seconds_in_all);
  measure_handshakes();
  std::fflush(stdout);

  uv::Sockets sockets = loopback_socket();
  const Address target = sockets[0]->local();
  const pid_t child = fork();
  if (child == 0) {
    alarm(seconds_in_all);
    Listener listener;
    _exit(listener.run(std::move(sockets)));
  }
  sockets.clear();
  clockid_t clock{};
  if (clock_getcpuclockid(child, &clock) != 0) fail("no clock of another process");

  // Before this process has a loop, since the children shall not share it.
  const FloodProcess garbage(Ring::garbage, target);
  const FloodProcess false_senders(Ring::false_senders, target);
  const FloodProcess guessers(Ring::guessers, target);
  Member member(target);
  while (!member.listener) member.run_until(uv::monotonic_now() + 10ms);
  member.run_until(uv::monotonic_now() + 500ms);
  measure("quiet", member, clock, nullptr);
  measure("garbage", member, clock, &garbage);
  measure("false senders", member, clock, &false_senders);
  measure("guessers", member, clock, &guessers);

  member.endpoint.close(member.driver.now(), *member.listener, CloseCode::none, "");
  member.driver.wake();
  while (!member.over) uv_run(uv_default_loop(), UV_RUN_ONCE);
  for (int i = 0; i < 3; ++i) uv_run(uv_default_loop(), UV_RUN_NOWAIT);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::printf("a stranger got in\n");
  std::fflush(stdout);
  _exit(status == 0 ? 0 : 1);
}
