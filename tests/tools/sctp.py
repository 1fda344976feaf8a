#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Both ends of an SCTP association (RFC 9260) over raw sockets, for kernels that have no SCTP. No
retransmission, one stream, and every checksum is looked at: what is wrong is said and not answered.

usage: sctp.py serve NAME PORT...
       sctp.py probe ADDR PORT [MS]   as peer's: prints "NAME CLIENT"; 1: aborted or refused, 2: no
                                      answer within MS (1000), 3: another error
       sctp.py sink PORT              over the kernel's SCTP: says what hash it has heard
       sctp.py pour ADDR PORT BYTES   the other end of that; 1: what it heard was something else
"""
import hashlib
import os
import select
import socket
import struct
import sys
import time

SCTP = 132
IP_PKTINFO = 8
DATA, INIT, INIT_ACK, SACK, ABORT, SHUTDOWN, SHUTDOWN_ACK = 0, 1, 2, 3, 6, 7, 8
COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 10, 11, 14
HEADER = struct.Struct("!HHI")
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ TABLE[(crc ^ b) & 255]
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


def packet(sport, dport, tag, kind, value=b"", flags=0):
    chunk = struct.pack("!BBH", kind, flags, 4 + len(value)) + value + bytes(-len(value) % 4)
    head = HEADER.pack(sport, dport, tag)
    return head + crc32c(head + bytes(4) + chunk) + chunk


class Packet:
    """The first chunk of a packet is all of it here."""

    def __init__(self, data):
        self.sport, self.dport, self.tag = HEADER.unpack_from(data)
        self.sound = data[8:12] == crc32c(data[:8] + bytes(4) + data[12:])
        self.kind, self.flags, length = struct.unpack_from("!BBH", data, 12)
        self.value = data[16:12 + length]


def init(tag, tsn):
    return struct.pack("!IIHHI", tag, 65536, 1, 1, tsn)


def data_chunk(tsn, text):
    return struct.pack("!IHHI", tsn, 0, 0, 0) + text.encode()


def raw(family):
    s = socket.socket(family, socket.SOCK_RAW, SCTP)
    if family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return s


def strip(family, data):
    return data[(data[0] & 15) * 4:] if family == socket.AF_INET else data


def same_way_back(control):
    """The answer leaves from the address that was asked."""
    for level, kind, value in control:
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return [(level, kind, value[:16] + bytes(4))]
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            return [(level, kind, bytes(4) + value[8:12] + bytes(4))]
    return []


def answer(p, name, client, ports):
    """What a server sends back, without state of its own: the client's tag is in all it sends."""
    if p.dport not in ports:
        if p.kind == INIT:
            yield packet(p.dport, p.sport, struct.unpack_from("!I", p.value)[0], ABORT)
        return
    if p.kind == INIT:
        tag, = struct.unpack_from("!I", p.value)
        cookie = struct.pack("!HHI", 7, 8, tag)
        yield packet(p.dport, p.sport, tag, INIT_ACK, init(tag, 1) + cookie)
    elif p.kind == COOKIE_ECHO:
        yield packet(p.dport, p.sport, p.tag, COOKIE_ACK)
    elif p.kind == DATA:
        tsn, = struct.unpack_from("!I", p.value)
        yield packet(p.dport, p.sport, p.tag, SACK, struct.pack("!IIHH", tsn, 65536, 0, 0))
        yield packet(p.dport, p.sport, p.tag, DATA, data_chunk(1, f"{name} {client}"))
    elif p.kind == SHUTDOWN:
        yield packet(p.dport, p.sport, p.tag, SHUTDOWN_ACK)


def serve(name, ports):
    socks = [raw(socket.AF_INET), raw(socket.AF_INET6)]
    print("ready", flush=True)
    while True:
        for s in select.select(socks, [], [])[0]:
            data, control, _, client = s.recvmsg(65536, 256)
            p = Packet(strip(s.family, data))
            if not p.sound:
                print("checksum of a packet from", client[0], "is wrong", flush=True)
                continue
            for out in answer(p, name, client[0].split("%")[0], ports):
                s.sendmsg([out], same_way_back(control), 0, (client[0], 0) + client[2:])


class Probe:
    def __init__(self, addr, port, ms):
        self.port, self.end = port, time.monotonic() + ms / 1000
        self.sport = 32768 + int.from_bytes(os.urandom(2), "big") % 28000
        self.tag = int.from_bytes(os.urandom(4), "big") | 1
        self.s = raw(socket.AF_INET6 if ":" in addr else socket.AF_INET)
        self.s.connect((addr, 0))

    def send(self, kind, value=b"", tag=None):
        self.s.send(packet(self.sport, self.port, self.tag if tag is None else tag, kind, value))

    def hear(self, kind):
        while True:
            self.s.settimeout(max(self.end - time.monotonic(), 0.001))
            p = Packet(strip(self.s.family, self.s.recv(65536)))
            if (p.sport, p.dport) != (self.port, self.sport):
                continue
            if not p.sound:
                sys.exit("sctp: the checksum of an answer is wrong")
            if p.tag != self.tag:
                sys.exit("sctp: an answer has another's tag")
            if p.kind == ABORT:
                raise ConnectionRefusedError
            if p.kind == kind:
                return p

    def run(self):
        self.send(INIT, init(self.tag, 1), 0)
        cookie = self.hear(INIT_ACK).value[20:]
        self.send(COOKIE_ECHO, cookie)
        self.hear(COOKIE_ACK)
        self.send(DATA, data_chunk(1, "?"))
        said = self.hear(DATA).value[12:].decode()
        self.send(SHUTDOWN, struct.pack("!I", 1))
        self.hear(SHUTDOWN_ACK)
        self.send(SHUTDOWN_COMPLETE)
        return said


def probe(addr, port, ms=1000):
    try:
        print(Probe(addr, int(port), int(ms)).run())
    except ConnectionRefusedError:
        return 1
    except (TimeoutError, socket.timeout):
        return 2
    except OSError as e:
        print("sctp:", e, file=sys.stderr)
        return 3
    return 0


def sink(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, SCTP)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    s.listen(8)
    print("ready", flush=True)
    while True:
        conn, _ = s.accept()
        left, heard = int.from_bytes(conn.recv(8), "big"), hashlib.sha256()
        while left > 0:
            text = conn.recv(65536)
            if not text:
                break
            heard.update(text)
            left -= len(text)
        conn.send(heard.digest())
        conn.close()


def pour(addr, port, size):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM, SCTP)
    s.settimeout(60)
    s.connect((addr, port))
    data = os.urandom(size)
    s.send(size.to_bytes(8, "big"))
    for i in range(0, size, 16384):
        s.send(data[i:i + 16384])
    return s.recv(64) != hashlib.sha256(data).digest()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"] and len(sys.argv) > 3:
        serve(sys.argv[2], [int(p) for p in sys.argv[3:]])
    if sys.argv[1:2] == ["probe"] and len(sys.argv) in (4, 5):
        sys.exit(probe(*sys.argv[2:]))
    if sys.argv[1:2] == ["sink"] and len(sys.argv) == 3:
        sink(int(sys.argv[2]))
    if sys.argv[1:2] == ["pour"] and len(sys.argv) == 5:
        sys.exit(pour(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    sys.exit(__doc__)
