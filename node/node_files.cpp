// SPDX-License-Identifier: MIT
//
// Files as the star sees them: offers that come and go in order, and what the transfer machine
// has to tell.
#include <algorithm>

#include "mrt/base/match.h"
#include "node/node_state.h"

namespace node {

static ErrorCode to_error(FileFault fault) {
  switch (fault) {
    case FileFault::name:
      return ErrorCode::usage;
    case FileFault::not_found:
      return ErrorCode::not_found;
    case FileFault::disk:
      return ErrorCode::disk;
    case FileFault::changed:  // what there is now is not what the hash says
    case FileFault::integrity:
      return ErrorCode::integrity;
    case FileFault::limit:
      return ErrorCode::limit;
  }
  return ErrorCode::disk;
}

void Node::State::deliver_offer(mrt::Instant now, const Order::Delivery& delivery) {
  const NodeId& holder = delivery.message.id.sender;
  // Up to Ready the list of standing offers says how things are; the broadcasts, how they were.
  if (delivery.history || !synced || !counts_as_offer(delivery.message)) return;
  const auto offer = decode_offer(delivery.message.body);
  if (!offer) return;
  if (delivery.message.kind == BroadcastKind::offer) {
    add_offer(now, holder, *offer);
  } else {
    remove_offer(now, holder, *offer);
  }
}

/// Whether the life that said it is here: who has left offers nothing, nor does who came anew hold
/// what its life before did.
bool Node::State::is_here(const MessageId& id) const {
  const RosterEntry* sender = roster.find(id.sender);
  return sender && sender->incarnation == id.incarnation;
}

/// What a node offered before it came (others carried it here) is no offer: nobody knew it then,
/// and what still stands it offers again.
bool Node::State::counts_as_offer(const Ordered& message) const {
  if (!is_here(message.id)) return false;
  const Link* link = is_supernode() ? link_to(message.id.sender) : nullptr;
  return !link || message.place.seq > link->came_after;
}

void Node::State::add_offer(mrt::Instant now, const NodeId& holder, const Offer& offer) {
  if (catalogue.add(holder, offer) != Catalogue::Added::added) return;
  emit(FileOffered{offer.name, offer.size, offer.hash, holder});
  if (holder != self) transfer.on_holder(now, offer.hash, holder);
}

void Node::State::remove_offer(mrt::Instant now, const NodeId& holder, const Offer& offer) {
  if (!catalogue.remove(holder, offer)) return;
  emit(FileWithdrawn{offer.name, offer.size, offer.hash, holder});
  const auto holders = catalogue.holders(offer.hash);
  if (std::find(holders.begin(), holders.end(), holder) == holders.end()) {
    transfer.on_holder_gone(now, offer.hash, holder);
  }
}

void Node::State::remove_holder(mrt::Instant now, const NodeId& holder) {
  for (const Offer& offer : catalogue.remove_holder(holder)) {
    emit(FileWithdrawn{offer.name, offer.size, offer.hash, holder});
    transfer.on_holder_gone(now, offer.hash, holder);
  }
}

/// All offers as of the last place, which may be ahead of what this supernode's user was told.
std::vector<HeldOffer> Node::State::standing_offers() const {
  std::vector<HeldOffer> out;
  for (const ListedFile& row : catalogue.listing()) {
    for (const NodeId& holder : row.holders) out.push_back({holder, row.offer});
  }
  for (const Ordered& message : order.undelivered()) {
    const auto offer = decode_offer(message.body);
    if (message.kind == BroadcastKind::chat || !offer || !counts_as_offer(message)) continue;
    const HeldOffer held{message.id.sender, *offer};
    std::erase(out, held);
    if (message.kind == BroadcastKind::offer) out.push_back(held);
  }
  return out;
}

/// Own offers that the star does not know, because it went on without us for a while; what was
/// placed and withdrawn by our absence before it came back here is in no list at all.
void Node::State::announce_missing(mrt::Instant now) {
  std::vector<Offer> missing = std::move(unannounced);
  unannounced.clear();
  announce_overtaken(now);
  const std::vector<Offer> listed = catalogue.offers_of(self);
  for (const auto& [file, own] : own_files) {
    if (own.offer && std::find(listed.begin(), listed.end(), *own.offer) == listed.end()) {
      missing.push_back(*own.offer);
    }
  }
  for (const Offer& offer : missing) {
    const mrt::Bytes body = encode_offer(offer);
    const bool under_way = std::any_of(
        order.pending().begin(), order.pending().end(),
        [&](const Publish& p) { return p.kind == BroadcastKind::offer && p.body == body; });
    if (!under_way) announce(now, offer);
  }
}

/// Offers that were said and get no place in this line: here they are said for the first time.
void Node::State::announce_overtaken(mrt::Instant now) {
  for (const Publish& one : order.take_overtaken_offers()) {
    const auto offer = decode_offer(one.body);
    if (offer && offers_itself(*offer)) announce(now, *offer);
  }
}

void Node::State::announce(mrt::Instant now, const Offer& offer) {
  if (order.publish(BroadcastKind::offer, encode_offer(offer), signer())) say_pending(now);
}

void Node::State::take_back(mrt::Instant now, const Offer& offer) {
  if (order.publish(BroadcastKind::withdraw, encode_offer(offer), signer())) say_pending(now);
}

/// From one that is not the supernode here, but may soon be: its Welcome goes over another stream.
/// No answer waits for room, so that strangers cannot make any pile up.
void Node::State::refuse_fetch(mrt::Instant now, const Link& link, mrt::ByteView message) {
  const auto parsed = parse_file_message(message);
  const auto* fetch = parsed ? std::get_if<Fetch>(&*parsed) : nullptr;
  if (!fetch) return;
  const FetchFailed busy{fetch->holder, fetch->hash, fetch->chunk, FetchFault::busy};
  (void)endpoint.send_message(now, link.id, mrt::Priority::normal,
                              std::make_shared<const mrt::Bytes>(encode(busy)));
}

void Node::State::pump_transfer(mrt::Instant now) {
  while (auto request = transfer.poll_request()) emit(std::move(*request));
  while (auto event = transfer.poll_event()) on_transfer_event(now, *event);
  while (auto message = transfer.poll_message(now)) {
    const Link* link = link_to(message->to);
    if (!link || !link->connected) {
      transfer.on_peer_gone(now, message->to);
    } else if (!endpoint.send_message(now, link->id, message->priority, message->message)) {
      transfer.on_unsent(std::move(*message));
    }
  }
  while (auto request = transfer.poll_request()) emit(std::move(*request));
}

CommandId Node::State::take_download(FileToken file) {
  const auto it = own_downloads.find(file);
  if (it == own_downloads.end()) return {};
  const CommandId command = it->second;
  own_downloads.erase(it);
  return command;
}

void Node::State::on_shared(mrt::Instant now, const Shared& event) {
  OwnFile& own = own_files[event.file];
  own.offer = event.offer;
  const auto known = catalogue.offers_of(self);
  if (std::find(known.begin(), known.end(), event.offer) == known.end()) announce(now, event.offer);
  if (own.command != CommandId{}) emit(CommandDone{own.command});
  own.command = {};
}

void Node::State::on_downloaded(mrt::Instant now, const Downloaded& event) {
  const CommandId command = take_download(event.file);
  const Offer& offer = event.offer;
  emit(FileReceived{offer.name, event.path, offer.size, offer.hash, event.took});
  if (command != CommandId{}) emit(CommandDone{command});
  const bool shared_already = std::any_of(own_files.begin(), own_files.end(), [&](const auto& own) {
    return own.second.path == event.path;
  });
  if (config.reshare && !shared_already) {
    own_files[transfer.share(now, event.path)] = {{}, event.path, std::nullopt};
  }
}

void Node::State::on_transfer_event(mrt::Instant now, const TransferEvent& event) {
  std::visit(mrt::Match{
                 [&](const Shared& e) { on_shared(now, e); },
                 [](const ShareProgress&) {},
                 [&](const ShareFailed& e) {
                   fail(own_files[e.file].command, to_error(e.fault), e.message);
                   own_files.erase(e.file);
                 },
                 [&](const SourceLost& e) {
                   own_files.erase(e.file);
                   take_back(now, e.offer);
                   fail({}, to_error(e.fault), e.message);
                 },
                 [&](const TransferProgress& e) {
                   emit(DownloadProgress{e.offer.name, e.offer.hash, e.bytes, e.offer.size, e.rate,
                                         path_to(e.from)});
                 },
                 [&](const Downloaded& e) { on_downloaded(now, e); },
                 [&](const DownloadFailed& e) {
                   fail(take_download(e.file), to_error(e.fault), e.message);
                 },
             },
             event);
}

}  // namespace node
