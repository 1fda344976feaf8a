# SPDX-License-Identifier: Apache-2.0
"""The double's own paths: faults, the request log, compaction, bulk creation.

They need the token like everything else, except over the unix socket, whose guard is its folder.
"""

import json

from . import errors, patch
from .faults import ONCE
from .store import clone, encode

PREFIX = "/double/"
_BULK = 200     # objects stored without letting others in


class Admin:
    def __init__(self, server):
        self.server = server

    def handle(self, conn, request):
        """Answers a request; returns the status code."""
        name = request.path[len(PREFIX):]
        action = getattr(self, f"_{request.method.lower()}_{name}", None)
        if action is None:
            raise errors.no_such_path()
        body = None
        if request.body:
            try:
                body = json.loads(request.body)
            except ValueError as e:
                raise errors.bad_request(f"the body is not JSON: {e}") from None
        conn.respond(200, encode(action(request.query, body)))
        return 200

    def _get_faults(self, _query, _body):
        return {"faults": self.server.faults.reports(),
                "streams": self.server.streams.reports()}

    def _post_faults(self, _query, body):
        """Arms one fault or a list of them."""
        ret = []
        for spec in body if isinstance(body, list) else [body or {}]:
            fault = self.server.faults.add(spec)
            ret.append({"id": fault.number})
            if fault.kind == "rotate-token":
                self.server.rotate_token()
            elif fault.kind in ONCE:
                ret[-1]["streams"] = self.server.streams.tell(fault, fault.matches)
        return ret if isinstance(body, list) else ret[0]

    def _delete_faults(self, query, _body):
        number = int(query["id"]) if "id" in query else None
        return {"cleared": self.server.faults.clear(number, query.get("kind"))}

    def _get_log(self, query, _body):
        return self.server.log.report(int(query.get("last", 100)), int(query.get("since", 0)))

    def _get_rbac(self, _query, _body):
        return self.server.rbac.report() if self.server.rbac else {}

    def _delete_log(self, _query, _body):
        self.server.log.clear()
        return {}

    def _post_compact(self, query, _body):
        """Forgets the events of ?resource=, or of all."""
        name = query.get("resource")
        if not name:
            self.server.store.compact()
            return {"resourceVersion": str(self.server.store.rv)}
        found = {r.storage for r in self.server.registry.all() if r.named(name)}
        for storage in found:
            self.server.store.compact(storage)
        return {"resourceVersion": str(self.server.store.rv), "resources": sorted(found)}

    def _post_bulk(self, query, body):
        """Creates objects of any kinds, with the status they come with. With ?merge=true, one that
        exists is updated with what is given, status and all. With ?unchecked=true, also what a real
        API server would refuse, as one of another release may let it through."""
        if isinstance(body, dict):
            body = body.get("items")
        if not isinstance(body, list):
            raise errors.bad_request("a list of objects is wanted")
        merge = query.get("merge") == "true"
        for start in range(0, len(body), _BULK):
            with self.server.store.lock:    # else each object wakes whoever waits for the lock
                self.server.lifecycle.unchecked = query.get("unchecked") == "true"
                try:
                    for obj in body[start:start + _BULK]:
                        self._put(obj, merge)
                finally:
                    self.server.lifecycle.unchecked = False
        return {"created": len(body), "resourceVersion": str(self.server.store.rv)}

    def _put(self, obj, merge):
        kind = obj.get("apiVersion"), obj.get("kind")
        res = self.server.registry.by_kind(*kind)
        if res is None:
            raise errors.bad_request(f"no resource for {kind[1]} of {kind[0]}")
        namespace = obj.get("metadata", {}).get("namespace", "default") if res.namespaced else ""
        try:
            self.server.lifecycle.create(res, namespace, clone(obj), keep_status=True)
        except errors.ApiError as e:
            if e.reason != "AlreadyExists" or not merge:
                raise
            self._merge(res, namespace, obj)

    def _merge(self, res, namespace, obj):
        name, life = obj["metadata"]["name"], self.server.lifecycle
        with self.server.store.lock:
            for subresource in (None, "status") if res.has_status else (None,):
                life.update(res, namespace, name, lambda old: patch.merge(old, obj), subresource)
