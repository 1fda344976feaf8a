#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for linnetd on the socket of lib/agent_socket.h, for the plugin's own tests.

    fake_agent.py SOCKET LOG [MODE]

Each request is appended to LOG as a line of JSON. MODE may be changed while it runs by writing to the
file SOCKET.mode; it is read for each request:

    ok             say ok to everything (default)
    not-ready      answer status with code 50
    refuse-add     answer add with code 11 and a reason
    refuse-check   answer check with code 101 and a reason
    garbage        answer with what is no JSON
    empty          answer with an empty object
    hang-up        close without an answer
    hang-up-add    the same, for add only
    silent-add     never answer an add
    silent         never answer
"""
import json
import os
import socketserver
import sys
import threading

lock = threading.Lock()


def mode():
    try:
        with open(sys.argv[1] + ".mode", encoding="ascii") as f:
            return f.read().strip()
    except FileNotFoundError:
        return sys.argv[3] if len(sys.argv) > 3 else "ok"


def answer(op, how):
    """The bytes to send, or None to hang up, or "" to say nothing until the other side leaves."""
    if how == "not-ready" and op == "status":
        return {"ok": False, "code": 50, "msg": "the API server has not been listed yet"}
    if how == "refuse-add" and op == "add":
        return {"ok": False, "code": 11, "msg": "pod is not known yet"}
    if how == "refuse-check" and op == "check":
        return {"ok": False, "code": 101, "msg": "the endpoint's entry differs"}
    if how == "garbage":
        return "}{ what?"
    if how == "empty":
        return {}
    if how == "hang-up" or (how == "hang-up-add" and op == "add"):
        return None
    if how == "silent" or (how == "silent-add" and op == "add"):
        return ""
    return {"ok": True}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            if not self.serve(json.loads(line)):
                return

    def serve(self, req):
        """Whether the connection goes on."""
        with lock, open(sys.argv[2], "a", encoding="utf-8") as log:
            log.write(json.dumps(req) + "\n")
        reply = answer(req["op"], mode())
        if reply is None:
            return False
        if reply == "":
            self.rfile.read()
            return False
        if not isinstance(reply, str):
            reply = json.dumps(reply)
        try:
            self.wfile.write(reply.encode() + b"\n")
        except BrokenPipeError:
            return False
        return True


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    try:
        os.unlink(sys.argv[1])
    except FileNotFoundError:
        pass
    with Server(sys.argv[1], Handler) as server:
        server.serve_forever()


main()
