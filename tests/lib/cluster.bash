# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A cluster on one machine: a switch, nodes and the API-server double, each in a network namespace,
# with a linnetd for every node. Shared by hack/demo and the bats files; pods are in pods.bash.
#
#	  net ---- sw (br0 172.31.0.1, fd31::1; API server) ---- n1, n2, ... (eth0 172.31.0.1N, fd31::1N)
#	  203.0.113.10, 2001:db8:113::10: a machine outside that has no route to any pod
#
# Everything has a name that begins with $LNT_PREFIX, so that clusters do not collide: namespaces,
# the nodes' cgroups, the folder of files, $LNT_DIR. What a killed run has left is found by its
# folder, which names the process it belonged to, and is removed by cluster_sweep.
#
# The root namespace is not touched. All state is in files: any process that has LNT_PREFIX in its
# environment can work on the cluster.

LNT_TOP=$(realpath "${BASH_SOURCE[0]%/*}/../..")
LNT_BUILD=${LNT_BUILD:-$LNT_TOP/build}
LNT_RUN=/run/linnet-lab
export LNT_PEER=$LNT_BUILD/tests/peer
LNT_OUTSIDE4=203.0.113.10
LNT_OUTSIDE6=2001:db8:113::10
: "${LNT_PREFIX:?must begin the name of everything that belongs to this cluster}"
LNT_DIR=$LNT_RUN/${LNT_PREFIX%-}

# --- small things -----------------------------------------------------------------------------

# wait_until SECONDS COMMAND...: until it succeeds. Its last output goes to stderr if it does not.
wait_until() {
	local end=$((SECONDS + $1)) out
	shift
	until out=$("$@" 2>&1); do
		if [ "$SECONDS" -ge "$end" ]; then
			printf 'not within the time: %s\n%s\n' "$*" "$out" >&2
			return 1
		fi
		sleep 0.03
	done
}

# The machine's cgroup v2 hierarchy, wherever it is mounted.
LNT_CGROUP2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)

netns() { echo "/run/netns/$LNT_PREFIX$1"; }
in_netns() {
	local ns=$1
	shift
	nsenter --net="$(netns "$ns")" "$@"
}

