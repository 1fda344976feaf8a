# SPDX-License-Identifier: Apache-2.0
"""Discovery and OpenAPI documents, as far as kubectl needs them: they say what is served and that
field validation is the server's, and describe no schema."""

from . import errors
from .store import encode
from .views import media_ranges

VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.4", "gitCommit": "double",
           "gitTreeState": "clean", "buildDate": "2025-01-01T00:00:00Z", "goVersion": "go1.24",
           "compiler": "gc", "platform": "linux/amd64"}

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_SUB_VERBS = {"binding": ["create"], "eviction": ["create"]}
_SUB_KINDS = {"binding": ("", "v1", "Binding"), "eviction": ("policy", "v1", "Eviction")}


def _sub_verbs(sub):
    return _SUB_VERBS.get(sub, ["get", "patch", "update"])


def _resource_list(registry, group, version):
    ret = []
    for res in registry.all():
        if (res.group, res.version) != (group, version):
            continue
        item = {"name": res.plural, "singularName": res.singular, "namespaced": res.namespaced,
                "kind": res.kind, "verbs": _VERBS}
        if res.short:
            item["shortNames"] = res.short
        if res.categories:
            item["categories"] = res.categories
        ret.append(item)
        for sub in res.subresources:
            sub_group, sub_version, kind = _SUB_KINDS.get(sub, (None, None, res.kind))
            item = {"name": f"{res.plural}/{sub}", "singularName": "",
                    "namespaced": res.namespaced, "kind": kind, "verbs": _sub_verbs(sub)}
            if sub_version:
                item.update(group=sub_group, version=sub_version)
            ret.append(item)
    if not ret:
        raise errors.no_such_path()
    return {"kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version, "resources": ret}


def _group(group, versions):
    shown = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": shown, "preferredVersion": shown[0]}


def _group_list(registry):
    return {"kind": "APIGroupList", "apiVersion": "v1",
            "groups": [_group(g, v) for g, v in registry.groups().items() if g]}


def _api_versions(addresses):
    return {"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": a}
                                           for a in addresses[:1]]}


def _aggregated_resource(res):
    scope = "Namespaced" if res.namespaced else "Cluster"
    kind = {"group": res.group, "version": res.version, "kind": res.kind}
    subs = []
    for sub in res.subresources:
        sub_group, sub_version, sub_kind = _SUB_KINDS.get(sub, (res.group, res.version, res.kind))
        subs.append({"subresource": sub, "verbs": _sub_verbs(sub), "responseKind":
                     {"group": sub_group, "version": sub_version, "kind": sub_kind}})
    ret = {"resource": res.plural, "responseKind": kind, "scope": scope,
           "singularResource": res.singular, "verbs": _VERBS}
    for field, value in (("shortNames", res.short), ("categories", res.categories),
                         ("subresources", subs)):
        if value:
            ret[field] = value
    return ret


def _aggregated(registry, core, version):
    items = []
    for group, versions in registry.groups().items():
        if bool(group) == core:
            continue
        shown = [{"version": v, "freshness": "Current",
                  "resources": [_aggregated_resource(r) for r in registry.all()
                                if (r.group, r.version) == (group, v)]} for v in versions]
        meta = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        items.append({"metadata": meta, "versions": shown})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {}, "items": items}


def _open_api_v3_index(registry):
    paths = {}
    for group, versions in registry.groups().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}"}
    return {"paths": paths}


def _open_api_v3(registry, group, version):
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    query = [{"name": n, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
             for n in ("dryRun", "fieldManager", "fieldValidation")]
    paths = {}
    for res in registry.all():
        if (res.group, res.version) != (group, version):
            continue
        place = "/namespaces/{namespace}/" if res.namespaced else "/"
        kind = {"group": group, "version": version, "kind": res.kind}
        verbs = {}
        for verb, action in (("get", "get"), ("put", "put"), ("patch", "patch")):
            verbs[verb] = {"parameters": query if verb != "get" else [],
                           "x-kubernetes-action": action, "responses": {},
                           "x-kubernetes-group-version-kind": kind}
        paths[f"{root}{place}{res.plural}/{{name}}"] = verbs
    if not paths:
        raise errors.no_such_path()
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
            "paths": paths, "components": {"schemas": {}}}


# Asked for with an @, which Go's mime parser refuses in the answer; real servers do the same.
_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def _field(number, data):
    """A length-delimited protobuf field; data is shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def _open_api_v2(accept):
    """An OpenAPI v2 document without paths: openapi.v2.Document{swagger, info{title, version}}."""
    title, version = "Kubernetes", VERSION["gitVersion"]
    if any("proto-openapi" in media for media, _ in media_ranges(accept)):
        info = _field(1, title.encode()) + _field(2, version.encode())
        return _field(1, b"2.0") + _field(2, info), _V2_PROTOBUF
    return encode({"swagger": "2.0", "info": {"title": title, "version": version}, "paths": {},
                   "definitions": {}}), "application/json"


def respond(server, request):
    """(body, content type) for a discovery path, or None when the path is none."""
    steps = request.path.strip("/").split("/")
    registry, accept = server.registry, request.headers.get("accept", "")
    if steps[0] in ("api", "apis") and len(steps) == 1:
        for media, params in media_ranges(accept):
            if params.get("as") == "APIGroupDiscoveryList" and params.get("v") in ("v2", "v2beta1"):
                version = params["v"]
                return (encode(_aggregated(registry, steps[0] == "api", version)),
                        "application/json;g=apidiscovery.k8s.io;"
                        f"v={version};as=APIGroupDiscoveryList")
            if media == "application/json" and not params.get("as"):
                break
    if request.path == "/openapi/v2":
        return _open_api_v2(accept)
    doc = _document(server, registry, steps)
    return None if doc is None else (encode(doc), "application/json")


def _document(server, registry, steps):
    if steps == ["version"]:
        return VERSION
    if steps == ["api"]:
        return _api_versions(server.addresses)
    if steps == ["apis"]:
        return _group_list(registry)
    if steps[0] == "api" and len(steps) == 2:
        return _resource_list(registry, "", steps[1])
    if steps[0] == "apis" and len(steps) == 2:
        versions = registry.groups().get(steps[1])
        if not versions:
            raise errors.no_such_path()
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(steps[1], versions)}
    if steps[0] == "apis" and len(steps) == 3:
        return _resource_list(registry, steps[1], steps[2])
    if steps == ["openapi", "v3"]:
        return _open_api_v3_index(registry)
    if steps[:3] == ["openapi", "v3", "api"] and len(steps) == 4:
        return _open_api_v3(registry, "", steps[3])
    if steps[:3] == ["openapi", "v3", "apis"] and len(steps) == 5:
        return _open_api_v3(registry, steps[3], steps[4])
    return None
