// SPDX-License-Identifier: MIT
#include "node/sim/star.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "node/sim/describe.h"

namespace node::sim {

using mrt::Duration;
using mrt::Instant;

/// Longer than any pause in which stars look for each other.
static constexpr Duration introduction_pause = std::chrono::seconds(10);

struct Star::Seat {
  HostId host;
  mrt::Random::Seed identity{};
  NodeId id;
  std::string nick;
  MemoryDisk disk;
  // Of the present life.
  Life life;
  NodeProgram* program = nullptr;  // owned by the world
  bool in_star = false;
  bool quitting = false;
  std::set<std::string> own_files;  // offered, or about to be
  std::map<CommandId, std::string> downloads;
  std::optional<CommandId> joining;
  size_t joined_via = 0;
};

/// A node and its disk under one pump.
class Star::NodeProgram final : public Program {
 public:
  NodeProgram(Star& star, size_t seat, const NodeConfig& config, const mrt::Random::Seed& seed)
      : star_(star), seat_(seat), disk_(star.seats_[seat]->disk), node_(star.now(), config, seed) {}

  void on_datagrams(Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes) override {
    node_.on_datagrams(now, path, ecn, segment_size, bytes);
  }

  Instant turn(Instant now, Outbox& outbox) override {
    while (const auto result = disk_.poll_result(now)) node_.on_file_result(now, *result);
    Io io{*this, outbox};
    const Instant wake = mrt::pump(node_, now, io);
    star_.check_consistency(seat_);
    return std::min(wake, disk_.next_timeout());
  }

  Node& node() { return node_; }

 private:
  struct Io {
    NodeProgram& program;
    Outbox& outbox;
    mrt::MutableBytes transmit_buffer() { return outbox.transmit_buffer(); }
    void transmit(const mrt::Transmit& batch) { outbox.transmit(batch); }
    void on_event(Instant now, const Event& event) {
      if (const auto* request = std::get_if<FileRequest>(&event)) {
        program.disk_.on_request(now, *request);
      } else {
        program.star_.on_event(program.seat_, event);
      }
    }
  };

