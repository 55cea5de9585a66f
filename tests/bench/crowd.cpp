// SPDX-License-Identifier: MIT
//
// The figures of many nodes on this host: sixteen that talk all the time lose their supernode in
// every way, again and again; a hundred hear what is said. Told as in figures.cpp.
//
// 1. *At work again* means: what each node that is left has said just after the fault was shown by
//    all of them. It begins with the fault, so noticing it is included.
// 2. The link that drops is cut by nftables in a network namespace of its own, and needs root.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "bench/rows.h"
#include "script/star.h"

using namespace script;

namespace {

constexpr double lines_a_second = 250;
// A star younger than that waits longer before it suspects anybody.
constexpr Seconds standing{1.5};
constexpr int faults = 50;
// Then a new star: the events of all its nodes are kept in memory.
constexpr int faults_each = 10;

std::string numbered(std::string_view word, size_t number) {
  std::string out(word);
  return out += std::to_string(number);
}

class Crowd {
 public:
  explicit Crowd(size_t nodes) {
    star_.host("n0");
    while (star_.running().size() < nodes) enlist();
    star_.settle();
  }

  Star& star() { return star_; }

  void enlist() {
    const auto nodes = star_.running();
    ++enlisted_;
    star_.join(numbered("n", enlisted_), *nodes[enlisted_ % nodes.size()]);
  }

  /// Says `a_second` lines in turn, until then or until `done`.
  bool talk_until(const std::function<bool()>& done, Seconds limit,
                  double a_second = lines_a_second) {
    const auto begin = Clock::now();
    const Seconds pause(1 / a_second);
    for (auto next = begin; Clock::now() < begin + limit;) {
      const Seconds left = next - Clock::now();
      if (Program::run_until(done, std::max(left, Seconds{}))) return true;
      while (next <= Clock::now()) {
        next += std::chrono::duration_cast<Clock::duration>(pause);
        say_next();
      }
    }
    return false;
  }

  /// By rank: the supernode first, as the node that is asked shows it.
  std::vector<Node*> by_rank() {
    const auto nodes = star_.running();
    const size_t mark = nodes.back()->mark();
    nodes.back()->say("P");
    const Json& roster = nodes.back()->await_event("roster", any, mark);
    std::map<int, Node*> ranked;
    for (const Json& peer : roster.at("peers")) {
      for (Node* node : nodes) {
        if (node->id() == peer.at("node")) ranked[peer.at("rank").get<int>()] = node;
      }
    }
    std::vector<Node*> out;
    for (const auto& [rank, node] : ranked) out.push_back(node);
    return out;
  }

  /// Ms until those who are left are at work again after `fault`.
  double outage(const std::vector<Node*>& gone, const std::function<void()>& fault) {
    std::vector<Node*> left;
    for (Node* node : star_.running()) {
      if (std::find(gone.begin(), gone.end(), node) == gone.end()) left.push_back(node);
    }
    std::vector<size_t> looked_at;
    for (const Node* node : left) looked_at.push_back(node->mark());
    std::vector<size_t> heard(left.size());
    const std::string word = numbered("still here ", ++outages_);
    silent_ = gone;
    const auto begin = Clock::now();
    fault();
    for (Node* node : left) node->say("T " + word);
    const bool again = talk_until(
        [&] {
          for (size_t i = 0; i < left.size(); ++i) {
            const auto& events = left[i]->events();
            for (; looked_at[i] < events.size(); ++looked_at[i]) {
              if (events[looked_at[i]].body.value("text", "") == word) ++heard[i];
            }
          }
          return std::all_of(heard.begin(), heard.end(),
                             [&](size_t count) { return count == left.size(); });
        },
        patience);
    const double out = ms_since(begin);
    CHECK(again);
    silent_.clear();
    return out;
  }

 private:
  void say_next() {
    const auto nodes = star_.running();
    Node* node = nodes[++spoken_ % nodes.size()];
    if (std::find(silent_.begin(), silent_.end(), node) != silent_.end()) return;
    node->say(numbered("T line ", spoken_));
  }

  Star star_;
  size_t enlisted_ = 0;
  size_t spoken_ = 0;
  size_t outages_ = 0;
  std::vector<Node*> silent_;
};

/// `fault` ends or cuts off what it is given, the first of the succession; `repair` undoes it.
void print_outages(const std::string& what, const std::string& target, size_t gone,
                   const std::function<void(Crowd&, const std::vector<Node*>&)>& fault,
                   const std::function<void(Crowd&, const std::vector<Node*>&)>& repair) {
  std::vector<double> ms;
  for (int run = 0; run < faults;) {
    Crowd crowd(16);
    for (int i = 0; i < faults_each; ++i, ++run) {
      crowd.talk_until([] { return false; }, standing);
      std::vector<Node*> first = crowd.by_rank();
      const std::vector<Node*> those(first.begin(), first.begin() + 2);
      const std::vector<Node*> lost(first.begin(), first.begin() + static_cast<long>(gone));
      ms.push_back(crowd.outage(lost, [&] { fault(crowd, those); }));
      repair(crowd, those);
      crowd.star().settle();
    }
  }
  row(what, text("%.0f ms (worst %.0f)", median(ms), worst(ms)), target);
}

void kill(Crowd& crowd, Node& node) {
  crowd.star().leave_out(node);
  node.signal(SIGKILL);
}

/// Processes that take all the time that they get, and end with this object.
class Burners {
 public:
  explicit Burners(size_t count) {
    while (pids_.size() < count) {
      const pid_t pid = fork();
      REQUIRE(pid >= 0);
      if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // of the thread that made it
        while (getppid() != 1) continue;
        _exit(0);
      }
      pids_.push_back(pid);
    }
  }
  ~Burners() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }
  Burners(const Burners&) = delete;
  Burners& operator=(const Burners&) = delete;

 private:
  std::vector<pid_t> pids_;
};

