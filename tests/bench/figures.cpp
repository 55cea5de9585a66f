// SPDX-License-Identifier: MIT
//
// The figures of this host: real processes on 127.0.0.1, measured from outside by their events
// and /proc. Each test case prints its rows; correctness is asserted, speed is only told.
//
//   figures                          all of them, in about two minutes
//   figures --test-case='*killed*'   one of them
//   figures --no-skip -ts=crowd      those of many nodes under load (crowd.cpp), in ten minutes
//
// 1. A time starts when a command is written to a pipe or a signal is sent, and ends when the
//    event of the last node is read: pipes and this reader are included.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "bench/rows.h"
#include "script/star.h"

using namespace script;

namespace {

// A line "VmRSS:   1234 kB" of /proc/PID/status, in MB.
double memory_mb(const Node& node, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(node.pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) * 1024 / 1e6;
  }
  return NAN;
}

// User and system time of a process so far, in seconds (proc(5), fields 14 and 15 of stat).
double cpu_seconds(const Node& node) {
  std::string stat = contents("/proc/" + std::to_string(node.pid()) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Five {
  Star star;
  Node& anna = star.host("anna");
  Node& ben = star.join("ben", anna);
  Node& carla = star.join("carla", anna);
  Node& dan = star.join("dan", anna);
  Clock::time_point last_start = Clock::now();
  Node& eva = star.join("eva", ben);
  Five() { star.settle(); }
};

bool everywhere(const Five& five, const std::string& event, const std::string& field,
                const std::string& value, const std::vector<size_t>& marks) {
  const auto nodes = five.star.running();
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto match = [&](const Json& body) { return body.value(field, "") == value; };
    if (nodes[i]->find(event, match, marks[i]) == nullptr) return false;
  }
  return true;
}

std::vector<size_t> marks_of(const Five& five) {
  std::vector<size_t> marks;
  for (const Node* node : five.star.running()) marks.push_back(node->mark());
  return marks;
}

struct Outages {
  std::vector<double> followed;  // ms until the last node had `migrated`
  std::vector<double> heard;     // ms until a message said at once was everywhere
};

// A star that has only begun waits longer before it suspects anybody.
constexpr Seconds standing{1.5};

// `end` ends anna's role; the rest follow another, and say something meanwhile.
Outages outages(int runs, const std::string& reason, bool stays,
                const std::function<void(Node&)>& end) {
  Outages out;
  for (int run = 0; run < runs; ++run) {
    Five five;
    Program::run_until([] { return false; }, standing);
    if (!stays) five.star.leave_out(five.anna);
    const auto marks = marks_of(five);
    const auto begin = Clock::now();
    end(five.anna);
    five.carla.say("T anyone there?");
    Program::await("migrated",
                   [&] { return everywhere(five, "migrated", "reason", reason, marks); });
    out.followed.push_back(ms_since(begin));
    Program::await("the message",
                   [&] { return everywhere(five, "chat", "text", "anyone there?", marks); });
    out.heard.push_back(ms_since(begin));
  }
  return out;
}

void print(const std::string& what, const Outages& out, const std::string& target) {
  row(what + ": all follow another",
      text("%.0f ms (worst %.0f)", median(out.followed), worst(out.followed)), target);
  row("  a message said at once is everywhere",
      text("%.0f ms (worst %.0f)", median(out.heard), worst(out.heard)), "");
}

}  // namespace

TEST_CASE("five nodes join") {
  std::vector<double> ms;
  for (int run = 0; run < 7; ++run) {
    const Five five;
    ms.push_back(ms_since(five.last_start));
  }
  row("five joined, from the last start", text("%.0f ms (worst %.0f)", median(ms), worst(ms)),
      "300 ms");
}

TEST_CASE("chat one by one") {
  Five five;
  std::vector<double> ms;
  const auto nodes = five.star.running();
  constexpr int count = 500;
  for (int i = 0; i < count; ++i) {
    const std::string line = "message " + std::to_string(i);
    const auto marks = marks_of(five);
    const auto begin = Clock::now();
    nodes[static_cast<size_t>(i) % nodes.size()]->say("T " + line);
    Program::await(line, [&] { return everywhere(five, "chat", "text", line, marks); });
    for (size_t n = 0; n < nodes.size(); ++n) {
      for (size_t e = marks[n]; e < nodes[n]->events().size(); ++e) {
        const Event& event = nodes[n]->events()[e];
        if (event.body.value("text", "") == line)
          ms.push_back(Seconds(event.at - begin).count() * 1e3);
      }
    }
  }
  REQUIRE(ms.size() == count * nodes.size());
  row("chat through the supernode, p50 and p99",
      text("%.2f and %.2f ms", median(ms), quantile(ms, 0.99)), "p99 5 ms");
}

