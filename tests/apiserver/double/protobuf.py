# SPDX-License-Identifier: Apache-2.0
"""Protobuf request bodies, as far as kubectl sends them (1.32 and later do for `kubectl create`).

Answers are always JSON, which every client accepts. The table has the messages and fields of
generated.proto that kubectl's own verbs fill in; a field it lacks is refused, not dropped.
"""

import base64
import datetime

from . import errors

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"

# message -> "number name type" of its fields. Types: string, int, bool, bytes, Time, IntOrString,
# Quantity, {T} for a map from strings, else a message. T* is a list. T? is kept when it is zero.
_TABLE = {
    "ObjectMeta": """1 name string, 2 generateName string, 3 namespace string, 5 uid string,
        6 resourceVersion string, 7 generation int, 8 creationTimestamp Time,
        9 deletionTimestamp Time, 10 deletionGracePeriodSeconds int?, 11 labels {string},
        12 annotations {string}, 13 ownerReferences OwnerReference*, 14 finalizers string*""",
    "OwnerReference": """1 kind string, 3 name string, 4 uid string, 5 apiVersion string,
        6 controller bool?, 7 blockOwnerDeletion bool?""",
    "LabelSelector": "1 matchLabels {string}, 2 matchExpressions LabelSelectorRequirement*",
    "LabelSelectorRequirement": "1 key string, 2 operator string, 3 values string*",
    "DeleteOptions": """1 gracePeriodSeconds int?, 2 preconditions Preconditions,
        3 orphanDependents bool?, 4 propagationPolicy string, 5 dryRun string*""",
    "Preconditions": "1 uid string, 2 resourceVersion string",
    "Namespace": "1 metadata ObjectMeta, 2 spec NamespaceSpec, 3 status NamespaceStatus",
    "NamespaceSpec": "1 finalizers string*",
    "NamespaceStatus": "1 phase string",
    "ConfigMap": "1 metadata ObjectMeta, 2 data {string}, 3 binaryData {bytes}, 4 immutable bool?",
    "Secret": """1 metadata ObjectMeta, 2 data {bytes}, 3 type string, 4 stringData {string},
        5 immutable bool?""",
    "ServiceAccount": """1 metadata ObjectMeta, 3 imagePullSecrets LocalObjectReference*,
        4 automountServiceAccountToken bool?""",
    "LocalObjectReference": "1 name string",
    "ObjectReference": """1 kind string, 2 namespace string, 3 name string, 4 uid string,
        5 apiVersion string, 6 resourceVersion string, 7 fieldPath string""",
    "Binding": "1 metadata ObjectMeta, 2 target ObjectReference",
    "Eviction": "1 metadata ObjectMeta, 2 deleteOptions DeleteOptions",
    "Service": "1 metadata ObjectMeta, 2 spec ServiceSpec, 3 status ServiceStatus",
    "ServiceStatus": "1 loadBalancer LoadBalancerStatus",
    "LoadBalancerStatus": "",
    "ServiceSpec": """1 ports ServicePort*, 2 selector {string}, 3 clusterIP string, 4 type string,
        5 externalIPs string*, 7 sessionAffinity string, 8 loadBalancerIP string,
        9 loadBalancerSourceRanges string*, 10 externalName string,
        11 externalTrafficPolicy string, 12 healthCheckNodePort int,
        13 publishNotReadyAddresses bool, 17 ipFamilyPolicy string, 18 clusterIPs string*,
        19 ipFamilies string*, 20 allocateLoadBalancerNodePorts bool?,
        21 loadBalancerClass string, 22 internalTrafficPolicy string,
        23 trafficDistribution string""",
    "ServicePort": """1 name string, 2 protocol string, 3 port int, 4 targetPort IntOrString,
        5 nodePort int, 6 appProtocol string""",
    "Deployment": "1 metadata ObjectMeta, 2 spec DeploymentSpec, 3 status DeploymentStatus",
    "DeploymentSpec": """1 replicas int?, 2 selector LabelSelector, 3 template PodTemplateSpec,
        4 strategy DeploymentStrategy, 5 minReadySeconds int, 6 revisionHistoryLimit int?,
        7 paused bool""",
    "DeploymentStrategy": "1 type string",
    "DeploymentStatus": """1 observedGeneration int, 2 replicas int, 3 updatedReplicas int,
        4 availableReplicas int, 5 unavailableReplicas int, 7 readyReplicas int""",
    "PodTemplateSpec": "1 metadata ObjectMeta, 2 spec PodSpec",
    "PodSpec": """2 containers Container*, 3 restartPolicy string,
        4 terminationGracePeriodSeconds int?, 6 dnsPolicy string, 7 nodeSelector {string},
        8 serviceAccountName string, 9 serviceAccount string, 10 nodeName string,
        11 hostNetwork bool, 12 hostPID bool, 13 hostIPC bool, 16 hostname string,
        17 subdomain string, 19 schedulerName string, 20 initContainers Container*,
        24 priorityClassName string""",
    "Container": """1 name string, 2 image string, 3 command string*, 4 args string*,
        5 workingDir string, 6 ports ContainerPort*, 7 env EnvVar*,
        8 resources ResourceRequirements, 13 terminationMessagePath string,
        14 imagePullPolicy string, 16 stdin bool, 17 stdinOnce bool, 18 tty bool,
        20 terminationMessagePolicy string""",
    "ContainerPort": """1 name string, 2 hostPort int, 3 containerPort int, 4 protocol string,
        5 hostIP string""",
    "EnvVar": "1 name string, 2 value string",
    "ResourceRequirements": "1 limits {Quantity}, 2 requests {Quantity}",
    "Role": "1 metadata ObjectMeta, 2 rules PolicyRule*",
    "ClusterRole": "1 metadata ObjectMeta, 2 rules PolicyRule*, 3 aggregationRule AggregationRule",
    "AggregationRule": "1 clusterRoleSelectors LabelSelector*",
    "RoleBinding": "1 metadata ObjectMeta, 2 subjects Subject*, 3 roleRef RoleRef",
    "ClusterRoleBinding": "1 metadata ObjectMeta, 2 subjects Subject*, 3 roleRef RoleRef",
    "PolicyRule": """1 verbs string*, 2 apiGroups string*, 3 resources string*,
        4 resourceNames string*, 5 nonResourceURLs string*""",
    "Subject": "1 kind string, 2 apiGroup string, 3 name string, 4 namespace string",
    "RoleRef": "1 apiGroup string, 2 kind string, 3 name string",
    "Time": "1 seconds int, 2 nanos int",
    "IntOrString": "1 type int, 2 intVal int, 3 strVal string",
    "Quantity": "1 string string",
    "TypeMeta": "1 apiVersion string, 2 kind string",
    "Unknown": "1 typeMeta TypeMeta, 2 raw bytes, 3 contentEncoding string, 4 contentType string",
}


