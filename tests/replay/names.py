# SPDX-License-Identifier: Apache-2.0
"""Names of processes that the printers must handle.

names.py connect ADDR PORT   a process of each name connects
names.py check FORMAT FILE   checks the tool's output for that: text, wide, csv or json
names.py terminal TOOL FILE  checks the output for the recording FILE on a terminal
"""

import csv
import io
import json
import os
import pty
import re
import socket
import sys

NAMES = [
    b"a,b,c", b'say "hi"', b'","', b'"', b"'", b";|\t", b"two\nlines", b"cr\r\nlf", b"\n", b",\n,\"\n\"",
    b"\x1b[31mred\x1b[0m", b"\x1b]0;title\x07", b"\x08\x08\x08\x7f", b"\\", b"\\n", b"\\x41", b"a\\", b"\\\"",
    b"\xff\xfe", b"\xc3", b"caf\xc3\xa9", b"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac",
    b"\xc2\x9b31m", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xf0\x9f\x98", b"\xc0\xaf", b"\xf5\x80\x80\x80",
    b"{\"a\":[1]}", b"</script>", b"$(reboot)", b"`id`", b"=1+1", b" x ", b"#", b"-", b"%s%n%d",
    b"0123456789abcde", b"\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x13\x14\x15\x16", b"\xe2\x80\xae", b"a b  c",
]


def connect(address):
    for name in NAMES:
        with open("/proc/self/comm", "wb", buffering=0) as comm:
            comm.write(name)
        with socket.create_connection(address) as connection:
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)


def is_plain(char):
    return char >= " " and char != "\\" and not "\x7f" <= char <= "\x9f" and not "\ud800" <= char <= "\udfff"


def escaped(name):
    """Returns the expected output as a list: characters and escapes."""
    shown = []
    for char in name.decode("utf-8", "surrogateescape"):
        if is_plain(char):
            shown.append(char)
        else:
            shown += [f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")]
    return shown


def cut(name, columns):
    text = ""
    for part in escaped(name):
        if len(text) + len(part) > columns:
            break
        text += part
    return text


def unescaped(text):
    """Returns the exact bytes of the name."""
    if not all(map(is_plain, re.sub(r"\\x[0-9a-f]{2}", "", text))):
        sys.exit(f"not escaped: {text!r}")
    return re.sub(rb"\\x([0-9a-f]{2})", lambda hexa: bytes([int(hexa[1], 16)]), text.encode("utf-8"))


def from_columns(text, width):
    """C-COMM begins after SKADDR and C-PID."""
    lines = text.split("\n")
    if lines.pop() or not lines.pop(0).startswith("SKADDR"):
        sys.exit("no heading, or no end of line")
    for line in lines:
        start = re.match(r"[0-9a-f]{16} [0-9]+", line).end()
        start = max(start, 22) + 1
        rest = line[start + width:]
        if not re.match(r" ([46]  )?127\.[0-9.]+ +[0-9]+ +127\.99\.0\.1 +7711 ", rest):
            sys.exit(f"columns out of place: {line!r}")
        yield line[start:start + width]


def from_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
        again = io.StringIO(newline="")
        csv.writer(again, lineterminator="\n").writerows(csv.reader(io.StringIO(text, newline=""), strict=True))
        if again.getvalue() != text:
            sys.exit("Python writes another CSV of the same values")
        file.seek(0)
        for row in csv.DictReader(file, strict=True):
            if None in row or None in row.values() or row["RPORT"] != "7711":
                sys.exit(f"columns out of place: {row}")
            yield row["C-COMM"]


def check(form, path):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    if any(not is_plain(char) and char not in "\n\\" for char in text):
        sys.exit("control characters")
    if form == "csv":
        found = list(from_csv(path))
    elif form == "json":
        found = [line["comm"] for line in map(json.loads, text.splitlines()) if line["event"] not in ("end", "lost")]
    else:
        found = list(from_columns(text, 16 if form == "wide" else 10))
    seen = list(dict.fromkeys(found))
    if form in ("csv", "json"):
        if [unescaped(name) for name in seen] != NAMES:
            sys.exit(f"names: {seen}")
    else:
        width = 16 if form == "wide" else 10
        expected = list(dict.fromkeys(cut(name, width).ljust(width) for name in NAMES))
        if seen != expected:
            sys.exit(f"names: {[pair for pair in zip(seen, expected) if pair[0] != pair[1]]}")
    if len(found) != 5 * len(NAMES):
        sys.exit(f"{len(found)} rows")


def on_terminal(tool, recording):
    """Checks that every layout prints only text and line ends, and splits no row."""
    for options in ([], ["-x"], ["-w"]):
        pid, terminal = pty.fork()
        if not pid:
            os.execve(tool, [tool, "--replay", recording, *options], {"TERM": "xterm", "NO_COLOR": "1"})
        text = b""
        while True:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:     # the other side is closed
                break
            if not chunk:
                break
            text += chunk
        os.close(terminal)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            sys.exit(f"{options}: {text!r}")
        lines = text.decode("utf-8").split("\r\n")
        for line in lines:
            if not all(is_plain(char) or char == "\\" for char in line):
                sys.exit(f"control characters: {line!r}")
        rows = [line for line in lines if " 127.99.0.1 " in line]
        if len(rows) != 5 * len(NAMES):
            sys.exit(f"{options}: {len(rows)} rows")


if sys.argv[1] == "connect":
    connect((sys.argv[2], int(sys.argv[3])))
    os._exit(0)
if sys.argv[1] == "terminal":
    on_terminal(sys.argv[2], sys.argv[3])
    sys.exit()
check(sys.argv[2], sys.argv[3])
