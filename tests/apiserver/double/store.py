# SPDX-License-Identifier: Apache-2.0
"""The object store: what etcd and the watch cache are to a real API server.

One lock, one version counter for everything. A stored object is never modified in place, so
readers and watchers may use it without the lock, and its JSON is made once for all of them.
Each collection keeps its last events; a watch from before them has expired, and a list as of an
older version is the present one with the later events taken back.
"""

import bisect
import collections
import json
import os
import threading

from . import errors


def clone(value):
    """A deep copy of a JSON value."""
    if type(value) is dict:
        return {k: clone(v) for k, v in value.items()}
    if type(value) is list:
        return [clone(v) for v in value]
    return value


def encode(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Record:
    """One version of one object. obj must not be modified."""

    __slots__ = ("obj", "rv", "_views")

    def __init__(self, obj, rv):
        self.obj = obj
        self.rv = rv
        self._views = {}

    def view(self, res):
        """The object as the resource res presents it."""
        return res.present(self.obj) if res.present else self.obj

    def data(self, res):
        """The JSON of view(), made once."""
        data = self._views.get(res.gvr)
        if data is None:
            data = self._views[res.gvr] = encode(self.view(res))
        return data


class Event:
    """A change: kind is ADDED, MODIFIED or DELETED; old is the record before it, or None.

    For DELETED, new carries the object's last state with the version of its deletion.
    """

    __slots__ = ("kind", "rv", "key", "new", "old", "_moved_out")

    def __init__(self, kind, rv, key, new, old):
        self.kind = kind
        self.rv = rv
        self.key = key
        self.new = new
        self.old = old
        self._moved_out = None

    def after(self):
        """The record that is there after the event, or None."""
        return None if self.kind == "DELETED" else self.new

    def moved_out(self):
        """The record a selected watch gets when the object ceased to match."""
        if self._moved_out is None:
            self._moved_out = _with_version(self.old.obj, self.rv)
        return self._moved_out


def _with_version(obj, rv):
    obj = dict(obj)
    obj["metadata"] = dict(obj["metadata"], resourceVersion=str(rv))
    return Record(obj, rv)


class Channel:
    """Events on their way to one watcher. Its descriptor polls readable when there are any."""

    def __init__(self):
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._items = collections.deque()
        self._lock = threading.Lock()

    def push(self, item):
        with self._lock:
            if self.fd < 0:
                return
            self._items.append(item)
            if len(self._items) == 1:
                os.eventfd_write(self.fd, 1)

    def drain(self):
        with self._lock:
            items = list(self._items)
            self._items.clear()
            try:
                os.eventfd_read(self.fd)
            except BlockingIOError:
                pass
            return items

    def pending(self):
        return bool(self._items)

    def close(self):
        with self._lock:
            if self.fd >= 0:
                os.close(self.fd)
            self.fd = -1
            self._items.clear()


class Collection:
    """All objects of one stored type. Keys are (namespace, name), in etcd's order."""

    def __init__(self, name, history):
        self.name = name
        self.records = {}
        self.keys = []
        self.history = collections.deque()
        self.history_max = history
        self.floor = 0          # events up to this version are forgotten
        self.channels = []

    def range(self, namespace):
        """The sorted keys, of one namespace if given."""
        if not namespace:
            return list(self.keys)
        lo = bisect.bisect_left(self.keys, (namespace, ""))
        hi = bisect.bisect_left(self.keys, (namespace + "\0", ""))
        return self.keys[lo:hi]

    def note(self, event):
        self.history.append(event)
        while len(self.history) > self.history_max:
            self.floor = self.history.popleft().rv
        for channel in self.channels:
            channel.push(event)

    def compact(self, rv):
        self.history.clear()
        self.floor = rv


class Store:
    def __init__(self, history=10000):
        self.lock = threading.RLock()
        self.rv = 0
        self._history = history
        self._collections = {}

    def collection(self, name):
        with self.lock:
            coll = self._collections.get(name)
            if coll is None:
                coll = self._collections[name] = Collection(name, self._history)
            return coll

    def collections(self):
        with self.lock:
            return list(self._collections.values())

    def get(self, name, key):
        """The record, or None."""
        return self.collection(name).records.get(key)

    def put(self, name, key, obj):
        """Stores obj, which it takes over, as the next version; returns the record."""
        with self.lock:
            coll = self.collection(name)
            old = coll.records.get(key)
            self.rv += 1
            obj["metadata"]["resourceVersion"] = str(self.rv)
            new = Record(obj, self.rv)
            coll.records[key] = new
            if old is None:
                bisect.insort(coll.keys, key)
            coll.note(Event("MODIFIED" if old else "ADDED", self.rv, key, new, old))
            return new

    def remove(self, name, key):
        """Removes the object; returns the record of its last state."""
        with self.lock:
            coll = self.collection(name)
            old = coll.records.pop(key)
            del coll.keys[bisect.bisect_left(coll.keys, key)]
            self.rv += 1
            new = _with_version(old.obj, self.rv)
            coll.note(Event("DELETED", self.rv, key, new, old))
            return new

    def end_watches(self, name):
        """For a collection that is no longer served: its watchers end, its past has expired."""
        with self.lock:
            coll = self.collection(name)
            coll.compact(self.rv)
            for channel in coll.channels:
                channel.push(None)

    def list(self, name, namespace=None):
        """(version, records in key order) of the present."""
        with self.lock:
            coll = self.collection(name)
            return self.rv, [coll.records[k] for k in coll.range(namespace)]

    def list_at(self, name, namespace, rv):
        """The records as of version rv; raises expired when that is forgotten."""
        with self.lock:
            coll = self.collection(name)
            if rv < coll.floor:
                raise errors.expired(f"The resourceVersion for the provided list is too old: "
                                     f"{rv} ({coll.floor})")
            state = {k: coll.records[k] for k in coll.range(namespace)}
            for event in reversed(coll.history):
                if event.rv <= rv:
                    break
                if namespace and event.key[0] != namespace:
                    continue
                if event.old is None:
                    state.pop(event.key, None)
                else:
                    state[event.key] = event.old
            return [state[k] for k in sorted(state)]

    def subscribe(self, name, since):
        """(channel, version, events after `since`), without a gap; unsubscribe() ends it."""
        with self.lock:
            coll = self.collection(name)
            if since < coll.floor:
                raise errors.expired(f"too old resource version: {since} ({coll.floor})")
            backlog = []
            for event in reversed(coll.history):
                if event.rv <= since:
                    break
                backlog.append(event)
            backlog.reverse()
            return self._attach(coll), self.rv, backlog

    def subscribe_all(self, name, namespace=None):
        """(channel, version, records): the present state and what follows it."""
        with self.lock:
            coll = self.collection(name)
            records = [coll.records[k] for k in coll.range(namespace)]
            return self._attach(coll), self.rv, records

    @staticmethod
    def _attach(coll):
        channel = Channel()
        coll.channels.append(channel)
        return channel

    def unsubscribe(self, name, channel):
        with self.lock:
            coll = self._collections.get(name)
            if coll and channel in coll.channels:
                coll.channels.remove(channel)
        channel.close()

    def compact(self, name=None):
        """Forgets the events of one collection, or of all."""
        with self.lock:
            for coll in self._collections.values():
                if name in (None, coll.name):
                    coll.compact(self.rv)
