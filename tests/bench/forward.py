# SPDX-License-Identifier: Apache-2.0
"""A node that sends a client's datagrams on from its NodePort to a pod of another node, which is all
that it does: where they come out of its wire they are counted and thrown away (inject.c).

The pod, its node and the client are addresses and a MAC, so that nothing but forwarding is paid for.
"""
import json
import os

import linnet
import rules
from lab import BenchError, inside, netns_path, run, wait_until
from reference import node_address, pod_cidr

NODE_PORT, CLOSED_PORT, BACKEND_PORT = 30053, 30054, 5353
POD_NODE, CLIENT = 2, 9
LOST = 0.01


def backend(family):
    return f'fd00:201:{POD_NODE}::5' if family == 6 else f'10.201.{POD_NODE}.5'


class Forwarder:
    """The node's namespace, the one at the other end of its wire, and how frames are given to it."""

    def __init__(self, lab, node, wire, sink, prog=None):
        self.node = node
        self._lab = lab
        self._wire = wire
        self._sink = sink
        self._prog = prog

    @staticmethod
    def wire_up(lab, node, name):
        """A wire whose far side is everybody that the node talks to."""
        family, wire = lab.family, lab.netns(f'{name}-w')
        lab.veth(node, wire)
        mac = json.loads(run(['ip', '-n', wire, '-j', 'link', 'show', 'eth0']))[0]['address']
        lab.ip(node, *(f'neigh replace {node_address(family, n)} lladdr {mac} dev eth0 '
                       f'nud permanent' for n in (POD_NODE, CLIENT)))
        return wire

    def inject(self, nb, port=NODE_PORT, time_ms=None):
        family = self._lab.family
        argv = [nb.injector, '--netns', netns_path(self.node), '--far-netns',
                netns_path(self._wire), '--sink', self._sink,
                '--client', node_address(family, CLIENT), '--node', node_address(family, 1),
                '--port', str(port), '--sink-port', str(BACKEND_PORT), '--cpu', str(nb.cpu),
                '--time', str(nb.time_ms if time_ms is None else time_ms),
                '--warmup', str(nb.warmup_ms if time_ms is None else time_ms)]
        if self._prog:
            argv += ['--prog', self._prog]
        return json.loads(run(argv))

    def measure(self, nb):
        got = self.inject(nb)
        if got['taken'] < got['injected'] * (1 - LOST):
            raise BenchError(f'{self.node}: {got["injected"]} frames went in and only '
                             f'{got["taken"]} came out')
        return {'forward': got['mpps']}

    def check(self, nb):
        """What is measured is forwarded, and what no service has is not."""
        wait_until(f'{self.node}: forwarding', lambda: self._forwards(nb), seconds=20, every=0.2)
        if self.inject(nb, CLOSED_PORT, 1)['taken']:
            raise BenchError(f'{self.node}: a port that no service has was forwarded')

    def _forwards(self, nb):
        got = self.inject(nb, time_ms=1)
        return got['taken'] >= got['injected'] * (1 - LOST)


def by_rules(lab, subject):
    """The kernel's forwarding with a service's rules: `iptables` or `nftables`."""
    family, name = lab.family, f'f-{subject[:3]}'
    node = lab.node(name)
    wire = Forwarder.wire_up(lab, node, name)
    lab.ip(node, f'addr add {node_address(family, 1)}/{64 if family == 6 else 24} dev eth0',
           f'route add {pod_cidr(family, POD_NODE)} via {node_address(family, POD_NODE)}')
    text = getattr(rules, f'{subject}_nodeport')(
        family, pod_cidr(family), node_address(family, 1), NODE_PORT, backend(family),
        BACKEND_PORT)
    argv = ['nft', '-f', '-'] if subject == 'nftables' else \
        ['iptables-restore' if family == 4 else 'ip6tables-restore']
    with inside(node):
        run(argv, stdin=text)
    # A card has looked at checksums; here conntrack would.
    lab.sysctl(node, {'net/netfilter/nf_conntrack_checksum': '0'})
    return Forwarder(lab, node, wire, 'tc')


def _objects(family, node):
    address = rules.vip(family, 0)
    return [
        {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': linnet.NAMESPACE}},
        linnet.node_object(node.name, node.index, node.addresses),
        linnet.node_object('n2', POD_NODE, [node_address(f, POD_NODE) for f in (4, 6)]),
        {'apiVersion': 'v1', 'kind': 'Service',
         'metadata': {'name': 'dns', 'namespace': linnet.NAMESPACE},
         'spec': {'type': 'NodePort', 'clusterIP': address, 'clusterIPs': [address],
                  'ipFamilies': [f'IPv{family}'],
                  'ports': [{'name': 'p', 'protocol': 'UDP', 'port': 53,
                             'targetPort': BACKEND_PORT, 'nodePort': NODE_PORT}]}},
        {'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice',
         'metadata': {'name': 'dns-x', 'namespace': linnet.NAMESPACE,
                      'labels': {'kubernetes.io/service-name': 'dns'}},
         'addressType': f'IPv{family}',
         'ports': [{'name': 'p', 'protocol': 'UDP', 'port': BACKEND_PORT}],
         'endpoints': [{'addresses': [backend(family)], 'conditions': {'ready': True},
                        'nodeName': 'n2'}]},
    ]


class LinnetForwarder(Forwarder):
    """A node of linnet's, with XDP or without."""

    def __init__(self, lab, programs, xdp):
        name = 'f-xdp' if xdp else 'f-tcx'
        self._node = linnet.Node(lab, name, 1)
        wire = self.wire_up(lab, self._node.netns, name)
        if xdp:
            # What a veth sends from XDP arrives only where the other side polls.
            with inside(wire):
                run(['ethtool', '-K', 'eth0', 'gro', 'on'])
        self._node.set_addresses(lab)
        api, kubeconfig = linnet.start_api(lab, programs, name, self._node)
        api.create(_objects(lab.family, self._node))
        self._node.start(lab, programs, kubeconfig, name, {'xdp': 'native' if xdp else 'off'})
        self._node.plugin(programs)
        self._xdp = xdp
        prog = self._pinned('progs/xdp_node') if xdp else None
        super().__init__(lab, self._node.netns, wire, 'xdp' if xdp else 'tc', prog)

    def _pinned(self, what):
        root = f'{self._node.dirs["bpf"]}/linnet'
        return os.path.join(root, os.listdir(root)[0], what)

    def _counted(self):
        return self._node.counted('xdp-forwarded')

    def check(self, nb):
        super().check(nb)
        before = self._counted()
        got = self.inject(nb, time_ms=5)['injected']
        at_xdp = self._counted() - before
        if self._xdp and at_xdp < got * (1 - LOST) or not self._xdp and at_xdp:
            raise BenchError(f'{self._node.netns}: {got} frames went in, {at_xdp} of them were '
                             f'forwarded at XDP')
