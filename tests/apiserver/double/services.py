# SPDX-License-Identifier: Apache-2.0
"""Services: defaults, validation, and the cluster addresses and node ports they are given.

Addresses and ports are handed out in order, each search beginning after the last one given, so
that a test can predict them and what was freed is not given out again at once.
"""

import ipaddress

from . import errors
from .errors import bad_value, duplicate, not_supported, required
from .kinds import PROTOCOLS, bad_port
from .lifecycle import Strategy
from .store import clone

NODE_PORTS = (30000, 32767)
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


class Addresses:
    """The cluster addresses of one family."""

    def __init__(self, cidr):
        self.net = ipaddress.ip_network(cidr)
        self.family = f"IPv{self.net.version}"
        self._base = int(self.net.network_address)
        self._size = min(self.net.num_addresses - 2, 1 << 20)
        self._used = set()
        self._next = 1

    def take_next(self):
        """A free address as text, or None when there is none."""
        for step in range(self._size):
            offset = (self._next - 1 + step) % self._size + 1
            if offset not in self._used:
                self._used.add(offset)
                self._next = offset + 1
                return str(self.net.network_address + offset)
        return None

    def take(self, address):
        """Takes a given address; returns what is wrong with it, or None."""
        address = ipaddress.ip_address(address)
        if address not in self.net:
            return f"failed to allocate IP {address}: the provided IP is not in the valid range. " \
                   f"The range of valid IPs is {self.net}"
        offset = int(address) - self._base
        if offset in self._used:
            return f"failed to allocate IP {address}: provided IP is already allocated"
        self._used.add(offset)
        return None

    def give_back(self, address):
        address = ipaddress.ip_address(address)
        if address in self.net:
            self._used.discard(int(address) - self._base)


class Ports:
    """Node ports; a number may be shared by ports of one service that differ in protocol."""

    def __init__(self):
        self._used = set()
        self._next = NODE_PORTS[0]

    def take_next(self, protocol):
        first, last = NODE_PORTS
        size = last - first + 1
        for step in range(size):
            port = first + (self._next - first + step) % size
            if not any((port, p) in self._used for p in PROTOCOLS):
                self._used.add((port, protocol))
                self._next = port + 1
                return port
        return None

    def take(self, port, protocol):
        """Takes a given port; returns what is wrong with it, or None."""
        if not NODE_PORTS[0] <= port <= NODE_PORTS[1]:
            return f"provided port is not in the valid range. The range of valid ports is " \
                   f"{NODE_PORTS[0]}-{NODE_PORTS[1]}"
        if (port, protocol) in self._used:
            return "provided port is already allocated"
        self._used.add((port, protocol))
        return None

    def give_back(self, port, protocol):
        self._used.discard((port, protocol))


def _headless(spec):
    return spec.get("clusterIP") == "None"


def _wants_node_ports(spec):
    if spec["type"] == "NodePort":
        return True
    return spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)