  Star& star_;
  size_t seat_;
  MemoryDisk& disk_;
  Node node_;
};

Star::Star(const StarConfig& config)
    : world_(config.world), config_(config), random_(mrt::seed_from(~config.world.seed)) {}

Star::~Star() = default;

// Seats.

size_t Star::add_seat() {
  auto seat = std::make_unique<Seat>();
  seat->host = world_.add_host();
  seat->identity = random_.fork();
  seat->id = node_id_of(mrt::Identity(seat->identity).public_key());
  seat->nick = "n" + std::to_string(seats_.size());
  seat_by_id_[seat->id] = seats_.size();
  seats_.push_back(std::move(seat));
  return seats_.size() - 1;
}

Node* Star::node(size_t seat) const {
  NodeProgram* program = seats_[seat]->program;
  return program ? &program->node() : nullptr;
}

MemoryDisk& Star::disk(size_t seat) { return seats_[seat]->disk; }
HostId Star::host(size_t seat) const { return seats_[seat]->host; }
const std::string& Star::nick(size_t seat) const { return seats_[seat]->nick; }
const NodeId& Star::id(size_t seat) const { return seats_[seat]->id; }

std::optional<size_t> Star::seat_of(const NodeId& id) const {
  const auto it = seat_by_id_.find(id);
  return it == seat_by_id_.end() ? std::nullopt : std::optional(it->second);
}

bool Star::is_able(size_t seat) const {
  const Seat& at = *seats_[seat];
  return at.program && !at.quitting && !world_.is_frozen(at.host);
}

bool Star::is_in_star(size_t seat) const { return seats_[seat]->in_star; }

std::vector<size_t> Star::able_seats() const {
  std::vector<size_t> able;
  for (size_t seat = 0; seat < seats_.size(); ++seat) {
    if (is_able(seat)) able.push_back(seat);
  }
  return able;
}

std::optional<size_t> Star::supernode() const {
  std::map<NodeId, size_t> followers;
  for (const size_t seat : able_seats()) {
    if (is_in_star(seat)) ++followers[node(seat)->supernode()];
  }
  std::optional<size_t> best;
  size_t most = 0;
  for (const auto& [id, count] : followers) {
    const auto seat = seat_of(id);
    if (seat && is_able(*seat) && count > most) {
      best = seat;
      most = count;
    }
  }
  return best;
}

// Commands.

void Star::tell(const Deed& deed) {
  if (deed_watcher_) deed_watcher_(deed);
}

bool Star::begin(size_t seat, bool as_host) {
  Seat& at = *seats_[seat];
  if (at.program) return false;
  NodeConfig config;
  config.endpoint.identity = at.identity;
  config.endpoint.plain = !config_.sealed;
  config.endpoint.only_cipher = mrt::Cipher::chacha20_poly1305;
  if (config_.sealed) config.endpoint.network_key = {mrt::Access::secret, mrt::Bytes(16, 7)};
  config.nick = at.nick;
  config.sockets = {world_.address(at.host)};
  config.addresses = config.sockets;
  config.host = as_host;
  config.history = config_.history;
  tell({Deed::Kind::starts, {seat}, at.nick + (as_host ? " starts as host" : " starts"), at.id});
  at.life = Life{lives_++};
  at.in_star = as_host;
  at.quitting = false;
  at.own_files.clear();
  at.downloads.clear();
  at.joining.reset();
  acquaintance_.on_start(seat);
  checker_.on_start(at.life, at.id.to_string(), at.nick);
  auto program = std::make_unique<NodeProgram>(*this, seat, config, random_.fork());
  at.program = program.get();
  life_by_start_[node(seat)->life()] = at.life;
  world_.start(at.host, std::move(program));
  return true;
}

bool Star::start_host(size_t seat) { return begin(seat, true); }

bool Star::join(size_t seat, size_t via) {
  Seat& at = *seats_[seat];
  if (!at.program) begin(seat, false);
  if (!is_able(seat) || at.joining || seat == via) return false;
  at.joining = CommandId{++commands_};
  at.joined_via = via;
  node(seat)->join(now(), *at.joining, {call_address(via, seat)});
  world_.wake(at.host);
  return true;
}

bool Star::sees(size_t seat, size_t peer) const {
  const std::vector<Peer> peers = node(seat)->peers();
  return std::ranges::any_of(peers, [&](const Peer& one) { return one.node == id(peer); });
}

/// A user whose call failed goes on trying; the seats take their turn so that one at least lives.
void Star::try_another(size_t seat) {
  world_.at(now() + std::chrono::milliseconds(100), [this, seat, life = seats_[seat]->life] {
    const Seat& then = *seats_[seat];
    if (!then.program || then.life != life || then.quitting || then.in_star) return;
    if (!is_able(seat)) return try_another(seat);
    // Whom nobody runs any more is not called: ten seconds for each would be a script's, not a
    // node's.
    size_t next = then.joined_via;
    do {
      next = (next + 1) % seats_.size();
    } while (next != then.joined_via && (next == seat || !seats_[next]->program));
    if (next != seat) join(seat, next);
  });
}

bool Star::chat(size_t seat, std::string_view text) {
  if (!is_able(seat)) return false;
  const std::string unique = std::string(text) + " #" + std::to_string(++said_);
  const uint64_t number = node(seat)->chat(now(), CommandId{++commands_}, unique);
  if (number != 0) {
    tell({Deed::Kind::says, {seat}, unique});
    checker_.on_said(now(), seats_[seat]->life, number, unique);
  }
  world_.wake(host(seat));
  return number != 0;
}

static std::string shared_path(const std::string& name) { return "/shared/" + name; }

bool Star::offer(size_t seat, const std::string& name, mrt::Bytes bytes) {
  if (!is_able(seat)) return false;
  contents_.push_back(std::make_unique<mrt::Bytes>(bytes));
  checker_.on_file(name, contents_.back().get());
  disk(seat).put(shared_path(name), std::move(bytes));
  seats_[seat]->own_files.insert(name);
  node(seat)->offer(now(), CommandId{++commands_}, shared_path(name));
  world_.wake(host(seat));
  return true;
}

bool Star::withdraw(size_t seat, const std::string& name) {
  if (!is_able(seat)) return false;
  node(seat)->withdraw(now(), shared_path(name));
  world_.wake(host(seat));
  return true;
}

bool Star::download(size_t seat, const std::string& name) {
  if (!is_able(seat)) return false;
  Seat& at = *seats_[seat];
  for (const auto& [other, under_way] : at.downloads) {
    if (under_way == name) return false;
  }
  if (at.own_files.contains(name)) return false;
  const CommandId command{++commands_};
  at.downloads[command] = name;
  checker_.on_download(at.life, name);
  tell({Deed::Kind::asks, {seat}, nick(seat) + " asks for " + name});
  node(seat)->download(now(), command, name);
  world_.wake(at.host);
  return true;
}

bool Star::hand_over(size_t seat) {
  if (!is_able(seat)) return false;
  tell({Deed::Kind::hands_over, {seat}, nick(seat) + " is told to hand over"});
  node(seat)->hand_over(now(), CommandId{++commands_}, "");
  world_.wake(host(seat));
  return true;
}

bool Star::quit(size_t seat) {
  if (!is_able(seat)) return false;
  Seat& at = *seats_[seat];
  at.quitting = true;
  tell({Deed::Kind::quits, {seat}, nick(seat) + " is told to quit"});
  node(seat)->quit(now(), "quit");
  world_.wake(at.host);
  // node.h, rule 3; a node that was frozen meanwhile is not to blame.
  world_.at(now() + quit_time_max + std::chrono::milliseconds(50), [this, seat, life = at.life] {
    const Seat& then = *seats_[seat];
    if (then.program && then.life == life && !world_.is_frozen(then.host)) {
      checker_.report(now(), life, "was told to quit and still runs");
    }
  });
  return true;
}

void Star::end(size_t seat) {
  Seat& at = *seats_[seat];
  at.program = nullptr;
  at.in_star = false;
  at.disk.crash();
  world_.crash(at.host);
}

bool Star::wipe(size_t seat) {
  Seat& at = *seats_[seat];
  if (at.program) return false;
  at.identity = random_.fork();
  at.id = node_id_of(mrt::Identity(at.identity).public_key());
  at.disk = {};
  seat_by_id_[at.id] = seat;
  tell({Deed::Kind::disk, {seat}, at.nick + " loses its state"});
  return true;
}

// Time.

bool Star::run(Duration time) {
  const Instant end = now() + time;
  while (!checker_.violation() && world_.next() <= end) {
    world_.step();
    if (const auto spinning = world_.spinning()) {
      for (const auto& seat : seats_) {
        if (seat->host == *spinning) checker_.report(now(), seat->life, "never comes to rest");
      }
    }
  }
  if (!checker_.violation()) world_.run_until(end);
  return !checker_.violation();
}

std::optional<Duration> Star::settle(Duration limit) {
  const Instant start = now();
  end_faults();
  Instant introduction = start + introduction_pause;
  // Asking all of a large star is dear: ask less often the longer it takes.
  Duration slice = std::chrono::milliseconds(10);
  std::optional<Finding> missing;
  while (run(slice)) {
    missing = unsettled();
    if (!missing) {
      checker_.check_agreement(now());
      return checker_.violation() ? std::nullopt : std::optional(now() - start);
    }
    if (now() - start > limit) {
      missing->what = "not settled in time: " + missing->what;
      checker_.report(now(), *missing);
    }
    if (now() >= introduction) introduction = introduce();
    slice = std::min<Duration>(slice * 3 / 2, std::chrono::milliseconds(500));
  }
  return std::nullopt;
}

/// Where nobody of two stars ever saw one of the other, somebody who knows users of both has one
/// call the other. All others have to find each other by themselves. When to look again.
Instant Star::introduce() {
  std::map<size_t, std::vector<size_t>> stars;  // by who leads
  for (const size_t seat : able_seats()) {
    if (const auto leader = seat_of(node(seat)->supernode())) stars[*leader].push_back(seat);
  }
  std::erase_if(stars, [this](const auto& star) {
    const size_t leader = star.first;
    return !is_able(leader) || !is_in_star(leader) || node(leader)->role() == Role::member;
  });
  for (auto a = stars.begin(); a != stars.end(); ++a) {
    for (auto b = std::next(a); b != stars.end(); ++b) {
      if (acquaintance_.are_strangers(a->second, b->second)) join(a->first, b->first);
    }
  }
  return now() + introduction_pause;
}

std::optional<Finding> Star::unsettled() const {
  std::vector<Standing> living;
  for (const size_t seat : able_seats()) {
    const Seat& at = *seats_[seat];
    if (!at.in_star) return Finding{at.nick + " has not joined", {at.life}};
    const Node& one = *node(seat);
    Standing standing{
        at.life, one.role() == Role::supernode, one.epoch().value, one.supernode().to_string(), {},
        {}};
    for (const Peer& peer : one.peers()) {
      standing.roster.insert(peer.node.to_string());
      standing.succession.push_back({peer.node.to_string(), peer.nick});
    }
    for (const FileRow& file : one.files()) {
      for (const NodeId& holder : file.holders) {
        standing.offers.insert({file.name, file.size, file.hash.to_string(), holder.to_string()});
      }
    }
    living.push_back(std::move(standing));
  }
  return checker_.unsettled(living);
}

void Star::check_consistency(size_t seat) {
  if (!node(seat)->is_consistent()) {
    checker_.report(now(), seats_[seat]->life, "is not consistent");
  }
}

// Events.

void Star::watch(Watcher watcher, DeedWatcher deeds) {
  watcher_ = std::move(watcher);
  deed_watcher_ = std::move(deeds);
}

void Star::on_event(size_t seat, const Event& event) {
  world_.record(host(seat), describe(event));
  if (watcher_) watcher_(seat, event);
  std::visit([&](const auto& e) { take(seat, e); }, event);
}

void Star::take(size_t seat, const RoleChanged& event) {
  checker_.on_view(now(), seats_[seat]->life, event.epoch.value, life_by_start_.at(event.life));
}

void Star::take(size_t seat, const RosterChanged& event) {
  if (event.supernode != seats_[seat]->id) return;
  std::set<std::string> roster;
  for (const Peer& peer : event.peers) roster.insert(peer.node.to_string());
  checker_.on_roster(seats_[seat]->life, event.epoch.value, roster);
}

void Star::take(size_t seat, const PeerJoined& event) {
  checker_.on_peer_joined(now(), seats_[seat]->life, event.node.to_string());
  // A roster may still name a life that has ended: of the present one that says nothing.
  const auto peer = seat_of(event.node);
  if (peer && node(*peer) && node(*peer)->life() == event.life) acquaintance_.on_seen(seat, *peer);
}

void Star::take(size_t seat, const PeerLeft& event) {
  checker_.on_peer_left(now(), seats_[seat]->life, event.node.to_string());
  const auto peer = seat_of(event.node);
  if (event.reason != LeaveReason::lost || !peer) return;
  wrongly_lost_ += is_able(*peer) && is_in_star(*peer) ? 1 : 0;
}

void Star::take(size_t seat, const ChatDelivered& event) {
  checker_.on_heard(now(), seats_[seat]->life,
                    {event.from.to_string(), event.id.incarnation.value, event.id.number,
                     event.place.epoch.value, event.place.seq.value, event.text, event.history});
}

void Star::take(size_t seat, const GapFound& event) {
  checker_.on_gap(now(), seats_[seat]->life, event.count,
                  event.from.is_null() ? "" : event.from.to_string());
}

void Star::take(size_t seat, const OwnStable& event) {
  checker_.on_safe(now(), seats_[seat]->life, event.number);
}

void Star::take(size_t seat, const FileOffered& event) {
  checker_.on_offered(now(), seats_[seat]->life,
                      {event.name, event.size, event.hash.to_string(), event.holder.to_string()});
}

void Star::take(size_t seat, const FileWithdrawn& event) {
  checker_.on_withdrawn(now(), seats_[seat]->life,
                        {event.name, event.size, event.hash.to_string(), event.holder.to_string()});
}

void Star::take(size_t seat, const FileReceived& event) {
  Seat& at = *seats_[seat];
  ++received_count_;
  at.own_files.insert(event.name);
  checker_.on_received(now(), at.life, event.name, at.disk.content(event.path));
  std::erase_if(at.downloads, [&](const auto& one) { return one.second == event.name; });
}

void Star::take(size_t seat, const Migrated& event) {
  migrations_.push_back({now(), seat, event});
  checker_.on_migrated(seats_[seat]->life, event.epoch.value,
                       event.reason != MigrationReason::merged && !event.by_itself);
}

void Star::take(size_t seat, const JoinDone&) {
  Seat& at = *seats_[seat];
  at.joining.reset();
  at.in_star = true;
}

void Star::take(size_t seat, const CommandFailed& event) {
  Seat& at = *seats_[seat];
  if (at.joining == event.command) {
    ++joins_failed_;
    at.joining.reset();
    // It may be in, having been asked itself: whom its user called is in the roster.
    at.in_star = at.in_star || sees(seat, at.joined_via);
    if (!at.in_star) try_another(seat);
    return;
  }
  const auto download = at.downloads.extract(event.command);
  if (download.empty()) return;
  checker_.on_download_failed(
      now(), at.life, download.mapped(), event.message,
      event.code == ErrorCode::not_found || event.code == ErrorCode::ambiguous);
}

void Star::take(size_t seat, const Stopped&) {
  // Not within the node's own turn.
  world_.at(now(), [this, seat, life = seats_[seat]->life] {
    if (seats_[seat]->program && seats_[seat]->life == life) end(seat);
  });
}

}  // namespace node::sim
