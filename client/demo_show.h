// SPDX-License-Identifier: MIT
//
// The demo's five nodes and its scenes, in the order of the narration.
//
// 1. Each scene waits for what it tells: nothing is said that no event has shown.
// 2. Destruction ends every node, by `Q` where it still listens and by SIGKILL where not.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/demo.h"
#include "client/demo_child.h"
#include "client/demo_folder.h"
#include "client/demo_ledger.h"
#include "client/demo_loop.h"
#include "client/demo_screen.h"

namespace client {

struct DemoFigures {
  double joined_ms = 0;    // from the last start until all five knew all five
  double chat_p50_ms = 0;  // from saying to delivery, each delivery counted
  double chat_p99_ms = 0;
  double file_mb_s = 0;
  double noticed_ms = 0;    // from SIGKILL until the last survivor noticed
  double take_over_ms = 0;  // from SIGKILL until the last survivor worked again
};

class DemoShow {
 public:
  explicit DemoShow(const DemoOptions& options);
  ~DemoShow();
  DemoShow(const DemoShow&) = delete;
  DemoShow& operator=(const DemoShow&) = delete;

  /// All scenes; throws DemoStopped.
  void play();
  /// The last event.
  void close(const std::string& reason) { screen_.event("closed", {{"reason", reason}}); }
  /// The end of what the nodes wrote to standard error, for whoever looks for a cause.
  std::string complaints() const;

 private:
  // The scenes.
  void open_star();
  void chat();
  void share_file();
  void kill_supernode();
  void finish_download();
  void show_figures();

  // Parts of scenes.
  void say_everywhere(DemoChild& speaker, const std::string& text);
  void chat_one_by_one();
  void chat_at_once();
  void offer(DemoChild& holder, const std::filesystem::path& file);
  void await_download(DemoChild& asker, const std::string& name, uint64_t least_bytes);
  void show_received(DemoChild& asker, const std::filesystem::path& original);
  void chat_while_leaderless();
  void show_take_over(uint64_t killed_at);
  void await_all_chat();
  bool were_parted() const;
  void leave();

  // The nodes.
  void start(DemoChild& child, const std::vector<std::string>& arguments);
  void say(DemoChild& speaker, const std::string& text);
  void await(const std::string& what, const DemoLoop::Condition& condition);
  std::vector<DemoChild*> alive() const;
  std::vector<DemoDelivery> deliveries(const DemoChild& child) const;
  std::vector<std::vector<DemoDelivery>> deliveries_of_alive() const;
  DemoTally tally() const;
  DemoChild& by_node(const std::string& node) const;
  void next_scene();
  void breathe();

  DemoOptions options_;
  DemoScreen screen_;
  // In this order: the folder goes when the nodes have, the loop last.
  DemoLoop loop_;
  DemoFolder folder_;
  std::vector<std::unique_ptr<DemoChild>> cast_;
  DemoChild* dead_ = nullptr;         // killed on purpose
  std::vector<size_t> told_at_kill_;  // so many events each that lived on had told by then
  DemoLedger ledger_;
  DemoFigures figures_;
  std::string network_;
};

}  // namespace client
