// SPDX-License-Identifier: MIT
//
// The scenes, in the order in which they are played.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "client/demo_show.h"
#include "mrt/base/random.h"

namespace client {

namespace {

constexpr size_t peer_count = 5;
// Eva's line: slow enough that a download from her can be watched, and interrupted.
constexpr const char* slow_line = "rate=40mbit";
constexpr uint64_t quick_file_bytes = 8'000'000;
constexpr uint64_t slow_file_bytes = 16'000'000;
// The supernode is killed when the slow download is well under way.
constexpr uint64_t kill_after_bytes = slow_file_bytes / 4;
// Enough for a 99th percentile over all deliveries (500), and over in half a second.
constexpr size_t single_messages = 100;
constexpr size_t burst_each = 20;
// What people say at most while their supernode is being replaced.
constexpr uint64_t leaderless_pause_ms = 50;
constexpr size_t leaderless_messages_max = 100;

std::filesystem::path make_file(const std::filesystem::path& path, uint64_t size, uint64_t seed) {
  mrt::Random random(mrt::seed_from(seed));
  mrt::Bytes bytes(size);
  random.fill(bytes);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
  file.close();
  if (!file) throw DemoStopped{1, "writing " + path.string()};
  return path;
}

bool same_bytes(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::ifstream left(a, std::ios::binary), right(b, std::ios::binary);
  const std::istreambuf_iterator<char> end;
  return left && right &&
         std::equal(std::istreambuf_iterator<char>(left), end,
                    std::istreambuf_iterator<char>(right), end);
}

const DemoEvent* received(const DemoChild& child, const std::string& name) {
  const auto* event = child.last("received");
  return event != nullptr && event->body.value("name", "") == name ? event : nullptr;
}

double ms_between(uint64_t from, uint64_t to) {
  return to > from ? static_cast<double>(to - from) / 1e6 : 0;
}

// When a node first knew everybody; nothing before that.
const DemoEvent* first_full_roster(const DemoChild& child) {
  for (const auto& event : child.events()) {
    if (event.is("roster") && event.body["peers"].size() == peer_count) return &event;
  }
  return nullptr;
}

}  // namespace

void DemoShow::open_star() {
  screen_.scene(1, "A star is opened, and four join it");
  DemoChild& anna = *cast_[0];
  DemoChild& ben = *cast_[1];
  DemoChild& eva = *cast_[4];
  const auto address = [this](DemoChild& child) {
    await(child.nick() + " starting", [&] { return child.last("listening") != nullptr; });
    return child.last("listening")->body.value("addr", "");
  };
  start(anna, {"host"});
  const std::string centre = address(anna);
  screen_.say(fmt::format("{}  thuban host                 is the supernode: the others meet there",
                          screen_.name(anna.nick())));
  for (size_t i = 1; i < 4; ++i) {
    start(*cast_[i], {"join", centre});
    screen_.say(fmt::format("{}  thuban join {}", screen_.name(cast_[i]->nick()), centre));
  }
  const std::string member = address(ben);
  start(eva, {"join", member, "--impair", slow_line});
  screen_.say(fmt::format("{}  thuban join {}  is ben's: he leads her on to anna",
                          screen_.name(eva.nick()), member));
  uint64_t complete_at = 0;
  for (const auto& child : cast_) {
    await(child->nick() + " joining the star",
          [&child] { return first_full_roster(*child) != nullptr; });
    complete_at = std::max(complete_at, first_full_roster(*child)->at);
  }
  figures_.joined_ms = ms_between(eva.started_at(), complete_at);
  screen_.star("anna", {"ben", "carla", "dan", "eva"}, "");
  screen_.say(fmt::format("All five know each other {:.0f} ms after the last was started.",
                          figures_.joined_ms));
}

void DemoShow::chat() {
  screen_.scene(2, "They chat, and all see the same order");
  say_everywhere(*cast_[0], "Welcome! I am in the middle, for now.");
  say_everywhere(*cast_[1], "Hello from ben.");
  say_everywhere(*cast_[4], "I came in through ben and ended up here. Nice.");
  chat_one_by_one();
  chat_at_once();
}

void DemoShow::say_everywhere(DemoChild& speaker, const std::string& text) {
  const size_t number = ledger_.sent();
  say(speaker, text);
  const auto arrived = [&] { return ledger_.latencies(number, number + 1, deliveries_of_alive()); };
  await(speaker.nick() + "'s message arriving everywhere",
        [&] { return arrived().size() >= alive().size(); });
  screen_.say(fmt::format("{}  {:<46}  {} everywhere in {:.1f} ms", screen_.name(speaker.nick()),
                          text, screen_.tick(), arrived().back()));
}

void DemoShow::chat_one_by_one() {
  const size_t first = ledger_.sent();
  for (size_t i = 1; i <= single_messages; ++i) {
    const std::string text = fmt::format("message {} of {}", i, single_messages);
    say(*cast_[i % cast_.size()], text);
    // Not by the ledger: the wait must not cost more than what it measures.
    await(text + " arriving everywhere", [&] {
      return std::all_of(cast_.begin(), cast_.end(), [&](const auto& child) {
        const auto* event = child->last("chat");
        return event != nullptr && event->body.value("text", "") == text;
      });
    });
  }
  const auto ms = ledger_.latencies(first, ledger_.sent(), deliveries_of_alive());
  figures_.chat_p50_ms = percentile(ms, 0.5);
  figures_.chat_p99_ms = percentile(ms, 0.99);
  screen_.say();
  screen_.say(
      fmt::format("{} more, one after the other: half of the {} deliveries took under {:.2f} ms,",
                  single_messages, ms.size(), figures_.chat_p50_ms));
  screen_.say(fmt::format("99 of 100 under {:.2f} ms.", figures_.chat_p99_ms));
}

void DemoShow::chat_at_once() {
  const size_t from = ledger_.sent();
  for (size_t i = 0; i < burst_each; ++i) {
    for (auto& child : cast_) say(*child, fmt::format("{}{}", child->nick().front(), i + 1));
  }
  await_all_chat();
  const DemoTally all = tally();
  if (!all.clean()) throw DemoStopped{1, "the same order of chat everywhere"};
  screen_.say();
  screen_.say(fmt::format("All five talk at once, {} lines each. What stands on whose screen:",
                          burst_each));
  screen_.say();
  for (const auto& child : cast_) {
    const auto list = deliveries(*child);
    std::string line;
    for (size_t i = from; i < from + 14; ++i) line += fmt::format("{:<4}", list[i].text);
    screen_.say(fmt::format("{}  {}...", screen_.name(child->nick()), line));
  }
  screen_.say();
  screen_.say(
      fmt::format("{} the same order on all five, nothing lost, nothing twice.", screen_.tick()));
}

void DemoShow::share_file() {
  screen_.scene(3, "A file, checked block by block as it arrives");
  DemoChild& carla = *cast_[2];
  DemoChild& dan = *cast_[3];
  const auto file = make_file(folder_.path() / "polaris.bin", quick_file_bytes, 1);
  offer(carla, file);
  dan.say("R polaris.bin");
  screen_.say(fmt::format("{}  R polaris.bin", screen_.name(dan.nick())));
  await_download(dan, "polaris.bin", quick_file_bytes);
  show_received(dan, file);
  figures_.file_mb_s = static_cast<double>(quick_file_bytes) / 1e3 /
                       std::max(1.0, dan.last("received")->body.value("ms", 1.0));
}

void DemoShow::offer(DemoChild& holder, const std::filesystem::path& file) {
  const std::string name = file.filename();
  const std::string line = "B " + file.string();
  holder.say(line);
  const auto offered = [&name](const DemoChild& child) {
    const auto* event = child.last("offered");
    return event != nullptr && event->body.value("name", "") == name ? event : nullptr;
  };
  await(holder.nick() + "'s offer of " + name + " reaching everyone", [&] {
    const auto nodes = alive();
    return std::all_of(nodes.begin(), nodes.end(),
                       [&](const DemoChild* child) { return offered(*child) != nullptr; });
  });
  const auto& event = offered(holder)->body;
  screen_.say(fmt::format("{}  B {}   ({:.0f} MB)", screen_.name(holder.nick()), name,
                          event.value("size", 0.0) / 1e6));
  screen_.say(fmt::format("       hash {}", event.value("hash", "")));
}

void DemoShow::await_download(DemoChild& asker, const std::string& name, uint64_t least_bytes) {
  const auto* drawn = asker.last("progress");
  await(asker.nick() + " downloading " + name, [&] {
    if (received(asker, name) != nullptr) return true;
    const auto* event = asker.last("progress");
    if (event == nullptr || event->body.value("name", "") != name) return false;
    const uint64_t bytes = event->body.value("bytes", uint64_t{0});
    if (event != drawn) {
      screen_.progress(asker.nick(), bytes, event->body.value("size", uint64_t{0}),
                       event->body.value("rate", uint64_t{0}));
      drawn = event;
    }
    return bytes >= least_bytes && bytes < event->body.value("size", uint64_t{0});
  });
  screen_.clear_progress();
}

void DemoShow::show_received(DemoChild& asker, const std::filesystem::path& original) {
  const auto& file = asker.last("received")->body;
  const double ms = std::max(1.0, file.value("ms", 1.0));
  const double mb = file.value("size", 0.0) / 1e6;
  if (!same_bytes(original, file.value("path", "")))
    throw DemoStopped{1, "comparing the copy of " + original.filename().string()};
  screen_.say(fmt::format("{}  has {:.0f} MB after {:.0f} ms ({:.0f} MB/s)",
                          screen_.name(asker.nick()), mb, ms, mb / ms * 1e3));
  screen_.say(fmt::format("       hash {} {}", file.value("hash", ""), screen_.tick()));
  screen_.event("download", {{"nick", asker.nick()},
                             {"name", file.value("name", "")},
                             {"size", file.value("size", uint64_t{0})},
                             {"hash", file.value("hash", "")},
                             {"ms", file.value("ms", uint64_t{0})}});
}

void DemoShow::kill_supernode() {
  screen_.scene(4, "The supernode is killed while a download runs");
  DemoChild& anna = *cast_[0];
  DemoChild& carla = *cast_[2];
  DemoChild& eva = *cast_[4];
  screen_.say("eva's line is a slow one (40 Mbit/s), so this download takes its time.");
  screen_.say();
  offer(eva, make_file(folder_.path() / "thuban.bin", slow_file_bytes, 2));
  carla.say("R thuban.bin");
  screen_.say(fmt::format("{}  R thuban.bin", screen_.name(carla.nick())));
  await_download(carla, "thuban.bin", kill_after_bytes);
  if (received(carla, "thuban.bin") != nullptr) {
    throw DemoStopped{1, "killing the supernode while the download runs: it was too quick"};
  }
  dead_ = &anna;
  for (const auto* child : alive()) told_at_kill_.push_back(child->events().size());
  const uint64_t killed_at = DemoLoop::now();
  anna.kill(SIGKILL);
  screen_.say();
  screen_.say(fmt::format("{} kill -9 {}: anna is gone without a word. The others go on talking.",
                          screen_.cross(), anna.pid()));
  chat_while_leaderless();
  show_take_over(killed_at);
}

void DemoShow::chat_while_leaderless() {
  const auto nodes = alive();
  // On a busy host one of them may notice late, go on alone for a moment, and come back.
  const auto all_migrated = [&] {
    std::set<std::string> followed;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const auto* event = nodes[i]->last("migrated", told_at_kill_[i]);
      if (event == nullptr) return false;
      followed.insert(event->body.value("to", ""));
    }
    return followed.size() == 1;
  };
  for (size_t i = 0; i < leaderless_messages_max && !all_migrated(); ++i) {
    say(*nodes[i % nodes.size()], fmt::format("anyone there? ({})", i + 1));
    loop_.pause(leaderless_pause_ms);
  }
  await("the others following one new supernode", all_migrated);
}

