#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hostPorts: ports of node n1 that lead to lab/web, which serves 8080 and is asked by a machine
# outside, by both nodes, by lab/near (n1), lab/far (n2) and by itself.
load ../lib/bats

# More addresses of n1, which nobody in Kubernetes knows.
EXTRA4=172.31.0.77
EXTRA6=fd31::77

setup_file() {
	begin 2
	in_node n1 ip addr add $EXTRA4/32 dev eth0
	in_node n1 ip addr add $EXTRA6/128 dev eth0 nodad
	namespace_add lab
	pod_add n1 lab/near
	pod_add n2 lab/far
	host_pod lab/web 8080 '[{"hostPort":9000,"containerPort":8080,"protocol":"tcp"},
		{"hostPort":9000,"containerPort":8080,"protocol":"udp"}]'
}

teardown_file() { end; }

teardown() {
	local d
	for d in "$LNT_DIR"/pods/lab.t-*; do
		[ ! -d "$d" ] || pod_del "lab/${d##*/lab.}"
	done
	no_policies
}

# host_pod POD PORT MAPPINGS: on n1, serving PORT.
host_pod() {
	pod_create n1 "$1"
	PORTMAPS=$3 pod_run "$1" "$2"
}

# answers WHO FROM PROTO ADDR PORT: WHO is a pod.
answers() {
	local out
	out=$(probe "${@:2}") || fail "${*:2}: no answer ($?)" || return
	[ "${out%% *}" = "$1" ] || fail "${*:2}: $out, not $1"
}

# all_answer WHO FROM PORT ADDR...: over TCP and UDP, both at once.
all_answer() {
	local addr proto
	for addr in "${@:4}"; do
		for proto in tcp udp; do
			answers "$1" "$2" $proto "$addr" "$3" || return
		done
	done
}

# none FROM PROTO ADDR PORT: no answer of anybody.
none() { ! probe "$@" 300; }

# gone FROM PROTO ADDR PORT: refused.
refused() {
	local rc=0
	probe "$@" || rc=$?
	[ $rc = 1 ] || fail "$*: $rc"
}

@test "outside: a client reaches the pod at each address of the node, and keeps its own" {
	local out
	all_answer lab/web net 9000 "$(node_ip4 n1)" "$(node_ip6 n1)" $EXTRA4 $EXTRA6
	out=$(probe net tcp "$(node_ip4 n1)" 9000)
	[ "$out" = "lab/web $LNT_OUTSIDE4 $(node_ip4 n1) 9000" ] || fail "$out"
	out=$(probe net udp "$(node_ip6 n1)" 9000)
	[ "$out" = "lab/web $LNT_OUTSIDE6 $(node_ip6 n1) 9000" ] || fail "$out"
}

@test "other ports and nodes: are not served" {
	refused net tcp "$(node_ip4 n1)" 8080
	refused net tcp "$(node_ip4 n2)" 9000
	refused n2 udp "$(node_ip6 n2)" 9000
}

@test "the node itself: by its addresses and by loopback" {
	all_answer lab/web n1 9000 "$(node_ip4 n1)" "$(node_ip6 n1)" $EXTRA4 $EXTRA6 127.0.0.1 ::1
}

@test "loopback: is the node's alone, a pod's own is its own" {
	refused lab/near tcp 127.0.0.1 9000
	refused lab/near udp ::1 9000
	refused n2 tcp 127.0.0.1 9000
}

@test "pods and the other node: by the node's addresses" {
	local from
	for from in lab/near lab/far n2; do
		all_answer lab/web $from 9000 "$(node_ip4 n1)" "$(node_ip6 n1)"
	done
	[[ $(probe lab/far tcp "$(node_ip4 n1)" 9000) == "lab/web $(pod_ip lab/far 4) "* ]]
	[[ $(probe lab/near udp "$(node_ip6 n1)" 9000) == "lab/web $(pod_ip lab/near 6) "* ]]
}

@test "hairpin: the pod reaches itself by the node's address" {
	all_answer lab/web lab/web 9000 "$(node_ip4 n1)" "$(node_ip6 n1)"
}
