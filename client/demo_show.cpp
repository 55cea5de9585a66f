// SPDX-License-Identifier: MIT
#include "client/demo_show.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace client {

namespace {

const std::vector<std::string> nicks = {"anna", "ben", "carla", "dan", "eva"};

// Far beyond what any step takes on a busy machine; a node that is stuck is told all the same.
constexpr uint64_t step_ms_max = 10'000;
// docs/CLI.md: `Q` leaves within two seconds.
constexpr uint64_t quit_ms_max = 2'500;
constexpr uint64_t kill_ms_max = 5'000;
// To let a reader look at a star or a table before the next scene scrolls it away.
constexpr uint64_t reading_ms = 900;

}  // namespace

DemoShow::DemoShow(const DemoOptions& options)
    : options_(options),
      screen_(options, nicks),
      // Its own network: other stars on this host are left alone.
      network_(fmt::format("demo-{}", getpid())) {
  for (const auto& nick : nicks) cast_.push_back(std::make_unique<DemoChild>(nick));
}

DemoShow::~DemoShow() {
  const auto all_ended = [this] {
    return std::none_of(cast_.begin(), cast_.end(), [](const auto& c) { return c->running(); });
  };
  for (auto& child : cast_) {
    if (child->running()) child->say("Q");
  }
  if (!loop_.try_until(quit_ms_max, all_ended)) {
    for (auto& child : cast_) child->kill(SIGKILL);
    loop_.try_until(kill_ms_max, all_ended);
  }
  for (auto& child : cast_) child->close();
  loop_.try_until(kill_ms_max, [this] {
    return std::all_of(cast_.begin(), cast_.end(), [](const auto& c) { return c->closed(); });
  });
}

void DemoShow::play() {
  screen_.say();
  screen_.say(screen_.bold("Thuban") +
              ": five programs on this host form a star. Each is a process of its");
  screen_.say("own; all that passes between them are UDP packets on 127.0.0.1.");
  open_star();
  next_scene();
  chat();
  next_scene();
  share_file();
  next_scene();
  kill_supernode();
  finish_download();
  next_scene();
  show_figures();
  leave();
}

std::string DemoShow::complaints() const {
  std::string text;
  for (const auto& child : cast_) {
    if (!child->complaints().empty()) {
      text += fmt::format("--- {} wrote:\n{}", child->nick(), child->complaints());
    }
    if (const DemoEvent* error = child->last("error")) {
      text +=
          fmt::format("--- {}'s last error: {}\n", child->nick(), error->body.value("message", ""));
    }
  }
  return text;
}

void DemoShow::leave() {
  for (auto* child : alive()) child->say("Q");
  for (auto& child : cast_) {
    if (child.get() == dead_) continue;
    loop_.wait_until(child->nick() + " leaving", quit_ms_max,
                     [&child] { return !child->running(); });
    if (child->exit_code() != 0) {
      throw DemoStopped{
          1, fmt::format("{} leaving: exit code {}", child->nick(), *child->exit_code())};
    }
  }
}

void DemoShow::start(DemoChild& child, const std::vector<std::string>& arguments) {
  const auto downloads = folder_.path() / child.nick();
  std::filesystem::create_directory(downloads);
  std::vector<std::string> all = arguments;
  all.insert(all.end(), {"--json", "--ephemeral", "--nick", child.nick(), "--network", network_,
                         "--bind", "127.0.0.1:0", "--nat", "none", "--downloads", downloads});
  child.start(loop_.loop(), all, folder_.keep_fd());
}

void DemoShow::say(DemoChild& speaker, const std::string& text) {
  ledger_.said(text, DemoLoop::now());
  speaker.say("T " + text);
}

void DemoShow::await(const std::string& what, const DemoLoop::Condition& condition) {
  loop_.wait_until(what, step_ms_max, [&] {
    for (const auto& child : cast_) {
      if (child->started() && !child->running() && child.get() != dead_) {
        throw DemoStopped{1, fmt::format("{}: {} ended with exit code {}", what, child->nick(),
                                         *child->exit_code())};
      }
    }
    return condition();
  });
}

std::vector<DemoChild*> DemoShow::alive() const {
  std::vector<DemoChild*> nodes;
  for (const auto& child : cast_) {
    if (child.get() != dead_) nodes.push_back(child.get());
  }
  return nodes;
}

std::vector<DemoDelivery> DemoShow::deliveries(const DemoChild& child) const {
  std::vector<DemoDelivery> list;
  for (const auto& event : child.events()) {
    if (event.is("chat")) list.push_back({event.body.value("text", ""), event.at});
  }
  return list;
}

std::vector<std::vector<DemoDelivery>> DemoShow::deliveries_of_alive() const {
  std::vector<std::vector<DemoDelivery>> lists;
  for (const auto* child : alive()) lists.push_back(deliveries(*child));
  return lists;
}

DemoTally DemoShow::tally() const {
  return ledger_.tally(deliveries_of_alive(),
                       dead_ == nullptr ? std::vector<DemoDelivery>{} : deliveries(*dead_));
}

DemoChild& DemoShow::by_node(const std::string& node) const {
  for (const auto& child : cast_) {
    if (child->node() == node) return *child;
  }
  throw DemoStopped{1, "finding the node " + node};
}

void DemoShow::next_scene() {
  if (!options_.step) return breathe();
  screen_.say();
  screen_.say(screen_.faint("press a key to go on"));
  loop_.wait_for_key();
}

void DemoShow::breathe() {
  if (options_.animated && !options_.step) loop_.pause(reading_ms);
}

}  // namespace client
