# SPDX-License-Identifier: Apache-2.0
"""1,000 namespaces of 10 pods and a NetworkPolicy each, through a real agent whose node has a pod of
some of them: what compiling all of it takes, a policy's and a label's change until they are in the
kernel, and the agent's memory.
"""
import re
import time

import linnet
from lab import BenchError, wait_until
from scale import Map, mapped

NAMESPACES, PODS, LOCAL = 1000, 10, 30
METRICS = ('policy_first', 'policy_change', 'policy_change_turn', 'label_change_turn',
           'policy_rss')
CHANGES = 15


def _namespace(n):
    return f'ns-{n}'


def _address(n, k):
    return f'10.{130 + n // 250}.{n % 250}.{k + 1}'


def _pod(n, k):
    return {
        'apiVersion': 'v1', 'kind': 'Pod',
        'metadata': {'name': f'app-{k}', 'namespace': _namespace(n),
                     'labels': {'app': f'app-{n}', 'tier': f't{k % 3}',
                                'pod-template-hash': f'6d4cf{n}'}},
        'spec': {'nodeName': f'n{2 + k}', 'containers': [{'name': 'c', 'image': 'none'}]},
        'status': {'phase': 'Running', 'podIP': _address(n, k),
                   'podIPs': [{'ip': _address(n, k)}]},
    }


def _policy(n, port):
    return {
        'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy',
        'metadata': {'name': 'own', 'namespace': _namespace(n)},
        'spec': {
            'podSelector': {}, 'policyTypes': ['Ingress', 'Egress'],
            'ingress': [{'from': [{'podSelector': {}},
                                  {'namespaceSelector': {'matchLabels': {'team': 't7'}},
                                   'podSelector': {'matchLabels': {'tier': 't1'}}}],
                         'ports': [{'protocol': 'TCP', 'port': port}]}],
            'egress': [{'to': [{'namespaceSelector': {'matchLabels': {'team': f't{n % 20}'}}}]},
                       {'ports': [{'protocol': 'UDP', 'port': 53}]}],
        },
    }


def _objects():
    for n in range(NAMESPACES):
        yield {'apiVersion': 'v1', 'kind': 'Namespace',
               'metadata': {'name': _namespace(n), 'labels': {'team': f't{n % 20}'}}}
        yield from (_pod(n, k) for k in range(PODS))
        yield _policy(n, 8080)
    for n in range(LOCAL):
        pod = _pod(n, PODS)
        pod['metadata']['name'] = 'local'
        pod['spec']['nodeName'] = 'n1'
        del pod['status']
        yield pod


class Stage:
    """One node whose agent is started again each round, with its pods there."""

    def __init__(self, lab, programs):
        self._lab, self._programs = lab, programs
        self._cluster = linnet.Cluster(lab, programs, 'policies', 1, None)
        self._node = self._cluster.nodes[0]
        self._cluster.api.create(list(_objects()))
        self._ends = [
            linnet.Pod(lab, self._cluster.api, f'p{n}', self._node, 'local', _namespace(n))
            .add(lab, self._cluster.plugin) for n in range(LOCAL)]
        self._round = 0

    def run(self, _nb):
        self._lab.stop(self._node.agent)
        self._node.start(self._lab, self._programs, self._cluster.kubeconfig, 'policies',
                         {'log-level': 'debug'})
        wait_until('the node to carry pods', lambda: self._log_has('this node can carry pods'))
        self._round += 1
        figures = {'policy_first': self._turns(0)[0]}
        figures.update(self._policy_changes())
        figures.update(self._label_changes())
        figures['policy_rss'] = self._node.memory()[0]
        return figures

    def _log(self):
        with open(self._node.log, encoding='utf-8', errors='replace') as f:
            return f.read()

    def _log_has(self, pattern):
        self._node.ended()
        return re.search(pattern, self._log())

    def _turns(self, begin):
        """What policy took of each turn, in ms."""
        return [int(us) / 1e3 for us in re.findall(r'policy: \d+ .* (\d+) us', self._log()[begin:])]

    def _policy_changes(self):
        """A policy of the node's pods gets another port: from the request to the API server until
        the kernel has it, and what of that was the agent's turn. Medians."""
        endpoints = Map(f'{self._node.maps}/endpoints', 28)
        begin, took = len(self._log()), []
        for n in range(CHANGES):
            key = mapped(self._ends[n].address)
            before = endpoints.get(key)[8:12]
            start = time.monotonic()
            self._cluster.api.call(
                'PATCH', f'/apis/networking.k8s.io/v1/namespaces/{_namespace(n)}/networkpolicies/own',
                {'spec': _policy(n, 9000 + self._round)['spec']}, 'application/merge-patch+json')
            while endpoints.get(key)[8:12] == before:
                if time.monotonic() - start > 10:
                    raise BenchError(f'{_namespace(n)}/own: the kernel does not have the change')
            took.append((time.monotonic() - start) * 1e3)
        turns = sorted(self._turns(begin))
        return {'policy_change': sorted(took)[len(took) // 2],
                'policy_change_turn': turns[len(turns) // 2]}

    def _label_changes(self):
        """A pod of another node becomes somebody else to the policies here."""
        peers = Map(f'{self._node.maps}/peers', 4)
        begin = len(self._log())
        for n in range(CHANGES):
            key = mapped(_address(7 + 20 * n, 0))
            before = peers.get(key)
            tier = 't1' if self._round % 2 else 't0'
            self._cluster.api.call(
                'PATCH', f'/api/v1/namespaces/{_namespace(7 + 20 * n)}/pods/app-0',
                {'metadata': {'labels': {'tier': tier}}}, 'application/merge-patch+json')
            start = time.monotonic()
            while peers.get(key) == before:
                if time.monotonic() - start > 10:
                    raise BenchError(f'{_namespace(7 + 20 * n)}/app-0 is who it was')
        turns = sorted(self._turns(begin))
        return {'label_change_turn': turns[len(turns) // 2]}
