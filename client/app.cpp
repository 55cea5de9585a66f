// SPDX-License-Identifier: MIT
#include "client/app.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "client/access.h"
#include "client/invite.h"
#include "client/resolve.h"
#include "client/terminal_password.h"
#include "client/text.h"

namespace client {

namespace {

// docs/CLI.md, `Q`: "leave cleanly, within two seconds". The node takes one at most
// (node::quit_time_max); what is then left are a disk and a terminal that may not answer.
constexpr std::chrono::milliseconds leave_time_max{1350};
constexpr int flush_milliseconds_max = 100;
// A key that is being stretched is done by then on most hosts; and `Q` has as much time left.
constexpr uint64_t close_milliseconds_max = 300;
// Many may join at once; the peers are written down once.
constexpr std::chrono::milliseconds remember_time{1000};
// A host that changes networks loses and gets several addresses, and then its default route. One
// whose routes change all the time is looked at no more often than this.
constexpr std::chrono::milliseconds settle_time{1000};
// Commands whose end is awaited at once; far more than the node has room for.
constexpr size_t commands_max = 4096;

mrt::uv::Sockets open_sockets(const Options& options, mrt::uv::SocketError& error) {
  const mrt::uv::SocketConfig config;
  if (options.bind.empty()) return mrt::uv::open_unspecified(0, config, error);
  return mrt::uv::open_sockets(options.bind, config, error);
}

}  // namespace

ExitCode exit_code_of(node::ErrorCode code) {
  switch (code) {
    case node::ErrorCode::usage:
      return ExitCode::usage;
    case node::ErrorCode::unreachable:
      return ExitCode::unreachable;
    case node::ErrorCode::timeout:
      return ExitCode::unreachable;
    case node::ErrorCode::refused:
      return ExitCode::refused;
    case node::ErrorCode::auth:
      return ExitCode::not_allowed;
    // As with any argument that is not clear enough: trying again will not help.
    case node::ErrorCode::ambiguous:
      return ExitCode::usage;
    case node::ErrorCode::not_found:
      return ExitCode::not_found;
    case node::ErrorCode::integrity:
      return ExitCode::integrity;
    case node::ErrorCode::disk:
      return ExitCode::failed;
    case node::ErrorCode::limit:
      return ExitCode::refused;
    case node::ErrorCode::network:
      return ExitCode::refused;
  }
  return ExitCode::failed;
}

App::App(const Options& options, Task& task, mrt::NetworkKey key)
    : options_(options), task_(task), key_(std::move(key)) {
  uv_loop_init(&loop_);
  console_ = std::make_unique<Console>(&loop_, [this](int error) { on_output_broken(error); });
  remember_ = std::make_unique<Deadline>(&loop_);
  last_moment_ = std::make_unique<Deadline>(&loop_);
  moved_ = std::make_unique<Deadline>(&loop_);
}

App::~App() {
  servers_.reset();
  rendezvous_keys_.reset();
  gateway_port_.reset();
  neighbourhood_.reset();
  session_.reset();
  remember_.reset();
  last_moment_.reset();
  moved_.reset();
  signals_.reset();
  console_.reset();
  // What was let go of is closed in the next turn. A disk that hangs is not waited for.
  uv_timer_t limit;
  uv_timer_init(&loop_, &limit);
  uv_update_time(&loop_);
  limit.data = this;
  uv_timer_start(
      &limit,
      [](uv_timer_t* timer) {
        _exit(static_cast<int>(static_cast<App*>(timer->data)->exit_code_));
      },
      close_milliseconds_max, 0);
  uv_unref(reinterpret_cast<uv_handle_t*>(&limit));
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_close(reinterpret_cast<uv_handle_t*>(&limit), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
}

ExitCode App::run() {
  if (!open_log() || !open_keylog()) return exit_code_;
  if (options_.ephemeral) {
    state_ = std::make_unique<StateDir>();
  } else {
    std::string warning;
    state_ = std::make_unique<StateDir>(options_.state, warning);
    if (!warning.empty()) view_->note("thuban: warning: " + warning);
  }
  if (!open_session()) return exit_code_;
  signals_ = std::make_unique<Signals>(
      &loop_, std::initializer_list<int>{SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT},
      [this](int number) { on_signal(number); });
  warn_early();
  view_->show(
      Listening{node().id(), node().nick(), session_->addresses().front(), options_.network});
  task_.on_start(*this);
  uv_run(&loop_, UV_RUN_DEFAULT);
  console_->flush(flush_time());
  // A name that is still being resolved would be waited for.
  if (servers_->is_busy()) _exit(static_cast<int>(exit_code_));
  return exit_code_;
}

bool App::open_log() {
  std::string error;
  log_ = std::make_unique<Log>(
      options_.log, options_.log_file,
      [this](std::string_view line) { console_->print_note(line); }, error);
  view_ = std::make_unique<View>(*console_, *log_, options_, task_.is_talkative());
  return error.empty() || fail_early(node::ErrorCode::disk, error);
}

bool App::open_keylog() {
  if (!options_.keylog_file) return true;
  std::string error;
  keylog_ = std::make_unique<KeyLog>(*options_.keylog_file, error);
  return error.empty() || fail_early(node::ErrorCode::disk, error);
}

bool App::fail_early(node::ErrorCode code, const std::string& why) {
  fail(code, why, "");
  view_->show(Ended{"failed"});
  console_->flush(flush_milliseconds_max);
  exit_code_ = ExitCode::failed;
  return false;
}

bool App::open_session() {
  std::string why;
  node::ErrorCode code = node::ErrorCode::disk;
  std::error_code unsaid;  // what matters is whether it is there then
  std::filesystem::create_directories(options_.downloads, unsaid);
  mrt::uv::Sockets sockets;
  if (!std::filesystem::is_directory(options_.downloads, unsaid)) {
    why = fmt::format("no folder for downloads at {}", clean(options_.downloads));
  } else if (options_.share_folder &&
             !std::filesystem::is_directory(*options_.share_folder, unsaid)) {
    why = fmt::format("no folder to share at {}", clean(*options_.share_folder));
  } else {
    mrt::uv::SocketError socket_error;
    sockets = open_sockets(options_, socket_error);
    why = sockets.empty() ? socket_error.text : "";
    code = node::ErrorCode::network;
  }
  if (!why.empty()) return fail_early(code, why);
  SessionConfig config;
  config.node.endpoint.identity = state_->identity();
  config.node.endpoint.network_key = std::exchange(key_, {});
  config.node.endpoint.plain = options_.plain;
  config.node.endpoint.keylog = keylog_ != nullptr;
  config.node.nick = options_.nick;
  config.node.network = options_.network;
  config.node.host =
      options_.verb == Verb::host || (options_.verb == Verb::share && !options_.target);
  config.node.awaits_rendezvous = !options_.rendezvous.empty();
  config.node.reshare = options_.reshare;
  // docs/CLI.md: "default 0 in --json, 20 on a terminal".
  const bool people = !options_.json && console_->results_are_terminal() && task_.is_talkative();
  config.node.history = options_.history.value_or(people ? 20 : 0);
  mrt::uv::SocketError ignored;  // then nobody is asked
  if (options_.watch_nat) config.seconds = mrt::uv::open_beside(sockets, {}, ignored);
  config.downloads = options_.downloads;
  config.impair = options_.impair;
  std::vector<mrt::Address> bound;
  for (const auto& socket : sockets) bound.push_back(socket->local());
  session_ = std::make_unique<Session>(
      &loop_, std::move(sockets), std::move(config),
      Session::Actions{[this](const node::Event& event) { on_event(event); },
                       [this](const std::string& path, bool was_there) {
                         return task_.place(*this, path, was_there);
                       },
                       [this] {
                         if (!moved_->is_armed())
                           moved_->arm(settle_time, [this] { look_around(); });
                       }});
  gateway_ = stun::uv::default_gateway();
  if (options_.nat) {
    neighbourhood_ = std::make_unique<stun::uv::Neighbourhood>(&loop_, std::move(bound));
  }
  if (!options_.rendezvous.empty()) open_rendezvous();
  find_servers();
  return true;
}

void App::open_rendezvous() {
  rendezvous_keys_ = std::make_unique<RendezvousKeys>(&loop_, *state_, options_.network,
                                                      [this](const stun::RendezvousKey& key) {
                                                        node().set_rendezvous_key(now(), key);
                                                        session_->wake();
                                                      });
  rendezvous_keys_->derive(node().network_key());
}

void App::find_servers() {
  servers_ = std::make_unique<Servers>(
      &loop_, options_,
      Servers::Actions{[this](const std::vector<mrt::Address>& found) {
                         node().add_rendezvous(now(), found);
                         session_->wake();
                       },
                       [this](const std::vector<mrt::Address>& found) {
                         node().add_stun(now(), found);
                         session_->wake();
                       },
                       [this](const std::string& why) { view_->note("thuban: warning: " + why); }});
  servers_->begin();
  const bool hosts =
      options_.verb == Verb::host || (options_.verb == Verb::share && !options_.target);
  if (hosts && !session_->addresses().front().is_loopback()) servers_->reach_beyond();
}

void App::expect(const std::vector<mrt::Address>& others) {
  const bool near = std::all_of(others.begin(), others.end(),
                                [](const mrt::Address& one) { return one.is_private(); });
  if (!near) servers_->reach_beyond();
}

void App::warn_early() {
  if (options_.plain) {
    view_->note(
        "thuban: WARNING: --plain: NOTHING IS ENCRYPTED: anyone can join, and anyone on the way "
        "can read and change what is sent");
  } else if (!options_.target) {
    warn_where_open();
  }
  if (!keylog_) return;
  view_->note(
      fmt::format("thuban: WARNING: THUBAN_KEYLOG: whoever has {} can read all that this node "
                  "sends and receives",
                  clean(*options_.keylog_file)));
}

void App::warn_where_open() {
  const bool open = node().network_key().access == mrt::Access::open && !options_.plain;
  if (open && !open_told_) {
    view_->note(
        "thuban: WARNING: this network is open: encrypted, but ANYONE CAN JOIN, read and send");
  }
  open_told_ = open;
}

node::CommandId App::command(std::string text) {
  if (commands_.size() >= commands_max) commands_.erase(commands_.begin());
  const node::CommandId id{++commands_begun_};
  commands_.emplace(id, std::move(text));
  return id;
}

std::optional<mrt::NetworkKey> App::ask_password(std::string_view why) {
  if (!can_ask(options_)) return std::nullopt;
  view_->note(fmt::format("thuban: {}", why));
  console_->flush(flush_milliseconds_max);
  std::string error;
  auto password = ask_terminal(password_question(options_.network), error);
  if (!password) return std::nullopt;
  return mrt::NetworkKey{mrt::Access::password, std::move(*password)};
}

void App::give_up(node::CommandFailed failed) {
  failed.password_asked = false;
  on_failed(failed);
}

Invited App::invite() const {
  std::vector<mrt::Address> addresses = session_->node().reachable_at(invite_addresses_max);
  // On another host a loopback address leads astray.
  const auto loopback = [](const mrt::Address& address) { return address.is_loopback(); };
  const auto local =
      std::stable_partition(addresses.begin(), addresses.end(), std::not_fn(loopback));
  if (local != addresses.begin()) addresses.erase(local, addresses.end());
  const node::NodeId supernode = session_->node().supernode();
  for (const node::Peer& peer : session_->node().peers()) {
    const bool usable = peer.address.is_unicast() && std::find(addresses.begin(), addresses.end(),
                                                               peer.address) == addresses.end();
    if (!usable || peer.node == session_->node().id()) continue;
    addresses.insert(peer.node == supernode ? addresses.begin() : addresses.end(), peer.address);
  }
  addresses.resize(std::min(addresses.size(), invite_addresses_max));
  const mrt::Address best = addresses.empty() ? mrt::Address{} : addresses.front();
  const mrt::NetworkKey& key = session_->node().network_key();
  const mrt::Bytes secret = key.access == mrt::Access::secret ? key.secret : mrt::Bytes{};
  return {write_invite({options_.network, secret, std::move(addresses), key.access}), best,
          key.access};
}

void App::fail(node::ErrorCode code, const std::string& message, const std::string& command) {
  view_->show(Failed{code, without_invites(message), command});
}

void App::on_event(const node::Event& event) {
  if (finished_) return;
  if (const auto* failed = std::get_if<node::CommandFailed>(&event)) return on_failed(*failed);
  if (const auto* logged = std::get_if<node::KeysLogged>(&event)) return on_keys_logged(*logged);
  if (std::holds_alternative<node::Stopped>(event)) return finish();
  if (std::holds_alternative<node::AccessChanged>(event) ||
      std::holds_alternative<node::JoinDone>(event)) {
    warn_where_open();
    // It may be another star's than the one that was sought.
    if (rendezvous_keys_) rendezvous_keys_->derive(node().network_key());
  }
  if (const auto* roster = std::get_if<node::RosterChanged>(&event)) on_roster(*roster);
  if (const auto* done = std::get_if<node::CommandDone>(&event)) commands_.erase(done->command);
  if (const auto* joined = std::get_if<node::JoinDone>(&event)) commands_.erase(joined->command);
  view_->show(event);
  task_.on_event(*this, event);
}

void App::on_failed(const node::CommandFailed& failed) {
  // What is broken off by leaving is no news.
  if (leaving_) return;
  view_->end_progress();
  // It is found as before.
  if (joining_ == failed.command) rendezvous_keys_->derive(node().network_key());
  if (failed.password_asked && task_.on_password_wanted(*this, failed)) return;
  const auto found = commands_.find(failed.command);
  const bool is_lost =
      failed.code == node::ErrorCode::timeout || failed.code == node::ErrorCode::unreachable;
  const char* const near = nobody_near_ == failed.command && is_lost
                               ? "; on this host and its LAN nobody is of that network"
                               : "";
  fail(failed.code, failed.message + near, found == commands_.end() ? "" : found->second);
  if (found != commands_.end()) commands_.erase(found);
  task_.on_event(*this, failed);
}

void App::on_keys_logged(const node::KeysLogged& logged) {
  if (!keylog_ || keylog_->write(logged.line)) return;
  view_->note(fmt::format("thuban: THUBAN_KEYLOG: no more is written: {}", std::strerror(errno)));
  keylog_.reset();
}

void App::on_roster(const node::RosterChanged& roster) {
  if (!remember_->is_armed()) remember_->arm(remember_time, [this] { remember_peers(); });
  if (!neighbourhood_) return;
  // Who never was in a star has none that others could come into.
  size_t rank = 0;
  for (const node::Peer& peer : roster.peers) {
    if (peer.node == node().id()) rank = peer.rank;
  }
  const bool in_star = roster.epoch != node::Epoch{};
  neighbourhood_->answer_for(in_star ? options_.network : "", rank);
  if (in_star && task_.is_talkative() && !gateway_port_) map_port();
}

/// Others are to reach this node from beyond its gateway, who wait for it to be their supernode or
/// fetch files of it. A command that ends by itself is not there for long enough.
void App::map_port() {
  gateway_port_ = std::make_unique<stun::uv::GatewayPort>(&loop_, [this] {
    session_->set_mapped(gateway_port_->addresses());
    for (const mrt::Address& mapped : gateway_port_->addresses()) {
      view_->show(node::Noted{"the gateway leads " + mapped.to_string() + " to this node"});
    }
    if (!leaving_) task_.on_reachable(*this);
  });
  gateway_port_->look(gateway_, session_->addresses());
}

/// The host may have come into another network.
void App::look_around() {
  if (leaving_) return;
  if (neighbourhood_) neighbourhood_->look_again();
  const auto gateway = stun::uv::default_gateway();
  if (std::exchange(gateway_, gateway) != gateway) {
    // Its addresses may be as they were, and another NAT before them.
    node().set_addresses(now(), session_->addresses());
    session_->wake();
  }
  if (gateway_port_) gateway_port_->look(gateway_, session_->addresses());
  task_.on_reachable(*this);
}

void App::remember_peers() {
  remember_->disarm();
  std::vector<mrt::Address> addresses;
  for (const node::Peer& peer : node().peers()) {
    if (peer.node == node().id() || !peer.address.is_unicast()) continue;
    if (addresses.size() < known_addresses_max) addresses.push_back(peer.address);
  }
  state_->remember(options_.network, addresses, node().network_key());
}

void App::on_output_broken(int error) {
  // Whoever read has seen enough; anything else is a fault.
  if (error == EPIPE) return leave(exit_code_, "standard output is closed");
  const std::string why = fmt::format("cannot write standard output: {}", std::strerror(error));
  console_->print_note("thuban: " + why);
  leave(ExitCode::failed, why);
}

void App::on_signal(int number) {
  switch (number) {
    case SIGWINCH:
      return task_.on_resize();
    case SIGTSTP:
      task_.on_suspend();
      console_->flush(flush_milliseconds_max);
      std::raise(SIGSTOP);
      return;
    case SIGCONT:
      return task_.on_resume();
    case SIGINT:
      return on_interrupt("interrupted");
    default:
      return on_interrupt("terminated");
  }
}

void App::on_interrupt(const std::string& reason) {
  interrupted_ = true;
  if (leaving_) end_at_once(ExitCode::interrupted);
  leave(task_.interrupted(), reason);
}

void App::leave(ExitCode code, const std::string& reason) {
  if (leaving_) return;
  leaving_ = true;
  exit_code_ = code;
  reason_ = reason;
  last_moment_->arm(leave_time_max, [this] { end_at_once(exit_code_); });
  if (!session_) return;
  if (neighbourhood_) neighbourhood_->answer_for("", 0);
  node().quit(now(), reason);
  session_->wake();
}

void App::finish() {
  if (finished_) return;
  finished_ = true;
  if (!leaving_) leave(ExitCode::done, "stopped");
  if (remember_->is_armed()) remember_peers();
  view_->end_progress();
  task_.on_end();
  view_->show(Ended{reason_});
  signals_.reset();
  // Output that nobody reads would keep the loop alive.
  const auto on_closed = [this] {
    if (--parts_open_ == 0) uv_stop(&loop_);
  };
  parts_open_ = 1 + (neighbourhood_ ? 1 : 0) + (gateway_port_ ? 1 : 0);
  session_->close(on_closed);
  if (neighbourhood_) neighbourhood_->close(on_closed);
  if (gateway_port_) gateway_port_->close(on_closed);
}

/// What a command was run for is waited for until it is read, as by any program; a signal ends
/// that.
int App::flush_time() const {
  return task_.is_talkative() || interrupted_ ? flush_milliseconds_max : -1;
}

void App::end_at_once(ExitCode code) {
  if (!finished_) {
    task_.on_end();
    view_->show(Ended{reason_});
  }
  signals_.reset();
  console_->flush(flush_time());
  _exit(static_cast<int>(code));
}

}  // namespace client
