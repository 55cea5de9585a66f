// SPDX-License-Identifier: MIT
#include "client/json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "client/help.h"
#include "client/text.h"

namespace client {

namespace {

// The fields in the contract's order: easier for the eye.
using Json = nlohmann::ordered_json;

double milliseconds(mrt::Duration duration) {
  // Microseconds are what a loopback's round trip needs; more digits are noise.
  return static_cast<double>(mrt::to_us(duration)) / 1000;
}

void escape(std::string& out, char32_t character) {
  if (character < 0x10000) {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(character));
    return;
  }
  const uint32_t rest = static_cast<uint32_t>(character) - 0x10000;
  out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
}

/// dump() escapes what JSON demands; the rest of what is unsafe (DEL, C1, bidi) here.
std::string line_of(const Json& object) {
  const std::string dumped = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(dumped.size() + 1);
  for (std::string_view rest = dumped; !rest.empty();) {
    const char32_t character = take_character(rest);
    if (is_unsafe(character)) {
      escape(out, character);
    } else {
      append_utf8(out, character);
    }
  }
  return out += '\n';
}

Json event_of(const char* name, int64_t ts) { return Json{{"event", name}, {"ts", ts}}; }

Json peers_of(const std::vector<node::Peer>& peers) {
  Json out = Json::array();
  for (const node::Peer& peer : peers) {
    out.push_back({{"node", peer.node.to_string()},
                   {"nick", peer.nick},
                   {"addr", peer.address.to_string()},
                   {"role", node::to_text(peer.role)},
                   {"rank", peer.rank},
                   {"path", node::to_text(peer.path)},
                   {"reason", node::to_text(peer.relayed)},
                   {"cut_off", peer.cut_off},
                   {"rtt_ms", milliseconds(peer.rtt)}});
  }
  return out;
}

/// Fills in the fields of one event; what it leaves alone is no event.
struct Fields {
  int64_t ts;
  Json out;

  void begin(const char* name) { out = event_of(name, ts); }

  void file(const std::string& name, uint64_t size, const node::FileHash& hash) {
    out["name"] = name;
    out["size"] = size;
    out["hash"] = hash.to_string();
  }

  void operator()(const Listening& e) {
    begin("listening");
    out["node"] = e.node.to_string();
    out["nick"] = e.nick;
    out["addr"] = e.address.to_string();
    out["network"] = e.network;
    out["version"] = version();
  }
  void operator()(const Invited& e) {
    begin("invite");
    out["invite"] = e.invite;
  }
  void operator()(const PeersAsked& e) { (*this)(e.roster); }
  void operator()(const FilesAsked& e) {
    begin("files");
    out["files"] = Json::array();
    for (const node::FileRow& row : e.files) {
      Json holders = Json::array();
      for (const node::NodeId& holder : row.holders) holders.push_back(holder.to_string());
      out["files"].push_back({{"name", row.name},
                              {"size", row.size},
                              {"hash", row.hash.to_string()},
                              {"holders", std::move(holders)}});
    }
  }
  /// In bytes: sent, received, retransmitted, cwnd, mtu. In packets: lost, corrupt.
  void operator()(const StatsAsked& e) {
    begin("stats");
    out["connections"] = Json::array();
    for (const auto& [peer, stats] : e.connections) {
      out["connections"].push_back({{"node", peer.to_string()},
                                    {"addr", stats.path.remote.to_string()},
                                    {"rtt_ms", milliseconds(stats.rtt)},
                                    {"cwnd", stats.window_bytes},
                                    {"sent", stats.bytes_sent},
                                    {"received", stats.bytes_received},
                                    {"lost", stats.packets_lost},
                                    {"retransmitted", stats.bytes_retransmitted},
                                    {"corrupt", stats.packets_corrupt},
                                    {"mtu", stats.mtu_bytes},
                                    {"packets_sent", stats.packets_sent},
                                    {"packets_received", stats.packets_received}});
    }
  }
  void operator()(const Failed& e) {
    begin("error");
    out["code"] = node::to_text(e.code);
    out["message"] = e.message;
    out["command"] = e.command;
  }
  void operator()(const Ended& e) {
    begin("closed");
    out["reason"] = e.reason;
  }