void DemoShow::show_take_over(uint64_t killed_at) {
  const auto nodes = alive();
  std::string successor;
  screen_.say();
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto* event = nodes[i]->last("migrated", told_at_kill_[i]);
    const double works = ms_between(killed_at, event->at);
    const double noticed = std::max(0.0, works - event->body.value("ms", 0.0));
    const std::string to = by_node(event->body.value("to", "")).nick();
    successor = to;
    figures_.noticed_ms = std::max(figures_.noticed_ms, noticed);
    figures_.take_over_ms = std::max(figures_.take_over_ms, works);
    screen_.say(fmt::format("{}  noticed after {:4.0f} ms, works again after {:4.0f} ms{}",
                            screen_.name(nodes[i]->nick()), noticed, works,
                            nodes[i]->nick() == to ? ": is the supernode now" : ""));
    screen_.event("take_over", {{"nick", nodes[i]->nick()},
                                {"supernode", to},
                                {"noticed_ms", noticed},
                                {"works_ms", works}});
  }
  std::vector<std::string> around = {"ben", "carla", "dan", "eva"};
  std::replace(around.begin(), around.end(), successor, std::string("anna"));
  screen_.star(successor, around, "anna");
}

void DemoShow::finish_download() {
  screen_.scene(5, "Nothing was lost");
  DemoChild& carla = *cast_[2];
  await_download(carla, "thuban.bin", slow_file_bytes);
  show_received(carla, folder_.path() / "thuban.bin");
  screen_.say();
  for (auto* child : alive()) say_everywhere(*child, child->nick() + " is still here.");
  await_all_chat();
  const DemoTally all = tally();
  const bool parted = were_parted();
  if (all.lost > 0 || all.doubled > 0 || !(all.same_order || parted)) {
    throw DemoStopped{1, fmt::format("counting the chat: {} lost, {} doubled, {} order", all.lost,
                                     all.doubled, all.same_order ? "in one" : "not in one")};
  }
  screen_.say();
  screen_.say(fmt::format("{} all {} messages since the start are at all {} who live, {}.",
                          screen_.tick(), all.sent, all.nodes,
                          all.same_order ? "in one order" : "each once"));
  if (all.same_order) return;
  screen_.say("This host was so busy that it parted them for a moment: what they said meanwhile");
  screen_.say("stands in another order here and there.");
}