class Services(Strategy):
    returns_deleted = True

    def __init__(self, cidrs):
        self.pools = {p.family: p for p in (Addresses(c) for c in cidrs)}
        self.families = list(self.pools)
        self.ports = Ports()

    def defaults(self, obj, old):
        spec = obj.get("spec")
        if spec is None:
            spec = obj["spec"] = {}
        if obj.get("status") is None:
            obj["status"] = {}
        obj["status"].setdefault("loadBalancer", {})
        for field, value in (("type", "ClusterIP"), ("sessionAffinity", "None")):
            if not spec.get(field):
                spec[field] = value
        for port in spec.get("ports") or []:
            if not port.get("protocol"):
                port["protocol"] = "TCP"
            if port.get("targetPort") in (None, "", 0):
                port["targetPort"] = port.get("port")
        self._affinity(spec)
        self._traffic(spec)
        if spec["type"] == "ExternalName":
            return
        if old:
            self._inherit(spec, old["spec"])
        self._default_families(spec, old)

    @staticmethod
    def _affinity(spec):
        if spec["sessionAffinity"] == "ClientIP":
            config = spec.setdefault("sessionAffinityConfig", {})
            config.setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
        else:
            spec.pop("sessionAffinityConfig", None)

    @staticmethod
    def _traffic(spec):
        if spec["type"] == "ExternalName":
            return
        if not spec.get("internalTrafficPolicy"):
            spec["internalTrafficPolicy"] = "Cluster"
        if spec["type"] in ("NodePort", "LoadBalancer"):
            if not spec.get("externalTrafficPolicy"):
                spec["externalTrafficPolicy"] = "Cluster"
        elif not spec.get("externalIPs"):
            spec.pop("externalTrafficPolicy", None)
        elif not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
        else:
            spec.pop("allocateLoadBalancerNodePorts", None)

    @staticmethod
    def _inherit(spec, old):
        """An update that leaves out what was allocated keeps it."""
        if old.get("type") == "ExternalName":
            return
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and old.get(field):
                spec[field] = clone(old[field])
        if _wants_node_ports(spec) and _wants_node_ports(old):
            had = {(p["port"], p["protocol"]): p.get("nodePort") for p in old.get("ports") or []}
            for port in spec.get("ports") or []:
                if not port.get("nodePort") and had.get((port.get("port"), port["protocol"])):
                    port["nodePort"] = had[(port["port"], port["protocol"])]
        if _needs_health_port(spec) and not spec.get("healthCheckNodePort") and \
           old.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = old["healthCheckNodePort"]

    def _default_families(self, spec, old):
        if not spec.get("clusterIP") and spec.get("clusterIPs"):
            spec["clusterIP"] = spec["clusterIPs"][0]
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        given = [a for a in spec.get("clusterIPs") or [] if a != "None"]
        selectorless = _headless(spec) and not spec.get("selector")
        if not spec.get("ipFamilyPolicy"):
            many = len(spec.get("ipFamilies") or given) > 1 or (selectorless and not old)
            spec["ipFamilyPolicy"] = "RequireDualStack" if many else "SingleStack"
        families = spec.get("ipFamilies")
        if not families:
            families = [f"IPv{ipaddress.ip_address(a).version}" for a in given if _is_ip(a)] or \
                [self.families[0]]
        dual = spec["ipFamilyPolicy"] != "SingleStack"
        if dual and len(families) == 1:
            other = "IPv6" if families[0] == "IPv4" else "IPv4"
            if other in self.pools or selectorless:
                families = [families[0], other]
        if not dual and old and len(families) > 1 and \
           old["spec"].get("ipFamilyPolicy") != "SingleStack":
            families = families[:1]
            spec["clusterIPs"] = spec["clusterIPs"][:1]
        spec["ipFamilies"] = families

    def validate(self, obj, old):
        spec = obj["spec"]
        if spec["type"] not in _TYPES:
            return [not_supported("spec.type", spec["type"], _TYPES)]
        if spec["type"] == "ExternalName":
            return [] if spec.get("externalName") else [required("spec.externalName")]
        causes = _port_causes(spec) + self._address_causes(spec, old)
        if spec["sessionAffinity"] not in ("None", "ClientIP"):
            causes.append(not_supported("spec.sessionAffinity", spec["sessionAffinity"],
                                        ("ClientIP", "None")))
        for field in ("internalTrafficPolicy", "externalTrafficPolicy"):
            if spec.get(field, "Cluster") not in ("Cluster", "Local"):
                causes.append(not_supported(f"spec.{field}", spec[field],
                                            ("Cluster", "Local")))
        for i, address in enumerate(spec.get("externalIPs") or []):
            if not _is_ip(address):
                causes.append(bad_value(f"spec.externalIPs[{i}]", address,
                                        "must be a valid IP address"))
        return causes

    def _address_causes(self, spec, old):
        causes = []
        for i, address in enumerate(spec.get("clusterIPs") or []):
            if address != "None" and not _is_ip(address):
                causes.append(bad_value(f"spec.clusterIPs[{i}]", address,
                                        "must be a valid IP address"))
        if (spec.get("clusterIPs") or [None])[0] != spec.get("clusterIP"):
            causes.append(bad_value("spec.clusterIPs", spec["clusterIPs"],
                                    "first value must match `clusterIP`"))
        was = old["spec"].get("clusterIPs") if old else None
        if was and (spec.get("clusterIPs") or [None])[0] != was[0]:
            causes.append(bad_value("spec.clusterIPs[0]", spec.get("clusterIPs"),
                                    "may not change once set"))
        for i, family in enumerate(spec["ipFamilies"]):
            if family not in self.pools and not _headless(spec):
                causes.append(bad_value(f"spec.ipFamilies[{i}]", family,
                                        "not configured on this cluster"))
        if spec["ipFamilyPolicy"] == "RequireDualStack" and len(spec["ipFamilies"]) < 2:
            causes.append(bad_value("spec.ipFamilyPolicy", spec["ipFamilyPolicy"],
                                    "this cluster is not configured for dual-stack services"))
        return causes

    def allocate(self, obj, old, dry_run):
        taken = []
        try:
            self._allocate(obj["spec"], old["spec"] if old else {}, taken)
        except errors.ApiError:
            _undo(taken)
            raise
        if dry_run:
            _undo(taken)
        elif old:
            self._release_unused(old["spec"], obj["spec"])

    def _allocate(self, spec, old, taken):
        if spec["type"] == "ExternalName":
            for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy",
                          "healthCheckNodePort"):
                spec.pop(field, None)
        elif _headless(spec):
            spec["clusterIPs"] = ["None"]
        else:
            self._allocate_addresses(spec, old, taken)
        self._allocate_ports(spec, old, taken)
        if _needs_health_port(spec):
            port = spec.get("healthCheckNodePort")
            if not port or port != old.get("healthCheckNodePort"):
                spec["healthCheckNodePort"] = self._take_port(
                    port, "TCP", taken, "spec.healthCheckNodePort")
        else:
            spec.pop("healthCheckNodePort", None)

    def _allocate_addresses(self, spec, old, taken):
        have = spec.get("clusterIPs") or []
        had = old.get("clusterIPs") or []
        ret = []
        for i, family in enumerate(spec["ipFamilies"]):
            pool = self.pools[family]
            if i < len(have):
                address, wrong = have[i], None
                if address not in had:
                    wrong = pool.take(address)
            else:
                address = pool.take_next()
                wrong = None if address else "failed to allocate IP: range is full"
            if wrong:
                raise errors.invalid("Service", "", "", [
                    bad_value("spec.clusterIPs", have, wrong)])
            if address not in had:
                taken.append((pool.give_back, (address,)))
            ret.append(address)
        spec["clusterIPs"] = ret
        spec["clusterIP"] = ret[0]

    def _allocate_ports(self, spec, old, taken):
        had = {(p.get("nodePort"), p["protocol"]) for p in old.get("ports") or []}
        if not _wants_node_ports(spec):
            for port in spec.get("ports") or []:
                if spec["type"] != "LoadBalancer":
                    port.pop("nodePort", None)
            if spec["type"] != "LoadBalancer":
                return
        for i, port in enumerate(spec.get("ports") or []):
            asked = port.get("nodePort")
            if asked and (asked, port["protocol"]) in had:
                continue
            if asked or _wants_node_ports(spec):
                port["nodePort"] = self._take_port(asked, port["protocol"], taken,
                                                   f"spec.ports[{i}].nodePort")

    def _take_port(self, asked, protocol, taken, field):
        if asked:
            wrong = self.ports.take(asked, protocol)
            port = asked
        else:
            port = self.ports.take_next(protocol)
            wrong = None if port else "no free node port"
        if wrong:
            raise errors.invalid("Service", "", "", [bad_value(field, asked, wrong)])
        taken.append((self.ports.give_back, (port, protocol)))
        return port

    def _release_unused(self, old, new):
        keep_ips = set(new.get("clusterIPs") or [])
        keep_ports = _node_ports(new)
        for address in old.get("clusterIPs") or []:
            if address not in keep_ips:
                self._give_back(address)
        for port, protocol in _node_ports(old) - keep_ports:
            self.ports.give_back(port, protocol)

    def _give_back(self, address):
        if address == "None":
            return
        for pool in self.pools.values():
            pool.give_back(address)

    def released(self, obj):
        self._release_unused(obj["spec"], {})


