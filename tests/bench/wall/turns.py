# SPDX-License-Identifier: MIT
"""Contestants in turns, so that what the machine does to one it does to all. A run that lost too
much of the machine to others is dropped and repeated.

A contestant has key, name and group; what runs it is given, and so is where words go.
"""
import statistics

import place


def median(kept, spoilt):
    """Of each figure, over the runs that count; over those that lost too much where none does."""
    runs = kept or spoilt
    out = {"runs": len(kept), "dropped": len(spoilt)}
    if not runs:
        return out
    if not kept:
        out["stolen"] = True
    for name in runs[0]:
        values = [run[name] for run in runs if isinstance(run.get(name), (int, float))]
        if values:
            out[name] = statistics.median(values)
    out["all"] = runs
    return out


def is_named(contestant, word):
    """By its group, or by how its key begins."""
    return contestant.key.startswith(word) or contestant.group == word


class Session:
    """`runs` of each contestant, of those that `peers` names (all, if it names none)."""

    def __init__(self, runs, peers, say):
        self.runs, self.peers, self.say = runs, peers, say
        self.port = 17000
        self.steals, self.dropped = [], 0

    def wants(self, contestant):
        return not self.peers or any(is_named(contestant, word) for word in self.peers)

    def measure(self, table, columns):
        """columns: (column, contestants, run(contestant, port, round))."""
        results = {}
        for column, rivals, run in columns:
            rivals = [rival for rival in rivals if self.wants(rival)]
            kept = {rival.key: [] for rival in rivals}
            spoilt = {rival.key: [] for rival in rivals}
            # What was dropped is repeated, at most as often again.
            for turn in range(2 * self.runs):
                for rival in rivals:
                    if len(kept[rival.key]) >= self.runs:
                        continue
                    if turn >= self.runs and not spoilt[rival.key]:
                        continue  # it failed, and would again
                    self._one(table, column, rival, run, turn, kept, spoilt)
            for rival in rivals:
                row = results.setdefault(rival.key, {"key": rival.key, "name": rival.name,
                                                     "group": rival.group, "columns": {}})
                row["columns"][column] = median(kept[rival.key], spoilt[rival.key])
        return list(results.values())

    def _one(self, table, column, rival, run, turn, kept, spoilt):
        self.port = 17000 + (self.port - 17000 + 2) % 2000  # none is used twice in a minute
        outcome, figures = run(rival, self.port, turn)
        words = f"{table} {column} {rival.name}: "
        if not figures:
            self.say(words + "no result: " + " ".join(outcome.said.split())[:200])
            return
        if outcome.link:
            there = outcome.link.get("ab", {})
            if there.get("in"):
                figures["queue_drop_percent"] = 100 * there["queue_drop"] / there["in"]
        stolen = outcome.steal > place.STEAL_MAX
        (spoilt if stolen else kept)[rival.key].append(figures)
        if stolen:
            self.dropped += 1
        else:
            self.steals.append(outcome.steal)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items()
                          if isinstance(value, (int, float)))
        self.say(f"{words}{shown}; steal {100 * outcome.steal:.1f} %{' DROPPED' if stolen else ''}")
