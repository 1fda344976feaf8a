# SPDX-License-Identifier: Apache-2.0
"""linnet as it runs on nodes: agents, an API server's double, pods by the CNI plugin, and a policy
that selects every pod, so that what is measured always pays for policy and flow state.

A cluster has one or two nodes, each a namespace with a cgroup that stands for the node's cgroup
root; the API server's double lives on the first. Clusters share nothing, so addresses repeat.
"""
import glob
import http.client
import json
import os
import re
import socket

import rules
from lab import BenchError, Plugin, inside, run, wait_until
from nb import DENIED_PORT, PORTS, SERVICE_PORT, End
from reference import node_address, pod_cidr

NAMESPACE = 'bench'
LABELS = {'app': 'bench'}
API_PORT = 6443
METRICS_PORT = 9880
SERVICE_CIDRS = '10.96.0.0/16,fd00:96::/112'
BULK = 1000


class Programs:
    """Where linnet's programs are, below the root of a source tree."""

    def __init__(self, root):
        self.agent = f'{root}/build/linnetd'
        self.plugin = f'{root}/build/linnet'
        self.apiserver = f'{root}/tests/apiserver/apiserver'

    def missing(self):
        return [p for p in (self.agent, self.plugin, self.apiserver) if not os.access(p, os.X_OK)]


# --- the API server's double ---

class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('double')
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Api:
    """Speaks to the double through its unix socket, which no network namespace separates."""

    def __init__(self, directory):
        self._directory = directory

    def call(self, method, path, body=None, media='application/json'):
        with open(f'{self._directory}/token', encoding='ascii') as f:
            headers = {'Authorization': f'Bearer {f.read().strip()}', 'Content-Type': media}
        conn = _UnixConnection(f'{self._directory}/admin.sock')
        try:
            conn.request(method, path, None if body is None else json.dumps(body), headers)
            response = conn.getresponse()
            text = response.read()
        except OSError as e:
            raise BenchError(f'apiserver: {method} {path}: {e}') from e
        finally:
            conn.close()
        if response.status >= 300:
            raise BenchError(f'apiserver: {method} {path}: {response.status}: {text[:500]}')
        return json.loads(text)

    def create(self, objects):
        for n in range(0, len(objects), BULK):
            self.call('POST', '/double/bulk', objects[n:n + BULK])


def node_object(name, index, addresses):
    cidrs = [pod_cidr(f, index) for f in (4, 6)]
    return {
        'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': name},
        'spec': {'podCIDR': cidrs[0], 'podCIDRs': cidrs},
        'status': {
            'addresses': [{'type': 'InternalIP', 'address': a} for a in addresses],
            'conditions': [{'type': 'Ready', 'status': 'True'}],
        },
    }


def _pod_object(name, node, **annotations):
    return {
        'apiVersion': 'v1', 'kind': 'Pod',
        'metadata': {'name': name, 'namespace': NAMESPACE, 'labels': LABELS,
                     'annotations': annotations},
        'spec': {'nodeName': node, 'containers': [{'name': 'c', 'image': 'none'}]},
    }


def _policy_object():
    """Pods of the benchmark may talk to each other on its ports, and to nobody else."""
    ports = [{'protocol': p, 'port': n} for p in ('TCP', 'UDP') for n in PORTS.values()]
    peer = [{'podSelector': {'matchLabels': LABELS}}]
    return {
        'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy',
        'metadata': {'name': 'bench', 'namespace': NAMESPACE},
        'spec': {
            'podSelector': {'matchLabels': LABELS}, 'policyTypes': ['Ingress', 'Egress'],
            'ingress': [{'from': peer, 'ports': ports}],
            'egress': [{'to': peer, 'ports': ports}],
        },
    }


def _service_objects(family, count, backend, pod, node):
    """Each service has the one endpoint, as in the rule sets that linnet is compared with."""
    objects = []
    for n in range(count):
        name, address = f'svc-{n}', rules.vip(family, n)
        objects.append({
            'apiVersion': 'v1', 'kind': 'Service',
            'metadata': {'name': name, 'namespace': NAMESPACE},
            'spec': {
                'clusterIP': address, 'clusterIPs': [address], 'ipFamilies': [f'IPv{family}'],
                'ports': [{'name': 'p', 'port': SERVICE_PORT, 'targetPort': PORTS['crr']}],
            },
        })
        objects.append({
            'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice',
            'metadata': {'name': f'{name}-x', 'namespace': NAMESPACE,
                         'labels': {'kubernetes.io/service-name': name}},
            'addressType': f'IPv{family}',
            'ports': [{'name': 'p', 'protocol': 'TCP', 'port': PORTS['crr']}],
            'endpoints': [{
                'addresses': [backend], 'conditions': {'ready': True}, 'nodeName': node,
                'targetRef': {'kind': 'Pod', 'namespace': NAMESPACE, 'name': pod},
            }],
        })
    return objects


