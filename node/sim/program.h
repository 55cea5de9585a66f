// SPDX-License-Identifier: MIT
//
// What runs on a simulated host: a Machine behind an interface, so that World is no
// template. MachineProgram turns any Machine into one, with a listener for its events.
#pragma once

#include <utility>

#include "mrt/base/machine.h"

namespace node::sim {

/// Where a program's turn puts its batches.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual mrt::MutableBytes transmit_buffer() = 0;
  virtual void transmit(const mrt::Transmit& batch) = 0;
};

class Program {
 public:
  virtual ~Program() = default;
  virtual void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn,
                            size_t segment_size, mrt::MutableBytes bytes) = 0;
  /// One turn: runs what is due, sends, and says when it wants the next.
  virtual mrt::Instant turn(mrt::Instant now, Outbox& outbox) = 0;
};

/// `Listener` is called as listener(now, machine, event); what it says to the machine is
/// sent in the same turn.
template <class M, class Listener>
class MachineProgram final : public Program {
 public:
  template <class... Args>
  explicit MachineProgram(Listener listener, Args&&... args)
      : machine_(std::forward<Args>(args)...), listener_(std::move(listener)) {}

  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes) override {
    machine_.on_datagrams(now, path, ecn, segment_size, bytes);
  }
  mrt::Instant turn(mrt::Instant now, Outbox& outbox) override {
    Io io{*this, outbox};
    return mrt::pump(machine_, now, io);
  }
  M& machine() { return machine_; }

 private:
  struct Io {
    MachineProgram& program;
    Outbox& outbox;
    mrt::MutableBytes transmit_buffer() { return outbox.transmit_buffer(); }
    void transmit(const mrt::Transmit& batch) { outbox.transmit(batch); }
    template <class Event>
    void on_event(mrt::Instant now, Event&& event) {
      program.listener_(now, program.machine_, event);
    }
  };

  M machine_;
  Listener listener_;
};

}  // namespace node::sim