def _parse(text):
    ret = {}
    for field in filter(None, (f.strip() for f in text.split(","))):
        number, name, kind = field.split()
        ret[int(number)] = (name, kind.rstrip("*?"), kind.endswith("*"), kind.endswith("?"))
    return ret


_MESSAGES = {name: _parse(text) for name, text in _TABLE.items()}


class _Bad(Exception):
    pass


def _varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data):
            raise _Bad("truncated")
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data):
    """Yields (number, value) of a message; value is an int or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
            if len(value) != size:
                raise _Bad("truncated")
        else:
            raise _Bad(f"wire type {tag & 7}")
        yield tag >> 3, value


def _signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def _time(fields):
    if not fields.get("seconds"):
        return None
    when = datetime.datetime.fromtimestamp(fields["seconds"], datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _value(kind, raw):
    if kind == "string":
        return raw.decode()
    if kind == "int":
        return _signed(raw)
    if kind == "bool":
        return bool(raw)
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    fields = _message(kind, raw)
    if kind == "Time":
        return _time(fields)
    if kind == "Quantity":
        return fields.get("string", "0")
    if kind == "IntOrString":
        return fields.get("strVal", "") if fields.get("type") else fields.get("intVal", 0)
    return fields


def _message(name, data):
    known, ret = _MESSAGES[name], {}
    for number, raw in _fields(data):
        if number not in known:
            if not raw:     # Go writes the empty values of plain fields too
                continue
            raise _Bad(f"field {number} of {name} is not known here")
        field, kind, many, keep = known[number]
        if kind.startswith("{"):
            entry = dict(_fields(raw))
            ret.setdefault(field, {})[entry.get(1, b"").decode()] = \
                _value(kind[1:-1], entry.get(2, b""))
        elif many:
            ret.setdefault(field, []).append(_value(kind, raw))
        else:
            value = _value(kind, raw)
            if keep or value not in (None, "", 0, {}):
                ret[field] = value
    return ret


def decode(body):
    """The JSON form of a body of MEDIA_TYPE."""
    try:
        if not body.startswith(_MAGIC):
            raise _Bad("it does not begin with k8s\\0")
        unknown = _message("Unknown", body[len(_MAGIC):])
        kind = unknown.get("typeMeta", {}).get("kind")
        if kind not in _MESSAGES:
            raise _Bad(f"kind {kind!r} is not known here")
        raw = base64.b64decode(unknown.get("raw", ""))
        return {**{k: unknown["typeMeta"].get(k, "") for k in ("kind", "apiVersion")},
                **_message(kind, raw)}
    except (_Bad, UnicodeDecodeError) as e:
        raise errors.bad_request(f"the double cannot read this protobuf body: {e}; "
                                 "send JSON") from None
