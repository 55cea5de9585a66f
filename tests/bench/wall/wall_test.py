# SPDX-License-Identifier: MIT
"""What scripts/bench makes of figures: medians, tables, the chart, dropped runs. It measures
nothing. Run by ctest (bench_wall), or: python3 tests/bench/wall/wall_test.py
"""
import pathlib
import time
import unittest
import xml.etree.ElementTree

import chart
import contestants
import place
import tables
import turns

SVG = "{http://www.w3.org/2000/svg}"


class Rival:
    def __init__(self, key, name="", group=""):
        self.key, self.name, self.group = key, name or key, group or key.split("-")[0]


def row(key, column, name="", **figures):
    rival = Rival(key, name)
    return {"key": key, "name": rival.name, "group": rival.group, "columns": {column: figures}}


def outcome(steal=0.0, sender="", receiver="", link=()):
    return place.Outcome(sender, receiver, list(link), steal)


def entry(results):
    return {"date": "2026-01-02", "cpu": "a | b", "cores": 2, "kernel": "6", "runs": 3,
            "seconds": 8, "steal_mean": 0.001, "steal_max": 0.02, "dropped": 1, "results": results}


class Medians(unittest.TestCase):
    def test_a_median_is_of_the_runs_that_count_and_of_each_figure(self):
        out = turns.median([{"mbps": 3, "lost": None}, {"mbps": 1, "lost": 4}, {"mbps": 9}],
                           [{"mbps": 1000}])
        self.assertEqual((out["mbps"], out["runs"], out["dropped"]), (3, 3, 1))
        self.assertEqual(out["lost"], 4)
        self.assertNotIn("stolen", out)

    def test_where_no_run_counts_those_that_lost_too_much_are_shown_and_marked(self):
        out = turns.median([], [{"mbps": 2}, {"mbps": 4}])
        self.assertEqual((out["mbps"], out["runs"], out["stolen"]), (3, 0, True))
        self.assertEqual(tables.cell({"columns": {"bulk": out}}, "bulk", "mbps"), "3.00*")

    def test_no_run_is_no_figure(self):
        self.assertEqual(turns.median([], []), {"runs": 0, "dropped": 0})

    def test_what_is_no_number_is_kept_in_the_runs_and_has_no_median(self):
        out = turns.median([{"jain": 1.0, "flows": {"mrt": [1]}}], [])
        self.assertNotIn("flows", out)
        self.assertEqual(out["all"][0]["flows"], {"mrt": [1]})


class Turns(unittest.TestCase):
    """Each rival has a script: what each of its runs gives."""

    def session(self, runs, scripts, peers=()):
        self.order, self.said = [], []
        left = {key: list(script) for key, script in scripts.items()}

        def run(rival, port, _turn):
            self.order.append((rival.key, port))
            steal, mbps = left[rival.key].pop(0)
            return outcome(steal, "why not"), None if mbps is None else {"mbps": mbps}

        session = turns.Session(runs, list(peers), self.said.append)
        rivals = [Rival(key) for key in scripts]
        results = session.measure("t", [("c", rivals, run)])
        return session, {one["key"]: one["columns"]["c"] for one in results}

    def test_a_run_that_lost_too_much_is_dropped_and_repeated(self):
        session, got = self.session(2, {"a": [(0.5, 99), (0, 1), (0, 3)], "b": [(0, 5), (0, 7)]})
        self.assertEqual((got["a"]["mbps"], got["a"]["dropped"]), (2, 1))
        self.assertEqual((got["b"]["mbps"], got["b"]["dropped"]), (6, 0))
        self.assertEqual([key for key, _ in self.order], ["a", "b", "a", "b", "a"])
        self.assertEqual(session.dropped, 1)
        self.assertEqual(len(session.steals), 4)
        self.assertTrue(self.said[0].endswith("DROPPED"))

    def test_it_is_repeated_as_often_again_and_no_more(self):
        _, got = self.session(2, {"a": [(0.5, n) for n in (1, 2, 3, 4)]})
        self.assertEqual((got["a"]["runs"], got["a"]["dropped"]), (0, 4))
        self.assertTrue(got["a"]["stolen"])

    def test_who_fails_is_not_asked_again_beyond_its_runs(self):
        _, got = self.session(2, {"a": [(0, None), (0, None)]})
        self.assertEqual(got["a"], {"runs": 0, "dropped": 0})
        self.assertEqual(len(self.order), 2)

    def test_no_port_is_used_twice_in_a_row(self):
        self.session(3, {"a": [(0, 1)] * 3, "b": [(0, 1)] * 3})
        ports = [port for _, port in self.order]
        self.assertEqual(len(set(ports)), 6)

    def test_peers_are_named_by_group_or_by_how_their_key_begins(self):
        scripts = {"tcp-bbr": [(0, 1)], "tcp-cubic": [(0, 1)], "srt-live": [(0, 1)]}
        self.assertEqual(list(self.session(1, scripts, ["tcp"])[1]), ["tcp-bbr", "tcp-cubic"])
        self.assertEqual(list(self.session(1, scripts, ["tcp-b", "s"])[1]), ["tcp-bbr", "srt-live"])

    def test_what_the_queue_dropped_is_a_figure(self):
        link = [{"dir": "ab", "in": 200, "queue_drop": 3}, {"dir": "ba", "in": 0, "queue_drop": 0}]
        session = turns.Session(1, [], lambda words: None)
        results = session.measure("t", [("c", [Rival("a")], lambda *_: (outcome(link=link),
                                                                       {"mbps": 1}))])
        self.assertEqual(results[0]["columns"]["c"]["queue_drop_percent"], 1.5)


