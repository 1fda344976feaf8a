# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions: one that is created is served at once."""

from . import errors
from .lifecycle import Strategy, now
from .resources import Resource
from .schema import Schema
from .store import clone


class Definitions(Strategy):
    returns_deleted = True

    def __init__(self, store, registry):
        self.store = store
        self.registry = registry

    def defaults(self, obj, old):
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        if names.get("kind"):
            names.setdefault("listKind", names["kind"] + "List")
            names.setdefault("singular", names["kind"].lower())
        spec.setdefault("conversion", {"strategy": "None"})
        stored = [v["name"] for v in spec.get("versions") or [] if v.get("storage")]
        since = _established(old) or now()
        obj["status"] = {
            "acceptedNames": clone(names),
            "storedVersions": sorted({*(((old or {}).get("status") or {}).get(
                "storedVersions") or []), *stored}),
            "conditions": [
                {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts",
                 "message": "no conflicts found", "lastTransitionTime": since},
                {"type": "Established", "status": "True", "reason": "InitialNamesAccepted",
                         "message": "the initial names have been accepted",
                         "lastTransitionTime": since}]}

    def validate(self, obj, old):
        spec, names, causes = obj["spec"], obj["spec"]["names"], []
        for field, value in (("spec.group", spec.get("group")),
                             ("spec.names.plural", names.get("plural")),
                             ("spec.names.kind", names.get("kind")),
                             ("spec.versions", spec.get("versions"))):
            if not value:
                causes.append(errors.required(field))
        if spec.get("scope") not in ("Namespaced", "Cluster"):
            causes.append(errors.not_supported("spec.scope", spec.get("scope"),
                                               ("Cluster", "Namespaced")))
        expected = f"{names.get('plural')}.{spec.get('group')}"
        if obj["metadata"]["name"] != expected:
            causes.append(errors.bad_value("metadata.name", obj["metadata"]["name"],
                                           "must be spec.names.plural+\".\"+spec.group"))
        if sum(1 for v in spec.get("versions") or [] if v.get("storage")) != 1:
            causes.append(errors.bad_value("spec.versions", "", "must have exactly one version "
                                           "marked as storage version"))
        for i, version in enumerate(spec.get("versions") or []):
            if not (version.get("schema") or {}).get("openAPIV3Schema"):
                causes.append(errors.required(f"spec.versions[{i}].schema.openAPIV3Schema",
                                              "schemas are required"))
        if old and any(old["spec"][k] != spec.get(k) for k in ("scope", "group")):
            causes.append(errors.bad_value("spec", "", "scope and group are immutable"))
        return causes

    def stored(self, obj):
        self.registry.replace(obj["metadata"]["name"], _resources(obj))

    def released(self, obj):
        """Its objects go first, so that those who watch see them go."""
        name = obj["metadata"]["name"]
        for record in self.store.list(name)[1]:
            meta = record.obj["metadata"]
            self.store.remove(name, (meta.get("namespace", ""), meta["name"]))
        self.registry.replace(name, [])
        self.store.end_watches(name)


def _established(old):
    for cond in ((old or {}).get("status") or {}).get("conditions") or []:
        if cond["type"] == "Established":
            return cond["lastTransitionTime"]
    return None


def _resources(crd):
    """A Resource for each served version. Conversion only ever changes apiVersion."""
    spec, names, ret = crd["spec"], crd["spec"]["names"], []
    storage = next(v["name"] for v in spec["versions"] if v.get("storage"))
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        same = version["name"] == storage
        ret.append(Resource(
            spec["group"], version["name"], names["plural"], names["kind"],
            spec["scope"] == "Namespaced", names.get("shortNames") or (),
            names.get("categories") or (),
            ("status",) if "status" in (version.get("subresources") or {}) else (),
            names["singular"], crd["metadata"]["name"],
            None if same else _retyped(f"{spec['group']}/{version['name']}"),
            None if same else _retyped(f"{spec['group']}/{storage}"),
            True, names["listKind"], Schema(version["schema"]["openAPIV3Schema"]),
            tuple(version.get("additionalPrinterColumns") or ()),
            tuple(version.get("selectableFields") or ()), True))
    return ret


def _retyped(api_version):
    return lambda obj: {**obj, "apiVersion": api_version}
