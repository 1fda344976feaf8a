# SPDX-License-Identifier: Apache-2.0
"""What was asked: the last requests, and how often each verb was used on each resource."""

import collections
import threading
import time

_KEPT = 10000


class Info:
    """What a request is about. resource is None for paths that are no resource's."""

    __slots__ = ("method", "verb", "resource", "namespace", "name", "subresource", "target",
                 "user_agent", "query")

    def __init__(self, request):
        self.method = request.method
        self.verb = request.method.lower()
        self.resource = None
        self.namespace = self.name = self.subresource = ""
        self.target = request.target
        self.user_agent = request.headers.get("user-agent", "")
        self.query = request.query

    def names(self, text):
        return self.resource is not None and self.resource.named(text)


class RequestLog:
    def __init__(self):
        self._lock = threading.Lock()
        self._number = 0
        self._entries = collections.deque(maxlen=_KEPT)
        self._counts = collections.Counter()

    def begin(self, info):
        """Adds a request; returns its entry, whose code is filled in when it is answered."""
        res = info.resource
        name = f"{res.plural}.{res.group}" if res and res.group else res.plural if res else ""
        entry = {"verb": info.verb, "resource": name, "namespace": info.namespace,
                 "name": info.name, "subresource": info.subresource, "path": info.target,
                 "userAgent": info.user_agent, "time": time.time(), "code": 0}
        with self._lock:
            self._number += 1
            entry["id"] = self._number
            self._entries.append(entry)
            self._counts[(info.verb, name)] += 1
        return entry

    def report(self, last=100, since=0):
        with self._lock:
            entries = [dict(e) for e in self._entries if e["id"] > since]
            counts = {}
            for (verb, name), n in self._counts.items():
                counts.setdefault(name or "other", {})[verb] = n
            return {"total": self._number, "counts": counts,
                    "requests": entries[-last:] if last else []}

    def clear(self):
        with self._lock:
            self._entries.clear()
            self._counts.clear()