/// Somebody followed one supernode after anna, and then another one: so there were two.
bool DemoShow::were_parted() const {
  const auto nodes = alive();
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& events = nodes[i]->events();
    const auto since = events.begin() + static_cast<std::ptrdiff_t>(told_at_kill_[i]);
    const auto followed = std::count_if(
        since, events.end(), [](const DemoEvent& event) { return event.is("migrated"); });
    if (followed > 1) return true;
  }
  return false;
}

void DemoShow::await_all_chat() {
  try {
    await("all chat arriving everywhere", [this] { return tally().lost == 0; });
  } catch (DemoStopped& stopped) {
    const DemoTally all = tally();
    stopped.why += fmt::format(": {} messages to {} nodes, {} deliveries missing", all.sent,
                               all.nodes, all.lost);
    throw;
  }
}

void DemoShow::show_figures() {
  const DemoTally all = tally();
  screen_.scene(6, "Figures of this run");
  const auto row = [this](const std::string& what, const std::string& value) {
    screen_.say(fmt::format("{:<52} {}", what, screen_.bold(value)));
  };
  row("five joined, from the last start", fmt::format("{:6.0f} ms", figures_.joined_ms));
  row("chat from one to all, half of the deliveries under",
      fmt::format("{:6.2f} ms", figures_.chat_p50_ms));
  row("                      99 of 100 under", fmt::format("{:6.2f} ms", figures_.chat_p99_ms));
  row("file through the supernode", fmt::format("{:6.0f} MB/s", figures_.file_mb_s));
  row("supernode killed: the last to notice, after",
      fmt::format("{:6.0f} ms", figures_.noticed_ms));
  row("                  the last to work again, after",
      fmt::format("{:6.0f} ms", figures_.take_over_ms));
  row("messages sent", fmt::format("{:6}", all.sent));
  row(fmt::format("messages delivered ({} x {} nodes)", all.sent, all.nodes),
      fmt::format("{:6}", all.delivered));
  row("messages lost", fmt::format("{:6}", all.lost));
  screen_.say();
  screen_.event("figures", {{"joined_ms", figures_.joined_ms},
                            {"chat_p50_ms", figures_.chat_p50_ms},
                            {"chat_p99_ms", figures_.chat_p99_ms},
                            {"file_mb_s", figures_.file_mb_s},
                            {"noticed_ms", figures_.noticed_ms},
                            {"take_over_ms", figures_.take_over_ms},
                            {"sent", all.sent},
                            {"delivered", all.delivered},
                            {"lost", all.lost},
                            {"doubled", all.doubled}});
}

}  // namespace client