# --- nodes, pods, clusters ---

class Node:
    def __init__(self, lab, cluster, index):
        self.name = f'n{index}'
        self.index = index
        self.netns = lab.netns(f'{cluster}-{self.name}')
        self.dirs = {d: lab.dir(cluster, self.name, d) for d in ('bpf', 'run', 'conf', 'data')}
        self.cgroup = lab.cgroup(f'{cluster}-{self.name}')
        self.addresses = [node_address(f, index) for f in (4, 6)]
        self._agent = None

    def set_addresses(self, lab):
        v4, v6 = self.addresses
        lab.ip(self.netns, f'addr add {v4}/24 dev eth0', f'addr add {v6}/64 dev eth0 nodad')

    def start(self, lab, programs, kubeconfig, cluster, more=None):
        settings = {
            'node-name': self.name, 'kubeconfig': kubeconfig, 'bpf-root': self.dirs['bpf'],
            'cgroup-root': self.cgroup, 'run-dir': self.dirs['run'],
            'cni-conf-dir': self.dirs['conf'], 'cni-bin-dir': os.path.dirname(programs.plugin),
            'data-dir': self.dirs['data'], 'log-level': 'info', **(more or {}),
        }
        argv = [programs.agent]
        # An agent that keeps its records below --run-dir, say, has no --data-dir.
        offered = run([programs.agent, '--help'])
        for option, value in settings.items():
            if f'--{option} ' in offered:
                argv += [f'--{option}', value]
        self._agent = lab.start(f'{cluster}-{self.name}.log', argv, self.netns)

    @property
    def agent(self):
        return self._agent

    def memory(self):
        """MiB of the agent: resident, and at its peak."""
        with open(f'/proc/{self._agent.pid}/status', encoding='ascii') as f:
            found = dict(re.findall(r'(VmRSS|VmHWM):\s+(\d+) kB', f.read()))
        return int(found['VmRSS']) / 1024, int(found['VmHWM']) / 1024

    @property
    def log(self):
        return self._agent.lnb_log

    @property
    def maps(self):
        """The folder of the pinned maps."""
        return glob.glob(f'{self.dirs["bpf"]}/linnet/v*/maps')[0]

    def counted(self, event):
        """How often the datapath says that it has seen this."""
        with inside(self.netns):
            conn = http.client.HTTPConnection('127.0.0.1', METRICS_PORT, timeout=10)
            conn.request('GET', '/metrics')
            text = conn.getresponse().read().decode()
            conn.close()
        found = re.search(rf'^linnet_datapath_events_total{{event="{event}"}} (\d+)', text, re.M)
        if not found:
            raise BenchError(f'{self.netns}: no count of {event}')
        return int(found.group(1))

    def clean(self, lab, programs):
        """Stops the agent and removes what it has put on the node."""
        lab.stop(self._agent)
        with inside(self.netns):
            run([programs.agent, '--cleanup', '--bpf-root', self.dirs['bpf'], '--run-dir',
                 self.dirs['run'], '--cgroup-root', self.cgroup, '--cni-conf-dir',
                 self.dirs['conf']])

    def plugin(self, programs):
        """Waits until the node carries pods, which the agent says by writing its CNI
        configuration, and makes of that what a runtime makes of it."""
        path = f'{self.dirs["conf"]}/10-linnet.conflist'
        wait_until(f'linnetd of {self.netns}', lambda: os.path.exists(path) or self.ended())
        with open(path, encoding='utf-8') as f:
            network = json.load(f)
        conf = network['plugins'][0] | {k: network[k] for k in ('name', 'cniVersion')}
        return Plugin(self.netns, programs.plugin, conf, os.path.dirname(programs.plugin))

    def ended(self):
        if self._agent.poll() is None:
            return False
        with open(self._agent.lnb_log, encoding='utf-8', errors='replace') as f:
            raise BenchError(f'linnetd of {self.netns} ended: {f.read()[-1500:]}')


def start_api(lab, programs, cluster, node):
    """The double, on a node of the cluster: (api, kubeconfig)."""
    directory = lab.dir(cluster, 'api')
    server = lab.start(f'{cluster}-api.log', [
        programs.apiserver, '--listen', f'{node.addresses[0]}:{API_PORT}', '--dir', directory,
        '--service-cidr', SERVICE_CIDRS, '--no-endpointslice-controller',
    ], node.netns)
    wait_until('apiserver', lambda: os.path.exists(f'{directory}/ready') or server.poll())
    return Api(directory), f'{directory}/kubeconfig'


