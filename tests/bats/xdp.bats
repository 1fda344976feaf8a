#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services for clients from outside before the stack: lab/one on n1 behind a NodePort of n2, which
# forwards the machine outside there and its answers back. The wires are made what a card's is: the
# switch finishes checksums before it sends to a node, and polls for what a node sends.
load ../lib/bats

setup_file() {
	local n
	export LNT_XDP=native
	cluster_sweep
	cluster_network 2
	for n in n1 n2; do
		wire $n tx off gro on
	done
	agent_start n1
	agent_start n2
	namespace_add lab
	pod_create n1 lab/one app=web
	pod_run lab/one 8080 8081
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports:
		    - {name: http, port: 80, targetPort: 8080, nodePort: 30080}
		    - {name: dns, port: 53, targetPort: 8081, protocol: UDP, nodePort: 30053}
	EOF
	wait_until 10 probe net tcp "$(node_ip4 n2)" 30080
	wait_until 10 probe net tcp "$(node_ip6 n2)" 30080
}

teardown_file() { end; }

# wire NODE FEATURE on|off...: of the switch's side of a node's device.
wire() { in_netns sw ethtool -K "p-$1" "${@:2}" >/dev/null 2>&1; }

# mode NODE: what the kernel says of eth0: native, generic or off.
mode() {
	local out
	out=$(in_node "$1" ip -d -j link show eth0 | jq -r '.[0].xdp.mode // 0')
	case $out in
	0) echo off ;;
	1) echo native ;;
	2) echo generic ;;
	*) echo "$out" ;;
	esac
}

# said NODE TEXT: the last thing that its agent has said of XDP.
said() { grep -a 'XDP' "$(node_dir "$1")/agent.log" | tail -n 1 | grep -aF -- "$2"; }

restart() {
	agent_stop n2
	LNT_XDP=$1 agent_start n2
}

# Some answers have come through n2 in the families' streams; what n2 has forwarded at XDP meanwhile.
forwarded() {
	local before after
	before=$(counter n2 XDP_FORWARDED)
	stream_flows s4
	stream_flows s6
	after=$(counter n2 XDP_FORWARDED)
	echo $((after - before))
}

streams() {
	stream_start s4 net "$(node_ip4 n2)" 30080
	stream_start s6 net "$(node_ip6 n2)" 30080
}

streams_end() {
	stream_end s4
	stream_end s6
}

# A conversation of UDP by one socket: every question is answered.
datagrams() {
	in_netns net python3 - "$1" "$2" <<-'EOF'
		import socket, sys
		family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
		s = socket.socket(family, socket.SOCK_DGRAM)
		s.settimeout(2)
		s.connect((sys.argv[1], int(sys.argv[2])))
		for n in range(20):
		    s.send(b'hello')
		    assert s.recv(2000).startswith(b'lab/one')
	EOF
}

@test "native: when it is asked for, and it says so" {
	for n in n1 n2; do
		[ "$(mode $n)" = native ]
		said $n 'eth0: XDP native'
		[ "$(in_node $n curl -s http://127.0.0.1:9880/metrics |
			python3 "$LNT_LIB/metrics.py" 'linnet_xdp{device="eth0",mode="native"}')" = 1 ]
	done
}

@test "native: TCP is forwarded both ways, on both families" {
	streams
	# Two directions of two streams, ten answers each.
	[ "$(forwarded)" -ge 40 ]
	streams_end
}

@test "native: UDP is forwarded both ways, on both families" {
	local before after
	before=$(counter n2 XDP_FORWARDED)
	datagrams "$(node_ip4 n2)" 30053
	datagrams "$(node_ip6 n2)" 30053
	after=$(counter n2 XDP_FORWARDED)
	# Twenty there and twenty back, twice; the first of each goes by the stack.
	[ $((after - before)) -ge 70 ]
}

@test "native: the node's own backend, pods and nodes are served as ever" {
	[ "$(probe net tcp "$(node_ip4 n1)" 30080 | awk '{ print $1 }')" = lab/one ]
	[ "$(probe net tcp "$(node_ip6 n1)" 30080 | awk '{ print $1 }')" = lab/one ]
	[ "$(probe n2 tcp "$(node_ip4 n2)" 30080 | awk '{ print $1 }')" = lab/one ]
	run -1 probe net tcp "$(node_ip4 n2)" 30099
}

@test "native: what is not plain is left to the stack" {
	local before
	# The sender leaves its checksums to a device that there is none of.
	wire n2 tx on
	streams
	before=$(counter n2 XDP_FORWARDED)
	stream_flows s4
	stream_flows s6
	[ "$(counter n2 XDP_FORWARDED)" = "$before" ]
	wire n2 tx off
	[ "$(forwarded)" -ge 40 ]
	streams_end
}

@test "native: a policy reaches what is forwarded" {
	streams
	[ "$(forwarded)" -ge 40 ]
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: closed, namespace: lab}
		spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
	EOF
	wait_until 5 stream_halts s4
	stream_halts s6
	no_policies
	stream_flows s4
	stream_flows s6
	streams_end
}

@test "restart: the same attachment goes on, and so does what it forwards" {
	local link before
	link=$(echo "$(node_dir n2)"/bpf/linnet/v*/links/eth0-xdp)
	before=$(bpftool -j link show pinned "$link" | jq .id)
	streams
	agent_kill n2
	[ "$(forwarded)" -ge 40 ]
	agent_start n2
	[ "$(forwarded)" -ge 40 ]
	[ "$(bpftool -j link show pinned "$link" | jq .id)" = "$before" ]
	streams_end
}

@test "modes: each is taken at a restart, and connections go on" {
	streams
	restart off
	[ "$(mode n2)" = off ]
	said n2 '--xdp off'
	[ "$(forwarded)" = 0 ]
	restart generic
	[ "$(mode n2)" = generic ]
	said n2 'eth0: XDP generic'
	[ "$(forwarded)" -ge 40 ]
	# New connections too, which from_node has to see as they came.
	datagrams "$(node_ip4 n2)" 30053
	datagrams "$(node_ip6 n2)" 30053
	stream_start new net "$(node_ip6 n2)" 30080
	stream_end new
	# On a veth it is for the worse.
	restart auto
	wait_until 5 said n2 'a veth'
	[ "$(mode n2)" = off ]
	[ "$(forwarded)" = 0 ]
	restart native
	[ "$(mode n2)" = native ]
	[ "$(forwarded)" -ge 40 ]
	streams_end
}

@test "modes: what would be lost is not sent from XDP, and that is said" {
	streams
	agent_stop n2
	wire n2 gro off
	agent_start n2
	said n2 'does not poll'
	[ "$(mode n2)" = off ]
	[ "$(forwarded)" = 0 ]
	wire n2 gro on
	restart native
	[ "$(mode n2)" = native ]
	streams_end
}

@test "removal: leaves no program on the device" {
	agent_stop n2
	agent_cleanup n2
	[ "$(mode n2)" = off ]
	agent_start n2
	[ "$(mode n2)" = native ]
}
