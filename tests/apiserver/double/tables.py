# SPDX-License-Identifier: Apache-2.0
"""Columns and cells of the Tables that kubectl get prints, after the real API's printers."""

import datetime
import json
import re

_DESCRIPTION = "see the API reference"


def _column(name, kind="string", priority=0, form=""):
    return {"name": name, "type": kind, "format": form, "description": _DESCRIPTION,
            "priority": priority}


_NAME = _column("Name", form="name")
_AGE = _column("Age")


def age(timestamp):
    """A timestamp as kubectl shows ages: 45s, 3m10s, 2h, 5d."""
    if not timestamp:
        return "<unknown>"
    try:
        then = datetime.datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        return "<invalid>"
    seconds = int((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds())
    if seconds < 0:
        return "0s" if seconds > -2 else "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    return f"{days // 365}y"


def _age_of(obj):
    return age(obj["metadata"].get("creationTimestamp"))


def _joined(items, none="<none>", limit=0):
    items = [str(i) for i in items if i]
    if limit and len(items) > limit:
        return ",".join(items[:limit]) + f" + {len(items) - limit} more..."
    return ",".join(items) or none


def _labels(labels):
    return _joined(f"{k}={v}" for k, v in sorted((labels or {}).items()))


def selector_text(selector):
    """A LabelSelector as one line."""
    if selector is None:
        return "<none>"
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for need in selector.get("matchExpressions") or []:
        key, op, values = need["key"], need["operator"], ",".join(need.get("values") or [])
        parts.append({"Exists": key, "DoesNotExist": "!" + key, "In": f"{key} in ({values})",
                      "NotIn": f"{key} notin ({values})"}.get(op, key))
    return ",".join(parts) or "<none>"


def _condition(obj, kind):
    for cond in (obj.get("status") or {}).get("conditions") or []:
        if cond.get("type") == kind:
            return cond.get("status")
    return None


def _pod(obj):
    spec, status = obj["spec"], obj.get("status") or {}
    total = len(spec.get("containers") or [])
    states = status.get("containerStatuses") or []
    ready = sum(1 for c in states if c.get("ready"))
    if not states and _condition(obj, "Ready") == "True":
        ready = total
    reason = status.get("reason") or status.get("phase") or "Unknown"
    for state in states:
        waiting = (state.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or reason
    if obj["metadata"].get("deletionTimestamp"):
        reason = "Terminating"
    restarts = sum(c.get("restartCount", 0) for c in states)
    gates = len(spec.get("readinessGates") or [])
    return [obj["metadata"]["name"], f"{ready}/{total}", reason, str(restarts), _age_of(obj),
            status.get("podIP") or "<none>", spec.get("nodeName") or "<none>",
            status.get("nominatedNodeName") or "<none>", f"0/{gates}" if gates else "<none>"]


def _node(obj):
    meta, status = obj["metadata"], obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    ready = _condition(obj, "Ready")
    state = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    if obj["spec"].get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    labels = meta.get("labels") or {}
    roles = _joined(sorted(k[len(prefix):] for k in labels if k.startswith(prefix)))

    def address(kind):
        return next((a["address"] for a in status.get("addresses") or [] if a["type"] == kind),
                    "<none>")
    return [meta["name"], state, roles, _age_of(obj), info.get("kubeletVersion", ""),
            address("InternalIP"), address("ExternalIP"), info.get("osImage", "<unknown>"),
            info.get("kernelVersion", "<unknown>"),
            info.get("containerRuntimeVersion", "<unknown>")]


def _service_ports(spec):
    ret = []
    for port in spec.get("ports") or []:
        number = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else port["port"]
        ret.append(f"{number}/{port.get('protocol', 'TCP')}")
    return _joined(ret)


def _service(obj):
    spec, status = obj["spec"], obj.get("status") or {}
    external = list(spec.get("externalIPs") or [])
    ingress = (status.get("loadBalancer") or {}).get("ingress") or []
    if spec["type"] == "LoadBalancer":
        external = [i.get("ip") or i.get("hostname") for i in ingress] + external
    if spec["type"] == "ExternalName":
        external = [spec.get("externalName")]
    none = "<pending>" if spec["type"] == "LoadBalancer" else "<none>"
    return [obj["metadata"]["name"], spec["type"], spec.get("clusterIP") or "<none>",
            _joined(external, none), _service_ports(spec), _age_of(obj),
            _labels(spec.get("selector"))]


def _endpoint_slice(obj):
    addresses = [a for e in obj.get("endpoints") or [] for a in e.get("addresses") or []]
    ports = obj.get("ports")
    shown = "<unset>" if not ports else _joined((p.get("port", "*") for p in ports), limit=3)
    return [obj["metadata"]["name"], obj["addressType"], shown,
            _joined(addresses, "<unset>", 3), _age_of(obj)]


def _endpoints(obj):
    shown = []
    for subset in obj.get("subsets") or []:
        for address in subset.get("addresses") or []:
            for port in subset.get("ports") or [{}]:
                shown.append(f"{address['ip']}:{port['port']}" if port else address["ip"])
    return [obj["metadata"]["name"], _joined(shown, limit=3), _age_of(obj)]


def _event(obj):
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    seen = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or obj.get("eventTime")
    return [age(seen or obj["metadata"].get("creationTimestamp")), obj.get("type", ""),
            obj.get("reason", ""), f"{about.get('kind', '').lower()}/{about.get('name', '')}",
            (obj.get("message") or obj.get("note") or "").strip()]


def _workload(obj):
    spec, status = obj["spec"], obj.get("status") or {}
    return [obj["metadata"]["name"], f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}",
            status.get("updatedReplicas", 0), status.get("availableReplicas", 0), _age_of(obj)]


def _daemon_set(obj):
    status = obj.get("status") or {}
    return [obj["metadata"]["name"], status.get("desiredNumberScheduled", 0),
            status.get("currentNumberScheduled", 0), status.get("numberReady", 0),
            status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0),
            _labels(obj["spec"]["template"]["spec"].get("nodeSelector")), _age_of(obj)]


# stored type -> (columns, function that makes the cells)
_TABLES = {
    "pods": ([_NAME, _column("Ready"), _column("Status"), _column("Restarts"), _AGE,
              _column("IP", priority=1), _column("Node", priority=1),
              _column("Nominated Node", priority=1), _column("Readiness Gates", priority=1)], _pod),
    "nodes": ([_NAME, _column("Status"), _column("Roles"), _AGE, _column("Version"),
               _column("Internal-IP", priority=1), _column("External-IP", priority=1),
               _column("OS-Image", priority=1), _column("Kernel-Version", priority=1),
               _column("Container-Runtime", priority=1)], _node),
    "services": ([_NAME, _column("Type"), _column("Cluster-IP"), _column("External-IP"),
                  _column("Port(s)"), _AGE, _column("Selector", priority=1)], _service),
    "namespaces": ([_NAME, _column("Status"), _AGE],
                   lambda o: [o["metadata"]["name"], o["status"]["phase"], _age_of(o)]),
    "networkpolicies.networking.k8s.io": (
        [_NAME, _column("Pod-Selector"), _AGE],
        lambda o: [o["metadata"]["name"], selector_text(o["spec"].get("podSelector")),
                   _age_of(o)]),
    "endpointslices.discovery.k8s.io": (
        [_NAME, _column("AddressType"), _column("Ports"), _column("Endpoints"), _AGE],
        _endpoint_slice),
    "endpoints": ([_NAME, _column("Endpoints"), _AGE], _endpoints),
    "events": ([_column("Last Seen"), _column("Type"), _column("Reason"), _column("Object"),
                _column("Message")], _event),
    "deployments.apps": ([_NAME, _column("Ready"), _column("Up-to-date", "integer"),
                          _column("Available", "integer"), _AGE], _workload),
    "daemonsets.apps": ([_NAME, *(_column(n, "integer") for n in (
        "Desired", "Current", "Ready", "Up-to-date", "Available")),
        _column("Node Selector"), _AGE], _daemon_set),
    "configmaps": ([_NAME, _column("Data", "integer"), _AGE],
                   lambda o: [o["metadata"]["name"],
                              len(o.get("data") or {}) + len(o.get("binaryData") or {}),
                              _age_of(o)]),
    "secrets": ([_NAME, _column("Type"), _column("Data", "integer"), _AGE],
                lambda o: [o["metadata"]["name"], o.get("type", ""), len(o.get("data") or {}),
                           _age_of(o)]),
    "leases.coordination.k8s.io": (
        [_NAME, _column("Holder"), _AGE],
        lambda o: [o["metadata"]["name"], (o.get("spec") or {}).get("holderIdentity", ""),
                   _age_of(o)]),
}
_PLAIN = ([_NAME, _column("Created At", "date")],
          lambda o: [o["metadata"]["name"], o["metadata"]["creationTimestamp"]])


def columns(res):
    if res.custom:
        shown = [_column(c["name"], c.get("type", "string"), c.get("priority", 0))
                 for c in res.columns]
        return [_NAME, *(shown or [_column("Age", "date")])]
    return _TABLES.get(res.storage, _PLAIN)[0]


def cells(res, obj):
    if not res.custom:
        return _TABLES.get(res.storage, _PLAIN)[1](obj)
    chosen = res.columns or [{"jsonPath": ".metadata.creationTimestamp", "type": "date"}]
    return [obj["metadata"]["name"], *(_custom_cell(obj, c) for c in chosen)]


def _custom_cell(obj, column):
    found = json_path(obj, column.get("jsonPath", ""))
    if not found:
        return None
    if column.get("type") == "date":
        return age(found[0])
    if column.get("type") in ("integer", "number", "boolean"):
        return found[0]
    return ",".join(v if isinstance(v, str) else json.dumps(v) for v in found)


_STEP = re.compile(r"""\.([A-Za-z0-9_\-]+|\*)|\[(\d+|\*)\]|\['([^']+)'\]|"""
                   r"""\[\?\(@\.([A-Za-z0-9_]+)\s*==\s*["']([^"']*)["']\)\]""")


def json_path(obj, path):
    """The values at a JSONPath of the simple kind that CRD columns use."""
    nodes, at = [obj], 0
    path = path.replace("\\.", "\0")
    while at < len(path):
        m = _STEP.match(path, at)
        if not m:
            return []
        at = m.end()
        name, index, quoted, key, value = m.groups()
        nodes = [n for node in nodes for n in _step(node, name or quoted, index, key, value)]
    return [n for n in nodes if n is not None]


def _step(node, name, index, key, value):
    if key:
        return [n for n in node if isinstance(n, dict) and str(n.get(key)) == value] \
            if isinstance(node, list) else []
    if name == "*" or index == "*":
        return list(node.values()) if isinstance(node, dict) else list(node or [])
    if name:
        return [node.get(name.replace("\0", "."))] if isinstance(node, dict) else []
    at = int(index)
    return [node[at]] if isinstance(node, list) and at < len(node) else []
