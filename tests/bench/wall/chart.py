# SPDX-License-Identifier: MIT
"""The tables as one picture: SVG written by hand, so that it needs nothing and differs only
where figures differ. Pure.

Colours are Okabe and Ito's (distinct to all eyes, and by lightness in print); every bar has its
number beside it, so that colour is never the only sign. A white ground for dark pages too.
"""
from xml.sax.saxutils import escape

from tables import FANOUT_CLIENTS, LINKS, figure, number

SEALED, PLAIN, OTHER, INK, FAINT = "#0072B2", "#56B4E9", "#B3B3B3", "#222222", "#767676"
MARK = "#D55E00"
ROW, TITLE, LEFT, GAP = 19, 46, 150, 28
WIDTH = 1000


class Canvas:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, size=12, anchor="start", colour=INK, weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" '
                          f'height="{height}" fill="{colour}"/>')

    def line(self, x1, y1, x2, y2, colour, width=1, dashes=""):
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"{dash}/>')

    def dot(self, x, y, radius, colour):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>')

    def svg(self, height):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                f'viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif">'
                f'<title>MRT and other transports, measured</title>'
                f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>')
        return head + "\n" + "\n".join(self.parts) + "\n</svg>\n"


def axis(canvas, left, room, top, bottom, limit):
    for tick in ticks(limit):
        at = left + room * tick / limit
        canvas.line(at, top, at, bottom, "#E4E4E4")
        canvas.text(at, bottom + 13, f"{tick:,}", 10, "middle", FAINT)


def colour_of(row):
    return {"mrt": SEALED, "mrt-single": SEALED, "mrt-plain": PLAIN}.get(row["key"], OTHER)


def ticks(limit):
    """Some round steps from 0 to the limit."""
    step = 1
    while limit / step > 6:
        step *= 2 if str(step)[0] == "1" else 2.5 if str(step)[0] == "2" else 2
        step = int(step)
    return range(0, int(limit) + 1, step)


def bars(canvas, x, y, width, title, unit, rows, limit=None, names=True, mark=None):
    """One panel: rows of (name, value, colour). Returns the y below it."""
    left = x + (LEFT if names else 0)
    room = width - (LEFT if names else 0) - 58  # for the numbers, in a column of their own
    limit = limit or max((value or 0 for _, value, _ in rows), default=1) or 1
    canvas.text(x, y + 14, title, 13, weight="bold")
    canvas.text(x, y + 30, unit, 11, colour=FAINT)
    top, bottom = y + TITLE - 8, y + TITLE + ROW * len(rows)
    axis(canvas, left, room, top, bottom, limit)
    for i, (name, value, colour) in enumerate(rows):
        at = y + TITLE + ROW * i
        ours = colour != OTHER
        if names:
            canvas.text(left - 6, at + 11, name, 11.5, "end", weight="bold" if ours else "normal")
        if value is None:
            canvas.text(left + 3, at + 11, "no result", 10, colour=FAINT)
            continue
        canvas.bar(left, at, room * min(value, limit) / limit, ROW - 5, colour)
        canvas.text(left + room + 46, at + 11, number(value), 11, "end",
                    weight="bold" if ours else "normal")
    if mark:
        at = left + room * mark / limit
        canvas.line(at, top, at, bottom, MARK, 1.5, "4 2")
    return bottom + GAP


def loopback_panel(canvas, y, results):
    rows = [(row["name"], figure(row, "bulk", "mbps"), colour_of(row)) for row in results
            if row["group"] != "ceiling"]
    rows.sort(key=lambda row: -(row[1] or 0))
    return bars(canvas, 20, y, WIDTH - 40, "Bulk on loopback, one connection", "Mb/s", rows)


def links_panels(canvas, y, results):
    links = [link for link in LINKS if "seconds" not in link
             and any(figure(row, link["key"], "mbps") for row in results)]
    names = [(row["name"].split(" (")[0], row) for row in results]
    canvas.text(20, y + 14, "Bulk on bad links, 8 s from the handshake", 13, weight="bold")
    canvas.text(20, y + 30, "Mb/s; both directions lose; the dashed line is what is possible", 11,
                colour=FAINT)
    y += 46
    columns, below = 3, y
    named, bare = 380, 275  # the first panel of each line has the names for all
    for i, link in enumerate(links):
        column = i % columns
        if column == 0:
            y = below
        x = 20 + (0 if column == 0 else named + 12 + (column - 1) * (bare + 12))
        rows = [(name, figure(row, link["key"], "mbps"), colour_of(row)) for name, row in names]
        rate = link["rate"] / 1e6
        title = link["name"] if "Mb/s" in link["name"] else f"{rate:g} Mb/s, {link['name']} loss"
        if link["key"] == "far":
            title = "100 Mb/s, 100 ms, 1 % loss"
        delay = {"far": "100 ms there and back", "bursts": "50 ms there and back, 3 % in bursts"}
        below = bars(canvas, x, y, named if column == 0 else bare, title,
                     delay.get(link["key"], "20 ms there and back"), rows, rate, column == 0,
                     link["possible"])
    return below


