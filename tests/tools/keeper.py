#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client that keeps its socket: asks tests/tools/peer.c again and again over one connection, and
makes a new one only when the socket says that the old one is over, as an application does.

usage: keeper.py tcp|udp ADDR PORT FILE

FILE always holds one line, "NAME ANSWERS SOCKETS ERROR": who answered last, how many answers there
were, how many sockets it took, and the name of the last error or "-".
"""
import errno
import os
import socket
import sys
import time


def connect(kind, addr, port):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.settimeout(0.5)
    sock.connect((addr, port))
    return sock


def ask(sock):
    sock.sendall(b"?\n")
    answer = sock.recv(4096)
    if not answer:
        raise OSError(errno.EPIPE, "the other side closed")
    return answer.split()[0].decode()


def main(kind, addr, port, path):
    sock, answers, sockets, name, error = None, 0, 0, "-", "-"
    while True:
        try:
            if sock is None:
                sock = connect(kind, addr, int(port))
                sockets += 1
            name = ask(sock)
            answers += 1
        except TimeoutError:
            pass
        except OSError as e:
            error = errno.errorcode.get(e.errno, str(e.errno))
            if sock is not None:
                sock.close()
            sock = None
        with open(path + ".new", "w", encoding="ascii") as f:
            print(name, answers, sockets, error, file=f)
        os.rename(path + ".new", path)
        time.sleep(0.01)


main(*sys.argv[1:])
