# SPDX-License-Identifier: Apache-2.0
"""Defaults and validation of kinds; Service and CRDs have files of their own."""

import base64
import ipaddress

from .errors import bad_value, duplicate, forbidden_value, not_supported, required
from .lifecycle import Strategy
from .store import clone

PROTOCOLS = ("TCP", "UDP", "SCTP")


def bad_port(field, port):
    """The causes for which a port number is refused."""
    if isinstance(port, int) and not isinstance(port, bool) and 1 <= port <= 65535:
        return []
    return [bad_value(field, port, "must be between 1 and 65535, inclusive")]


class Namespaces(Strategy):
    returns_deleted = True

    def defaults(self, obj, old):
        meta = obj["metadata"]
        if meta.get("labels") is None:
            meta["labels"] = {}
        meta["labels"]["kubernetes.io/metadata.name"] = meta["name"]
        if old is None:
            obj["spec"] = {"finalizers": ["kubernetes"]}
            obj["status"] = {"phase": "Active"}
        else:
            obj["spec"] = clone(old.get("spec") or {})


class Nodes(Strategy):
    keeps_status_on_create = True

    def defaults(self, obj, old):
        spec = obj.get("spec")
        if spec is None:
            spec = obj["spec"] = {}
        if spec.get("podCIDR") and not spec.get("podCIDRs"):
            spec["podCIDRs"] = [spec["podCIDR"]]
        if spec.get("podCIDRs") and not spec.get("podCIDR"):
            spec["podCIDR"] = spec["podCIDRs"][0]
        if obj.get("status") is None:
            obj["status"] = {}

    def validate(self, obj, old):
        causes = []
        for i, cidr in enumerate(obj["spec"].get("podCIDRs") or []):
            if not _is_cidr(cidr):
                causes.append(bad_value(f"spec.podCIDRs[{i}]", cidr, "must be a valid CIDR"))
        if old and old["spec"].get("podCIDRs") and \
           old["spec"]["podCIDRs"] != obj["spec"].get("podCIDRs"):
            causes.append(forbidden_value(
                "spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid"))
        return causes


def _container_defaults(container):
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = container.get("image", "")
    tagged = ":" in image.rpartition("/")[2] and not image.endswith(":latest")
    container.setdefault("imagePullPolicy", "IfNotPresent" if tagged else "Always")
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")


_POD_SPEC = {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
             "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler",
             "enableServiceLinks": True}


def pod_spec_defaults(spec):
    for key, value in _POD_SPEC.items():
        spec.setdefault(key, value)
    spec.setdefault("securityContext", {})
    if spec.get("serviceAccountName") or spec.get("serviceAccount"):
        name = spec.get("serviceAccountName") or spec["serviceAccount"]
        spec["serviceAccountName"] = spec["serviceAccount"] = name
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or []:
            _container_defaults(container)
            for port in (container.get("ports") or []) if spec.get("hostNetwork") else ():
                port.setdefault("hostPort", port.get("containerPort"))


class Pods(Strategy):
    returns_deleted = True

    def defaults(self, obj, old):
        if obj.get("spec") is None:
            obj["spec"] = {}
        pod_spec_defaults(obj["spec"])
        if old is None:
            obj["spec"].setdefault("serviceAccountName", "default")
            obj["spec"].setdefault("serviceAccount", obj["spec"]["serviceAccountName"])
        status = obj.get("status")
        if status is None:
            status = obj["status"] = {}
        status.setdefault("phase", "Pending")
        status.setdefault("qosClass", "BestEffort")
        before = (old or {}).get("status") or {}
        _sync_first(status, before, "podIP", "podIPs")
        _sync_first(status, before, "hostIP", "hostIPs")

    def validate(self, obj, old):
        spec = obj["spec"]
        if not spec.get("containers"):
            return [required("spec.containers")]
        causes, seen = [], set()
        for i, container in enumerate(spec["containers"]):
            causes += _container_causes(f"spec.containers[{i}]", container, seen)
        if old:
            causes += _immutable_pod(spec, old["spec"])
        return causes


def _sync_first(status, before, single, plural):
    """podIP is podIPs[0]: whichever of the two was changed decides."""
    if status.get(plural) and (status.get(plural) != before.get(plural) or not status.get(single)):
        status[single] = status[plural][0].get("ip", "")
    elif status.get(single):
        if not status.get(plural) or status[plural][0].get("ip") != status[single]:
            status[plural] = [{"ip": status[single]}]
    elif before.get(single) and single not in status:
        status.pop(plural, None)


