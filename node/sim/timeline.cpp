// SPDX-License-Identifier: MIT
#include "node/sim/timeline.h"

#include <algorithm>

namespace node::sim {

using mrt::Instant;

namespace {

void end_last(std::vector<Timeline::Span>& spans, Instant now) {
  if (!spans.empty() && spans.back().to == mrt::never) spans.back().to = now;
}

}  // namespace

Timeline::Timeline(const std::vector<TimelineSeat>& seats) {
  for (const TimelineSeat& seat : seats) {
    seat_of_[seat.id] = rows_.size();
    rows_.emplace_back().nick = seat.nick;
  }
}

void Timeline::on_deed(Instant now, const Deed& deed) {
  const auto seat = [&]() -> Row& { return rows_.at(deed.seats.at(0)); };
  switch (deed.kind) {
    case Deed::Kind::starts:
      seat().lives.push_back({now});
      if (!deed.id.is_null()) seat_of_[deed.id] = deed.seats.at(0);
      seat_of_life_.push_back(deed.seats.at(0));
      break;
    case Deed::Kind::says:
      seat().said.push_back(now);
      message_index_[deed.text] = messages_.size();
      messages_.push_back({deed.seats.at(0), now, {}});
      break;
    case Deed::Kind::killed:
      seat().killed.push_back(now);
      on_end(now, deed.seats.at(0));
      break;
    case Deed::Kind::frozen:
      end_last(seat().frozen, now);
      seat().frozen.push_back({now});
      break;
    case Deed::Kind::thaws:
      end_last(seat().frozen, now);
      break;
    case Deed::Kind::divided:
      for (Row& row : rows_) end_last(row.cut_off, now);
      for (const size_t one : deed.seats) rows_.at(one).cut_off.push_back({now});
      weather_.push_back({now, deed.text});
      break;
    case Deed::Kind::cut:
      end_last(seat().unheard, now);
      seat().unheard.push_back({now});
      weather_.push_back({now, deed.text});
      break;
    case Deed::Kind::healed: {
      bool was_cut = false;
      for (Row& row : rows_) {
        for (auto* spans : {&row.cut_off, &row.unheard}) {
          was_cut = was_cut || (!spans->empty() && spans->back().to == mrt::never);
          end_last(*spans, now);
        }
      }
      if (was_cut) weather_.push_back({now, deed.text});
      break;
    }
    case Deed::Kind::calm:
      weather_.push_back({now, deed.text});
      break;
    case Deed::Kind::links:
      if (weather_.empty() || weather_.back().what != deed.text) {
        weather_.push_back({now, deed.text});
      }
      break;
    case Deed::Kind::asks:
    case Deed::Kind::hands_over:
    case Deed::Kind::quits:
    case Deed::Kind::disk:
      break;  // what comes of it shows
  }
}

void Timeline::on_event(Instant now, size_t seat, const Event& event) {
  if (const auto* role = std::get_if<RoleChanged>(&event)) {
    on_role(now, seat, *role);
  } else if (const auto* migrated = std::get_if<Migrated>(&event)) {
    on_migrated(now, seat, *migrated);
  } else if (const auto* chat = std::get_if<ChatDelivered>(&event)) {
    rows_.at(seat).heard.push_back(now);
    const auto message = message_index_.find(chat->text);
    if (message != message_index_.end()) messages_[message->second].heard.push_back({seat, now});
  } else if (std::holds_alternative<Stopped>(event)) {
    on_end(now, seat);
  }
}

void Timeline::on_role(Instant now, size_t seat, const RoleChanged& role) {
  Row& row = rows_.at(seat);
  if (!row.stays.empty() && row.stays.back().span.to == mrt::never) row.stays.back().span.to = now;
  const auto supernode = seat_of_.find(role.supernode);
  if (role.epoch.value == 0 || supernode == seat_of_.end()) return;  // not in any star yet
  row.stays.push_back({{now}, view_of(now, role.epoch.value, supernode->second), role.role});
}

void Timeline::on_migrated(Instant now, size_t seat, const Migrated& migrated) {
  rows_.at(seat).unserved.push_back({now - std::min(migrated.took, now.time_since_epoch()), now});
  const auto supernode = seat_of_.find(migrated.to);
  if (supernode == seat_of_.end()) return;
  View& view = views_[view_of(now, migrated.epoch.value, supernode->second)];
  view.reason = to_text(migrated.reason);
  ++view.followers;
  view.slowest = std::max(view.slowest, migrated.took);
}

void Timeline::on_end(Instant now, size_t seat) {
  Row& row = rows_.at(seat);
  end_last(row.lives, now);
  end_last(row.frozen, now);
  if (!row.stays.empty() && row.stays.back().span.to == mrt::never) row.stays.back().span.to = now;
}

size_t Timeline::view_of(Instant now, uint64_t epoch, size_t supernode) {
  const auto [view, is_new] =
      view_index_.try_emplace({epoch, supernode, rows_.at(supernode).lives.size()}, views_.size());
  if (is_new) views_.push_back({epoch, supernode, now});
  return view->second;
}

}  // namespace node::sim
