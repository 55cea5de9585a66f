// SPDX-License-Identifier: MIT
#include "client/sim_command.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "node/sim/describe.h"
#include "node/sim/scenario.h"
#include "node/sim/timeline.h"
#include "node/sim/timeline_picture.h"

namespace client {

using namespace node::sim;

namespace {

double in_ms(Instant at) { return 1e3 * mrt::to_seconds(at.time_since_epoch()); }

std::vector<TimelineSeat> seats_of(const Star& star) {
  std::vector<TimelineSeat> seats;
  for (size_t seat = 0; seat < star.seat_count(); ++seat) {
    seats.push_back({star.id(seat), star.nick(seat)});
  }
  return seats;
}

/// Which of the events, deeds and datagrams go to standard output, and how. What a picture needs
/// is kept.
class Narrator {
 public:
  Narrator(const SimOptions& options, Star& star)
      : options_(options), star_(star), links_(describe(star.world().link())) {
    if (!options.svg.empty()) timeline_.emplace(seats_of(star));
    star.watch([this](size_t seat, const node::Event& event) { on_event(seat, event); },
               [this](const Deed& deed) { on_deed(deed); });
    if (options.trace) {
      star.world().watch([this](const Passage& passage) { on_passage(passage); });
    }
  }

  const std::optional<Timeline>& timeline() const { return timeline_; }
  /// Those that the run began with.
  const std::string& links() const { return links_; }

