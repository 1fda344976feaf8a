# SPDX-License-Identifier: Apache-2.0
"""Watches: from a channel of the store to a chunked stream, one event a line.

The thread of the connection waits for its channel and for the peer's end at once, so that an event
leaves within a millisecond and a closed stream is gone at once. The faults of streams act here.
"""

import random
import threading
import time

from . import errors
from .store import Event, encode
from .wire import Closed

class Streams:
    """The open watches."""

    def __init__(self):
        self._lock = threading.Lock()
        self._open = set()

    def add(self, stream):
        with self._lock:
            self._open.add(stream)

    def remove(self, stream):
        with self._lock:
            self._open.discard(stream)

    def tell(self, item, matches=lambda info: True):
        """Hands item to the open watches that match; returns how many."""
        with self._lock:
            chosen = [s for s in self._open if matches(s.info)]
        for stream in chosen:
            stream.channel.push(item)
        return len(chosen)

    def wake(self):
        self.tell("wake")

    def reports(self):
        with self._lock:
            return [{"path": s.info.target, "userAgent": s.info.user_agent} for s in self._open]


class Stream:
    """One watch. view(record) is the JSON its client wants of an object."""

    def __init__(self, server, conn, info, predicate, view):
        self.server = server
        self.store = server.store
        self.conn = conn
        self.info = info
        self.res = info.resource
        self.predicate = predicate
        self.view = view
        self.channel = None
        self.held = None        # what the reorder fault keeps back
        self._stalled = []      # what the stall fault keeps back
        self._out = []
        self._done = False

    def run(self, query, bookmarks_every):
        """Serves the watch to its end."""
        since, initial = _parse(query)
        _timeout(query)
        try:
            version, backlog = self._subscribe(since, initial)
        except errors.ApiError as e:
            if e.code != 410:
                raise
            self._refuse(e)
            return
        try:
            if self._hit_gone(since):
                return
            self.server.streams.add(self)
            self.conn.start_chunks()
            for item in backlog:
                self._take(item)
            if initial:
                self._bookmark(version, {"k8s.io/initial-events-end": "true"})
            self._flush()
            self._serve(query, bookmarks_every)
        finally:
            self.server.streams.remove(self)
            self.store.unsubscribe(self.res.storage, self.channel)

    def _subscribe(self, since, initial):
        name = self.res.storage
        if since and not initial:
            self.channel, version, events = self.store.subscribe(name, since)
            return version, events
        self.channel, version, records = self.store.subscribe_all(name, self.info.namespace)
        if since > version:
            self.store.unsubscribe(name, self.channel)
            raise errors.too_large_version(since, version)
        return version, [Event("ADDED", r.rv, None, r, None) for r in records]

    def _hit_gone(self, since):
        fault = self.server.faults.hit("gone", self.info)
        if not fault:
            return False
        self._refuse(errors.expired(f"too old resource version: {since} ({self.store.rv})"),
                     fault.spec.get("mode"))
        return True

    def _refuse(self, error, mode=None):
        """An expired version is told in the stream, as the watch cache does, or as HTTP status."""
        if (mode or self.server.options.gone) == "http":
            raise error
        self.conn.start_chunks()
        self._line("ERROR", encode(error.status()))
        self._flush()
        self.conn.end_chunks()

    def _serve(self, query, bookmarks_every):
        now = time.monotonic()
        end = now + (_timeout(query) or random.uniform(1800, 3600))
        wants_bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        next_bookmark = now + bookmarks_every
        while not self._done:
            now = time.monotonic()
            stall = self._stall()
            until = stall.end if stall else end
            if not stall and now >= end:
                self._end()
                return
            if not stall and wants_bookmarks:
                if now >= next_bookmark:
                    self._bookmark_if_current()
                    next_bookmark = now + bookmarks_every
                until = min(end, next_bookmark)
            self.conn.wait(self.channel.fd, None if until is None else until - now)
            self._take_all()

    def _stall(self):
        return self.server.faults.find("stall", self.info, stage=None)

    def _take_all(self):
        """Handles what is in the channel; while a stall lasts, only orders, and events wait."""
        items = self.channel.drain()
        self._release_if_free()
        if self._stall():
            self._stalled += [i for i in items if isinstance(i, Event)]
            items = [i for i in items if not isinstance(i, Event)]
        else:
            items = self._stalled + items
            self._stalled = []
        for item in items:
            self._take(item)
            if self._done:
                return
        self._flush()

    def _end(self):
        self._release()
        self._flush()
        self.conn.end_chunks()

    def _take(self, item):
        """Handles an event, or an order: None (the resource ceased), "wake", or a fault."""
        if isinstance(item, Event):
            self._take_event(item)
        elif item is None:
            self._flush()
            self.conn.end_chunks()
            self._done = True
        elif item == "wake":
            self._release_if_free()
        elif item.kind == "cut":
            self._cut(item.spec.get("mode", "close"))
        elif item.kind == "garbage":
            self._flush()
            data = b'\x00\xff{"type":"ADDED","object":}}garbage\n'
            if item.spec.get("mode") == "frame":
                self.conn.send(data)
            else:
                self.conn.chunk(data)

    def _cut(self, mode):
        self._flush()
        self._done = True
        if mode == "end":
            self.conn.end_chunks()
            return
        if mode == "rst":
            self.conn.reset()
        raise Closed("cut")

    def _take_event(self, event):
        namespace = self.info.namespace
        if namespace and event.key and event.key[0] != namespace:
            return
        kind, record = self._selected(event)
        if not kind:
            return
        faults = self.server.faults
        if faults.find("reorder", self.info) and event.key:
            self._reorder(kind, record, event.key)
            return
        self._release()
        self._emit(kind, record)

    def _selected(self, event):
        """What this watch sees of an event: an object that moves in or out comes or goes."""
        match = self.predicate
        if match is None:
            return event.kind, event.new
        if event.kind == "DELETED":
            return ("DELETED", event.new) if match(event.old.obj) else (None, None)
        now = match(event.new.obj)
        before = event.old is not None and match(event.old.obj)
        if now:
            return ("MODIFIED" if before else "ADDED"), event.new
        if before:
            return "DELETED", event.moved_out()
        return None, None

    def _reorder(self, kind, record, key):
        if self.held is None:
            self.held = (kind, record, key)
            return
        held_key = self.held[2]
        if held_key == key:
            self._release()
            self.held = (kind, record, key)
            return
        self.server.faults.hit("reorder", self.info)
        self._emit(kind, record)
        self._release()

    def _release_if_free(self):
        if self.held and not self.server.faults.find("reorder", self.info):
            self._release()

    def _release(self):
        if self.held:
            kind, record, _ = self.held
            self.held = None
            self._emit(kind, record)

    def _emit(self, kind, record):
        faults = self.server.faults
        data = self.view(record)
        if faults.hit("truncate", self.info):
            self._flush()
            line = b'{"type":"%b","object":%b}\n' % (kind.encode(), data)
            self.conn.chunk(line[:len(line) // 2])
            self._done = True
            raise Closed("truncated")
        self._line(kind, data)
        if faults.hit("duplicate", self.info):
            self._line(kind, data)

    def _line(self, kind, data):
        line = b'{"type":"%b","object":%b}\n' % (kind.encode(), data)
        self._out.append(b"%x\r\n%b\r\n" % (len(line), line))
        if len(self._out) >= 256:
            self._flush()

    def _flush(self):
        if self._out:
            data = b"".join(self._out)
            self._out = []
            self.conn.send(data)

    def _bookmark_if_current(self):
        with self.store.lock:
            if self.channel.pending() or self.held or self._stalled:
                return
            version = self.store.rv
        self._bookmark(version, None)
        self._flush()

    def _bookmark(self, version, annotations):
        meta = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        self._line("BOOKMARK", self.view.bookmark(meta))


def _timeout(query):
    """The seconds after which the client wants the end, or 0."""
    text = query.get("timeoutSeconds") or "0"
    if not text.isdigit():
        raise errors.bad_request(f"Invalid value: {text}: timeoutSeconds is not a number")
    return int(text)


def _parse(query):
    """(version to start after, whether the initial events are asked for) of a watch's query."""
    text = query.get("resourceVersion") or "0"
    if not text.isdigit():
        raise errors.bad_request(f"Invalid value: {text}: resourceVersion is not a number")
    initial = query.get("sendInitialEvents")
    match = query.get("resourceVersionMatch")
    causes = []
    if initial in ("true", "1"):
        if match != "NotOlderThan":
            causes.append(errors.forbidden_value(
                "resourceVersionMatch", "sendInitialEvents requires setting "
                "resourceVersionMatch to NotOlderThan"))
    elif match:
        causes.append(errors.forbidden_value(
            "resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless "
            "sendInitialEvents is provided"))
    if causes:
        raise errors.invalid("ListOptions", "meta.k8s.io", "", causes)
    return int(text), initial in ("true", "1")
