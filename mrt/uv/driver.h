// SPDX-License-Identifier: MIT
//
// Runs a Machine on a libuv loop: datagrams and time go in, batches and events come out.
// It knows nothing of what the machine does, and the owner nothing of sockets.
//
//   Driver<Endpoint, Owner> driver(loop, endpoint, owner);
//   driver.add(std::move(socket));
//   endpoint.connect(...); driver.wake();      // after each command given from outside
//   driver.close([] { ... });                  // the last word is sent, handles are closed
//
// 1. One turn of the loop costs one receive call per socket (a few after a rest, see 4) and one
//    bounded pump(), so that a prompt, a disk and other drivers on the loop are never starved.
// 2. wake() is coalesced: any number of calls in one turn cost one pump().
// 3. Deadlines are kept by a timerfd: pacing needs better than libuv's milliseconds.
// 4. Where the machine has patience, a socket is left alone for that long: a stream from afar is
//    read some packets at a time.
// 5. A batch that the kernel has no room for waits, and no other is asked for meanwhile.
// 6. All calls on the loop's thread. The machine and the owner outlive the driver.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>

#include "mrt/base/machine.h"
#include "mrt/uv/udp_socket.h"

namespace mrt::uv {

struct DriverStats {
  uint64_t pumps = 0;
  uint64_t timer_fires = 0;
  uint64_t batches_sent = 0;
  uint64_t batches_blocked = 0;         // had to wait for room
  uint64_t batches_given_up = 0;        // and waited in vain
  uint64_t batches_without_socket = 0;  // no socket of ours fits the path: dropped
};

/// What does not depend on the machine's type.
class DriverCore {
 public:
  DriverCore(const DriverCore&) = delete;
  DriverCore& operator=(const DriverCore&) = delete;

  /// REQUIRES: not closed.
  void add(std::unique_ptr<UdpSocket> socket);
  void add(Sockets sockets);
  /// Closes the one that is bound there, where there is one, in the next turn of the loop; what
  /// waits to be sent by it is lost.
  void remove(const Address& local);
  /// A command was given to the machine: pump it in the next turn of the loop. Not needed
  /// from within on_event().
  void wake();
  /// Pumps a last time, then closes sockets and handles; `done` is called, from the loop,
  /// when nothing of the driver is left in it. It may be called from within on_event().
  /// Once only. REQUIRES before destruction: `done` was called.
  void close(std::function<void()> done);

  /// The time to give to commands.
  Instant now() const;
  const Sockets& sockets() const;
  const DriverStats& stats() const;

 protected:
  explicit DriverCore(uv_loop_t& loop);
  virtual ~DriverCore();

  MutableBytes batch_buffer();
  void send_batch(const Transmit& batch);

 private:
  struct State;

  virtual void deliver(Instant now, const Received& received) = 0;
  /// Returns when to be called again.
  virtual Instant pump_machine(Instant now) = 0;
  /// How long the next datagrams may lie, to be read together.
  virtual Duration take_patience() = 0;

  std::unique_ptr<State> state_;
};

/// Owner: on_event(Instant, M's event&), which may give commands to the machine and move
/// the event's bytes out.
template <Machine M, class Owner>
class Driver final : public DriverCore {
 public:
  Driver(uv_loop_t& loop, M& machine, Owner& owner)
      : DriverCore(loop), machine_(machine), owner_(owner) {}

  // What pump() asks of its Io.
  MutableBytes transmit_buffer() { return batch_buffer(); }
  void transmit(const Transmit& batch) { send_batch(batch); }
  template <class Event>
  void on_event(Instant now, Event&& event) {
    owner_.on_event(now, event);
  }

 private:
  void deliver(Instant now, const Received& received) override {
    machine_.on_datagrams(now, received.path, received.ecn, received.segment_size, received.bytes);
  }
  Instant pump_machine(Instant now) override { return pump(machine_, now, *this); }
  Duration take_patience() override {
    if constexpr (requires { machine_.take_patience(); }) return machine_.take_patience();
    return Duration{};
  }

  M& machine_;
  Owner& owner_;
};

}  // namespace mrt::uv
