// SPDX-License-Identifier: MIT
#include "mrt/uv/driver.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "mrt/base/check.h"
#include "mrt/uv/clock.h"

namespace mrt::uv {

/// How long a batch waits for room. A card drains its queue within that; what stands longer
/// (a neighbour that does not answer ARP holds a socket's memory for three seconds) is
/// given up as lost, for meanwhile no other path is served. Below the shortest keep-alive
/// interval (100 ms), so that our own card never looks like a peer's death.
static constexpr Duration blocked_max = std::chrono::milliseconds(50);

/// Batches wait for each other, to go in one call, until there are so many, or so many bytes: a
/// large one goes at once.
static constexpr size_t queued_max = 32;
static constexpr size_t queued_bytes_max = 32 * 1024;

/// While a socket rests a quarter of its buffer may fill, at the pace of the last reading: small
/// datagrams take up twice their size, and a rest may end late. Shorter ones than this save
/// nothing.
static constexpr int64_t rest_share = 4;
static constexpr Duration rest_least = std::chrono::microseconds(100);

/// A timer that fires within this and would find nothing to do is set anew: a wake-up costs some
/// ten times the call. Acknowledgements of a stream come about as often.
static constexpr Duration fires_soon = std::chrono::milliseconds(2);

/// What came during a rest is read by so many calls at most: 128 datagrams that the kernel did not
/// join, 1.5 ms of 1 Gb/s. What is more is read in the next turns, and no rest begins before.
static constexpr int reads_max = 8;

/// pump() sends sixteen batches; closing thousands of connections takes one each.
static constexpr int last_pumps_max = 512;

struct DriverCore::State {
  /// A socket in the loop.
  struct Watch {
    uv_poll_t poll;
    State* state;
    UdpSocket* socket;
    bool resting = false;  // not polled for, until rested_at
    Instant read_at = monotonic_now();
  };

  State(DriverCore& driver, uv_loop_t& driver_loop);
  ~State();

  void watch(UdpSocket& socket);
  void poll_for(Watch& watch, int events);
  void on_ready(Watch& watch, int status, int events);
  void on_timer();
  void pump();
  void read(Watch& watch);
  void rest_or_poll(Watch& watch, Instant now, size_t bytes, bool read_all);
  void read_after_rest();
  void schedule(Instant next);
  void arm(Instant deadline);
  Watch* watch_for(const Path& path) const;
  MutableBytes room();
  void send(const Transmit& batch);
  void flush();
  void give_up_first();
  void drop_unwanted();
  void drop(Watch& watch);
  void go_on_soon();
  void finish();
  void on_handle_closed();

  DriverCore& core;
  uv_loop_t& loop;
  Sockets sockets;
  std::vector<std::unique_ptr<Watch>> watches;  // a handle must not move
  int timer_fd;
  uv_poll_t timer_poll{};
  uv_idle_t soon{};  // runs in the next turn of the loop, which then does not wait
  size_t handles_open = 0;
  Instant armed = never;  // when the timer fires next
  ReceiveBuffer receive_buffer;
  std::vector<uint8_t> send_buffer = std::vector<uint8_t>(queued_bytes_max + batch_bytes_max);
  // What goes with the next flush(), or waits since the kernel had no room: from first_unsent on.
  std::vector<Outgoing> queue;
  std::vector<Watch*> queued_for;  // the socket of each
  size_t first_unsent = 0;
  size_t queued_bytes = 0;  // of send_buffer
  Watch* blocked_on = nullptr;
  Instant blocked_until = never;
  Instant rested_at = never;
  std::vector<Address> unwanted;  // sockets to be closed
  DriverStats stats;
  bool pumping = false;
  bool closing = false;
  bool closed = false;
  std::function<void()> on_closed;
};

DriverCore::State::State(DriverCore& driver, uv_loop_t& driver_loop)
    : core(driver),
      loop(driver_loop),
      timer_fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  CHECK(timer_fd >= 0);
  CHECK(uv_poll_init(&loop, &timer_poll, timer_fd) == 0);
  CHECK(uv_idle_init(&loop, &soon) == 0);
  handles_open = 2;
  timer_poll.data = this;
  soon.data = this;
  const auto on_fired = [](uv_poll_t* poll, int, int) {
    static_cast<State*>(poll->data)->on_timer();
  };
  CHECK(uv_poll_start(&timer_poll, UV_READABLE, on_fired) == 0);
}

