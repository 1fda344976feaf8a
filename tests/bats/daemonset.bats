#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# manifests/install.yaml on three nodes with a containerd each: what its DaemonSet does to a node, from
# nothing to a node that carries pods, while it is replaced, and when it is uninstalled. The tests are
# steps of one life, in this order. n1 has cgroup v2 alone and no bpffs, as a node of kind; n2 has v1 and
# v2, and a bpffs; n3 has v1 alone and no bpffs.
load ../lib/bats
load ../lib/containerd_node

NODES='n1 n2 n3'

setup_file() {
	ARCHIVE=$LNT_DIR/linnet.tar
	IMAGE=docker.io/library/linnet:dev
	export ARCHIVE IMAGE
	cluster_sweep
	cluster_network 3
	node_boot n1 unified
	node_boot n2 hybrid bpffs
	node_boot n3 legacy
	"$LNT_TOP/hack/image" --output "$ARCHIVE" --tag linnet:dev
	each image_load
	each others_add
	each node_waits
	each remember_traces
	echo '{"cniVersion": "1.1.0", "name": "linnet", "plugins": [{"type": "linnet", "runDir": "/run/linnet",
		"bpfRoot": "/sys/fs/bpf", "ipam": {"type": "linnet", "ranges": ["10.244.1.0/24"]}}]}' \
		>"$LNT_DIR/status.conflist"
	namespace_add lab
}

remember_traces() { traces "$1" >"$(node_dir "$1")/before"; }

teardown_file() {
	local n
	for n in $NODES; do
		node_shutdown $n || true
	done
	end
}

# each COMMAND [ARGUMENT...]: for every node, whose name is its first argument. Not to be called in a
# condition, where bash would ignore set -e.
each() {
	local n
	for n in $NODES; do
		"$1" "$n" "${@:2}"
	done
}

# --- what is on a node ----------------------------------------------------------------------------

image_load() { node_ctr "$1" images import --snapshotter native - <"$ARCHIVE"; }

# Plugins and a configuration of others.
others_add() {
	local root
	root=$(node_root "$1")
	cp /usr/lib/cni/{loopback,portmap} "$root/opt/cni/bin/"
	echo '{"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "ptp"}]}' \
		>"$root/etc/cni/net.d/87-other.conflist"
}

cni_files() { (cd "$(node_root "$1")" && find opt/cni etc/cni ! -type d -exec sha256sum {} + | sort -k2); }

# node_waits NODE: as one that has come to a cluster without a network, and has registered to wait for it.
node_waits() {
	api PATCH "/api/v1/nodes/$1" \
		'{"spec": {"taints": [{"key": "node.linnet.io/agent-not-ready", "effect": "NoExecute"}]}}' >/dev/null
}

# The node's conditions are those of node_status; a kubelet with a cloud's provider adds the other.
node_is_open() {
	api GET "/api/v1/nodes/$1" | jq -e '(.spec.taints // [] | length) == 0 and
		(.status.conditions | any(.type == "NetworkUnavailable" and .status == "False"))'
}

# mounts NODE TYPE: where they are. What is mounted elsewhere on the machine the nodes see, too.
mounts() { in_node "$1" awk -v type="$2" '$3 == type && $2 ~ "^/(sys|run/linnet)/" { print $2 }' /proc/mounts; }

# hooks CGROUP: how many of linnet's programs.
hooks() { bpftool -j cgroup show "$1" | jq '[.[]? | select(.name | test("^(connect|bind)[46]$"))] | length'; }

