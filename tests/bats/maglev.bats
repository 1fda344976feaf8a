#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Consistent hashing: whichever of three nodes a router hands a client's packets to, the connection
# ends at the same pod. lab/p1 to lab/p4 are behind a balancer's addresses; the client is a machine
# outside, and the switch sends the address to one node or another.
load ../lib/bats

VIP4=198.51.100.7
VIP6=2001:db8:64::7

setup_file() {
	begin 3
	namespace_add lab
	local i
	for i in 1 2 3 4; do
		pod_create n$((i % 3 + 1)) lab/p$i app=web
		pod_run lab/p$i 8080 8081
	done
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  type: LoadBalancer
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports:
		    - {name: http, port: 80, targetPort: 8080}
		    - {name: dns, port: 53, targetPort: 8081, protocol: UDP}
	EOF
	api PATCH /api/v1/namespaces/lab/services/web/status \
		"{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"$VIP4\"},{\"ip\":\"$VIP6\"}]}}}" >/dev/null
	ip -n "${LNT_PREFIX}net" route add $VIP4 via 203.0.113.1
	ip -n "${LNT_PREFIX}net" -6 route add $VIP6 via 2001:db8:113::1
	local node
	for node in n1 n2 n3; do
		by_way_of $node
		wait_until 10 answers tcp 4 80
		wait_until 10 answers udp 6 53
	done
}

teardown_file() { end; }

# by_way_of NODE: packets for the balancer's addresses go there from now on.
by_way_of() {
	ip -n "${LNT_PREFIX}sw" route replace $VIP4 via "$(node_ip4 "$1")"
	ip -n "${LNT_PREFIX}sw" -6 route replace $VIP6 via "$(node_ip6 "$1")"
}

# ask PROTO FAMILY PORT FIRST LAST: "source-port pod" a line, from each source port.
ask() {
	local source=$LNT_OUTSIDE4 vip=$VIP4
	[ "$2" = 4 ] || source=$LNT_OUTSIDE6 vip=$VIP6
	in_netns net "$LNT_TOP/tests/tools/ask_from.py" "$1" $source $vip "${@:3}"
}

answers() { ask "$@" 19000 19000; }

# agree PROTO FAMILY PORT FIRST LAST: all nodes give all of the client's ports the same pods.
agree() {
	local node first='' now
	for node in n1 n2 n3; do
		by_way_of $node
		now=$(ask "$@") || fail "$node: $now" || return
		[ -n "$first" ] || first=$now
		[ "$now" = "$first" ] || fail "$node differs:" "$(diff <(echo "$first") <(echo "$now"))" || return
	done
	echo "$first"
}

pods_of() { awk '{ print $2 }' | sort -u | tr '\n' ' '; }

@test "nodes: give a client's connection the same pod, over TCP and UDP, on both families" {
	local out
	for how in 'tcp 4 80' 'tcp 6 80' 'udp 4 53' 'udp 6 53'; do
		# shellcheck disable=SC2086
		out=$(agree $how 20000 20039)
		[ "$(pods_of <<<"$out")" = 'lab/p1 lab/p2 lab/p3 lab/p4 ' ]
	done
}

@test "a pod goes: the nodes go on agreeing, and few of the others' connections move" {
	local before after moved
	before=$(agree tcp 6 80 21000 21099)
	pod_ready lab/p2 False
	wait_until 10 served_without lab/p2 tcp 6 80 22000 22030
	after=$(agree tcp 6 80 21000 21099)
	moved=$(join <(echo "$before") <(echo "$after") | awk '$2 != "lab/p2" && $2 != $3' | wc -l)
	[ "$moved" -le 3 ]
	pod_ready lab/p2 True
	wait_until 10 served_with lab/p2 tcp 6 80 22100 22130
	[ "$(agree tcp 6 80 21000 21099)" = "$before" ]
}

served_without() {
	local out
	out=$(agree "${@:2}") && ! grep -q " $1\$" <<<"$out"
}

served_with() {
	local out
	out=$(agree "${@:2}") && grep -q " $1\$" <<<"$out"
}

@test "affinity: a client has one pod on all nodes, none of which has heard of the others" {
	kc -n lab patch service web --type=merge -p '{"spec":{"sessionAffinity":"ClientIP"}}'
	wait_until 10 one_for_all tcp 4 80
	wait_until 10 one_for_all udp 6 53
	kc -n lab patch service web --type=merge -p '{"spec":{"sessionAffinity":"None"}}'
}

one_for_all() {
	local out
	out=$(agree "$@" 29000 29010) && [ "$(pods_of <<<"$out" | wc -w)" = 1 ] || fail "$out"
}

@test "restart: the nodes agree as before, with an agent that comes back and one that does not" {
	local before
	before=$(agree tcp 4 80 23000 23039)
	agent_stop n1
	agent_kill n2
	agent_start n2
	[ "$(agree tcp 4 80 23000 23039)" = "$before" ]
	agent_start n1
	[ "$(agree tcp 4 80 23000 23039)" = "$before" ]
}

@test "--maglev-table-size: what is no prime is refused" {
	run -2 "$LNT_BUILD/linnetd" --maglev-table-size 16384
	[[ $output == *"'16384' is neither 0 nor a prime up to 131071"* ]]
	run -2 "$LNT_BUILD/linnetd" --maglev-table-size big
}
