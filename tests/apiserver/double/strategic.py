# SPDX-License-Identifier: Apache-2.0
"""Strategic merge patch, and the same merge for server-side apply.

The tables below are the patchStrategy and patchMergeKey tags of the Kubernetes types: a list that
has no entry is replaced whole. Directives: $patch (replace, delete, merge), $retainKeys,
$setElementOrder/<list> and $deleteFromPrimitiveList/<list>.
"""

from . import errors
from .store import clone


class Merge:
	"""A list of objects merged by a key; fields describes what is inside an element."""

	def __init__(self, key, fields=None):
		self.key = key
		self.fields = fields or {}


_PRIMITIVES = Merge(None)       # a list of scalars merged as a set

_META = {"finalizers": _PRIMITIVES, "ownerReferences": Merge("uid")}
_CONTAINER = {"ports": Merge("containerPort"), "env": Merge("name"),
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
	"services": {"metadata": _META, "spec": {"ports": Merge("port")}, "status": _CONDITIONS},
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
	return _merge_map(target, change, _KINDS.get(res.storage, _ANY))


def _merge_map(target, change, fields):
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
			target[key] = _merge_value(target.get(key), value, fields.get(key),
						   change.get(_ORDER + key))
	for key, order in change.items():
		if key.startswith(_ORDER) and key[len(_ORDER):] not in change:
			name = key[len(_ORDER):]
			if isinstance(target.get(name), list):
				target[name] = _ordered(target[name], order, fields.get(name))
	return target


def _merge_value(target, value, how, order):
	if isinstance(value, dict):
		return _merge_map(target, value, how if isinstance(how, dict) else {})
	if not isinstance(value, list):
		return value
	if not isinstance(how, Merge):
		return [_stripped(v) for v in value
			if not (isinstance(v, dict) and v.get("$patch"))]
	if how.key is None:
		ret = list(target or [])
		ret += [v for v in value if v not in ret]
	else:
		ret = _merge_list(target or [], value, how)
	return _ordered(ret, order, how) if order else ret


def _stripped(value):
	"""A value without its directives and nulls, as it is stored when there is nothing to merge with."""
	if isinstance(value, dict):
		return _merge_map({}, value, {})
	return clone(value)


def _merge_list(target, change, how):
	if any(isinstance(c, dict) and c.get("$patch") == "replace" for c in change):
		return [_stripped(c) for c in change if c.get("$patch") != "replace"]
	ret = list(target)
	for item in change:
		if not isinstance(item, dict) or how.key not in item:
			raise errors.bad_request(f"map: {item} does not contain declared merge key: {how.key}")
		at = [i for i, have in enumerate(ret) if have.get(how.key) == item[how.key]]
		if item.get("$patch") == "delete":
			ret = [have for have in ret if have.get(how.key) != item[how.key]]
		elif at:
			ret[at[0]] = _merge_map(ret[at[0]], item, how.fields)
		else:
			ret.append(_merge_map({}, item, how.fields))
	return ret


def _ordered(items, order, how):
	"""Items named by order in that order; the others stay where they were relative to those before."""
	key = how.key if isinstance(how, Merge) else None

	def name(item):
		return item.get(key) if key and isinstance(item, dict) else item
	wanted = [o.get(key) if isinstance(o, dict) and key else o for o in order]
	known = {w: i for i, w in enumerate(wanted)}
	placed, last = [], -1
	for i, item in enumerate(items):
		last = known.get(name(item), last)
		placed.append((last, name(item) not in known, i, item))
	return [p[3] for p in sorted(placed, key=lambda p: p[:3])]
