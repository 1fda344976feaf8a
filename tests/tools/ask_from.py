#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks tests/tools/peer.c's server from source ports of one's own choice.

usage: ask_from.py tcp|udp SOURCE ADDRESS PORT FIRST LAST

Prints a line for each source port from FIRST to LAST: "PORT NAME", who answered. Fails when nobody
did. TCP connections are reset, so that the same port can be used again at once.
"""
import socket
import struct
import sys


def ask(kind, source, target, source_port):
    family = socket.AF_INET6 if ':' in source else socket.AF_INET
    with socket.socket(family, kind) as s:
        s.settimeout(5)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        s.bind((source, source_port))
        s.connect(target)
        s.send(b'?\n')
        return s.recv(200).decode().split()[0]


def main():
    proto, source, addr, port, first, last = sys.argv[1:]
    kind = socket.SOCK_STREAM if proto == 'tcp' else socket.SOCK_DGRAM
    for source_port in range(int(first), int(last) + 1):
        print(source_port, ask(kind, source, (addr, int(port)), source_port))


if __name__ == '__main__':
    main()
