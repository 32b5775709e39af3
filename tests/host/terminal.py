#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tool on a real pseudo-terminal, as a shell does, and checks what a user would see.

Usage: terminal.py TEST TOOL CLIENT CACHE PLACE PLACE_6

PLACE and PLACE_6 are ADDRESS:PORT of servers; the next port refuses.
"""
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

PATIENCE = 30
HEADING = "SKADDR "
COLOUR = re.compile("\033\\[[0-9;]*m")


def fail(text):
    print(text)
    sys.exit(1)


class Terminal:
    """The tool on a terminal of a given size, which is its session's controlling terminal."""

    def __init__(self, lines, columns, *options, **environment):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            self.fd = 0
            self.resize(lines, columns)
            for name in ("TERM", "NO_COLOR"):
                os.environ.pop(name, None)
            os.environ.update(environment)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # this suite may run in the background
            os.execv(TOOL, [TOOL, "--cache-dir", CACHE, *options])
        self.until("tracing; Ctrl-C")

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds):
        """Returns false at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError as err:
            if err.errno != errno.EIO:
                raise
            data = b""
        self.seen += data.decode()
        return bool(data)

    def until(self, text, times=1):
        deadline = time.monotonic() + PATIENCE
        while self.seen.count(text) < times:
            if time.monotonic() > deadline or not self.read(0.1):
                fail(f"waited for {times} of {text!r}, saw:\n{self.seen}")

    def key(self, key):
        os.write(self.fd, key)

    def end(self):
        """Types Ctrl-C and returns the lines of stdout."""
        self.key(b"\x03")
        while self.read(PATIENCE):
            pass
        _, status = os.waitpid(self.pid, 0)
        if status:
            fail(f"wait status {status}")
        if "\n" in self.seen.replace("\r\n", ""):
            fail("a line that does not begin at the left")
        return [line for line in self.seen.split("\r\n") if not line.startswith((NAME + ":", "^C"))]


def connect(place, n=1, ok=True):
    done = subprocess.run([CLIENT, "-n", str(n), place], stdout=subprocess.DEVNULL, check=False)
    if done.returncode != (0 if ok else 1):
        fail(f"client {place}: status {done.returncode}")


def refusing(place):
    address, port = place.rsplit(":", 1)
    return f"{address}:{int(port) + 1}"


def pattern(lines):
    return "".join("h" if line.startswith(HEADING) else "r" for line in lines if line)


def headings():
    """The heading is repeated after each screenful, also if the window changes its size."""
    terminal = Terminal(12, 200, "-a", "-D", PORT, TERM="xterm")
    connect(PLACE, 5)
    terminal.until("FIN_WAIT2   -> CLOSE", 5)
    terminal.resize(32, 200)
    connect(PLACE, 10)
    terminal.until("FIN_WAIT2   -> CLOSE", 15)
    expected = "h" + "r" * 10 + "h" + "r" * 10 + "h" + "r" * 30 + "h" + "r" * 25
    found = pattern(terminal.end())
    if found != expected:
        fail(f"expected {expected}\nfound    {found}")


def columns():
    """Each value is below its heading, however long the addresses are; white space still separates the fields."""
    terminal = Terminal(100, 300, "-a", "-D", PORT, TERM="xterm")
    connect(PLACE)
    connect(PLACE_6)
    connect(PLACE)
    terminal.until("FIN_WAIT2   -> CLOSE", 3)
    lines = [line for line in terminal.end() if line]
    if pattern(lines) != "hrrrrr" + "hrrrrrrrrrr":
        fail(pattern(lines))
    for line in lines:
        if line.startswith(HEADING):
            heading = line
            names = heading.split()
            places = {name: heading.index(name + " ") for name in names if name not in ("->", "REASON")}
            continue
        values = line.split()
        if len(values) != len(names):
            fail(f"not as many fields as names: {line}")
        for name, value in zip(names, values):
            if name in places and line[places[name]:].split()[0] != value:
                fail(f"{name} is not below its heading:\n{heading}\n{line}")


def colours():
    for environment, expected in (
            ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": ""}, True),
            ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)):
        to = refusing(PLACE)
        terminal = Terminal(24, 200, "-a", "-D", to.rsplit(":", 1)[1], **environment)
        connect(to, ok=False)
        terminal.until("SYN_SENT    -> CLOSE")
        lines = terminal.end()
        if not lines[2].endswith("\033[31mrefused\033[0m" if expected else " refused"):
            fail(f"{environment}: {lines}")
        if bool(COLOUR.search("".join(lines))) != expected or "\033" in COLOUR.sub("", "".join(lines)):
            fail(f"{environment}: {lines}")


def quiet_end():
    """After Ctrl-C the last line overwrites the terminal's own ^C, and nothing else is printed."""
    terminal = Terminal(24, 200, "-a", "-D", PORT, TERM="xterm")
    connect(PLACE)
    terminal.until("FIN_WAIT2   -> CLOSE")
    before = len(terminal.seen)
    terminal.end()
    if terminal.seen[before:].partition("^C")[2] != f"\r{NAME}: 5 rows, 0 lost\r\n":
        fail(f"the end: {terminal.seen[before:]!r}")


def screen():
    """With an interval each table of --summary replaces the previous one, cut to the screen; with -C they follow it."""
    terminal = Terminal(24, 200, "-a", "-D", PORT, "--summary", "1", TERM="xterm")
    connect(PLACE)
    terminal.until("\033[H\033[2J", 3)
    terminal.until(f"{PLACE} total ")
    terminal.end()
    for table in terminal.seen.split("\033[H\033[2J")[1:]:
        if not re.match("[0-9:]{8}\r\nVIP +REAL +CONN ", table):
            fail(f"no heading after the time: {table!r}")
    terminal = Terminal(24, 200, "-a", "-D", PORT, "--summary", "-C", "1", TERM="xterm")
    terminal.until("VIP ", 2)
    terminal.end()
    if "\033[" in terminal.seen:
        fail(f"cleared: {terminal.seen!r}")


def pipe():
    """In a pipe: one heading, no colour, fixed columns. A row arrives at once, while the tool still runs."""
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen([TOOL, "--cache-dir", CACHE, "-a", "-D", PORT], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment) as tool:
        if b"tracing" not in tool.stderr.readline():
            fail("did not start")
        tool.stdout.readline()
        worst = 0
        for _ in range(10):
            connect(PLACE_6)
            began = time.monotonic()
            for _ in range(5):
                line = tool.stdout.readline().decode()
                if line.startswith(HEADING) or "\033" in line or PLACE_6.split("]")[0][1:] not in line:
                    fail(line)
            worst = max(worst, time.monotonic() - began)
        tool.terminate()
        rest = tool.stdout.read()
        if rest:
            fail(f"more: {rest}")
    if worst > 1:
        fail(f"a row came {worst:.3f} s after its end")
    print(f"{worst * 1000:.0f} ms", file=sys.stderr)


TEST, TOOL, CLIENT, CACHE, PLACE, PLACE_6 = sys.argv[1:]
NAME = os.path.basename(TOOL)
PORT = PLACE.rsplit(":", 1)[1]
{"headings": headings, "columns": columns, "colours": colours, "quiet_end": quiet_end, "screen": screen,
 "pipe": pipe}[TEST]()
