# SPDX-License-Identifier: Apache-2.0
"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386)."""

from . import errors
from .store import clone


def merge(target, change):
    """The result of a merge patch; target may be modified."""
    if not isinstance(change, dict):
        return clone(change)
    if not isinstance(target, dict):
        target = {}
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value)
    return target


class _Failed(Exception):
    pass


def _steps(pointer):
    if pointer == "":
        return []
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise _Failed(f"invalid path {pointer!r}")
    return [s.replace("~1", "/").replace("~0", "~") for s in pointer[1:].split("/")]


def _index(array, step, limit):
    try:
        i = int(step)
    except ValueError:
        raise _Failed(f"invalid array index {step!r}") from None
    if i < 0:
        i += len(array)
    if not 0 <= i < limit:
        raise _Failed(f"array index {step} is out of bounds")
    return i


def _child(node, step):
    if isinstance(node, list):
        return node[_index(node, step, len(node))]
    if isinstance(node, dict) and step in node:
        return node[step]
    raise _Failed(f"path element {step!r} does not exist")


def _find(doc, pointer):
    for step in _steps(pointer):
        doc = _child(doc, step)
    return doc


def _parent(doc, pointer):
    steps = _steps(pointer)
    if not steps:
        raise _Failed("the whole document cannot be the target")
    for step in steps[:-1]:
        doc = _child(doc, step)
    return doc, steps[-1]


def _add(doc, pointer, value):
    node, last = _parent(doc, pointer)
    if isinstance(node, list):
        node.insert(len(node) if last == "-" else _index(node, last, len(node) + 1), value)
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise _Failed(f"cannot add to {pointer}")


def _remove(doc, pointer):
    node, last = _parent(doc, pointer)
    value = _child(node, last)
    if isinstance(node, list):
        del node[_index(node, last, len(node))]
    else:
        del node[last]
    return value


def _replace(doc, pointer, value):
    node, last = _parent(doc, pointer)
    _child(node, last)
    if isinstance(node, list):
        node[_index(node, last, len(node))] = value
    else:
        node[last] = value


def _test(doc, pointer, value):
    try:
        found = _find(doc, pointer)
    except _Failed:
        found = None
    if found != value:
        raise _Failed(f"testing value {pointer} failed")


def _operation(doc, op):
    name, path = op.get("op"), op.get("path")
    if name in ("add", "replace", "test") and "value" not in op:
        raise _Failed(f"{name} operation has no value")
    if name == "add":
        _add(doc, path, clone(op["value"]))
    elif name == "replace":
        _replace(doc, path, clone(op["value"]))
    elif name == "test":
        _test(doc, path, op["value"])
    elif name == "remove":
        _remove(doc, path)
    elif name == "move":
        _add(doc, path, _remove(doc, op.get("from")))
    elif name == "copy":
        _add(doc, path, clone(_find(doc, op.get("from"))))
    else:
        raise _Failed(f"unexpected kind {name!r}")


def json_patch(doc, operations):
    """Applies a JSON patch to doc, which may be modified; raises 422 when an operation fails."""
    if not isinstance(operations, list):
        raise errors.bad_request("a JSON patch is a list of operations")
    for op in operations:
        try:
            _operation(doc, op)
        except _Failed as e:
            raise errors.ApiError(422, "Invalid", "the server rejected our request due to an "
                                  f"error in our request: {e}") from None
    return doc
