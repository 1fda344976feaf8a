# SPDX-License-Identifier: Apache-2.0
"""What linnet is compared with: bare veth pairs, the reference CNI plugins, kube-proxy's rules.

Each subject has a node of its own, so that none pays for another's rules or devices; addresses
therefore repeat from node to node.
"""
import os
import shutil

import rules
from lab import BenchError, Plugin, inside, run
from nb import PORTS, End

PLUGIN_DIRS = ('/usr/lib/cni', '/opt/cni/bin')
DEFAULT_ROUTE = {4: '0.0.0.0/0', 6: '::/0'}


def pod_cidr(family, node=1):
    return f'fd00:201:{node}::/64' if family == 6 else f'10.201.{node}.0/24'


def plugin_path(plugin):
    for directory in PLUGIN_DIRS:
        path = f'{directory}/{plugin}'
        if os.access(path, os.X_OK):
            return path
    raise BenchError(f'no CNI plugin {plugin} in {" or ".join(PLUGIN_DIRS)}; see hack/deps')


def reference_plugin(lab, node, plugin, index=1):
    """`bridge` or `ptp` with host-local, both families, as a minimal cluster configures them."""
    path = plugin_path(plugin)
    conf = {
        'cniVersion': '1.0.0', 'name': 'bench', 'type': plugin,
        'ipam': {
            'type': 'host-local', 'dataDir': lab.dir('ipam', node),
            'ranges': [[{'subnet': pod_cidr(f, index)}] for f in (4, 6)],
            'routes': [{'dst': DEFAULT_ROUTE[f]} for f in (4, 6)],
        },
    }
    if plugin == 'bridge':
        conf |= {'bridge': 'cni0', 'isGateway': True, 'hairpinMode': True}
    return Plugin(node, path, conf, os.path.dirname(path))


def _pod(lab, plugin, name):
    netns = lab.netns(name)
    return End(netns, plugin.add(name, netns)[lab.family])


def veth(lab, name):
    """Two pods joined by one pair: the least that two namespaces can cost."""
    ends = []
    for n, side in enumerate('ab', 1):
        address = f'fd00:200::{n}' if lab.family == 6 else f'10.200.0.{n}'
        ends.append(End(lab.netns(f'{name}-{side}'), address))
    lab.veth(ends[0].netns, ends[1].netns)
    for end in ends:
        bits = 64 if lab.family == 6 else 24
        lab.ip(end.netns, f'addr add {end.address}/{bits} dev eth0')
    return ends


def same_node(lab, plugin_name, name=None):
    """A client and a server on one node. Bridged packets do not visit iptables' hooks: there are
    no rules, and a node that has some pays for them in the arms that measure rules."""
    name = name or plugin_name
    plugin = reference_plugin(lab, lab.node(name), plugin_name)
    lab.sysctl(plugin.node, {f'net/bridge/bridge-nf-call-{t}': '0'
                             for t in ('iptables', 'ip6tables', 'arptables')})
    return [_pod(lab, plugin, f'{name}-{side}') for side in 'ab']


def node_address(family, n):
    return f'fd00:202::{n}' if family == 6 else f'10.202.0.{n}'


def cross_node(lab):
    """Pods by ptp on two nodes that are joined by a pair and have routes to each other's pods."""
    nodes = [lab.node(f'x{n}') for n in (1, 2)]
    lab.veth(*nodes)
    ends = []
    for n, node in enumerate(nodes, 1):
        peer = 3 - n
        lab.ip(node, f'addr add {node_address(lab.family, n)}/'
                     f'{64 if lab.family == 6 else 24} dev eth0',
               f'route add {pod_cidr(lab.family, peer)} via {node_address(lab.family, peer)}')
        ends.append(_pod(lab, reference_plugin(lab, node, 'ptp', n), f'x{n}-a'))
    return ends


def iptables(family):
    """kube-proxy's iptables mode on the kernel's own xtables, where a chain is linear; where there
    is none, on nftables."""
    name = 'iptables' if family == 4 else 'ip6tables'
    return f'{name}-legacy' if shutil.which(f'{name}-legacy') else name


def cluster_ip(lab, subject, count):
    """Pods by ptp and `count` services to one of them; the services' address comes last."""
    name = {'iptables': 'ipt', 'nftables': 'nft'}[subject] + str(count)
    client, server = same_node(lab, 'ptp', name)
    make = getattr(rules, subject)
    text = make(lab.family, count, pod_cidr(lab.family), server.address, PORTS['crr'])
    if subject == 'nftables':
        argv = ['nft', '-f', '-']
    else:
        argv = [f'{iptables(lab.family)}-restore']
    with inside(f'lnb-{name}'):
        run(argv, stdin=text)
    return client, server, rules.vip(lab.family, count - 1)


def add_del(lab, plugin_name):
    """A node and a namespace for CNI calls of their own: (plugin, netns, arguments)."""
    plugin = reference_plugin(lab, lab.node('cni'), plugin_name)
    return plugin, lab.netns('cni-pod'), ''
