// SPDX-License-Identifier: MIT
#include "client/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>

#include "client/doctor/findings.h"
#include "client/doctor/gateway_examination.h"
#include "client/doctor/host_examination.h"
#include "client/doctor/lifetime_examination.h"
#include "client/json.h"
#include "client/resolve.h"
#include "client/signals.h"
#include "client/uv_handle.h"
#include "mrt/uv/clock.h"
#include "mrt/uv/driver.h"
#include "mrt/uv/entropy.h"

namespace client {

namespace {

using Socket = std::unique_ptr<mrt::uv::UdpSocket>;

/// One socket, and what stands before it.
class Examination {
 public:
  Examination(uv_loop_t& loop, Socket socket, Socket second,
              const std::vector<mrt::Address>& servers)
      : probe_(mrt::uv::monotonic_now(), {socket->local(), second->local(), servers},
               mrt::uv::entropy_seed()),
        driver_(loop, probe_, *this),
        local_(socket->local()) {
    facts_.v4 = socket->local().is_v4();
    driver_.add(std::move(socket));
    driver_.add(std::move(second));
    driver_.wake();
  }

  /// For the driver.
  void on_event(mrt::Instant, stun::ProbeEvent& event) {
    if (const auto* found = std::get_if<stun::AddressFound>(&event))
      facts_.answered.push_back(*found);
    if (const auto* failed = std::get_if<stun::ServerFailed>(&event))
      facts_.failed.push_back(*failed);
    if (const auto* concluded = std::get_if<stun::Concluded>(&event)) {
      facts_.behaviour = concluded->behaviour;
      end();
    }
  }
  void end() {
    if (ending_) return;
    ending_ = true;
    driver_.close([this] { ended_ = true; });
  }
  bool has_ended() const { return ended_; }
  const NatFacts& facts() const { return facts_; }
  const mrt::Address& local() const { return local_; }

 private:
  NatFacts facts_;
  stun::Probe probe_;
  mrt::uv::Driver<stun::Probe, Examination> driver_;
  mrt::Address local_;
  bool ending_ = false;
  bool ended_ = false;  // nothing of it is left in the loop
};

class Doctor {
 public:
  explicit Doctor(const Options& options) : options_(options) {}

  ExitCode run();

 private:
  void say(const Finding& finding) const;
  void say(const std::vector<Finding>& findings) const {
    for (const Finding& finding : findings) say(finding);
  }
  std::vector<std::string> named() const;
  std::vector<mrt::Address> servers() const;
  void examine(const std::vector<mrt::Address>& servers);
  ExitCode tell();
  ExitCode measure_lifetimes() const;

  const Options& options_;
  mrt::uv::Sockets sockets_, seconds_;  // one of each for each address
  std::vector<std::unique_ptr<Examination>> examinations_;
  bool interrupted_ = false;
};

void Doctor::say(const Finding& finding) const {
  const std::string line =
      options_.json ? to_json(finding, mrt::uv::wall_clock_ms()) : to_text(finding);
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
}

/// Rendezvous servers answer STUN too.
std::vector<std::string> Doctor::named() const {
  std::vector<std::string> out = options_.stun;
  if (options_.watch_nat)
    out.insert(out.end(), options_.rendezvous.begin(), options_.rendezvous.end());
  return out;
}

std::vector<mrt::Address> Doctor::servers() const {
  std::vector<mrt::Address> out;
  for (const std::string& text : named()) {
    std::string why;
    const auto found = resolve_all(text, why);
    out.insert(out.end(), found.begin(), found.end());
    if (found.empty()) say({"stun-server", false, why, "name another one by --stun HOST:PORT"});
  }
  return out;
}

/// A socket for each family in which there is somebody to ask.
void Doctor::examine(const std::vector<mrt::Address>& servers) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  for (size_t i = 0; i < sockets_.size(); ++i) {
    const bool v4 = sockets_[i]->local().is_v4();
    const bool asked = std::any_of(servers.begin(), servers.end(),
                                   [v4](const mrt::Address& one) { return one.is_v4() == v4; });
    if (!asked) continue;
    examinations_.push_back(std::make_unique<Examination>(loop, std::move(sockets_[i]),
                                                          std::move(seconds_[i]), servers));
  }
  auto signals = std::make_unique<Signals>(
      &loop, std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP}, [this](int) {
        interrupted_ = true;
        for (const auto& one : examinations_) one->end();
      });
  // The signals alone keep the loop turning: it ends with what is examined.
  const auto running = [this] {
    return std::any_of(examinations_.begin(), examinations_.end(),
                       [](const auto& one) { return !one->has_ended(); });
  };
  while (running()) uv_run(&loop, UV_RUN_ONCE);
  signals.reset();
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
}