std::string port_of(const Node& node) { return node.addr().substr(node.addr().rfind(':') + 1); }

bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }

}  // namespace

TEST_SUITE_BEGIN("crowd" * doctest::skip());

TEST_CASE("sixteen under load: hand-over") {
  print_outages(
      "16 nodes, 250 lines/s: H", "50 ms", 0,
      [](Crowd&, const std::vector<Node*>& first) { first[0]->say("H"); },
      [](Crowd&, const std::vector<Node*>&) {});
}

TEST_CASE("sixteen under load: the supernode quits") {
  print_outages(
      "16 nodes, 250 lines/s: Q", "50 ms", 1,
      [](Crowd& crowd, const std::vector<Node*>& first) {
        crowd.star().leave_out(*first[0]);
        first[0]->say("Q");
      },
      [](Crowd& crowd, const std::vector<Node*>&) { crowd.enlist(); });
}

TEST_CASE("sixteen under load: the supernode is killed") {
  print_outages(
      "16 nodes, 250 lines/s: SIGKILL", "500 ms (worst 1,000)", 1,
      [](Crowd& crowd, const std::vector<Node*>& first) { kill(crowd, *first[0]); },
      [](Crowd& crowd, const std::vector<Node*>&) { crowd.enlist(); });
}

TEST_CASE("sixteen under load: the supernode is frozen") {
  print_outages(
      "16 nodes, 250 lines/s: SIGSTOP", "500 ms (worst 1,000)", 1,
      [](Crowd&, const std::vector<Node*>& first) { first[0]->signal(SIGSTOP); },
      [](Crowd&, const std::vector<Node*>& first) { first[0]->signal(SIGCONT); });
}

TEST_CASE("sixteen under load: supernode and successor are killed") {
  print_outages(
      "16 nodes, 250 lines/s: SIGKILL of the first two", "2,000 ms", 2,
      [](Crowd& crowd, const std::vector<Node*>& first) {
        for (Node* node : first) kill(crowd, *node);
      },
      [](Crowd& crowd, const std::vector<Node*>&) {
        crowd.enlist();
        crowd.enlist();
      });
}

TEST_CASE("sixteen under load: the supernode's link drops in silence") {
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 ||
      !shell("ip link set lo up && nft add table ip cut && nft 'add chain ip cut out { type filter "
             "hook output priority 0; }'")) {
    row("16 nodes, 250 lines/s: the link drops", "not measured: needs root, ip and nft", "");
    return;
  }
  print_outages(
      "16 nodes, 250 lines/s: the link drops", "500 ms (worst 1,000)", 1,
      [](Crowd&, const std::vector<Node*>& first) {
        const std::string port = port_of(*first[0]);
        CHECK(shell("nft 'add rule ip cut out udp sport " + port +
                    " drop; add rule ip cut out udp "
                    "dport " +
                    port + " drop'"));
      },
      [](Crowd&, const std::vector<Node*>&) { CHECK(shell("nft flush chain ip cut out")); });
}

TEST_CASE("sixteen under load while eight processes burn the cores") {
  constexpr Seconds time{600};
  constexpr double a_second = 20;
  Crowd crowd(16);
  crowd.talk_until([] { return false; }, standing, a_second);
  std::vector<size_t> marks;
  const auto nodes = crowd.star().running();
  for (const Node* node : nodes) marks.push_back(node->mark());
  const Burners burners(8);
  crowd.talk_until([] { return false; }, time, a_second);
  size_t migrations = 0;
  size_t losses = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    migrations += nodes[i]->count("migrated", any, marks[i]);
    losses += nodes[i]->count("left", any, marks[i]);
  }
  row("16 nodes, 8 processes burn the cores, 10 min",
      text("%.0f migrations, %.0f losses", static_cast<double>(migrations),
           static_cast<double>(losses)),
      "0 migrations");
}

TEST_CASE("a hundred hear what is said") {
  constexpr double a_second = 100;
  constexpr Seconds time{10};
  Crowd crowd(100);
  crowd.talk_until([] { return false; }, standing, a_second);
  std::vector<Clock::time_point> said;
  std::vector<double> ms;
  const auto nodes = crowd.star().running();
  for (Node* node : nodes) {
    node->tap([&](std::string_view line) {
      constexpr std::string_view before = "\"text\":\"heard ";
      const size_t found = line.find(before);
      if (found == std::string_view::npos) return false;
      const size_t number = std::strtoull(line.data() + found + before.size(), nullptr, 10);
      if (number < said.size()) ms.push_back(Seconds(Clock::now() - said[number]).count() * 1e3);
      return true;
    });
  }
  const auto begin = Clock::now();
  while (Clock::now() < begin + time) {
    const size_t line = said.size();
    said.push_back(Clock::now());
    nodes[line % nodes.size()]->say("T " + numbered("heard ", line));
    const auto next = begin + Seconds(static_cast<double>(said.size()) / a_second);
    Program::run_until([] { return false; }, std::max(Seconds(next - Clock::now()), Seconds{}));
  }
  const size_t all = said.size() * nodes.size();
  Program::run_until([&] { return ms.size() == all; });
  CHECK(ms.size() == all);
  row("100 nodes, 100 lines/s: p50 and p99",
      text("%.1f and %.1f ms", median(ms), quantile(ms, 0.99)), "p99 20 ms");
}

TEST_SUITE_END();
