#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SCTP, with associations over raw sockets (tests/tools/sctp.py), which need no SCTP in the kernel and
# look at every checksum: lab/one (n1) and lab/two (n2) behind one service that has TCP and UDP at the
# same port. Sockets of the kernel's SCTP are in kernels.bats.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add lab
	local pod
	for pod in one two; do
		api POST /api/v1/namespaces/lab/pods "$(pod_object "n$([ $pod = one ] && echo 1 || echo 2)" \
			lab/$pod app=sig | jq '.spec.containers[0].ports =
			[{name: "sig", containerPort: 8080, protocol: "SCTP"}]')" >/dev/null
		pod_run lab/$pod 8081
		sctp_serve lab/$pod
	done
	background "$LNT_DIR/net-sctp.pid" "$LNT_DIR/net-sctp.log" "" net /usr/bin/python3 -u \
		"$LNT_TOP/tests/tools/sctp.py" serve net 8080
	wait_until 10 grep -q ready "$LNT_DIR/net-sctp.log"
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: sig, namespace: lab}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: sig}
		  ports:
		    - {name: sctp, port: 9000, targetPort: sig, nodePort: 30090, protocol: SCTP}
		    - {name: tcp, port: 9000, targetPort: 8081, nodePort: 30091}
		    - {name: udp, port: 9000, targetPort: 8081, nodePort: 30090, protocol: UDP}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: empty, namespace: lab}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: nobody}
		  ports: [{port: 9000, nodePort: 30092, protocol: SCTP}]
		---
		apiVersion: v1
		kind: Service
		metadata: {name: mine, namespace: lab}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  selector: {only: one}
		  ports: [{port: 9000, targetPort: 8080, protocol: SCTP}]
	EOF
	kc -n lab label pod one only=one >/dev/null
	local family
	for family in 4 6; do
		wait_until 10 associates lab/one "$(vip sig $family)" 9000
		wait_until 10 associates lab/one "$(vip mine $family)" 9000
		wait_until 10 associates net "$(addr n2 $family)" 30090
	done
}

teardown_file() { end; }

sctp_serve() {
	local d
	d=$(pod_dir "$1")
	background "$d/sctp.pid" "$d/sctp.log" "$(node_cgroup "$(pod_node "$1")")" "$(pod_netns "$1")" \
		/usr/bin/python3 -u "$LNT_TOP/tests/tools/sctp.py" serve "$1" 8080
	wait_until 10 grep -q ready "$d/sctp.log"
}

vip() {
	kc -n lab get service "$1" -o "jsonpath={.spec.clusterIPs[$([ "$2" = 4 ] && echo 0 || echo 1)]}"
}

# sctp FROM ADDRESS PORT [MS]: as probe.
sctp() { in_place "$1" /usr/bin/python3 "$LNT_TOP/tests/tools/sctp.py" probe "$2" "$3" "${4:-3000}"; }

associates() {
	local out
	out=$(sctp "$1" "$2" "$3") || fail "$* ($?) $out" || return
	[[ $out =~ ^(lab/(one|two)|net)\  ]] || fail "$*: $out"
}

refused() {
	local rc=0
	sctp "$@" || rc=$?
	[ $rc = 1 ] || fail "$*: $rc"
}

silent() {
	local rc=0
	sctp "$@" "${LNT_SILENCE_MS:-400}" || rc=$?
	[ $rc = 2 ] || fail "$*: $rc"
}

served_by() {
	for _ in $(seq 20); do
		sctp "$@"
	done | awk '{ print $1 }' | sort -u | tr '\n' ' '
}

@test "pods: reach each other, on the node and across nodes" {
	for family in 4 6; do
		run -0 sctp lab/one "$(addr lab/two $family)" 8080
		[ "$output" = "lab/two $(addr lab/one $family)" ]
		run -1 sctp lab/one "$(addr lab/two $family)" 8079
	done
}

@test "ClusterIP: either pod answers, and sees the client's own address" {
	for family in 4 6; do
		[ "$(served_by lab/one "$(vip sig $family)" 9000)" = "lab/one lab/two " ]
		run -0 sctp lab/two "$(vip mine $family)" 9000
		[ "$output" = "lab/one $(addr lab/two $family)" ]
	done
}

