# SPDX-License-Identifier: Apache-2.0
"""Service rules as kube-proxy writes them, in its iptables and its nftables mode.

Every service has one endpoint, the same pod for all of them; the one that is measured is the last
of the iptables chain. Filter chains that a packet of a service traverses in kube-proxy's rules are
here too; what only NodePorts, load balancers and health checks use is empty, as it is in a cluster
with none of those.
"""
import hashlib

from nb import SERVICE_PORT


def vip(family, index):
    """The address of a service, in the range that every cluster of the benchmark uses."""
    if family == 6:
        return f'fd00:96::{index + 0x10:x}'
    return f'10.96.{index // 250 + 1}.{index % 250 + 1}'


def name(index):
    return f'bench/svc-{index}'


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16].upper()


def _endpoint(family, address, port):
    return f'[{address}]:{port}' if family == 6 else f'{address}:{port}'


_IPTABLES_HEAD = """\
*filter
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" \
-j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" \
-j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment \
--comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 \
-j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" \
-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
"""

_IPTABLES_ENTRY = """\
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
"""


def iptables(family, count, pod_cidr, backend, port):
    """Input for iptables-restore (ip6tables-restore): the linear chain."""
    bits = 128 if family == 6 else 32
    ids = [_hash(name(i)) for i in range(count)]
    out = [_IPTABLES_HEAD]
    for i in ids:
        out.append(f':KUBE-SVC-{i} - [0:0]\n:KUBE-SEP-{i} - [0:0]\n')
    out.append(_IPTABLES_ENTRY)
    to = _endpoint(family, backend, port)
    for n, i in enumerate(ids):
        match = f'-d {vip(family, n)}/{bits} -p tcp -m comment --comment "{name(n)} cluster IP" ' \
                f'-m tcp --dport {SERVICE_PORT}'
        out.append(f'-A KUBE-SERVICES {match} -j KUBE-SVC-{i}\n'
                   f'-A KUBE-SVC-{i} ! -s {pod_cidr} {match} -j KUBE-MARK-MASQ\n'
                   f'-A KUBE-SVC-{i} -m comment --comment "{name(n)} -> {to}" -j KUBE-SEP-{i}\n'
                   f'-A KUBE-SEP-{i} -s {backend}/{bits} -m comment --comment {name(n)} '
                   f'-j KUBE-MARK-MASQ\n'
                   f'-A KUBE-SEP-{i} -p tcp -m comment --comment {name(n)} -m tcp '
                   f'-j DNAT --to-destination {to}\n')
    out.append('-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this '
               'must be the last rule in this chain" -m addrtype --dst-type LOCAL '
               '-j KUBE-NODEPORTS\nCOMMIT\n')
    return ''.join(out)


_NFTABLES = """table {ip} kube-proxy {{
	map service-ips {{
		type {ip_type} . inet_proto . inet_service : verdict
		elements = {{ {service_ips} }}
	}}
	map service-nodeports {{ type inet_proto . inet_service : verdict; }}
	map no-endpoint-services {{ type {ip_type} . inet_proto . inet_service : verdict; }}
	map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}
	map firewall-ips {{ type {ip_type} . inet_proto . inet_service : verdict; }}
	set cluster-ips {{
		type {ip_type}
		elements = {{ {cluster_ips} }}
	}}
	set nodeport-ips {{ type {ip_type}; }}
	chain mark-for-masquerade {{ meta mark set meta mark or 0x4000; }}
	chain masquerading {{
		meta mark and 0x4000 == 0 return
		meta mark set meta mark xor 0x4000
		masquerade fully-random
	}}
	chain firewall-check {{ {ip} daddr . meta l4proto . th dport vmap @firewall-ips; }}
	chain nodeport-endpoints-check {{
		{ip} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
	}}
	chain service-endpoints-check {{
		{ip} daddr . meta l4proto . th dport vmap @no-endpoint-services
	}}
	chain cluster-ips-check {{ {ip} daddr @cluster-ips drop; }}
	chain filter-prerouting-pre-dnat {{
		type filter hook prerouting priority -110; policy accept;
		ct state new jump firewall-check
	}}
	chain filter-input {{
		type filter hook input priority -110; policy accept;
		ct state new jump nodeport-endpoints-check
		ct state new jump service-endpoints-check
	}}
	chain filter-forward {{
		type filter hook forward priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}}
	chain filter-output {{
		type filter hook output priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump firewall-check
	}}
{chains}	chain services {{
		{ip} daddr . meta l4proto . th dport vmap @service-ips
		{ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}}
	chain nat-prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}}
	chain nat-output {{
		type nat hook output priority -100; policy accept;
		jump services
	}}
	chain nat-postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		jump masquerading
	}}
}}
"""