  void operator()(const node::RoleChanged& e) {
    begin("role");
    out["role"] = node::to_text(e.role);
    out["epoch"] = e.epoch.value;
    out["supernode"] = e.supernode.to_string();
  }
  void operator()(const node::RosterChanged& e) {
    begin("roster");
    out["epoch"] = e.epoch.value;
    out["supernode"] = e.supernode.to_string();
    out["peers"] = peers_of(e.peers);
  }
  void operator()(const node::PeerJoined& e) {
    begin("joined");
    out["node"] = e.node.to_string();
    out["nick"] = e.nick;
  }
  void operator()(const node::PeerLeft& e) {
    begin("left");
    out["node"] = e.node.to_string();
    out["nick"] = e.nick;
    out["reason"] = node::to_text(e.reason);
  }
  void operator()(const node::ChatDelivered& e) {
    begin("chat");
    out["from"] = e.from.to_string();
    out["nick"] = e.nick;
    out["text"] = e.text;
    out["id"] = e.id.to_string();
    out["epoch"] = e.place.epoch.value;
    out["seq"] = e.place.seq.value;
    if (e.history) out["history"] = true;
  }
  void operator()(const node::GapFound& e) {
    begin("gap");
    out["from"] = e.from.is_null() ? Json(nullptr) : Json(e.from.to_string());
    out["count"] = e.count;
  }
  void operator()(const node::TellDelivered& e) {
    begin("tell");
    out["from"] = e.from.to_string();
    out["nick"] = e.nick;
    out["text"] = e.text;
  }
  void operator()(const node::FileOffered& e) {
    begin("offered");
    file(e.name, e.size, e.hash);
    out["holder"] = e.holder.to_string();
  }
  void operator()(const node::FileWithdrawn& e) {
    begin("withdrawn");
    file(e.name, e.size, e.hash);
    out["holder"] = e.holder.to_string();
  }
  void operator()(const node::DownloadProgress& e) {
    begin("progress");
    out["name"] = e.name;
    out["hash"] = e.hash.to_string();
    out["bytes"] = e.bytes;
    out["size"] = e.size;
    out["rate"] = e.rate;
    out["path"] = node::to_text(e.path);
  }
  void operator()(const node::FileReceived& e) {
    begin("received");
    out["name"] = e.name;
    out["path"] = e.path;
    out["size"] = e.size;
    out["hash"] = e.hash.to_string();
    out["ms"] = mrt::to_ms(e.took);
  }
  void operator()(const node::Migrated& e) {
    begin("migrated");
    out["from"] = e.from.to_string();
    out["to"] = e.to.to_string();
    out["epoch"] = e.epoch.value;
    out["reason"] = node::to_text(e.reason);
    out["ms"] = mrt::to_ms(e.took);
  }
  void operator()(const node::NatChanged& e) {
    begin("nat");
    out["type"] = to_text(e.behaviour.type);
    out["mapping"] = to_text(e.behaviour.mapping);
    out["filtering"] = to_text(e.behaviour.filtering);
    out["mapped"] = e.behaviour.mapped ? e.behaviour.mapped->to_string() : "";
  }
  // Of the node to the client; the client tells what comes of them as reports.
  void operator()(const node::JoinDone&) {}
  void operator()(const node::OwnStable&) {}
  void operator()(const node::CommandFailed&) {}
  void operator()(const node::CommandDone&) {}
  void operator()(const node::AccessChanged&) {}
  void operator()(const node::KeysLogged&) {}
  void operator()(const node::Noted&) {}
  void operator()(const node::Stopped&) {}
  void operator()(const node::FileRequest&) {}
  void operator()(const node::SocketRequest&) {}
};

template <class Variant>
std::string written(const Variant& event, int64_t ts) {
  Fields fields{ts, {}};
  std::visit(fields, event);
  return fields.out.is_null() ? "" : line_of(fields.out);
}

}  // namespace

std::string to_json(const Report& report, int64_t ts) { return written(report, ts); }

std::string to_json(const node::Event& event, int64_t ts) { return written(event, ts); }

std::string store_json(bool shared, const std::string& at, const std::string& reason, int64_t ts) {
  Json out = event_of("store", ts);
  out["state"] = shared ? "shared" : "alone";
  out["addr"] = at;
  out["reason"] = reason;
  return line_of(out);
}

std::string hash_json(const std::string& name, uint64_t size, const node::FileHash& hash,
                      int64_t ts) {
  Fields fields{ts, {}};
  fields.begin("hash");
  fields.file(name, size, hash);
  return line_of(fields.out);
}

}  // namespace client
