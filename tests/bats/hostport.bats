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
	local d f
	for f in "$LNT_DIR"/*.keeper.pid; do
		[ ! -e "$f" ] || end_process "$f" KILL
	done
	rm -f "$LNT_DIR"/*.keeper*
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

# The answer is that nobody is there.
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

# mapping HOSTPORT PROTO [HOSTIP]: to port 8080 of the container.
mapping() {
	echo "[{\"hostPort\":$1,\"containerPort\":8080,\"protocol\":\"$2\"${3:+,\"hostIP\":\"$3\"}}]"
}

@test "hostIP: only that address of the node leads to the pod" {
	host_pod lab/t-four 8080 "$(mapping 9001 tcp "$(node_ip4 n1)")"
	host_pod lab/t-six 8080 "$(mapping 9002 udp $EXTRA6)"
	for from in net n1 lab/near lab/far; do
		answers lab/t-four $from tcp "$(node_ip4 n1)" 9001
		refused $from tcp $EXTRA4 9001
		refused $from tcp "$(node_ip6 n1)" 9001
		answers lab/t-six $from udp $EXTRA6 9002
		refused $from udp "$(node_ip6 n1)" 9002
	done
	refused n1 tcp 127.0.0.1 9001
	refused n1 udp ::1 9002
}

@test "hostIP loopback: the node's own sockets, and nobody outside" {
	host_pod lab/t-lo4 8080 "$(mapping 9003 tcp 127.0.0.1)"
	host_pod lab/t-lo6 8080 "$(mapping 9003 tcp ::1)"
	answers lab/t-lo4 n1 tcp 127.0.0.1 9003
	answers lab/t-lo6 n1 tcp ::1 9003
	for from in net n1 lab/near; do
		refused $from tcp "$(node_ip4 n1)" 9003
		refused $from tcp "$(node_ip6 n1)" 9003
	done
	refused lab/near tcp 127.0.0.1 9003
}

@test "one port: other protocols and other hostIPs are other pods'" {
	local from
	host_pod lab/t-tcp 8080 "$(mapping 9004 tcp)"
	host_pod lab/t-udp 8080 "$(mapping 9004 udp)"
	host_pod lab/t-a 8080 "$(mapping 9005 tcp "$(node_ip4 n1)")"
	host_pod lab/t-b 8080 "$(mapping 9005 tcp $EXTRA4)"
	host_pod lab/t-any 8080 "$(mapping 9005 tcp)"
	for from in net n1 lab/near lab/far; do
		answers lab/t-tcp $from tcp "$(node_ip4 n1)" 9004
		answers lab/t-udp $from udp "$(node_ip4 n1)" 9004
		answers lab/t-a $from tcp "$(node_ip4 n1)" 9005
		answers lab/t-b $from tcp $EXTRA4 9005
		answers lab/t-any $from tcp "$(node_ip6 n1)" 9005
	done
	pod_del lab/t-b
	answers lab/t-any net tcp $EXTRA4 9005
}

@test "one port, one hostIP: the second pod is refused and waits for the first to go" {
	host_pod lab/t-first 8080 "$(mapping 9006 tcp)"
	pod_create n1 lab/t-second
	pod_sandbox lab/t-second n1
	PORTMAPS=$(mapping 9006 tcp) run ! pod_cni_add lab/t-second
	[[ $output == *'"code":11,'*'hostPort *:9006/TCP is taken on this node by pod lab/t-first'* ]]
	PORTMAPS=$(mapping 9006 tcp 0.0.0.0) run ! pod_cni_add lab/t-second
	[[ $output == *'"code":11,'* ]]
	answers lab/t-first net tcp "$(node_ip4 n1)" 9006
	pod_del lab/t-first
	PORTMAPS=$(mapping 9006 tcp) pod_cni_add lab/t-second
	pod_serve lab/t-second 8080
	answers lab/t-second net tcp "$(node_ip4 n1)" 9006
}

@test "Service: goes before a hostPort that has its address and port, and is named" {
	local port=30123
	host_pod lab/t-host 8080 "$(mapping $port tcp)"
	answers lab/t-host net tcp "$(node_ip4 n1)" $port
	kc -n lab label pod near app=near
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: near, namespace: lab}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: near}
		  ports: [{port: 80, nodePort: $port}]
	EOF
	wait_until 5 answers lab/near net tcp "$(node_ip4 n1)" $port
	wait_until 5 answers lab/near net tcp "$(node_ip6 n1)" $port
	grep -q "Pod lab/t-host: .*port $port belongs to Service lab/near already" "$(node_dir n1)/agent.log"
	kc -n lab delete service near
	wait_until 5 answers lab/t-host net tcp "$(node_ip4 n1)" $port
	wait_until 5 answers lab/t-host net tcp "$(node_ip6 n1)" $port
}

@test "a process of the node on the same port: the pod is who answers" {
	background "$LNT_DIR/t.pid" "$LNT_DIR/t.log" "$(node_cgroup n1)" n1 "$LNT_PEER" serve n1 9007
	wait_until 5 answers n1 net tcp "$(node_ip4 n1)" 9007
	host_pod lab/t-over 8080 "$(mapping 9007 tcp)"
	for from in net n1 lab/near lab/far; do
		answers lab/t-over $from tcp "$(node_ip4 n1)" 9007
	done
	answers n1 net udp "$(node_ip4 n1)" 9007
	pod_del lab/t-over
	answers n1 net tcp "$(node_ip4 n1)" 9007
	end_process "$LNT_DIR/t.pid" TERM
}

# keep NAME FROM tcp|udp ADDR PORT: one socket, asking all the time. FROM: a pod, a node or "net".
keep() {
	local f=$LNT_DIR/$1.keeper ns=$2 cgroup=''
	case $2 in
	*/*) ns=$(pod_netns "$2") cgroup=$(node_cgroup "$(pod_node "$2")") ;;
	n[0-9]) cgroup=$(node_cgroup "$2") ;;
	esac
	background "$f.pid" "$f.log" "$cgroup" "$ns" \
		/usr/bin/python3 "$LNT_TOP/tests/tools/keeper.py" "$3" "$4" "$5" "$f"
	wait_until 10 keeper_has "$1" 1
}

