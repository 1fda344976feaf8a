# SPDX-License-Identifier: Apache-2.0
"""Create, update and delete with the semantics every resource shares.

Identity, versions, generation, finalizers, namespaces and the status subresource are here; what
is peculiar to a kind is in its Strategy. Every function runs under the store's lock, so that what
it read is still true when it writes.
"""

import random
import threading
import time
import uuid

from . import errors, names
from .store import Record, clone

# A real namespace controller takes a moment too. Without it, `kubectl delete -f` of a file with a
# namespace and what is in it would find the latter gone already, and fail.
_NAMESPACE_DELAY = 0.1
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def random_suffix(rng=random):
    return "".join(rng.choice(_SUFFIX) for _ in range(5))


class Strategy:
    """What is peculiar to a kind. Every method may be left as it is.

    old is the stored object before the change, None for a new one. `causes` of validate() refuse
    the object. allocate() runs last before the object is stored and may still raise; released()
    runs after an object is gone.
    """

    keeps_status_on_create = False
    returns_deleted = False

    def defaults(self, obj, old):
        pass

    def validate(self, obj, old):
        return []

    def allocate(self, obj, old, dry_run):
        pass

    def stored(self, obj):
        pass

    def released(self, obj):
        pass


class DeleteOptions:
    """What a DELETE's body and query ask for. Nothing collects dependents here, so every
    propagationPolicy comes to the same and is accepted unread."""

    def __init__(self, body=None, query=None):
        body, query = body or {}, query or {}
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        self.grace = None if grace is None else int(grace)
        pre = body.get("preconditions") or {}
        self.uid = pre.get("uid")
        self.rv = pre.get("resourceVersion")
        self.dry_run = "All" in (body.get("dryRun") or [query.get("dryRun")])


