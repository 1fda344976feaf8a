# SPDX-License-Identifier: Apache-2.0
"""What a benchmark stands in: namespaces, directories, cgroups and processes of its own.

Everything is made through one Lab, carries the prefix, and is removed by its close(), whatever
happened before. What an earlier run left behind (a SIGKILL, a power cut) is removed by open().
"""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time

PREFIX = 'lnb-'
ROOT = '/run/lnb'
LOCK = '\0lnb'
NETNS_DIR = '/run/netns'
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """A benchmark that cannot go on; the message says what was tried and why it failed."""


def run(argv, stdin=None, env=None, timeout=120):
    """Runs a program and returns what it wrote, or raises with what it complained about."""
    try:
        done = subprocess.run(argv, input=stdin, env=env, timeout=timeout, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise BenchError(f'{argv[0]}: {e}') from e
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BenchError(f'{" ".join(argv)[:200]}: exit {done.returncode}: {said}')
    return done.stdout


def wait_until(what, check, seconds=30, every=0.05):
    """Calls check() until it gives something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() >= end:
            raise BenchError(f'{what}: not within {seconds} s')
        time.sleep(every)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        err = ctypes.get_errno()
        raise BenchError(f'setns: {os.strerror(err)}')


@contextlib.contextmanager
def inside(netns):
    """The programs started in this block start in the namespace, with no exec in between that a
    measured program would pay for."""
    home = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(netns_path(netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(there)
        os.close(home)


def netns_path(netns):
    return f'{NETNS_DIR}/{netns}'


def cgroup_root():
    """Where cgroup v2 is mounted, alone or beside v1."""
    with open('/proc/self/mounts', encoding='ascii', errors='replace') as f:
        for line in f:
            fields = line.split()
            if fields[2] == 'cgroup2':
                return fields[1]
    raise BenchError('cgroup v2 is not mounted')


class Lab:
    def __init__(self, family):
        self.family = family
        self._processes = []
        self._lock = None
        self._cgroup = f'{cgroup_root()}/lnb'

    def open(self):
        """One lab at a time. The lock is a name that ends with the process, not a file."""
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(LOCK)
        except OSError as e:
            lock.close()
            raise BenchError('another benchmark runs on this machine') from e
        self._lock = lock
        self._sweep()
        os.makedirs(ROOT, mode=0o700)
        # What plugins keep there, each subject's, is in memory, as a node's /run is.
        run(['mount', '-t', 'tmpfs', '-o', 'mode=700', 'lnb', ROOT])

    def close(self):
        if not self._lock:
            return
        for process in reversed(self._processes):
            _end(process)
        self._sweep()
        self._lock.close()
        self._lock = None

    # --- namespaces ---

    def netns(self, name):
        """A namespace with its loopback up, and nothing in it that depends on the machine's
        settings: one congestion control that needs no timers, no duplicate address detection."""
        netns = PREFIX + name
        run(['ip', 'netns', 'add', netns])
        self.sysctl(netns, {
            'net/ipv4/tcp_congestion_control': 'reno',
            'net/ipv4/ip_local_port_range': '10000 65000',
            'net/ipv6/conf/default/accept_dad': '0',
            'net/ipv6/conf/all/accept_dad': '0',
        })
        run(['ip', '-n', netns, 'link', 'set', 'lo', 'up'])
        return netns

    def node(self, name):
        """A namespace whose kernel forwards."""
        netns = self.netns(name)
        self.sysctl(netns, {'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1'})
        return netns

    def sysctl(self, netns, values):
        with inside(netns):
            for key, value in values.items():
                path = f'/proc/sys/{key}'
                if not os.path.exists(path):
                    continue
                with open(path, 'w', encoding='ascii') as f:
                    f.write(value)

    def ip(self, netns, *commands):
        run(['ip', '-n', netns, '-batch', '-'], stdin='\n'.join(commands) + '\n')

    def veth(self, a, b, device='eth0'):
        """One pair, with the same name at both ends."""
        self.ip(a, f'link add {device} type veth peer name {device} netns {b}')
        for netns in (a, b):
            self.ip(netns, f'link set {device} up')

    # --- files, cgroups, processes ---

    def dir(self, *names):
        path = os.path.join(ROOT, *names)
        os.makedirs(path, mode=0o755, exist_ok=True)
        return path

    def cgroup(self, name):
        path = f'{self._cgroup}/{name}'
        os.makedirs(path, exist_ok=True)
        return path

    def start(self, name, argv, netns=None):
        """A process that lives as long as the lab; what it says goes to a file."""
        log = os.path.join(self.dir('log'), name)
        with open(log, 'wb') as out, inside(netns) if netns else contextlib.nullcontext():
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True)
        process.lnb_log = log
        self._processes.append(process)
        return process

    def stop(self, process):
        _end(process)
        self._processes.remove(process)

    # --- removal ---

    def _sweep(self):
        names = os.listdir(NETNS_DIR) if os.path.isdir(NETNS_DIR) else []
        for netns in sorted(n for n in names if n.startswith(PREFIX)):
            for pid in _pids(netns):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            run(['ip', 'netns', 'del', netns])
        for mount in reversed(_mounts_below(ROOT)):
            subprocess.run(['umount', '-l', mount], check=False)
        shutil.rmtree(ROOT, ignore_errors=True)
        wait_until(f'removal of {self._cgroup}', self._remove_cgroup, seconds=5)

    def _remove_cgroup(self):
        try:
            for path, _, _ in os.walk(self._cgroup, topdown=False):
                os.rmdir(path)
        except OSError:
            return False
        return True


def _end(process):
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _pids(netns):
    return [int(pid) for pid in run(['ip', 'netns', 'pids', netns]).split()]


def _mounts_below(root):
    with open('/proc/self/mounts', encoding='utf-8', errors='replace') as f:
        return [m for m in (line.split()[1] for line in f) if (m + '/').startswith(root + '/')]


# --- CNI ---

class Plugin:
    """A CNI plugin as a runtime executes it: in the node's namespace, with the network's
    configuration on stdin."""

    def __init__(self, node, path, conf, search):
        self.node = node
        self._path = path
        self._conf = json.dumps(conf)
        self._search = search

    def _env(self, verb, container, netns, args):
        env = {
            'PATH': os.environ.get('PATH', ''),
            'CNI_COMMAND': verb,
            'CNI_CONTAINERID': container,
            'CNI_NETNS': netns_path(netns),
            'CNI_IFNAME': 'eth0',
            'CNI_PATH': self._search,
        }
        if args:
            env['CNI_ARGS'] = args
        return env

    def call(self, verb, container, netns, args=''):
        env = self._env(verb, container, netns, args)
        with inside(self.node):
            out = run([self._path], stdin=self._conf, env=env)
        return json.loads(out) if out.strip() else {}

    def add(self, container, netns, args=''):
        """The pod's addresses by family."""
        result = self.call('ADD', container, netns, args)
        addresses = [entry['address'].split('/')[0] for entry in result['ips']]
        return {6 if ':' in a else 4: a for a in addresses}

    def add_del_ms(self, container, netns, args=''):
        """Milliseconds that ADD took, and from its start to the end of DEL."""
        envs = [self._env(verb, container, netns, args) for verb in ('ADD', 'DEL')]
        times = [time.perf_counter()]
        with inside(self.node):
            for env in envs:
                run([self._path], stdin=self._conf, env=env)
                times.append(time.perf_counter())
        return [(t - times[0]) * 1e3 for t in times[1:]]