keeper_has() { [ "$(awk '{ print $2 }' "$LNT_DIR/$1.keeper")" -ge "$2" ]; }
keeper_hears() { [[ $(<"$LNT_DIR/$1.keeper") == "$2 "* ]]; }
keeper_sockets() { awk '{ print $3 }' "$LNT_DIR/$1.keeper"; }

@test "deletion: is at once, and what was connected goes to the next pod" {
	local from proto
	host_pod lab/t-old 8080 '[{"hostPort":9008,"containerPort":8080,"protocol":"tcp"},
		{"hostPort":9008,"containerPort":8080,"protocol":"udp"}]'
	for from in net n1 lab/near lab/far; do
		for proto in tcp udp; do
			keep "${from//\//-}-$proto-4" $from $proto "$(node_ip4 n1)" 9008
			keep "${from//\//-}-$proto-6" $from $proto "$(node_ip6 n1)" 9008
		done
	done
	pod_del lab/t-old
	# The node's stack limits how many unreachables it sends to one host, and those that hold on hear
	# some of them.
	for from in net n1 lab/near lab/far; do
		refused $from tcp "$(node_ip4 n1)" 9008
		wait_until 10 refused $from udp "$(node_ip6 n1)" 9008
	done
	host_pod lab/t-new 8080 '[{"hostPort":9008,"containerPort":8080,"protocol":"tcp"},
		{"hostPort":9008,"containerPort":8080,"protocol":"udp"}]'
	for from in net n1 lab-near lab-far; do
		for proto in tcp-4 tcp-6 udp-4 udp-6; do
			wait_until 5 keeper_hears $from-$proto lab/t-new
		done
	done
}

