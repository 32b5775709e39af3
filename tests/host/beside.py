#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the rows that tcpstates and this tool have printed for the same connections, field by field.

Usage: beside.py THEIRS OURS ADDRESS,... ROWS OPTION...

Only rows with one of the addresses count; each file must have ROWS of them. Both tools were started with OPTION... Both
see each change of state in the same call of the same tracepoint. So each row of one tool has a counterpart, with the same
fields in the same columns, except for these:

  C-PID, C-COMM  tcpstates prints the process that happens to be on the CPU, this tool the one that opened the socket.
                 In the rows to SYN_SENT and LISTEN a program opens the socket, so they are the same.
  LPORT          In the row to SYN_SENT: tcpstates runs before the kernel has chosen the port, and prints 0; this
                 tool waits for the port if there are kprobes.
  MS, TIME(s)    Each tool reads the clock itself. The values differ by a few microseconds, or more if an interrupt comes
                 in between. TIME(s) also counts from the first row that each tool saw. Most values are compared to
                 the millisecond.
  TIME           tcpstates prints the time of printing, this tool the time of the change.

Rows are compared as a set: tcpstates prints the buffers of each CPU and family in turn, not in the order of time.
"""
import collections
import csv
import re
import statistics
import sys

CONTEXT = ("C-PID", "C-COMM")
TIMES = ("TIME", "TIME(s)", "MS")


def fail(text):
    print(text)
    sys.exit(1)


def read_rows(path, addresses, is_csv):
    """Returns the header line, its fields, and each row's line with its fields by their names."""
    with open(path, encoding="utf-8", newline="") as file:
        lines = file.read().split("\n")
    if lines.pop() != "":
        fail(f"{path}: the last line has no end")
    split = (lambda line: next(csv.reader([line]))) if is_csv else str.split
    header = split(lines[0])
    rows = []
    for line in lines[1:]:
        # The names of other processes may contain blanks, so check the line first.
        if not any(re.search(rf"(^|[ ,]){re.escape(a)}([ ,]|$)", line) for a in addresses):
            continue
        fields = split(line)
        if len(fields) != len(header):
            fail(f"{path}: {len(fields)} fields in place of {len(header)}: {line}")
        rows.append((line, dict(zip(header, fields))))
    return lines[0], header, rows


def key(row):
    opening = row["NEWSTATE"] == "SYN_SENT"
    return tuple(value for name, value in row.items()
                 if name not in CONTEXT + TIMES and not (opening and name == "LPORT"))


def starts(line, n):
    return [match.start() for match in re.finditer(r"\S+", line)][:n]


def check_places(header, theirs, ours):
    """Text output: fields must be in the same columns, as long as no field is too long for its column."""
    for (their_line, their_row), (line, row) in zip(theirs, ours):
        if max(len(their_row["C-PID"]), len(row["C-PID"])) <= 5 and \
                starts(their_line, len(header)) != starts(line, len(header)):
            fail(f"other columns:\n{their_line}\n{line}")


def seconds(clock):
    hours, minutes, rest = (int(n) for n in clock.split(":"))
    return hours * 3600 + minutes * 60 + rest


def check_times(name, differences, limit):
    """Checks most values, as an interrupt may come between the two tools."""
    centre = statistics.median(differences) if name == "TIME(s)" else 0
    beyond = sum(abs(d - centre) > limit for d in differences)
    if beyond > len(differences) * 0.05:
        fail(f"{name}: {beyond} of {len(differences)} differ by more than {limit}")


def main():
    their_path, our_path, addresses, n, *options = sys.argv[1:]
    letters = "".join(o.lstrip("-") for o in options if re.fullmatch("-[a-zA-Z0-9]+", o))
    addresses = addresses.split(",")
    their_head, their_header, theirs = read_rows(their_path, addresses, "s" in letters)
    our_head, header, ours = read_rows(our_path, addresses, "s" in letters)

    if not our_head.startswith(their_head) or header[:len(their_header)] != their_header:
        fail(f"headers differ:\n{their_head}\n{our_head}")
    if len(theirs) != int(n) or len(ours) != int(n):
        fail(f"{n} rows expected, {len(theirs)} of tcpstates and {len(ours)} of ours")
    ours = [(line, {name: row[name] for name in their_header}) for line, row in ours]

    their_keys = collections.Counter(key(row) for _, row in theirs)
    our_keys = collections.Counter(key(row) for _, row in ours)
    if their_keys != our_keys:
        for sign, rest in (("<", their_keys - our_keys), (">", our_keys - their_keys)):
            for row in list(rest.elements())[:10]:
                print(sign, *row)
        fail("rows of tcpstates (<) and ours (>) differ")

    # Make pairs: rows with the same key, such as rows whose port is ignored, are in the same order.
    theirs.sort(key=lambda item: key(item[1]))
    ours.sort(key=lambda item: key(item[1]))
    if "s" not in letters:
        check_places(their_header[:-1], theirs, ours)
    pairs = [(their_row, row) for (_, their_row), (_, row) in zip(theirs, ours)]
    for their_row, row in pairs:
        if row["NEWSTATE"] in ("SYN_SENT", "LISTEN"):
            for name in CONTEXT:
                if row[name] != their_row[name]:
                    fail(f"{name} differs:\n{their_row}\n{row}")
    check_times("MS", [float(o["MS"]) - float(t["MS"]) for t, o in pairs], 1)
    if "t" in letters:
        check_times("TIME(s)", [float(o["TIME(s)"]) - float(t["TIME(s)"]) for t, o in pairs], 0.001)
    if "T" in letters:
        check_times("TIME", [(seconds(t["TIME"]) - seconds(o["TIME"])) % 86400 for t, o in pairs], 2)


main()
