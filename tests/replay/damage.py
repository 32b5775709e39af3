# SPDX-License-Identifier: Apache-2.0
"""damage.py TOOL RECORDING STEP: replays the recording cut off before each STEP-th byte, and with that byte changed.
The tool must print rows of the whole recording only, from the first one on, print one line and end with status 1."""

import os
import pathlib
import subprocess
import sys

tool, recording, step = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])


def replay():
    return subprocess.run([tool, "--replay", "damaged"], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def check(what):
    done = replay()
    said = done.stderr.decode()
    if done.returncode != 1 or said.count("\n") != 1 or "damaged " not in said or not rows.startswith(done.stdout):
        sys.exit(f"{what}: status {done.returncode}: {said}{done.stdout.decode()}")


def write(data):
    with open("damaged", "wb") as file:
        file.write(data)


whole = recording.read_bytes()
write(whole)
rows = replay().stdout
if rows.count(b"\n") < 5:
    sys.exit("too little to damage")
tried = 0
for at in range(0, len(whole), step):
    write(whole[:at])
    check(f"cut before byte {at}")
    for bits in (0x01, 0xff):
        write(whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1:])
        check(f"byte {at} changed by {bits:#x}")
    tried += 3
write(whole + b"\0")
check("a byte too many")
os.unlink("damaged")
print(tried + 1)