DriverCore::State::~State() {
  CHECK(closed);
  ::close(timer_fd);
}

void DriverCore::State::watch(UdpSocket& socket) {
  auto watch = std::make_unique<Watch>();
  watch->state = this;
  watch->socket = &socket;
  watch->poll.data = watch.get();
  CHECK(uv_poll_init(&loop, &watch->poll, socket.fd()) == 0);
  ++handles_open;
  poll_for(*watch, UV_READABLE);
  watches.push_back(std::move(watch));
}

void DriverCore::State::poll_for(Watch& watch, int events) {
  const auto on_event = [](uv_poll_t* poll, int status, int ready) {
    auto* const one = static_cast<Watch*>(poll->data);
    one->state->on_ready(*one, status, ready);
  };
  CHECK(uv_poll_start(&watch.poll, events, on_event) == 0);
  watch.resting = false;
}

void DriverCore::State::on_ready(Watch& watch, int status, int events) {
  const bool blocked = blocked_on == &watch;
  if (status < 0) {
    // A socket error (ICMP). libuv has stopped polling; receive() takes the error away.
    events = UV_READABLE;
    poll_for(watch, blocked ? UV_READABLE | UV_WRITABLE : UV_READABLE);
  }
  if (blocked && (events & UV_WRITABLE) != 0) {
    flush();
    if (blocked_on != &watch) poll_for(watch, UV_READABLE);
  }
  if ((events & UV_READABLE) != 0) read(watch);
  pump();
}

void DriverCore::State::read(Watch& watch) {
  bool read_all = false;
  size_t bytes = 0;
  Instant now{};
  for (int reads = watch.resting ? reads_max : 1; reads > 0 && !read_all; --reads) {
    const auto runs = watch.socket->receive(receive_buffer);
    now = monotonic_now();
    for (const Received& run : runs) {
      bytes += run.bytes.size();
      core.deliver(now, run);
    }
    read_all = runs.size() < ReceiveBuffer::slots;
  }
  rest_or_poll(watch, now, bytes, read_all);
}

/// Who rests again and again is not polled for in between, which saves two system calls each time.
void DriverCore::State::rest_or_poll(Watch& watch, Instant now, size_t bytes, bool read_all) {
  Duration patience = core.take_patience();
  const Duration since = std::min<Duration>(now - watch.read_at, std::chrono::seconds(1));
  watch.read_at = now;
  const auto room = static_cast<int64_t>(watch.socket->receive_buffer_bytes()) / rest_share;
  if (bytes > 0) patience = std::min(patience, since * room / static_cast<int64_t>(bytes));
  const bool rests = read_all && patience >= rest_least && blocked_on != &watch && !closing;
  if (!rests) {
    if (watch.resting) poll_for(watch, UV_READABLE);
    return;
  }
  if (!watch.resting) uv_poll_stop(&watch.poll);
  watch.resting = true;
  rested_at = std::min(rested_at, monotonic_now() + patience);
}

void DriverCore::State::read_after_rest() {
  rested_at = never;
  bool pumped = false;
  for (const auto& watch : watches) {
    // One that waits for room is polled for; and what was read may have ended it all.
    if (!watch->resting || closed) continue;
    on_ready(*watch, 0, UV_READABLE);
    pumped = true;
  }
  if (!pumped) pump();
}

void DriverCore::State::on_timer() {
  armed = never;
  ++stats.timer_fires;
  if (blocked_on != nullptr && blocked_until <= monotonic_now()) give_up_first();
  if (rested_at <= monotonic_now())
    read_after_rest();
  else
    pump();
  // Setting the timer anew has made it quiet as well.
  uint64_t expirations = 0;
  if (armed == never && !closed) (void)!::read(timer_fd, &expirations, sizeof expirations);
}

