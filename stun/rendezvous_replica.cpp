// SPDX-License-Identifier: MIT
#include "stun/rendezvous_replica.h"

#include <algorithm>
#include <utility>

namespace stun {

namespace {

// WIRE.md 9.9. The 1 is the version of what is written there.
constexpr std::string_view key_prefix = "thuban:1:";
// A page is checked in some twenty milliseconds, and asked for in the same time.
constexpr std::string_view keys_per_page = "128";
// A store may have pages as large as it likes.
constexpr size_t page_keys_max = 4'096;

std::string hex(mrt::ByteView bytes) { return mrt::to_hex(bytes); }

std::string key_of(const RendezvousRecord& record) {
  return std::string(key_prefix) + hex(record.registration.id) + hex(record.registration.node) +
         (record.seen.is_v4() ? '4' : '6');
}

/// Keys of that very length, so that no reply is longer than it must be.
std::string key_pattern() {
  constexpr size_t digits = 2 * (sizeof(LookUpId) + sizeof(NodeTag)) + 1;
  return std::string(key_prefix) + std::string(digits, '?');
}

std::string text_of(const mrt::Bytes& bytes) { return std::string(mrt::as_text(bytes)); }

}  // namespace

RendezvousReplica::RendezvousReplica(const InstanceId& own, unsigned database)
    : channel_prefix_(std::string(key_prefix) + std::to_string(database) + ':') {
  own_channel_ = channel_prefix_ + hex(own);
  records_channel_ = channel_prefix_ + "records";
}

void RendezvousReplica::on_up(mrt::Instant now, bool near) {
  up_ = true;
  near_ = near;
  stepped_at_ = now;
  heard_at_ = {now, now};
  ping_at_ = now + ping_interval;
  events_.push_back(
      StoreCommand{StoreLine::messages, {"SUBSCRIBE", own_channel_, records_channel_}});
}

void RendezvousReplica::on_down(RendezvousServer& server) {
  server.sharing().end();
  up_ = subscribed_ = refusal_told_ = loading_ = false;
  cursor_.reset();
  page_left_ = 0;
  awaited_.clear();
  unchecked_.clear();
  events_.clear();
  ping_at_ = mrt::never;
}

void RendezvousReplica::on_reply(mrt::Instant now, StoreLine line, const StoreReply& reply,
                                 RendezvousServer& server) {
  if (!up_) return;
  heard_at_[static_cast<size_t>(line)] = now;
  if (reply.kind == StoreReply::Kind::error) refused(reply);
  line == StoreLine::commands ? on_answer(now, reply, server) : on_message(now, reply, server);
  load_more();
}

void RendezvousReplica::on_answer(mrt::Instant now, const StoreReply& reply,
                                  RendezvousServer& server) {
  if (awaited_.empty()) return;
  const Awaited awaited = awaited_.front();
  awaited_.pop_front();
  if (awaited == Awaited::page) {
    on_page(reply);
  } else if (awaited == Awaited::record) {
    --page_left_;
    record_text_ = reply.text;
  } else if (awaited == Awaited::life) {
    --page_left_;
    // Without an end it was not written by one of us; that of others has ended meanwhile.
    if (reply.number > 0) hear(now, record_text_, reply.number, server);
  }
}

void RendezvousReplica::on_page(const StoreReply& reply) {
  if (reply.list.size() != 2) {
    cursor_.reset();
    return;
  }
  cursor_ = reply.list[0].text;
  if (cursor_ == "0") cursor_.reset();
  const std::vector<StoreReply>& keys = reply.list[1].list;
  if (keys.size() > page_keys_max) dropped_ += keys.size() - page_keys_max;
  for (size_t i = 0; i < std::min(keys.size(), page_keys_max); ++i) {
    ask(Awaited::record, {"GETRANGE", keys[i].text, "0", std::to_string(record_bytes_max)});
    ask(Awaited::life, {"PTTL", keys[i].text});
    page_left_ += 2;
  }
}

void RendezvousReplica::load_more() {
  const bool busy = page_left_ > 0 || unchecked_.size() >= records_per_step;
  if (!loading_ || busy) return;
  if (cursor_) {
    ask(Awaited::page, {"SCAN", *std::exchange(cursor_, std::nullopt), "MATCH", key_pattern(),
                        "COUNT", std::string(keys_per_page)});
  } else if (unchecked_.empty() &&
             std::find(awaited_.begin(), awaited_.end(), Awaited::page) == awaited_.end()) {
    loading_ = false;
    events_.push_back(StoreLoaded{});
  }
}

void RendezvousReplica::on_message(mrt::Instant now, const StoreReply& reply,
                                   RendezvousServer& server) {
  if (reply.list.size() != 3) return;
  const std::string& kind = reply.list[0].text;
  const std::string& channel = reply.list[1].text;
  if (kind == "subscribe" && reply.list[2].number == 2 && !subscribed_) {
    // What changes from now on comes by itself.
    subscribed_ = loading_ = true;
    cursor_ = "0";
    server.sharing().begin();
  } else if (kind == "message" && channel == records_channel_) {
    hear(now, reply.list[2].text, INT64_MAX, server);
  } else if (kind == "message" && channel == own_channel_) {
    const auto far = parse_far_introduction(mrt::as_bytes(reply.list[2].text));
    far ? server.on_far_introduction(now, *far, near_) : void(++dropped_);
  }
}

void RendezvousReplica::hear(mrt::Instant now, const std::string& text, int64_t life_ms_max,
                             RendezvousServer& server) {
  auto record = parse_record(mrt::as_bytes(text));
  if (!record) {
    ++dropped_;
    return;
  }
  if (record->home == server.sharing().own()) return;
  record->life_ms = static_cast<uint16_t>(std::min<int64_t>(record->life_ms, life_ms_max));
  // Most that come are known and live on: that costs nothing. The others keep their order.
  if (record->life_ms != 0 && server.knows(*record)) {
    server.on_record(now, std::move(*record), near_);
  } else if (unchecked_.size() < unchecked_max) {
    unchecked_.push_back(std::move(*record));
  } else {
    ++dropped_;
  }
}

void RendezvousReplica::on_timeout(mrt::Instant now, RendezvousServer& server) {
  if (!up_) return;
  if (has_work(server) && now >= stepped_at_ + step_interval) step(now, server);
  if (now < ping_at_) return;
  ping_at_ = now + ping_interval;
  if (now - *std::min_element(heard_at_.begin(), heard_at_.end()) >= silence_max) {
    events_.push_back(StoreSilent{});
  } else {
    ask(Awaited::nothing, {"PING"});
    events_.push_back(StoreCommand{StoreLine::messages, {"PING"}});
  }
}

void RendezvousReplica::step(mrt::Instant now, RendezvousServer& server) {
  stepped_at_ = now;
  for (size_t i = 0; i < records_per_step && !unchecked_.empty(); ++i) {
    server.on_record(now, std::move(unchecked_.front()), near_);
    unchecked_.pop_front();
  }
  for (size_t i = 0; i < records_per_step && awaited_.size() < unanswered_max; ++i) {
    if (const auto errand = server.sharing().poll_introduction()) {
      ask(Awaited::nothing, {"PUBLISH", channel_prefix_ + hex(errand->first),
                             text_of(write_far_introduction(errand->second))});
    } else if (const auto record = server.poll_record(now)) {
      // On another host loopback means that host.
      if (near_ || !record->seen.is_loopback()) tell(*record);
    } else {
      break;
    }
  }
  load_more();
}

void RendezvousReplica::tell(const RendezvousRecord& record) {
  const std::string key = key_of(record);
  const std::string text = text_of(write_record(record));
  if (record.life_ms == 0) {
    ask(Awaited::nothing, {"DEL", key});
  } else {
    ask(Awaited::nothing, {"SET", key, text, "PX", std::to_string(record.life_ms)});
  }
  ask(Awaited::nothing, {"PUBLISH", records_channel_, text});
}

void RendezvousReplica::ask(Awaited awaited, std::vector<std::string> words) {
  awaited_.push_back(awaited);
  events_.push_back(StoreCommand{StoreLine::commands, std::move(words)});
}

void RendezvousReplica::refused(const StoreReply& reply) {
  if (!std::exchange(refusal_told_, true)) events_.push_back(StoreRefused{reply.text});
}

std::optional<StoreEvent> RendezvousReplica::poll_event() {
  if (events_.empty()) return std::nullopt;
  StoreEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

bool RendezvousReplica::has_work(const RendezvousServer& server) const {
  const bool may_tell = subscribed_ && awaited_.size() < unanswered_max;
  return !unchecked_.empty() || (may_tell && server.sharing().has_more());
}

mrt::Instant RendezvousReplica::next_timeout(const RendezvousServer& server) const {
  if (!up_) return mrt::never;
  return has_work(server) ? std::min(ping_at_, stepped_at_ + step_interval) : ping_at_;
}

}  // namespace stun
