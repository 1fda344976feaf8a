# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 over TLS: one Connection per client socket, driven by one thread.

Written by hand because the standard library's server costs several times as much per request, and
because faults need the raw socket: what is broken on purpose must not be repaired by a library.
"""

import select
import socket
import ssl
import struct
import urllib.parse

_REASONS = {100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 400: "Bad Request",
            401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
            406: "Not Acceptable", 409: "Conflict", 410: "Gone", 415: "Unsupported Media Type",
            422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error",
            503: "Service Unavailable", 504: "Gateway Timeout"}
_MAX_HEAD = 64 * 1024
_MAX_BODY = 256 * 1024 * 1024
_SEND_TIMEOUT = 60


class Closed(Exception):
    """The peer, or a fault, ended the connection."""


class BadMessage(Exception):
    """The peer does not speak HTTP/1.1."""


class Request:
    """path is decoded, query maps a name to its last value."""

    __slots__ = ("method", "target", "path", "query", "headers", "body")

    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        path, _, query = target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.headers = headers
        self.body = body


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self._buffer = b""
        self._head_only = False
        self.answered = False
        self.keep_alive = True

    def read_request(self):
        """The next Request; raises Closed at the end of the stream."""
        self.answered = False
        head = self._read_until(b"\r\n\r\n", _MAX_HEAD)
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadMessage(lines[0])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        wish = headers.get("connection", "").lower()
        self.keep_alive = wish != "close" if parts[2] == "HTTP/1.1" else wish == "keep-alive"
        self._head_only = parts[0] == "HEAD"
        if headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(parts[0], parts[1], headers, self._read_body(headers))

    def _read_body(self, headers):
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._read_chunks()
        length = headers.get("content-length") or "0"
        if not length.isdigit() or int(length) > _MAX_BODY:
            raise BadMessage("content-length")
        return self._read_exactly(int(length))

    def _read_chunks(self):
        ret = []
        while True:
            size = self._read_until(b"\r\n", 1024).split(b";")[0]
            try:
                size = int(size, 16)
            except ValueError:
                raise BadMessage("chunk size") from None
            if size == 0:
                while self._read_until(b"\r\n", _MAX_HEAD):
                    pass
                return b"".join(ret)
            ret.append(self._read_exactly(size))
            self._read_exactly(2)

    def _receive(self):
        try:
            data = self.sock.recv(65536)
        except (OSError, ValueError) as e:
            raise Closed(str(e)) from None
        if not data:
            raise Closed("end of stream")
        return data

    def _read_until(self, mark, limit):
        while True:
            at = self._buffer.find(mark)
            if at >= 0:
                ret, self._buffer = self._buffer[:at], self._buffer[at + len(mark):]
                return ret
            if len(self._buffer) > limit:
                raise BadMessage("too long")
            self._buffer += self._receive()

    def _read_exactly(self, size):
        parts, have = [self._buffer], len(self._buffer)
        while have < size:
            parts.append(self._receive())
            have += len(parts[-1])
        data = b"".join(parts)
        self._buffer = data[size:]
        return data[:size]

    def send(self, data):
        try:
            self.sock.settimeout(_SEND_TIMEOUT)
            self.sock.sendall(data)
            self.sock.settimeout(None)
        except (OSError, ValueError) as e:
            raise Closed(str(e)) from None

    def respond(self, code, body, content_type="application/json", headers=()):
        self.answered = True
        head = [f"HTTP/1.1 {code} {_REASONS.get(code, 'Unknown')}",
                f"Content-Type: {content_type}", f"Content-Length: {len(body)}",
                *(f"{k}: {v}" for k, v in headers)]
        if not self.keep_alive:
            head.append("Connection: close")
        data = "\r\n".join(head).encode() + b"\r\n\r\n"
        self.send(data if self._head_only else data + body)

    def start_chunks(self, content_type="application/json"):
        self.answered = True
        self.send(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
                  "Cache-Control: no-cache, private\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n".encode())

    def chunk(self, data):
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end_chunks(self):
        self.send(b"0\r\n\r\n")

    def wait(self, fd, timeout):
        """Waits for fd to become readable; raises Closed when the peer goes away meanwhile."""
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        try:
            poll.register(self.sock, select.POLLIN | select.POLLRDHUP)
        except ValueError:
            raise Closed("closed here") from None
        ready = dict(poll.poll(None if timeout is None else max(0, int(timeout * 1000) + 1)))
        if self.sock.fileno() in ready:
            self._check_peer()
        return fd in ready

    def _check_peer(self):
        """Takes in what the peer sent; raises Closed when that was its end."""
        try:
            self.sock.settimeout(0)
            data = self.sock.recv(65536)
        except (ssl.SSLWantReadError, BlockingIOError):
            self.sock.settimeout(None)
            return
        except (OSError, ValueError) as e:
            raise Closed(str(e)) from None
        if not data:
            raise Closed("end of stream")
        self.sock.settimeout(None)
        self._buffer += data

    def reset(self):
        """Ends the connection with a TCP RST."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close()

    def finish(self):
        """Ends the connection as TLS has it, with a close_notify."""
        try:
            self.sock.settimeout(0)
            self.sock.unwrap()
        except (OSError, ValueError, AttributeError):
            pass
        self.close()

    def close(self):
        """Ends the connection with a bare FIN."""
        try:
            self.sock.close()
        except OSError:
            pass