# background PIDFILE LOG CGROUP NETNS COMMAND...: a process of the cluster that outlives the caller.
background() {
	local pidfile=$1 log=$2 cgroup=$3 ns=$4
	shift 4
	(
		# Inherited descriptors would keep the caller's pipes open.
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done
		[ -z "$cgroup" ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
		exec setsid nsenter --net="$(netns "$ns")" "$@"
	) </dev/null >>"$log" 2>&1 &
	echo $! >"$pidfile"
	disown $! 2>/dev/null || true
}

is_alive() { [ -s "$1" ] && [ -d "/proc/$(<"$1")" ]; }
is_gone() { ! is_alive "$1"; }

# end_process PIDFILE SIGNAL: and wait until it is gone.
end_process() {
	[ -s "$1" ] || return 0
	kill "-$2" "$(<"$1")" 2>/dev/null || true
	if ! wait_until 10 is_gone "$1" 2>/dev/null; then
		kill -KILL "$(<"$1")" 2>/dev/null || true
		wait_until 5 is_gone "$1"
	fi
	rm -f "$1"
}

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

# --- networks -----------------------------------------------------------------------------------

add_netns() {
	ip netns add "$LNT_PREFIX$1"
	in_netns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
	ip -n "$LNT_PREFIX$1" link set lo up
}

# A namespace of the network's own: no duplicate address detection, which would hold up the first
# packets for a second or two. Pods keep the kernel's defaults, as they do under a runtime.
add_machine() {
	add_netns "$1"
	in_netns "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
}

# plug NAME ADDR4 ADDR6: a namespace with eth0 on the switch, which is its default gateway.
plug() {
	add_machine "$1"
	ip -n "${LNT_PREFIX}sw" link add "p-$1" type veth peer name eth0 netns "$LNT_PREFIX$1"
	ip -n "${LNT_PREFIX}sw" link set "p-$1" master br0 up
	ip -n "$LNT_PREFIX$1" addr add "$2/24" dev eth0
	ip -n "$LNT_PREFIX$1" addr add "$3/64" dev eth0 nodad
	ip -n "$LNT_PREFIX$1" link set eth0 up
	ip -n "$LNT_PREFIX$1" route add default via 172.31.0.1
	ip -n "$LNT_PREFIX$1" -6 route add default via fd31::1
}

add_switch() {
	local sw=${LNT_PREFIX}sw
	add_machine sw
	in_netns sw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n "$sw" link add br0 type bridge mcast_snooping 0
	ip -n "$sw" addr add 172.31.0.1/24 dev br0
	ip -n "$sw" addr add fd31::1/64 dev br0 nodad
	ip -n "$sw" link set br0 up
	add_machine net
	ip -n "$sw" link add outside type veth peer name eth0 netns "${LNT_PREFIX}net"
	ip -n "$sw" addr add 203.0.113.1/24 dev outside
	ip -n "$sw" addr add 2001:db8:113::1/64 dev outside nodad
	ip -n "$sw" link set outside up
	ip -n "${LNT_PREFIX}net" addr add $LNT_OUTSIDE4/24 dev eth0
	ip -n "${LNT_PREFIX}net" addr add $LNT_OUTSIDE6/64 dev eth0 nodad
	ip -n "${LNT_PREFIX}net" link set eth0 up
	ip -n "${LNT_PREFIX}net" route add 172.31.0.0/24 via 203.0.113.1
	ip -n "${LNT_PREFIX}net" -6 route add fd31::/64 via 2001:db8:113::1
}

# --- API server ---------------------------------------------------------------------------------

api_start() {
	mkdir -p "$LNT_DIR/api"
	rm -f "$LNT_DIR/api/ready"
	background "$LNT_DIR/api.pid" "$LNT_DIR/api.log" "" sw /usr/bin/python3 \
		"$LNT_TOP/tests/apiserver/apiserver" --listen 172.31.0.1:6443 --listen '[fd31::1]:6443' \
		--service-cidr 10.96.0.0/16,fd00:96::/112 --dir "$LNT_DIR/api" \
		--rbac "$LNT_TOP/manifests/rbac.yaml"
	wait_until 60 test -e "$LNT_DIR/api/ready" || { tail "$LNT_DIR/api.log" >&2; return 1; }
}

api_stop() { end_process "$LNT_DIR/api.pid" TERM; }

# api METHOD PATH [JSON]: a request as a component makes it; the answer's body on stdout.
api() {
	local method=$1 path=$2 type=application/json
	[ "$method" != PATCH ] || type=application/merge-patch+json
	in_netns sw curl -sS --fail-with-body --noproxy '*' --cacert "$LNT_DIR/api/ca.crt" \
		-H "Authorization: Bearer $(<"$LNT_DIR/api/token")" -H "Content-Type: $type" \
		-X "$method" ${3:+-d "$3"} "https://172.31.0.1:6443$path"
}

kc() {
	in_netns sw env KUBECONFIG="$LNT_DIR/api/kubeconfig" HOME="$LNT_DIR" kubectl "$@"
}

# --- nodes --------------------------------------------------------------------------------------

node_dir() { echo "$LNT_DIR/nodes/$1"; }
node_cgroup() { echo "${LNT_CGROUP2:?no cgroup v2 here}/$LNT_PREFIX$1"; }
node_ip4() { echo "172.31.0.1${1#n}"; }
node_ip6() { echo "fd31::1${1#n}"; }

# in_node NODE COMMAND...: in its network and its cgroup, where its socket hooks are.
in_node() (
	echo "$BASHPID" >"$(node_cgroup "$1")/cgroup.procs"
	exec nsenter --net="$(netns "$1")" "${@:2}"
)

node_object() {
	local i=${1#n}
	cat <<-EOF
		{"apiVersion": "v1", "kind": "Node",
		 "metadata": {"name": "$1", "labels": {"kubernetes.io/hostname": "$1", "kubernetes.io/os": "linux"}},
		 "spec": {"podCIDR": "10.244.$i.0/24", "podCIDRs": ["10.244.$i.0/24", "fd10:244:0:$i::/64"]}}
	EOF
}

node_status() {
	cat <<-EOF
		{"status": {"addresses": [{"type": "InternalIP", "address": "$(node_ip4 "$1")"},
			{"type": "InternalIP", "address": "$(node_ip6 "$1")"}, {"type": "Hostname", "address": "$1"}],
		 "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}]}}
	EOF
}

# node_add NODE: its network, cgroup, folders and object; no agent yet.
node_add() {
	local d
	d=$(node_dir "$1")
	mkdir -p "$d"/{bpf,cni-conf} "$(node_cgroup "$1")"
	cp "$LNT_DIR/api/kubeconfig" "$d/kubeconfig"
	plug "$1" "$(node_ip4 "$1")" "$(node_ip6 "$1")"
	api POST /api/v1/nodes "$(node_object "$1")" >/dev/null
	api PATCH "/api/v1/nodes/$1/status" "$(node_status "$1")" >/dev/null
}

conflist() { echo "$(node_dir "$1")/cni-conf/10-linnet.conflist"; }

# The agent's flags on a node, one a line; LNT_AGENT_FLAGS are more, without blanks in them.
agent_flags() {
	local d
	d=$(node_dir "$1")
	printf '%s\n' --node-name "$1" --kubeconfig "$d/kubeconfig" --bpf-root "$d/bpf" \
		--cgroup-root "$(node_cgroup "$1")" --run-dir "$d/run" --cni-conf-dir "$d/cni-conf" \
		--devices eth0 --log-level "${LNT_LOG_LEVEL:-info}" --xdp "${LNT_XDP:-auto}"
	[ -z "${LNT_AGENT_FLAGS:-}" ] || tr ' ' '\n' <<<"$LNT_AGENT_FLAGS"
}

# agent_spawn NODE: does not wait until it can carry pods.
agent_spawn() {
	local d flags
	d=$(node_dir "$1")
	mapfile -t flags < <(agent_flags "$1")
	background "$d/agent.pid" "$d/agent.log" "$(node_cgroup "$1")" "$1" "$LNT_BUILD/linnetd" "${flags[@]}"
}

# agent_in_cluster NODE OPTION...: as in a pod, with a service account and a kubelet's environment, in
# a mount namespace of its own. The Service's address leads nowhere. Does not wait.
agent_in_cluster() {
	local d flags
	d=$(node_dir "$1")
	mapfile -t flags < <(agent_flags "$1" | grep -vx -e --kubeconfig -e "$d/kubeconfig")
	# shellcheck disable=SC2016 # expands inside
	background "$d/agent.pid" "$d/agent.log" "$(node_cgroup "$1")" "$1" \
		env KUBERNETES_SERVICE_HOST=192.0.2.1 KUBERNETES_SERVICE_PORT=443 SA="$LNT_DIR/api" LAB="$LNT_RUN" \
		unshare -m bash -c 'set -e
			mount -t tmpfs tmpfs /mnt
			mkdir /mnt/lab && mount --rbind "$LAB" /mnt/lab
			mkdir /mnt/sa && cp "$SA/ca.crt" "$SA/token" /mnt/sa/
			mkdir -p /mnt/run/secrets/kubernetes.io/serviceaccount "/mnt$LAB"
			mount --rbind /mnt/lab "/mnt$LAB"
			mount --bind /mnt/sa /mnt/run/secrets/kubernetes.io/serviceaccount
			mount --rbind /mnt/run /run
			echo 172.31.0.1 kubernetes.default.svc >/mnt/hosts
			mount --bind /mnt/hosts /etc/hosts
			exec "$0" "$@"' "$LNT_BUILD/linnetd" "${flags[@]}" "${@:2}"
}

agent_wait() {
	if ! wait_until "${LNT_AGENT_BOUND:-20}" agent_answers "$1"; then
		agent_diagnose "$1" >&2
		return 1
	fi
}

agent_diagnose() {
	if is_alive "$(node_dir "$1")/agent.pid"; then
		echo "the agent of $1 runs; conflist: $(wc -c <"$(conflist "$1")") bytes"
		cat "/proc/$(agent_pid "$1")/stack" 2>/dev/null || true
		echo '{"op":"status"}' | timeout 5 socat -t2 - "UNIX-CONNECT:$(node_dir "$1")/run/cni.sock" || true
	else
		echo "the agent of $1 has died"
		dmesg 2>/dev/null | grep linnetd | tail -5 || true
	fi
	tail -20 "$(node_dir "$1")/agent.log"
}

# Whether the agent can carry pods, asked as the plugin asks it.
agent_answers() {
	local answer
	is_alive "$(node_dir "$1")/agent.pid" && [ -s "$(conflist "$1")" ] || return 1
	answer=$(echo '{"op":"status"}' | socat -t5 - "UNIX-CONNECT:$(node_dir "$1")/run/cni.sock")
	[[ $answer == *'"ok":true'* ]]
}

agent_start() { agent_spawn "$1" && agent_wait "$1"; }
agent_stop() { end_process "$(node_dir "$1")/agent.pid" TERM; }
agent_kill() { end_process "$(node_dir "$1")/agent.pid" KILL; }
agent_pid() { cat "$(node_dir "$1")/agent.pid"; }

# counter NODE NAME: how often the node's programs have counted what enum lnt_counter calls LNT_CNT_NAME.
counter() {
	local key
	key=$(awk -v name="LNT_CNT_$2" '/^enum lnt_counter/ { n = 0; on = 1; next }
		on && $1 ~ "^LNT_CNT_" { sub(/,.*/, "", $1); if ($1 == name) { print n; exit } n++ }' \
		"$LNT_TOP/datapath/abi.h")
	bpftool -j map lookup pinned "$(echo "$(node_dir "$1")"/bpf/linnet/*/maps/counters)" \
		key "$key" 0 0 0 | jq '[.formatted.values[].value] | add'
}

# agent_cleanup NODE: linnet's own removal of all that it keeps on a node.
agent_cleanup() {
	local flags
	mapfile -t flags < <(agent_flags "$1")
	in_node "$1" "$LNT_BUILD/linnetd" --cleanup "${flags[@]}"
}

# kubelet_on NODE ADDR:PORT: something of the node that stays connected to it.
kubelet_on() {
	background "$(node_dir "$1")/kubelet.pid" /dev/null "$(node_cgroup "$1")" "$1" \
		socat -u "TCP:$2" -
	wait_until 5 connected_to "$1" "$2"
}
connected_to() { in_netns "$1" ss -Htn state established | awk -v to="$2" '$4 == to' | grep -q .; }
kubelet_off() { end_process "$(node_dir "$1")/kubelet.pid" TERM; }

# --- the whole ----------------------------------------------------------------------------------

# The process that a cluster belongs to, so that a number used again is not mistaken for it.
process_id() { echo "$1 $(awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null)"; }

# cluster_network N: everything but agents; the nodes are n1 to nN.
cluster_network() {
	local i
	cluster_down
	mkdir -p "$LNT_DIR"/{nodes,pods}
	process_id $$ >"$LNT_DIR/owner"
	add_switch
	api_start
	for i in $(seq "$1"); do
		node_add "n$i"
	done
}

# cluster_up N: nodes that carry pods.
cluster_up() {
	local i
	cluster_network "$1"
	for i in $(seq "$1"); do
		agent_spawn "n$i"
	done
	for i in $(seq "$1"); do
		agent_wait "n$i"
	done
}

# The namespaces of a cluster, by its prefix.
cluster_namespaces() {
	ip netns list | awk -v p="$1" 'index($1, p) == 1 { print $1 }'
}

# Its cgroups, deepest first; in the other hierarchies of a hybrid machine a runtime has made some.
cluster_cgroups() {
	local root
	# Each hierarchy by the first of its mounts.
	awk '/ - cgroup2? / && !seen[$3]++ { print $5 }' /proc/self/mountinfo | while read -r root; do
		find "$root" -mindepth 1 -depth -type d -path "$root/$1*" 2>/dev/null
	done
}

# Processes of a cluster: in its namespaces, in its cgroups, or started by background().
cluster_pids() {
	local ns cg
	for ns in $(cluster_namespaces "$1"); do
		ip netns pids "$ns" 2>/dev/null || true
	done
	for cg in $(cluster_cgroups "$1"); do
		cat "$cg/cgroup.procs" 2>/dev/null || true
	done
}

kill_cluster() {
	local pids
	mapfile -t pids < <(cluster_pids "$1" | sort -un)
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
	[ -z "$(cluster_pids "$1")" ]
}

remove_cgroup() { [ ! -d "$1" ] || rmdir "$1"; }

# remove_cluster PREFIX: whatever there is of it, in whatever state.
remove_cluster() {
	local dir=$LNT_RUN/${1%-} x
	wait_until 20 kill_cluster "$1"
	awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r |
		while read -r x; do
			umount -l "$x"
		done
	for x in $(cluster_namespaces "$1"); do
		ip netns del "$x"
	done
	for x in $(cluster_cgroups "$1"); do
		wait_until 5 remove_cgroup "$x"
	done
	rm -rf "$dir"
	rmdir "$LNT_RUN" 2>/dev/null || true
}

cluster_down() { remove_cluster "$LNT_PREFIX"; }

# cluster_sweep: removes the clusters whose owner is gone.
cluster_sweep() {
	local f owner
	for f in "$LNT_RUN"/*/owner; do
		[ -s "$f" ] || continue
		owner=$(<"$f")
		if [ "$owner" != keep ] && [ "$owner" != "$(process_id "${owner%% *}")" ]; then
			f=${f%/owner}
			remove_cluster "${f##*/}-"
		fi
	done
}
