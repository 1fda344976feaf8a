# SPDX-License-Identifier: Apache-2.0
"""Authorization by the rules in a file."""

import os
import tempfile
import unittest

from testlib import DoubleTest

RULES = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: a}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a}
rules:
- {apiGroups: [""], resources: [nodes/status, pods], verbs: [patch, list]}
- {apiGroups: [policy.example.org], resources: [things], verbs: [list, watch]}
- {nonResourceURLs: [/apis], verbs: [get]}
"""


class Rbac(DoubleTest):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as f:
            f.write(RULES)
        cls.addClassCleanup(os.unlink, f.name)
        cls.options = ("--rbac", f.name, "--rbac-agent", "agent")
        super().setUpClass()

    def code(self, method, path, body=None, agent="agent/1", **query):
        return self.client.request(method, path, body, headers={"User-Agent": agent}, **query).code

    def test_who_is_not_meant_may_do_all(self):
        self.assertEqual(self.code("GET", "/api/v1/services", agent="kubectl"), 200)

    def test_what_the_rules_say_and_nothing_else(self):
        self.assertEqual(self.code("GET", "/api/v1/pods"), 200)
        self.assertEqual(self.code("GET", f"/api/v1/namespaces/{self.ns}/pods"), 200)
        self.assertEqual(self.code("GET", f"/api/v1/namespaces/{self.ns}/pods/x"), 403)
        self.assertEqual(self.code("GET", "/api/v1/services"), 403)
        self.assertEqual(self.code("GET", "/api/v1/pods", watch="true", timeoutSeconds="1"), 403)
        self.assertEqual(self.code("GET", "/apis"), 200)
        self.assertEqual(self.code("GET", "/apis/apps/v1"), 403)
        # A part of an object is another thing than the object.
        self.assertEqual(self.code("PATCH", "/api/v1/nodes/x", {}), 403)
        self.assertEqual(self.code("PATCH", "/api/v1/nodes/x/status", {}), 415)

    def test_what_does_not_exist_is_not_forbidden(self):
        self.assertEqual(self.code("GET", "/apis/policy.example.org/v1/things"), 404)
        self.assertEqual(self.code("GET", "/apis/policy.example.org/v1/others"), 403)

    def test_tells_what_nobody_used_and_what_was_refused(self):
        self.code("GET", "/api/v1/pods")
        self.code("GET", "/api/v1/secrets")
        report = self.client.get("/double/rbac").json
        self.assertIn("patch pods", report["unused"])
        self.assertNotIn("list pods", report["unused"])
        self.assertIn("list secrets", report["refused"])


if __name__ == "__main__":
    unittest.main()
