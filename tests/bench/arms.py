# SPDX-License-Identifier: Apache-2.0
"""What is measured: the arms, which figures each gives, and what each figure is compared with.

A figure's name is METRIC/PATH/SUBJECT. An arm is one run of one program, and may give several
figures. What an arm stands in is made when the first arm that needs it is set up.
"""
import statistics

import forward
import linnet
import policies
import reference
import scale
from nb import METRICS, PORTS, SERVICE_PORT

# How many services there are, by the kind of a path: translated at the socket, or per packet.
SERVICES = {'clusterip': (1, 1000, 10000), 'packet': (1, 10000)}
ADD_DEL_RUNS = 5

# Subjects that are measured for a comparison's sake and are no results of their own: a second bare
# pair, whose ratio to the first is the noise, and a pod's own address beside its service's.
TWIN, DIRECT = 'veth-AA', 'direct'
HIDDEN = (TWIN, DIRECT)

UNITS = {metric: unit for metrics in METRICS.values() for metric, (unit, _) in metrics.items()}
UNITS.update({'start': 's', 'first_sync': 's', 'change': 'ms', 'change_turn': 'ms', 'rss': 'MiB',
              'rss_peak': 'MiB', 'map_memory_empty': 'MiB', 'map_memory': 'MiB'})
UNITS['add'] = UNITS['add_del'] = 'ms'
UNITS['forward'] = 'Mpps'
UNITS.update({m: 'ms' for m in policies.METRICS}, policy_rss='MiB')


class Arm:
    def __init__(self, path, subject, metrics, stage, run):
        self.path = path
        self.subject = subject
        self.metrics = metrics
        self.stage = stage
        self._run = run

    def names(self):
        return [f'{m}/{self.path}/{self.subject}' for m in self.metrics]

    def run(self, stages, nb):
        """Figures by name."""
        figures = self._run(stages[self.stage], nb)
        return {f'{m}/{self.path}/{self.subject}': v for m, v in figures.items()}


def _talk(mode, ends, service=False):
    """An arm's run: `mode` between the ends that `ends` finds on its stage."""
    def run(stage, nb):
        client, server, *vip = ends(stage)
        if service:
            return nb.measure(mode, client, server, vip[0], SERVICE_PORT, PORTS['crr'])
        return nb.measure(mode, client, server)
    return run


def _near(stage):
    return stage if isinstance(stage, (list, tuple)) else (stage.client, stage.server)


def _far(stage):
    return stage if isinstance(stage, (list, tuple)) else (stage.far, stage.server)


def _service(stage):
    if isinstance(stage, (list, tuple)):
        return stage
    return stage.client, stage.server, stage.vip


def _per_packet(stage):
    return stage.opted, stage.server, stage.vip


def _per_packet_direct(stage):
    return stage.opted, stage.server


def _add_del(stage, _nb):
    """The median, for one call now and then waits for the scheduler."""
    plugin, netns, args = stage if isinstance(stage, tuple) else \
        (stage.plugin, stage.spare.netns, stage.spare.args)
    took = [plugin.add_del_ms(f'bench-{n}', netns, args) for n in range(ADD_DEL_RUNS)]
    return dict(zip(('add', 'add_del'), map(statistics.median, zip(*took))))


def every_arm():
    arms = []
    for mode, metrics in METRICS.items():
        for subject in ('veth', TWIN, 'bridge', 'ptp', 'linnet'):
            stage = 'linnet-1' if subject == 'linnet' else subject
            arms.append(Arm('same-node', subject, list(metrics), stage, _talk(mode, _near)))
        for subject, stage in (('ptp', 'cross'), ('linnet', 'linnet-1')):
            arms.append(Arm('cross-node', subject, list(metrics), stage, _talk(mode, _far)))
    for count in SERVICES['clusterip']:
        path, metrics = f'clusterip-{count}', list(METRICS['crr'])
        for subject in ('iptables', 'nftables', 'linnet'):
            arms.append(Arm(path, subject, metrics, f'{subject}-{count}',
                            _talk('crr', _service, True)))
        arms.append(Arm(path, DIRECT, metrics, f'linnet-{count}', _talk('crr', _near)))
    for count in SERVICES['packet']:
        path, stage = f'packet-{count}', f'linnet-{count}'
        for mode in ('crr', 'rr'):
            metrics = list(METRICS[mode])
            arms.append(Arm(path, 'linnet', metrics, stage, _talk(mode, _per_packet, True)))
            arms.append(Arm(path, DIRECT, metrics, stage, _talk(mode, _per_packet_direct)))
    for subject, stage in (('linnet', 'linnet-forward-xdp'), ('linnet-tcx', 'linnet-forward-tcx'),
                           ('iptables', 'forward-iptables'), ('nftables', 'forward-nftables')):
        arms.append(Arm('nodeport', subject, ['forward'], stage, lambda s, nb: s.measure(nb)))
    arms.append(Arm('node', 'bridge', ['add', 'add_del'], 'bridge-cni', _add_del))
    arms.append(Arm('node', 'linnet', ['add', 'add_del'], 'linnet-1', _add_del))
    arms.append(Arm('scale', 'linnet', scale.METRICS, 'linnet-scale',
                    lambda stage, nb: stage.run(nb)))
    arms.append(Arm('policies', 'linnet', policies.METRICS, 'linnet-policies',
                    lambda stage, nb: stage.run(nb)))
    return arms


def is_linnet(arm):
    return arm.stage.startswith('linnet-')


def is_result(name):
    return name.rsplit('/', 1)[1] not in HIDDEN


def comparisons(name, names):
    """For a figure of linnet, what it is divided by: label -> name. Nothing for the others."""
    metric, path, subject = name.split('/')
    if subject != 'linnet':
        return {}
    found = {}
    for other in names:
        m, p, s = other.split('/')
        if (m, p) == (metric, path) and s not in ('linnet', TWIN):
            found[s] = other
    kind, _, count = path.partition('-')
    if kind in SERVICES and int(count) == SERVICES[kind][-1]:
        fewest = f'{kind}-{SERVICES[kind][0]}'
        found[fewest] = f'{metric}/{fewest}/linnet'
    return found


def build(stage, lab, nb, programs):
    """Makes what an arm stands in."""
    kind, _, detail = stage.partition('-')
    if stage in ('veth', TWIN):
        return reference.veth(lab, stage.lower())
    if stage in ('bridge', 'ptp'):
        return reference.same_node(lab, stage)
    if stage == 'cross':
        return reference.cross_node(lab)
    if stage == 'bridge-cni':
        return reference.add_del(lab, 'bridge')
    if stage == 'linnet-scale':
        return scale.Stage(lab, programs)
    if stage == 'linnet-policies':
        return policies.Stage(lab, programs)
    if kind == 'forward' or detail.startswith('forward-'):
        forwarder = forward.by_rules(lab, detail) if kind == 'forward' else \
            forward.LinnetForwarder(lab, programs, detail == 'forward-xdp')
        forwarder.check(nb)
        return forwarder
    if kind == 'linnet':
        count = int(detail)
        cluster = linnet.Cluster(lab, programs, f'l{count}', 2 if count == 1 else 1, count)
        cluster.check(nb)
        return cluster
    return reference.cluster_ip(lab, kind, int(detail))
