# SPDX-License-Identifier: Apache-2.0
"""Strategic merge patch, and the same merge for server-side apply.

The tables below are the patchStrategy and patchMergeKey tags of the Kubernetes types: a list that
has no entry is replaced whole. Directives: $patch (replace, delete, merge), $retainKeys,
$setElementOrder/<list> and $deleteFromPrimitiveList/<list>.
"""

from . import errors
from .store import clone


class Merge:
    """A list of objects merged by a key; fields describes what is inside an element.

    Server-side apply tells elements apart by more than strategic merge does: also names the
    further key and the value that it has when left out.
    """

    def __init__(self, key, fields=None, also=None):
        self.key = key
        self.fields = fields or {}
        self.also = also

    def identity(self, item, applied=False):
        if not isinstance(item, dict) or self.key is None:
            return item if not isinstance(item, dict) else None
        if applied and self.also:
            return (item.get(self.key), item.get(*self.also))
        return item.get(self.key)


_PRIMITIVES = Merge(None)       # a list of scalars merged as a set

_META = {"finalizers": _PRIMITIVES, "ownerReferences": Merge("uid")}
_CONTAINER = {"ports": Merge("containerPort", also=("protocol", "TCP")), "env": Merge("name"),
              "volumeMounts": Merge("mountPath"), "volumeDevices": Merge("devicePath")}
_POD_SPEC = {
    "containers": Merge("name", _CONTAINER), "initContainers": Merge("name", _CONTAINER),
    "ephemeralContainers": Merge("name", _CONTAINER), "volumes": Merge("name"),
    "imagePullSecrets": Merge("name"), "hostAliases": Merge("ip"),
    "topologySpreadConstraints": Merge("topologyKey"), "schedulingGates": Merge("name"),
    "resourceClaims": Merge("name"),
}
_CONDITIONS = {"conditions": Merge("type")}
_WORKLOAD = {"metadata": _META, "status": _CONDITIONS,
             "spec": {"template": {"metadata": _META, "spec": _POD_SPEC}}}
_KINDS = {
    "pods": {"metadata": _META, "spec": _POD_SPEC,
             "status": {**_CONDITIONS, "podIPs": Merge("ip")}},
    "nodes": {"metadata": _META, "spec": {"podCIDRs": _PRIMITIVES},
              "status": {**_CONDITIONS, "addresses": Merge("type")}},
    "services": {"metadata": _META, "status": _CONDITIONS,
                 "spec": {"ports": Merge("port", also=("protocol", "TCP"))}},
    "namespaces": {"metadata": _META, "status": _CONDITIONS},
    "serviceaccounts": {"metadata": _META, "secrets": Merge("name")},
    "deployments.apps": _WORKLOAD, "daemonsets.apps": _WORKLOAD, "replicasets.apps": _WORKLOAD,
    "statefulsets.apps": _WORKLOAD, "jobs.batch": _WORKLOAD, "replicationcontrollers": _WORKLOAD,
}
_ANY = {"metadata": _META}

_ORDER = "$setElementOrder/"
_DROP = "$deleteFromPrimitiveList/"


def strategic_merge(res, target, change):
    """The result of a strategic merge patch; target may be modified."""
    if not isinstance(change, dict):
        raise errors.bad_request("a strategic merge patch is a JSON object")
    return _Merger().map(target, change, _KINDS.get(res.storage, _ANY))


def apply(res, target, config, before):
    """The result of a server-side apply; before is what the same manager applied last, or None.

    What was applied before and no longer is goes, as long as it is there. Managers do not own
    fields against each other.
    """
    fields = {} if res.custom else _KINDS.get(res.storage, _ANY)
    if before is not None:
        _prune(target, before, config, fields)
    return _Merger(applied=True).map(target, config, fields)


class _Merger:
    def __init__(self, applied=False):
        self.applied = applied

    def map(self, target, change, fields):
        if not isinstance(target, dict):
            target = {}
        directive = change.get("$patch")
        if directive == "replace":
            return clone({k: v for k, v in change.items() if k != "$patch"})
        if directive == "delete":
            return {}
        if directive not in (None, "merge"):
            raise errors.bad_request(f"unknown $patch directive {directive!r}")
        if "$retainKeys" in change:
            target = {k: v for k, v in target.items() if k in change["$retainKeys"]}
        for key, value in change.items():
            if key.startswith(_DROP):
                name = key[len(_DROP):]
                target[name] = [v for v in target.get(name) or [] if v not in value]
        for key, value in change.items():
            if key.startswith("$"):
                continue
            if value is None:
                target.pop(key, None)
            else:
                target[key] = self.value(target.get(key), value, fields.get(key))
        for key, order in change.items():
            name = key[len(_ORDER):]
            if key.startswith(_ORDER) and isinstance(target.get(name), list):
                target[name] = _ordered(target[name], order, fields.get(name))
        return target

    def value(self, target, value, how):
        if isinstance(value, dict):
            return self.map(target, value, how if isinstance(how, dict) else {})
        if not isinstance(value, list):
            return value
        if not isinstance(how, Merge):
            return [_stripped(v) for v in value if not (isinstance(v, dict) and v.get("$patch"))]
        if how.key is None:
            return (target or []) + [v for v in value if v not in (target or [])]
        return self.list(target or [], value, how)

    def list(self, target, change, how):
        if any(isinstance(c, dict) and c.get("$patch") == "replace" for c in change):
            return [_stripped(c) for c in change if c.get("$patch") != "replace"]
        ret = list(target)
        for item in change:
            if not isinstance(item, dict) or how.key not in item:
                raise errors.bad_request(f"map: {item} does not contain declared merge key: "
                                         f"{how.key}")
            wanted = how.identity(item, self.applied)
            at = [i for i, have in enumerate(ret)
                  if how.identity(have, self.applied) == wanted]
            if item.get("$patch") == "delete":
                ret = [have for i, have in enumerate(ret) if i not in at]
            elif at:
                ret[at[0]] = self.map(ret[at[0]], item, how.fields)
            else:
                ret.append(self.map({}, item, how.fields))
        return ret


def _stripped(value):
    """A value without its directives and nulls, as it is stored where there was none."""
    return _Merger().map({}, value, {}) if isinstance(value, dict) else clone(value)


def _prune(target, before, config, fields):
    """Removes from target what is in before and not in config."""
    for key, was in before.items():
        if key not in target or key in ("apiVersion", "kind"):
            continue
        now, how = config.get(key), fields.get(key)
        if isinstance(was, dict) and isinstance(target[key], dict):
            _prune(target[key], was, now if isinstance(now, dict) else {},
                   how if isinstance(how, dict) else {})
            if key not in config and not target[key]:
                del target[key]
        elif isinstance(was, list) and isinstance(how, Merge):
            _prune_list(target[key], was, now or [], how)
        elif key not in config:
            del target[key]


def _prune_list(target, before, config, how):
    kept = {how.identity(i, True): i for i in config}
    for was in before:
        name = how.identity(was, True)
        for item in [t for t in target if how.identity(t, True) == name]:
            if name not in kept:
                target.remove(item)
            elif isinstance(item, dict):
                _prune(item, was, kept[name], how.fields)


def _ordered(items, order, how):
    """Items named by order in that order; the others stay after what they followed."""
    if not isinstance(how, Merge):
        return items
    known = {how.identity(o): i for i, o in enumerate(order)}
    placed, last = [], -1
    for i, item in enumerate(items):
        name = how.identity(item)
        last = known.get(name, last)
        placed.append((last, name not in known, i, item))
    return [p[3] for p in sorted(placed, key=lambda p: p[:3])]
