# SPDX-License-Identifier: Apache-2.0
"""Authorization by the rules of ClusterRoles in a file, for the client whose user agent is given.

What was used of the rules is kept, so that a rule that nobody needs can be found.
"""

import threading

import yaml

from . import errors


class Rbac:
    def __init__(self, path, agent):
        self._agent = agent
        self._lock = threading.Lock()
        self._refused = []
        self._used = {}         # "verb resource" or "verb /path" -> whether it was
        with open(path, encoding="utf-8") as f:
            for obj in yaml.safe_load_all(f):
                if obj["kind"] == "ClusterRole":
                    for rule in obj["rules"]:
                        self._used.update((what, False) for what in _permissions(rule))

    def check(self, info):
        """Raises 403 for what the client may not do."""
        if not info.user_agent.startswith(self._agent):
            return
        what = _asked(info)
        with self._lock:
            if what in self._used:
                self._used[what] = True
                return
            self._refused.append(what)
        if info.resource:
            raise errors.forbidden(info.resource, info.name, f"no rule allows to {what}")
        raise errors.ApiError(403, "Forbidden", f"no rule allows to {what}")

    def report(self):
        with self._lock:
            return {"unused": sorted(w for w, used in self._used.items() if not used),
                    "refused": sorted(set(self._refused))}


def _qualified(resource, group):
    """pods, nodes/status, events.events.k8s.io"""
    return f"{resource}.{group}" if group else resource


def _permissions(rule):
    for verb in rule["verbs"]:
        for path in rule.get("nonResourceURLs", []):
            yield f"{verb} {path}"
        for group in rule.get("apiGroups", []):
            for resource in rule.get("resources", []):
                yield f"{verb} {_qualified(resource, group)}"


def _asked(info):
    res = info.resource
    if res is None:
        return _asked_of_path(info.target.split("?")[0], info)
    name = f"{res.plural}/{info.subresource}" if info.subresource else res.plural
    return f"{info.verb} {_qualified(name, res.group)}"


def _asked_of_path(path, info):
    """A resource need not exist for its path to be one's."""
    steps = path.strip("/").split("/")
    if steps[0] != "apis" or len(steps) < 4:
        return f"{info.verb} {path}"
    group, rest = steps[1], steps[3:]
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    verb = info.verb
    if verb == "get" and len(rest) == 1:
        verb = "watch" if info.query.get("watch") in ("true", "1") else "list"
    return f"{verb} {_qualified(rest[0], group)}"