class Lifecycle:
    """graceful_pods: deleting a pod that is bound to a node only marks it, as a real API does for a
    kubelet to finish with gracePeriodSeconds=0."""

    def __init__(self, store, registry, graceful_pods=False):
        self.store = store
        self.registry = registry
        self.graceful_pods = graceful_pods
        self.unchecked = False  # whatever comes is stored
        self.strategies = {}
        self._default = Strategy()

    def strategy(self, res):
        return self.strategies.get(res.storage, self._default)

    def get(self, res, namespace, name):
        """The record; raises not found."""
        record = self.store.get(res.storage, (namespace or "", name))
        if record is None:
            raise errors.not_found(res, name)
        return record

    def create(self, res, namespace, obj, keep_status=False, dry_run=False):
        """Stores a new object, which it takes over; returns its record."""
        with self.store.lock:
            strategy = self.strategy(res)
            obj = self._checked_type(res, obj)
            if res.accept:
                obj = res.accept(obj)
            meta = self._new_metadata(res, namespace, obj)
            if res.has_status and not keep_status and not strategy.keeps_status_on_create:
                obj.pop("status", None)
            if res.namespaced:
                self._check_namespace(res, namespace, meta["name"])
            strategy.defaults(obj, None)
            if res.schema:
                res.schema.apply_defaults(obj)
            self._validate(res, obj, None)
            key = (namespace or "", meta["name"])
            if self.store.get(res.storage, key):
                raise errors.already_exists(res, meta["name"])
            strategy.allocate(obj, None, dry_run)
            if dry_run:
                return _unstored(obj)
            record = self.store.put(res.storage, key, obj)
            strategy.stored(record.obj)
            return record

    def update(self, res, namespace, name, change, subresource=None, dry_run=False):
        """Replaces an object by change(copy of the present one); returns the new record.

        change sees and returns the version res serves. A result equal to the present object is
        no update: nothing is stored and no event is sent, as with a real API server.
        """
        with self.store.lock:
            old = self.get(res, namespace, name)
            new = self._checked_type(res, change(clone(old.view(res))))
            if res.accept:
                new = res.accept(new)
            self._check_identity(res, old.obj, new, name)
            self._restrict(res, old.obj, new, subresource)
            strategy = self.strategy(res)
            strategy.defaults(new, old.obj)
            if res.schema:
                res.schema.apply_defaults(new)
            self._validate(res, new, old.obj)
            strategy.allocate(new, old.obj, dry_run)
            self._bump_generation(res, old.obj, new)
            return self._store_update(res, (namespace or "", name), old, new, dry_run)

    def _store_update(self, res, key, old, new, dry_run):
        new["metadata"]["resourceVersion"] = old.obj["metadata"]["resourceVersion"]
        if new == old.obj:
            return old
        if dry_run:
            return _unstored(new)
        record = self.store.put(res.storage, key, new)
        strategy = self.strategy(res)
        if res.storage == "namespaces":
            self._finish_namespace(key[1])
        elif _may_go(record.obj):
            return self._remove(res, key)
        strategy.stored(record.obj)
        return record

    def delete(self, res, namespace, name, options=None):
        """(record of the last or marked state, whether it is gone)."""
        options = options or DeleteOptions()
        with self.store.lock:
            old = self.get(res, namespace, name)
            meta = old.obj["metadata"]
            if options.uid and options.uid != meta["uid"]:
                raise errors.conflict(res, name, f"Precondition failed: UID in precondition: "
                                      f"{options.uid}, UID in object meta: {meta['uid']}")
            if options.rv and options.rv != meta["resourceVersion"]:
                raise errors.conflict(res, name, "Precondition failed: ResourceVersion in "
                                      f"precondition: {options.rv}, ResourceVersion in "
                                      f"object meta: {meta['resourceVersion']}")
            if options.dry_run:
                return old, True
            key = (namespace or "", name)
            if res.storage == "namespaces":
                return self._delete_namespace(res, key, old)
            grace = self._grace(res, old.obj, options)
            if not meta.get("finalizers") and grace == 0:
                return self._remove(res, key), True
            return self._mark_deleted(res, key, old, grace), False

    def _grace(self, res, obj, options):
        if res.storage != "pods" or not self.graceful_pods:
            return 0
        if not obj["spec"].get("nodeName") or obj["status"].get("phase") in ("Succeeded", "Failed"):
            return 0
        if options.grace is not None:
            return options.grace
        return obj["spec"].get("terminationGracePeriodSeconds", 30)

    def _mark_deleted(self, res, key, old, grace):
        meta = old.obj["metadata"]
        if meta.get("deletionTimestamp") and grace >= meta.get("deletionGracePeriodSeconds", 0):
            return old
        new = clone(old.obj)
        new["metadata"].setdefault("deletionTimestamp", now())
        new["metadata"]["deletionGracePeriodSeconds"] = grace
        if res.generation:
            new["metadata"]["generation"] = meta.get("generation", 1) + 1
        record = self.store.put(res.storage, key, new)
        self.strategy(res).stored(record.obj)
        return record

    def _remove(self, res, key):
        record = self.store.remove(res.storage, key)
        self.strategy(res).released(record.obj)
        if res.namespaced:
            self._finish_namespace(key[0])
        return record

    def _delete_namespace(self, res, key, old):
        if old.obj["metadata"].get("deletionTimestamp"):
            return old, False
        new = clone(old.obj)
        new["metadata"]["deletionTimestamp"] = now()
        new["status"] = dict(new.get("status") or {}, phase="Terminating")
        record = self.store.put(res.storage, key, new)
        timer = threading.Timer(_NAMESPACE_DELAY, self._empty_namespace, (key[1],))
        timer.daemon = True
        timer.start()
        return record, False

    def _empty_namespace(self, name):
        """The namespace controller: deletes what is in a terminating namespace, then itself."""
        with self.store.lock:
            for stored in self.registry.stored():
                for item in self.store.list(stored.storage, name)[1] if stored.namespaced else ():
                    if self.store.get(stored.storage, _key(item)):
                        self.delete(stored, *_key(item), DeleteOptions({"gracePeriodSeconds": 0}))
            self._finish_namespace(name)

    def _finish_namespace(self, name):
        """Removes a terminating namespace once nothing is left in it; returns whether it went."""
        record = self.store.get("namespaces", ("", name))
        if not record or not record.obj["metadata"].get("deletionTimestamp"):
            return False
        for stored in self.registry.stored():
            if stored.namespaced and self.store.collection(stored.storage).range(name):
                return False
        if record.obj["spec"].get("finalizers"):
            new = clone(record.obj)
            del new["spec"]["finalizers"]
            record = self.store.put("namespaces", ("", name), new)
        if record.obj["metadata"].get("finalizers"):
            return False
        self.store.remove("namespaces", ("", name))
        return True

    @staticmethod
    def _checked_type(res, obj):
        if not isinstance(obj, dict):
            raise errors.bad_request("the object provided is not a JSON object")
        for field, expected in (("apiVersion", res.api_version), ("kind", res.kind)):
            given = obj.setdefault(field, expected)
            if given != expected:
                raise errors.bad_request(
                    f"the {field} in the data ({given}) does not match the expected "
                    f"{field} ({expected})")
        if not isinstance(obj.setdefault("metadata", {}), dict):
            raise errors.bad_request("metadata is not a JSON object")
        return {"kind": obj.pop("kind"), "apiVersion": obj.pop("apiVersion"), **obj}

    @staticmethod
    def _new_metadata(res, namespace, obj):
        meta = obj["metadata"]
        if meta.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if res.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                raise errors.bad_request("the namespace of the provided object does not match "
                                         "the namespace sent on the request")
        else:
            meta.pop("namespace", None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:58] + random_suffix()
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
                      "managedFields", "generation"):
            meta.pop(field, None)
        meta["uid"] = str(uuid.UUID(int=random.getrandbits(128), version=4))
        meta["creationTimestamp"] = now()
        if res.generation:
            meta["generation"] = 1
        meta.setdefault("name", "")
        return meta

    def _check_namespace(self, res, namespace, name):
        record = self.store.get("namespaces", ("", namespace))
        if record is None:
            raise errors.not_found(self.registry.find("", "v1", "namespaces"), namespace)
        if record.obj["metadata"].get("deletionTimestamp"):
            why = (f"unable to create new content in namespace {namespace} because it is being "
                   "terminated")
            raise errors.forbidden(res, name, why, [errors.cause(
                "NamespaceTerminating", "metadata.namespace",
                f"namespace {namespace} is being terminated")])

    def _check_identity(self, res, old, new, name):
        meta, was = new["metadata"], old["metadata"]
        if meta.setdefault("name", name) != name:
            raise errors.bad_request(f"the name of the object ({meta['name']}) does not match the "
                                     f"name on the URL ({name})")
        if res.namespaced and meta.setdefault("namespace", was["namespace"]) != was["namespace"]:
            raise errors.bad_request(
                f"the namespace of the object ({meta['namespace']}) does not match the "
                f"namespace on the request ({was['namespace']})")
        if meta.get("uid") and meta["uid"] != was["uid"]:
            raise errors.conflict(res, name, f"Precondition failed: UID in precondition: "
                                  f"{meta['uid']}, UID in object meta: {was['uid']}")
        if meta.get("resourceVersion") not in (None, "", "0", was["resourceVersion"]):
            raise errors.conflict(res, name)

    @staticmethod
    def _restrict(res, old, new, subresource):
        """Keeps what this request may not change."""
        meta, was = new["metadata"], old["metadata"]
        if subresource == "status":
            for field in set(old) | set(new):
                if field not in ("status", "metadata"):
                    _keep(new, old, field)
            if res.custom:
                new["metadata"] = meta = clone(was)
        elif res.has_status:
            _keep(new, old, "status")
        for field in ("uid", "creationTimestamp", "generation", "deletionTimestamp",
                      "deletionGracePeriodSeconds", "generateName"):
            _keep(meta, was, field)
        for field in ("managedFields", "selfLink"):
            meta.pop(field, None)

    def _validate(self, res, obj, old):
        if self.unchecked:
            return
        causes = names.check_metadata(res, obj)
        if old and old["metadata"].get("deletionTimestamp"):
            added = set(obj["metadata"].get("finalizers") or []) - \
                set(old["metadata"].get("finalizers") or [])
            if added:
                causes.append(errors.forbidden_value(
                    "metadata.finalizers", "no new finalizers can be added if the object "
                    f"is being deleted, found new finalizers {sorted(added)}"))
        causes += self.strategy(res).validate(obj, old)
        if res.schema:
            causes += res.schema.validate(obj)
        if causes:
            raise errors.invalid(res.kind, res.group, obj["metadata"].get("name", ""), causes)

    @staticmethod
    def _bump_generation(res, old, new):
        if not res.generation:
            return
        skip = ("metadata", "status") if res.has_status else ("metadata",)
        if {k: v for k, v in old.items() if k not in skip} != \
           {k: v for k, v in new.items() if k not in skip}:
            new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1


def _keep(new, old, field):
    if field in old:
        new[field] = clone(old[field])
    else:
        new.pop(field, None)


def _key(record):
    meta = record.obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _may_go(obj):
    """Whether an object marked for deletion has nothing left to wait for."""
    meta = obj["metadata"]
    if not meta.get("deletionTimestamp") or meta.get("finalizers"):
        return False
    return meta.get("deletionGracePeriodSeconds", 0) == 0


def _unstored(obj):
    return Record(obj, int(obj["metadata"].get("resourceVersion") or 0))