void DriverCore::State::pump() {
  if (closed || pumping) return;
  ++stats.pumps;
  pumping = true;
  const Instant next = core.pump_machine(monotonic_now());
  if (blocked_on == nullptr) flush();
  pumping = false;
  closing ? finish() : schedule(next);
}

void DriverCore::State::schedule(Instant next) {
  const bool due = next <= monotonic_now();
  if (blocked_on != nullptr) {
    // What is due may well be the next batch: asking again before there is room would spin.
    arm(std::min({due ? never : next, blocked_until, rested_at}));
  } else if (due) {
    core.wake();
  } else {
    arm(std::min(next, rested_at));
  }
}

/// A later deadline leaves a timer alone that is not about to fire: most deadlines are moved by
/// each acknowledgement, and a system call each time would cost more than an early wake-up in the
/// end.
void DriverCore::State::arm(Instant deadline) {
  if (deadline == armed || deadline == never) return;
  if (deadline > armed && armed > monotonic_now() + fires_soon) return;
  armed = deadline;
  const Duration since_boot = deadline.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(seconds.count());
  spec.it_value.tv_nsec = static_cast<long>((since_boot - seconds).count());
  CHECK(timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, nullptr) == 0);
}

/// The port counts most, for it alone may be all that is known of `local`; then the
/// address; then whether the socket may send there at all.
DriverCore::State::Watch* DriverCore::State::watch_for(const Path& path) const {
  Watch* best = nullptr;
  int best_score = -1;
  for (const auto& watch : watches) {
    const Address& bound = watch->socket->local();
    if (bound.is_v4() != path.remote.is_v4()) continue;
    const bool port_fits = path.local.port == 0 || path.local.port == bound.port;
    const bool ip_fits =
        path.local.is_unspecified() || bound.is_unspecified() || path.local.ip == bound.ip;
    const bool reaches = watch->socket->reaches(path.remote);
    const int score = (port_fits ? 4 : 0) + (ip_fits ? 2 : 0) + (reaches ? 1 : 0);
    if (score > best_score) {
      best = watch.get();
      best_score = score;
    }
  }
  return best;
}

/// For the next batch; nothing while others wait for room.
MutableBytes DriverCore::State::room() {
  if (blocked_on != nullptr) return {};
  return MutableBytes(send_buffer).subspan(queued_bytes, batch_bytes_max);
}

void DriverCore::State::send(const Transmit& batch) {
  CHECK(blocked_on == nullptr && batch.size <= batch_bytes_max);
  Watch* const watch = watch_for(batch.path);
  if (watch == nullptr) {
    ++stats.batches_without_socket;
    return;
  }
  queue.push_back({batch, ByteView(send_buffer).subspan(queued_bytes, batch.size)});
  queued_for.push_back(watch);
  queued_bytes += batch.size;
  if (queue.size() >= queued_max || queued_bytes >= queued_bytes_max) flush();
}

/// Sends what is queued, in order and as many as there are for one socket in a call.
void DriverCore::State::flush() {
  while (first_unsent < queue.size()) {
    Watch* const watch = queued_for[first_unsent];
    size_t end = first_unsent;
    while (end < queue.size() && queued_for[end] == watch) ++end;
    size_t part = 0;
    const size_t done =
        watch->socket->send_all(std::span(queue).subspan(first_unsent, end - first_unsent), part);
    stats.batches_sent += done;
    first_unsent += done;
    if (first_unsent == end) continue;
    Outgoing& next = queue[first_unsent];
    next.batch.size -= part;
    next.bytes = next.bytes.subspan(part);
    // Whoever waits already does so from when it began.
    if (blocked_on == watch && done == 0) return;
    if (blocked_on == nullptr) ++stats.batches_blocked;
    blocked_on = watch;
    blocked_until = monotonic_now() + blocked_max;
    poll_for(*watch, UV_READABLE | UV_WRITABLE);
    return;
  }
  queue.clear();
  queued_for.clear();
  first_unsent = queued_bytes = 0;
  blocked_on = nullptr;
}