def _undo(taken):
    for give_back, args in taken:
        give_back(*args)


def _is_ip(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _needs_health_port(spec):
    return spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _node_ports(spec):
    ret = {(p["nodePort"], p["protocol"]) for p in spec.get("ports") or [] if p.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        ret.add((spec["healthCheckNodePort"], "TCP"))
    return ret


def _port_causes(spec):
    ports = spec.get("ports") or []
    if not ports and not _headless(spec):
        return [required("spec.ports")]
    causes, names, numbers = [], set(), set()
    for i, port in enumerate(ports):
        field = f"spec.ports[{i}]"
        name = port.get("name", "")
        if len(ports) > 1 and not name:
            causes.append(required(f"{field}.name"))
        elif name in names:
            causes.append(duplicate(f"{field}.name", name))
        names.add(name)
        causes += bad_port(f"{field}.port", port.get("port"))
        if isinstance(port["targetPort"], int):
            causes += bad_port(f"{field}.targetPort", port["targetPort"])
        if port["protocol"] not in PROTOCOLS:
            causes.append(not_supported(f"{field}.protocol", port["protocol"], PROTOCOLS))
        if (port.get("port"), port["protocol"]) in numbers:
            causes.append(duplicate(field, f"{port.get('port')}/{port['protocol']}"))
        numbers.add((port.get("port"), port["protocol"]))
    return causes
