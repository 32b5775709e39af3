#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the journal's entries with the rows that the same run printed as CSV, one by one and in order.

Usage: journal.py ROWS.csv ENTRIES.json
	each row must have an entry with the same values, and there must be no others
   or: journal.py --beside ENTRIES.json THEIRS.json ADDRESS
	each of tcpstates' own entries (IPv4) with this ADDRESS must have one of ours with the same fields and message
"""
import csv
import json
import sys

ARROW = " \u2192 "
PREFIX = "OBJECT_TCP_"


def fail(text):
    print(text)
    sys.exit(1)


def read_entries(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def expected_of(row):
    ip = "OBJECT_IPV" + row["IP"]
    fields = {
        "MESSAGE": f"{row['C-COMM']} {row['LADDR']} {row['LPORT']}{ARROW}{row['RADDR']} {row['RPORT']} "
                   f"{row['OLDSTATE']}{ARROW}{row['NEWSTATE']}"
                   + (f" reason {row['REASON']}" if row["REASON"] else ""),
        "PRIORITY": "5",
        "SYSLOG_IDENTIFIER": "ipvs-tcpstate",
        "OBJECT_PID": row["C-PID"],
        PREFIX + "COMM": row["C-COMM"],
        ip + "_SOURCE_ADDRESS": row["LADDR"],
        PREFIX + "SOURCE_PORT": row["LPORT"],
        ip + "_DESTINATION_ADDRESS": row["RADDR"],
        PREFIX + "DESTINATION_PORT": row["RPORT"],
        PREFIX + "OLD_STATE": row["OLDSTATE"],
        PREFIX + "NEW_STATE": row["NEWSTATE"],
        PREFIX + "SPAN_TIME": str(int(row["MS"].replace(".", ""))),
    }
    if row["REASON"]:
        fields[PREFIX + "REASON"] = row["REASON"]
    return fields


def own(entry):
    """Removes what the journal itself adds: names that begin with _, and what it finds in /proc of OBJECT_PID."""
    return {name: value for name, value in entry.items()
            if name.startswith((PREFIX, "OBJECT_IPV")) or
            name in ("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "OBJECT_PID")}


def compare_rows(rows_path, entries_path):
    with open(rows_path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    entries = read_entries(entries_path)
    if len(rows) != len(entries):
        fail(f"{len(rows)} rows, {len(entries)} entries")
    for row, entry in zip(rows, entries):
        if own(entry) != expected_of(row):
            fail(f"differ:\nrow   {expected_of(row)}\nentry {own(entry)}")
        for name in entry:
            if not name.startswith(("_", PREFIX, "OBJECT_")) and \
                    name not in ("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"):
                fail(f"a field of another kind: {name} in {entry}")
    print(len(entries))


def compare_theirs(entries_path, their_path, address):
    def key(entry):
        # Ignores the port of a row to SYN_SENT, pid and times: see beside.py.
        opening = entry["OBJECT_TCP_NEW_STATE"] == "SYN_SENT"
        return tuple(entry["OBJECT_" + name] for name in (
            "IPV4_SOURCE_ADDRESS", "IPV4_DESTINATION_ADDRESS", "TCP_DESTINATION_PORT", "TCP_OLD_STATE",
            "TCP_NEW_STATE")) + (None if opening else entry["OBJECT_TCP_SOURCE_PORT"],)

    def message(entry):
        # Ignores the name of the process; ours has more words at the end.
        words = entry["MESSAGE"].split(" ")[1:]
        if entry["OBJECT_TCP_NEW_STATE"] == "SYN_SENT":
            words[1] = None
        return words[:8]

    def with_address(path):
        return sorted((e for e in read_entries(path) if e.get("OBJECT_IPV4_DESTINATION_ADDRESS") == address
                       or e.get("OBJECT_IPV4_SOURCE_ADDRESS") == address), key=lambda e: str(key(e)))

    ours, theirs = with_address(entries_path), with_address(their_path)
    if len(ours) != len(theirs) or not ours:
        fail(f"{len(ours)} entries of ours, {len(theirs)} of tcpstates")
    for our, their in zip(ours, theirs):
        missing = {name for name in their if not name.startswith("_")} - set(our) - \
            {"CODE_FILE", "CODE_LINE", "CODE_FUNC"}
        # Ignores the journal's own fields: it adds them only if the process still runs, so one entry may lack them.
        missing = {name for name in missing if name.startswith(("OBJECT_IPV", PREFIX)) or "OBJECT_" not in name}
        if key(our) != key(their) or message(our) != message(their) or missing or \
                our["PRIORITY"] != their["PRIORITY"]:
            fail(f"differ (missing: {missing}):\nours   {our}\ntheirs {their}")
    print(len(ours))


if sys.argv[1] == "--beside":
    compare_theirs(*sys.argv[2:])
else:
    compare_rows(*sys.argv[1:])