class Pod:
    """A pod of the API, its namespace, and what CNI calls for it carry."""

    def __init__(self, lab, api, cluster, node, name, namespace=NAMESPACE):
        self.name = f'{cluster}-{name}'
        self.node = node
        self.netns = lab.netns(self.name)
        path = f'/api/v1/namespaces/{namespace}/pods/{name}'
        uid = api.call('GET', path)['metadata']['uid']
        self.args = (f'IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name};'
                     f'K8S_POD_UID={uid};K8S_POD_INFRA_CONTAINER_ID={self.name}')
        self._api = api
        self._path = path

    def add(self, lab, plugin):
        """As a runtime and a kubelet do it; the pod's end of measurements."""
        addresses = plugin.add(self.name, self.netns, self.args)
        status = {'phase': 'Running', 'podIP': addresses[4],
                  'podIPs': [{'ip': addresses[f]} for f in sorted(addresses)],
                  'hostIP': self.node.addresses[0],
                  'conditions': [{'type': 'Ready', 'status': 'True'}]}
        self._api.call('PATCH', f'{self._path}/status', {'status': status},
                       'application/merge-patch+json')
        return End(self.netns, addresses[lab.family], self.node.cgroup)


class Cluster:
    """Without pods where `services` is None. `client` and `server` share a node, and so does
    `opted`, a client whose packets are translated because its sockets are not; `far` is a client on
    the other node, where there is one; `plugin` and `spare` are for CNI calls of their own."""

    def __init__(self, lab, programs, name, nodes, services):
        self._lab = lab
        self._name = name
        self.nodes = [Node(lab, name, n) for n in range(1, nodes + 1)]
        self._join()
        self.api, self.kubeconfig = start_api(lab, programs, name, self.nodes[0])
        self._create_objects()
        for node in self.nodes:
            node.start(lab, programs, self.kubeconfig, name)
        self.plugin = self.nodes[0].plugin(programs)
        if services is None:
            return
        self.client, self.server, self.opted = (self._pod(0, s).add(lab, self.plugin)
                                                for s in ('a', 'b', 'opted'))
        self.far = None
        if nodes > 1:
            self.far = self._pod(1, 'c').add(lab, self.nodes[1].plugin(programs))
        self.spare = self._pod(0, 'spare')
        self.api.create(_service_objects(lab.family, services, self.server.address, 'b',
                                          self.nodes[0].name))
        self.vip = rules.vip(lab.family, services - 1)

    def _join(self):
        """Two nodes by a pair; a single one gets a pair to nowhere, as its device."""
        other = self.nodes[1].netns if len(self.nodes) > 1 else self._lab.netns(f'{self._name}-sw')
        self._lab.veth(self.nodes[0].netns, other)
        for node in self.nodes:
            node.set_addresses(self._lab)

    def _create_objects(self):
        pods = [_pod_object(p, 'n1') for p in ('a', 'b', 'spare')]
        pods.append(_pod_object('opted', 'n1', **{'linnet.io/socket-lb': 'false'}))
        if len(self.nodes) > 1:
            pods.append(_pod_object('c', 'n2'))
        self.api.create([
            {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': NAMESPACE}},
            *(node_object(n.name, n.index, n.addresses) for n in self.nodes),
            _policy_object(), *pods,
        ])

    def _pod(self, node, name):
        return Pod(self._lab, self.api, self._name, self.nodes[node], name)

    def check(self, nb):
        """Waits until what is measured works, and makes sure that what must fail does: figures of
        a datapath with its policy off would be worth nothing."""
        paths = [('one node', self.client)] + ([('two nodes', self.far)] if self.far else [])
        for path, client in paths:
            wait_until(f'linnet, {path}: a pod that policy lets through',
                       lambda c=client: nb.reaches('connect', c, self.server))
            for mode in ('connect', 'urr'):
                if nb.reaches(mode, client, self.server, port=DENIED_PORT,
                              listen_port=DENIED_PORT):
                    raise BenchError(f'linnet, {path}: {mode} to a port that no policy allows '
                                     f'got through; refusing to measure')
        wait_until(f'linnet: the service {self.vip}',
                   lambda: nb.reaches('crr', self.client, self.server, self.vip, SERVICE_PORT),
                   seconds=60)
        for client, at_socket in ((self.client, True), (self.opted, False)):
            wait_until(f'linnet: {"sockets" if at_socket else "packets"} that are translated',
                       lambda c=client, s=at_socket: self._translates(nb, c, s))
        unknown = rules.vip(self._lab.family, 11000)
        if nb.reaches('crr', self.client, self.server, unknown, SERVICE_PORT):
            raise BenchError(f'linnet: {unknown}, which is no service, answered')

    def _translates(self, nb, client, at_socket):
        """Whether the client reaches the service, translated where it is to be."""
        before = self.nodes[0].counted('socket-translated')
        return nb.reaches('crr', client, self.server, self.vip, SERVICE_PORT) and \
            (self.nodes[0].counted('socket-translated') != before) == at_socket
