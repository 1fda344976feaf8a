# SPDX-License-Identifier: Apache-2.0
"""The REST verbs: from a request to the lifecycle and the store, and back to a response."""

import base64
import json

from . import discovery, errors, patch, protobuf, selector, views, watch
from .lifecycle import DeleteOptions
from .store import clone, encode
from .strategic import apply, strategic_merge

_PATCHES = ("application/json-patch+json", "application/merge-patch+json",
            "application/strategic-merge-patch+json", "application/apply-patch+yaml")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def identify(registry, request, info):
    """Fills in what a request is about, as far as its path says so."""
    steps = request.path.strip("/").split("/")
    if steps[0] == "api" and len(steps) > 2:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) > 3:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        return
    if rest[0] == "namespaces" and len(rest) > 2 and registry.find(group, version, rest[2]):
        info.namespace, rest = rest[1], rest[2:]
    info.resource = registry.find(group, version, rest[0])
    info.name = rest[1] if len(rest) > 1 else ""
    info.subresource = "/".join(rest[2:])
    info.verb = _verb(request, info)


def _verb(request, info):
    if request.method in ("GET", "HEAD"):
        if info.name:
            return "get"
        return "watch" if request.query.get("watch") in ("true", "1") else "list"
    if request.method == "DELETE":
        return "delete" if info.name else "deletecollection"
    return _VERBS.get(request.method, request.method.lower())


def _body(request):
    if not request.body:
        return None
    media = request.headers.get("content-type", "application/json").split(";")[0].strip()
    if media == protobuf.MEDIA_TYPE:
        return protobuf.decode(request.body)
    if media not in ("application/json", "*/*", *_PATCHES):
        raise errors.unsupported_media_type("application/json")
    try:
        return json.loads(request.body)
    except ValueError as e:
        raise errors.bad_request(f"the body is not JSON: {e}") from None


def _is_dry(request):
    return request.query.get("dryRun") == "All"


