# SPDX-License-Identifier: Apache-2.0
"""Create, read, update, delete: versions, conflicts, validation, status, finalizers, namespaces."""

import unittest

from testlib import DoubleTest, pod_object, wait_until


class Objects(DoubleTest):
    def config_map(self, name="cm", **fields):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}

    def test_create_fills_in_metadata(self):
        made = self.create(self.path("pods"), pod_object("a"))
        meta = made["metadata"]
        self.assertRegex(meta["uid"], "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")
        self.assertRegex(meta["creationTimestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual((meta["namespace"], meta["generation"]), (self.ns, 1))
        self.assertEqual(made, self.client.get(self.path("pods", "a")).json)

    def test_versions_rise_over_all_resources(self):
        first = self.create(self.path("configmaps"), self.config_map())
        second = self.create(self.path("pods"), pod_object("a"))
        self.assertLess(int(first["metadata"]["resourceVersion"]),
                        int(second["metadata"]["resourceVersion"]))
        listed = self.client.get(self.path("services")).json
        self.assertGreaterEqual(int(listed["metadata"]["resourceVersion"]),
                                int(second["metadata"]["resourceVersion"]))

    def test_create_twice_is_already_exists(self):
        self.create(self.path("configmaps"), self.config_map())
        status = self.refused(self.client.post(self.path("configmaps"), self.config_map()),
                              409, "AlreadyExists", 'configmaps "cm" already exists')
        self.assertEqual(status["details"], {"name": "cm", "kind": "configmaps"})

    def test_generate_name(self):
        names = {self.create(self.path("configmaps"), {"metadata": {"generateName": "cm-"}})
                 ["metadata"]["name"] for _ in range(3)}
        self.assertEqual(len(names), 3)
        for name in names:
            self.assertRegex(name, "^cm-[a-z0-9]{5}$")

    def test_missing_object_is_not_found(self):
        self.refused(self.client.get(self.path("pods", "no")), 404, "NotFound",
                     'pods "no" not found')
        self.refused(self.client.put(self.path("pods", "no"), pod_object("no")), 404, "NotFound")
        self.refused(self.client.delete(self.path("pods", "no")), 404, "NotFound")
        self.refused(self.client.get("/apis/networking.k8s.io/v1/namespaces/x/nonsense"), 404,
                     "NotFound", "the server could not find the requested resource")

    def test_namespace_must_exist(self):
        self.refused(self.client.post("/api/v1/namespaces/none/pods", pod_object("a")), 404,
                     "NotFound", 'namespaces "none" not found')
        self.assertEqual(self.client.get("/api/v1/namespaces/none/pods").json["items"], [])

    def test_wrong_type_or_place_is_refused(self):
        self.refused(self.client.post(self.path("pods"), self.config_map()), 400, "BadRequest")
        pod = pod_object("a", namespace="other")
        self.refused(self.client.post(self.path("pods"), pod), 400, "BadRequest", "namespace")
        self.refused(self.client.post(self.path("pods"), b"{"), 400, "BadRequest")
        self.refused(self.client.request("POST", self.path("pods"), b"x", "text/plain"), 415,
                     "UnsupportedMediaType")

    def test_bad_names_are_invalid(self):
        for plural, name in (("pods", "Bad_Name"), ("pods", "-a"), ("services", "1a"),
                             ("configmaps", "a..b"), ("configmaps", "x" * 254)):
            status = self.refused(self.client.post(self.path(plural), {
                "metadata": {"name": name},
                "spec": {"ports": [{"port": 1}], "containers": [{"name": "c", "image": "i"}]}}),
                422, "Invalid", "metadata.name")
            self.assertEqual(status["details"]["causes"][0]["field"], "metadata.name")
        self.refused(self.client.post("/api/v1/namespaces", {"metadata": {"name": "a.b"}}), 422,
                     "Invalid")
        self.create(self.path("configmaps"), self.config_map("a.b"))

    def test_bad_labels_are_invalid(self):
        for labels in ({"a b": "c"}, {"a": "c d"}, {"/x": "y"}, {"a": "x" * 64}):
            pod = pod_object("a", labels)
            self.refused(self.client.post(self.path("pods"), pod), 422, "Invalid", "labels")

    def test_stale_update_is_conflict(self):
        made = self.create(self.path("configmaps"), self.config_map(data={"a": "1"}))
        stale = dict(made, data={"a": "2"})
        self.assertEqual(self.client.put(self.path("configmaps", "cm"), stale).code, 200)
        self.refused(self.client.put(self.path("configmaps", "cm"), dict(made, data={"a": "3"})),
                     409, "Conflict", "the object has been modified")
        unconditional = self.config_map(data={"a": "4"})
        answer = self.client.put(self.path("configmaps", "cm"), unconditional)
        self.assertEqual((answer.code, answer.json["data"]), (200, {"a": "4"}))

    def test_update_of_another_uid_is_conflict(self):
        self.create(self.path("configmaps"), self.config_map())
        other = {"metadata": {"name": "cm", "uid": "not-this-one"}}
        self.refused(self.client.put(self.path("configmaps", "cm"), other), 409, "Conflict")

    def test_equal_update_keeps_the_version(self):
        made = self.create(self.path("configmaps"), self.config_map(data={"a": "1"}))
        again = self.client.put(self.path("configmaps", "cm"), made).json
        self.assertEqual(again["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])

    def test_generation_counts_changes_of_the_spec(self):
        path = self.path("networkpolicies", group="networking.k8s.io")
        self.create(path, {"metadata": {"name": "p"}, "spec": {"podSelector": {}}})
        labelled = self.client.merge(path + "/p", {"metadata": {"labels": {"a": "b"}}}).json
        self.assertEqual(labelled["metadata"]["generation"], 1)
        changed = self.client.merge(path + "/p", {"spec": {"egress": [{}]}}).json
        self.assertEqual(changed["metadata"]["generation"], 2)

    def test_status_is_a_subresource(self):
        pod = dict(pod_object("a"), status={"phase": "Running"})
        made = self.create(self.path("pods"), pod)
        self.assertEqual(made["status"]["phase"], "Pending")
        changed = self.client.merge(self.path("pods", "a"), {"status": {"phase": "Running"}}).json
        self.assertEqual(changed["status"]["phase"], "Pending")
        changed = self.client.merge(self.path("pods", "a") + "/status", {
            "status": {"phase": "Running"}, "spec": {"hostname": "h"}}).json
        self.assertEqual(changed["status"]["phase"], "Running")
        self.assertNotIn("hostname", changed["spec"])
        self.assertEqual(changed["metadata"]["generation"], 1)
        changed["status"]["phase"] = "Failed"
        changed["spec"]["nodeName"] = "n"
        put = self.client.put(self.path("pods", "a") + "/status", changed).json
        self.assertEqual((put["status"]["phase"], put["spec"].get("nodeName")), ("Failed", None))

    def test_pod_addresses_agree(self):
        self.pod("a", ip=["10.0.0.1", "fd00::1"])
        self.client.merge(self.path("pods", "a") + "/status", {"status": {"podIP": "10.0.0.2"}})
        status = self.client.get(self.path("pods", "a")).json["status"]
        self.assertEqual(status["podIPs"], [{"ip": "10.0.0.2"}])

    def test_delete_answers(self):
        made = self.create(self.path("configmaps"), self.config_map())
        status = self.client.delete(self.path("configmaps", "cm")).json
        self.assertEqual((status["status"], status["details"]["uid"]),
                         ("Success", made["metadata"]["uid"]))
        self.pod("a")
        gone = self.client.delete(self.path("pods", "a"), {"propagationPolicy": "Foreground"}).json
        self.assertEqual((gone["kind"], gone["metadata"]["name"]), ("Pod", "a"))
        self.refused(self.client.get(self.path("pods", "a")), 404, "NotFound")

    def test_delete_preconditions(self):
        made = self.create(self.path("configmaps"), self.config_map())
        path = self.path("configmaps", "cm")
        self.refused(self.client.delete(path, {"preconditions": {"uid": "x"}}), 409, "Conflict")
        self.refused(self.client.delete(path, {"preconditions": {"resourceVersion": "1"}}), 409,
                     "Conflict")
        uid = made["metadata"]["uid"]
        self.assertEqual(self.client.delete(path, {"preconditions": {"uid": uid}}).code, 200)

    def test_finalizers_hold_a_deleted_object(self):
        self.pod("a", finalizers=["example.com/hold"])
        marked = self.client.delete(self.path("pods", "a")).json
        stamp = marked["metadata"]["deletionTimestamp"]
        self.assertTrue(stamp)
        self.refused(self.client.post(self.path("pods"), pod_object("a")), 409, "AlreadyExists")
        self.refused(self.client.merge(self.path("pods", "a"), {
            "metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}), 422, "Invalid",
            "no new finalizers can be added if the object is being deleted")
        kept = self.client.merge(self.path("pods", "a"), {
            "metadata": {"deletionTimestamp": None, "labels": {"x": "y"}}}).json
        self.assertEqual(kept["metadata"]["deletionTimestamp"], stamp)
        self.client.merge(self.path("pods", "a"), {"metadata": {"finalizers": None}})
        self.refused(self.client.get(self.path("pods", "a")), 404, "NotFound")

    def test_deletecollection_honours_selectors(self):
        for name, labels in (("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {"x": "2"})):
            self.pod(name, labels)
        answer = self.client.delete(self.path("pods"), labelSelector="x=1")
        self.assertEqual((answer.code, len(answer.json["items"])), (200, 2))
        left = self.client.get(self.path("pods")).json["items"]
        self.assertEqual([p["metadata"]["name"] for p in left], ["c"])

    def test_namespace_deletion_takes_what_is_in_it(self):
        self.create("/api/v1/namespaces", {"metadata": {"name": "doomed"}})
        self.create("/api/v1/namespaces/doomed/pods", pod_object("a", finalizers=["x.io/hold"]))
        self.create("/api/v1/namespaces/doomed/configmaps", self.config_map())
        gone = self.client.delete("/api/v1/namespaces/doomed").json
        self.assertEqual(gone["status"]["phase"], "Terminating")
        self.refused(self.client.post("/api/v1/namespaces/doomed/pods", pod_object("b")), 403,
                     "Forbidden", "because it is being terminated")
        wait_until(lambda: self.client.get("/api/v1/namespaces/doomed/configmaps/cm").code == 404)
        self.assertEqual(self.client.get("/api/v1/namespaces/doomed").code, 200)
        self.client.merge("/api/v1/namespaces/doomed/pods/a", {"metadata": {"finalizers": None}})
        self.assertEqual(self.client.get("/api/v1/namespaces/doomed").code, 404)

    def test_namespace_has_its_name_as_label(self):
        made = self.client.get(f"/api/v1/namespaces/{self.ns}").json
        self.assertEqual(made["metadata"]["labels"], {"kubernetes.io/metadata.name": self.ns})
        self.assertEqual(made["status"]["phase"], "Active")
        names = {n["metadata"]["name"] for n in self.client.get("/api/v1/namespaces").json["items"]}
        self.assertLessEqual({"default", "kube-system", "kube-public", "kube-node-lease"}, names)

    def test_dry_run_stores_nothing(self):
        answer = self.client.post(self.path("configmaps"), self.config_map(), dryRun="All")
        self.assertEqual(answer.code, 201)
        self.assertEqual(self.client.get(self.path("configmaps", "cm")).code, 404)

    def test_list_items_have_no_type(self):
        self.pod("a")
        listed = self.client.get(self.path("pods")).json
        self.assertEqual((listed["kind"], listed["apiVersion"]), ("PodList", "v1"))
        self.assertNotIn("kind", listed["items"][0])
        self.assertEqual(self.client.get(self.path("pods", "a")).json["kind"], "Pod")

    def test_events_are_one_collection_in_two_groups(self):
        self.create(self.path("events"), {
            "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "a"},
            "reason": "Because", "message": "text", "type": "Warning"})
        path = self.path("events", group="events.k8s.io")
        seen = self.client.get(path + "/e").json
        self.assertEqual((seen["apiVersion"], seen["note"], seen["regarding"]["name"]),
                         ("events.k8s.io/v1", "text", "a"))
        self.create(path, {"metadata": {"name": "f"}, "note": "other", "reason": "R",
                           "type": "Normal",
                           "regarding": {"kind": "Pod", "name": "b"}, "action": "Act"})
        core = self.client.get(self.path("events"), fieldSelector="involvedObject.name=b").json
        self.assertEqual([e["message"] for e in core["items"]], ["other"])

    def test_events_of_the_new_group_are_validated(self):
        path = self.path("events", group="events.k8s.io")
        good = {"metadata": {"name": "g"}, "eventTime": "2026-01-01T00:00:00.000000Z",
                "type": "Warning", "reason": "R", "action": "Act", "note": "text",
                "reportingController": "c", "reportingInstance": "i",
                "regarding": {"kind": "Pod", "namespace": self.ns, "name": "b"}}
        for field, value in (("action", ""), ("reason", "x" * 129), ("type", "Odd"),
                             ("note", "x" * 1025), ("reportingInstance", None),
                             ("regarding", {"kind": "Pod", "namespace": "other", "name": "b"})):
            self.refused(self.client.post(path, {**good, field: value}), 422, "Invalid", field)
        self.create(path, good)
        self.refused(self.client.post(path, good), 409, "AlreadyExists")
        once = {"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}
        self.refused(self.client.merge(path + "/g", once), 422, "Invalid", "series")
        self.refused(self.client.merge(path + "/g", {"reason": "S"}), 422, "Invalid", "reason")
        about_a_node = {**good, "regarding": {"kind": "Node", "name": "n"}}
        self.refused(self.client.post(path, about_a_node), 422, "Invalid", "regarding")
        path_of_cluster = "/apis/events.k8s.io/v1/namespaces/default/events"
        self.create(path_of_cluster, {**about_a_node, "metadata": {"name": f"{self.ns}-g"}})
        twice = {"series": {**once["series"], "count": 2}}
        self.assertEqual(self.client.merge(path + "/g", twice).json["series"]["count"], 2)

    def test_pod_binding_and_eviction(self):
        self.pod("a")
        body = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}}
        self.create(self.path("pods", "a") + "/binding", body)
        self.assertEqual(self.client.get(self.path("pods", "a")).json["spec"]["nodeName"], "n1")
        self.refused(self.client.post(self.path("pods", "a") + "/binding", body), 409, "Conflict")
        self.create(self.path("pods", "a") + "/eviction", {"metadata": {"name": "a"}})
        self.assertEqual(self.client.get(self.path("pods", "a")).code, 404)

    def test_pod_defaults_and_immutability(self):
        made = self.pod("a", ports=[{"containerPort": 80}])
        self.assertEqual(made["spec"]["containers"][0]["ports"][0]["protocol"], "TCP")
        self.assertEqual((made["spec"]["restartPolicy"], made["status"]["phase"]),
                         ("Always", "Pending"))
        answer = self.client.merge(self.path("pods", "a"), {"spec": {"hostNetwork": True}})
        self.refused(answer, 422, "Invalid", "pod updates may not change fields")
        answer = self.client.post(self.path("pods"), {"metadata": {"name": "b"}, "spec": {}})
        self.refused(answer, 422, "Invalid", "spec.containers")

    def test_network_policy_defaults_and_validation(self):
        path = self.path("networkpolicies", group="networking.k8s.io")
        made = self.create(path, {"metadata": {"name": "p"}, "spec": {
            "podSelector": {}, "ingress": [{"ports": [{"port": 80}]}], "egress": [{}]}})
        self.assertEqual(made["spec"]["policyTypes"], ["Ingress", "Egress"])
        self.assertEqual(made["spec"]["ingress"][0]["ports"][0]["protocol"], "TCP")
        for rule in ({"from": [{}]}, {"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]},
                     {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]},
                     {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]},
                     {"ports": [{"port": 0}]}, {"ports": [{"endPort": 5}]},
                     {"ports": [{"port": 80, "endPort": 79}]}, {"ports": [{"protocol": "ICMP"}]}):
            self.refused(self.client.post(path, {"metadata": {"name": "q"}, "spec": {
                "podSelector": {}, "ingress": [rule]}}), 422, "Invalid", "spec.ingress[0]")


class GracefulPods(DoubleTest):
    options = ("--graceful-pods",)

    def test_pod_on_a_node_waits_for_its_kubelet(self):
        self.pod("a", node="n1")
        marked = self.client.delete(self.path("pods", "a"), gracePeriodSeconds="5").json
        self.assertEqual(marked["metadata"]["deletionGracePeriodSeconds"], 5)
        self.assertEqual(self.client.get(self.path("pods", "a")).code, 200)
        self.client.delete(self.path("pods", "a"), {"gracePeriodSeconds": 0})
        self.assertEqual(self.client.get(self.path("pods", "a")).code, 404)
        self.pod("b")
        self.client.delete(self.path("pods", "b"))
        self.assertEqual(self.client.get(self.path("pods", "b")).code, 404)


if __name__ == "__main__":
    unittest.main()