# silent_socket FILE ADDR PORT: sends a datagram from one socket again and again, whatever comes back.
silent_socket() {
	python3 - "$@" <<-'EOF'
		import os, socket, sys, time
		family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
		s = socket.socket(family, socket.SOCK_DGRAM)
		s.bind(("", 5353))
		s.settimeout(0.05)
		while True:
		    try:
		        s.sendto(b"?\n", (sys.argv[2], int(sys.argv[3])))
		        name = s.recvfrom(4096)[0].split()[0].decode()
		    except OSError:
		        name = "-"
		    with open(sys.argv[1] + ".new", "w") as f:
		        print(name, file=f)
		    os.rename(sys.argv[1] + ".new", sys.argv[1])
	EOF
}

@test "deletion: a UDP client that never stops is not stuck to the pod that is gone" {
	local addr f=$LNT_DIR/u.keeper
	for addr in "$(node_ip4 n1)" "$(node_ip6 n1)"; do
		host_pod lab/t-old 8080 "$(mapping 9009 udp)"
		background "$f.pid" "$f.log" '' net bash -c "$(declare -f silent_socket); silent_socket $f $addr 9009"
		wait_until 10 grep -qsx lab/t-old "$f"
		pod_del lab/t-old
		wait_until 5 grep -qx -- - "$f"
		host_pod lab/t-new 8080 "$(mapping 9009 udp)"
		wait_until 5 grep -qx lab/t-new "$f"
		end_process "$f.pid" KILL
		rm -f "$f"
		pod_del lab/t-new
	done
}

@test "deletion: an outside client's connection is reset, not left hanging" {
	host_pod lab/t-old 8080 "$(mapping 9010 tcp)"
	keep c net tcp "$(node_ip4 n1)" 9010
	pod_del lab/t-old
	wait_until 5 grep -q 'ECONN' "$LNT_DIR/c.keeper"
}

@test "policy: the pod's own rules say which clients, as for any other traffic" {
	host_pod lab/t-shut 8080 "$(mapping 9011 tcp)"
	answers lab/t-shut net tcp "$(node_ip4 n1)" 9011
	kc -n lab label pod t-shut shut=yes
	kc -n lab label pod far side=far
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: far-only, namespace: lab}
		spec:
		  podSelector: {matchLabels: {shut: "yes"}}
		  ingress: [{from: [{podSelector: {matchLabels: {side: far}}}], ports: [{port: 8080}]}]
	EOF
	wait_until 5 unheard net
	unheard lab/near
	answers lab/t-shut lab/far tcp "$(node_ip4 n1)" 9011
	answers lab/t-shut lab/far tcp "$(node_ip6 n1)" 9011
	all_answer lab/web net 9000 "$(node_ip4 n1)"
	kc -n lab label pod far side-
}

unheard() {
	local rc=0
	probe "$1" tcp "$(node_ip4 n1)" 9011 400 || rc=$?
	[ $rc = 2 ]
}

@test "restart: hostPorts go on without an agent and with the next one" {
	stream_start kept net "$(node_ip4 n1)" 9000
	host_pod lab/t-gone 8080 "$(mapping 9012 tcp)"
	agent_kill n1
	all_answer lab/web net 9000 "$(node_ip4 n1)" "$(node_ip6 n1)"
	all_answer lab/web n1 9000 127.0.0.1
	pod_del lab/t-gone
	agent_start n1
	all_answer lab/web net 9000 "$(node_ip4 n1)" "$(node_ip6 n1)"
	all_answer lab/web n1 9000 127.0.0.1
	refused net tcp "$(node_ip4 n1)" 9012
	stream_flows kept
	stream_end kept
}

@test "hostIP that the node has not: is said, and served once it has it" {
	host_pod lab/t-later 8080 "$(mapping 9013 tcp 172.31.0.78)"
	grep -q 'Pod lab/t-later: hostPort 172.31.0.78:9013/TCP is not served' "$(node_dir n1)/agent.log"
	none lab/near tcp 172.31.0.78 9013
	in_node n1 ip addr add 172.31.0.78/32 dev eth0
	wait_until 5 answers lab/t-later net tcp 172.31.0.78 9013
	answers lab/t-later n1 tcp 172.31.0.78 9013
	in_node n1 ip addr del 172.31.0.78/32 dev eth0
	wait_until 5 none lab/near tcp 172.31.0.78 9013
}

