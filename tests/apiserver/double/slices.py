# SPDX-License-Identifier: Apache-2.0
"""The EndpointSlice controller: slices for services that have a selector.

Level-triggered: any change of a service, pod or node marks the services it may concern, and each
marked service's slices are compared with what they should be. Endpoints that stay keep their slice,
so an update touches as few slices as possible.
"""

import collections
import select
import threading
import time

from . import errors, selector
from .store import clone

_PER_SLICE = 100
_MANAGER = "endpointslice-controller.k8s.io"
_OWNER = "kubernetes.io/service-name"
_ZONE = "topology.kubernetes.io/zone"
_WATCHED = ("services", "pods", "nodes", "endpointslices.discovery.k8s.io")


class _Index:
    """Names by (namespace, label, value), so that a look-up costs what it finds."""

    def __init__(self):
        self._names = collections.defaultdict(set)

    def move(self, namespace, name, before, after):
        """before and after: the labels, {} for none."""
        for item in before.items():
            if after.get(item[0]) != item[1]:
                self._names[(namespace, *item)].discard(name)
        for item in after.items():
            self._names[(namespace, *item)].add(name)

    def find(self, namespace, label, value):
        return self._names.get((namespace, label, value), ())


class Controller:
    def __init__(self, store, registry, lifecycle):
        self.store = store
        self.life = lifecycle
        self.res = registry.find("discovery.k8s.io", "v1", "endpointslices")
        self._channels = {}
        self._pods = _Index()           # by their labels
        self._services = _Index()       # by the first pair of their selectors
        self._slices = _Index()         # by the service they are of

    def start(self):
        for name in _WATCHED:
            self._channels[name] = self.store.subscribe_all(name)[0]
        threading.Thread(target=self._run, name="endpointslices", daemon=True).start()

    def _run(self):
        poll = select.poll()
        for channel in self._channels.values():
            poll.register(channel.fd, select.POLLIN)
        while True:
            poll.poll()
            start = time.monotonic()
            dirty = set()
            for name, channel in self._channels.items():
                for event in channel.drain():
                    dirty |= self._concerned(name, event)
            for key in sorted(dirty):
                try:
                    self._sync(*key)
                except errors.ApiError:
                    pass    # the service or its namespace went meanwhile; its event follows
            # Many changes in a row are taken together: at most half of the time goes into this.
            time.sleep(time.monotonic() - start)

    def _concerned(self, name, event):
        """Notes an event; returns the keys of the services that it may concern."""
        if name == "services":
            self._services.move(*event.key, _first_pair(_selector(event.old)),
                                _first_pair(_selector(event.after())))
            return {event.key}
        if name == "pods":
            before, after = _labels(event.old), _labels(event.after())
            self._pods.move(*event.key, before, after)
            return self._selecting(event.key[0], before) | self._selecting(event.key[0], after)
        if name == "nodes":
            if event.old is not None and _zone(event.old.obj) == _zone(event.new.obj):
                return set()
            return {_key(r.obj) for r in self.store.list("services")[1]}
        self._slices.move(*event.key, _owner(event.old), _owner(event.after()))
        return {(event.key[0], service) for r in (event.old, event.new)
                for service in _owner(r).values()}

    def _selecting(self, namespace, labels):
        ret = set()
        for label, value in labels.items():
            for name in self._services.find(namespace, label, value):
                service = self.store.get("services", (namespace, name))
                wanted = service and _selector(service)
                if wanted and all(labels.get(k) == v for k, v in wanted.items()):
                    ret.add((namespace, name))
        return ret

    def _sync(self, namespace, name):
        with self.store.lock:
            service = self.store.get("services", (namespace, name))
            mine = self._existing(self.res.storage, namespace,
                                  self._slices.find(namespace, _OWNER, name))
            if service is None:
                for item in mine:
                    self.life.delete(self.res, namespace, item["metadata"]["name"])
                return
            if service.obj["metadata"].get("deletionTimestamp") or \
               not service.obj["spec"].get("selector") or \
               service.obj["spec"]["type"] == "ExternalName":
                return
            self._reconcile(service.obj, mine)

    def _existing(self, storage, namespace, names):
        """The objects of those names that are there, in order."""
        records = (self.store.get(storage, (namespace, n)) for n in sorted(names))
        return [r.obj for r in records if r is not None]

    def _reconcile(self, service, mine):
        wanted = self._wanted(service)
        have = {}
        for item in mine:
            have.setdefault(_group_of(item), []).append(item)
        for group in set(have) - set(wanted):
            for item in have[group]:
                self._delete(item)
        for group, (family, ports, endpoints) in wanted.items():
            self._fill(service, family, ports, endpoints, have.get(group, []))

    def _wanted(self, service):
        """{group: (family, ports, {uid: endpoint})}; there is one for each family."""
        wanted, namespace = service["spec"]["selector"], service["metadata"]["namespace"]
        (label, value), = _first_pair(wanted).items()
        match = selector.subset(wanted)
        pods = [p for p in self._existing("pods", namespace,
                                          self._pods.find(namespace, label, value)) if match(p)]
        ret = {}
        for family in service["spec"].get("ipFamilies") or ["IPv4"]:
            groups = {}
            for pod in pods:
                endpoint = self._endpoint(service, pod, family)
                if endpoint:
                    ports = _ports(service, pod)
                    group = groups.setdefault(_group(family, ports), (family, ports, {}))
                    group[2][pod["metadata"]["uid"]] = endpoint
            if not groups:
                ports = _ports(service, None)
                groups[_group(family, ports)] = (family, ports, {})
            ret.update(groups)
        return ret

    def _endpoint(self, service, pod, family):
        status = pod.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            return None
        addresses = [p["ip"] for p in status.get("podIPs") or []
                     if (":" in p["ip"]) == (family == "IPv6")]
        if not addresses:
            return None
        meta, spec = pod["metadata"], pod["spec"]
        serving = any(c.get("type") == "Ready" and c.get("status") == "True"
                      for c in status.get("conditions") or [])
        terminating = bool(meta.get("deletionTimestamp"))
        always = bool(service["spec"].get("publishNotReadyAddresses"))
        ret = {"addresses": addresses[:1],
               "conditions": {"ready": always or (serving and not terminating),
                              "serving": serving, "terminating": terminating},
               "targetRef": {"kind": "Pod", "namespace": meta["namespace"],
                             "name": meta["name"], "uid": meta["uid"]}}
        if spec.get("nodeName"):
            ret["nodeName"] = spec["nodeName"]
            node = self.store.get("nodes", ("", spec["nodeName"]))
            if node and _zone(node.obj):
                ret["zone"] = _zone(node.obj)
        if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
            ret["hostname"] = spec["hostname"]
        return ret

    def _fill(self, service, family, ports, endpoints, have):
        """Makes the slices of one group hold exactly endpoints."""
        left = dict(endpoints)
        plans = []
        for item in have:
            kept = []
            for endpoint in item["endpoints"]:
                uid = (endpoint.get("targetRef") or {}).get("uid")
                if uid in left:
                    kept.append(left.pop(uid))
            plans.append((item, kept))
        for _, kept in plans:
            while left and len(kept) < _PER_SLICE:
                kept.append(left.pop(next(iter(left))))
        used = [(i, k) for i, k in plans if k]
        if not used and plans and not left:
            used = [(plans[0][0], [])]
        for item, _ in plans:
            if not any(item is i for i, _ in used):
                self._delete(item)
        for item, kept in used:
            self._update(service, item, kept)
        rest = list(left.values())
        for start in range(0, len(rest), _PER_SLICE):
            self._create(service, family, ports, rest[start:start + _PER_SLICE])
        if not rest and not used:
            self._create(service, family, ports, [])

    def _labels(self, service):
        labels = dict(service["metadata"].get("labels") or {})
        labels.pop("service.kubernetes.io/headless", None)
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        labels[_OWNER] = service["metadata"]["name"]
        labels["endpointslice.kubernetes.io/managed-by"] = _MANAGER
        return labels

    def _create(self, service, family, ports, endpoints):
        meta = service["metadata"]
        self.life.create(self.res, meta["namespace"], {
            "metadata": {"generateName": f"{meta['name']}-", "labels": self._labels(service),
                         "ownerReferences": [{
                             "apiVersion": "v1", "kind": "Service", "name": meta["name"],
                             "uid": meta["uid"], "controller": True,
                             "blockOwnerDeletion": True}]},
            "addressType": family, "ports": clone(ports), "endpoints": clone(endpoints)})

    def _update(self, service, item, endpoints):
        if item["endpoints"] == endpoints and item["metadata"]["labels"] == self._labels(service):
            return

        def change(obj):
            obj["endpoints"] = clone(endpoints)
            obj["metadata"]["labels"] = self._labels(service)
            return obj
        meta = item["metadata"]
        self.life.update(self.res, meta["namespace"], meta["name"], change)

    def _delete(self, item):
        meta = item["metadata"]
        if not meta.get("deletionTimestamp"):
            self.life.delete(self.res, meta["namespace"], meta["name"])


