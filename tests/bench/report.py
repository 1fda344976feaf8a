# SPDX-License-Identifier: Apache-2.0
"""From the figures of every round to a table for people and JSON for programs.

A ratio is taken within a round, between runs that are seconds apart, and then its median over the
rounds: what the machine does meanwhile changes figures more than it changes ratios.
"""
import statistics

import arms
from arms import SERVICES, TWIN, UNITS


class Figures:
    """values[name] has one value a round."""

    def __init__(self, rounds):
        self.names = sorted(rounds[0]) if rounds else []
        self.values = {name: [r[name] for r in rounds] for name in self.names}

    def ratios(self, name, other):
        return [a / b for a, b in zip(self.values[name], self.values[other]) if b]

    def comparisons(self, name):
        found = arms.comparisons(name, self.names)
        return {label: other for label, other in found.items() if other in self.values}


def results(figures, wanted):
    out = []
    for name in figures.names:
        if name not in wanted:
            continue
        values = figures.values[name]
        ratios = {label: figures.ratios(name, other)
                  for label, other in figures.comparisons(name).items()}
        out.append({
            'name': name, 'unit': UNITS[name.split('/')[0]],
            'median': round(statistics.median(values), 4),
            'min': round(min(values), 4), 'max': round(max(values), 4), 'runs': len(values),
            'ratio': {k: round(statistics.median(v), 4) for k, v in ratios.items()},
            'ratio_range': {k: [round(min(v), 4), round(max(v), 4)] for k, v in ratios.items()},
        })
    return out


def _spread(ratios):
    if not ratios:
        return ''
    return f'{statistics.median(ratios):.3f} [{min(ratios):.2f}-{max(ratios):.2f}]'


def _noise(figures):
    """What two arms that do not differ at all differ by, per metric."""
    out = []
    for name in figures.names:
        metric, path, subject = name.split('/')
        veth = f'{metric}/{path}/veth'
        if subject == TWIN and veth in figures.values:
            out.append(f'{metric} {_spread(figures.ratios(name, veth))}')
    return out


def _row(figures, name, wanted):
    """The ratios of linnet to what has no row of its own stand in linnet's row."""
    metric, path, subject = name.split('/')
    values = figures.values[name]
    veth, mine = f'{metric}/same-node/veth', f'{metric}/{path}/linnet'
    to_veth = figures.ratios(name, veth) if veth in figures.values and name != veth else []
    linnet = figures.ratios(mine, name) if mine in figures.values and subject != 'linnet' else []
    more = [f'{_spread(figures.ratios(name, other))} of {label}'
            for label, other in figures.comparisons(name).items()
            if label.partition('-')[0] in SERVICES or other not in wanted]
    span = f'[{min(values):.5g}-{max(values):.5g}]'
    return (f'  {path:<16}{subject:<10}{statistics.median(values):>9.5g}  {span:<20}'
            f'{_spread(to_veth):<20}{_spread(linnet):<20}{", ".join(more)}').rstrip()


def _order(name):
    metric, path, subject = name.split('/')
    services = [f'{kind}-{n}' for kind, numbers in SERVICES.items() for n in numbers]
    paths = ['same-node', 'cross-node', *services, 'nodeport', 'node', 'scale', 'policies']
    subjects = ['linnet', 'linnet-tcx', 'veth', 'bridge', 'ptp', 'nftables', 'iptables']
    return list(UNITS).index(metric), paths.index(path), subjects.index(subject)


def table(machine, figures, wanted, notes):
    out = [f'{k}: {v}' for k, v in machine.items()]
    noise = _noise(figures)
    if noise:
        out.append('noise (a second bare pair over the first): ' + ', '.join(noise))
    out += [f'note: {n}' for n in notes]
    out += ['', 'Medians over the rounds; ratios are taken round by round, as median [min-max].']
    last = None
    for name in sorted((n for n in figures.names if n in wanted), key=_order):
        metric = name.split('/')[0]
        if metric != last:
            better = 'more' if metric in ('stream', 'forward') else 'less'
            head = f'{metric}, {UNITS[metric]} ({better} is better)'
            out += ['', f'{head:<39}{"[min-max]":<20}{"over veth":<20}linnet over it']
            last = metric
        out.append(_row(figures, name, wanted))
    return '\n'.join(out)
