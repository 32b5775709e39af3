#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds a real server with the forwarding method "local" to a virtual service; ipvsadm has no option for that.

Usage: add-local.py VIP:PORT REAL:PORT     (IPv4 or [IPv6])

It uses generic netlink, family IPVS, IPVS_CMD_NEW_DEST: include/uapi/linux/ip_vs.h.
"""
import os
import socket
import struct
import sys

NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR, NLA_F_NESTED = 1, 4, 2, 0x8000
IPVS_CMD_NEW_DEST, IPVS_CMD_ATTR_SERVICE, IPVS_CMD_ATTR_DEST = 5, 1, 2
SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT = 1, 2, 3, 4
DEST_ADDR, DEST_PORT, DEST_FWD_METHOD, DEST_WEIGHT, DEST_U_THRESH, DEST_L_THRESH = 1, 2, 3, 4, 5, 6
DEST_ADDR_FAMILY = 11
IP_VS_CONN_F_LOCALNODE = 1


def attribute(kind, value):
    data = struct.pack("=HH", 4 + len(value), kind) + value
    return data + bytes(-len(data) % 4)


def number(kind, value, width):
    return attribute(kind, struct.pack({2: "=H", 4: "=I"}[width], value))


def end(text):
    address, port = text.rsplit(":", 1)
    family = socket.AF_INET6 if address.startswith("[") else socket.AF_INET
    packed = socket.inet_pton(family, address.strip("[]"))
    return family, packed + bytes(16 - len(packed)), struct.pack("!H", int(port))


def ask(netlink, kind, command, version, payload):
    """Sends a request. Returns the type of the first answer and the bytes after its header."""
    flags = NLM_F_REQUEST | (NLM_F_ACK if kind != GENL_ID_CTRL else 0)
    body = struct.pack("=BBH", command, version, 0) + payload
    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    answer = netlink.recv(65536)
    answer_kind = struct.unpack_from("=H", answer, 4)[0]
    if answer_kind == NLMSG_ERROR:
        error = -struct.unpack_from("=i", answer, 16)[0]
        if error:
            sys.exit(f"add-local.py: {os.strerror(error)}")
    return answer[20:]


def family_id(netlink):
    rest = ask(netlink, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, attribute(CTRL_ATTR_FAMILY_NAME, b"IPVS\0"))
    while rest:
        size, kind = struct.unpack_from("=HH", rest)
        if kind == CTRL_ATTR_FAMILY_ID:
            return struct.unpack_from("=H", rest, 4)[0]
        rest = rest[size + -size % 4:]
    sys.exit("add-local.py: no family id in the answer")


def main():
    family, vip, vport = end(sys.argv[1])
    real_family, real, rport = end(sys.argv[2])
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as netlink:
        netlink.bind((0, 0))
        service = (number(SVC_AF, family, 2) + number(SVC_PROTOCOL, socket.IPPROTO_TCP, 2)
                   + attribute(SVC_ADDR, vip) + attribute(SVC_PORT, vport))
        dest = (attribute(DEST_ADDR, real) + attribute(DEST_PORT, rport)
                + number(DEST_FWD_METHOD, IP_VS_CONN_F_LOCALNODE, 4) + number(DEST_WEIGHT, 1, 4)
                + number(DEST_U_THRESH, 0, 4) + number(DEST_L_THRESH, 0, 4)
                + number(DEST_ADDR_FAMILY, real_family, 2))
        ask(netlink, family_id(netlink), IPVS_CMD_NEW_DEST, 1,
            attribute(IPVS_CMD_ATTR_SERVICE | NLA_F_NESTED, service)
            + attribute(IPVS_CMD_ATTR_DEST | NLA_F_NESTED, dest))


main()
