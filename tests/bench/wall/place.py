# SPDX-License-Identifier: MIT
"""Where two programs meet: loopback, or the two ends of an emulated link. It runs one command
at each end, with a deadline, and gives back what they printed; it knows nothing of transports.

1. Nothing stays behind: every run is a session of its own, ended with its last process.
2. A run that lost more than steal_max of the machine to others says so.
"""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

STEAL_MAX = 0.03  # beyond, a run says more about the neighbours than about itself
SETTLE_SECONDS = 0.4  # until a receiver listens


class Steal:
    """The share of the machine's time that its hypervisor gave to others."""

    def __init__(self):
        self.before = self._read()

    @staticmethod
    def _read():
        with open("/proc/stat") as stat:
            ticks = [int(word) for word in stat.readline().split()[1:9]]
        return ticks[7], sum(ticks)

    def share(self):
        steal, total = self._read()
        return (steal - self.before[0]) / max(1, total - self.before[1])


def json_lines(text):
    out = []
    for line in text.splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            continue
    return out


class Outcome:
    def __init__(self, sender, receiver, link, steal):
        self.said = sender  # as text, and both ends' lines of JSON
        self.sender, self.receiver = json_lines(sender), json_lines(receiver)
        self.link = {row["dir"]: row for row in link}
        self.steal = steal


def end_session(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=3)
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue


def start(command, output):
    return subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=output,
                            stderr=subprocess.STDOUT, start_new_session=True)


class Loopback:
    host = "127.0.0.1"

    def run(self, receiver, sender, seconds, stop_receiver):
        """Both commands; `stop_receiver`: it goes on until it is interrupted."""
        with tempfile.TemporaryFile("w+") as heard, tempfile.TemporaryFile("w+") as said:
            steal = Steal()
            far = start("exec " + receiver, heard) if receiver else None
            near = None
            try:
                if far:
                    time.sleep(SETTLE_SECONDS)
                near = start("exec " + sender, said)
                near.wait(timeout=seconds)
                if far and stop_receiver:
                    far.send_signal(signal.SIGINT)
                if far:
                    far.wait(timeout=20)
            except subprocess.TimeoutExpired:
                pass  # what it printed decides whether the run counts
            finally:
                for process in (near, far):
                    if process and process.poll() is None:
                        end_session(process)
            share = steal.share()
            heard.seek(0)
            said.seek(0)
            return Outcome(said.read(), heard.read(), [], share)


class Link:
    """tests/net/lossy-net with these options; `seed` says what is lost."""
    host = "10.77.0.2"

    def __init__(self, lossy_net, options, seed):
        self.lossy_net, self.options, self.seed = lossy_net, options, seed

    def run(self, receiver, sender, seconds, stop_receiver):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            far = f"echo $$ >{folder}/pid; exec env {receiver} >{folder}/heard 2>&1"
            near = f"timeout {seconds} env {sender} >{folder}/said 2>&1"
            if stop_receiver:
                near += f"; kill -INT $(cat {folder}/pid)"
            command = [str(self.lossy_net), *self.options.split(), "--seed", str(self.seed),
                       "--settle", str(SETTLE_SECONDS), "--stats", f"{folder}/link", "--", near,
                       "--", far]
            steal = Steal()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, start_new_session=True)
            try:
                process.wait(timeout=seconds + 30)
            except subprocess.TimeoutExpired:
                pass  # what was printed decides whether the run counts
            finally:
                if process.poll() is None:
                    # All of the session: bash ends lossy-net, which takes its namespaces down, only
                    # when what it waits for has ended.
                    os.killpg(process.pid, signal.SIGTERM)
                    process.wait(timeout=10)
            share = steal.share()
            text = {}
            for part in ("said", "heard", "link"):
                path = folder / part
                text[part] = path.read_text(errors="replace") if path.exists() else ""
            return Outcome(text["said"], text["heard"], json_lines(text["link"]), share)