class Api:
    def __init__(self, server):
        self.server = server
        self.store = server.store
        self.life = server.lifecycle
        self._applied = {}      # (uid, manager) -> the configuration applied last

    def handle(self, conn, request, info):
        """Answers a request on conn; returns the status code."""
        if info.resource is None:
            return self._other(conn, request)
        self._check_path(info)
        if info.subresource:
            return self._subresource(conn, request, info)
        verb = getattr(self, "_" + info.verb, None)
        if verb is None:
            raise errors.method_not_allowed()
        return verb(conn, request, info)

    def _other(self, conn, request):
        if request.method not in ("GET", "HEAD"):
            raise errors.no_such_path()
        if request.path in ("/healthz", "/livez", "/readyz"):
            conn.respond(200, b"ok", "text/plain; charset=utf-8")
            return 200
        found = discovery.respond(self.server, request)
        if found is None:
            raise errors.no_such_path()
        conn.respond(200, *found)
        return 200

    @staticmethod
    def _check_path(info):
        res = info.resource
        if info.namespace and not res.namespaced:
            raise errors.no_such_path()
        if res.namespaced and not info.namespace and (info.name or info.verb == "create"):
            raise errors.no_such_path()
        if info.subresource and info.subresource not in res.subresources:
            raise errors.no_such_path()

    def _object(self, conn, request, info, record, code=200):
        view = views.of_request(info.resource, request)
        conn.respond(code, view(record))
        return code

    def _get(self, conn, request, info):
        record = self.life.get(info.resource, info.namespace, info.name)
        return self._object(conn, request, info, record)

    def _create(self, conn, request, info):
        if info.name:
            raise errors.method_not_allowed()
        record = self.life.create(info.resource, info.namespace, _body(request),
                                  dry_run=_is_dry(request))
        return self._object(conn, request, info, record, 201)

    def _update(self, conn, request, info):
        body = _body(request)
        record = self.life.update(info.resource, info.namespace, info.name, lambda old: body,
                                  info.subresource, _is_dry(request))
        return self._object(conn, request, info, record)

    def _patch(self, conn, request, info):
        if not info.name:
            raise errors.method_not_allowed()
        media = request.headers.get("content-type", "").split(";")[0].strip()
        if media not in _PATCHES:
            raise errors.unsupported_media_type(", ".join(_PATCHES))
        body, res = _body(request), info.resource
        if media.startswith("application/apply"):
            return self._apply(conn, request, info, body)
        if media.startswith("application/json-patch"):
            def change(old):
                return patch.json_patch(old, body)
        elif media.startswith("application/merge-patch"):
            def change(old):
                return patch.merge(old, body)
        elif res.custom:
            raise errors.unsupported_media_type(", ".join(m for m in _PATCHES if m != media))
        else:
            def change(old):
                return strategic_merge(res, old, body)
        record = self.life.update(res, info.namespace, info.name, change, info.subresource,
                                  _is_dry(request))
        return self._object(conn, request, info, record)

    def _apply(self, conn, request, info, body):
        """Server-side apply, simplified: what a manager applied last is remembered, so that what
        it leaves out now goes, but managedFields stays empty and managers never conflict."""
        manager = request.query.get("fieldManager")
        if not manager:
            raise errors.invalid("PatchOptions", "meta.k8s.io", "", [errors.required(
                "fieldManager", "is required for apply patch")])
        if not isinstance(body, dict):
            raise errors.bad_request("an applied configuration is an object")
        res = info.resource
        config = clone(body)

        def change(old):
            before = self._applied.get((old["metadata"]["uid"], manager))
            return apply(res, old, body, before)
        with self.store.lock:
            code = 200 if self.store.get(res.storage, (info.namespace, info.name)) else 201
            if code == 200:
                record = self.life.update(res, info.namespace, info.name, change,
                                          info.subresource, _is_dry(request))
            else:
                body.setdefault("metadata", {}).setdefault("name", info.name)
                record = self.life.create(res, info.namespace, body,
                                          dry_run=_is_dry(request))
            if not _is_dry(request):
                self._applied[(record.obj["metadata"]["uid"], manager)] = config
        return self._object(conn, request, info, record, code)

    def _delete(self, conn, request, info):
        options = DeleteOptions(_body(request), request.query)
        res = info.resource
        record, gone = self.life.delete(res, info.namespace, info.name, options)
        if not gone or self.life.strategy(res).returns_deleted:
            return self._object(conn, request, info, record)
        details = {"name": info.name, "group": res.group, "kind": res.plural,
                   "uid": record.obj["metadata"]["uid"]}
        conn.respond(200, encode({"kind": "Status", "apiVersion": "v1", "metadata": {},
                                  "status": "Success",
                                  "details": {k: v for k, v in details.items() if v}}))
        return 200

    def _deletecollection(self, conn, request, info):
        options = DeleteOptions(_body(request), request.query)
        res = info.resource
        match = selector.of_query(res, request.query)
        gone = []
        with self.store.lock:
            for record in self.store.list(res.storage, info.namespace)[1]:
                meta = record.obj["metadata"]
                if match is None or match(record.obj):
                    gone.append(self.life.delete(res, meta.get("namespace", ""),
                                                 meta["name"], options)[0])
            version = self.store.rv
        conn.respond(200, views.Whole(res).list({"resourceVersion": str(version)}, gone))
        return 200

    def _watch(self, conn, request, info):
        match = selector.of_query(info.resource, request.query)
        view = views.of_request(info.resource, request)
        stream = watch.Stream(self.server, conn, info, match, view)
        stream.run(request.query, self.server.options.bookmark_interval)
        return 200

    def _list(self, conn, request, info):
        res = info.resource
        view = views.of_request(res, request)
        match = selector.of_query(res, request.query)
        version, records, start = self._snapshot(res, info.namespace, request.query)
        if match:
            records = [r for r in records if match(r.obj)]
        if start:
            records = [r for r in records if _name(r) > start]
        meta = {"resourceVersion": str(version)}
        limit = request.query.get("limit") or "0"
        if not limit.isdigit():
            raise errors.bad_request(f"limit is not a number: {limit}")
        limit = int(limit)
        if request.query.get("resourceVersion") == "0":
            limit = 0       # such lists come from the watch cache, which serves them whole
        if limit and len(records) > limit:
            meta["continue"] = _continue_token(version, _name(records[limit - 1]))
            if not match:
                meta["remainingItemCount"] = len(records) - limit
            records = records[:limit]
        conn.respond(200, view.list(meta, records))
        return 200

    def _snapshot(self, res, namespace, query):
        """(version, records, key after which a continued list begins or None)."""
        if query.get("continue"):
            version, start = _read_continue(query["continue"])
            if version == 0:
                return (*self.store.list(res.storage, namespace), start)
            try:
                records = self.store.list_at(res.storage, namespace, version)
            except errors.ApiError:
                raise errors.expired(
                    "The provided continue parameter is too old to display a consistent "
                    "list result. You can start a new list without the continue "
                    "parameter, or use the continue token in this response to retrieve "
                    "the remainder of the results.", _continue_token(0, start)) from None
            return version, records, start
        asked, how = _asked_version(query)
        with self.store.lock:
            current, records = self.store.list(res.storage, namespace)
            if asked > current:
                raise errors.too_large_version(asked, current)
            if how == "Exact":
                return asked, self.store.list_at(res.storage, namespace, asked), None
            return current, records, None

    def _subresource(self, conn, request, info):
        sub = info.subresource
        if sub == "binding" and info.verb == "create":
            return self._bind(conn, request, info)
        if sub == "eviction" and info.verb == "create":
            self.life.delete(info.resource, info.namespace, info.name)
            return _success(conn)
        if sub in ("status", "ephemeralcontainers") and \
           info.verb in ("get", "update", "patch"):
            return getattr(self, "_" + info.verb)(conn, request, info)
        raise errors.method_not_allowed()

    def _bind(self, conn, request, info):
        node = ((_body(request) or {}).get("target") or {}).get("name")

        def change(pod):
            if pod["spec"].get("nodeName"):
                raise errors.conflict(info.resource, info.name, f"pod {info.name} is already "
                                      f"assigned to node \"{pod['spec']['nodeName']}\"")
            pod["spec"]["nodeName"] = node
            return pod
        self.life.update(info.resource, info.namespace, info.name, change)
        return _success(conn)