ExitCode Doctor::tell() {
  bool answered = false;
  if (examinations_.empty()) {
    say({"stun-server", false, "no socket here is of a family that the servers have",
         "name another one by --stun HOST:PORT"});
  }
  for (const auto& one : examinations_) {
    const NatFacts& facts = one->facts();
    answered = answered || !facts.answered.empty();
    if (options_.json)
      std::fputs(to_json(node::NatChanged{facts.behaviour}, mrt::uv::wall_clock_ms()).c_str(),
                 stdout);
    say(findings_of(facts));
  }
  return answered ? ExitCode::done : ExitCode::unreachable;
}

/// Of each family behind a NAT, by the servers that answered.
ExitCode Doctor::measure_lifetimes() const {
  for (const auto& one : examinations_) {
    const NatFacts& facts = one->facts();
    if (!facts.behaviour.mapped) continue;
    LifetimeFacts lifetime{facts.v4, std::nullopt};
    if (facts.behaviour.is_translated()) {
      std::vector<mrt::Address> servers;
      for (const stun::AddressFound& answered : facts.answered) servers.push_back(answered.server);
      mrt::uv::SocketError error;
      lifetime.found = examine_lifetime(one->local(), servers, error);
      if (!error.text.empty())
        say({"socket", false, error.text, "another --bind IP:PORT, or none"});
      if (!lifetime.found) return error.text.empty() ? ExitCode::interrupted : ExitCode::failed;
    }
    say(finding_of(lifetime));
  }
  return ExitCode::done;
}

ExitCode Doctor::run() {
  const mrt::uv::SocketConfig config;
  mrt::uv::SocketError error;
  const auto& binds = options_.bind;
  sockets_ = binds.empty() ? mrt::uv::open_unspecified(0, config, error)
                           : mrt::uv::open_sockets(binds, config, error);
  seconds_ = mrt::uv::open_beside(sockets_, config, error);
  if (seconds_.empty()) {
    say({"socket", false, error.text, "another --bind IP:PORT, or none"});
    return ExitCode::failed;
  }
  const mrt::uv::UdpSocket& first = *sockets_.front();
  say(findings_of({first.receive_buffer_bytes(), config.receive_buffer_bytes,
                   first.send_buffer_bytes(), config.send_buffer_bytes, first.segments(),
                   first.coalesces()}));
  say(finding_of(examine_clock()));
  if (options_.nat && !first.is_confined()) {
    for (const MulticastFacts& link : examine_multicast()) say(finding_of(link));
    if (const auto gateway = examine_gateway()) say(finding_of(*gateway));
  }
  const auto asked = servers();
  if (asked.empty()) {
    if (!named().empty()) return ExitCode::unreachable;
    say({"nat", false, "nobody was asked what the world sees of this host",
         "thuban doctor --stun HOST:PORT; any supernode answers at its own port"});
    return ExitCode::done;
  }
  examine(asked);
  if (interrupted_) return ExitCode::interrupted;
  const ExitCode told = tell();
  if (!options_.thorough || told != ExitCode::done) return told;
  return measure_lifetimes();
}

}  // namespace

ExitCode run_doctor(const Options& options) { return Doctor(options).run(); }

}  // namespace client
