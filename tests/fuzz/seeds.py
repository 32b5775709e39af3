# SPDX-License-Identifier: Apache-2.0
"""seeds.py FOLDER: writes initial inputs into FOLDER/TARGET. They come from the recordings of tests/replay, the format
files of tests/unit, and the inputs of the unit tests."""

import hashlib
import pathlib
import re
import struct
import sys

tests = pathlib.Path(__file__).resolve().parent.parent
seeds = {}


def add(target, data):
    seeds.setdefault(target, set()).add(data)


def blocks(data):
    """Yields the blocks of a recording after its head, each with its kind; tool/rows/recording.c has the format."""
    at = 40
    while len(data) - at >= 16:
        kind, size = struct.unpack_from("=II", data, at)
        yield kind, data[at:at + 16 + size]
        at += 16 + size


def samples(recording):
    """Yields the samples of a recording."""
    for kind, block in blocks(recording.read_bytes()):
        block = block[16:]
        while kind == 1 and block:
            length, = struct.unpack_from("=I", block)
            yield block[4:4 + length]
            block = block[(4 + length + 7) // 8 * 8:]


def recordings():
    clock = struct.pack("=q", 1_700_000_000_000_000_000)
    for name in ("client", "ipv6", "ipvs", "server", "names"):
        path = tests / "replay" / f"{name}.rec"
        events = list(samples(path))
        for number, event in enumerate(events):
            add("event", bytes([number % 32]) + clock + event[:128])
        add("event", b"\x0f" + clock + b"".join(event[:128] for event in events[:3]))
        for options in (1, 3, 5, 9, 17, 33, 65, 97, 129):
            add("recording", bytes([options]) + path.read_bytes()[:824 if name == "ipv6" else 700])
        first = bytearray(path.read_bytes()[:40 + 16 + 136])
        first[44:48] = struct.pack("=I", 136)  # the block's size
        for length in (0, 100, 132, 133, 0xffffffff):
            first[56:60] = struct.pack("=I", length)
            add("recording", b"\x61" + first)
        if path.stat().st_size < 3100:
            add("recording", b"\x09" + path.read_bytes())
    for name in ("lost", "losses", "missed"):
        whole = (tests / "replay" / f"{name}.rec").read_bytes()
        data = whole[:40] + b"".join(block for kind, block in blocks(whole) if kind > 1)
        for options in (1, 9, 97):
            add("recording", bytes([options]) + data)


def command_lines():
    table = (tests.parent / "tool" / "cli" / "command_line.c").read_text(encoding="utf-8")
    values = {"FLAG": "", "PORTS": "80,443", "ENDS": "10.0.0.1:80,[fd00::1]", "NUMBER": "42", "SIZE": "64K",
              "CONNS": "1000", "FAILURES": "5", "STRING": "/tmp/x", "HOOKS": "kprobe", "DIRECTOR": "ends",
              "FILES": "/tmp/x", "LABELS": "vip", "SETS": "100",
              "NETNS": "4026531833", "CONTAINER": "0123456789ab"}
    rows = re.findall(r"^\t\{ ([^,]+), \"([a-z-]+)\", ([A-Z]+),", table, re.M)
    if len(rows) < 25:
        sys.exit("tool/cli/command_line.c: its table is not found")
    for letter, name, kind in rows:
        value = values[kind]
        add("options", b"\0".join(([f"--{name}".encode(), value.encode()] if value else [f"--{name}".encode()])))
        add("options", f"--{name}={value}".encode())
        if letter.startswith("'"):
            add("options", f"-{letter[1]}{value}".encode())
            add("options", f"-a{letter[1]}={value}\0-T".encode())
    for line in ("-aTtwsx", "-wj -D 80", "-s -j", "-4 -6", "--replay x -a", "--replay - -j -n 3", "-L 1 -L 2", "word", "--",
                 "-n 0", "-b 3", "-p 4294967296", "--c", "--re=80", "-n=5", "--hooks x", "-a -- x"):
        add("options", line.replace(" ", "\0").encode())


def lists():
    for value in ("80", "80,443", " 80 , 443 ", "80,,1", ",", "0", "65536", "1,2,3,4,5,6,7,8,9,10"):
        add("lists", b"\0" + value.encode())
        add("lists", b"\1" + value.encode())
    for value in ("10.0.0.1", "10.0.0.1:80", "[fd00::1]:80", "fd00::1", "[::]", "::ffff:1.2.3.4", "[::1", "1.2.3.4:0", "1.2.3.4:",
                  "1.2.3.4,[2001:db8::1:2]:65535,::", "[1.2.3.4]:80", "1.2.3", "fe80::1%lo"):
        add("lists", b"\2" + value.encode())
        add("lists", b"\3" + value.encode())


def files_of_names():
    lines = ("10.0.0.1:80 web\n", "10.0.0.1 a b c # x\n", "[fd00::1]:443\tsix\n", "fd00::1 six", "::ffff:10.0.0.3 m\n", "#\n\n \n",
             "10.0.0.1\n", "10.0.0.300 x\n", "10.0.0.1:0 x\n", "10.0.0.1 a\"\n", "10.0.0.1 a\r\n", "1.1.1.1 \x1b[2J\n")
    for text in lines + ("".join(lines[:6]), "10.0.0.1 a\n10.0.0.1 b\n10.0.0.1:1 c\n", "1.2.3.4 " + "x" * 254, "1.2.3.4 " + "x" * 253):
        add("names", text.encode())


def formats():
    for path in (tests / "unit" / "formats").iterdir():
        text = path.read_bytes()
        for name in range(7):
            add("format", bytes([name]) + text[:1600])
        for line in text.splitlines():
            if b"field:" in line:
                add("format", bytes([len(line) % 7]) + line + b"\n")


def connections():
    heading = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData"
    four = "TCP 7F000001 9C40 0A630001 0050 7F000001 1F91 ESTABLISHED     899"
    wide = "fd00:0099:0000:0000:0000:0000:0000:"
    six = f"TCP {wide}0064 9C41 {wide}0001 0050 {wide}0011 1F90 FIN_WAIT          119 sip call"
    mixed = f"TCP {wide}0064 9C41 {wide}0001 0050 0A00000B 1F90 CLOSE 9"
    others = ["UDP" + four[3:], four.replace("9C40", "0000"), "TCP [" + six[4:].replace(" 9", "] 9", 1), "TCP", four[:40]]
    for line in [heading, four, six, mixed] + others:
        add("ipvs", line.encode())
    for n in (0, 251, 255):
        add("proc", bytes([n]) + "\n".join([heading, four, six, mixed] + others).encode() + b"\n")
        add("proc", bytes([n]) + four.encode() + b"\n")
        add("proc", bytes([n]) + heading.encode())


def insn(code, dst=0, src=0, imm=0):
    return struct.pack("=BBhi", code, src << 4 | dst, 0, imm)


def compiled(maps, programs, insns):
    """Returns the output of object_encode(), but without the checksum."""
    body = b"".join(struct.pack("=16s5I", name, 1, 4, 8, 1024, 0) for name in maps)
    body += b"".join(struct.pack("=32sII", *program) for program in programs) + b"".join(insns)
    return struct.pack("=6IQ", 0x33544356, 32 + len(body), 0x60100, len(maps), len(programs), len(insns), 0) + body


def objects():
    constant = [insn(0xb7, imm=416), insn(0x95)]
    load = [insn(0x18, dst=1, src=1, imm=1), insn(0)]
    made = [compiled([], [], []), compiled([], [(b"sk_err", 0, 2)], constant),
            compiled([b"socks", b"tuples"], [(b"state", 0, 2), (b"connect", 2, 2)], load + constant),
            compiled([b"counts"], [(b"a", 0, 4)], load + constant), compiled([b"m" * 16], [(b"p" * 32, 7, 1)], constant)]
    for data in made:
        add("object", b"\1" + data)
        add("object", b"\0" + data)
        for flags in range(4):
            add("cache", bytes([flags]) + data)
        for key in (b"rows k\n\0", b"rows k\nxy\0", b"row k\n\0"):
            entry = struct.pack("=2I", len(key), len(data)) + key
            for flags in range(8):
                add("saved", bytes([flags]) + entry + data + (entry + data if flags == 3 else b""))


def type_information():
    strings = b"\0sock\0sk_err\0ab\0c\0"
    at = strings.index
    sock = struct.pack("=3I", at(b"sock\0"), 4 << 24 | 1, 760) + struct.pack("=3I", at(b"sk_err\0"), 1, 416 * 8)
    pair = struct.pack("=3I", at(b"ab\0"), 1 << 31 | 4 << 24 | 2, 8) + struct.pack("=6I", 0, 1, 0, at(b"c\0"), 1, 1 << 24 | 9)
    kinds = b"".join(struct.pack("=3I", 0, kind << 24 | 1, 4) + bytes(tail) for kind, tail in
                     {1: 4, 2: 0, 3: 12, 5: 12, 6: 8, 7: 0, 13: 8, 14: 4, 15: 12, 16: 0, 17: 4, 19: 12}.items())
    for types in (sock, pair, kinds + sock + pair):
        data = struct.pack("=HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings
        add("btf", b"\0\0" + data)
        add("btf", struct.pack("=H", len(data)) + data + data)


def names():
    source = (tests / "replay" / "names.py").read_text(encoding="utf-8")
    found = re.search(r"^NAMES = (\[.*?^\])", source, re.M | re.S)
    for name in eval(found[1]):  # pylint: disable=eval-used # our own list
        for room, columns in ((79, 64), (10, 65), (79, 10)):
            add("comm", bytes([room, columns]) + name)


def groups():
    source = (tests / "unit" / "host" / "test_container.c").read_text(encoding="utf-8")
    words = dict(re.findall(r'^#define (\w+) "(.*)"$', source, re.M))
    for path in re.findall(r'^\t\{ (.*?),(?: |$)', source, re.M):
        path = "".join(words.get(word, word.strip('"')) for word in path.split())
        add("container", b"0::" + path.encode() + b"\n")
        add("container", b"3:cpu,cpuacct:" + path.encode() + b"\n0::/\n")


for make in (recordings, command_lines, lists, files_of_names, formats, connections, objects, type_information,
             names, groups):
    make()
for target, inputs in seeds.items():
    folder = pathlib.Path(sys.argv[1]) / target
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
