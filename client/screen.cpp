// SPDX-License-Identifier: MIT
#include "client/screen.h"

#include <fmt/format.h>

#include <utility>

#include "client/nat_words.h"
#include "client/table.h"
#include "client/text.h"

namespace client {

namespace {

constexpr const char* bold = "1";
constexpr const char* dim = "2";
constexpr const char* red = "31";
constexpr const char* green = "32";
constexpr const char* cyan = "36";

// Wide enough for any sane name, narrow enough for a row on a terminal.
constexpr size_t name_columns_max = 48;
// Twice the thousands that a star may have.
constexpr size_t nicks_max = 10'000;

std::string file_text(const std::string& name, uint64_t size, const node::FileHash& hash) {
  return fmt::format("{} ({}, {})", clean(name), size_text(size), short_hash(hash));
}

std::string rtt_text(mrt::Duration rtt) {
  return rtt == mrt::Duration{} ? "-" : duration_text(rtt);
}

}  // namespace

std::string short_hash(const node::FileHash& hash) { return hash.to_string().substr(0, 8); }

/// "relayed (no answer to punching)", and who would be lost with the supernode.
static std::string path_text(const node::Peer& peer) {
  std::string out(node::to_text(peer.path));
  if (peer.relayed != node::RelayReason::none) {
    out += fmt::format(" ({})", node::to_text(peer.relayed));
  }
  return peer.cut_off ? out + ", cut off from the next" : out;
}

std::string peers_table(const node::RosterChanged& roster, const node::NodeId& own) {
  Table table({"NICK", "ROLE", ">NEXT", "ADDRESS", "PATH", ">RTT", "NODE"});
  for (const node::Peer& peer : roster.peers) {
    const bool self = peer.node == own;
    table.add({clean(peer.nick) + (self ? " (you)" : ""), std::string(node::to_text(peer.role)),
               peer.rank == 0 ? "-" : std::to_string(peer.rank), peer.address.to_string(),
               self && !peer.cut_off ? "-" : path_text(peer), rtt_text(peer.rtt),
               peer.node.to_string().substr(0, 8)});
  }
  return table.to_string();
}

std::string files_table(const std::vector<node::FileRow>& files) {
  if (files.empty()) return "nothing is on offer";
  Table table({"NAME", ">SIZE", "HASH", ">HOLDERS"});
  for (const node::FileRow& row : files) {
    table.add({clean(row.name, name_columns_max), size_text(row.size), short_hash(row.hash),
               std::to_string(row.holders.size())});
  }
  return table.to_string();
}

std::string stats_table(const StatsAsked& stats, const Screen& screen) {
  if (stats.connections.empty()) return "no connections";
  Table table(
      {"NODE", ">RTT", ">WINDOW", ">SENT", ">RECEIVED", ">LOST", ">AGAIN", ">CORRUPT", ">MTU"});
  for (const auto& [peer, connection] : stats.connections) {
    table.add({screen.name_of(peer), rtt_text(connection.rtt), size_text(connection.window_bytes),
               size_text(connection.bytes_sent), size_text(connection.bytes_received),
               std::to_string(connection.packets_lost), size_text(connection.bytes_retransmitted),
               std::to_string(connection.packets_corrupt), std::to_string(connection.mtu_bytes)});
  }
  return table.to_string();
}

std::string Screen::painted(const char* code, std::string_view text) const {
  return colour_ ? fmt::format("\033[{}m{}\033[0m", code, text) : std::string(text);
}

std::string Screen::name_of(const node::NodeId& id) const {
  const auto found = nicks_.find(id);
  return found == nicks_.end() ? id.to_string().substr(0, 8) : clean(found->second);
}

void Screen::learn(const std::vector<node::Peer>& peers) {
  // Those who left are still spoken of; rosters of thousands that come and go are not kept.
  if (nicks_.size() > nicks_max) nicks_.clear();
  for (const node::Peer& peer : peers) nicks_[peer.node] = peer.nick;
}

/// One overload for each kind of event; what says nothing to people returns nothing.
struct Screen::Words {
  Screen& screen;
  using Shown = std::optional<Line>;

  static Shown result(std::string text) { return Line{Line::Kind::result, std::move(text)}; }
  Shown note(const char* colour, std::string_view text) const {
    return Line{Line::Kind::note, screen.painted(colour, text)};
  }
  bool is_own(const node::NodeId& id) const { return id == screen.own_; }

  Shown operator()(const Listening& e) const {
    screen.own_ = e.node;
    screen.nicks_[e.node] = e.nick;
    return note(
        dim, fmt::format("{} ({}) listens on {}, network {}", clean(e.nick),
                         e.node.to_string().substr(0, 8), e.address.to_string(), clean(e.network)));
  }
  Shown operator()(const Invited& e) const { return result(e.invite); }
  Shown operator()(const PeersAsked& e) const { return result(peers_table(e.roster, screen.own_)); }
  Shown operator()(const FilesAsked& e) const { return result(files_table(e.files)); }
  Shown operator()(const StatsAsked& e) const { return result(stats_table(e, screen)); }
  Shown operator()(const Failed& e) const {
    return Line{Line::Kind::error, screen.painted(red, "error: " + clean(e.message))};
  }
  // Whatever ended it was told before.
  Shown operator()(const Ended&) const { return std::nullopt; }

