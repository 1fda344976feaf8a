# SPDX-License-Identifier: Apache-2.0
"""What is served: the table of built-in resources, and a registry that CRDs add to."""

import re
import threading


class Resource:
    """One served group, version and plural.

    storage names the collection that holds the objects; two resources may share one.
    present(obj) makes what clients of this version see out of a stored object, accept(obj) goes
    the other way; both are None when the stored form is the served one.
    """

    def __init__(self, group, version, plural, kind, namespaced, short=(), categories=(),
                 subresources=(), singular=None, storage=None, present=None, accept=None,
                 generation=False, list_kind=None, schema=None, columns=(), selectable_fields=(),
                 custom=False):
        self.group = group
        self.version = version
        self.plural = plural
        self.kind = kind
        self.list_kind = list_kind or kind + "List"
        self.singular = singular or kind.lower()
        self.namespaced = namespaced
        self.short = list(short)
        self.categories = list(categories)
        self.subresources = tuple(subresources)
        self.storage = storage or (f"{plural}.{group}" if group else plural)
        self.present = present
        self.accept = accept
        self.generation = generation
        self.schema = schema
        self.columns = columns
        self.selectable_fields = selectable_fields
        self.custom = custom

    @property
    def api_version(self):
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def gvr(self):
        return (self.group, self.version, self.plural)

    @property
    def has_status(self):
        return "status" in self.subresources

    def named(self, text):
        """Whether text means this resource: its plural, or plural.group."""
        return text in (self.plural, f"{self.plural}.{self.group}")


_STATUS = ("status",)

_CORE = (
    Resource("", "v1", "namespaces", "Namespace", False, ["ns"], subresources=_STATUS),
    Resource("", "v1", "nodes", "Node", False, ["no"], subresources=_STATUS),
    Resource("", "v1", "pods", "Pod", True, ["po"], ["all"],
                 ("status", "binding", "eviction", "ephemeralcontainers"), generation=True),
    Resource("", "v1", "services", "Service", True, ["svc"], ["all"], _STATUS),
    Resource("", "v1", "endpoints", "Endpoints", True, ["ep"], singular="endpoints",
                 list_kind="EndpointsList"),
    Resource("", "v1", "configmaps", "ConfigMap", True, ["cm"]),
    Resource("", "v1", "secrets", "Secret", True),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ["sa"]),
    Resource("", "v1", "events", "Event", True, ["ev"]),
    Resource("", "v1", "resourcequotas", "ResourceQuota", True, ["quota"], subresources=_STATUS),
    Resource("", "v1", "limitranges", "LimitRange", True, ["limits"]),
    Resource("", "v1", "replicationcontrollers", "ReplicationController", True, ["rc"], ["all"],
                 _STATUS, generation=True),
    Resource("", "v1", "persistentvolumes", "PersistentVolume", False, ["pv"],
                 subresources=_STATUS),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ["pvc"],
                 subresources=_STATUS),
)

_RBAC = "rbac.authorization.k8s.io"
_GROUPS = (
    Resource("apps", "v1", "deployments", "Deployment", True, ["deploy"], ["all"], _STATUS,
             generation=True),
    Resource("apps", "v1", "daemonsets", "DaemonSet", True, ["ds"], ["all"], _STATUS,
             generation=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", True, ["rs"], ["all"], _STATUS,
             generation=True),
    Resource("apps", "v1", "statefulsets", "StatefulSet", True, ["sts"], ["all"], _STATUS,
             generation=True),
    Resource("batch", "v1", "jobs", "Job", True, categories=["all"], subresources=_STATUS,
             generation=True),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True, generation=True),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True, ["netpol"],
             generation=True),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress", True, ["ing"],
             subresources=_STATUS, generation=True),
    Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", False, generation=True),
    Resource(_RBAC, "v1", "roles", "Role", True),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding", True),
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole", False),
    Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", True),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ["pdb"],
             subresources=_STATUS, generation=True),
    Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False, ["pc"],
             generation=True),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
             False, ["crd", "crds"], ["api-extensions"], _STATUS, generation=True),
)

# core/v1 name -> events.k8s.io/v1 name, for the fields that differ.
_EVENT_NAMES = {
    "involvedObject": "regarding", "message": "note", "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount", "reportingComponent": "reportingController",
}
_EVENT_NAMES_BACK = {v: k for k, v in _EVENT_NAMES.items()}


def _renamed(obj, names, api_version):
    ret = {names.get(k, k): v for k, v in obj.items()}
    ret["apiVersion"] = api_version
    return ret


_EVENTS_V1 = Resource(
    "events.k8s.io", "v1", "events", "Event", True, ["ev"], storage="events",
    present=lambda obj: _renamed(obj, _EVENT_NAMES, "events.k8s.io/v1"),
    accept=lambda obj: _renamed(obj, _EVENT_NAMES_BACK, "v1"))


class Registry:
    """The resources served now. Readers need no lock: the table is replaced, never changed."""

    def __init__(self):
        self._lock = threading.Lock()
        self._set({r.gvr: r for r in (*_CORE, *_GROUPS, _EVENTS_V1)})

    def _set(self, table):
        self._table = table
        self._kinds = {(r.api_version, r.kind): r for r in table.values()}

    def find(self, group, version, plural):
        return self._table.get((group, version, plural))

    def all(self):
        return list(self._table.values())

    def by_kind(self, api_version, kind):
        """The resource of an object's apiVersion and kind, or None."""
        return self._kinds.get((api_version, kind))

    def stored(self):
        """One resource per collection."""
        return list({r.storage: r for r in reversed(self._table.values())}.values())

    def replace(self, storage, resources):
        """Serves `resources` in place of those that share the collection `storage`."""
        with self._lock:
            table = {k: r for k, r in self._table.items() if r.storage != storage}
            table.update({r.gvr: r for r in resources})
            self._set(table)

    def groups(self):
        """{group: [versions]}, core as "", in the order of the table; preferred version first."""
        ret = {}
        for res in self._table.values():
            versions = ret.setdefault(res.group, [])
            if res.version not in versions:
                versions.append(res.version)
        for versions in ret.values():
            versions.sort(key=_version_priority)
        return ret


def _version_priority(version):
    """v2 before v1 before v1beta2 before v1alpha1, as kube-aware version sorting has it."""
    m = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if not m:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[m.group(2)]
    return (stage, -int(m.group(1)), -int(m.group(3) or 0), version)
