# SPDX-License-Identifier: Apache-2.0
"""Faults on demand, the request log, compaction, and the command `fault`."""

import http.client
import json
import ssl
import time
import unittest

from testlib import Client, DoubleTest, Watch, wait_until

BROKEN = (ConnectionError, ssl.SSLError, http.client.HTTPException, OSError, EOFError)


class StreamFaults(DoubleTest):
    options = ("--bookmark-interval", "0.5")

    def open_watch(self, plural="pods", **query):
        watch = self.watch(self.path(plural), resourceVersion=self.version(), **query)
        wait_until(lambda: any(s["path"].startswith(self.path(plural) + "?") for s in
                               self.client.get("/double/faults").json["streams"]))
        return watch

    def test_cut_ends_streams_without_their_end(self):
        for mode, broken in (("close", True), ("rst", True), ("end", False)):
            watch = self.open_watch()
            self.assertGreaterEqual(self.client.fault("cut", mode=mode)["streams"], 1)
            with self.assertRaises(BROKEN) as caught:
                watch.line()
            self.assertEqual(isinstance(caught.exception, EOFError), not broken, mode)

    def test_cut_of_one_resource_leaves_the_others(self):
        pods, maps = self.open_watch(), self.open_watch("configmaps")
        self.assertEqual(self.client.fault("cut", resource="pods")["streams"], 1)
        with self.assertRaises(BROKEN):
            pods.line()
        self.create(self.path("configmaps"), {"metadata": {"name": "c"}})
        self.assertEqual(maps.names(1), [("ADDED", "c")])

    def test_stall_holds_events_back_until_cleared(self):
        watch = self.open_watch()
        self.client.fault("stall", resource="pods", verb="watch")
        self.pod("a")
        self.assertTrue(watch.quiet(0.2))
        self.pod("b")
        self.client.clear_faults()
        watch = self.watch(self.path("pods"), resourceVersion="0")
        self.assertEqual(watch.names(2), [("ADDED", "a"), ("ADDED", "b")])

    def test_stall_of_streams_passes_on_what_it_held(self):
        watch = self.open_watch()
        self.client.fault("stall", resource="pods", verb="watch", seconds=0.3)
        start = time.monotonic()
        self.pod("a")
        self.assertEqual(watch.names(1), [("ADDED", "a")])
        self.assertGreater(time.monotonic() - start, 0.2)

    def test_stalled_stream_sends_no_bookmark_nor_its_end(self):
        watch = self.open_watch(allowWatchBookmarks="true", timeoutSeconds="1")
        self.client.fault("stall", verb="watch")
        self.assertTrue(watch.quiet(1.3))
        again = self.client.get("/double/faults").json["streams"]
        self.assertTrue(any(s["path"].startswith(self.path("pods")) for s in again))

    def test_cut_reaches_a_stalled_stream(self):
        watch = self.open_watch()
        self.client.fault("stall", verb="watch")
        self.client.fault("cut")
        with self.assertRaises(BROKEN):
            watch.line()

    def test_garbage(self):
        watch = self.open_watch()
        self.client.fault("garbage", resource="pods")
        with self.assertRaises(ValueError):
            json.loads(watch.line())
        self.client.fault("garbage", resource="pods", mode="frame")
        with self.assertRaises(ValueError):
            watch.line()

    def test_truncate_cuts_within_a_line(self):
        watch = self.open_watch()
        self.client.fault("truncate", resource="pods")
        self.pod("a")
        with self.assertRaises(BROKEN):
            watch.line()
        self.assertTrue(watch.buffer.startswith(b'{"type":"ADDED"'))
        again = self.open_watch()
        self.pod("b")
        self.assertEqual(again.names(1), [("ADDED", "b")])

    def test_gone(self):
        self.client.fault("gone", resource="pods")
        kind, status = self.watch(self.path("pods"), resourceVersion=self.version()).next()
        self.assertEqual((kind, status["code"]), ("ERROR", 410))
        self.client.fault("gone", resource="pods", mode="http")
        self.refused(self.client.get(self.path("pods"), watch="1", resourceVersion=self.version()),
                     410, "Expired")
        self.assertTrue(self.open_watch().quiet())

    def test_duplicate(self):
        watch = self.open_watch()
        self.client.fault("duplicate", count=1)
        self.pod("a")
        self.pod("b")
        self.assertEqual(watch.names(3), [("ADDED", "a"), ("ADDED", "a"), ("ADDED", "b")])

    def test_reorder_swaps_events_of_different_objects(self):
        watch = self.open_watch()
        self.client.fault("reorder", resource="pods")
        for name in "abcd":
            self.pod(name)
        self.assertEqual([n for _, n in watch.names(4)], ["b", "a", "d", "c"])
        self.pod("e")
        self.assertTrue(watch.quiet(0.1))

    def test_reorder_keeps_the_order_within_an_object(self):
        watch = self.open_watch()
        self.client.fault("reorder", resource="pods")
        self.pod("a")
        self.client.merge(self.path("pods", "a"), {"metadata": {"labels": {"x": "y"}}})
        self.client.clear_faults()
        self.assertEqual(watch.names(2), [("ADDED", "a"), ("MODIFIED", "a")])


