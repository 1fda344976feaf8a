# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: what is armed, and whom it hits.

A fault has a kind, conditions (resource, path, verb, userAgent; one left out matches everything)
and an end: `count` hits, `seconds`, or until it is cleared. Kinds, and what else they take:

  status        answer with `code` (500), and Retry-After `retryAfter` if given
  slow          answer after `delay` seconds
  stall         send nothing: requests wait unanswered, open watches fall silent; with
                `stage: accept`, new connections are accepted but not even the handshake is made
  refuse        close new connections as soon as they are accepted
  expire-token  401 for every token
  gone          the next watch has expired: 410 as an ERROR event, or as HTTP with `mode: http`
  cut           end open watches now: `mode` close (default; a FIN in mid-body), rst, end
  garbage       send bytes that are no JSON into open watches now; with `mode: frame`, bytes that
                are no HTTP either
  truncate      end a watch in the middle of the line of its next event
  duplicate     send events twice
  reorder       send an event after the next one of the same watch that is about another object
  rotate-token  make a new token, which alone is valid, and write it to the token file

cut, garbage and rotate-token happen at once and are not kept. Requests to the double's own paths
are never hit once they have arrived; its unix socket always answers.
"""

import re
import threading
import time

from . import errors

ONCE = ("cut", "garbage", "rotate-token")
KINDS = ("status", "slow", "stall", "refuse", "expire-token", "gone", "truncate", "duplicate",
         "reorder") + ONCE
_FIELDS = {"kind", "resource", "path", "verb", "userAgent", "count", "seconds", "code",
           "retryAfter", "delay", "stage", "mode"}
# These hit a fixed number of times unless told otherwise; the rest last until cleared.
_DEFAULT_COUNT = {"status": 1, "gone": 1, "truncate": 1}


class Fault:
    def __init__(self, number, spec):
        unknown = set(spec) - _FIELDS
        if spec.get("kind") not in KINDS:
            raise errors.bad_request(f"unknown kind of fault {spec.get('kind')!r}")
        if unknown:
            raise errors.bad_request(f"unknown fields {sorted(unknown)}")
        self.number = number
        self.spec = spec
        self.kind = spec["kind"]
        default = None if "seconds" in spec else _DEFAULT_COUNT.get(self.kind)
        self.left = spec.get("count", default)
        self.end = time.monotonic() + spec["seconds"] if "seconds" in spec else None
        self._path = re.compile(spec["path"]) if spec.get("path") else None
        self._agent = re.compile(spec["userAgent"]) if spec.get("userAgent") else None

    def live(self):
        return self.left != 0 and (self.end is None or time.monotonic() < self.end)

    def matches(self, info):
        """Whether the fault concerns a request; info is None before there is one."""
        if info is None:
            return True
        if self.spec.get("resource") and not info.names(self.spec["resource"]):
            return False
        if self.spec.get("verb") and self.spec["verb"] != info.verb:
            return False
        if self._path and not self._path.search(info.target):
            return False
        return not self._agent or bool(self._agent.search(info.user_agent))

    def report(self):
        ret = dict(self.spec, id=self.number)
        if self.left is not None:
            ret["left"] = self.left
        return ret


class Faults:
    def __init__(self, wake):
        """wake() is called after every change, so that open watches look again."""
        self._wake = wake
        self._changed = threading.Condition()
        self._faults = []
        self._number = 0

    def add(self, spec):
        with self._changed:
            self._number += 1
            fault = Fault(self._number, spec)
            if fault.kind not in ONCE:
                self._faults.append(fault)
            self._changed.notify_all()
        self._wake()
        return fault

    def clear(self, number=None, kind=None):
        """Clears one fault, one kind, or all; returns how many."""
        with self._changed:
            keep = [f for f in self._faults
                    if (number and f.number != number) or (kind and f.kind != kind)]
            cleared = len(self._faults) - len(keep)
            self._faults = keep
            self._changed.notify_all()
        self._wake()
        return cleared

    def reports(self):
        with self._changed:
            return [f.report() for f in self._faults if f.live()]

    def _first(self, kind, info, **spec):
        for fault in self._faults:
            if fault.kind == kind and fault.live() and fault.matches(info) and \
               all(fault.spec.get(k) == v for k, v in spec.items()):
                return fault
        return None

    def find(self, kind, info, **spec):
        """The fault that hits info, not counted as a hit; None if there is none."""
        if not self._faults:
            return None
        with self._changed:
            return self._first(kind, info, **spec)

    def hit(self, kind, info, **spec):
        """The fault that hits info, now counted; None if there is none."""
        if not self._faults:
            return None
        with self._changed:
            fault = self._first(kind, info, **spec)
            if fault and fault.left is not None:
                fault.left -= 1
            return fault

    def wait_stalled(self, info, stage=None):
        """Returns once no stall hits info."""
        if not self._faults:
            return
        with self._changed:
            while True:
                fault = self._first("stall", info, stage=stage)
                if not fault:
                    return
                left = None if fault.end is None else fault.end - time.monotonic()
                self._changed.wait(left)
