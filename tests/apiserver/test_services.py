# SPDX-License-Identifier: Apache-2.0
"""Services: addresses and ports they are given, defaults, families, what may change."""

import unittest

from testlib import DoubleTest


class Services(DoubleTest):
    options = ("--service-cidr", "10.96.0.0/24,fd00:96::/112")

    def service(self, name="s", ports=({"port": 80},), **spec):
        return self.create(self.path("services"), {
            "metadata": {"name": name}, "spec": {"ports": list(ports), **spec}})["spec"]

    def refuse(self, text, ports=({"port": 80},), **spec):
        self.refused(self.client.post(self.path("services"), {
            "metadata": {"name": "refused"}, "spec": {"ports": list(ports), **spec}}), 422,
            "Invalid", text)

    def test_kubernetes_has_the_first_address(self):
        spec = self.client.get("/api/v1/namespaces/default/services/kubernetes").json["spec"]
        self.assertEqual(spec["clusterIP"], "10.96.0.1")
        selector = "kubernetes.io/service-name=kubernetes"
        slices = self.client.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
                                 labelSelector=selector).json["items"]
        self.assertEqual((slices[0]["endpoints"][0]["addresses"], slices[0]["ports"][0]["port"]),
                         ([self.double.address[0]], self.double.address[1]))

    def test_defaults(self):
        spec = self.service()
        self.assertEqual(
            (spec["type"], spec["sessionAffinity"], spec["ipFamilies"], spec["ipFamilyPolicy"],
             spec["internalTrafficPolicy"], spec["ports"]),
            ("ClusterIP", "None", ["IPv4"], "SingleStack", "Cluster",
             [{"port": 80, "protocol": "TCP", "targetPort": 80}]))
        self.assertRegex(spec["clusterIP"], r"^10\.96\.0\.\d+$")
        self.assertEqual(spec["clusterIPs"], [spec["clusterIP"]])
        sticky = self.service("t", sessionAffinity="ClientIP")
        self.assertEqual(sticky["sessionAffinityConfig"], {"clientIP": {"timeoutSeconds": 10800}})

    def test_addresses_are_distinct_and_come_back(self):
        first = self.service("a", clusterIP="10.96.0.200")["clusterIP"]
        self.assertEqual(first, "10.96.0.200")
        self.refuse("already allocated", clusterIP="10.96.0.200")
        self.refuse("not in the valid range", clusterIP="10.97.0.1")
        self.refuse("must be a valid IP address", clusterIP="nonsense")
        self.client.delete(self.path("services", "a"))
        self.service("b", clusterIP="10.96.0.200")

    def test_cluster_ip_is_immutable(self):
        spec = self.service()
        answer = self.client.merge(self.path("services", "s"), {"spec": {
            "clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77"]}})
        self.refused(answer, 422, "Invalid", "may not change once set")
        kept = self.client.put(self.path("services", "s"), {
            "metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}}).json["spec"]
        self.assertEqual(kept["clusterIP"], spec["clusterIP"])

    def test_dual_stack(self):
        spec = self.service("a", ipFamilyPolicy="PreferDualStack")
        self.assertEqual(spec["ipFamilies"], ["IPv4", "IPv6"])
        self.assertTrue(spec["clusterIPs"][1].startswith("fd00:96::"))
        spec = self.service("b", ipFamilies=["IPv6"])
        self.assertTrue(spec["clusterIP"].startswith("fd00:96::"))
        spec = self.service("c", ipFamilies=["IPv6", "IPv4"])
        self.assertEqual((spec["ipFamilyPolicy"], len(spec["clusterIPs"])), ("RequireDualStack", 2))

    def test_single_stack_becomes_dual_and_back(self):
        self.service()
        path = self.path("services", "s")
        spec = {"ipFamilyPolicy": "RequireDualStack"}
        spec = self.client.merge(path, {"spec": spec}).json["spec"]
        self.assertEqual((spec["ipFamilies"], len(spec["clusterIPs"])), (["IPv4", "IPv6"], 2))
        spec = self.client.merge(path, {"spec": {"ipFamilyPolicy": "SingleStack"}}).json["spec"]
        self.assertEqual((spec["ipFamilies"], len(spec["clusterIPs"])), (["IPv4"], 1))

    def test_headless_and_external_name(self):
        spec = self.service("a", clusterIP="None", selector={"a": "b"})
        self.assertEqual(spec["clusterIPs"], ["None"])
        spec = self.service("b", ports=(), type="ExternalName", externalName="example.com")
        self.assertNotIn("clusterIP", spec)
        self.refuse("spec.externalName", type="ExternalName")

    def test_node_ports(self):
        spec = self.service("a", type="NodePort")
        port = spec["ports"][0]["nodePort"]
        self.assertTrue(30000 <= port <= 32767)
        self.assertEqual(spec["externalTrafficPolicy"], "Cluster")
        self.refuse("already allocated", ports=[{"port": 80, "nodePort": port}], type="NodePort")
        self.refuse("not in the valid range", ports=[{"port": 80, "nodePort": 80}], type="NodePort")
        both = self.service("b", type="NodePort", ports=[
            {"name": "t", "port": 53, "nodePort": 30053},
            {"name": "u", "port": 53, "nodePort": 30053, "protocol": "UDP"}])
        self.assertEqual([p["nodePort"] for p in both["ports"]], [30053, 30053])
        path = self.path("services", "a")
        kept = self.client.put(path, {"metadata": {"name": "a"}, "spec": {
            "type": "NodePort", "ports": [{"port": 80}]}}).json["spec"]
        self.assertEqual(kept["ports"][0]["nodePort"], port)
        gone = self.client.merge(path, {"spec": {"type": "ClusterIP"}}).json["spec"]
        self.assertNotIn("nodePort", gone["ports"][0])
        self.assertNotIn("externalTrafficPolicy", gone)
        self.service("c", type="NodePort", ports=[{"port": 80, "nodePort": port}])

    def test_load_balancers(self):
        spec = self.service("a", type="LoadBalancer", externalTrafficPolicy="Local")
        self.assertTrue(spec["allocateLoadBalancerNodePorts"])
        self.assertTrue(spec["healthCheckNodePort"] and spec["ports"][0]["nodePort"])
        spec = self.service("b", type="LoadBalancer", allocateLoadBalancerNodePorts=False)
        self.assertNotIn("nodePort", spec["ports"][0])
        status = self.client.merge(self.path("services", "b") + "/status", {
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}).json["status"]
        self.assertEqual(status["loadBalancer"]["ingress"], [{"ip": "192.0.2.1"}])

    def test_refused_services_take_nothing(self):
        self.refuse("spec.ports", ports=())
        self.refuse("spec.ports[1].name", ports=[{"name": "a", "port": 1}, {"port": 2}])
        self.refuse("Duplicate", ports=[{"name": "a", "port": 1}, {"name": "b", "port": 1}])
        self.refuse("spec.ports[0].port", ports=[{"port": 70000}])
        self.refuse("Unsupported value", ports=[{"port": 1, "protocol": "ICMP"}])
        self.refuse("spec.type", type="Nonsense")
        self.refuse("already allocated", clusterIP="10.96.0.99", type="NodePort", ports=[
            {"name": "a", "port": 1, "nodePort": 31000},
            {"name": "b", "port": 2, "nodePort": 31000}])
        self.service("a", clusterIP="10.96.0.99", type="NodePort",
                     ports=[{"port": 1, "nodePort": 31000}])
        dry = self.client.post(self.path("services"), {"metadata": {"name": "d"}, "spec": {
            "clusterIP": "10.96.0.98", "ports": [{"port": 1}]}}, dryRun="All")
        self.assertEqual(dry.code, 201)
        self.service("b", clusterIP="10.96.0.98")


class SingleStackCluster(DoubleTest):
    def test_second_family_is_not_there(self):
        for spec in ({"ipFamilyPolicy": "RequireDualStack"}, {"ipFamilies": ["IPv6"]}):
            self.refused(self.client.post(self.path("services"), {
                "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}), 422,
                "Invalid")
        made = self.create(self.path("services"), {"metadata": {"name": "s"}, "spec": {
            "ports": [{"port": 80}], "ipFamilyPolicy": "PreferDualStack"}})
        self.assertEqual(made["spec"]["ipFamilies"], ["IPv4"])


if __name__ == "__main__":
    unittest.main()
