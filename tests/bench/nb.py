# SPDX-License-Identifier: Apache-2.0
"""Calls nb, the measuring program, and takes its figures apart."""
import json
import subprocess

from lab import BenchError, netns_path

NO_ANSWER = 3

# A port per mode, so that a policy can name them; the last is one that no policy allows.
PORTS = {'rr': 7000, 'crr': 7001, 'urr': 7002, 'connect': 7003, 'stream': 7004}
DENIED_PORT = 7010
SERVICE_PORT = 80

# What a mode's run measures: metric -> unit, and how to find it in nb's answer.
METRICS = {
    'rr': {'tcp_rr': ('us', lambda r: r['us']['p50'])},
    'crr': {'tcp_crr': ('us', lambda r: r['us']['p50']),
            'connect': ('us', lambda r: r['connect_us']['p50'])},
    'urr': {'udp_rr': ('us', lambda r: r['us']['p50'])},
    'stream': {'stream': ('Gbit/CPU-s', lambda r: r['gbit_per_cpu_s'])},
}


class End:
    """One pod: where its sockets live, and its address in the family that is measured."""

    def __init__(self, netns, address=None, cgroup=None):
        self.netns = netns
        self.address = address
        self.cgroup = cgroup


class Nb:
    def __init__(self, program, injector, cpu, time_ms, warmup_ms):
        self._program = program
        self.injector = injector
        self.cpu = cpu
        self.time_ms = time_ms
        self.warmup_ms = warmup_ms

    def _argv(self, mode, client, server, target, port, options):
        argv = [self._program, '--mode', mode, '--cpu', str(self.cpu),
                '--server-ns', netns_path(server.netns), '--client-ns', netns_path(client.netns),
                '--target', target or server.address, '--port', str(port or PORTS[mode]),
                '--listen-port', str(options.pop('listen_port', PORTS[mode]))]
        for key, cgroup in (('server', server.cgroup), ('client', client.cgroup)):
            if cgroup:
                argv += [f'--{key}-cgroup', cgroup]
        for key, value in options.items():
            argv += [f'--{key}', str(value)]
        return argv

    def _call(self, argv):
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)

    def measure(self, mode, client, server, target=None, port=None, listen_port=None):
        """Figures by metric. The server listens on the mode's own port, or on another. A path on
        which datagrams get lost is not measured: its round trips would be mostly the wait for the
        next try."""
        argv = self._argv(mode, client, server, target, port,
                          {'time': self.time_ms, 'warmup': self.warmup_ms,
                           'listen_port': listen_port or PORTS[mode]})
        done = self._call(argv)
        if done.returncode:
            raise BenchError(done.stderr.strip() or f'nb: exit {done.returncode}')
        result = json.loads(done.stdout)
        if result['lost'] > result['count'] / 100:
            raise BenchError(f'nb: {mode} to {target or server.address}: {result["lost"]} '
                             f'datagrams lost, {result["count"]} answered')
        return {metric: get(result) for metric, (_, get) in METRICS[mode].items()}

    def reaches(self, mode, client, server, target=None, port=None, listen_port=None):
        """Whether one transaction gets through."""
        options = {'count': 1, 'time': 0, 'warmup': 0, 'timeout': 300}
        if listen_port:
            options['listen_port'] = listen_port
        done = self._call(self._argv(mode, client, server, target, port, options))
        if done.returncode not in (0, NO_ANSWER):
            raise BenchError(done.stderr.strip())
        return not done.returncode
