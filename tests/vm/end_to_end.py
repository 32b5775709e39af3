#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the tool's rows (-j) with other sources about the same connections; for tests/vm/end_to_end.sh.

Usage: end_to_end.py pressure|durations|mixed

Reads files in the current folder. The local port identifies a connection. Prints the counts, or each mismatch;
with a mismatch the exit status is 1.
"""
import collections
import datetime
import json
import os
import re
import statistics
import sys

STATES = {
    "accepted": "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE",
    "closed": "CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE",
    "reset": "CLOSE SYN_SENT ESTABLISHED CLOSE/reset",
    "aborted": "CLOSE SYN_SENT ESTABLISHED CLOSE/aborted",
    "refused": "CLOSE SYN_SENT CLOSE/refused",
    "gave-up": "CLOSE SYN_SENT CLOSE/aborted",
    "no-destination": "CLOSE SYN_SENT CLOSE/no-destination",
    "unreachable": "CLOSE SYN_SENT CLOSE/unreachable",
}
# Errors of connect(2); the other outcomes have "ok"
RESULTS = {
    "refused": ("ECONNREFUSED",),
    "gave-up": ("gave-up",),
    "no-destination": ("ECONNREFUSED",),
    "unreachable": ("EHOSTUNREACH", "ENETUNREACH"),
}

mismatches = []


def mismatch(text):
    mismatches.append(text)


def compare(what, expected, found):
    if expected != found:
        mismatch(f"{what}: expected {expected}, found {found}")


def finish(text):
    """Ends the program."""
    for line in mismatches[:40]:
        print(line)
    if mismatches:
        print(f"{text}, {len(mismatches)} mismatches")
        sys.exit(1)
    print(f"{text}, no mismatch")


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [line.split() for line in file]


def end(text):
    """Returns the address, without brackets and as IPv4 if it is mapped, and the port."""
    address, port = text.rsplit(":", 1)
    return re.sub(r"^::ffff:", "", address.strip("[]")), int(port)


def port_of(text):
    return end(text)[1]


def read_rows():
    """Returns the rows, and the last line with the counts."""
    with open("rows", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if not rows or rows[-1]["event"] != "end":
        mismatch("the output has no end")
        finish(f"{len(rows)} rows")
    end = rows.pop()
    losses = [row for row in rows if row["event"] == "lost"]
    rows = [row for row in rows if row["event"] != "lost"]
    # Where the kernel may skip a program, the tool may count what is no row of these connections.
    if not 0 <= end["lost"] <= int(os.environ.get("lost_at_most", 0)):
        mismatch(f"rows lost: {end['lost']}")
    compare("rows counted by the tool", len(rows), end["rows"])
    for key in ("lost_buffer_full", "lost_missed", "sockets_not_followed", "connects_without_real", "reasons_missed"):
        compare(f"{key}, summed", end[key], sum(loss[key] for loss in losses))
    return rows, end


def real_of(row):
    return row["real"] and (row["real"]["addr"], row["real"]["port"])


def expected_changes(outcome):
    """Returns (oldstate, newstate, reason) of each row except retransmits."""
    states = [state.partition("/") for state in STATES[outcome].split()]
    return [(old[0], new[0], new[2] or None) for old, new in zip(states, states[1:])]


def by_port(rows):
    ports = collections.defaultdict(list)
    for row in rows:
        ports[row["lport"]].append(row)
    return ports


def syn_came_late(rows, again):
    """True if IPVS took the connection from a later SYN, or only when a retransmit was due: on a slow machine, such as
    an emulated one, the first SYN may have waited for so long."""
    first, answered = rows[0], rows[-1]
    late = seconds(answered["time"]) - (answered["age_ms"] or 0) / 1000 - seconds(first["time"])
    return bool(again) or late >= 0.9


def check_life(port, rows, outcome, real, client, syn_lost):
    """Checks all rows of one connection and returns how many are retransmits. If the first SYN was late, adds the port to
    syn_lost."""
    changes = [(row["oldstate"], row["newstate"], row["reason"]) for row in rows if row["event"] == "state"]
    again = [row for row in rows if row["event"] == "retransmit"]
    if changes and changes[0] == ("CLOSE", "SYN_SENT", "syn-lost") and syn_came_late(rows, again):
        syn_lost.append(port)
        changes[0] = ("CLOSE", "SYN_SENT", None)
    compare(f"{port}: changes", expected_changes(outcome), changes)
    compare(f"{port}: rows that are neither change nor retransmit", len(rows), len(changes) + len(again))
    for row in rows:
        compare(f"{port}: real server of {row['oldstate']} {row['newstate']}", real, real_of(row))
        compare(f"{port}: owner", (int(client[5]), "client"), (row["pid"], row["comm"]))
    compare(f"{port}: sockets", 1, len({row["skaddr"] for row in rows}))
    for row in again:
        compare(f"{port}: states of a retransmit", ("SYN_SENT", "SYN_SENT", "retransmit"),
                (row["oldstate"], row["newstate"], row["reason"]))
    times = [row["time"] for row in rows]
    compare(f"{port}: order of time", sorted(times), times)
    return len(again)


# ---- more sockets than can be tracked

def check_round(number, rows, syn_lost):
    """Returns the number of connections, and of those with rows. A client may use a port again while IPVS still has an
    entry to the real server of the previous round. IPVS drops the SYN if that real server has been removed."""
    logged = {port_of(line[1]): end(line[3]) for line in lines(f"servers.{number}")}
    clients = {port_of(line[1]): line for line in lines(f"clients.{number}")}
    compare(f"round {number}: ports that the servers saw", sorted(clients), sorted(logged))
    compare(f"round {number}: real servers", 1, len({real for real in logged.values()}))
    ports = by_port(rows)
    for port, its_rows in ports.items():
        if port in clients:
            check_life(f"round {number}: {port}", its_rows, "closed", logged.get(port), clients[port],
                       syn_lost)
        else:
            mismatch(f"round {number}: rows of port {port}, which no client had")
    return len(clients), len(ports)


def pressure():
    rows, counts = read_rows()
    long_rows = by_port([row for row in rows if row["rport"] == 80])
    logged = {port_of(line[1]): end(line[3]) for line in lines("servers.long")}
    clients = {port_of(line[1]): line for line in lines("clients.long")}
    syn_lost = []
    compare("ports of the long connections", sorted(clients), sorted(long_rows))
    compare("long connections", 20, len(clients))
    for port, its_rows in long_rows.items():
        check_life(port, its_rows, "closed", logged[port], clients[port], syn_lost)
    made = shown = 0
    began = [float(lines(f"began.{number}")[0][0]) for number in range(1, 8)] + [float("inf")]
    for number in range(1, 8):
        of_round = [row for row in rows if row["rport"] == 81
                    and began[number - 1] <= seconds(row["time"]) < began[number]]
        made_now, shown_now = check_round(number, of_round, syn_lost)
        made += made_now
        shown += shown_now
        if number == 7:
            compare("connections one after another that have rows", made_now, shown_now)
    compare("connections without rows", counts["sockets_not_followed"] + counts["connects_without_real"],
            made - shown)
    if made - shown < 100:
        mismatch(f"there was no pressure: only {made - shown} connections were not followed")
    finish(f"20 long connections, {made} short ones, of which {made - shown} were not followed and counted, "
           f"{len(rows)} rows, {len(syn_lost)} times syn-lost")


def seconds(time):
    """Converts an RFC 3339 time to seconds since the epoch."""
    return datetime.datetime.strptime(time.replace("Z", "+0000"), "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


# ---- a capture

PACKET = re.compile(r"^(\d+\.\d+) (?:(\S+) +(?:In|Out|M|B|P) +)?IP6? (\S+)\.(\d+) > (\S+)\.(\d+): Flags \[([^]]*)\](.*)")


def packets():
    """Yields (time in ms, interface, source, source port, destination port, flags, acknowledged, rest)"""
    for line in open("packets", encoding="utf-8"):
        found = PACKET.match(line)
        if not found:
            continue
        ack = re.search(r" ack (\d+)", found[8])
        yield (float(found[1]) * 1000, found[2], found[3], int(found[4]), int(found[6]), found[7],
               int(ack[1]) if ack else None, found[8])


def durations():
    """The time between a state change and its packet makes MS either longer or shorter, depending on the change. Only for
    the change from FIN_WAIT2 and for retransmits both are possible. That time depends on the machine: in a VM that loses
    its CPU for a moment, one or two values are far off."""
    rows, _ = read_rows()
    ports = by_port(rows)
    sent, came = collections.defaultdict(list), collections.defaultdict(list)
    for time, _, _, sport, dport, flags, ack, rest in packets():
        sent[sport].append((time, flags, ack, rest))
        came[dport].append((time, flags, ack, rest))
    errors = collections.defaultdict(list)
    for port, its_rows in sorted(ports.items()):
        if port < 10000:
            continue
        syns = [p[0] for p in sent[port] if p[1] == "S"]
        again = [row["ms"] for row in its_rows if row["event"] == "retransmit"]
        compare(f"{port}: SYNs", 1 + len(again), len(syns))
        for ms, time in zip(again, syns[1:]):
            errors["retransmit"].append(ms - (time - syns[0]))
        if port >= 11000:
            continue
        ms = {row["oldstate"] + " " + row["newstate"]: row["ms"] for row in its_rows if row["event"] == "state"}
        answer = next(p for p in came[port] if p[1] == "S.")
        fin = next(p for p in sent[port] if "F" in p[1])
        last = int(re.search(r"seq (\d+)", fin[3])[1]) + 1
        acked = next(p for p in came[port] if p[0] >= fin[0] and p[2] == last)
        ended = next(p for p in came[port] if "F" in p[1])
        for change, time in (("SYN_SENT ESTABLISHED", answer[0] - syns[-1 - len(again)]),
                             ("ESTABLISHED FIN_WAIT1", fin[0] - answer[0]),
                             ("FIN_WAIT1 FIN_WAIT2", acked[0] - fin[0]),
                             ("FIN_WAIT2 CLOSE", ended[0] - acked[0])):
            errors[change].append(ms[change] - time)
    compare("connections", 48, len([port for port in ports if port >= 10000]))
    compare("retransmits", 16, len(errors["retransmit"]))
    said = []
    for change, found in errors.items():
        middle, most = statistics.median(found), max(found, key=abs)
        far_off = sum(abs(error) > 100 for error in found)
        if change in ("SYN_SENT ESTABLISHED", "FIN_WAIT1 FIN_WAIT2") and min(found) < -0.01:
            mismatch(f"{change}: shorter by {-min(found):.3f} ms than between the packets")
        if change == "ESTABLISHED FIN_WAIT1" and max(found) > 0.01:
            mismatch(f"{change}: longer by {max(found):.3f} ms than between the packets")
        if abs(middle) > 10 or far_off > len(found) / 10:
            mismatch(f"{change}: MS differs by {middle:.3f} ms, at most {most:.3f}, {far_off} times by over 100")
        said.append(f"{change} {middle:+.3f}, at most {most:+.3f}")
    finish("MS less the time between packets, median: " + "; ".join(said))


# ---- everything at once

def read_plan():
    """Maps the port of each planned connection to (outcome, real server, service, first port of its group)."""
    plan = {}
    for first, count, outcome, real, service in lines("plan"):
        for port in range(int(first), int(first) + int(count)):
            plan[port] = (outcome, real, end(service), int(first))
    return plan


def once(what, found):
    """Makes a dict of a list of pairs; a key that appears twice is a mismatch."""
    result = {}
    for key, value in found:
        if key in result:
            mismatch(f"{what}: port {key} twice")
        result[key] = value
    return result


def read_entries():
    """Returns two values: each port's set of (service, real server) in all lists of ipvsadm; and the start and end time
    of each list."""
    entries, lists = collections.defaultdict(set), []
    for line in lines("entries"):
        if len(line) == 6 and line[0] == "TCP":
            entries[port_of(line[3])].add((end(line[4]), end(line[5])))
        elif line[:1] == ["LISTED"]:
            lists.append((float(line[1]), float(line[2])))
    return entries, lists


def was_listed(rows, lists):
    """True if ipvsadm made a list while IPVS had the entry: ten seconds longer than the connection, if it was reset."""
    first, last = seconds(rows[0]["time"]), seconds(rows[-1]["time"])
    return any(began >= first and ended < last + 9 for began, ended in lists)


def count_syns():
    """Counts SYNs by port. SYNs from the pod pass through the host; they are counted where they arrive."""
    syns = collections.Counter()
    for _, device, source, sport, _, _, _, _ in packets():
        if source in ("10.99.2.2", "fd00:99:2::2") and not device.startswith("p"):
            continue
        syns[sport] += 1
    return syns


def read_methods():
    """Maps (service, real server) to the forwarding method."""
    methods = {}
    for line in lines("methods"):
        if line[0] == "TCP":
            service = end(line[1])
        elif line[0] == "->" and line[1] != "RemoteAddress:Port":
            methods[service, end(line[1])] = line[2].lower()
    return methods


def mixed_connection(port, planned, its_rows, client, logged, entries, listed, methods, syn_lost):
    """Returns outcome and number of retransmits. @entries may be empty if they were not listed in time."""
    outcome, real, service, _ = planned
    result = client[3]
    if outcome == "either":
        outcome = "accepted" if result == "ok" else "refused"
        real = "logged" if result == "ok" else real
    compare(f"{port}: result of connect for {outcome}", True, result in RESULTS.get(outcome, ("ok",)))
    compare(f"{port}: known to a server", result == "ok", port in logged)
    if outcome == "direct" or result == "ok" and real != "logged":	# a real server with the service's own address
        compare(f"{port}: server", service, logged.get(port))
    if outcome == "direct":
        compare(f"{port}: rows of a direct connection", 0, len(its_rows))
        compare(f"{port}: entries of a direct connection", set(), entries)
        return outcome, 0
    if real == "logged":
        chosen = logged.get(port)
    elif real == "-":
        chosen = None
    elif real == "either":	# neither of the two has a log, but IPVS knows
        chosen = next(iter(entries))[1] if entries else None if listed else real_of(its_rows[0])
    else:
        chosen = end(real)
    if entries or listed or not chosen:
        compare(f"{port}: entries of IPVS", {(service, chosen)} if chosen else set(), entries)
    again = check_life(port, its_rows, outcome, chosen, client, syn_lost)
    for row in its_rows:
        compare(f"{port}: service", service, (row["raddr"], row["rport"]))
        compare(f"{port}: family", 6 if ":" in service[0] else 4, row["ip"])
        if chosen:
            compare(f"{port}: method", methods.get((service, chosen)), row["real"]["method"])
    return outcome, again


def mixed():
    rows, counts = read_rows()
    compare("sockets not followed", 0, counts["sockets_not_followed"])
    compare("connects without real server", 0, counts["connects_without_real"])
    plan = read_plan()
    first_ports = sorted({planned[3] for planned in plan.values()})
    clients = once("clients", [(port_of(line[1]), line) for first in first_ports for line in lines(f"clients.{first}")])
    logged = once("servers", [(port_of(line[1]), end(line[3])) for line in lines("logged")])
    (entries, lists), methods = read_entries(), read_methods()
    ports = by_port(rows)
    compare("ports of the clients", sorted(plan), sorted(clients))
    for port in sorted(set(ports) - set(plan)):
        mismatch(f"{len(ports[port])} rows of port {port}, which no client had")
    for port in sorted(set(logged) - set(plan)):
        mismatch(f"a server knows of port {port}, which no client had")
    for port in sorted(set(entries) - set(plan)):
        mismatch(f"IPVS has an entry of port {port}, which no client had")
    inodes = {place: int(lines(f"netns.{place}")[0][0]) for place in ("host", "pod")}
    outcomes = collections.Counter()
    retransmits, syn_lost, unlisted = {}, [], 0
    for port in sorted(set(plan) & set(clients)):
        listed = port not in ports or was_listed(ports[port], lists)
        unlisted += not listed
        outcome, retransmits[port] = mixed_connection(
            port, plan[port], ports.get(port, []), clients[port], logged, entries.get(port, set()), listed, methods,
            syn_lost)
        outcomes[outcome] += 1
        for row in ports.get(port, []):
            place = "pod" if row["laddr"] in ("10.99.2.2", "fd00:99:2::2") else "host"
            compare(f"{port}: namespace", inodes[place], row["netns"])
    if unlisted > len(plan) / 4:
        mismatch(f"the entries of {unlisted} connections were not listed while IPVS had them")
    captured = check_capture(plan, retransmits)
    finish(f"{len(plan)} connections ({', '.join(f'{n} {name}' for name, n in sorted(outcomes.items()))}), "
           f"{len(rows)} rows, {sum(retransmits.values())} of them retransmits, "
           f"{sum(map(len, entries.values()))} entries of IPVS, {captured}, "
           f"{len(syn_lost)} times syn-lost")


def check_capture(plan, retransmits):
    """Each SYN after the first must have a row; a SYN without a destination is not sent anywhere."""
    try:
        syns = count_syns()
    except FileNotFoundError:
        return "no capture"
    for port, planned in plan.items():
        if planned[0] not in ("no-destination", "direct"):
            compare(f"{port}: SYNs captured", 1 + retransmits.get(port, 0), syns[port])
    return f"{sum(syns.values())} SYNs captured"


if sys.argv[1] == "mixed":
    mixed()
elif sys.argv[1] == "durations":
    durations()
else:
    pressure()
