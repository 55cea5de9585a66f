// SPDX-License-Identifier: MIT
//
// What the user asks for. Each command either does it, starts it, or says why not.
#include <algorithm>

#include "node/file_name.h"
#include "node/node_state.h"
#include "node/tell_seal.h"

namespace node {

const RosterEntry* Node::State::find_peer(CommandId command, std::string_view who) {
  const RosterEntry* entry = roster.find(who);
  if (!entry)
    fail(command, ErrorCode::not_found, "nobody here is called '" + std::string(who) + "'");
  return entry;
}

bool Node::State::must_be_supernode(CommandId command, const char* what) {
  if (is_supernode() && migration.is_steady()) return true;
  fail(command, ErrorCode::refused, std::string("only the supernode can ") + what);
  return false;
}

void Node::join(mrt::Instant now, CommandId command, const std::vector<mrt::Address>& targets,
                const std::optional<mrt::NetworkKey>& key, bool look_up,
                std::map<mrt::Address, mrt::NetworkKey> keys) {
  State& s = *state_;
  if (key && key->access == mrt::Access::secret &&
      (key->secret.empty() || key->secret.size() > secret_bytes_max)) {
    return s.fail(command, ErrorCode::usage, "a secret has 1 to 64 bytes");
  }
  if (s.search && (s.search->command != CommandId{} || s.search->lead_star)) {
    return s.fail(command, ErrorCode::refused, "a connection is being made already");
  }
  const auto usable = s.usable(targets, true);
  const bool asks_servers = look_up && s.rendezvous;
  const bool is_member = !s.is_supernode() && s.uplink_id && s.synced;
  if (usable.empty() && (is_member || !asks_servers)) {
    return s.fail(command, ErrorCode::unreachable, "no address that can be reached");
  }
  if (is_member) {
    // The whole star is to come along: its supernode leads it.
    const mrt::NetworkKey wanted = key.value_or(s.network_key());
    if (wanted.access == mrt::Access::password && wanted != s.network_key()) {
      return s.fail(command, ErrorCode::refused,
                    "another star's password is not handed on: let the supernode connect");
    }
    s.merges[++s.merge_number] = command;
    s.send(now, *s.uplink(), Merge{s.merge_number, usable, told_key(wanted)});
  } else {
    if (s.search) s.end_join(now, std::nullopt);
    JoinSearch wanted;
    wanted.command = command;
    wanted.targets = usable;
    if (!s.config.endpoint.plain) {
      wanted.key = key;
      wanted.keys = std::move(keys);
    }
    if (asks_servers) wanted.look_up_ends = now + join_time_max;
    s.start_join(now, std::move(wanted));
  }
  s.after_input(now);
}

void Node::allow(mrt::Instant now, CommandId command, const mrt::Address& address) {
  State& s = *state_;
  if (!s.open_nat(now, address)) {
    return s.fail(command, ErrorCode::unreachable, "nothing can be sent to " + address.to_string());
  }
  s.admitted.add(now, address);
  s.emit(CommandDone{command});
  s.after_input(now);
}

uint64_t Node::chat(mrt::Instant now, CommandId command, std::string_view text) {
  State& s = *state_;
  if (text.size() > text_bytes_max) {
    s.fail(command, ErrorCode::limit, "a message is at most 64 KiB");
    return 0;
  }
  if (!is_utf8(text)) {
    s.fail(command, ErrorCode::usage, "the text is not UTF-8");
    return 0;
  }
  const mrt::ByteView bytes = mrt::as_bytes(text);
  const auto message =
      s.order.publish(BroadcastKind::chat, mrt::Bytes(bytes.begin(), bytes.end()), s.signer());
  if (!message) {
    s.fail(command, ErrorCode::limit, "too many messages wait for a supernode");
    return 0;
  }
  s.say_pending(now);
  s.after_input(now);
  return message->number;
}

void Node::tell(mrt::Instant now, CommandId command, std::string_view who, std::string_view text) {
  State& s = *state_;
  const RosterEntry* entry = s.find_peer(command, who);
  if (!entry) return;
  if (text.size() > text_bytes_max) {
    return s.fail(command, ErrorCode::limit, "a message is at most 64 KiB");
  }
  if (!is_utf8(text)) return s.fail(command, ErrorCode::usage, "the text is not UTF-8");
  if (entry->node == s.self) {
    s.emit(TellDelivered{s.self, s.nick, std::string(text)});
    s.emit(CommandDone{command});
    return;
  }
  Link* link = s.is_supernode() ? s.link_to(entry->node) : s.uplink();
  if (!link || !s.synced) {
    return s.fail(command, ErrorCode::unreachable, "there is no supernode at the moment");
  }
  const auto number = s.tells.begin(command, entry->node);
  if (!number) return s.fail(command, ErrorCode::limit, "too many messages are under way");
  const TellEnd to{entry->key, entry->incarnation};
  mrt::SecretArray<32> ephemeral;
  s.random.fill(ephemeral.room());
  const auto message = seal_tell(s.identity, s.incarnation, to, *number, text, ephemeral);
  if (message) {
    s.send(now, *link, *message);
  } else {
    s.tells.end(*number, entry->node);
    s.fail(command, ErrorCode::refused, "that node's key is none");
  }
  s.after_input(now);
}

void Node::offer(mrt::Instant now, CommandId command, const std::string& path) {
  State& s = *state_;
  if (!is_file_name(base_name(path))) {
    return s.fail(command, ErrorCode::usage, "'" + path + "' has no name that others could use");
  }
  s.own_files[s.transfer.share(now, path)] = {command, path, std::nullopt};
  s.after_input(now);
}

void Node::withdraw(mrt::Instant now, const std::string& path) {
  State& s = *state_;
  for (auto it = s.own_files.begin(); it != s.own_files.end();) {
    if (it->second.path != path) {
      ++it;
      continue;
    }
    const auto offer = s.transfer.unshare(now, it->first);
    it = s.own_files.erase(it);
    if (offer) s.take_back(now, *offer);
  }
  s.after_input(now);
}

void Node::download(mrt::Instant now, CommandId command, std::string_view name_or_hash) {
  State& s = *state_;
  const Catalogue::Found found = s.catalogue.find(name_or_hash);
  if (found.match == Catalogue::Match::none) {
    return s.fail(command, ErrorCode::not_found,
                  "nobody offers '" + std::string(name_or_hash) + "'");
  }
  if (found.match == Catalogue::Match::ambiguous) {
    std::string message = "'" + std::string(name_or_hash) + "' means several files:";
    for (const ListedFile& file : found.files) message += ' ' + file.offer.hash.to_string();
    return s.fail(command, ErrorCode::ambiguous, std::move(message));
  }
  const ListedFile& file = found.files.front();
  for (const auto& [token, own] : s.own_files) {
    if (!own.offer || own.offer->hash != file.offer.hash) continue;
    // The very content is here: it is what this node itself offers.
    s.emit(FileReceived{file.offer.name, own.path, file.offer.size, file.offer.hash, {}});
    s.emit(CommandDone{command});
    return;
  }
  std::vector<NodeId> holders = file.holders;
  std::erase(holders, s.self);
  if (s.own_downloads.size() >= downloads_max) {
    return s.fail(command, ErrorCode::limit, "too many downloads are under way");
  }
  const FileToken token = s.transfer.download(now, file.offer, holders);
  if (s.own_downloads.contains(token)) {
    s.fail(command, ErrorCode::refused, "'" + file.offer.name + "' is being downloaded already");
  } else {
    s.own_downloads[token] = command;
  }
  s.after_input(now);
}

void Node::cancel(mrt::Instant now, CommandId command, std::string_view name_or_hash) {
  State& s = *state_;
  std::vector<FileToken> meant;
  for (const auto& [token, offer] : s.transfer.downloads()) {
    const bool by_hash = name_or_hash.size() >= hash_prefix_digits_min &&
                         offer.hash.to_string().starts_with(name_or_hash);
    if (offer.name == name_or_hash || by_hash) meant.push_back(token);
  }
  if (meant.empty()) {
    return s.fail(command, ErrorCode::not_found,
                  "'" + std::string(name_or_hash) + "' is not being downloaded");
  }
  for (const FileToken token : meant) {
    s.transfer.cancel(now, token);
    const CommandId started_by = s.take_download(token);
    if (started_by != CommandId{}) s.fail(started_by, ErrorCode::refused, "cancelled");
  }
  s.emit(CommandDone{command});
  s.after_input(now);
}

void Node::hand_over(mrt::Instant now, CommandId command, std::string_view who) {
  State& s = *state_;
  if (!s.must_be_supernode(command, "hand over")) return;
  const RosterEntry* entry = nullptr;
  if (!who.empty()) {
    entry = s.find_peer(command, who);
    if (!entry) return;
  } else if (const Link* successor = s.successor_link()) {
    entry = s.roster.find(successor->peer);
  }
  if (!entry) return s.fail(command, ErrorCode::not_found, "nobody is here to take over");
  const Link* link = s.link_to(entry->node);
  if (entry->node == s.self || !link || !link->member) {
    return s.fail(command, ErrorCode::usage, "that node cannot take over");
  }
  const SupernodeClose message{
      {s.epoch.value + 1},   entry->node,    s.addresses_of(entry->node, true),
      CloseReason::handover, s.order.last(), told_key(s.network_key())};
  s.left_supernode = s.self;
  s.left_at = now;
  s.coming_reason = MigrationReason::handover;
  s.hand_over_command = command;
  s.close_star(now, message);
  s.migration.on_close(now, message);
  s.after_input(now);
}

void Node::ban(mrt::Instant now, CommandId command, std::string_view who) {
  State& s = *state_;
  if (!s.must_be_supernode(command, "ban")) return;
  const RosterEntry* entry = s.find_peer(command, who);
  if (!entry) return;
  const NodeId node = entry->node;
  if (node == s.self) return s.fail(command, ErrorCode::usage, "that is this node itself");
  if (s.banned.size() >= bans_max) return s.fail(command, ErrorCode::limit, "too many bans");
  s.banned.insert(node);
  s.remove_member(now, node, GoneReason::refused);
  if (Link* link = s.link_to(node)) {
    s.send(now, *link, Refuse{RefuseCode::banned, "the supernode refuses this node"});
    s.drop_link(now, link->id, close_removed, "refused by the supernode");
  }
  s.emit(CommandDone{command});
  s.after_input(now);
}

void Node::ask_roster() { state_->emit(RosterChanged{state_->epoch, state_->supernode, peers()}); }

void Node::quit(mrt::Instant now, std::string_view reason) {
  State& s = *state_;
  if (s.quitting) return;
  s.quitting = now + quit_time_max;
  s.quit_reason = reason;
  if (s.search && s.search->command != CommandId{}) {
    s.fail(s.search->command, ErrorCode::refused, "leaving");
  }
  s.search.reset();
  s.end_port_search();
  const Link* successor =
      s.is_supernode() && s.migration.is_steady() ? s.successor_link() : nullptr;
  if (successor) {
    const NodeId next = successor->peer;
    s.close_star(now, {{s.epoch.value + 1},
                       next,
                       s.addresses_of(next, true),
                       CloseReason::left,
                       s.order.last(),
                       told_key(s.network_key())});
  } else if (Link* up = s.uplink()) {
    s.send(now, *up, Leave{std::string(reason.substr(0, reason_bytes_max))});
  }
  for (const auto& [id, link] : s.links) {
    // One that is not connected yet has nothing to be told.
    const mrt::Duration limit = link.connected ? quit_time_max : mrt::Duration{};
    s.endpoint.close_when_sent(now, id, close_quit, "quit", limit);
  }
  s.stop_if_all_said(now);
  s.after_input(now);
}

void Node::State::stop_if_all_said(mrt::Instant) {
  if (stopped || !quitting || !links.empty()) return;
  stopped = true;
  emit(Stopped{quit_reason});
}

}  // namespace node