# traces NODE: all that linnet might leave. containerd makes its folder with its first container.
traces() {
	cni_files "$1"
	# shellcheck disable=SC2016 # expands inside
	in_node "$1" bash -c '
		ip -o link | sed "s/^[0-9]*: //; s/ mtu .*//"
		{ ip route show table all; ip -6 route show table all; } | grep -v "^fe80::\|ff00::"
		for d in /sys/class/net/*; do
			tc qdisc show dev "${d##*/}"
			tc filter show dev "${d##*/}" ingress
			tc filter show dev "${d##*/}" egress
		done
		bpftool net
		sysctl -a --pattern "net.ipv[46].conf.*(forwarding|accept_ra)$"
		ls -A /run | grep -vx containerd
		ls -d /sys/fs/bpf/linnet 2>/dev/null
		awk "\$2 ~ \"^/(sys|opt|etc|run/linnet)/\" { print \$2, \$3 }" /proc/mounts'
	echo "hooks: $(hooks "$(node_cgroup "$1")")"
}

# bpf_root NODE: the node's own, or linnet's.
bpf_root() { if [ "$1" = n2 ]; then echo /sys/fs/bpf; else echo /run/linnet/bpf; fi; }

# pinned_ids NODE: lines of "prog ID", "map ID" and "link ID" of what linnet has pinned.
pinned_ids() {
	local kind
	for kind in prog map link; do
		in_node "$1" bpftool -f -j $kind show |
			jq -r --arg kind $kind --arg root "$(bpf_root "$1")/linnet/" '.[] |
				select(.pinned // [] | any(startswith($root))) | "\($kind) \(.id)"'
	done
}

# none_is_loaded FILE: of such lines.
none_is_loaded() {
	local kind out ids
	for kind in prog map link; do
		out=$(bpftool -j $kind show) || return
		ids=$(jq -r --arg kind $kind '.[] | "\($kind) \(.id)"' <<<"$out") || return
		! grep -xF -f "$1" <<<"$ids" || return
	done
}

# --- pods -----------------------------------------------------------------------------------------

says() { grep -q -- "$3" "$(pod_folder "$1" "$2")/linnetd/log"; }

# status NODE: what the installed plugin says, without a configuration of linnet's.
status() { CONFLIST=$LNT_DIR/status.conflist cni "$1" STATUS '' ''; }

# kubelet_add POD CONFLIST: as often as a kubelet tries, once there is a configuration; failures are noted.
kubelet_add() {
	local end=$((SECONDS + 120))
	wait_until 120 test -s "$2" || return
	until pod_cni_add "$1"; do
		echo "ADD failed" >>"$(pod_dir "$1")/failed"
		[ $SECONDS -lt $end ] || return
		read -r -t 0.3 <> <(:) || true
	done
}

# pod_late NODE POD: comes before its node can carry it; a process waits for that.
pod_late() {
	pod_create "$1" "$2" app=late
	pod_sandbox "$2" "$1"
	kubelet_add "$2" "$(conflist "$1")" >"$(pod_dir "$2")/log" 2>&1 3>&- &
	echo $! >"$(pod_dir "$2")/adder"
}

# pod_late_end POD: it has got its network, and serves.
pod_late_end() {
	wait "$(<"$(pod_dir "$1")/adder")" || { cat "$(pod_dir "$1")/log" >&2; return 1; }
	pod_serve "$1" 80
	pod_ready "$1" True
}

# requests_start NAME FROM ADDR PORT: one connection after the other.
requests_start() {
	: >"$LNT_DIR/$1.requests"
	# shellcheck disable=SC2016 # expands inside
	background "$LNT_DIR/$1.pid" "$LNT_DIR/$1.requests" "$(node_cgroup "$(pod_node "$2")")" \
		"$(pod_netns "$2")" bash -c 'exec 9<> <(:); until read -r -t 0.02 -u 9; do
			"$0" probe tcp "$1" "$2" 2000 >/dev/null && echo answered || echo "failed: $?"; done' \
		"$LNT_PEER" "$3" "$4"
	wait_until 5 answered "$1" 10
}

answered() { [ "$(grep -c answered "$LNT_DIR/$1.requests")" -ge "$2" ]; }

requests_end() {
	wait_until 5 answered "$1" $(($(grep -c answered "$LNT_DIR/$1.requests") + 10))
	end_process "$LNT_DIR/$1.pid" TERM
	lacks failed cat "$LNT_DIR/$1.requests"
}

# --- the life of the nodes ------------------------------------------------------------------------

@test "install.yaml: kubectl applies it as it is" {
	run -0 kc apply -f "$LNT_TOP/manifests/install.yaml"
	[[ $output == *daemonset.apps/linnet* ]]
}

@test "bootstrap: an agent that finds no API server says so, and its node is not ready" {
	daemonset_prepare n1 linnet a
	daemonset_start n1 a
	wait_until 30 says n1 a '10\.96\.0\.1'
	in_node n1 curl -sf -m 5 http://127.0.0.1:9880/healthz
	run ! pod_is_ready n1 a
	run -1 status n1
	[[ $output == *'"code":'*50* ]]
	[ ! -e "$(conflist n1)" ]
	run ! node_is_open n1
	daemonset_stop n1 a
}

@test "bootstrap: nodes that a kubelet has connected to it get ready, and the configuration is written last" {
	each kubelet_on 172.31.0.1:6443
	each late_start
	each daemonset_prepare linnet b
	each daemonset_start b
	each pod_wait b
	each status
	each late_end
	each wait_open
}

late_start() { pod_late "$1" "lab/$1-early"; }

wait_open() { wait_until 10 node_is_open "$1"; }

# The first ADD that was possible has succeeded.
late_end() {
	pod_late_end "lab/$1-early"
	[ ! -e "$(pod_dir "lab/$1-early")/failed" ]
}

@test "install: the plugin is there and works, and the files of others are as they were" {
	each others_are_there
	each plugin_works
}

others_are_there() {
	diff <(grep -E ' (opt|etc)/cni' "$(node_dir "$1")/before") \
		<(cni_files "$1" | grep -vE ' opt/cni/bin/linnet$| etc/cni/net.d/10-linnet.conflist$')
}

plugin_works() {
	[ "$(cni_files "$1" | wc -l)" = $(($(grep -cE ' (opt|etc)/cni' "$(node_dir "$1")/before") + 2)) ]
	cni "$1" VERSION '' '' | jq -e '.supportedVersions | index("1.1.0")'
}

@test "mounts: a bpffs and a cgroup v2 where there was none, and nothing where there was one" {
	local n
	for n in $NODES; do
		[ "$(mounts $n bpf)" = "$(bpf_root $n)" ]
	done
	[ "$(mounts n1 cgroup2)" = /sys/fs/cgroup ]
	[ "$(mounts n2 cgroup2)" = /sys/fs/cgroup/unified ]
	[ "$(mounts n3 cgroup2)" = /run/linnet/cgroup ]
}

@test "cgroups: sockets are hooked at the root of the node's cgroups, and nowhere else" {
	each hooked_at_root
}

hooked_at_root() {
	local links
	# bpftool says 255 of links that it has shown.
	links=$(in_node "$1" bash -c 'for l in "$0"/linnet/v*/links/cgroup-*; do
		bpftool -j link show pinned "$l" || true; done' "$(bpf_root "$1")")
	[ "$(jq -s length <<<"$links")" = 10 ] || fail "$links"
	[ "$(jq -s 'map(.cgroup_id) | unique[]' <<<"$links")" = "$(stat -c %i "$(node_cgroup "$1")")" ]
}

@test "agent: has what the manifest says that it needs, and no more" {
	local pid caps
	pid=$(<"$(pod_folder n1 b)/linnetd/pid")
	mapfile -t caps < <(kc -n kube-system get daemonset linnet -o json |
		jq -r '.spec.template.spec.containers[0].securityContext.capabilities.add[]')
	[ ${#caps[@]} -gt 0 ]
	[ "$(awk '/^CapBnd/ { print $2 }' "/proc/$pid/status")" = "$(capability_mask "${caps[@]}")" ]
	grep -q 'Seccomp:.*2' "/proc/$pid/status"
}

capability_mask() {
	local name n mask=0
	for name in "$@"; do
		n=$(awk -v name="CAP_$name" '$1 == "#define" && $2 == name { print $3 }' /usr/include/linux/capability.h)
		mask=$((mask | 1 << n))
	done
	printf '%016x' $mask
}

@test "traffic: pods of all nodes reach each other and a Service, and policy holds" {
	local from
	pod_add n1 lab/client app=client
	pod_add n2 lab/server app=server
	pod_add n2 lab/shut app=shut
	pod_add n3 lab/third app=third
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: server, namespace: lab}
		spec: {ipFamilyPolicy: RequireDualStack, selector: {app: server}, ports: [{port: 80}]}
		---
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: shut, namespace: lab}
		spec: {podSelector: {matchLabels: {app: shut}}, policyTypes: [Ingress]}
	EOF
	wait_until 10 all_work
	for from in lab/n1-early lab/n2-early lab/n3-early; do
		reaches $from tcp lab/client 80
		reaches $from tcp lab/third 80
		reaches lab/client tcp $from 80
	done
}

all_work() {
	local from vip
	vip=$(kc -n lab get service server -o 'jsonpath={.spec.clusterIPs[*]}')
	for from in lab/client lab/server lab/third n1 n2 n3; do
		probe $from tcp "${vip% *}" 80 && probe $from tcp "${vip#* }" 80 || return
	done
	reaches lab/client tcp lab/server 80 && reaches lab/third tcp lab/server 80 &&
		blocked lab/client tcp lab/shut 80 && blocked lab/third tcp lab/shut 80
}

@test "replacement: no connection breaks, no request fails, and a pod that comes meanwhile waits" {
	local n s vip
	vip=$(kc -n lab get service server -o 'jsonpath={.spec.clusterIP}')
	stream_start cross lab/client "$(pod_ip lab/server 4)" 80
	stream_start cross6 lab/client "$(pod_ip lab/third 6)" 80
	stream_start near lab/client "$(pod_ip lab/n1-early 4)" 80
	stream_start vip lab/third "$vip" 80
	requests_start pods lab/server "$(pod_ip lab/third 4)" 80
	requests_start service lab/client "$vip" 80
	for n in $NODES; do
		daemonset_stop $n b
		pod_late $n lab/$n-late
		wait_until 10 grep -q failed "$(pod_dir lab/$n-late)/failed"
		probe $n tcp "$vip" 80
		blocked lab/client tcp lab/shut 80
		daemonset_prepare $n linnet c
		daemonset_start $n c
		pod_wait $n c
		pod_late_end lab/$n-late
	done
	requests_end service
	requests_end pods
	for s in cross cross6 near vip; do
		stream_flows $s
		stream_end $s
	done
	all_work
	reaches lab/n1-late tcp lab/n2-late 80
	reaches lab/n2-late tcp lab/n3-late 80
}

@test "uninstall: as documented, leaves nothing" {
	local p
	each remember_ids
	for p in "$LNT_DIR"/pods/*/; do
		p=$(basename "$p")
		pod_del "${p/./\/}"
	done
	kc delete -f "$LNT_TOP/manifests/install.yaml"
	each daemonset_stop c
	kc apply -f "$LNT_TOP/manifests/uninstall.yaml"
	each daemonset_prepare linnet-uninstall u
	each daemonset_start u
	kc delete -f "$LNT_TOP/manifests/uninstall.yaml"
	each daemonset_stop u
	each is_clean
}

remember_ids() {
	local kind
	pinned_ids "$1" >"$(node_dir "$1")/ids"
	for kind in prog map link; do
		grep -q ^$kind "$(node_dir "$1")/ids"
	done
}

is_clean() {
	diff "$(node_dir "$1")/before" <(traces "$1")
	wait_until 10 none_is_loaded "$(node_dir "$1")/ids"
}