TEST_CASE("burst and long text") {
  Five five;
  std::string lines;
  for (int i = 0; i < 300; ++i) lines += "T " + std::to_string(i) + "\n";
  auto begin = Clock::now();
  five.ben.write(lines);
  five.star.await_same_chat(300);
  row("300 messages at once, in order everywhere", text("%.0f ms", ms_since(begin)), "all");
  begin = Clock::now();
  five.carla.say("T " + std::string(60'000, 'x'));
  five.star.await_same_chat(301);
  row("60,000 characters everywhere", text("%.0f ms", ms_since(begin)), "all");
}

TEST_CASE("a gigabyte to three askers at once") {
  constexpr size_t bytes = 1'000'000'000;
  constexpr Seconds minutes{180};
  Five five;
  const auto file = make_file(five.ben.folder() / "gigabyte", bytes);
  const std::vector<Node*> askers = {&five.carla, &five.dan, &five.eva};
  auto begin = Clock::now();
  five.ben.say("B " + file.string());
  for (Node* node : askers) node->await_event("offered", any, 0, minutes);
  row("1 GB: offered and known", text("%.1f s", since(begin)), "");
  begin = Clock::now();
  for (Node* node : askers) node->say("R gigabyte");
  for (Node* node : askers) node->await_event("received", any, 0, minutes);
  const double seconds = since(begin);
  row("1 GB to three askers at once",
      text("%.1f s: %.0f MB/s in sum", seconds, 3 * static_cast<double>(bytes) / 1e6 / seconds),
      "300 MB/s");
  row("  the supernode's largest memory", text("%.0f MB", memory_mb(five.anna, "VmHWM")), "64 MB");
  row("  the holder's, the askers'",
      text("%.0f MB, %.0f MB", memory_mb(five.ben, "VmHWM"), memory_mb(five.carla, "VmHWM")), "");
  row("  cpu: supernode, holder",
      text("%.1f s, %.1f s", cpu_seconds(five.anna), cpu_seconds(five.ben)), "");
  for (Node* node : askers) CHECK(same_files(node->downloads() / "gigabyte", file));
}

TEST_CASE("hand-over") {
  print("H", outages(9, "handover", true, [](Node& anna) { anna.say("H"); }), "300 ms");
}

TEST_CASE("the supernode quits") {
  print("Q", outages(9, "left", false, [](Node& anna) { anna.say("Q"); }), "300 ms");
}

TEST_CASE("the supernode is killed") {
  print("SIGKILL", outages(9, "lost", false, [](Node& anna) { anna.signal(SIGKILL); }), "2,000 ms");
}

TEST_CASE("the supernode is frozen") {
  print("SIGSTOP", outages(9, "lost", false, [](Node& anna) { anna.signal(SIGSTOP); }), "2,000 ms");
}

TEST_CASE("idle") {
  Five five;
  constexpr double seconds = 10;
  const double annas = cpu_seconds(five.anna);
  const double bens = cpu_seconds(five.ben);
  Program::run_until([] { return false; }, Seconds(seconds));
  row("idle supernode of five",
      text("%.2f %% of a core, %.1f MB", (cpu_seconds(five.anna) - annas) / seconds * 100,
           memory_mb(five.anna, "VmRSS")),
      "0.5 %, 16 MB");
  row("idle member",
      text("%.2f %% of a core, %.1f MB", (cpu_seconds(five.ben) - bens) / seconds * 100,
           memory_mb(five.ben, "VmRSS")),
      "0.5 %, 16 MB");
}

TEST_CASE("200 nodes in the simulator") {
  Star star;
  const Outcome outcome = star.run({"sim", "--nodes", "200", "--seed", "7"}, Seconds(300));
  CHECK_MESSAGE(outcome.code == 0, outcome.complaints);
  row("200 nodes in the simulator join and chat", text("%.1f s", outcome.seconds), "they do");
}
