# SPDX-License-Identifier: Apache-2.0
"""The server: listeners, a thread per connection, authentication, what requests go through."""

import hmac
import os
import resource
import socket
import ssl
import sys
import threading
import time
import traceback

from . import api, certs, cluster, crds, errors, faults, kinds, lifecycle, rbac, requestlog, \
    services, slices, store, watch
from .admin import PREFIX, Admin
from .resources import Registry
from .store import encode
from .wire import BadMessage, Closed, Connection

SOCKET_NAME = "admin.sock"


class Server:
    def __init__(self, options):
        self.options = options
        self.store = store.Store(options.history)
        self.registry = Registry()
        self.lifecycle = lifecycle.Lifecycle(self.store, self.registry, options.graceful_pods)
        self.lifecycle.strategies.update(kinds.STRATEGIES)
        self.lifecycle.strategies["services"] = services.Services(options.service_cidr.split(","))
        self.lifecycle.strategies["customresourcedefinitions.apiextensions.k8s.io"] = \
            crds.Definitions(self.store, self.registry)
        self.streams = watch.Streams()
        self.faults = faults.Faults(self.streams.wake)
        self.log = requestlog.RequestLog()
        self.rbac = rbac.Rbac(options.rbac, options.rbac_agent) if options.rbac else None
        self.api = api.Api(self)
        self.admin = Admin(self)
        self.endpoints = []     # [(address, port)] listened at
        self._listeners = []
        self._tls = None
        self._token = b""

    @property
    def addresses(self):
        return [f"[{a}]:{p}" if ":" in a else f"{a}:{p}" for a, p in self.endpoints]

    def start(self):
        """Serves; when this returns, clients may connect."""
        options = self.options
        _raise_limits()
        self._remove("ready")   # left by one that was killed
        for address, port in options.listen:
            sock = _listen(address, port)
            self._listeners.append(sock)
            self.endpoints.append((_reachable(address), sock.getsockname()[1]))
        names = [a for a, _ in self.endpoints] + options.san + [
            "127.0.0.1", "::1", "localhost", "kubernetes", "kubernetes.default",
            "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        names += [str(p.net.network_address + 1)
                  for p in self.lifecycle.strategies["services"].pools.values()]
        certs.prepare(options.dir, names)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(os.path.join(options.dir, "server.crt"),
                                  os.path.join(options.dir, "server.key"))
        self._tls.set_alpn_protocols(["http/1.1"])
        self._load_token()
        cluster.populate(self)
        if options.endpointslice_controller:
            slices.Controller(self.store, self.registry, self.lifecycle).start()
        self._start_listeners()
        self._write_ready()

    def _start_listeners(self):
        for sock in self._listeners:
            _thread(self._accept, sock, True)
        sock = socket.socket(socket.AF_UNIX)
        with ShortPath(self.options.dir) as path:
            self._remove(SOCKET_NAME)
            sock.bind(path)
            os.chmod(path, 0o600)
        sock.listen(64)
        self._listeners.append(sock)
        _thread(self._accept, sock, False)

    def _write_ready(self):
        urls = [f"https://{a}" for a in self.addresses]
        certs.write_kubeconfigs(self.options.dir, urls)
        text = encode({"pid": os.getpid(), "addresses": self.addresses, "servers": urls}).decode()
        certs.write_atomically(os.path.join(self.options.dir, "ready"), text + "\n")

    def stop(self):
        self._remove("ready")
        self._remove(SOCKET_NAME)
        for sock in self._listeners:
            sock.close()

    def _remove(self, name):
        try:
            os.unlink(os.path.join(self.options.dir, name))
        except FileNotFoundError:
            pass

    def _load_token(self):
        self._token = b"Bearer " + certs.read_token(self.options.dir).encode()

    def rotate_token(self):
        certs.new_token(self.options.dir)
        self._load_token()
        certs.write_kubeconfigs(self.options.dir, [f"https://{a}" for a in self.addresses])

    def _accept(self, listener, tls):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError as e:
                if listener.fileno() < 0:
                    return
                print(f"accept: {e}", file=sys.stderr)
                time.sleep(0.05)        # out of descriptors: let some connections end
                continue
            if tls and self.faults.hit("refuse", None):
                sock.close()
                continue
            _thread(self._connection, sock, tls)

    def _connection(self, sock, tls):
        conn = Connection(sock)
        try:
            if tls:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.faults.wait_stalled(None, "accept")
                sock.settimeout(30)
                conn.sock = self._tls.wrap_socket(sock, server_side=True)
                conn.sock.settimeout(None)
            while conn.keep_alive:
                self._request(conn, tls)
            conn.finish()
        except (Closed, BadMessage, OSError):
            conn.close()

    def _request(self, conn, tls):
        request = conn.read_request()
        info = requestlog.Info(request)
        own = request.path.startswith(PREFIX)
        try:
            if own:
                if tls:
                    self._authenticate(request)
                self.admin.handle(conn, request)
                return
            api.identify(self.registry, request, info)
        except errors.ApiError as e:
            _respond_error(conn, e)
            return
        entry = self.log.begin(info)
        try:
            self._before(request, info, entry)
            entry["code"] = self.api.handle(conn, request, info)
        except errors.ApiError as e:
            entry["code"] = e.code
            _respond_error(conn, e)
        except (Closed, OSError):
            raise
        except Exception as e:  # an object too odd for it, or a mistake of the double's
            traceback.print_exc()
            entry["code"] = 500
            if conn.answered:
                raise Closed("failed") from None
            _respond_error(conn, errors.ApiError(500, "InternalError",
                                                 f"the double failed: {e!r}"))

    def _before(self, request, info, entry):
        """Faults that come before an answer, and authentication."""
        self.faults.wait_stalled(info)
        slow = self.faults.hit("slow", info)
        if slow:
            time.sleep(slow.spec.get("delay", 1))
        if self.faults.hit("expire-token", info):
            raise errors.unauthorized()
        self._authenticate(request)
        if self.rbac:
            self.rbac.check(info)
        fault = self.faults.hit("status", info)
        if fault:
            raise _injected(fault.spec)
        if info.verb == "watch":
            entry["code"] = 200     # known before the end of the stream

    def _authenticate(self, request):
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._token):
            raise errors.unauthorized()


_INJECTED_REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
                     410: "Expired", 429: "TooManyRequests", 500: "InternalError",
                     503: "ServiceUnavailable", 504: "Timeout"}


def _injected(spec):
    code = spec.get("code", 500)
    details = {"retryAfterSeconds": spec["retryAfter"]} if "retryAfter" in spec else None
    return errors.ApiError(code, _INJECTED_REASONS.get(code, "Unknown"),
                           f"injected by the fault of code {code}", details)


def _respond_error(conn, error):
    headers = [("Retry-After", error.retry_after)] if error.retry_after is not None else []
    conn.respond(error.code, encode(error.status()), headers=headers)


def _thread(target, *args):
    threading.Thread(target=target, args=args, daemon=True).start()


def _raise_limits():
    """A watch needs two descriptors, and there may be thousands."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(512 * 1024)
    sys.setswitchinterval(0.0005)   # an event must not wait for a thread that computes


def _listen(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    sock.listen(1024)
    return sock


def _reachable(address):
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)


class ShortPath:
    """A path to the admin socket that fits a socket address however deep the folder is."""

    def __init__(self, folder):
        self.fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self):
        return f"/proc/self/fd/{self.fd}/{SOCKET_NAME}"

    def __exit__(self, *_):
        os.close(self.fd)