def _success(conn):
    conn.respond(201, encode({"kind": "Status", "apiVersion": "v1", "metadata": {},
                              "status": "Success", "code": 201}))
    return 201


def _name(record):
    meta = record.obj["metadata"]
    return (meta.get("namespace", ""), meta["name"])


def _asked_version(query):
    text = query.get("resourceVersion") or ""
    how = query.get("resourceVersionMatch") or ""
    if text and not text.isdigit():
        raise errors.bad_request(f"Invalid value: \"{text}\": resourceVersion is not a number")
    causes = []
    if how not in ("", "Exact", "NotOlderThan"):
        causes.append(errors.not_supported("resourceVersionMatch", how, ("Exact", "NotOlderThan")))
    elif how and not text:
        causes.append(errors.forbidden_value("resourceVersionMatch", "resourceVersionMatch is "
                                             "forbidden unless resourceVersion is provided"))
    elif how == "Exact" and text == "0":
        causes.append(errors.forbidden_value("resourceVersionMatch",
                                             "resourceVersionMatch \"exact\" is forbidden "
                                             "for resourceVersion \"0\""))
    if causes:
        raise errors.invalid("ListOptions", "meta.k8s.io", "", causes)
    # With a limit, a bare version means exactly that version; without, one at least as new.
    if text not in ("", "0") and not how and query.get("limit"):
        how = "Exact"
    return int(text or 0), how


def _continue_token(version, key):
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": list(key)})
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_continue(token):
    try:
        doc = json.loads(base64.urlsafe_b64decode(token))
        return int(doc["rv"]), tuple(doc["start"])
    except (ValueError, KeyError, TypeError):
        raise errors.bad_request("continue key is not valid") from None