class Outputs(unittest.TestCase):
    """What the programs print, and what is made of it."""

    def test_lines_that_are_no_json_are_passed_over(self):
        self.assertEqual(place.json_lines('warning\n{"a": 1}\n{"b"\n\n{"c": 2}\n'),
                         [{"a": 1}, {"c": 2}])

    def test_messages_that_are_missing_are_a_figure_and_no_failure(self):
        peer = contestants.Peer("f", "tcp", "tcp-bbr", "TCP", "CC_ALGO=bbr")
        said = '{"n":99,"missing":1,"p50":50.5,"p99":70.0,"max":null}'
        peer._run = lambda *_: outcome(receiver=said)
        self.assertEqual(peer.small(None, 1, 1)[1],
                         {"p50": 50.5, "p99": 70.0, "max": None, "missing": 1})
        peer._run = lambda *_: outcome(receiver='{"n":0,"missing":100,"p50":null}')
        self.assertIsNone(peer.small(None, 1, 1)[1])

    def test_jain_s_index_is_one_for_equals_and_one_nth_for_one_of_n(self):
        self.assertEqual(contestants.jain([5, 5, 5]), 1)
        self.assertEqual(contestants.jain([7, 0, 0, 0]), 0.25)
        self.assertEqual(contestants.jain([0, 0]), 0)

    def test_flows_that_share_are_counted_over_the_same_seconds(self):
        shared = contestants.Shared("thuban", "f", "k", "n", [("mrt", 0), ("tcp", 5)])
        far, near = shared.commands("h", 17000, 30)
        self.assertIn("thuban bench serve --bind h:17000 &", far)
        self.assertIn("OMIT=0 env CC_ALGO=cubic f/tcp recv 17002 30 &", far)
        self.assertIn("(sleep 0; exec thuban bench send h:17000 --seconds 30 --omit 5) &", near)
        self.assertIn("(sleep 5; exec env CC_ALGO=cubic f/tcp send h 17002 30) &", near)

    def test_shares_need_the_figure_of_every_flow(self):
        shared = contestants.Shared("thuban", "f", "k", "n", [("mrt", 0), ("tcp", 0)])
        got = shared.figures(outcome(sender='{"mbit_s": 30.0}\n{"role":"send","cpu":1}',
                                     receiver='{"role":"recv","mbps":60.0}'))
        self.assertEqual((got["mrt"], got["tcp"], got["sum"]), (30, 60, 90))
        self.assertAlmostEqual(got["least_percent"], 100 / 3)
        self.assertAlmostEqual(got["jain"], 0.9)
        self.assertEqual(got["flows"], {"mrt": [30], "tcp": [60]})
        self.assertIsNone(shared.figures(outcome(sender='{"mbit_s": 30.0}')))


