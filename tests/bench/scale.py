# SPDX-License-Identifier: Apache-2.0
"""30,000 services of 4 endpoints through a real agent: what the first sync takes, one endpoint's
change until it is in the kernel, the agent's memory, and the kernel's for the maps of services and
backends, before and after. Endpoints are spread over a pod network of which this node has none, so
that nothing but the services is measured.
"""
import ctypes
import ipaddress
import os
import platform
import re
import socket
import time

import linnet
from lab import BenchError, wait_until
from nb import SERVICE_PORT

SERVICES, ENDPOINTS = 30000, 4
METRICS = ('start', 'first_sync', 'change', 'change_turn', 'rss', 'rss_peak', 'map_memory_empty',
           'map_memory')
CHANGES = 20
PATIENCE = 300


def vip(n):
    n += 256  # the first are taken
    return f'10.96.{n >> 8}.{n & 255}'


def endpoint(n, k):
    return str(ipaddress.IPv4Address('10.128.0.0') + n * ENDPOINTS + k)


def _slice(n, addresses):
    name = f'svc-{n}'
    return {
        'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice',
        'metadata': {'name': f'{name}-x', 'namespace': linnet.NAMESPACE,
                     'labels': {'kubernetes.io/service-name': name}},
        'addressType': 'IPv4', 'ports': [{'name': 'p', 'protocol': 'TCP', 'port': 8080}],
        'endpoints': [{'addresses': [a], 'conditions': {'ready': True}, 'nodeName': f'n{k + 2}'}
                      for k, a in enumerate(addresses)],
    }


def _objects():
    for n in range(SERVICES):
        yield {
            'apiVersion': 'v1', 'kind': 'Service',
            'metadata': {'name': f'svc-{n}', 'namespace': linnet.NAMESPACE},
            'spec': {
                'clusterIP': vip(n), 'clusterIPs': [vip(n)], 'ipFamilies': ['IPv4'],
                'ports': [{'name': 'p', 'port': SERVICE_PORT, 'targetPort': 8080}],
            },
        }
        yield _slice(n, [endpoint(n, k) for k in range(ENDPOINTS)])


# --- the kernel's maps ---

_BPF = {'x86_64': 321, 'aarch64': 280}.get(platform.machine())
_LOOKUP, _GET = 1, 7


class Map:
    """A pinned map, looked into by the system call, for its answer must take no time."""

    def __init__(self, path, value_size):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._value = ctypes.create_string_buffer(value_size)
        name = ctypes.create_string_buffer(path.encode())
        self._fd = self._call(_GET, ctypes.addressof(name).to_bytes(8, 'little') + bytes(8))
        if self._fd < 0:
            raise BenchError(f'{path} cannot be opened: {ctypes.get_errno()}')

    def __del__(self):
        if self._fd >= 0:
            os.close(self._fd)

    def memory(self):
        """MiB that the kernel says it takes: since 6.4 of what is in it, before that of what may
        be."""
        with open(f'/proc/self/fdinfo/{self._fd}', encoding='ascii') as f:
            return int(re.search(r'memlock:\s+(\d+)', f.read()).group(1)) / 2**20

    def _call(self, command, attributes):
        attributes = ctypes.create_string_buffer(attributes, 72)
        return self._libc.syscall(_BPF, command, attributes, 72)

    def get(self, key):
        key = ctypes.create_string_buffer(key, len(key))
        r = self._call(_LOOKUP, self._fd.to_bytes(8, 'little') +
                       ctypes.addressof(key).to_bytes(8, 'little') +
                       ctypes.addressof(self._value).to_bytes(8, 'little'))
        return None if r < 0 else self._value.raw


def mapped(address):
    return bytes(10) + b'\xff\xff' + socket.inet_aton(address)


class Backends:
    """The endpoints that the kernel has of a service."""

    def __init__(self, maps):
        self._services = Map(f'{maps}/services', 64)
        self._backends = Map(f'{maps}/backends', 64)

    def memory(self):
        return self._services.memory() + self._backends.memory()

    def of(self, n):
        key = mapped(vip(n)) + SERVICE_PORT.to_bytes(2, 'big') + bytes([socket.IPPROTO_TCP, 0])
        value = self._services.get(key)
        if not value:
            return None
        found = []
        for slot in range(int.from_bytes(value[4:8], 'little')):
            backend = self._backends.get(value[:4] + slot.to_bytes(4, 'little'))
            found.append(backend and socket.inet_ntoa(backend[12:16]))
        return found


# --- the stage ---

class Stage:
    """One node whose agent starts, and is started again each round, with all services there."""

    def __init__(self, lab, programs):
        self._lab, self._programs = lab, programs
        self._cluster = linnet.Cluster(lab, programs, 'scale', 1, None)
        self._node = self._cluster.nodes[0]
        self._empty = Backends(self._node.maps).memory()
        self._cluster.api.create(list(_objects()))
        self._turn = 0

    def run(self, _nb):
        """A node that knows nothing of services starts its agent."""
        self._node.clean(self._lab, self._programs)
        begun = time.monotonic()
        self._node.start(self._lab, self._programs, self._cluster.kubeconfig, 'scale',
                         {'log-level': 'debug'})
        wait_until('the first sync', lambda: self._log_has(r'services: \d{5,} .* us'), PATIENCE)
        figures = {'start': time.monotonic() - begun}
        figures['first_sync'] = self._services_us(begin=0)[0] / 1e6
        self._settled()
        figures['rss'], figures['rss_peak'] = self._node.memory()
        figures['map_memory_empty'] = self._empty
        figures['map_memory'] = Backends(self._node.maps).memory()
        figures.update(self._changes())
        return figures

    def _log(self):
        with open(self._node.log, encoding='utf-8', errors='replace') as f:
            return f.read()

    def _log_has(self, pattern):
        self._node.ended()
        return re.search(pattern, self._log())

    def _services_us(self, begin):
        return [int(us) for us in re.findall(r'services: \d+ .* (\d+) us', self._log()[begin:])]

    def _settled(self):
        wait_until('the node to carry pods', lambda: self._log_has('this node can carry pods'))

    def _changes(self):
        """One endpoint gets another address: from the request to the API server until the kernel
        has it, and what of that was the agent's turn. Medians."""
        backends, begin, took = Backends(self._node.maps), len(self._log()), []
        for change in range(CHANGES):
            n = SERVICES // 2 + change
            want = [endpoint(n, k) for k in range(ENDPOINTS)]
            want[1] = f'10.250.{change}.{self._turn}'
            path = f'/apis/discovery.k8s.io/v1/namespaces/{linnet.NAMESPACE}/endpointslices/svc-{n}-x'
            start = time.monotonic()
            self._cluster.api.call('PATCH', path, {'endpoints': _slice(n, want)['endpoints']},
                                   'application/merge-patch+json')
            while set(backends.of(n)) != set(want):
                if time.monotonic() - start > 10:
                    raise BenchError(f'service {n}: the kernel has {backends.of(n)}, not {want}')
            took.append((time.monotonic() - start) * 1e3)
        self._turn += 1
        turns = sorted(us / 1e3 for us in self._services_us(begin))
        return {'change': sorted(took)[len(took) // 2], 'change_turn': turns[len(turns) // 2]}