# check_pod POD: CHECK, as a runtime does it.
check_pod() {
	local d conf
	d=$(pod_dir "$1") conf=$LNT_DIR/check.conflist
	jq --slurpfile r "$d/result.json" '.plugins[0].prevResult = $r[0]' "$(conflist n1)" >"$conf"
	CONFLIST=$conf cni n1 CHECK "$(<"$d/id")" "$(netns "$(pod_netns "$1")")" "$(pod_cni_args "$1")"
}

# The map's key of n1's IPv4 address with a TCP port, as bpftool wants it.
frontend_key() {
	printf '%d ' 0 0 0 0 0 0 0 0 0 0 255 255 172 31 0 11 $(($1 >> 8)) $(($1 & 255)) 6 0
}

frontend() {
	# shellcheck disable=SC2046 # words
	in_node n1 bpftool map "$1" pinned "$(echo "$(node_dir n1)"/bpf/linnet/v*/maps/services)" \
		key $(frontend_key "$2")
}

@test "CHECK: misses a hostPort that is not in the map" {
	host_pod lab/t-check 8080 "$(mapping 9014 tcp)"
	check_pod lab/t-check
	frontend delete 9014
	run ! check_pod lab/t-check
	[[ $output == *'"code":101,'*hostPorts* ]]
	agent_stop n1
	agent_start n1
	check_pod lab/t-check
}

@test "GC: the hostPort of a pod that the runtime has forgotten is free again" {
	local conf=$LNT_DIR/gc.conflist
	host_pod lab/t-lost 8080 "$(mapping 9015 tcp)"
	jq --slurpfile ids <(cat "$LNT_DIR"/pods/lab.{web,near}/id | tr -d '\n' | jq -Rc '[match(".{64}"; "g").string]') \
		'.cniVersion = "1.1.0" | .plugins[0]["cni.dev/valid-attachments"] = [$ids[0][] | {containerID: ., ifname: "eth0"}]' \
		"$(conflist n1)" >"$conf"
	CONFLIST=$conf cni n1 GC '' ''
	refused net tcp "$(node_ip4 n1)" 9015
	host_pod lab/t-next 8080 "$(mapping 9015 tcp)"
	answers lab/t-next net tcp "$(node_ip4 n1)" 9015
	all_answer lab/web net 9000 "$(node_ip4 n1)"
}

# sctp FROM ADDR PORT: who answers, and whom it has seen ask.
sctp() { in_place "$1" /usr/bin/python3 "$LNT_TOP/tests/tools/sctp.py" probe "$2" "$3" 3000; }

# Raw sockets, which look at every checksum; those of the kernel's SCTP are in kernels.bats.
@test "SCTP: whoever asks reaches the pod, and keeps its address" {
	local d from family
	host_pod lab/t-sctp 8080 "$(mapping 9016 sctp)"
	check_pod lab/t-sctp
	d=$(pod_dir lab/t-sctp)
	background "$d/sctp.pid" "$d/sctp.log" "$(node_cgroup n1)" "$(pod_netns lab/t-sctp)" \
		/usr/bin/python3 -u "$LNT_TOP/tests/tools/sctp.py" serve lab/t-sctp 8080
	wait_until 10 grep -q ready "$d/sctp.log"
	for from in net n2 lab/near lab/far; do
		for family in 4 6; do
			run -0 sctp $from "$(addr n1 $family)" 9016
			[ "$output" = "lab/t-sctp $(addr "${from/net/outside}" $family)" ] || fail "$from: $output"
		done
	done
	run -0 sctp lab/t-sctp "$(node_ip4 n1)" 9016
	run -0 sctp net $EXTRA4 9016
	run ! sctp net "$(node_ip4 n1)" 9017
	run ! sctp net "$(node_ip4 n2)" 9016
	lacks wrong cat "$d/sctp.log"
}