class Tables(unittest.TestCase):
    def test_a_number_has_three_digits_or_all_before_the_point(self):
        self.assertEqual([tables.number(value) for value in (None, 0.204, 12.34, 199.96, 32691.7)],
                         ["-", "0.20", "12.3", "200.0", "32,692"])

    def test_a_ratio_needs_both(self):
        tcp = row("tcp-cubic", "bulk", mbps=200.0)
        self.assertEqual(tables.ratio(row("mrt", "bulk", mbps=100.0), tcp, "bulk", "mbps"), "0.50")
        self.assertEqual(tables.ratio(row("mrt", "bulk"), tcp, "bulk", "mbps"), "-")
        self.assertEqual(tables.ratio(row("mrt", "bulk", mbps=1.0), None, "bulk", "mbps"), "-")

    def test_every_row_of_every_table_has_a_cell_for_each_column(self):
        results = {
            "loopback": [row("mrt", "bulk", "MRT sealed", mbps=1.0), row("tcp-cubic", "bulk")],
            "links": [row("mrt", "0", "MRT sealed", mbps=94.0, sent_per_byte=1.05),
                      row("tcp-cubic", "0", mbps=95.0)],
            "share": [row("mrt-2", "share", mrt=90.0, sum=90.0, least_percent=45.0, jain=0.99)],
            "small": [row("mrt", "small", "MRT sealed", p50=50.0, p99=60.0, max=70.0, missing=0)],
            "fanout": [row("mrt", "100", "MRT sealed", deliveries=1e6)]}
        self.assertEqual(set(results), set(tables.TITLES))
        for table, rows in results.items():
            for one in tables.tables_of(table, rows):
                self.assertEqual({len(line) for line in one}, {len(one[0])}, table)
                self.assertNotIn(None, [word for line in one for word in line])

    def test_text_is_in_columns_and_markdown_has_ours_bold(self):
        rows = [["", "Mb/s"], ["MRT sealed", "1"], ["TCP", "23"]]
        self.assertEqual(tables.as_text(rows),
                         "            Mb/s\nMRT sealed     1\nTCP           23\n")
        self.assertEqual(tables.as_markdown(rows),
                         "|  | Mb/s |\n|---|---:|\n| **MRT sealed** | **1** |\n| TCP | 23 |\n")

    def test_a_document_is_written_between_its_marks_and_nowhere_else(self):
        text = "a\n<!-- bench fanout -->\nold\n<!-- end -->\nb\n<!-- bench small -->\n<!-- end -->\n"
        new = entry([row("mrt", "100", "MRT \\1", deliveries=5.0)])
        once = tables.document(text, {"fanout": new})
        self.assertTrue(once.startswith("a\n<!-- bench fanout -->\n| deliveries"))
        self.assertTrue(once.endswith("<!-- end -->\nb\n<!-- bench small -->\n<!-- end -->\n"))
        self.assertNotIn("old", once)
        self.assertIn("MRT \\1", once)
        self.assertEqual(tables.document(once, {"fanout": new}), once)
        with self.assertRaises(ValueError):
            tables.document(text, {"links": new})

    def test_the_origin_says_what_was_dropped_and_what_a_star_means(self):
        self.assertIn("2.0 % at most in a run that counts, 1 dropped.", tables.origin(entry([])))
        starred = entry([row("a", "bulk", stolen=True)])
        self.assertIn("*: every run", tables.origin(starred))


class Charts(unittest.TestCase):
    def parse(self, results):
        return xml.etree.ElementTree.fromstring(chart.chart(results))

    def test_names_are_escaped(self):
        root = self.parse({"loopback": [row("tcp-cubic", "bulk", '<b> & "TCP"', mbps=10.0)]})
        self.assertIn('<b> & "TCP"', [text.text for text in root.iter(SVG + "text")])

    def test_who_has_no_result_has_a_row_that_says_so(self):
        flows = {"mrt": [40.0, 30.0], "tcp": []}
        shared = row("mrt-2", "share", "two")
        shared["columns"]["share"]["all"] = [{"jain": 0.98, "least_percent": 43.0, "flows": flows}]
        root = self.parse({
            "loopback": [row("mrt", "bulk", mbps=5.0), row("udt", "bulk")],
            "links": [row("mrt", "0", mbps=94.0), row("udt", "0")],
            "share": [shared, row("both", "share", "both")],
            "small": [row("mrt", "small", p50=50.0, p99=60.0, max=70.0),
                      row("tcp-bbr", "small", p50=50.0, missing=7), row("udt", "small")],
            "fanout": [row("mrt", "100", deliveries=1e6), row("enet", "100")]})
        words = [text.text for text in root.iter(SVG + "text")]
        self.assertGreaterEqual(words.count("no result"), 5)
        self.assertIn("7 missing", words)

    def test_nothing_is_drawn_beyond_the_page(self):
        root = self.parse({"loopback": [row("mrt", "bulk", mbps=123456.0),
                                        row("tcp-cubic", "bulk", mbps=0.1)]})
        width, height = int(root.get("width")), int(root.get("height"))
        for bar in root.iter(SVG + "rect"):
            self.assertLessEqual(float(bar.get("x") or 0) + float(bar.get("width")), width)
            self.assertLessEqual(float(bar.get("y") or 0) + float(bar.get("height")), height)

    def test_ticks_are_few_and_round(self):
        for limit in (1, 7, 100, 550, 32692):
            ticks = list(chart.ticks(limit))
            self.assertLessEqual(len(ticks), 8, limit)
            self.assertEqual(ticks[0], 0)
            self.assertLessEqual(ticks[-1], limit)


def is_alive(group):
    """Whether a process of that group runs: one that has ended may wait for its parent."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state not in "ZX":
            return True
    return False


def ends_within(seconds, group):
    end = time.monotonic() + seconds
    while is_alive(group):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Places(unittest.TestCase):
    def test_a_run_ends_at_its_deadline_with_all_that_it_started(self):
        begin = time.monotonic()
        got = place.Loopback().run("bash -c 'sleep 60 & echo [$$]; wait'",
                                   "bash -c 'echo [$$]; sleep 60'", 2, True)
        self.assertLess(time.monotonic() - begin, 10)
        for rows in (got.receiver, got.sender):
            self.assertTrue(ends_within(5, rows[0][0]))


if __name__ == "__main__":
    unittest.main()
