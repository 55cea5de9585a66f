// SPDX-License-Identifier: MIT
//
// The times and limits of a node, each with its reason. Private to node_*.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mrt/base/time.h"

namespace node {

/// Keep-alives: each member sends one so often, but for the first of the succession. They send one
/// each keep_alive_min however many are here, so that a large star misses its supernode as soon as
/// a small one: the two that may have to take over, and one more who agrees with the second. With
/// their 30 a second 500 arrive at a supernode at most.
inline constexpr mrt::Duration keep_alive_min = std::chrono::milliseconds(100);
inline constexpr mrt::Duration keep_alive_per_member = std::chrono::microseconds(2'200);
inline constexpr size_t quick_ranks = 3;
/// Where measurements alone would change who of these is next, ranks are given anew, but not more
/// often than this: all hear of them, and call the new ones.
inline constexpr mrt::Duration rank_pause = std::chrono::seconds(10);
/// Changes of the roster within this time go out as one.
inline constexpr mrt::Duration roster_delay = std::chrono::milliseconds(20);
/// Of changed paths alone the user hears so often at most: the whole roster of a large star.
inline constexpr mrt::Duration paths_pause = std::chrono::seconds(1);
/// A node says so often at most that it is reached elsewhere than before: half as often as its
/// supernode lets it (speech_limits.h, joins), for that tells everybody.
inline constexpr mrt::Duration reach_pause = std::chrono::seconds(2);
/// Stability is told to members so often at most: it only lets them release what they keep.
inline constexpr mrt::Duration stable_delay = std::chrono::milliseconds(20);
/// A member is removed after this many times the silence that makes it suspect: nobody waits
/// for it, and removing costs it a new join.
inline constexpr int removal_patience = 3;
/// Later than this behind a deadline, and the process was frozen or starved: longer than a
/// scheduler's slice under load, shorter than the shortest suspicion.
inline constexpr mrt::Duration stall_min = std::chrono::milliseconds(150);
/// How late this node's timers fire is averaged over so many wake-ups, some seconds of keep-alives:
/// one hiccup makes nobody a busy host. One of them counts for no more than a second.
inline constexpr int lateness_share = 64;
inline constexpr mrt::Duration lateness_most = std::chrono::seconds(1);
/// docs/CLI.md: a `C` or `join` that finds nobody gives up after 10 s.
inline constexpr mrt::Duration join_time_max = std::chrono::seconds(10);
/// How long a supernode whose epoch is in doubt looks for those who went: several times the
/// round trips of a meeting and a join.
inline constexpr mrt::Duration doubt_time = std::chrono::seconds(2);
/// One who is alone and joins says what it has to say there, if that is not longer than this.
inline constexpr mrt::Duration said_there_time = std::chrono::seconds(1);
/// A candidate that was asked to take this node in has so long before another one is asked too:
/// a round trip on nearly every path.
inline constexpr mrt::Duration join_patience = std::chrono::milliseconds(300);
/// Where nothing came back for so long after something was asked, that node is called anew: several
/// probes on any path, and a fifth of a search.
inline constexpr mrt::Duration unheard_max = std::chrono::seconds(2);
/// A busy or changing star is asked again so often.
inline constexpr mrt::Duration join_retry = std::chrono::milliseconds(100);
/// A join that takes longer than this may be one of several that wait for each other.
inline constexpr mrt::Duration circle_time = std::chrono::seconds(1);
/// Ends loops of members that lead to each other; a chain of old supernodes is shorter.
inline constexpr size_t join_addresses_max = 32;
/// Those who were lost in silence are looked for, with doubling pauses, so that two halves of a
/// star find each other again.
inline constexpr mrt::Duration meet_first = std::chrono::milliseconds(250);
/// Those who are not in the star that this node has just come to may only be slower on the way.
inline constexpr mrt::Duration meet_stragglers = std::chrono::seconds(2);
inline constexpr mrt::Duration meet_pause_max = std::chrono::seconds(8);
inline constexpr mrt::Duration meet_time_max = std::chrono::minutes(10);
inline constexpr size_t lost_max = 64;
/// With each try the rendezvous servers are asked for so long: two round trips, and a lost packet.
inline constexpr mrt::Duration lost_look_up_time = std::chrono::seconds(2);
/// Control messages that wait for a slow connection (rosters, offers): one that does not take
/// them is closed at this size. A full list of 4,096 members takes 1.2 MB.
inline constexpr size_t outbox_bytes_max = 8 * 1024 * 1024;
/// The first successor says that it holds more of what it was sent within that, or is closed as too
/// slow, since nobody is shown what it does not hold: a text of 64 KiB at 20 kbit/s.
inline constexpr mrt::Duration holds_patience = std::chrono::seconds(30);
/// How often it is looked whether those who publish may be heard again, where much waits.
inline constexpr mrt::Duration held_pause = std::chrono::milliseconds(20);
/// A private message is refused where so much waits for its receiver: a slow member is not to be
/// driven over outbox_bytes_max by another's messages.
inline constexpr size_t outbox_bytes_for_tells = 1024 * 1024;
/// And its answer, for which somebody waits: a full list of members still leaves room for it.
inline constexpr size_t outbox_bytes_for_results = outbox_bytes_max / 2;
inline constexpr size_t bans_max = 10'000;
/// Packets that open the NAT for somebody at once: enough for a lossy line, too few to trouble anyone.
inline constexpr int openings = 3;
/// Of a search, addresses that it learns from OPENINGs: each node that is sought has one such, and
/// a star has one or two nodes that are registered. What is beyond that was forged.
inline constexpr size_t openings_believed = 4;

/// A claimed epoch counts only this far above the own: a liar cannot use the numbers up. Two
/// honest stars are further apart only after a view each second for eleven days.
inline constexpr uint64_t epoch_leap_max = 1'000'000;

}  // namespace node