void DriverCore::State::give_up_first() {
  ++stats.batches_given_up;
  ++first_unsent;
  poll_for(*blocked_on, UV_READABLE);
  blocked_on = nullptr;
  flush();
}

void DriverCore::State::go_on_soon() {
  uv_idle_start(&soon, [](uv_idle_t* one) {
    uv_idle_stop(one);
    auto& state = *static_cast<State*>(one->data);
    state.drop_unwanted();
    state.pump();
  });
}

void DriverCore::State::drop_unwanted() {
  for (const Address& local : std::exchange(unwanted, {})) {
    const auto watch = std::find_if(watches.begin(), watches.end(),
                                    [&](const auto& one) { return one->socket->local() == local; });
    if (watch != watches.end()) drop(**watch);
  }
}

void DriverCore::State::drop(Watch& watch) {
  // Indices before first_unsent are of what is done with, and stay.
  for (size_t i = queue.size(); i-- > first_unsent;) {
    if (queued_for[i] != &watch) continue;
    queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(i));
    queued_for.erase(queued_for.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (blocked_on == &watch) {
    blocked_on = nullptr;
    flush();
  }
  const auto owned = std::find_if(watches.begin(), watches.end(),
                                  [&](const auto& one) { return one.get() == &watch; });
  owned->release();
  watches.erase(owned);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch.poll), [](uv_handle_t* one) {
    const std::unique_ptr<Watch> gone(static_cast<Watch*>(one->data));
    gone->state->on_handle_closed();
  });
  std::erase_if(sockets, [&](const auto& one) { return one.get() == watch.socket; });
}

void DriverCore::State::finish() {
  for (int i = 0; i < last_pumps_max && blocked_on == nullptr; ++i) {
    const Instant now = monotonic_now();
    const Instant next = core.pump_machine(now);
    if (blocked_on == nullptr) flush();
    if (next > now) break;
  }
  closed = true;
  const auto on_core_closed = [](uv_handle_t* one) {
    static_cast<State*>(one->data)->on_handle_closed();
  };
  const auto on_watch_closed = [](uv_handle_t* one) {
    static_cast<Watch*>(one->data)->state->on_handle_closed();
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&soon), on_core_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_poll), on_core_closed);
  for (const auto& watch : watches) {
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll), on_watch_closed);
  }
}

void DriverCore::State::on_handle_closed() {
  if (--handles_open > 0) return;
  sockets.clear();
  // The driver may be destroyed in there: nothing of it is touched afterwards.
  const auto last = std::move(on_closed);
  if (last) last();
}

DriverCore::DriverCore(uv_loop_t& loop) : state_(std::make_unique<State>(*this, loop)) {}

DriverCore::~DriverCore() = default;

void DriverCore::add(std::unique_ptr<UdpSocket> socket) {
  CHECK(!state_->closing);
  state_->watch(*socket);
  state_->sockets.push_back(std::move(socket));
}

void DriverCore::add(Sockets sockets) {
  for (auto& socket : sockets) add(std::move(socket));
}

void DriverCore::wake() {
  // While pump() runs it goes on until the machine has nothing more to say.
  if (state_->closed || state_->pumping) return;
  state_->go_on_soon();
}

void DriverCore::remove(const Address& local) {
  if (state_->closed) return;
  state_->unwanted.push_back(local);
  state_->go_on_soon();
}

void DriverCore::close(std::function<void()> done) {
  CHECK(!state_->closing);
  state_->closing = true;
  state_->on_closed = std::move(done);
  state_->pump();
}

Instant DriverCore::now() const { return monotonic_now(); }

const Sockets& DriverCore::sockets() const { return state_->sockets; }

const DriverStats& DriverCore::stats() const { return state_->stats; }

MutableBytes DriverCore::batch_buffer() { return state_->room(); }

void DriverCore::send_batch(const Transmit& batch) { state_->send(batch); }

}  // namespace mrt::uv
