# SPDX-License-Identifier: Apache-2.0
"""Validation of metadata: names, labels, annotations, as k8s.io/apimachinery validates them."""

import re

from .errors import bad_value, required

_LABEL1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")
_LABEL1123_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')")
_LABEL1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')")


def subdomain(name):
    """What is wrong with a DNS-1123 subdomain, or None."""
    if len(name) > 253:
        return "must be no more than 253 bytes"
    return None if _SUBDOMAIN.fullmatch(name) else _SUBDOMAIN_TEXT


def label1123(name):
    if len(name) > 63:
        return "must be no more than 63 bytes"
    return None if _LABEL1123.fullmatch(name) else _LABEL1123_TEXT


def label1035(name):
    if len(name) > 63:
        return "must be no more than 63 bytes"
    return None if _LABEL1035.fullmatch(name) else _LABEL1035_TEXT


def path_segment(name):
    """The rule for RBAC objects, whose names are nearly free."""
    if name in (".", "..") or "/" in name or "%" in name:
        return "may not be '.' or '..' nor contain '/' or '%'"
    return None


_RULES = {"namespaces": label1123, "services": label1035}


def rule(res):
    if res.group == "rbac.authorization.k8s.io":
        return path_segment
    return _RULES.get(res.storage, subdomain)


def qualified(key):
    """What is wrong with a label or annotation key, or None."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or subdomain(prefix)):
        return "prefix part " + _SUBDOMAIN_TEXT
    if not name or len(name) > 63 or not _QUALIFIED.fullmatch(name):
        return ("name part must consist of alphanumeric characters, '-', '_' or '.', and must "
                "start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
                "'123-abc', regex used for validation is "
                "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')")
    return None


def label_value(value):
    if not isinstance(value, str):
        return "must be a string"
    if len(value) > 63:
        return "must be no more than 63 bytes"
    if value and not _QUALIFIED.fullmatch(value):
        return ("a valid label must be an empty string or consist of alphanumeric characters, "
                "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
                "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")
    return None


def check_labels(labels, field):
    causes = []
    for key, value in (labels or {}).items():
        wrong = qualified(key)
        if wrong:
            causes.append(bad_value(field, key, wrong))
        wrong = label_value(value)
        if wrong:
            causes.append(bad_value(field, value, wrong))
    return causes


def check_metadata(res, obj):
    """The causes for which an object's metadata is refused."""
    meta = obj["metadata"]
    causes = []
    name = meta.get("name", "")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    wrong = rule(res)(name)
    if wrong:
        causes.append(bad_value("metadata.name", name, wrong))
    causes += check_labels(meta.get("labels"), "metadata.labels")
    for key in meta.get("annotations") or {}:
        wrong = qualified(key.lower())
        if wrong:
            causes.append(bad_value("metadata.annotations", key, wrong))
    for item in meta.get("finalizers") or []:
        if qualified(item):
            causes.append(bad_value("metadata.finalizers", item, qualified(item)))
    return causes
