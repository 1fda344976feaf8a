# SPDX-License-Identifier: Apache-2.0
"""The EndpointSlice controller: slices follow services, pods and nodes."""

import unittest

from testlib import DoubleTest, pod_object, wait_until


class Slices(DoubleTest):
    options = ("--service-cidr", "10.96.0.0/16,fd00:96::/112")

    def service(self, name="web", **spec):
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
        self.create(self.path("services"), {"metadata": {"name": name, "labels": {"team": "x"}},
                                            "spec": spec})

    def slices(self, name="web"):
        return self.client.get(self.path("endpointslices", group="discovery.k8s.io"),
                               labelSelector=f"kubernetes.io/service-name={name}").json["items"]

    def addresses(self, **conditions):
        return sorted(a for s in self.slices() for e in s["endpoints"] for a in e["addresses"]
                      if all(e["conditions"][k] == v for k, v in conditions.items()))

    def wait_addresses(self, *expected, **conditions):
        wait_until(lambda: self.addresses(**conditions) == sorted(expected) and self.slices(),
                   f"endpoints {expected}, are {self.addresses(**conditions)}")

    def test_endpoints_follow_pods(self):
        self.service()
        self.wait_addresses()
        self.create("/api/v1/nodes", {"metadata": {
            "name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}}})
        self.addCleanup(self.client.delete, "/api/v1/nodes/n1")
        pod = self.pod("a", {"app": "web"}, "10.0.0.1", node="n1")
        self.pod("other", {"app": "db"}, "10.0.0.9")
        self.wait_addresses("10.0.0.1", ready=True)
        found, = self.slices()
        labels = found["metadata"]["labels"]
        self.assertEqual((labels["endpointslice.kubernetes.io/managed-by"], labels["team"]),
                         ("endpointslice-controller.k8s.io", "x"))
        self.assertEqual((found["addressType"], found["ports"]),
                         ("IPv4", [{"name": "", "protocol": "TCP", "port": 8080}]))
        endpoint = found["endpoints"][0]
        self.assertEqual((endpoint["nodeName"], endpoint["zone"], endpoint["targetRef"]["uid"]),
                         ("n1", "z1", pod["metadata"]["uid"]))
        self.assertEqual(found["metadata"]["ownerReferences"][0]["kind"], "Service")
        self.client.delete(self.path("pods", "a"))
        self.wait_addresses()

    def test_conditions(self):
        self.service()
        self.pod("a", {"app": "web"}, "10.0.0.1", ready=False, finalizers=["x.io/hold"])
        self.wait_addresses("10.0.0.1", ready=False, serving=False, terminating=False)
        self.set_status("a", ["10.0.0.1"])
        self.wait_addresses("10.0.0.1", ready=True, serving=True, terminating=False)
        self.client.delete(self.path("pods", "a"))
        self.wait_addresses("10.0.0.1", ready=False, serving=True, terminating=True)
        self.client.merge(self.path("pods", "a"), {"metadata": {"finalizers": None}})
        self.wait_addresses()

    def test_finished_pods_are_no_endpoints(self):
        self.service()
        self.pod("a", {"app": "web"}, "10.0.0.1")
        self.wait_addresses("10.0.0.1")
        self.client.merge(self.path("pods", "a") + "/status", {"status": {"phase": "Succeeded"}})
        self.wait_addresses()

    def test_labels_and_selector_decide(self):
        self.service()
        self.pod("a", {"app": "web"}, "10.0.0.1")
        self.pod("b", {"app": "db"}, "10.0.0.2")
        self.wait_addresses("10.0.0.1")
        self.client.merge(self.path("pods", "b"), {"metadata": {"labels": {"app": "web"}}})
        self.wait_addresses("10.0.0.1", "10.0.0.2")
        self.client.merge(self.path("pods", "a"), {"metadata": {"labels": {"app": "db"}}})
        self.wait_addresses("10.0.0.2")
        self.client.merge(self.path("services", "web"), {"spec": {"selector": {"app": "db"}}})
        self.wait_addresses("10.0.0.1")

    def test_named_target_ports_may_differ(self):
        self.service(ports=[{"port": 80, "targetPort": "http"}])
        self.pod("a", {"app": "web"}, "10.0.0.1", ports=[{"name": "http", "containerPort": 8001}])
        self.pod("b", {"app": "web"}, "10.0.0.2", ports=[{"name": "http", "containerPort": 8002}])
        self.wait_addresses("10.0.0.1", "10.0.0.2")
        self.assertEqual({(s["ports"][0]["port"], s["endpoints"][0]["addresses"][0])
                          for s in self.slices()}, {(8001, "10.0.0.1"), (8002, "10.0.0.2")})

    def test_a_slice_for_each_family(self):
        self.service(ipFamilyPolicy="RequireDualStack")
        self.pod("a", {"app": "web"}, ["10.0.0.1", "fd00::1"])
        self.wait_addresses("10.0.0.1", "fd00::1")
        self.assertEqual({(s["addressType"], s["endpoints"][0]["addresses"][0])
                          for s in self.slices()},
                         {("IPv4", "10.0.0.1"), ("IPv6", "fd00::1")})

    def test_headless(self):
        self.service(clusterIP="None", publishNotReadyAddresses=True)
        self.pod("a", {"app": "web"}, "10.0.0.1", ready=False)
        self.wait_addresses("10.0.0.1", ready=True, serving=False)
        self.assertIn("service.kubernetes.io/headless", self.slices()[0]["metadata"]["labels"])

    def test_slices_hold_a_hundred_and_change_little(self):
        self.service()
        pods = [dict(pod_object(f"p{i}", {"app": "web"}, namespace=self.ns), status={
                "phase": "Running", "podIPs": [{"ip": f"10.1.{i // 250}.{i % 250 + 1}"}]})
                for i in range(250)]
        self.client.post("/double/bulk", pods)
        wait_until(lambda: len(self.addresses()) == 250)
        before = {s["metadata"]["name"]: s for s in self.slices()}
        self.assertEqual(sorted(len(s["endpoints"]) for s in before.values()), [50, 100, 100])
        self.client.delete(self.path("pods", "p7"))
        wait_until(lambda: len(self.addresses()) == 249)
        changed = [s for s in self.slices() if s != before.get(s["metadata"]["name"])]
        self.assertEqual(len(changed), 1)

    def test_others_cannot_spoil_them(self):
        self.service()
        self.pod("a", {"app": "web"}, "10.0.0.1")
        self.wait_addresses("10.0.0.1")
        self.client.delete(self.path("endpointslices", self.slices()[0]["metadata"]["name"],
                                     "discovery.k8s.io"))
        self.wait_addresses("10.0.0.1")

    def test_service_without_selector_is_left_alone(self):
        self.create(self.path("services"), {"metadata": {"name": "web"}, "spec": {
            "ports": [{"port": 80}]}})
        self.create(self.path("endpointslices", group="discovery.k8s.io"), {
            "metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["192.0.2.1"]}]})
        self.service("marker")
        wait_until(lambda: self.slices("marker"))
        self.assertEqual([s["metadata"]["name"] for s in self.slices()], ["mine"])

    def test_slices_go_with_the_service(self):
        self.service()
        wait_until(self.slices)
        self.client.delete(self.path("services", "web"))
        wait_until(lambda: not self.slices())

    def test_slice_validation(self):
        path = self.path("endpointslices", group="discovery.k8s.io")
        for fields in ({"addressType": "IPv9"}, {}, {"addressType": "IPv4", "endpoints": [{}]},
                       {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]}):
            self.refused(self.client.post(path, {"metadata": {"name": "e"}, **fields}), 422,
                         "Invalid")


class NoController(DoubleTest):
    options = ("--no-endpointslice-controller",)

    def test_no_slices_are_made(self):
        self.create(self.path("services"), {"metadata": {"name": "s"}, "spec": {
            "selector": {"a": "b"}, "ports": [{"port": 80}]}})
        watch = self.watch(self.path("endpointslices", group="discovery.k8s.io"))
        self.assertTrue(watch.quiet())


if __name__ == "__main__":
    unittest.main()