def _selector(record):
    return (record.obj["spec"].get("selector") or {}) if record else {}


def _first_pair(labels):
    return dict([min(labels.items())]) if labels else {}


def _labels(record):
    return (record.obj["metadata"].get("labels") or {}) if record else {}


def _owner(record):
    """{_OWNER: service} of a slice that is this controller's, else {}."""
    labels = _labels(record)
    if labels.get("endpointslice.kubernetes.io/managed-by") != _MANAGER or _OWNER not in labels:
        return {}
    return {_OWNER: labels[_OWNER]}


def _key(obj):
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _zone(node):
    return (node["metadata"].get("labels") or {}).get(_ZONE)


def _ports(service, pod):
    """The slice's ports for a pod: named target ports are the pod's, if it has them."""
    ret = []
    for port in service["spec"].get("ports") or []:
        number = port["targetPort"]
        if isinstance(number, str):
            number = _named_port(pod, number, port["protocol"]) if pod else None
            if number is None:
                continue
        entry = {"name": port.get("name", ""), "protocol": port["protocol"], "port": number}
        if port.get("appProtocol"):
            entry["appProtocol"] = port["appProtocol"]
        ret.append(entry)
    return ret


def _named_port(pod, name, protocol):
    containers = [*(pod["spec"].get("containers") or []), *(
        c for c in pod["spec"].get("initContainers") or [] if c.get("restartPolicy") == "Always")]
    for container in containers:
        for port in container.get("ports") or []:
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return port["containerPort"]
    return None


def _group(family, ports):
    return (family, tuple((p["name"], p["protocol"], p["port"], p.get("appProtocol"))
                          for p in ports))


def _group_of(obj):
    return _group(obj["addressType"], obj.get("ports") or [])