def nftables(family, count, pod_cidr, backend, port):
    """Input for nft -f: one verdict map look-up, whatever the number of services."""
    ip = 'ip6' if family == 6 else 'ip'
    to = _endpoint(family, backend, port)
    chains, elements, addresses = [], [], []
    for n in range(count):
        i, address = _hash(name(n)), vip(family, n)
        # An anonymous map per service, as kube-proxy has, takes the kernel a quadratic time to
        # load; only the service that packets go to needs one.
        pick = f'numgen random mod 1 vmap {{ 0 : goto endpoint-{i} }}' if n == count - 1 \
            else f'goto endpoint-{i}'
        chains.append(
            f'\tchain endpoint-{i} {{ {ip} saddr {backend} jump mark-for-masquerade; '
            f'meta l4proto tcp dnat to {to}; }}\n'
            f'\tchain service-{i} {{ {ip} daddr {address} tcp dport {SERVICE_PORT} '
            f'{ip} saddr != {pod_cidr} jump mark-for-masquerade; '
            f'{pick}; }}\n')
        elements.append(f'{address} . tcp . {SERVICE_PORT} : goto service-{i}')
        addresses.append(address)
    return _NFTABLES.format(ip=ip, ip_type='ipv6_addr' if family == 6 else 'ipv4_addr',
                            service_ips=', '.join(elements), cluster_ips=', '.join(addresses),
                            chains=''.join(chains))


def iptables_nodeport(family, _pod_cidr, _node, node_port, backend, port):
    """Input for iptables-restore: one NodePort over UDP, for clients that are hidden."""
    i, n, bits = _hash(name(0)), name(0), 128 if family == 6 else 32
    to = _endpoint(family, backend, port)
    return (f'{_IPTABLES_HEAD}:KUBE-EXT-{i} - [0:0]\n:KUBE-SVC-{i} - [0:0]\n:KUBE-SEP-{i} - [0:0]\n'
            f'{_IPTABLES_ENTRY}'
            f'-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this '
            f'must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n'
            f'-A KUBE-NODEPORTS -p udp -m comment --comment {n} -m udp --dport {node_port} '
            f'-j KUBE-EXT-{i}\n'
            f'-A KUBE-EXT-{i} -m comment --comment "masquerade traffic for {n} external '
            f'destinations" -j KUBE-MARK-MASQ\n'
            f'-A KUBE-EXT-{i} -j KUBE-SVC-{i}\n'
            f'-A KUBE-SVC-{i} -m comment --comment "{n} -> {to}" -j KUBE-SEP-{i}\n'
            f'-A KUBE-SEP-{i} -s {backend}/{bits} -m comment --comment {n} -j KUBE-MARK-MASQ\n'
            f'-A KUBE-SEP-{i} -p udp -m comment --comment {n} -m udp '
            f'-j DNAT --to-destination {to}\nCOMMIT\n')


def nftables_nodeport(family, cidr, node, node_port, backend, port):
    """Input for nft -f: the same, beside a service of the cluster's own."""
    ip_type, to = 'ipv6_addr' if family == 6 else 'ipv4_addr', _endpoint(family, backend, port)
    text = nftables(family, 1, cidr, backend, port)
    for empty, full in (
            (f'set nodeport-ips {{ type {ip_type}; }}',
             f'set nodeport-ips {{ type {ip_type}; elements = {{ {node} }} }}'),
            ('map service-nodeports { type inet_proto . inet_service : verdict; }',
             f'map service-nodeports {{ type inet_proto . inet_service : verdict; '
             f'elements = {{ udp . {node_port} : goto external }} }}'),
            ('\tchain services {',
             f'\tchain external {{ jump mark-for-masquerade; meta l4proto udp dnat to {to}; }}\n'
             f'\tchain services {{')):
        assert empty in text
        text = text.replace(empty, full, 1)
    return text