def share_panel(canvas, y, results):
    x, left, room, limit = 20, 20 + LEFT, WIDTH - 40 - LEFT - 190, 100
    canvas.text(x, y + 14, "Sharing a link", 13, weight="bold")
    canvas.text(x, y + 30, "Mb/s of each flow; 100 Mb/s, 20 ms there and back, a queue of one "
                "bandwidth-delay product; blue: MRT, grey: TCP cubic", 11, colour=FAINT)
    top, bottom = y + TITLE - 8, y + TITLE + ROW * len(results)
    axis(canvas, left, room, top, bottom, limit)
    for i, row in enumerate(results):
        at = y + TITLE + ROW * i
        canvas.text(left - 6, at + 11, row["name"], 11.5, "end")
        runs = (row["columns"].get("share") or {}).get("all")
        if not runs:
            canvas.text(left + 3, at + 11, "no result", 10, colour=FAINT)
            continue
        # Flows have no median of their own: those of the run in the middle.
        typical = sorted(runs, key=lambda run: run["jain"])[len(runs) // 2]
        begin = left
        for kind, colour in (("mrt", SEALED), ("tcp", OTHER)):
            for rate in typical["flows"][kind]:
                canvas.bar(begin, at, room * rate / limit - 1, ROW - 5, colour)
                begin += room * rate / limit
        canvas.text(x + WIDTH - 40, at + 11, f"the least {typical['least_percent']:.0f} %, "
                    f"Jain's index {typical['jain']:.2f}", 11, "end")
    return bottom + GAP


def small_panel(canvas, y, results):
    x, left, room = 20, 20 + LEFT, WIDTH - 40 - LEFT - 110
    limit = max((figure(row, "small", "max") or 0 for row in results), default=1) or 1
    canvas.text(x, y + 14, "Small reliable messages in order, one way", 13, weight="bold")
    canvas.text(x, y + 30, "ms; 100 B a hundred times a second, 100 ms there and back, 5 % lost "
                "each way; dot: p50, bar: to p99, thin line: to the slowest, dashes: the path's "
                "own 50", 11, colour=FAINT)
    top, bottom = y + TITLE - 8, y + TITLE + ROW * len(results)
    axis(canvas, left, room, top, bottom, limit)
    for i, row in enumerate(results):
        at = y + TITLE + ROW * i
        colour, ours = colour_of(row), row["group"] == "mrt"
        canvas.text(left - 6, at + 11, row["name"].split(" (")[0], 11.5, "end",
                    weight="bold" if ours else "normal")
        p50, p99, most = (figure(row, "small", key) for key in ("p50", "p99", "max"))
        if None in (p50, p99, most):
            missing = figure(row, "small", "missing")
            canvas.text(left + 3, at + 11, f"{missing:.0f} missing" if missing else "no result", 10,
                        colour=FAINT)
            continue
        scale = room / limit
        canvas.line(left + p50 * scale, at + 7, left + most * scale, at + 7, colour, 1.5)
        canvas.bar(left + p50 * scale, at + 3, (p99 - p50) * scale, 8, colour)
        canvas.dot(left + p50 * scale, at + 7, 4.5, INK)
        canvas.text(left + room + 108, at + 11, f"{p50:.0f} / {p99:.0f} / {most:.0f}", 11, "end",
                    weight="bold" if ours else "normal")
    at = left + room * 50 / limit
    canvas.line(at, top, at, bottom, MARK, 1.5, "4 2")
    return bottom + GAP


def fanout_panels(canvas, y, results):
    width = (WIDTH - 40) / len(FANOUT_CLIENTS)
    below = y
    for i, clients in enumerate(FANOUT_CLIENTS):
        rows = [(row["name"].replace(", one message a datagram", ", single").split(" (")[0],
                 (figure(row, str(clients), "deliveries") or 0) / 1e3 or None, colour_of(row))
                for row in results]
        below = bars(canvas, 20 + i * width, y, width - 10, f"Fan-out to {clients:,} clients",
                     "thousand deliveries of 100 B a second, one server core; single: one a "
                     "datagram", rows)
    return below


def chart(tables):
    """Of {table: results}: those that are there, one under the other."""
    canvas, y = Canvas(), 16
    panels = (("loopback", loopback_panel), ("links", links_panels), ("share", share_panel),
              ("small", small_panel), ("fanout", fanout_panels))
    for key, panel in panels:
        if key in tables:
            y = panel(canvas, y, tables[key]) + 6
    return canvas.svg(int(y + 8))