  Shown operator()(const node::RoleChanged& e) const {
    // One who was alone before is not told again.
    const node::Role before = std::exchange(screen.role_, e.role);
    if (e.role == node::Role::alone && before == e.role) return std::nullopt;
    if (e.role == node::Role::alone) return note(dim, "alone: nobody else is here");
    if (e.role == node::Role::supernode) return note(bold, "you are the supernode");
    return note(dim, fmt::format("member of the star of {}", screen.name_of(e.supernode)));
  }
  Shown operator()(const node::RosterChanged& e) const {
    screen.learn(e.peers);
    return std::nullopt;
  }
  Shown operator()(const node::PeerJoined& e) const {
    screen.nicks_[e.node] = e.nick;
    return note(green, fmt::format("+ {} joined", clean(e.nick)));
  }
  Shown operator()(const node::PeerLeft& e) const {
    const std::string_view how = e.reason == node::LeaveReason::quit   ? "left"
                                 : e.reason == node::LeaveReason::lost ? "was lost"
                                                                       : "was refused";
    return note(dim, fmt::format("- {} {}", clean(e.nick), how));
  }
  Shown operator()(const node::ChatDelivered& e) const {
    const std::string who = clean(e.nick) + ':';
    const std::string text = clean(e.text);
    if (e.history) return result(screen.painted(dim, fmt::format("{} {}", who, text)));
    return result(fmt::format("{} {}", screen.painted(is_own(e.from) ? bold : cyan, who), text));
  }
  Shown operator()(const node::GapFound& e) const {
    const std::string whose = e.from.is_null() ? "" : fmt::format(" of {}", screen.name_of(e.from));
    return note(red, fmt::format("{} message{}{} can no longer be had", e.count,
                                 e.count == 1 ? "" : "s", whose));
  }
  Shown operator()(const node::TellDelivered& e) const {
    const std::string who = clean(e.nick) + (is_own(e.from) ? ":" : " (to you):");
    return result(fmt::format("{} {}", screen.painted(cyan, who), clean(e.text)));
  }
  Shown operator()(const node::FileOffered& e) const {
    const std::string file = file_text(e.name, e.size, e.hash);
    if (is_own(e.holder)) return note(dim, fmt::format("you offer {}", file));
    return note(dim, fmt::format("{} offers {}", screen.name_of(e.holder), file));
  }
  Shown operator()(const node::FileWithdrawn& e) const {
    if (is_own(e.holder)) return note(dim, fmt::format("you no longer offer {}", clean(e.name)));
    return note(dim,
                fmt::format("{} no longer offers {}", screen.name_of(e.holder), clean(e.name)));
  }
  Shown operator()(const node::FileReceived& e) const {
    return note(green, fmt::format("received {}, {} in {}: {}", clean(e.name), size_text(e.size),
                                   duration_text(e.took), clean(e.path)));
  }
  Shown operator()(const node::Migrated& e) const {
    const std::string to = is_own(e.to) ? "you are" : screen.name_of(e.to) + " is";
    return note(bold, fmt::format("{} the supernode now, after {} ({}, {})", to,
                                  is_own(e.from) ? "you" : screen.name_of(e.from),
                                  node::to_text(e.reason), duration_text(e.took)));
  }
  Shown operator()(const node::NatChanged& e) const {
    return note(fix_for(e.behaviour.type).empty() ? dim : bold, nat_sentence(e.behaviour));
  }
  // The App says it, loudly, where it matters.
  Shown operator()(const node::AccessChanged&) const { return std::nullopt; }
  Shown operator()(const node::KeysLogged&) const { return std::nullopt; }
  // Shown as bars, told as reports, or of no interest to people.
  Shown operator()(const node::DownloadProgress&) const { return std::nullopt; }
  Shown operator()(const node::JoinDone&) const { return std::nullopt; }
  Shown operator()(const node::OwnStable&) const { return std::nullopt; }
  Shown operator()(const node::CommandFailed&) const { return std::nullopt; }
  Shown operator()(const node::CommandDone&) const { return std::nullopt; }
  Shown operator()(const node::Noted&) const { return std::nullopt; }
  Shown operator()(const node::Stopped&) const { return std::nullopt; }
  Shown operator()(const node::FileRequest&) const { return std::nullopt; }
  Shown operator()(const node::SocketRequest&) const { return std::nullopt; }
};

std::optional<Line> Screen::show(const Report& report) { return std::visit(Words{*this}, report); }

std::optional<Line> Screen::show(const node::Event& event) {
  return std::visit(Words{*this}, event);
}

}  // namespace client
