# SPDX-License-Identifier: Apache-2.0
"""Prints what a file of metrics contains, or what the rows of a recording of the same run amount to, in the same form.

    metrics.py counts FILE.prom       VIP:PORT REAL:PORT|- [ipvs] and connects, established, refused, timeout, unreachable,
                                      aborted, no-destination, error, SYN retransmits, resets
    metrics.py times FILE.prom        VIP:PORT REAL:PORT|- and the sum and the cumulative buckets of the connect time
    metrics.py row-counts ROWS.json   as counts, from rows (-j)
    metrics.py row-times ROWS.json    as times, from rows
    metrics.py state-times ROWS.json HISTOGRAM.json
                                      number, VIP:PORT, REAL:PORT|- and state of each histogram (--states -j) that has the
                                      same buckets as the rows' times; status 1 if one has not
    metrics.py row-quantile Q ROWS.json
                                      VIP:PORT REAL:PORT|- and the result of Prometheus' histogram_quantile() for the rows
"""

import json
import re
import sys

RESULTS = ["established", "refused", "timeout", "unreachable", "aborted", "no-destination", "error"]
BOUNDS_US = [15 << n for n in range(3, 20)]
SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? ([^ ]+)$')


def place(addr, port):
    if not addr:
        return "-"
    addr = addr[7:] if addr.startswith("::ffff:") else addr
    return f"[{addr}]:{port}" if ":" in addr else f"{addr}:{port}"


def samples(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                continue
            name, labels, value = SAMPLE.match(line.rstrip("\n")).groups()
            labels = dict(re.findall(r'(\w+)="([^"]*)"', labels or ""))
            if "vip" in labels:
                where = [place(labels["vip"], labels["vport"]), place(labels["real"], labels["rport"])]
                where += [labels["source"]] if "source" in labels else []
                yield tuple(where), name, labels, float(value)


def counts(path):
    where = {}
    for key, name, labels, value in samples(path):
        n = where.setdefault(key, [0] * 10)
        if name == "ipvs_tcp_connect_attempts_total":
            n[0] = value
        elif name == "ipvs_tcp_connects_total":
            n[1 + RESULTS.index(labels["result"])] = value
        elif name == "ipvs_tcp_syn_retransmits_total":
            n[8] = value
        elif name == "ipvs_tcp_resets_total":
            n[9] = value
    return where


def times(path):
    where = {}
    for key, name, labels, value in samples(path):
        n = where.setdefault(key, [0] * (2 + len(BOUNDS_US)))
        if name == "ipvs_tcp_connect_seconds_sum":
            n[0] = round(value * 1e6)
        elif name == "ipvs_tcp_connect_seconds_bucket":
            le = float(labels["le"])
            n[1 + (len(BOUNDS_US) if le == float("inf") else BOUNDS_US.index(round(le * 1e6)))] = value
    return where


def rows(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["event"] in ("state", "retransmit", "no-destination"):
                real = row["real"]
                where = [place(row["raddr"], row["rport"]), place(real["addr"], real["port"]) if real else "-"]
                where += [row["source"]] if "source" in row else []
                yield tuple(where), row


def count_forwarded(n, row):
    """Adds a row of --director to the counts."""
    old, new, reason = row["oldstate"], row["newstate"], row["reason"]
    failed = {"refused": 2, "no-answer": 3, "client-reset": 5}
    if row["event"] == "retransmit":
        n[8] += 1
    elif reason == "no-destination":
        n[0] += 1
        n[6] += 1
    elif new == "SYN_RECV" or (old == "NONE" and new != "NONE"):
        n[0] += 1
    elif new == "ESTABLISHED":
        n[1] += 1
    elif old == "SYN_RECV":
        n[failed.get(reason, 7)] += 1
    elif (old, new) == ("ESTABLISHED", "NONE") or reason == "server-reset":
        n[9] += 1


def row_counts(path):
    where = {}
    for key, row in rows(path):
        n = where.setdefault(key, [0] * 10)
        old, new, reason = row["oldstate"], row["newstate"], row["reason"]
        if len(key) > 2:
            count_forwarded(n, row)
        elif row["event"] == "retransmit":
            n[8] += old == "SYN_SENT"
        elif new == "SYN_SENT":
            n[0] += 1
        elif new == "ESTABLISHED":
            n[1] += 1
        elif new == "CLOSE" and old == "SYN_SENT":
            n[1 + RESULTS.index(reason) if reason in RESULTS else 7] += 1
        elif new == "CLOSE" and reason in ("reset", "expired"):
            n[9] += 1
    return where


def connect_times(path):
    where = {}
    for key, row in rows(path):
        us = where.setdefault(key, [])
        if len(key) > 2:
            if row["newstate"] == "ESTABLISHED" and row["connect_ms"]:
                us.append(round(row["connect_ms"] * 1000))
        elif row["oldstate"] == "SYN_SENT" and row["newstate"] == "ESTABLISHED":
            us.append(round(row["ms"] * 1000))
    return where


def row_times(path):
    return {key: [sum(us)] + [sum(u < bound for u in us) for bound in BOUNDS_US] + [len(us)]
            for key, us in connect_times(path).items()}


def quantile(q, us):
    """Computes the same as histogram_quantile(): linear within a bucket; the last bound if the rank is beyond it."""
    rank, below, low = q * len(us), 0, 0
    for bound in BOUNDS_US:
        upto = sum(u < bound for u in us)
        if upto >= rank:
            return (low + (bound - low) * (rank - below) / (upto - below)) / 1e6
        below, low = upto, bound
    return low / 1e6


def state_times(rows_path, path):
    """Times in rows are rounded to microseconds, times in buckets are truncated: they differ by one at most."""
    expected = {}
    for key, row in rows(rows_path):
        if row["event"] == "state" and (row["ms"] if "source" in row else row["oldstate"] != "CLOSE"):
            expected.setdefault((*key, row["oldstate"]), []).append(round(row["ms"] * 1000))
    for line in open(path, encoding="utf-8"):
        found = json.loads(line)
        if found["event"] != "histogram":
            continue
        real = found["real"] or {"addr": "", "port": 0}
        where = [place(found["vip"]["addr"], found["vip"]["port"]), place(real["addr"], real["port"])]
        where += [found["source"]] if "source" in found else []
        key = (*where, found["state"])
        us = sorted(expected.pop(key, []))
        ranges = [(bucket["from"], bucket["to"]) for bucket in found["state_us"] for _ in range(bucket["count"])]
        if len(us) != len(ranges) or any(not low <= u <= high + 1 for u, (low, high) in zip(us, ranges)):
            sys.exit(f"{key}: times of the rows {us}, of the histogram {ranges}")
        print(len(us), *key)
    if expected:
        sys.exit(f"no histogram of {expected}")


def main():
    command, path = sys.argv[1], sys.argv[-1]
    if command == "state-times":
        state_times(sys.argv[2], path)
        return
    if command == "row-quantile":
        for key, us in sorted(connect_times(path).items()):
            if us:
                print(*key, f"{quantile(float(sys.argv[2]), us):.9g}")
        return
    table = {"counts": counts, "times": times, "row-counts": row_counts, "row-times": row_times}[command](path)
    for key, n in sorted(table.items()):
        print(*key, *(f"{value:.0f}" for value in n))


main()
