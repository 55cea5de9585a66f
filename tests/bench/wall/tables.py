# SPDX-License-Identifier: MIT
"""What is measured where, and the tables that come of it, as text and as Markdown. Pure: it is
given results and runs nothing.

A result: {"key", "name", "group", "columns": {column: {figure: median, ...}}}, the figures of
contestants.py, with "runs" (that count), "dropped" (too much stolen) and "failed".
"""

LINK_100 = "--rate 100m --delay 10ms --queue 250k"
LINK_FAR = "--rate 100m --delay 50ms --queue 1250k --loss 1"
LINK_BURSTS = "--rate 20m --delay 25ms --queue 125k --ge 0.62:20 --reorder 1 --reorder-by 5ms"

# Best possible goodput in Mb/s: 1,438 of a packet's 1,500 bytes are useful, what is lost is lost,
# and slow start takes its part of the time.
LINKS = [
    {"key": "0", "name": "0 %", "options": LINK_100, "rate": 100e6, "loss": 0, "possible": 95.1},
    {"key": "1", "name": "1 %", "options": LINK_100 + " --loss 1", "rate": 100e6, "loss": 0.01,
     "possible": 94.2},
    {"key": "5", "name": "5 %", "options": LINK_100 + " --loss 5", "rate": 100e6, "loss": 0.05,
     "possible": 90.4},
    {"key": "20", "name": "20 %", "options": LINK_100 + " --loss 20", "rate": 100e6, "loss": 0.2,
     "possible": 76.1},
    {"key": "far", "name": "100 ms, 1 %", "options": LINK_FAR, "rate": 100e6, "loss": 0.01,
     "possible": 88.4},
    {"key": "bursts", "name": "20 Mb/s, bursts", "options": LINK_BURSTS, "rate": 20e6, "loss": 0.03,
     "possible": 18.3},
    {"key": "far-20", "name": "100 ms, 1 %, 20 s", "options": LINK_FAR, "rate": 100e6,
     "loss": 0.01, "possible": 92.3, "seconds": 20, "groups": ("mrt", "tcp")},
]
SMALL_OPTIONS = "--delay 50ms --loss 5"
SHARE_OPTIONS = LINK_100
FANOUT_CLIENTS = (100, 1000)

TITLES = {"loopback": "Bulk on loopback", "links": "Bulk on bad links",
          "share": "Sharing a link", "small": "Small reliable messages", "fanout": "Fan-out"}


def number(value, digits=None):
    if value is None:
        return "-"
    if digits is None:
        digits = 0 if value >= 200 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def figure(result, column, name):
    return (result["columns"].get(column) or {}).get(name)


def cell(result, column, name, digits=None):
    """Marked where it had to be taken from runs that lost too much time to others."""
    value = figure(result, column, name)
    if value is None:
        return "-"
    return number(value, digits) + ("*" if result["columns"][column].get("stolen") else "")


def of_key(results, key):
    return next((row for row in results if row["key"] == key), None)


def ratio(result, other, column, name):
    ours, theirs = figure(result, column, name), other and figure(other, column, name)
    return number(ours / theirs, 2) if ours and theirs else "-"


def loopback_table(results):
    tcp = of_key(results, "tcp-cubic")
    rows = [["", "Mb/s", "of TCP", "CPU s/GB, both ends"]]
    for row in results:
        rows.append([row["name"], cell(row, "bulk", "mbps", 0), ratio(row, tcp, "bulk", "mbps"),
                     cell(row, "bulk", "cpu_per_gb", 2)])
    return [rows]


def links_tables(results):
    present = [link for link in LINKS if any(link["key"] in row["columns"] for row in results)]
    goodput = [["Mb/s"] + [link["name"] for link in present]]
    for row in results:
        goodput.append([row["name"]] + [cell(row, link["key"], "mbps") for link in present])
    goodput.append(["possible"] + [number(link["possible"]) for link in present])
    mrt = [["MRT"] + [link["name"] for link in present]]
    for row in results:
        if row["group"] != "mrt":
            continue
        of = row["name"].removeprefix("MRT ")

        def line(what, text):
            mrt.append([f"{of}: {what}"] + [text(link) for link in present])

        line("of TCP cubic, times",
             lambda link, row=row: ratio(row, of_key(results, "tcp-cubic"), link["key"], "mbps"))
        line("sent / goodput x (1 - loss)", lambda link, row=row: number(
            (figure(row, link["key"], "sent_per_byte") or 0) * (1 - link["loss"]), 3))
        line("dropped at the queue, %",
             lambda link, row=row: number(figure(row, link["key"], "queue_drop_percent"), 2))
    cpu = [["CPU s/GB, both ends"] + [link["name"] for link in present]]
    for row in results:
        cpu.append([row["name"]] + [cell(row, link["key"], "cpu_per_gb", 1) for link in present])
    return [goodput, mrt, cpu] if len(mrt) > 1 else [goodput, cpu]


def share_table(results):
    rows = [["Mb/s", "MRT", "TCP cubic", "together", "the least has, %", "Jain's index",
             "dropped at the queue, %"]]
    for row in results:
        rows.append([row["name"]] + [cell(row, "share", key, 1)
                                     for key in ("mrt", "tcp", "sum", "least_percent")]
                    + [cell(row, "share", key, 2) for key in ("jain", "queue_drop_percent")])
    return [rows]


def small_table(results):
    rows = [["ms, one way", "p50", "p99", "max", "missing"]]
    for row in results:
        rows.append([row["name"]] + [cell(row, "small", key, 0)
                                     for key in ("p50", "p99", "max", "missing")])
    return [rows + [["floor", "50", "", "", ""]]]


def fanout_table(results):
    columns = [str(count) for count in FANOUT_CLIENTS]
    rows = [["deliveries a second"] + [f"{count:,} clients" for count in FANOUT_CLIENTS]]
    for row in results:
        rows.append([row["name"]] + [cell(row, column, "deliveries", 0) for column in columns])
    return [rows]


def tables_of(table, results):
    return {"loopback": loopback_table, "links": links_tables, "share": share_table,
            "small": small_table, "fanout": fanout_table}[table](results)


def as_text(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(word.ljust(width) if i == 0 else word.rjust(width)
                               for i, (word, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows) + "\n"


def as_markdown(rows):
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" + "|---:" * (len(rows[0]) - 1) + "|"]
    for row in rows[1:]:
        bold = row[0].startswith("MRT")
        lines.append("| " + " | ".join(f"**{word}**" if bold and word else word
                                       for word in row) + " |")
    return "\n".join(lines) + "\n"


def origin(entry):
    """When, where and how often: under each table."""
    words = (f"{entry['date']}, {entry['cpu']}, {entry['cores']} cores, Linux {entry['kernel']}; "
             f"medians of {entry['runs']} in turns, {entry['seconds']:g} s each; steal "
             f"{100 * entry['steal_mean']:.1f} % on average, {100 * entry['steal_max']:.1f} % at "
             f"most in a run that counts, {entry['dropped']} dropped")
    if any(column.get("stolen") for row in entry["results"] for column in row["columns"].values()):
        words += "; *: every run lost more than 3 % to others"
    return words + "."


def document(text, entries):
    """Its tables anew, each between <!-- bench TABLE --> and <!-- end -->; all else as it is."""
    for table, entry in entries.items():
        begin, end = f"<!-- bench {table} -->\n", "<!-- end -->"
        head, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"no '{begin.strip()}' with its '{end}'")
        body = "\n".join(as_markdown(rows) for rows in tables_of(table, entry["results"]))
        text = f"{head}{begin}{body}\n{origin(entry)}\n{rest[rest.index(end):]}"
    return text
