# SPDX-License-Identifier: Apache-2.0
"""The server itself: credentials, addresses, start and end, HTTP."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from testlib import Client, Double, DoubleTest


class Http(DoubleTest):
    def test_requests_without_the_token_are_refused(self):
        for path in ("/api/v1/pods", "/version", "/healthz", "/apis"):
            with Client(self.double, token="wrong") as client:
                self.refused(client.get(path), 401, "Unauthorized")
        conn = http.client.HTTPSConnection(*self.double.address, context=self.double.tls())
        conn.request("GET", "/api/v1/pods")
        self.assertEqual(conn.getresponse().status, 401)
        conn.close()

    def test_certificate_is_verified_by_the_ca(self):
        host, port = self.double.address
        for name in (host, "localhost", "kubernetes.default.svc"):
            with socket.create_connection((host, port)) as sock, \
                    self.double.tls().wrap_socket(sock, server_hostname=name):
                pass
        with socket.create_connection((host, port)) as sock, self.assertRaises(ssl.SSLError):
            self.double.tls().wrap_socket(sock, server_hostname="example.com")

    def test_one_connection_carries_many_requests(self):
        sock = None
        for _ in range(5):
            self.assertEqual(self.client.get("/healthz").data, b"ok")
            self.assertIn(sock, (None, self.client.conn.sock))
            sock = self.client.conn.sock

    def test_connection_close_is_honoured(self):
        answer = self.client.request("GET", "/healthz", headers={"Connection": "close"})
        self.assertEqual(answer.headers["Connection"], "close")

    def test_chunked_and_expected_bodies(self):
        head = {"Authorization": f"Bearer {self.client.token}", "Transfer-Encoding": "chunked"}
        self.client.conn.request("POST", self.path("configmaps"),
                                 iter([b'{"metadata":', b'{"name":"c"}}']), head,
                                 encode_chunked=True)
        answer = self.client.conn.getresponse()
        self.assertEqual((answer.status, bool(answer.read())), (201, True))
        head = {"Expect": "100-continue"}
        answer = self.client.request("PUT", self.path("configmaps", "c"),
                                     {"metadata": {"name": "c"}}, headers=head)
        self.assertEqual(answer.code, 200)

    def test_nonsense_ends_the_connection_and_nothing_else(self):
        host, port = self.double.address
        for data in (b"\x16\x03\x01nonsense", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection((host, port)) as sock:
                sock.sendall(data + b"\r\n\r\n")
                sock.settimeout(5)
                try:
                    while sock.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        for head in (b"GET /\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
            with socket.create_connection((host, port)) as sock, \
                    self.double.tls().wrap_socket(sock, server_hostname=host) as tls:
                tls.sendall(head)
                self.assertEqual(tls.recv(1), b"")
        self.assertEqual(self.client.get("/healthz").code, 200)

    def test_version_and_discovery(self):
        self.assertEqual(self.client.get("/version").json["major"], "1")
        groups = {g["name"] for g in self.client.get("/apis").json["groups"]}
        self.assertLessEqual({"apps", "discovery.k8s.io", "networking.k8s.io", "events.k8s.io",
                              "rbac.authorization.k8s.io", "apiextensions.k8s.io",
                              "coordination.k8s.io"}, groups)
        core = {r["name"]: r for r in self.client.get("/api/v1").json["resources"]}
        self.assertTrue(core["pods"]["namespaced"] and not core["nodes"]["namespaced"])
        self.assertIn("pods/status", core)
        kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        found = self.client.request("GET", "/apis", headers={"Accept": kind})
        self.assertEqual((found.json["kind"], found.headers["Content-Type"]),
                         ("APIGroupDiscoveryList", kind))
        self.assertEqual(self.client.get("/openapi/v3").json["paths"]["api/v1"],
                         {"serverRelativeURL": "/openapi/v3/api/v1"})


class Life(unittest.TestCase):
    def folder(self):
        path = tempfile.mkdtemp(prefix="apiserver-test-")
        self.addCleanup(shutil.rmtree, path)
        return path

    def test_both_families_and_a_kubeconfig_for_each(self):
        double = Double(listen=("127.0.0.1:0", "[::1]:0"))
        try:
            self.assertRegex(double.ready["servers"][1], r"^https://\[::1\]:\d+$")
            for name in ("kubeconfig", "kubeconfig-1"):
                code, out, errors = double.kubectl("get", "ns", "default", "-o", "name",
                                                   kubeconfig=name)
                self.assertEqual((code, out), (0, "namespace/default\n"), errors)
        finally:
            self.assertEqual(double.stop(), (0, ""))

    def test_term_ends_it_at_once_and_leaves_no_ready(self):
        folder = self.folder()
        double = Double(folder=folder)
        with Client(double) as client:
            client.conn.request("GET", "/api/v1/pods?watch=1",
                                headers={"Authorization": f"Bearer {client.token}"})
            client.conn.getresponse().close()
            start = time.monotonic()
            self.assertEqual(double.stop(), (0, ""))
            self.assertLess(time.monotonic() - start, 1)
        self.assertFalse(os.path.exists(os.path.join(folder, "ready")))

    def test_credentials_are_used_again(self):
        folder = self.folder()
        seen = []
        for options in ((), (), ("--san", "api.example.com")):
            double = Double(*options, folder=folder)
            seen.append([_read(folder, name) for name in ("ca.crt", "token", "server.crt")])
            double.stop()
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[1][:2], seen[2][:2])
        self.assertNotEqual(seen[1][2], seen[2][2])
        command = ["openssl", "x509", "-in", os.path.join(folder, "server.crt"), "-noout",
                   "-ext", "subjectAltName"]
        text = subprocess.run(command, capture_output=True, text=True, check=True)
        self.assertIn("DNS:api.example.com", text.stdout)
        self.assertIn("IP Address:10.96.0.1", text.stdout)

    def test_secrets_are_not_for_others(self):
        folder = self.folder()
        Double(folder=folder).stop()
        for name in ("token", "kubeconfig", "ca.key", "server.key"):
            self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0, name)

    def test_address_in_use_is_told(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with self.assertRaisesRegex(AssertionError, "Address already in use"):
                Double(listen=(address,))


def _read(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


if __name__ == "__main__":
    unittest.main()
