# SPDX-License-Identifier: Apache-2.0
"""The real kubectl against the double. There must be one on PATH: without it these tests fail."""

import json
import os
import subprocess
import unittest

from test_crds import GROUP, definition
from testlib import DoubleTest, wait_until

_ALL = """
apiVersion: v1
kind: Node
metadata: {{name: {ns}-node, labels: {{node-role.kubernetes.io/worker: ""}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web}}}}
spec:
  nodeName: {ns}-node
  containers:
  - {{name: c, image: "web:1", ports: [{{name: http, containerPort: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{port: {port}, targetPort: http}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: deny}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
"""


_POLICY = """
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: deny-egress}
spec:
  tier: Baseline
  priority: 42
  subject: {namespaces: {matchExpressions: [{key: team, operator: In, values: [a]}]}}
  egress:
  - name: no-private-networks
    action: Deny
    to:
    - {networks: [10.0.0.0/8]}
    - {nodes: {}}
    protocols:
    - {tcp: {destinationPort: {number: 53}}}
"""


class Kubectl(DoubleTest):
    def kubectl(self, *args, stdin=None, code=0):
        result = self.double.kubectl("-n", self.ns, *args, stdin=stdin)
        self.assertEqual(result[0], code, result)
        return result[1] if code == 0 else result[2]

    def apply(self, *args, port=80):
        return self.kubectl("apply", *args, "-f", "-", stdin=_ALL.format(ns=self.ns, port=port))

    def test_apply_get_delete(self):
        self.assertEqual(self.apply().count("created"), 4)
        self.assertEqual(self.apply().count("unchanged"), 4)
        changed = self.apply(port=81)
        self.assertEqual((changed.count("configured"), changed.count("unchanged")), (1, 3))
        port = self.kubectl("get", "svc", "web", "-o", "jsonpath={.spec.ports[*].port}")
        self.assertEqual(port, "81")
        gone = self.kubectl("delete", "-f", "-", stdin=_ALL.format(ns=self.ns, port=81))
        self.assertEqual(gone.count("deleted"), 4)
        self.assertIn("NotFound", self.kubectl("get", "pod", "web", code=1))

    def test_server_side_apply(self):
        self.assertEqual(self.apply("--server-side").count("serverside-applied"), 4)
        self.assertEqual(self.apply("--server-side", port=81).count("serverside-applied"), 4)
        self.kubectl("delete", "node", f"{self.ns}-node")

    def test_cluster_network_policies_by_the_crd_that_is_shipped(self):
        folder = os.path.join(os.path.dirname(__file__), "../../manifests/crds")
        self.assertIn("doesn't have a resource type", self.kubectl("get", "cnp", code=1))
        self.kubectl("apply", "-f", folder)
        self.addCleanup(self.double.kubectl, "delete", "-f", folder)
        self.assertIn("clusternetworkpolicies", self.kubectl(
            "api-resources", "--api-group=policy.networking.k8s.io", "--namespaced=false"))
        self.assertIn("created", self.kubectl("apply", "-f", "-", stdin=_POLICY))
        self.assertIn("unchanged", self.kubectl("apply", "-f", "-", stdin=_POLICY))
        out = self.kubectl("get", "cnp")
        for text in ("TIER", "PRIORITY", "deny-egress", "Baseline", "42"):
            self.assertIn(text, out)
        for good, bad in (("tier: Baseline", "tier: Edge"), ("priority: 42", "priority: 1001"),
                          ("action: Deny", "action: Drop"), ("operator: In", "operator: in"),
                          ("values: [a]", "values: []"), ("{number: 53}", "{number: 65536}"),
                          ("{number: 53}", "{number: 53, range: {start: 1, end: 2}}"),
                          ("tcp:", "icmp:"), ("{networks: [10.0.0.0/8]}", "{}"),
                          ("{networks: [10.0.0.0/8]}", "{domainNames: [example.com]}"),
                          ("{networks: [10.0.0.0/8]}", "{networks: []}"),
                          ("subject: {", "subject: {pods: {podSelector: {}}, ")):
            self.assertIn(good, _POLICY)
            self.kubectl("apply", "-f", "-", stdin=_POLICY.replace(good, bad), code=1)
        self.kubectl("delete", "cnp", "deny-egress")
        self.assertIn("No resources", self.double.kubectl("get", "cnp")[2])

    def test_tables(self):
        self.apply()
        self.set_status("web", ["10.0.0.1"])
        for args, columns, cells in (
            (("pods", "-o", "wide"), ("READY", "STATUS", "IP", "NODE"),
             ("web", "1/1", "Running", "10.0.0.1")),
            (("nodes",), ("ROLES", "VERSION"), ("worker",)),
            (("svc",), ("CLUSTER-IP", "PORT(S)"), ("ClusterIP", "80/TCP")),
            (("netpol",), ("POD-SELECTOR",), ("deny", "app=web")),
            (("ns", self.ns), ("STATUS", "AGE"), ("Active",)),
                (("serviceaccounts",), (), ())):
            out = self.kubectl("get", *args)
            for text in (*columns, *cells):
                self.assertIn(text, out, args)
        self.kubectl("delete", "node", f"{self.ns}-node")

    def test_output_formats(self):
        self.apply()
        self.assertEqual(json.loads(self.kubectl("get", "pod", "web", "-o", "json"))["kind"], "Pod")
        listed = json.loads(self.kubectl("get", "pods", "-o", "json"))
        self.assertEqual((listed["items"][0]["kind"], listed["items"][0]["apiVersion"]),
                         ("Pod", "v1"))
        self.assertIn("kind: NetworkPolicy", self.kubectl("get", "netpol", "deny", "-o", "yaml"))
        self.assertEqual(self.kubectl("get", "pods", "-l", "app=web", "-o", "name"), "pod/web\n")
        self.assertEqual(self.kubectl("get", "pods", "--field-selector", "spec.nodeName=x",
                                      "-o", "name"), "")
        self.kubectl("delete", "node", f"{self.ns}-node")

    def test_label_annotate_patch(self):
        self.pod("web")
        self.kubectl("label", "pod", "web", "a=b")
        self.kubectl("annotate", "pod", "web", "c=d")
        self.kubectl("patch", "pod", "web", "-p", '{"metadata":{"labels":{"e":"f"}}}')
        self.kubectl("patch", "pod", "web", "--type=merge",
                     "-p", '{"metadata":{"labels":{"a":null}}}')
        self.kubectl("patch", "pod", "web", "--type=json", "-p",
                     '[{"op":"add","path":"/metadata/labels/g","value":"h"}]')
        meta = self.client.get(self.path("pods", "web")).json["metadata"]
        self.assertEqual((meta["labels"], meta["annotations"]["c"]), ({"e": "f", "g": "h"}, "d"))

    def test_create_and_replace(self):
        self.kubectl("create", "namespace", f"{self.ns}-more")
        self.kubectl("create", "configmap", "c", "--from-literal=a=b")
        self.kubectl("create", "deployment", "d", "--image=i:1", "--replicas=2")
        self.kubectl("create", "service", "clusterip", "s", "--tcp=80:8080")
        self.assertEqual(self.client.get(self.path("configmaps", "c")).json["data"], {"a": "b"})
        made = self.client.get(self.path("deployments", "d", "apps")).json
        self.assertEqual(made["spec"]["replicas"], 2)
        obj = json.loads(self.kubectl("get", "configmap", "c", "-o", "json"))
        obj["data"] = {"x": "y"}
        self.kubectl("replace", "-f", "-", stdin=json.dumps(obj))
        self.assertEqual(self.client.get(self.path("configmaps", "c")).json["data"], {"x": "y"})
        again = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
        self.assertIn("AlreadyExists", self.kubectl("create", "-f", "-", stdin=again, code=1))
        self.kubectl("delete", "namespace", f"{self.ns}-more")

    def test_describe(self):
        self.apply()
        self.set_status("web", ["10.0.0.1"])
        self.kubectl("create", "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Warning",
            "reason": "PolicyRefused", "message": "because", "involvedObject": {
                "kind": "Pod", "namespace": self.ns, "name": "web"}}))
        self.assertIn("10.0.0.1", self.kubectl("describe", "pod", "web"))
        self.assertIn("app=web", self.kubectl("describe", "svc", "web"))
        self.assertIn("Allowing ingress traffic", self.kubectl("describe", "netpol", "deny"))
        self.assertIn("web", self.kubectl("describe", "node", f"{self.ns}-node"))
        self.assertIn("Active", self.kubectl("describe", "ns", self.ns))
        self.assertIn("PolicyRefused", self.kubectl("get", "events"))
        self.kubectl("delete", "node", f"{self.ns}-node")

    def running(self, *args):
        """A kubectl that goes on while the test does something."""
        env = {**os.environ, "KUBECONFIG": f"{self.double.dir}/kubeconfig", "HOME": self.double.dir}
        return subprocess.Popen(["kubectl", "-n", self.ns, *args], env=env, text=True,
                                stdout=subprocess.PIPE)

    def wait_watched(self):
        """Until kubectl watches pods in the test's namespace."""
        wait_until(lambda: any(s["path"].startswith(self.path("pods")) for s in
                               self.client.get("/double/faults").json["streams"]))

    def test_wait(self):
        self.pod("web", ip="10.0.0.1", ready=False, finalizers=["x.io/hold"])
        with self.running("wait", "--for=condition=Ready", "pod/web", "--timeout=20s") as waiting:
            self.wait_watched()
            self.set_status("web", ["10.0.0.1"])
            self.assertIn("condition met", waiting.communicate(timeout=20)[0])
        self.kubectl("delete", "pod", "web", "--wait=false")
        with self.running("wait", "--for=delete", "pod/web", "--timeout=20s") as waiting:
            self.wait_watched()
            self.client.merge(self.path("pods", "web"), {"metadata": {"finalizers": None}})
            self.assertIn("condition met", waiting.communicate(timeout=20)[0])
            self.assertEqual(waiting.returncode, 0)

    def test_get_watch(self):
        self.pod("a")
        with self.running("get", "pods", "-w", "-o", "name") as watching:
            self.assertEqual(watching.stdout.readline(), "pod/a\n")
            self.pod("b")
            self.assertEqual(watching.stdout.readline(), "pod/b\n")
            watching.terminate()

    def test_custom_resources(self):
        self.kubectl("apply", "-f", "-", stdin=json.dumps(definition()))
        self.kubectl("wait", "--for=condition=established", f"crd/widgets.{GROUP}", "--timeout=10s")
        widget = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": "w"},
                  "spec": {"size": 3}}
        self.assertIn("created", self.kubectl("apply", "-f", "-", stdin=json.dumps(widget)))
        widget["spec"]["size"] = 4
        self.assertIn("configured", self.kubectl("apply", "-f", "-", stdin=json.dumps(widget)))
        self.assertIn("SIZE", self.kubectl("get", "wd"))
        widget["spec"]["size"] = 99
        refusal = self.kubectl("apply", "-f", "-", stdin=json.dumps(widget), code=1)
        self.assertIn("spec.size", refusal)
        self.kubectl("delete", "crd", f"widgets.{GROUP}")

    def test_namespace_deletion_is_waited_for(self):
        self.kubectl("create", "namespace", f"{self.ns}-gone")
        self.kubectl("-n", f"{self.ns}-gone", "create", "configmap", "c")
        self.kubectl("delete", "namespace", f"{self.ns}-gone", "--timeout=20s")
        self.assertEqual(self.client.get(f"/api/v1/namespaces/{self.ns}-gone").code, 404)

    def test_version_and_resources(self):
        self.assertIn("v1.33", self.kubectl("version"))
        self.assertIn("networkpolicies", self.kubectl("api-resources"))


if __name__ == "__main__":
    unittest.main()
