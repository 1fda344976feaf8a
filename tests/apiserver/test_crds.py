# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions: serving, versions, schemas, columns."""

import unittest

from testlib import DoubleTest, wait_until

GROUP = "things.example.com"


def definition(scope="Namespaced", plural="widgets", kind="Widget"):
    schema = {"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9},
            "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "parts": {"type": "array", "maxItems": 2, "items": {
                "type": "object", "properties": {
                    "name": {"type": "string", "pattern": "^[a-z]+$"},
                    "port": {"x-kubernetes-int-or-string": True}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}},
        "status": {"type": "object", "properties": {"state": {"type": "string"}}}}}
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
               {"name": "Part", "type": "string", "jsonPath": ".spec.parts[0].name"},
               {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
    versions = [{"name": name, "served": True, "storage": name == "v1",
                 "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
                 "additionalPrinterColumns": columns} for name in ("v1alpha1", "v1")]
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GROUP}"},
            "spec": {"group": GROUP, "scope": scope, "versions": versions,
                     "names": {"plural": plural, "kind": kind, "shortNames": ["wd"]}}}


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class CustomResources(DoubleTest):
    def setUp(self):
        super().setUp()
        self.crd = self.create(CRDS, definition())
        self.addCleanup(self.client.delete, f"{CRDS}/widgets.{GROUP}")
        self.widgets = self.path("widgets", group=GROUP)

    def widget(self, name="w", **spec):
        return {"metadata": {"name": name}, "spec": {"size": 3, **spec}}

    def test_established_and_discovered(self):
        conditions = {c["type"]: c["status"] for c in self.crd["status"]["conditions"]}
        self.assertEqual(conditions, {"NamesAccepted": "True", "Established": "True"})
        found = self.client.get(f"/apis/{GROUP}").json
        self.assertEqual([v["version"] for v in found["versions"]], ["v1", "v1alpha1"])
        resources = self.client.get(f"/apis/{GROUP}/v1").json["resources"]
        self.assertEqual([(r["name"], r["kind"]) for r in resources],
                         [("widgets", "Widget"), ("widgets/status", "Widget")])

    def test_versions_show_the_same_objects(self):
        self.create(self.widgets, self.widget())
        alpha = self.path("widgets", group=GROUP, version="v1alpha1")
        watch = self.watch(alpha)
        self.assertEqual(watch.next()[1]["apiVersion"], f"{GROUP}/v1alpha1")
        changed = self.client.merge(alpha + "/w", {"spec": {"size": 4}}).json
        self.assertEqual(changed["apiVersion"], f"{GROUP}/v1alpha1")
        kept = self.client.get(self.widgets).json
        self.assertEqual((kept["kind"], kept["items"][0]["apiVersion"],
                          kept["items"][0]["spec"]["size"]),
                         ("WidgetList", f"{GROUP}/v1", 4))

    def test_schema_defaults_prunes_and_validates(self):
        made = self.create(self.widgets, self.widget(unknown=1, free={"x": 1}))
        self.assertEqual(made["spec"], {"size": 3, "color": "red", "free": {"x": 1}})
        for spec, field in (({"size": "3"}, "spec.size"), ({"size": 0}, "spec.size"),
                            ({"size": 10}, "spec.size"), ({"color": "green"}, "spec.color"),
                            ({"parts": [{"name": "A"}]}, "spec.parts[0].name"),
                            ({"parts": [{"port": True}]}, "spec.parts[0].port"),
                            ({"parts": [{}, {}, {}]}, "spec.parts")):
            self.refused(self.client.post(self.widgets, self.widget("x", **spec)), 422, "Invalid",
                         field)
        self.refused(self.client.post(self.widgets, {"metadata": {"name": "x"}}), 422, "Invalid",
                     "spec")
        self.refused(self.client.post(self.widgets, {"metadata": {"name": "x"}, "spec": {}}), 422,
                     "Invalid", "spec.size: Required")

    def test_status_subresource_and_generation(self):
        made = self.create(self.widgets, dict(self.widget(), status={"state": "x"}))
        self.assertNotIn("status", made)
        changed = self.client.merge(self.widgets + "/w/status", {
            "status": {"state": "up"}, "spec": {"size": 9},
            "metadata": {"labels": {"a": "b"}}}).json
        self.assertEqual((changed["status"], changed["spec"]["size"],
                          changed["metadata"].get("labels"),
                          changed["metadata"]["generation"]), ({"state": "up"}, 3, None, 1))

    def test_strategic_merge_is_not_for_custom_resources(self):
        self.create(self.widgets, self.widget())
        self.refused(self.client.strategic(self.widgets + "/w", {"spec": {"size": 4}}), 415,
                     "UnsupportedMediaType")

    def test_columns(self):
        self.create(self.widgets, self.widget(parts=[{"name": "bolt"}]))
        table = self.client.request("GET", self.widgets, headers={
            "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json
        self.assertEqual([c["name"] for c in table["columnDefinitions"]],
                         ["Name", "Size", "Part", "Age"])
        self.assertEqual(table["rows"][0]["cells"][:3], ["w", 3, "bolt"])

    def test_deleted_definition_is_no_longer_served(self):
        self.create(self.widgets, self.widget())
        watch = self.watch(self.widgets)
        self.assertEqual(watch.names(1), [("ADDED", "w")])
        self.client.delete(f"{CRDS}/widgets.{GROUP}")
        self.assertEqual(watch.names(1), [("DELETED", "w")])
        with self.assertRaises(EOFError):
            watch.line()
        self.refused(self.client.get(self.widgets), 404, "NotFound")
        self.create(CRDS, definition())
        self.assertEqual(self.client.get(self.widgets).json["items"], [])

    def test_cluster_scope(self):
        self.create(CRDS, definition("Cluster", "gadgets", "Gadget"))
        path = f"/apis/{GROUP}/v1/gadgets"
        self.create(path, self.widget())
        self.assertEqual(self.client.get(path + "/w").code, 200)
        self.refused(self.client.get(self.path("gadgets", group=GROUP)), 404, "NotFound")
        self.client.delete(f"{CRDS}/gadgets.{GROUP}")

    def test_bad_definitions_are_refused(self):
        for change in ({"scope": "Galaxy"}, {"versions": []}, {"group": "other.example.com"}):
            bad = definition(plural="bads", kind="Bad")
            bad["spec"].update(change)
            self.refused(self.client.post(CRDS, bad), 422, "Invalid")

    def test_objects_go_with_their_namespace(self):
        self.create(self.widgets, self.widget())
        self.client.delete(f"/api/v1/namespaces/{self.ns}")
        wait_until(lambda: self.client.get(f"/api/v1/namespaces/{self.ns}").code == 404)
        self.assertEqual(self.client.get(f"/apis/{GROUP}/v1/widgets").json["items"], [])


if __name__ == "__main__":
    unittest.main()