class RequestFaults(DoubleTest):
    def test_status_for_the_next_requests(self):
        self.client.fault("status", code=500, count=2, path="/pods")
        codes = [self.client.get(self.path("pods")).code for _ in range(3)]
        self.assertEqual(codes, [500, 500, 200])
        self.client.fault("status", code=429, retryAfter=7, resource="pods", verb="list")
        self.assertEqual(self.client.get(self.path("configmaps")).code, 200)
        answer = self.client.get(self.path("pods"))
        self.refused(answer, 429, "TooManyRequests")
        self.assertEqual(answer.headers["Retry-After"], "7")

    def test_slow(self):
        self.client.fault("slow", delay=0.5, resource="pods")
        start = time.monotonic()
        self.client.get(self.path("configmaps"))
        self.assertLess(time.monotonic() - start, 0.4)
        self.client.get(self.path("pods"))
        self.assertGreater(time.monotonic() - start, 0.5)

    def test_stalled_request_is_answered_when_cleared(self):
        self.client.fault("stall", resource="pods", verb="list")
        with Client(self.double) as stalled:
            stalled.conn.request("GET", self.path("pods"),
                                 headers={"Authorization": f"Bearer {stalled.token}"})
            stalled.conn.sock.settimeout(0.1)
            with self.assertRaises(TimeoutError):
                stalled.conn.sock.recv(1)
            self.assertEqual(self.client.get(self.path("configmaps")).code, 200)
            self.client.clear_faults()
            stalled.conn.sock.settimeout(5)
            self.assertEqual(stalled.conn.getresponse().status, 200)

    def test_stalled_accept_makes_no_handshake(self):
        self.client.fault("stall", stage="accept")
        with Client(self.double) as other:
            other.conn.timeout = 0.1
            with self.assertRaises(TimeoutError):
                other.get(self.path("pods"))
        self.client.clear_faults()
        with Client(self.double) as other:
            self.assertEqual(other.get(self.path("pods")).code, 200)

    def test_refused_connections(self):
        self.client.fault("refuse", count=2)
        for _ in range(2):
            with Client(self.double) as other, self.assertRaises(BROKEN):
                other.get(self.path("pods"))
        with Client(self.double) as other:
            self.assertEqual(other.get(self.path("pods")).code, 200)
        self.client.fault("refuse")
        self.assertEqual(self.client.get(self.path("pods")).code, 200)  # open ones live on
        self.assertEqual(self.double.fault("clear")[0], 0)

    def test_expired_token(self):
        self.client.fault("expire-token")
        self.refused(self.client.get(self.path("pods")), 401, "Unauthorized")
        self.client.clear_faults()
        self.assertEqual(self.client.get(self.path("pods")).code, 200)

    def test_rotated_token(self):
        self.client.fault("rotate-token")
        self.refused(self.client.get(self.path("pods")), 401, "Unauthorized")
        self.client.token = self.double.token()
        self.assertEqual(self.client.get(self.path("pods")).code, 200)
        self.assertEqual(self.double.kubectl("get", "nodes")[0], 0)

    def test_fault_for_one_client(self):
        self.client.fault("status", userAgent="^agent", count=5)
        agent = self.client.request("GET", self.path("pods"), headers={"User-Agent": "agent/1"})
        self.assertEqual((agent.code, self.client.get(self.path("pods")).code), (500, 200))

    def test_faults_are_listed_and_cleared(self):
        number = self.client.fault("status", count=3)["id"]
        self.client.fault("slow", delay=9, resource="nodes")
        armed = self.client.get("/double/faults").json["faults"]
        self.assertEqual([(f["kind"], f.get("left")) for f in armed],
                         [("status", 3), ("slow", None)])
        self.assertEqual(self.client.delete("/double/faults", id=number).json, {"cleared": 1})
        self.assertEqual(self.client.delete("/double/faults", kind="slow").json, {"cleared": 1})
        self.refused(self.client.post("/double/faults", {"kind": "nonsense"}), 400, "BadRequest")
        self.refused(self.client.post("/double/faults", {"kind": "slow", "x": 1}), 400,
                     "BadRequest")

    def test_own_paths_want_the_token(self):
        with Client(self.double, token="wrong") as stranger:
            self.refused(stranger.get("/double/faults"), 401, "Unauthorized")

    def test_log(self):
        self.client.delete("/double/log")
        self.client.get(self.path("pods"), labelSelector="a=b")
        self.pod("a")
        self.client.get(self.path("networkpolicies", "x", "networking.k8s.io"))
        log = self.client.get("/double/log").json
        self.assertEqual(log["counts"], {"pods": {"list": 1, "create": 1},
                                         "networkpolicies.networking.k8s.io": {"get": 1}})
        first, _, last = log["requests"]
        self.assertEqual((first["verb"], first["resource"], first["namespace"], first["code"]),
                         ("list", "pods", self.ns, 200))
        self.assertIn("labelSelector=a%3Db", first["path"])
        self.assertEqual((last["name"], last["code"]), ("x", 404))
        with Watch(self.double, self.path("pods")):
            newer = self.client.get("/double/log", since=last["id"]).json["requests"]
            self.assertEqual([(r["verb"], r["code"]) for r in newer], [("watch", 200)])

    def test_bulk(self):
        objects = [{"apiVersion": "v1", "kind": "Pod", "metadata": {
            "name": f"p{i}", "namespace": self.ns}, "status": {"phase": "Running"}, "spec": {
            "containers": [{"name": "c", "image": "i"}]}} for i in range(3)]
        objects.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bulk"}})
        self.assertEqual(self.client.post("/double/bulk", objects).json["created"], 4)
        made = self.client.get(self.path("pods", "p1")).json
        self.assertEqual(made["status"]["phase"], "Running")
        self.refused(self.client.post("/double/bulk", objects), 409, "AlreadyExists")
        objects[0]["status"]["phase"] = "Failed"
        self.assertEqual(self.client.post("/double/bulk", objects, merge="true").code, 200)
        self.assertEqual(self.client.get(self.path("pods", "p0")).json["status"]["phase"], "Failed")
        self.client.delete("/api/v1/nodes/bulk")

    def test_ten_thousand_pods_within_seconds(self):
        pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {
                "name": f"p{i}", "namespace": self.ns, "labels": {"app": f"a{i % 50}"}}, "spec": {
            "nodeName": f"n{i % 100}", "containers": [{"name": "c", "image": "i:1"}]},
            "status": {"phase": "Running", "podIP": f"10.{i // 65000}.{i // 250}.{i % 250}"}}
            for i in range(10000)]
        data = json.dumps(pods).encode()
        start = time.monotonic()
        self.assertEqual(self.client.post("/double/bulk", data).code, 200)
        self.assertLess(time.monotonic() - start, 4)
        start = time.monotonic()
        listed = self.client.get("/api/v1/pods", resourceVersion="0")
        self.assertLess(time.monotonic() - start, 2)
        self.assertEqual(len(listed.json["items"]), 10000)


