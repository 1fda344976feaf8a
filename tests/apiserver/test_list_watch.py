# SPDX-License-Identifier: Apache-2.0
"""Lists and watches: selectors, pages, versions, bookmarks, expiry."""

import time
import unittest

from testlib import Client, DoubleTest, pod_object, wait_until


def names(answer):
    return [i["metadata"]["name"] for i in answer.json["items"]]


class Lists(DoubleTest):
    def listed(self, **query):
        return names(self.client.get(self.path("pods"), **query))

    def test_label_selectors(self):
        self.pod("a", {"app": "web", "tier": "front"})
        self.pod("b", {"app": "db"})
        self.pod("c")
        for selector, expected in (
            ("app=web", "a"), ("app==web", "a"), ("app!=web", "bc"), ("app", "ab"),
            ("!app", "c"), ("app in (web, db)", "ab"), ("app notin (web)", "bc"),
                ("app in (web,db),!tier", "b"), ("app=web,tier=front", "a"), ("", "abc")):
            self.assertEqual("".join(self.listed(labelSelector=selector)), expected, selector)
        self.refused(self.client.get(self.path("pods"), labelSelector="a=b=c"), 400, "BadRequest")

    def test_field_selectors(self):
        self.pod("a", node="n1", ip="10.0.0.1")
        self.pod("b")
        for selector, expected in (
            ("metadata.name=a", "a"), ("metadata.name!=a", "b"),
            (f"metadata.namespace={self.ns}", "ab"), ("spec.nodeName=n1", "a"),
            ("spec.nodeName=", "b"), ("status.phase=Running", "a"),
                ("status.podIP=10.0.0.1", "a"), ("spec.nodeName=n1,status.phase!=Running", "")):
            self.assertEqual("".join(self.listed(fieldSelector=selector)), expected, selector)
        self.refused(self.client.get(self.path("pods"), fieldSelector="spec.nonsense=1"), 400,
                     "BadRequest", "field label not supported")

    def test_order_is_by_namespace_and_name(self):
        for name in ("b", "a-b", "a", "ab"):
            self.pod(name)
        self.assertEqual(self.listed(), ["a", "a-b", "ab", "b"])

    def test_pages_show_one_version(self):
        for name in "abcde":
            self.pod(name)
        first = self.client.get(self.path("pods"), limit=2)
        meta = first.json["metadata"]
        self.assertEqual((names(first), meta["remainingItemCount"]), (["a", "b"], 3))
        self.pod("cc")
        self.client.delete(self.path("pods", "e"))
        second = self.client.get(self.path("pods"), limit=2, **{"continue": meta["continue"]})
        self.assertEqual(names(second), ["c", "d"])
        self.assertEqual(second.json["metadata"]["resourceVersion"], meta["resourceVersion"])
        third = self.client.get(self.path("pods"), limit=2,
                                **{"continue": second.json["metadata"]["continue"]})
        self.assertEqual(names(third), ["e"])
        self.assertNotIn("continue", third.json["metadata"])

    def test_page_of_a_forgotten_version_is_expired(self):
        for name in "abc":
            self.pod(name)
        token = self.client.get(self.path("pods"), limit=1).json["metadata"]["continue"]
        self.pod("bb")
        self.client.post("/double/compact", {}, resource="pods")
        status = self.refused(self.client.get(self.path("pods"), limit=1, **{"continue": token}),
                              410, "Expired", "continue parameter is too old")
        rest = self.client.get(self.path("pods"), **{"continue": status["metadata"]["continue"]})
        self.assertEqual(names(rest), ["b", "bb", "c"])

    def test_versions_of_a_list(self):
        old = self.pod("a")["metadata"]["resourceVersion"]
        self.pod("b")
        self.client.merge(self.path("pods", "a"), {"metadata": {"labels": {"x": "y"}}})
        exact = self.client.get(self.path("pods"), resourceVersion=old,
                                resourceVersionMatch="Exact")
        self.assertEqual(names(exact), ["a"])
        self.assertEqual(exact.json["items"][0]["metadata"]["labels"], {})
        self.assertEqual(exact.json["metadata"]["resourceVersion"], old)
        for query in ({"resourceVersion": old}, {"resourceVersion": "0"},
                      {"resourceVersion": old, "resourceVersionMatch": "NotOlderThan"}):
            self.assertEqual(self.listed(**query), ["a", "b"])
        self.refused(self.client.get(self.path("pods"), resourceVersion="999999999"), 504,
                     "Timeout", "Too large resource version")
        self.refused(self.client.get(self.path("pods"), resourceVersionMatch="Exact"), 422,
                     "Invalid")
        self.client.post("/double/compact", {})
        self.refused(self.client.get(self.path("pods"), resourceVersion=old,
                                     resourceVersionMatch="Exact"), 410, "Expired")

    def test_metadata_only(self):
        self.pod("a", {"x": "y"})
        kind = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        listed = self.client.request("GET", self.path("pods"), headers={"Accept": kind}).json
        self.assertEqual(listed["kind"], "PartialObjectMetadataList")
        self.assertEqual(set(listed["items"][0]), {"kind", "apiVersion", "metadata"})
        refused = self.client.request("GET", self.path("pods"), headers={"Accept": "text/html"})
        self.refused(refused, 406, "NotAcceptable")


