#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services as machines outside the cluster see them: lab/one (n1) and lab/two (n2) behind NodePorts, an
# external address and a balancer's, asked by a machine that has no route to any pod.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add lab
	pod_create n1 lab/one app=web
	pod_run lab/one 8080 8081
	pod_create n2 lab/two app=web
	pod_run lab/two 8080 8081
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
		---
		apiVersion: v1
		kind: Service
		metadata: {name: local, namespace: lab}
		spec:
		  type: NodePort
		  externalTrafficPolicy: Local
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web, only: here}
		  ports:
		    - {name: http, port: 80, targetPort: 8080, nodePort: 30081}
	EOF
	kc -n lab label pod one only=here >/dev/null
	wait_until 10 is_served net tcp "$(node_ip n1 4)" 30080
	wait_until 10 is_served net tcp "$(node_ip n2 6)" 30080
	wait_until 10 is_served net tcp "$(node_ip n1 4)" 30081
}

teardown_file() { end; }

node_ip() { echo "$([ "$2" = 4 ] && echo 172.31.0.1 || echo fd31::1)${1#n}"; }

# is_served FROM PROTO ADDRESS PORT: one of the pods answers.
is_served() {
	local out
	out=$(probe "$@") || fail "$* ($?)" || return
	[[ $out =~ ^lab/(one|two)\  ]] || fail "$*: $out"
}

# client_seen FROM PROTO ADDRESS PORT: the address that the backend saw.
client_seen() { probe "$@" | awk '{ print $2 }'; }

served_by() {
	for _ in $(seq 20); do
		probe "$@"
	done | awk '{ print $1 }' | sort -u | tr '\n' ' '
}

@test "NodePort: every node serves it over TCP, from either pod, on both families" {
	for node in n1 n2; do
		[ "$(served_by net tcp "$(node_ip $node 4)" 30080)" = "lab/one lab/two " ]
		[ "$(served_by net tcp "$(node_ip $node 6)" 30080)" = "lab/one lab/two " ]
	done
}

@test "NodePort: every node serves it over UDP, on both families" {
	for node in n1 n2; do
		is_served net udp "$(node_ip $node 4)" 30053
		is_served net udp "$(node_ip $node 6)" 30053
	done
}

@test "NodePort: pods and nodes reach it too" {
	for from in lab/one lab/two n1 n2; do
		is_served $from tcp "$(node_ip n1 4)" 30080
		is_served $from tcp "$(node_ip n2 6)" 30080
	done
}

@test "NodePort: a port that no service has is the node's own affair" {
	run -1 probe net tcp "$(node_ip n1 4)" 30099
}

@test "externalTrafficPolicy Local: the pod sees the client's own address" {
	[ "$(client_seen net tcp "$(node_ip n1 4)" 30081)" = "$LNT_OUTSIDE4" ]
	[ "$(client_seen net tcp "$(node_ip n1 6)" 30081)" = "$LNT_OUTSIDE6" ]
}

@test "externalTrafficPolicy Local: a node without a pod refuses" {
	run -1 probe net tcp "$(node_ip n2 4)" 30081
	run -1 probe net tcp "$(node_ip n2 6)" 30081
	is_served lab/two tcp "$(node_ip n2 4)" 30081
}

@test "policy: is asked for clients from outside" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: closed, namespace: lab}
		spec: {podSelector: {matchLabels: {only: here}}, policyTypes: [Ingress]}
	EOF
	wait_until 5 not_served net tcp "$(node_ip n1 4)" 30081
	no_policies
	wait_until 5 is_served net tcp "$(node_ip n1 4)" 30081
}

not_served() { ! probe "$@"; }

@test "established connections: go on through other nodes while policy changes" {
	stream_start out net "$(node_ip n2 4)" 30080
	stream_flows out
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: other, namespace: lab}
		spec: {podSelector: {matchLabels: {app: none}}, policyTypes: [Ingress]}
	EOF
	stream_flows out
	no_policies
	stream_flows out
	stream_end out
}