def _container_causes(field, container, seen):
    causes = []
    name = container.get("name")
    if not name:
        causes.append(required(f"{field}.name"))
    elif name in seen:
        causes.append(duplicate(f"{field}.name", name))
    seen.add(name)
    if not container.get("image"):
        causes.append(required(f"{field}.image"))
    for i, port in enumerate(container.get("ports") or []):
        causes += bad_port(f"{field}.ports[{i}].containerPort", port.get("containerPort"))
        if port.get("protocol") not in PROTOCOLS:
            causes.append(not_supported(f"{field}.ports[{i}].protocol", port.get("protocol"),
                                        PROTOCOLS))
    return causes


_POD_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds",
                "schedulingGates", "nodeName", "ephemeralContainers", "containers",
                "initContainers")


def _immutable_pod(spec, old):
    fixed = [{k: v for k, v in s.items() if k not in _POD_MUTABLE} for s in (spec, old)]
    images = [[{k: v for k, v in c.items() if k != "image"} for c in s.get("containers") or []]
              for s in (spec, old)]
    if fixed[0] != fixed[1] or images[0] != images[1] or \
       (old.get("nodeName") and old["nodeName"] != spec.get("nodeName")):
        return [forbidden_value("spec", "pod updates may not change fields other than "
                                "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                                "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
                                "to existing tolerations),`spec.terminationGracePeriodSeconds`")]
    return []


class Workloads(Strategy):
    """Deployments and their kin are stored only: no controller makes pods of them."""

    def defaults(self, obj, old):
        spec = obj.setdefault("spec", {})
        if obj["kind"] != "DaemonSet" and obj["kind"] != "Job":
            spec.setdefault("replicas", 1)
        template = spec.setdefault("template", {})
        template.setdefault("metadata", {})
        pod_spec_defaults(template.setdefault("spec", {}))
        obj.setdefault("status", {})

    def validate(self, obj, old):
        if obj["kind"] == "Job":
            return []
        selector = obj["spec"].get("selector") or {}
        labels = (obj["spec"]["template"]["metadata"] or {}).get("labels") or {}
        if not selector:
            return [required("spec.selector")]
        wanted = selector.get("matchLabels", {})
        if any(labels.get(k) != v for k, v in wanted.items()):
            return [bad_value("spec.template.metadata.labels", labels,
                              "`selector` does not match template `labels`")]
        return []


class NetworkPolicies(Strategy):
    def defaults(self, obj, old):
        spec = obj.get("spec")
        if spec is None:
            spec = obj["spec"] = {}
        if spec.get("podSelector") is None:
            spec["podSelector"] = {}
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress"] + (["Egress"] if spec.get("egress") else [])
        for rule in (spec.get("ingress") or []) + (spec.get("egress") or []):
            for port in rule.get("ports") or []:
                port.setdefault("protocol", "TCP")

    def validate(self, obj, old):
        spec, causes = obj["spec"], []
        for i, kind in enumerate(spec["policyTypes"]):
            if kind not in ("Ingress", "Egress"):
                causes.append(not_supported(f"spec.policyTypes[{i}]", kind,
                                            ("Egress", "Ingress")))
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for i, rule in enumerate(spec.get(direction) or []):
                field = f"spec.{direction}[{i}]"
                for j, port in enumerate(rule.get("ports") or []):
                    causes += _policy_port(f"{field}.ports[{j}]", port)
                for j, peer in enumerate(rule.get(peers) or []):
                    causes += _policy_peer(f"{field}.{peers}[{j}]", peer)
        return causes


def _policy_port(field, port):
    causes = []
    if port["protocol"] not in PROTOCOLS:
        causes.append(not_supported(f"{field}.protocol", port["protocol"], PROTOCOLS))
    number, end = port.get("port"), port.get("endPort")
    if isinstance(number, int):
        causes += bad_port(f"{field}.port", number)
    if end is None:
        return causes
    if number is None:
        return causes + [required(f"{field}.port", "must be specified when `endPort` is set")]
    if isinstance(number, str):
        return causes + [bad_value(f"{field}.endPort", end,
                                   "may not be specified when `port` is non-numeric")]
    if end < number:
        causes.append(bad_value(f"{field}.endPort", end,
                                "must be greater than or equal to `port`"))
    return causes


