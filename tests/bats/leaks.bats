#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is on the machine before and after: namespaces, links, routes, rules, mounts, programs, maps,
# attachments, cgroups, processes, files. Nothing else may start or stop linnet meanwhile.
load ../lib/bats

setup_file() {
	cluster_sweep
	# The first namespace of a machine mounts /run/netns, which stays.
	ip netns add "${LNT_PREFIX}first"
	ip netns del "${LNT_PREFIX}first"
	mkdir -p "$BATS_FILE_TMPDIR"
}

teardown_file() {
	"$LNT_TOP/hack/demo" down
	cluster_down
}

network_state() {
	ip -o link | sed 's/@.*//; s/<.*//'
	ip -o addr | awk '{ print $2, $3, $4 }'
	ip route show table all
	ip -6 route show table all | sed 's/ expires [0-9]*sec//'
	ip rule
	ip -6 rule
	nft list ruleset
	iptables-save 2>/dev/null | grep -v '^[#:]' || true
	sysctl -a 2>/dev/null | grep -E 'net.ipv[46].(ip_forward|conf.*forwarding|conf.lo.*(accept_local|rp_filter|route_localnet))' ||
		true
}

# Kernel objects by kind and name: their ids differ from run to run.
bpf_state() {
	bpftool -j prog | jq -r '.[] | "prog \(.type) \(.name)"' | sort
	bpftool -j map | jq -r '.[] | "map \(.type) \(.name)"' | sort
	bpftool -j link | jq -r '.[] | "link \(.type) \(.attach_type)"' | sort
	find /sys/fs/bpf -mindepth 1 2>/dev/null || true
}

machine_state() {
	ip netns list | sort
	network_state
	bpf_state
	find "$LNT_CGROUP2" -maxdepth 1 -type d | sort
	sort /proc/mounts
	pgrep -fa 'linnet-lab/linnet/|peer serve (shop|ops|guest)/' || true
	ls /run/linnet-lab /run/linnet /etc/cni/net.d /opt/cni/bin 2>/dev/null || true
}

# The kernel frees programs and maps a moment after the last reference is gone.
same_as() { diff "$1" <(machine_state); }

@test "demo: ends as expected and leaves nothing" {
	machine_state >"$BATS_TEST_TMPDIR/before"
	run -0 "$LNT_TOP/hack/demo"
	[[ $output == *'all '*' as expected'* ]]
	wait_until 20 same_as "$BATS_TEST_TMPDIR/before"
}

@test "demo: kept, used and taken down leaves nothing" {
	machine_state >"$BATS_TEST_TMPDIR/before"
	run -0 "$LNT_TOP/hack/demo" --keep
	[[ $output == *'hack/demo down'* ]]
	run -0 "$LNT_TOP/hack/demo" kubectl get nodes
	[[ $output == *n3*Ready* ]]
	run -0 "$LNT_TOP/hack/demo" exec shop/frontend ip -4 addr show eth0
	[[ $output == *10.244.1.* ]]
	run ! same_as "$BATS_TEST_TMPDIR/before"
	"$LNT_TOP/hack/demo" down
	wait_until 20 same_as "$BATS_TEST_TMPDIR/before"
}

@test "demo: killed in the middle leaves nothing after the next one" {
	machine_state >"$BATS_TEST_TMPDIR/before"
	"$LNT_TOP/hack/demo" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	local pid=$!
	wait_until 60 test -s /run/linnet-lab/linnet/nodes/n2/cni-conf/10-linnet.conflist
	kill -KILL $pid
	wait $pid || true
	run ! same_as "$BATS_TEST_TMPDIR/before"
	run -0 "$LNT_TOP/hack/demo"
	wait_until 20 same_as "$BATS_TEST_TMPDIR/before"
}

# The state of a node, seen from inside.
node_state() {
	in_node "$1" bash -c "$(declare -f network_state); network_state"
	find "$(node_dir "$1")" ! -name agent.log | sort
	bpftool cgroup tree "$(node_cgroup "$1")"
	grep -F "$(node_dir "$1")/" /proc/mounts || true
}

on_loopback() { [ "$(in_node "$1" cat /proc/sys/net/ipv4/conf/lo/accept_local)" = 1 ]; }

node_same_as() { diff "$2" <(node_state "$1"); }

@test "cleanup: linnetd --cleanup leaves a node as it was before its first agent" {
	cluster_network 2
	namespace_add lab
	for n in n1 n2; do
		node_state $n >"$LNT_DIR/$n.before"
		agent_start $n
		pod_add $n lab/pod-$n app=web
	done
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  type: NodePort
		  selector: {app: web}
		  ports: [{name: web, port: 80}, {name: sig, port: 80, protocol: SCTP}]
	EOF
	reaches lab/pod-n1 tcp lab/pod-n2 80
	# The loopback device too.
	wait_until 10 on_loopback n1
	run ! node_same_as n1 "$LNT_DIR/n1.before"
	for n in n1 n2; do
		pod_del lab/pod-$n
		agent_stop $n
		agent_cleanup $n
		wait_until 5 node_same_as $n "$LNT_DIR/$n.before"
		agent_cleanup $n
		wait_until 5 node_same_as $n "$LNT_DIR/$n.before"
	done
	cluster_down
}
