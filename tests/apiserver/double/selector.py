# SPDX-License-Identifier: Apache-2.0
"""Label and field selectors: text in, a predicate on objects out (None: everything matches)."""

import re

from . import errors

_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^()]*)\)$")
_EQ = re.compile(r"^([^\s=!]+)\s*(==|=|!=)\s*([^\s=!]*)$")
_KEY = re.compile(r"^(!?)\s*([A-Za-z0-9][-A-Za-z0-9_./]*)$")

# Fields every resource has, then those of a stored type, as the real API registers them.
_META_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
             "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
             "status.nominatedNodeName"),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "services": ("spec.clusterIP", "spec.type"),
    "secrets": ("type",),
    "events": ("involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
               "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
               "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"),
    "replicasets.apps": ("status.replicas",),
}
_EVENTS_V1 = {"regarding": "involvedObject", "reportingController": "reportingComponent"}


def _split(text):
    """Splits at commas that are not inside parentheses."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [p.strip() for p in parts]


def _label_requirement(part):
    m = _SET.match(part)
    if m:
        key, op, values = m.group(1), m.group(2), {v.strip() for v in m.group(3).split(",")}
        if op == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    m = _EQ.match(part)
    if m:
        key, op, value = m.groups()
        if op == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    m = _KEY.match(part)
    if m:
        key = m.group(2)
        if m.group(1):
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise errors.bad_request(f"unable to parse requirement: found '{part}'")


def labels(text):
    """A predicate for a labelSelector parameter."""
    if not text or not text.strip():
        return None
    needs = [_label_requirement(p) for p in _split(text)]

    def match(obj):
        have = obj["metadata"].get("labels") or {}
        return all(need(have) for need in needs)
    return match


def _field(obj, path):
    if path == "source":
        return str((obj.get("source") or {}).get("component", ""))
    if path == "status.podIPs":
        return ",".join(p.get("ip", "") for p in (obj.get("status") or {}).get("podIPs") or [])
    value = obj
    for step in path.split("."):
        if not isinstance(value, dict):
            return ""
        value = value.get(step)
    if value is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _jsonpath_fields(res):
    return tuple(f["jsonPath"].lstrip(".") for f in res.selectable_fields)


def _field_requirement(res, part):
    m = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part)
    if not m:
        raise errors.bad_request(f"invalid field selector: {part}")
    path, op, value = m.group(1).strip(), m.group(2), m.group(3).replace("\\,", ",")
    known = _META_FIELDS + _FIELDS.get(res.storage, ()) + _jsonpath_fields(res)
    if res.storage == "events":
        head, _, rest = path.partition(".")
        path = _EVENTS_V1.get(head, head) + ("." + rest if rest else "")
    if path not in known:
        raise errors.bad_request(f'Unable to find "{res.group}/{res.version}, '
                                 f'Resource={res.plural}" that match label selector "", '
                                 f'field selector "{part}": field label not supported: {path}')
    if op == "!=":
        return lambda obj: _field(obj, path) != value
    return lambda obj: _field(obj, path) == value


def fields(res, text):
    """A predicate for a fieldSelector parameter on stored objects of res."""
    if not text or not text.strip():
        return None
    needs = [_field_requirement(res, p) for p in re.split(r"(?<!\\),", text) if p.strip()]
    return lambda obj: all(need(obj) for need in needs)


def both(first, second):
    if first is None or second is None:
        return first or second
    return lambda obj: first(obj) and second(obj)


def of_query(res, query):
    """The predicate of a request's labelSelector and fieldSelector; None when there is neither."""
    return both(labels(query.get("labelSelector")), fields(res, query.get("fieldSelector")))


def subset(wanted):
    """A predicate for a plain map of labels, as in a Service's selector."""
    def match(obj):
        have = obj["metadata"].get("labels") or {}
        return all(have.get(k) == v for k, v in wanted.items())
    return match
