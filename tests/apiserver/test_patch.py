# SPDX-License-Identifier: Apache-2.0
"""The patch types: JSON patch, merge patch, strategic merge patch, server-side apply."""

import unittest

from testlib import DoubleTest


class Patches(DoubleTest):
    def setUp(self):
        super().setUp()
        self.create(self.path("configmaps"), {"metadata": {"name": "cm"},
                                              "data": {"a": "1", "b/c": "2"}})

    def json_patch(self, *operations, path=None):
        return self.client.request("PATCH", path or self.path("configmaps", "cm"), list(operations),
                                   "application/json-patch+json")

    def test_json_patch(self):
        answer = self.json_patch(
            {"op": "test", "path": "/data/a", "value": "1"},
            {"op": "replace", "path": "/data/a", "value": "one"},
            {"op": "add", "path": "/data/d", "value": "4"},
            {"op": "move", "from": "/data/b~1c", "path": "/data/e"},
            {"op": "copy", "from": "/data/a", "path": "/data/f"},
            {"op": "remove", "path": "/data/d"})
        self.assertEqual((answer.code, answer.json["data"]),
                         (200, {"a": "one", "e": "2", "f": "one"}))

    def test_json_patch_of_lists(self):
        self.pod("p", finalizers=["x.io/a", "x.io/c"])
        answer = self.json_patch({"op": "add", "path": "/metadata/finalizers/1", "value": "x.io/b"},
                                 {"op": "add", "path": "/metadata/finalizers/-", "value": "x.io/d"},
                                 {"op": "remove", "path": "/metadata/finalizers/0"},
                                 path=self.path("pods", "p"))
        self.assertEqual(answer.json["metadata"]["finalizers"], ["x.io/b", "x.io/c", "x.io/d"])
        self.client.merge(self.path("pods", "p"), {"metadata": {"finalizers": None}})

    def test_json_patch_that_fails_changes_nothing(self):
        for bad in ({"op": "test", "path": "/data/a", "value": "2"},
                    {"op": "remove", "path": "/data/none"},
                    {"op": "replace", "path": "/x/y", "value": 1},
                    {"op": "add", "path": "/data/q"}, {"op": "nonsense", "path": "/data"}):
            self.refused(self.json_patch({"op": "add", "path": "/data/z", "value": "9"}, bad), 422,
                         "Invalid")
        self.assertNotIn("z", self.client.get(self.path("configmaps", "cm")).json["data"])

    def test_merge_patch(self):
        answer = self.client.merge(self.path("configmaps", "cm"),
                                   {"data": {"a": None, "d": "4"},
                                    "metadata": {"labels": {"x": "y"}}})
        self.assertEqual(answer.json["data"], {"b/c": "2", "d": "4"})
        self.assertEqual(answer.json["metadata"]["labels"], {"x": "y"})

    def test_patch_of_a_stale_version_is_conflict(self):
        stale = {"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}}
        self.refused(self.client.merge(self.path("configmaps", "cm"), stale), 409, "Conflict")

    def test_patch_of_another_type_is_refused(self):
        answer = self.client.request("PATCH", self.path("configmaps", "cm"), {}, "application/json")
        self.refused(answer, 415, "UnsupportedMediaType")


class StrategicMerge(DoubleTest):
    def deployment(self, **spec):
        containers = [{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}],
                       "ports": [{"containerPort": 80}]}, {"name": "b", "image": "b:1"}]
        template = {"metadata": {"labels": {"app": "d"}},
                    "spec": {"containers": containers, "tolerations": [{"key": "k"}], **spec}}
        return self.create(self.path("deployments", group="apps"), {
            "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": "d"}},
                                                "template": template}})

    def patched(self, pod_spec):
        answer = self.client.strategic(self.path("deployments", "d", "apps"),
                                       {"spec": {"template": {"spec": pod_spec}}})
        self.assertEqual(answer.code, 200, answer.data)
        return answer.json["spec"]["template"]["spec"]

    def test_lists_with_a_key_are_merged(self):
        self.deployment()
        spec = self.patched({"containers": [
            {"name": "a", "image": "a:2", "env": [{"name": "Y", "value": "2"}],
             "ports": [{"containerPort": 81, "protocol": "UDP"}]}, {"name": "c", "image": "c:1"}]})
        self.assertEqual([c["name"] for c in spec["containers"]], ["a", "b", "c"])
        first = spec["containers"][0]
        self.assertEqual((first["image"], [e["name"] for e in first["env"]],
                          [p["containerPort"] for p in first["ports"]]),
                         ("a:2", ["X", "Y"], [80, 81]))

    def test_lists_without_a_key_are_replaced(self):
        self.deployment()
        spec = self.patched({"tolerations": [{"key": "l"}]})
        self.assertEqual(spec["tolerations"], [{"key": "l"}])

    def test_delete_directive(self):
        self.deployment()
        spec = self.patched({"containers": [{"name": "a", "$patch": "delete"}]})
        self.assertEqual([c["name"] for c in spec["containers"]], ["b"])

    def test_replace_directive(self):
        self.deployment()
        spec = self.patched({"containers": [{"$patch": "replace"}, {"name": "z", "image": "z:1"}]})
        self.assertEqual([c["name"] for c in spec["containers"]], ["z"])
        spec = self.patched({"nodeSelector": {"a": "1"}})
        spec = self.patched({"nodeSelector": {"$patch": "replace", "b": "2"}})
        self.assertEqual(spec["nodeSelector"], {"b": "2"})

    def test_element_order(self):
        self.deployment()
        order = [{"name": name} for name in "cba"]
        spec = self.patched({"$setElementOrder/containers": order,
                             "containers": [{"name": "c", "image": "c:1"}]})
        self.assertEqual([c["name"] for c in spec["containers"]], ["c", "b", "a"])

    def test_retain_keys(self):
        self.deployment(volumes=[{"name": "v", "emptyDir": {}}])
        spec = self.patched({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"],
                                          "hostPath": {"path": "/x"}}]})
        self.assertEqual(spec["volumes"], [{"name": "v", "hostPath": {"path": "/x"}}])

    def test_lists_of_scalars(self):
        self.pod("p", finalizers=["x.io/a", "x.io/b"])
        answer = self.client.strategic(self.path("pods", "p"), {"metadata": {
            "finalizers": ["x.io/c"], "$deleteFromPrimitiveList/finalizers": ["x.io/a"]}})
        self.assertEqual(answer.json["metadata"]["finalizers"], ["x.io/b", "x.io/c"])
        self.client.merge(self.path("pods", "p"), {"metadata": {"finalizers": None}})

    def test_conditions_are_merged_by_type(self):
        self.pod("p", ip="10.0.0.1")
        answer = self.client.strategic(self.path("pods", "p") + "/status", {"status": {
            "conditions": [{"type": "Other", "status": "True"},
                           {"type": "Ready", "status": "False"}]}})
        self.assertEqual({c["type"]: c["status"] for c in answer.json["status"]["conditions"]},
                         {"Ready": "False", "Other": "True"})

    def test_null_removes(self):
        self.pod("p", {"a": "1", "b": "2"})
        answer = self.client.strategic(self.path("pods", "p"),
                                       {"metadata": {"labels": {"a": None}}})
        self.assertEqual(answer.json["metadata"]["labels"], {"b": "2"})

    def test_apply_creates_and_merges(self):
        def applied(body, **query):
            return self.client.request("PATCH", self.path("services", "s"), body,
                                       "application/apply-patch+yaml", **query)
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                "spec": {"ports": [{"port": 80, "protocol": "TCP"}], "selector": {"a": "b"}}}
        self.refused(applied(body), 422, "Invalid", "fieldManager")
        first = applied(body, fieldManager="me")
        self.assertEqual(first.code, 201)
        body["spec"]["ports"].append({"name": "x", "port": 81})
        body["spec"]["ports"][0]["name"] = "w"
        second = applied(body, fieldManager="me", force="true")
        self.assertEqual((second.code, [p["port"] for p in second.json["spec"]["ports"]]),
                         (200, [80, 81]))
        self.assertEqual(second.json["spec"]["clusterIP"], first.json["spec"]["clusterIP"])

    def test_apply_again_removes_what_is_no_longer_applied(self):
        def applied(labels, *ports):
            answer = self.client.request(
                "PATCH", self.path("services", "s"), {
                    "apiVersion": "v1", "kind": "Service",
                    "metadata": {"name": "s", "labels": labels},
                    "spec": {"ports": list(ports)}},
                "application/apply-patch+yaml", fieldManager="me")
            self.assertIn(answer.code, (200, 201), answer.data)
            return answer.json
        applied({"a": "1", "b": "2"}, {"name": "t", "port": 53},
                {"name": "u", "port": 53, "protocol": "UDP"})
        self.client.merge(self.path("services", "s"), {"metadata": {"labels": {"other": "3"}}})
        made = applied({"b": "2"}, {"name": "u", "port": 53, "protocol": "UDP"},
                       {"name": "v", "port": 54})
        self.assertEqual(made["metadata"]["labels"], {"b": "2", "other": "3"})
        self.assertEqual([(p["name"], p["port"]) for p in made["spec"]["ports"]],
                         [("u", 53), ("v", 54)])


if __name__ == "__main__":
    unittest.main()
