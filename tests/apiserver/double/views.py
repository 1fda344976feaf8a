# SPDX-License-Identifier: Apache-2.0
"""What a client wants to see of objects: whole, as rows of a Table, or their metadata only."""

from . import errors, tables
from .store import encode


class Whole:
    """Objects as they are; their JSON is made once for all clients."""

    def __init__(self, res):
        self.res = res
        # Items of a list carry no type of their own, unless the resource is a custom one.
        self._prefix = b"" if res.custom else encode(
            {"kind": res.kind, "apiVersion": res.api_version})[1:-1] + b","

    def __call__(self, record):
        return record.data(self.res)

    def bookmark(self, meta):
        return encode({"kind": self.res.kind, "apiVersion": self.res.api_version,
                       "metadata": meta})

    def _item(self, record):
        data = record.data(self.res)
        if self._prefix and data.startswith(self._prefix, 1):
            return b"{" + data[1 + len(self._prefix):]
        return data

    def list(self, meta, records):
        head = encode({"kind": self.res.list_kind, "apiVersion": self.res.api_version,
                       "metadata": meta})
        return head[:-1] + b',"items":[' + b",".join(self._item(r) for r in records) + b"]}"


class Rows:
    """Tables, as kubectl get asks for."""

    def __init__(self, res, version, include):
        self.res = res
        self.version = version
        self.include = include

    def _table(self, meta, records):
        return {"kind": "Table", "apiVersion": f"meta.k8s.io/{self.version}", "metadata": meta,
                "columnDefinitions": tables.columns(self.res),
                "rows": [{"cells": tables.cells(self.res, r.view(self.res)),
                          **self._object(r)} for r in records]}

    def _object(self, record):
        if self.include == "None":
            return {}
        obj = record.view(self.res)
        return {"object": obj if self.include == "Object" else _metadata_only(obj, self.version)}

    def __call__(self, record):
        return encode(self._table({"resourceVersion": str(record.rv)}, [record]))

    def bookmark(self, meta):
        return encode(self._table(meta, []))

    def list(self, meta, records):
        return encode(self._table(meta, records))


class MetadataOnly:
    def __init__(self, res, version):
        self.res = res
        self.version = version

    def __call__(self, record):
        return encode(_metadata_only(record.view(self.res), self.version))

    def bookmark(self, meta):
        return encode({"kind": "PartialObjectMetadata",
                       "apiVersion": f"meta.k8s.io/{self.version}", "metadata": meta})

    def list(self, meta, records):
        return encode({"kind": "PartialObjectMetadataList",
                       "apiVersion": f"meta.k8s.io/{self.version}", "metadata": meta,
                       "items": [_metadata_only(r.view(self.res), self.version)
                                 for r in records]})


def _metadata_only(obj, version):
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}",
            "metadata": obj["metadata"]}


_JSON = ("application/json", "application/*", "*/*")


def media_ranges(accept):
    """[(media type, parameters)] of an Accept header, in its order."""
    ret = []
    for part in accept.split(","):
        media, *params = [p.strip() for p in part.split(";")]
        ret.append((media, dict(p.split("=", 1) for p in params if "=" in p)))
    return ret


def of_request(res, request):
    """The view a request asks for; raises not acceptable."""
    accept = request.headers.get("accept") or "*/*"
    for media, params in media_ranges(accept):
        if media not in _JSON:
            continue
        form, version = params.get("as"), params.get("v", "v1")
        if form is None:
            return Whole(res)
        if params.get("g") != "meta.k8s.io" or version not in ("v1", "v1beta1"):
            continue
        if form == "Table":
            return Rows(res, version, request.query.get("includeObject", "Metadata"))
        if form in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return MetadataOnly(res, version)
    raise errors.not_acceptable("application/json")
