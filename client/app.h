// SPDX-License-Identifier: MIT
//
// One run of the program around one node: the loop, the console, the session, signals, and
// the way out. What the run is for is its Task's business (tasks.h).
//
// 1. From leave() on it ends within two seconds, whatever network, disk or terminal do.
// 2. `listening` is the first event and `closed` the last.
// 3. A second interrupt ends the program at once.
#pragma once

#include <uv.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/console.h"
#include "client/deadline.h"
#include "client/keylog.h"
#include "client/options.h"
#include "client/rendezvous_key.h"
#include "client/servers.h"
#include "client/session.h"
#include "client/signals.h"
#include "client/state_dir.h"
#include "client/view.h"
#include "stun/uv/gateway_port.h"
#include "stun/uv/neighbourhood.h"

namespace client {

class App;

/// What one command of the command line does with a node.
class Task {
 public:
  virtual ~Task() = default;
  /// People see what happens as it happens.
  virtual bool is_talkative() const = 0;
  virtual void on_start(App& app) = 0;
  virtual void on_event(App& app, const node::Event& event) = 0;
  /// A join failed for want of the password. True: the user is asked, and what comes of it ends
  /// in a join() or a give_up() of that command.
  virtual bool on_password_wanted(App&, const node::CommandFailed&) { return false; }
  /// A download was placed at `path` (`was_there`: it had been there before). Where it lies in
  /// the end.
  virtual std::string place(App&, const std::string& path, bool /*was_there*/) { return path; }
  /// Others reach this node at other addresses than before.
  virtual void on_reachable(App&) {}
  virtual void on_resize() {}
  /// Ctrl-Z, and back again.
  virtual void on_suspend() {}
  virtual void on_resume() {}
  /// What an interrupted run exits with.
  virtual ExitCode interrupted() const = 0;
  /// The node is gone: let go of the terminal.
  virtual void on_end() {}
};

class App {
 public:
  /// `key`: who may come in, until it joins another star.
  App(const Options& options, Task& task, mrt::NetworkKey key);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  ExitCode run();

  // For tasks.
  const Options& options() const { return options_; }
  uv_loop_t* loop() { return &loop_; }
  Console& console() { return *console_; }
  View& view() { return *view_; }
  node::Node& node() { return session_->node(); }
  mrt::Instant now() const { return session_->now(); }
  /// After commands given to the node, unless from within on_event().
  void wake() { session_->wake(); }
  /// A command by that name begins: its failure will be told with it.
  node::CommandId command(std::string text);
  /// As Node::join(). A network that is only named is sought on this host and its LAN, then where
  /// the state folder says that it was, and at the rendezvous servers.
  void join(node::CommandId id, const Target& target);
  /// Somebody is to be met there: where that is not near, this node's NAT is of interest.
  void expect(const std::vector<mrt::Address>& others);
  /// Asks for a password and waits for it: where there is no prompt, nothing else to be done, and
  /// somebody to ask. `why`: what is said before it.
  std::optional<mrt::NetworkKey> ask_password(std::string_view why);
  /// No password could be had: the command has failed.
  void give_up(node::CommandFailed failed);
  void fail(node::ErrorCode code, const std::string& message, const std::string& command);
  /// This network's invite, with the addresses that are best known.
  Invited invite() const;
  /// Ends the run. The first call counts.
  void leave(ExitCode code, const std::string& reason);
  bool is_leaving() const { return leaving_; }

 private:
  /// A join that waits for what the neighbours say.
  struct Sought {
    ~Sought();
    node::CommandId command;
    Target target;
  };

  bool open_log();
  bool open_session();
  bool open_keylog();
  void warn_early();
  void warn_where_open();
  std::optional<mrt::NetworkKey> key_for(const Target& target,
                                         const std::vector<mrt::Address>& addresses) const;
  void open_rendezvous();
  void find_servers();
  void join_near(const std::vector<mrt::Address>& found);
  void begin_join(node::CommandId id, const Target& target, const std::vector<mrt::Address>& near);
  void on_roster(const node::RosterChanged& roster);
  void map_port();
  void look_around();
  void on_keys_logged(const node::KeysLogged& logged);
  /// False.
  bool fail_early(node::ErrorCode code, const std::string& why);
  void on_event(const node::Event& event);
  void on_failed(const node::CommandFailed& failed);
  void remember_peers();
  void on_output_broken(int error);
  void on_signal(int number);
  void on_interrupt(const std::string& reason);
  void finish();
  int flush_time() const;
  [[noreturn]] void end_at_once(ExitCode code);

  Options options_;
  Task& task_;
  mrt::NetworkKey key_;  // empty once the node has it
  uv_loop_t loop_{};
  std::unique_ptr<Console> console_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<View> view_;
  std::unique_ptr<KeyLog> keylog_;
  std::unique_ptr<StateDir> state_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<RendezvousKeys> rendezvous_keys_;         // where there are servers
  std::unique_ptr<stun::uv::Neighbourhood> neighbourhood_;  // where --nat allows it
  std::unique_ptr<stun::uv::GatewayPort> gateway_port_;     // once it is in a star, likewise
  std::optional<stun::uv::Gateway> gateway_;                // as it was when that was looked at
  std::unique_ptr<Sought> sought_;
  std::optional<node::CommandId> nobody_near_;  // the join of a network that no neighbour is of
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<Deadline> remember_;  // while the roster has changed and was not written down
  std::unique_ptr<Deadline> last_moment_;
  std::unique_ptr<Deadline> moved_;  // since its addresses or routes changed
  std::map<node::CommandId, std::string> commands_;
  std::optional<node::CommandId> joining_;  // by look-up, under a key that may be another star's
  uint64_t commands_begun_ = 0;
  int parts_open_ = 0;  // session, neighbourhood, port mapping
  ExitCode exit_code_ = ExitCode::done;
  std::string reason_;
  bool open_told_ = false;  // since it is in this star
  bool leaving_ = false;
  bool finished_ = false;
  bool interrupted_ = false;
};

/// The exit code that an error means for a command of the command line.
ExitCode exit_code_of(node::ErrorCode code);

}  // namespace client
