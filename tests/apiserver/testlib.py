# SPDX-License-Identifier: Apache-2.0
"""What the double's tests share: a running double, an HTTP client, watches, kubectl."""

import ctypes
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.realpath(__file__))
TIMEOUT = 10
_LIBC = ctypes.CDLL(None)


def wait_until(condition, what="condition", timeout=TIMEOUT):
    """The first true result of condition()."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.002)


def _end_with_parent():
    """A test run that is killed leaves no double behind (prctl PR_SET_PDEATHSIG)."""
    _LIBC.prctl(1, signal.SIGTERM)


class Answer:
    def __init__(self, code, headers, data):
        self.code = code
        self.headers = headers
        self.data = data

    @property
    def json(self):
        return json.loads(self.data)


class Client:
    """One keep-alive connection with the double's token."""

    def __init__(self, double, token=None):
        self.double = double
        host, port = double.address
        self.token = token or double.token()
        self.conn = http.client.HTTPSConnection(host, port, context=double.tls(), timeout=TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.conn.close()

    def request(self, method, path, body=None, media="application/json", headers=None, **query):
        if query:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(query)
        head = {"Authorization": f"Bearer {self.token}", "Content-Type": media, **(headers or {})}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        self.conn.request(method, path, data, head)
        answer = self.conn.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def get(self, path, **query):
        return self.request("GET", path, **query)

    def post(self, path, body, **query):
        return self.request("POST", path, body, **query)

    def put(self, path, body, **query):
        return self.request("PUT", path, body, **query)

    def delete(self, path, body=None, **query):
        return self.request("DELETE", path, body, **query)

    def merge(self, path, body, **query):
        return self.request("PATCH", path, body, "application/merge-patch+json", **query)

    def strategic(self, path, body, **query):
        return self.request("PATCH", path, body, "application/strategic-merge-patch+json", **query)

    def fault(self, kind, **spec):
        answer = self.post("/double/faults", {"kind": kind, **spec})
        assert answer.code == 200, answer.data
        return answer.json

    def clear_faults(self):
        return self.delete("/double/faults").json


class Watch:
    """A watch on a connection of its own. Its end shows as EOFError, a cut as an error."""

    def __init__(self, double, path, **query):
        self.client = Client(double)
        query = {"watch": "true", **query}
        self.client.conn.request("GET", path + "?" + urllib.parse.urlencode(query),
                                 headers={"Authorization": f"Bearer {self.client.token}"})
        self.answer = self.client.conn.getresponse()
        self.code = self.answer.status
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()
        self.client.conn.close()

    def line(self):
        """The next line. The chunks are read here, for http.client hides an end that is none."""
        while b"\n" not in self.buffer:
            size = self.answer.fp.readline()
            if not size:
                raise ConnectionError("the stream was cut")
            data = self.answer.fp.read(int(size, 16) + 2)
            if data == b"\r\n":
                raise EOFError
            if len(data) < int(size, 16) + 2:
                raise ConnectionError("the stream was cut")
            self.buffer += data[:-2]
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def next(self):
        event = json.loads(self.line())
        return event["type"], event["object"]

    def names(self, count):
        """[(type, name)] of the next events."""
        return [(t, o["metadata"].get("name")) for t, o in (self.next() for _ in range(count))]

    def quiet(self, seconds=0.1):
        """Whether nothing arrives for a while."""
        self.client.conn.sock.settimeout(seconds)
        try:
            self.line()
            return False
        except TimeoutError:
            return True


class Double:
    """A running double with a folder of its own."""

    def __init__(self, *options, listen=("127.0.0.1:0",), folder=None):
        self.own_folder = folder is None
        self.dir = folder or tempfile.mkdtemp(prefix="apiserver-test-")
        args = [a for address in listen for a in ("--listen", address)]
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "apiserver"), "--dir", self.dir, *args, *options],
            stderr=subprocess.PIPE, preexec_fn=_end_with_parent)
        try:
            self.ready = wait_until(self._ready, "the double is ready")
        except BaseException:
            self.stop()
            raise
        host, _, port = self.ready["addresses"][0].rpartition(":")
        self.address = (host.strip("[]"), int(port))

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the double ended: {self.process.stderr.read().decode()}")
        try:
            with open(os.path.join(self.dir, "ready"), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def token(self):
        with open(os.path.join(self.dir, "token"), encoding="utf-8") as f:
            return f.read()

    def tls(self):
        return ssl.create_default_context(cafile=os.path.join(self.dir, "ca.crt"))

    def stop(self):
        """Ends the double; returns its exit code and what it printed to stderr."""
        self.process.send_signal(signal.SIGTERM)
        try:
            errors = self.process.communicate(timeout=TIMEOUT)[1].decode()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        finally:
            if self.own_folder:
                shutil.rmtree(self.dir)
        return self.process.returncode, errors

    def fault(self, *args):
        """Runs the fault command; returns (exit code, its output)."""
        run = subprocess.run([sys.executable, os.path.join(HERE, "fault"), self.dir, *args],
                             capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return run.returncode, run.stdout

    def kubectl(self, *args, stdin=None, kubeconfig="kubeconfig"):
        """Runs kubectl; returns (exit code, stdout, stderr)."""
        env = {**os.environ, "KUBECONFIG": os.path.join(self.dir, kubeconfig), "HOME": self.dir}
        run = subprocess.run(["kubectl", *args], input=stdin, env=env, capture_output=True,
                             text=True, timeout=30, check=False)
        return run.returncode, run.stdout, run.stderr


class DoubleTest(unittest.TestCase):
    """Tests that share a double. Each has a namespace of its own, self.ns."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.double = Double(*cls.options)
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        code, errors = cls.double.stop()
        assert (code, errors) == (0, ""), (code, errors)

    def setUp(self):
        type(self).count += 1
        self.ns = f"test-{self.count}"
        self.client = Client(self.double)
        self.addCleanup(self.client.conn.close)
        self.create("/api/v1/namespaces", {"metadata": {"name": self.ns}})
        self.addCleanup(self.clean_up)

    def clean_up(self):
        with Client(self.double) as client:
            client.clear_faults()
            client.delete(f"/api/v1/namespaces/{self.ns}")

    def path(self, plural, name="", group="", version="v1"):
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        return f"{root}/namespaces/{self.ns}/{plural}" + (f"/{name}" if name else "")

    def create(self, path, body, **query):
        answer = self.client.post(path, body, **query)
        self.assertEqual(answer.code, 201, answer.data)
        return answer.json

    def refused(self, answer, code, reason, text=""):
        self.assertEqual(answer.code, code, answer.data)
        status = answer.json
        self.assertEqual((status["kind"], status["status"], status["reason"], status["code"]),
                         ("Status", "Failure", reason, code))
        self.assertIn(text, status["message"])
        return status

    def pod(self, name, labels=None, ip=None, ready=True, node=None, ports=(), **meta):
        """Creates a pod, running when it has an address."""
        ips = [ip] if isinstance(ip, str) else ip
        pod = pod_object(name, labels, node, ports, **meta)
        made = self.create(self.path("pods"), pod)
        if ips:
            made = self.set_status(name, ips, ready)
        return made

    def set_status(self, name, ips, ready=True):
        status = {"phase": "Running", "podIPs": [{"ip": i} for i in ips], "podIP": ips[0],
                  "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
        answer = self.client.merge(self.path("pods", name) + "/status", {"status": status})
        self.assertEqual(answer.code, 200, answer.data)
        return answer.json

    def watch(self, path, **query):
        watch = Watch(self.double, path, **query)
        self.addCleanup(watch.__exit__)
        return watch

    def version(self):
        return self.client.get("/api/v1/namespaces").json["metadata"]["resourceVersion"]


def pod_object(name, labels=None, node=None, ports=(), **meta):
    spec = {"containers": [{"name": "c", "image": "i:1", "ports": list(ports)}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels or {}, **meta}, "spec": spec}
