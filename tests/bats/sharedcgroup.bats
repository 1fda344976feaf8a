#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Nodes that are containers of one machine and share a cgroup v2, so that each node's socket hooks see
# the sockets of both: lab/one (n1) and lab/two (n2) behind a service that keeps to the node.
load ../lib/bats

node_cgroup() { echo "${LNT_CGROUP2:?no cgroup v2 here}/${LNT_PREFIX}n1"; }

setup_file() {
	begin 2
	namespace_add lab
	pod_create n1 lab/one app=web
	pod_run lab/one 8080
	pod_create n2 lab/two app=web
	pod_run lab/two 8080
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  type: NodePort
		  internalTrafficPolicy: Local
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
	EOF
	VIP4=$(kc -n lab get service web -o "jsonpath={.spec.clusterIPs[0]}")
	VIP6=$(kc -n lab get service web -o "jsonpath={.spec.clusterIPs[1]}")
	export VIP4 VIP6
	for family in 4 6; do
		wait_until 10 probe net tcp "$(addr n1 $family)" 30080
		wait_until 10 probe net tcp "$(addr n2 $family)" 30080
	done
}

teardown_file() { end; }

# own POD FROM ADDRESS PORT: ten times it is that pod, and the socket says it was the service.
own() {
	local out
	for _ in $(seq 10); do
		out=$(probe "$2" tcp "$3" "$4") || fail "$* ($?)" || return
		[[ $out =~ ^$1\ [^\ ]+\ "$3 $4"$ ]] || fail "$*: $out" || return
	done
}

@test "pods and nodes: each gets what its own node has for it" {
	local vip
	for vip in "$VIP4" "$VIP6"; do
		own lab/one lab/one "$vip" 80
		own lab/two lab/two "$vip" 80
		own lab/one n1 "$vip" 80
		own lab/two n2 "$vip" 80
	done
}

@test "sockets: each is translated by its own node, before there is a packet" {
	local pod
	for pod in lab/one lab/two; do
		stream_start "${pod#*/}" $pod "$VIP4" 80
		in_netns "$(pod_netns $pod)" ss -Htn state established dport = :8080 | grep -q .
		stream_end "${pod#*/}"
	done
}

@test "an agent that is gone leaves the other's sockets to the other" {
	agent_stop n1
	agent_cleanup n1
	own lab/two lab/two "$VIP4" 80
	own lab/two n2 "$VIP6" 80
}
