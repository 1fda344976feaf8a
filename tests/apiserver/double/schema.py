# SPDX-License-Identifier: Apache-2.0
"""openAPIV3Schema of CRDs: defaults, pruning, and validation of the common keywords.

Left out: CEL rules (x-kubernetes-validations), format, uniqueness of list keys.
"""

import re

from .errors import bad_value, cause, not_supported, required

_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict,
          "array": list}
_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer",
          float: "number", type(None): "null"}


def _is(value, kind):
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


class Schema:
    def __init__(self, root):
        self.root = root

    def apply_defaults(self, obj):
        """Prunes and defaults obj in place; metadata and the type are not the schema's."""
        for name, schema in (self.root.get("properties") or {}).items():
            if name in ("metadata", "kind", "apiVersion"):
                continue
            if name not in obj and "default" in schema:
                obj[name] = _copy(schema["default"])
            if name in obj:
                _prepare(obj[name], schema)
        if self.root.get("properties") and not _keeps_unknown(self.root):
            known = {"metadata", "kind", "apiVersion", *self.root["properties"]}
            for name in [n for n in obj if n not in known]:
                del obj[name]

    def validate(self, obj):
        causes = []
        for name in self.root.get("required") or []:
            if name not in obj:
                causes.append(required(name))
        for name, schema in (self.root.get("properties") or {}).items():
            if name in obj and name not in ("metadata", "kind", "apiVersion"):
                causes += _check(name, obj[name], schema)
        return causes


def _copy(value):
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _keeps_unknown(schema):
    return schema.get("x-kubernetes-preserve-unknown-fields") or \
        schema.get("additionalProperties") or schema.get("x-kubernetes-embedded-resource")


def _prepare(value, schema):
    if isinstance(value, list):
        for item in value:
            _prepare(item, schema.get("items") or {})
        return
    if not isinstance(value, dict):
        return
    known = schema.get("properties") or {}
    for name, sub in known.items():
        if "default" in sub and (name not in value or
                                 (value[name] is None and not sub.get("nullable"))):
            value[name] = _copy(sub["default"])
    for name in list(value):
        if value[name] is None and not known.get(name, {}).get("nullable"):
            del value[name]
        elif name in known:
            _prepare(value[name], known[name])
        elif not _keeps_unknown(schema):
            del value[name]
        elif isinstance(schema.get("additionalProperties"), dict):
            _prepare(value[name], schema["additionalProperties"])


def _check(field, value, schema):
    if value is None and schema.get("nullable"):
        return []
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return []
        return [_wrong_type(field, value, "integer or string")]
    kind = schema.get("type")
    if kind and not _is(value, kind):
        return [_wrong_type(field, value, kind)]
    causes = []
    if schema.get("enum") and value not in schema["enum"]:
        causes.append(not_supported(field, value, schema["enum"]))
    causes += _check_size(field, value, schema)
    if isinstance(value, dict):
        causes += _check_object(field, value, schema)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            causes += _check(f"{field}[{i}]", item, schema.get("items") or {})
    return causes + _check_combined(field, value, schema)


def _check_object(field, value, schema):
    causes = []
    for name in schema.get("required") or []:
        if name not in value:
            causes.append(required(f"{field}.{name}"))
    known = schema.get("properties") or {}
    for name, item in value.items():
        sub = known.get(name, schema.get("additionalProperties"))
        if isinstance(sub, dict):
            causes += _check(f"{field}.{name}", item, sub)
    return causes


def _check_combined(field, value, schema):
    causes = []
    for sub in schema.get("allOf") or []:
        causes += _check(field, value, sub)
    any_of = schema.get("anyOf")
    if any_of and not any(not _check(field, value, s) for s in any_of):
        causes.append(bad_value(field, value, "must validate at least one schema (anyOf)"))
    one_of = schema.get("oneOf")
    if one_of and sum(1 for s in one_of if not _check(field, value, s)) != 1:
        causes.append(bad_value(field, value, "must validate one and only one schema (oneOf)"))
    if schema.get("not") and not _check(field, value, schema["not"]):
        causes.append(bad_value(field, value, "must not validate the schema (not)"))
    return causes


def _check_size(field, value, schema):
    causes = []
    if isinstance(value, str):
        size, least, most = len(value), "minLength", "maxLength"
        if schema.get("pattern") and not re.search(schema["pattern"], value):
            causes.append(bad_value(field, value, f"should match '{schema['pattern']}'"))
    elif isinstance(value, list):
        size, least, most = len(value), "minItems", "maxItems"
    elif isinstance(value, dict):
        size, least, most = len(value), "minProperties", "maxProperties"
    elif isinstance(value, bool) or value is None:
        return causes
    else:
        size, least, most = value, "minimum", "maximum"
    if least in schema and size < schema[least]:
        causes.append(bad_value(field, value, f"{least} is {schema[least]}"))
    if most in schema and size > schema[most]:
        causes.append(bad_value(field, value, f"{most} is {schema[most]}"))
    return causes


def _wrong_type(field, value, kind):
    return cause("FieldValueTypeInvalid", field, f'Invalid value: "{_NAMES[type(value)]}": {field} '
                 f'in body must be of type {kind}: "{_NAMES[type(value)]}"')
