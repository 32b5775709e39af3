#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Types into an interactive shell on a terminal of its own, and prints what the terminal shows.

Usage: press.py SHELL... -- SETUP LINE...

SETUP is a line for the shell. A LINE may contain \\t for the Tab key; it is typed key by key, and then Enter. The shell
prints a mark after each line, so the program waits for the mark. Only the answer to Tab needs a fixed time.
"""
import os
import pty
import select
import sys
import time

PATIENCE = 30


def read_until(fd, want, quiet=None):
    """Reads until `want` appears or, if `quiet` is given, until nothing has arrived for that many seconds."""
    shown, end = b"", time.monotonic() + PATIENCE
    while want not in shown or want == b"":
        ready, _, _ = select.select([fd], [], [], quiet or end - time.monotonic())
        if not ready:
            if quiet:
                break
            sys.exit(f"press.py: waited {PATIENCE} s in vain for {want!r} after {shown!r}")
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    return shown


def main():
    at = sys.argv.index("--")
    shell, setup, lines = sys.argv[1:at], sys.argv[at + 1], sys.argv[at + 2:]
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="", COLUMNS="200", LINES="50")
        os.execvp(shell[0], shell)
    # The mark is typed in two parts, so that its echo does not look like the mark.
    os.write(fd, setup.encode() + b"; echo ready''-now\n")
    read_until(fd, b"ready-now")
    for line in lines:
        for key in line.replace("\\t", "\t"):
            os.write(fd, key.encode())
            if key == "\t":
                print(read_until(fd, b"", quiet=1.0).decode(errors="replace"), end="")
        os.write(fd, b" ; echo done''-now\n")
        print(read_until(fd, b"done-now").decode(errors="replace"), end="")
    os.write(fd, b"exit\n")
    read_until(fd, b"", quiet=1.0)
    os.close(fd)
    os.waitpid(pid, 0)


main()
