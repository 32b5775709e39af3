# SPDX-License-Identifier: Apache-2.0
"""Checks JSON lines against row.schema.json: FILE, line by line. The last line must be the only "end", and its
counts must be those of the lines. With --broken, the schema must refuse every change that breaks a line."""

import json
import pathlib
import sys

import jsonschema


def strictly(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        sys.exit(f"a key twice: {keys}")
    return dict(pairs)


def load(path):
    text = pathlib.Path(path).read_bytes().decode("utf-8")
    if not text.endswith("\n"):
        sys.exit("the last line has no end")
    return [json.loads(line, object_pairs_hook=strictly) for line in text[:-1].split("\n")]


def broken(line):
    """Yields the line with each key removed, of another type, or with an invalid value; and with an extra key."""
    for key in line:
        yield {k: v for k, v in line.items() if k != key}
        for wrong in (True, [], {}, -1, "\nno such value", None):
            if key in ("netns", "real", "reason", "age_ms", "gone_ms", "raddr_name", "container", "pod") and wrong is None:
                continue
            yield {**line, key: wrong}
    yield {**line, "surprise": 1}
    if line["event"] != "end":
        yield {**line, "time": "2026-02-03 04:05:06.123456Z"}
        yield {**line, "time": "2026-02-03T04:05:06.123Z"}
    if line["event"] not in ("end", "lost"):
        yield {**line, "lport": 65536}
        yield {**line, "ip": 5}
        yield {**line, "laddr": "300"}
        yield {**line, "comm": "a\\b"}
        yield {**line, "comm": "\x1b[2J"}
        yield {**line, "real": {"addr": "10.0.0.1", "port": 80}}
        yield {**line, "event": "state", "reason": "retransmit"}
        yield {**line, "event": "retransmit", "reason": None}
        yield {**line, "event": "moved", "reason": "reset"}
        yield {**line, "event": "idle-expired", "reason": "expired"}
        yield {**line, "event": "real-server-down", "reason": "refused"}
        yield {**line, "event": "real-server-up", "reason": "real-server-down"}
        yield {**line, "event": "real-server-up", "reason": "real-server-up", "real": None}
        yield {**line, "age_ms": 0.5}


def check_counts(lines, end):
    losses = [line for line in lines if line["event"] == "lost"]
    if end["rows"] != len(lines) - len(losses):
        sys.exit(f"{len(lines) - len(losses)} rows, the end says {end['rows']}")
    if end["sent"] != end["rows"] + end["filtered"] + end["lost"]:
        sys.exit(f"not all that was sent is accounted for: {end}")
    if end["lost"] != end["lost_buffer_full"] + end["lost_missed"] + end["lost_damaged"]:
        sys.exit(f"losses do not add up: {end}")
    for key in ("lost_buffer_full", "lost_missed", "sockets_not_followed", "connects_without_real", "reasons_missed"):
        said = [line[key] for line in losses]
        if losses and sum(said) != end[key]:
            sys.exit(f"{key}: {said}, the end says {end[key]}")


def main():
    schema = json.loads((pathlib.Path(__file__).parent / "row.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    lines = load(sys.argv[-1])
    for number, line in enumerate(lines, 1):
        for error in validator.iter_errors(line):
            sys.exit(f"line {number}: {error.message}: {line}")
    if [line["event"] for line in lines].count("end") != 1 or lines[-1]["event"] != "end":
        sys.exit("not one end, at the end")
    check_counts(lines[:-1], lines[-1])
    if sys.argv[1] != "--broken":
        return
    tried = 0
    for line in lines:
        for wrong in broken(line):
            tried += 1
            if validator.is_valid(wrong):
                sys.exit(f"taken: {wrong}")
    print(tried)


main()
