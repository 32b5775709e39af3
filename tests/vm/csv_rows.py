#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the tool's CSV (-s -t -T) and prints its rows in the form of the function "rows" in tests/lib.sh."""

import csv
import re
import sys

COLUMNS = ("TIME,TIME(s),SKADDR,C-PID,C-COMM,IP,LADDR,LPORT,RADDR,RPORT,OLDSTATE,NEWSTATE,MS,"
           "REALADDR,REALPORT,METHOD,REASON").split(",")


def real(row):
    if not row["REALADDR"]:
        return "-"
    form = "[%s]:%s" if ":" in row["REALADDR"] else "%s:%s"
    return form % (row["REALADDR"], row["REALPORT"])


def main():
    with open(sys.argv[1], newline="") as file:
        reader = csv.DictReader(file, strict=True)
        if reader.fieldnames != COLUMNS:
            sys.exit(f"columns: {reader.fieldnames}")
        for row in reader:
            if None in row or None in row.values():
                sys.exit(f"not as many values as columns: {row}")
            if not re.fullmatch(r"\d\d:\d\d:\d\d", row["TIME"]) or not re.fullmatch(r"\d+\.\d{6}", row["TIME(s)"]):
                sys.exit(f"times: {row}")
            if row["IP"] != ("6" if ":" in row["LADDR"] else "4") or not re.fullmatch(r"\d+\.\d{3}", row["MS"]):
                sys.exit(f"IP or MS: {row}")
            if row["METHOD"] not in ("masq", "local"):
                sys.exit(f"METHOD: {row}")
            print(row["C-PID"], row["C-COMM"], f"{row['LADDR']}:{row['LPORT']}", f"{row['RADDR']}:{row['RPORT']}",
                  row["OLDSTATE"], row["NEWSTATE"], real(row), row["REASON"] or "-")


main()