def _policy_peer(field, peer):
    block = peer.get("ipBlock")
    if peer.get("podSelector") is None and peer.get("namespaceSelector") is None and block is None:
        return [required(field, "must specify a peer")]
    if block is None:
        return []
    if len([v for v in peer.values() if v is not None]) > 1:
        return [forbidden_value(field, "may not specify both ipBlock and another peer")]
    cidr = block.get("cidr", "")
    if not _is_cidr(cidr):
        return [bad_value(f"{field}.ipBlock.cidr", cidr, "must be a valid CIDR value, (e.g. "
                          "10.9.8.0/24 or 2001:db8::/64)")]
    outer = ipaddress.ip_network(cidr, strict=False)
    causes = []
    for i, item in enumerate(block.get("except") or []):
        inner = ipaddress.ip_network(item, strict=False) if _is_cidr(item) else None
        if inner is None or inner.version != outer.version or inner == outer or \
           not inner.subnet_of(outer):
            causes.append(bad_value(f"{field}.ipBlock.except[{i}]", item,
                                    f"must be a strict subset of `cidr` \"{cidr}\""))
    return causes


def _is_cidr(text):
    try:
        ipaddress.ip_network(text, strict=False)
    except (ValueError, TypeError):
        return False
    return isinstance(text, str) and "/" in text


class Slices(Strategy):
    def defaults(self, obj, old):
        if obj.get("endpoints") is None:
            obj["endpoints"] = []
        for port in obj.get("ports") or []:
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def validate(self, obj, old):
        family = obj.get("addressType")
        if not family:
            return [required("addressType")]
        if family not in ("IPv4", "IPv6", "FQDN"):
            return [not_supported("addressType", family, ("FQDN", "IPv4", "IPv6"))]
        causes = []
        if old and old["addressType"] != family:
            causes.append(bad_value("addressType", family, "field is immutable"))
        for i, endpoint in enumerate(obj["endpoints"]):
            field = f"endpoints[{i}].addresses"
            if not endpoint.get("addresses"):
                causes.append(required(field, "must contain at least 1 address"))
            for j, address in enumerate(endpoint.get("addresses") or []):
                causes += _address_causes(f"{field}[{j}]", address, family)
        return causes


def _address_causes(field, address, family):
    if family == "FQDN":
        return []
    try:
        good = ipaddress.ip_address(address).version == (4 if family == "IPv4" else 6)
    except ValueError:
        good = False
    return [] if good else [bad_value(field, address, f"must be a valid {family} address")]


class Secrets(Strategy):
    def defaults(self, obj, old):
        obj.setdefault("type", "Opaque")
        for key, value in (obj.pop("stringData", None) or {}).items():
            obj.setdefault("data", {})
            obj["data"][key] = base64.b64encode(value.encode()).decode()


class Events(Strategy):
    """Those with an eventTime keep to the rules of events.k8s.io/v1; the store has core/v1 names."""

    _TEXTS = {"reportingComponent": ("reportingController", 253),
              "reportingInstance": ("reportingInstance", 128), "action": ("action", 128),
              "reason": ("reason", 128)}

    def validate(self, obj, old):
        if not obj.get("eventTime"):
            return []
        causes = []
        for field, (name, limit) in self._TEXTS.items():
            if not obj.get(field):
                causes.append(required(name))
            elif len(obj[field].encode()) > limit:
                causes.append(bad_value(name, obj[field], f"can have at most {limit} characters"))
        if obj.get("type") not in ("Normal", "Warning"):
            causes.append(bad_value("type", obj.get("type"), "has invalid value: "))
        if len((obj.get("message") or "").encode()) > 1024:
            causes.append(bad_value("note", "", "can have at most 1024 characters"))
        regarding = (obj.get("involvedObject") or {}).get("namespace", "")
        namespace = obj["metadata"].get("namespace", "")
        if namespace not in ([regarding] if regarding else ("", "default", "kube-system")):
            causes.append(bad_value("regarding.namespace", regarding,
                                    "does not match event.namespace"))
        return causes + self._series(obj, old)

    @staticmethod
    def _series(obj, old):
        causes, series = [], obj.get("series")
        if series and (series.get("count", 0) < 2 or not series.get("lastObservedTime")):
            causes.append(bad_value("series", series, "needs a count of at least 2 and a time"))
        for field in ("involvedObject", "reason", "action", "reportingComponent", "eventTime"):
            if old and old.get(field) != obj.get(field):
                causes.append(bad_value(field, obj.get(field), "field is immutable"))
        return causes


STRATEGIES = {
    "events": Events(),
    "namespaces": Namespaces(), "nodes": Nodes(), "pods": Pods(), "secrets": Secrets(),
    "networkpolicies.networking.k8s.io": NetworkPolicies(),
    "endpointslices.discovery.k8s.io": Slices(),
    **{f"{k}.apps": Workloads()
       for k in ("deployments", "daemonsets", "replicasets", "statefulsets")},
    "jobs.batch": Workloads(),
}