class Command(DoubleTest):
    def test_arm_list_and_clear(self):
        code, out = self.double.fault("arm", "status", "code=503", "resource=pods", "count=4")
        self.assertEqual((code, "id" in json.loads(out)), (0, True))
        self.assertEqual(self.client.get(self.path("pods")).code, 503)
        listed = json.loads(self.double.fault("list")[1])
        self.assertEqual((listed["faults"][0]["code"], listed["faults"][0]["left"]), (503, 3))
        self.assertEqual(json.loads(self.double.fault("clear", "status")[1]), {"cleared": 1})
        self.assertEqual(self.client.get(self.path("pods")).code, 200)

    def test_log_compact_and_bulk(self):
        path = f"{self.double.dir}/objects.json"
        with open(path, "w", encoding="utf-8") as f:
            json.dump([{"apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {"name": "c", "namespace": self.ns}}], f)
        self.assertEqual(json.loads(self.double.fault("bulk", path)[1])["created"], 1)
        self.double.fault("clear-log")
        self.client.get(self.path("pods"))
        self.assertEqual(json.loads(self.double.fault("log")[1])["counts"], {"pods": {"list": 1}})
        self.assertEqual(json.loads(self.double.fault("compact", "configmaps")[1])["resources"],
                         ["configmaps"])

    def test_bad_use(self):
        self.assertEqual(self.double.fault("nonsense")[0], 2)
        self.assertEqual(self.double.fault("arm", "nonsense")[0], 1)


if __name__ == "__main__":
    unittest.main()