 private:
  void line(const std::string& who, const char* kind, const std::string& text) const {
    if (options_.json) {
      const nlohmann::json object = {
          {"event", kind}, {"at_ms", in_ms(star_.now())}, {"node", who}, {"text", text}};
      fmt::print("{}\n", object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else if (std::string_view(kind) == "deed") {
      fmt::print("{:10.3f} ms  ** {}\n", in_ms(star_.now()), text);
    } else {
      fmt::print("{:10.3f} ms  {:<5} {}\n", in_ms(star_.now()), who, text);
    }
  }

  /// What is said shows where it is heard.
  void on_deed(const Deed& deed) {
    if (timeline_) timeline_->on_deed(star_.now(), deed);
    if (deed.kind != Deed::Kind::says || options_.trace) {
      const std::string said = deed.kind == Deed::Kind::says
                                   ? star_.nick(deed.seats[0]) + " says " + deed.text.substr(0, 40)
                                   : deed.text;
      line("", "deed", said);
    }
  }

  void on_event(size_t seat, const node::Event& event) {
    if (timeline_) timeline_->on_event(star_.now(), seat, event);
    if (options_.trace || options_.json || is_news(event)) {
      line(star_.nick(seat), "event", describe(event));
    }
  }

  /// With N nodes most things happen N times: a student wants to read them once.
  bool is_news(const node::Event& event) {
    if (const auto* chat = std::get_if<node::ChatDelivered>(&event)) {
      return first_time("chat" + chat->id.to_string());
    }
    if (std::holds_alternative<node::PeerLeft>(event)) {
      return first_time("left" + describe(event) +
                        std::to_string(star_.now().time_since_epoch() / std::chrono::seconds(5)));
    }
    if (std::holds_alternative<node::FileOffered>(event)) {
      return first_time("offer" + describe(event));
    }
    if (const auto* role = std::get_if<node::RoleChanged>(&event)) {
      return role->role == node::Role::supernode;
    }
    if (const auto* migrated = std::get_if<node::Migrated>(&event)) {
      return star_.seat_count() <= 10 || first_time("migrated" + migrated->to.to_string());
    }
    return std::holds_alternative<node::JoinDone>(event) ||
           std::holds_alternative<node::FileReceived>(event) ||
           std::holds_alternative<node::CommandFailed>(event) ||
           std::holds_alternative<node::Stopped>(event) ||
           std::holds_alternative<node::GapFound>(event);
  }

  bool first_time(const std::string& what) { return seen_.insert(what).second; }

  void on_passage(const Passage& passage) const {
    static constexpr const char* words[] = {"->", "-x", "=>", "=x"};
    line(name_of(passage.from), "datagram",
         fmt::format("{} {:<5} {}", words[static_cast<size_t>(passage.kind)], name_of(passage.to),
                     describe_datagram(passage.bytes)));
  }

  std::string name_of(const mrt::Address& address) const {
    for (size_t seat = 0; seat < star_.seat_count(); ++seat) {
      if (star_.world().address(star_.host(seat)) == address) return star_.nick(seat);
    }
    return address.to_string();
  }

  const SimOptions& options_;
  Star& star_;
  std::string links_;
  std::set<std::string> seen_;
  std::optional<Timeline> timeline_;
};

double delay_ms(const std::vector<Duration>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
  return 1e3 * mrt::to_seconds(sorted[index]);
}

/// Of each supernode's beginning: how many followed, and how long the slowest was without one.
struct Change {
  std::string reason;
  size_t followers = 0;
  Duration slowest{};
};

std::map<uint64_t, Change> changes(const Outcome& outcome) {
  std::map<uint64_t, Change> out;
  for (const MigrationSeen& seen : outcome.migrations) {
    Change& change = out[seen.what.epoch.value];
    change.reason = to_text(seen.what.reason);
    ++change.followers;
    change.slowest = std::max(change.slowest, seen.what.took);
  }
  return out;
}

void print_summary(const Scenario& scenario, const Play& play, const Outcome& outcome) {
  fmt::print("\n{} nodes, seed {}, {:.1f} s of virtual time\n", play.nodes, play.seed,
             in_ms(outcome.end) / 1e3);
  fmt::print("  chat        {} said, heard {} times; {:.1f} ms median, {:.1f} ms worst\n",
             outcome.said, outcome.heard, delay_ms(outcome.chat_delays, 0.5),
             delay_ms(outcome.chat_delays, 1));
  fmt::print("  files       {} received, to the byte what was offered\n", outcome.received);
  for (const auto& [epoch, change] : changes(outcome)) {
    fmt::print(
        "  migration   to epoch {} ({}): {} nodes, the slowest without supernode for {} ms\n",
        epoch, change.reason, change.followers, mrt::to_ms(change.slowest));
  }
  for (const Figure& figure : outcome.figures) {
    fmt::print("  figure      {}: {:.0f} {}\n", figure.name, figure.value, figure.unit);
  }
  fmt::print("  datagrams   {} sent ({:.1f} MB), {} lost, {} duplicated, {} corrupted\n",
             outcome.world.datagrams_sent, static_cast<double>(outcome.world.bytes_sent) / 1e6,
             outcome.links.lost + outcome.links.dropped, outcome.links.duplicated,
             outcome.links.corrupted);
  fmt::print("  digest      {:016x}\n", outcome.digest);
  if (outcome.violation) {
    fmt::print(
        "VIOLATION at {:.3f} ms: {}\nRepeat it with: {}\n"
        "Add --trace for every datagram, --svg FILE for a picture.\n",
        in_ms(outcome.violation->at), outcome.violation->what, command_for(scenario, play));
  } else {
    fmt::print("All rules kept; at rest {} ms after the last fault.\n",
               mrt::to_ms(outcome.settled_after));
  }
}

void print_json_summary(const Scenario& scenario, const Play& play, const Outcome& outcome) {
  nlohmann::json migrations = nlohmann::json::array();
  for (const auto& [epoch, change] : changes(outcome)) {
    migrations.push_back({{"epoch", epoch},
                          {"reason", change.reason},
                          {"nodes", change.followers},
                          {"slowest_ms", mrt::to_ms(change.slowest)}});
  }
  nlohmann::json figures = nlohmann::json::array();
  for (const Figure& figure : outcome.figures) {
    figures.push_back({{"name", figure.name}, {"value", figure.value}, {"unit", figure.unit}});
  }
  nlohmann::json object = {{"event", "summary"},
                           {"scenario", scenario.name},
                           {"nodes", play.nodes},
                           {"seed", play.seed},
                           {"at_ms", in_ms(outcome.end)},
                           {"said", outcome.said},
                           {"heard", outcome.heard},
                           {"received", outcome.received},
                           {"chat_p50_ms", delay_ms(outcome.chat_delays, 0.5)},
                           {"chat_p99_ms", delay_ms(outcome.chat_delays, 0.99)},
                           {"migrations", migrations},
                           {"figures", figures},
                           {"datagrams", outcome.world.datagrams_sent},
                           {"bytes", outcome.world.bytes_sent},
                           {"lost", outcome.links.lost + outcome.links.dropped},
                           {"digest", fmt::format("{:016x}", outcome.digest)},
                           {"settled_ms", mrt::to_ms(outcome.settled_after)},
                           {"violation", nullptr}};
  if (outcome.violation) {
    object["violation"] = {{"at_ms", in_ms(outcome.violation->at)},
                           {"what", outcome.violation->what},
                           {"repeat", command_for(scenario, play)}};
  }
  fmt::print("{}\n", object.dump());
}

/// False, and said on standard error, where that cannot be.
bool write_picture(std::ofstream& file, const std::string& path, const std::string& picture) {
  if (file && (picture.empty() || (file << picture << std::flush))) return true;
  fmt::print(stderr, "thuban: {} cannot be written: {}\n", path, std::strerror(errno));
  return false;
}

std::string draw_run(const Scenario& scenario, const Play& play, const Narrator& narrator,
                     const Outcome& outcome) {
  const PictureCaption caption{
      fmt::format("{}, seed {}: {} nodes", scenario.name, play.seed, play.nodes), narrator.links(),
      command_for(scenario, play)};
  return draw(*narrator.timeline(), caption, outcome.end, outcome.violation);
}

void list_scenarios(std::FILE* out) {
  for (const Scenario& scenario : scenarios()) {
    const std::string nodes = scenario.nodes == 0 ? "2 to 200" : std::to_string(scenario.nodes);
    fmt::print(out, "{:<15} {} ({} nodes)\n", scenario.name, scenario.what, nodes);
  }
}

}  // namespace

int run_sim(const SimOptions& options) {
  if (options.scenario == "list") {
    list_scenarios(stdout);
    return 0;
  }
  const Scenario* scenario = find_scenario(options.scenario);
  if (!scenario) {
    fmt::print(stderr, "thuban: no scenario is called \"{}\"; there are:\n", options.scenario);
    list_scenarios(stderr);
    return 2;
  }
  Play play{.seed = options.seed,
            .nodes = options.nodes.value_or(0),
            .link = {},
            .duration = {},
            .kill = options.kill,
            .sealed = options.sealed};
  play.nodes = node_count(*scenario, play);
  if (play.nodes < scenario->nodes_min) {
    fmt::print(stderr, "thuban: \"{}\" needs at least {} nodes\n", scenario->name,
               scenario->nodes_min);
    return 2;
  }
  if (options.duration) play.duration = *options.duration;
  if (options.loss || options.delay) {
    play.link = LinkSpec{.delay = options.delay.value_or(std::chrono::milliseconds(10)),
                         .loss = options.loss.value_or(0)};
  }
  // Before the run, which may take its time.
  std::ofstream picture;
  if (!options.svg.empty()) {
    picture.open(options.svg, std::ios::binary);
    if (!write_picture(picture, options.svg, "")) return 1;
  }
  std::optional<Narrator> narrator;
  const Outcome outcome = node::sim::play(*scenario, play, [&](Star& star) {
    if (!options.json) {
      fmt::print("{}: {}\nLinks: {}\n\n", scenario->name, scenario->what,
                 describe(star.world().link()));
    }
    narrator.emplace(options, star);
  });
  if (options.json) {
    print_json_summary(*scenario, play, outcome);
  } else {
    print_summary(*scenario, play, outcome);
  }
  if (!options.svg.empty() &&
      !write_picture(picture, options.svg, draw_run(*scenario, play, *narrator, outcome))) {
    return 1;
  }
  return outcome.violation ? 1 : 0;
}

}  // namespace client