@test "ClusterIP: TCP and UDP of the same port go their own way" {
	for family in 4 6; do
		run -0 probe lab/one tcp "$(vip sig $family)" 9000
		[[ $output =~ ^lab/ ]]
		run -0 probe lab/one udp "$(vip sig $family)" 9000
		[[ $output =~ ^lab/ ]]
		run -1 probe lab/one tcp "$(vip mine $family)" 9000
	done
}

@test "ClusterIP: a pod reaches itself" {
	for family in 4 6; do
		run -0 sctp lab/one "$(vip mine $family)" 9000
		[[ $output =~ ^lab/one\  ]]
	done
}

@test "NodePort: every node serves it, from either pod" {
	for node in n1 n2; do
		for family in 4 6; do
			[ "$(served_by net "$(addr $node $family)" 30090)" = "lab/one lab/two " ]
			associates lab/one "$(addr $node $family)" 30090
		done
	done
}

@test "nodes: reach NodePorts at their own addresses, with strict reverse path filters too" {
	in_node n1 sysctl -qw net.ipv4.conf.all.rp_filter=1
	for family in 4 6; do
		wait_until 10 associates n1 "$(addr n1 $family)" 30090
		[ "$(served_by n1 "$(addr n1 $family)" 30090)" = "lab/one lab/two " ]
		refused n1 "$(addr n1 $family)" 30092
	done
	[ "$(served_by n1 127.0.0.1 30090)" = "lab/one lab/two " ]
	in_node n1 sysctl -qw net.ipv4.conf.all.rp_filter=0
}

@test "nodes: reach services too, and see the service answer" {
	for family in 4 6; do
		wait_until 10 associates n1 "$(vip sig $family)" 9000
		[ "$(served_by n1 "$(vip sig $family)" 9000)" = "lab/one lab/two " ]
		refused n1 "$(vip empty $family)" 9000
	done
}

@test "no endpoints: refused at once, inside and from outside" {
	for family in 4 6; do
		refused lab/one "$(vip empty $family)" 9000
		refused lab/one "$(vip sig $family)" 9001
		refused net "$(addr n1 $family)" 30092
	done
}

@test "the world: sees the node's address" {
	for family in 4 6; do
		run -0 sctp lab/one "$(addr outside $family)" 8080
		[ "$output" = "net $(addr n1 $family)" ]
		refused lab/one "$(addr outside $family)" 8079
	done
}

@test "policy: by protocol and named port, for pods and from outside" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: sig, namespace: lab}
		spec:
		  podSelector: {matchLabels: {only: one}}
		  policyTypes: [Ingress]
		  ingress: [{ports: [{port: sig, protocol: SCTP}]}]
	EOF
	soon_blocked lab/two tcp lab/one 8081
	for family in 4 6; do
		associates lab/two "$(vip mine $family)" 9000
		associates lab/two "$(addr lab/one $family)" 8080
		silent lab/two "$(addr lab/one $family)" 8079
	done
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: sig, namespace: lab}
		spec:
		  podSelector: {matchLabels: {only: one}}
		  policyTypes: [Ingress]
		  ingress: [{ports: [{port: 8080, protocol: TCP}, {port: 8081, protocol: TCP}]}]
	EOF
	wait_until 5 silent lab/two "$(vip mine 4)" 9000
	for family in 4 6; do
		silent lab/two "$(vip mine $family)" 9000
		silent lab/two "$(addr lab/one $family)" 8080
	done
	run -0 probe lab/two tcp "$(addr lab/one 4)" 8081
	no_policies
	wait_until 5 associates lab/two "$(vip mine 4)" 9000
}

@test "an agent that dies and returns leaves associations as they are" {
	agent_kill n1
	associates lab/one "$(vip sig 4)" 9000
	agent_start n1
	associates lab/one "$(vip sig 6)" 9000
}

@test "checksums: nobody has seen a wrong one" {
	lacks wrong cat "$LNT_DIR/net-sctp.log" "$(pod_dir lab/one)/sctp.log" "$(pod_dir lab/two)/sctp.log"
}
