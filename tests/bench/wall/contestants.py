# SPDX-License-Identifier: MIT
"""Who runs, by which commands, and what a run's output says. One entry a contestant; the tables
(scripts/bench) decide where and how long.

A result is a dict of figures: mbps, cpu_per_gb (both ends); p50, p99, max (ms; None where too
many are missing), missing; of MRT also sent_per_byte (UDP payload sent by goodput), rtt_ms, lost,
mtu, handshake_ms; of flows that share a link mrt and tcp (Mb/s of all of a kind), sum, flows (of
each), least_percent, jain. Nothing: it failed.
"""
import re
import shlex

TIME_TO_CONNECT = 15  # seconds that a run may take beside its own


def first(rows, has):
    return next((row for row in rows if has in row), None)


class Mrt:
    def __init__(self, thuban, plain):
        self.thuban, self.flag = thuban, " --plain" if plain else ""
        self.key = "mrt-plain" if plain else "mrt"
        self.name = "MRT plain (XXH3)" if plain else "MRT sealed"
        self.group = "mrt"

    def _run(self, place, port, call, seconds):
        serve = f"{self.thuban} bench serve --bind {place.host}:{port}{self.flag}"
        return place.run(serve, f"{self.thuban} bench {call}{self.flag}",
                         seconds + TIME_TO_CONNECT, True)

    def bulk(self, place, port, seconds):
        outcome = self._run(place, port, f"send {place.host}:{port} --seconds {seconds}", seconds)
        sent = first(outcome.sender, "mbit_s")
        served = next((row for row in outcome.receiver if row.get("event") == "served"), None)
        if not sent or not served or not sent["bytes"]:
            return outcome, None
        return outcome, {
            "mbps": sent["mbit_s"],
            "cpu_per_gb": (sent["cpu_s"] + served["cpu_s"]) / (sent["bytes"] / 1e9),
            "sent_per_byte": sent["udp_bytes_sent"] / sent["bytes"],
            "rtt_ms": sent["rtt_ms"], "lost": sent["lost"], "mtu": sent["mtu"],
            "handshake_ms": sent["handshake_ms"]}

    def small(self, place, port, seconds):
        call = f"ping {place.host}:{port} --count {int(seconds * 100)} --rate 100 --size 100"
        outcome = self._run(place, port, call, seconds)
        ping = first(outcome.sender, "p50_ms")
        if not ping:
            return outcome, None
        # It ends when each of them has come back.
        return outcome, {"p50": ping["p50_ms"], "p99": ping["p99_ms"], "max": ping["max_ms"],
                         "missing": 0}


class Peer:
    """One of tests/bench/peers: recv and send, latrecv and latsend."""

    def __init__(self, folder, program, key, name, environment=""):
        self.program, self.key, self.name = f"{folder}/{program}", key, name
        self.environment = f"env {environment} " if environment else ""
        self.group = key.split("-")[0]

    def _run(self, place, port, modes, seconds):
        receiver, sender = modes
        return place.run(f"{self.environment}{self.program} {receiver} {port} {seconds}",
                         f"{self.environment}{self.program} {sender} {place.host} {port} {seconds}",
                         seconds + TIME_TO_CONNECT, False)

    def bulk(self, place, port, seconds):
        outcome = self._run(place, port, ("recv", "send"), seconds)
        got, sent = first(outcome.receiver, "mbps"), first(outcome.sender, "cpu")
        if not got or not sent:
            return outcome, None
        gigabytes = got["bytes"] / 1e9
        cpu = (got["cpu"] + sent["cpu"]) / gigabytes if gigabytes else None
        return outcome, {"mbps": got["mbps"], "cpu_per_gb": cpu}

    def small(self, place, port, seconds):
        outcome = self._run(place, port, ("latrecv", "latsend"), seconds)
        got = first(outcome.receiver, "p50")
        if not got or not got["n"]:
            return outcome, None
        return outcome, {key: got[key] for key in ("p50", "p99", "max", "missing")}


class Ceiling:
    """What the kernel and the cipher allow: both ends in one program, on loopback only."""
    group = "ceiling"

    def __init__(self, folder, mode, size, name):
        self.command = f"{folder}/ceiling {mode} {size}"
        self.key, self.name = f"ceiling-{mode}-{size}", name

    def bulk(self, place, _port, seconds):
        seconds = min(seconds, 3)  # nothing in it has to get up to speed
        outcome = place.run("", f"{self.command} {seconds}", seconds + TIME_TO_CONNECT, False)
        row = first(outcome.sender, "mbps")
        if not row or not row["bytes"]:
            return outcome, None
        return outcome, {"mbps": row["mbps"], "cpu_per_gb": row["cpu"] / (row["bytes"] / 1e9)}


class Fanout:
    def __init__(self, command, key, name, pattern):
        self.command, self.key, self.name, self.pattern = command, key, name, re.compile(pattern)
        self.group = key.split("-")[0]

    def fanout(self, place, clients, seconds):
        command = self.command.format(clients=clients, seconds=seconds)
        outcome = place.run("", command, seconds + 60, False)
        found = self.pattern.search(outcome.said)
        return outcome, {"deliveries": float(found.group(1))} if found else None


def jain(rates):
    """Jain's index: 1 where all get the same, 1/n where one gets all."""
    squares = len(rates) * sum(rate * rate for rate in rates)
    return sum(rates) ** 2 / squares if squares else 0