class Watches(DoubleTest):
    options = ("--bookmark-interval", "0.05", "--history", "50")

    def test_changes_after_a_version(self):
        since = self.pod("a")["metadata"]["resourceVersion"]
        self.pod("b")
        with_backlog = self.watch(self.path("pods"), resourceVersion=since)
        self.assertEqual(with_backlog.names(1), [("ADDED", "b")])
        self.client.merge(self.path("pods", "b"), {"metadata": {"labels": {"x": "y"}}})
        self.client.delete(self.path("pods", "a"))
        self.assertEqual(with_backlog.names(1), [("MODIFIED", "b")])
        kind, obj = with_backlog.next()
        self.assertEqual((kind, obj["metadata"]["name"], obj["kind"]), ("DELETED", "a", "Pod"))
        self.assertGreater(int(obj["metadata"]["resourceVersion"]), int(since))

    def test_without_a_version_begins_with_what_is_there(self):
        self.pod("b")
        self.pod("a")
        for query in ({}, {"resourceVersion": "0"}):
            watch = self.watch(self.path("pods"), **query)
            self.assertEqual(watch.names(2), [("ADDED", "a"), ("ADDED", "b")])
            self.assertTrue(watch.quiet())

    def test_one_namespace_only(self):
        mine = self.watch(self.path("pods"), resourceVersion=self.version())
        every = self.watch("/api/v1/pods", resourceVersion=self.version())
        other = pod_object("other")
        self.create("/api/v1/namespaces/default/pods", other)
        self.pod("a")
        self.assertEqual(every.names(2), [("ADDED", "other"), ("ADDED", "a")])
        self.assertEqual(mine.names(1), [("ADDED", "a")])
        self.client.delete("/api/v1/namespaces/default/pods/other")

    def test_moving_in_and_out_of_a_selection(self):
        since = self.version()
        watch = self.watch(self.path("pods"), resourceVersion=since, labelSelector="app=web")
        self.pod("a", {"app": "db"})
        change = [self.client.merge(self.path("pods", "a"), {"metadata": {"labels": labels}}).json
                  for labels in ({"app": "web"}, {"x": "y"}, {"app": "db"}, {"z": "z"})]
        self.client.delete(self.path("pods", "a"))
        self.pod("b", {"app": "web"})
        self.assertEqual(watch.names(2), [("ADDED", "a"), ("MODIFIED", "a")])
        kind, obj = watch.next()
        self.assertEqual((kind, obj["metadata"]["labels"]), ("DELETED", {"app": "web", "x": "y"}))
        self.assertEqual(obj["metadata"]["resourceVersion"],
                         change[2]["metadata"]["resourceVersion"])
        self.assertEqual(watch.names(1), [("ADDED", "b")])

    def test_field_selection(self):
        watch = self.watch("/api/v1/pods", resourceVersion=self.version(),
                           fieldSelector="spec.nodeName=n7")
        self.pod("a", node="n6")
        self.pod("b", node="n7")
        self.assertEqual(watch.names(1), [("ADDED", "b")])

    def test_bookmarks_carry_the_newest_version(self):
        watch = self.watch(self.path("pods"), resourceVersion=self.version(),
                           allowWatchBookmarks="true")
        version = self.create(self.path("configmaps"), {"metadata": {"name": "c"}})
        version = int(version["metadata"]["resourceVersion"])

        def caught_up():
            kind, obj = watch.next()
            self.assertEqual((kind, obj["kind"]), ("BOOKMARK", "Pod"))
            return int(obj["metadata"]["resourceVersion"]) >= version
        wait_until(caught_up)

    def test_no_bookmarks_unasked(self):
        self.assertTrue(self.watch(self.path("pods"), resourceVersion=self.version()).quiet(0.2))

    def test_initial_events_end_with_a_bookmark(self):
        self.pod("a")
        self.pod("b")
        watch = self.watch(self.path("pods"), sendInitialEvents="true", allowWatchBookmarks="true",
                           resourceVersionMatch="NotOlderThan")
        self.assertEqual(watch.names(2), [("ADDED", "a"), ("ADDED", "b")])
        kind, obj = watch.next()
        self.assertEqual((kind, obj["metadata"]["annotations"]),
                         ("BOOKMARK", {"k8s.io/initial-events-end": "true"}))
        self.pod("c")
        added = next(o for t, o in iter(watch.next, None) if t == "ADDED")
        self.assertEqual(added["metadata"]["name"], "c")
        answer = self.client.get(self.path("pods"), watch="true", sendInitialEvents="true")
        self.refused(answer, 422, "Invalid", "resourceVersionMatch")

    def test_timeout_ends_the_stream(self):
        watch = self.watch(self.path("pods"), resourceVersion=self.version(), timeoutSeconds="1")
        start = time.monotonic()
        with self.assertRaises(EOFError):
            watch.line()
        self.assertGreater(time.monotonic() - start, 0.5)

    def test_forgotten_version_is_an_error_event(self):
        old = self.pod("a")["metadata"]["resourceVersion"]
        self.pod("b")
        self.client.post("/double/compact", {}, resource="pods")
        watch = self.watch(self.path("pods"), resourceVersion=old)
        kind, status = watch.next()
        self.assertEqual((kind, status["kind"], status["code"], status["reason"]),
                         ("ERROR", "Status", 410, "Expired"))
        with self.assertRaises(EOFError):
            watch.line()

    def test_history_is_bounded_for_each_resource(self):
        old = self.pod("a")["metadata"]["resourceVersion"]
        self.client.post("/double/bulk", [
            {"apiVersion": "v1", "kind": "ConfigMap",
             "metadata": {"name": f"c{i}", "namespace": self.ns}}
            for i in range(60)])
        watch = self.watch(self.path("configmaps"), resourceVersion=old)
        self.assertEqual(watch.next()[0], "ERROR")
        self.assertTrue(self.watch(self.path("pods"), resourceVersion=old).quiet())

    def test_closed_watch_is_gone_at_once(self):
        watch = self.watch(self.path("pods"), resourceVersion=self.version())

        def streams():
            open_now = self.client.get("/double/faults").json["streams"]
            return len([s for s in open_now if s["path"].startswith(self.path("pods"))])
        wait_until(lambda: streams() == 1)
        watch.__exit__()
        wait_until(lambda: streams() == 0, timeout=2)

    def test_event_arrives_within_milliseconds(self):
        watches = [self.watch(self.path("configmaps"), resourceVersion=self.version())
                   for _ in range(20)]
        delays = []
        for i in range(20):
            start = time.monotonic()
            self.create(self.path("configmaps"), {"metadata": {"name": f"c{i}"}})
            for watch in watches:
                watch.next()
            delays.append(time.monotonic() - start)
        self.assertLess(sorted(delays)[10], 0.02)


class GoneOverHttp(DoubleTest):
    options = ("--gone", "http")

    def test_forgotten_version_is_http_410(self):
        old = self.pod("a")["metadata"]["resourceVersion"]
        self.pod("b")
        self.client.post("/double/compact", {})
        with Client(self.double) as client:
            self.refused(client.get(self.path("pods"), watch="true", resourceVersion=old), 410,
                         "Expired", "too old resource version")


if __name__ == "__main__":
    unittest.main()