class Shared:
    """Several flows over one link, `flows` of them as (mrt or tcp, begins after so many seconds).
    Each is counted over the same seconds, from the begin of the last."""
    group = "share"

    def __init__(self, thuban, folder, key, name, flows):
        self.thuban, self.tcp = thuban, f"env CC_ALGO=cubic {folder}/tcp"
        self.key, self.name, self.flows = key, name, flows

    def commands(self, host, port, seconds):
        """What runs at the receiving and what at the sending end."""
        last = max(begin for _, begin in self.flows)
        far, near = [], []
        if any(kind == "mrt" for kind, _ in self.flows):
            far.append(f"{self.thuban} bench serve --bind {host}:{port} &")
        for i, (kind, begin) in enumerate(self.flows):
            omitted = last - begin
            if kind == "mrt":
                send = (f"{self.thuban} bench send {host}:{port} --seconds {seconds} "
                        f"--omit {omitted}")
            else:
                own = port + 1 + i
                far.append(f"env OMIT={omitted} {self.tcp} recv {own} {seconds} &")
                send = f"{self.tcp} send {host} {own} {seconds + omitted}"
            near.append(f"(sleep {begin}; exec {send}) &")
        # The end of lossy-net ends the server.
        return "\n".join([*far, "wait"]), "\n".join([*near, "wait"])

    def share(self, place, port, seconds):
        far, near = (f"bash -c {shlex.quote(script)}"
                     for script in self.commands(place.host, port, seconds))
        last = max(begin for _, begin in self.flows)
        outcome = place.run(far, near, seconds + last + TIME_TO_CONNECT, False)
        return outcome, self.figures(outcome)

    def figures(self, outcome):
        rates = {"mrt": [row["mbit_s"] for row in outcome.sender if "mbit_s" in row],
                 "tcp": [row["mbps"] for row in outcome.receiver if "mbps" in row]}
        kinds = [kind for kind, _ in self.flows]
        both = rates["mrt"] + rates["tcp"]
        if any(len(rates[kind]) != kinds.count(kind) for kind in rates) or not sum(both):
            return None
        out = {kind: sum(rates[kind]) for kind in rates if rates[kind]}
        return {**out, "sum": sum(both), "least_percent": 100 * min(both) / sum(both),
                "jain": jain(both), "flows": rates}


def sharers(thuban, folder):
    lead = 5  # seconds: more than any start takes
    rows = [("mrt-tcp", "TCP 5 s after MRT", [("mrt", 0), ("tcp", lead)]),
            ("tcp-mrt", "TCP 5 s before MRT", [("tcp", 0), ("mrt", lead)]),
            ("both", "TCP and MRT at once", [("mrt", 0), ("tcp", 0)]),
            ("mrt-2", "two of MRT", [("mrt", 0)] * 2), ("mrt-8", "eight of MRT", [("mrt", 0)] * 8),
            ("tcp-2", "two of TCP", [("tcp", 0)] * 2)]
    return [Shared(thuban, folder, key, name, flows) for key, name, flows in rows]


def bulk_peers(folder, rate_bits=None):
    """Those that carry bulk; with a rate also the one that has to be told it."""
    out = [Peer(folder, "tcp", "tcp-cubic", "TCP cubic", "CC_ALGO=cubic")]
    if rate_bits:
        out.append(Peer(folder, "tcp", "tcp-bbr", "TCP bbr", "CC_ALGO=bbr"))
        told = int(0.95 * rate_bits / 8)  # its own headers are not in what it is told
        out.append(Peer(folder, "srt", "srt-live", "SRT live (told the rate)", f"MAXBW={told}"))
    out += [Peer(folder, "enet", "enet", "ENet"), Peer(folder, "srt", "srt-file", "SRT file"),
            Peer(folder, "udt", "udt", "UDT"), Peer(folder, "sctp", "sctp", "usrsctp")]
    return out


def ceilings(folder):
    rows = [("gso", 1400, "UDP GSO/GRO 1400 B, nothing else"), ("gso-copy", 1400, "the same + copy"),
            ("gso-xxh3", 1400, "the same + XXH3"), ("gso-aes", 1400, "the same + AES-128-GCM"),
            ("gso-xxh3", 8900, "8900 B + XXH3"), ("gso-aes", 8900, "8900 B + AES-128-GCM"),
            ("mmsg", 1400, "sendmmsg/recvmmsg, no GSO, 1400 B")]
    return [Ceiling(folder, mode, size, f"ceiling: {name}") for mode, size, name in rows]


def small_peers(folder):
    return [Peer(folder, "tcp", "tcp-bbr", "TCP bbr", "CC_ALGO=bbr"),
            Peer(folder, "tcp", "tcp-cubic", "TCP cubic", "CC_ALGO=cubic"),
            Peer(folder, "srt", "srt-live", "SRT live"), Peer(folder, "sctp", "sctp", "usrsctp"),
            Peer(folder, "enet", "enet", "ENet"), Peer(folder, "udt", "udt", "UDT")]


def fanout_contestants(peers, bench):
    words = r"([\d.]+) deliveries/s"
    return [
        Fanout(f"{peers}/enet_fanout {{clients}} {{seconds}}", "enet", "ENet",
               r'deliveries_per_s":([\d.]+)'),
        Fanout(f"{bench}/fanout {{clients}} {{seconds}} 32 sealed packed", "mrt", "MRT sealed", words),
        Fanout(f"{bench}/fanout {{clients}} {{seconds}} 32 plain packed", "mrt-plain",
               "MRT plain (XXH3)", words),
        Fanout(f"{bench}/fanout {{clients}} {{seconds}} 32 sealed single", "mrt-single",
               "MRT sealed, one message a datagram", words)]
