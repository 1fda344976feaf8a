# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Pods of a cluster (cluster.bash): what a kubelet and a container runtime do for a pod, in the same
# order, with a network namespace in place of containers. A pod's name is NAMESPACE/NAME everywhere.

pod_dir() { echo "$LNT_DIR/pods/${1/\//.}"; }
pod_netns() { echo "pod-${1/\//.}"; }
pod_node() { cat "$(pod_dir "$1")/node"; }
pod_path() { echo "/api/v1/namespaces/${1%/*}/pods/${1#*/}"; }

# pod_ip POD 4|6, as the plugin's result said.
pod_ip() { cat "$(pod_dir "$1")/ip$2"; }

# in_pod POD COMMAND...: in its network and in the cgroup of its node.
in_pod() (
	echo "$BASHPID" >"$(node_cgroup "$(pod_node "$1")")/cgroup.procs"
	exec nsenter --net="$(netns "$(pod_netns "$1")")" "${@:2}"
)

# cni NODE VERB ID NETNS [CNI_ARGS]: executes the plugin as a runtime does. IFNAME=eth0 and another
# CONFLIST come from the environment, and PORTMAPS, a list that is passed as runtimes do when the
# configuration has the capability. $LNT_DIR/cni_us says how long it took, in microseconds: from
# fork to exit, without joining the node. LNT_CNI_BIN is another folder on the node where it is.
cni() {
	local node=$1 verb=$2 id=$3 path=$4 bin=${LNT_CNI_BIN:-$LNT_BUILD} config
	config=$(jq -c --argjson maps "${PORTMAPS:-null}" '.plugins[0] + {name, cniVersion} |
		if .capabilities.portMappings and $maps then .runtimeConfig.portMappings = $maps else . end' \
		"${CONFLIST:-$(conflist "$node")}")
	# shellcheck disable=SC2016 # expands inside
	in_node "$node" env -i PATH="$PATH" CNI_COMMAND="$verb" CNI_CONTAINERID="$id" \
		CNI_NETNS="$path" CNI_IFNAME="${IFNAME:-eth0}" CNI_PATH="$bin" ${5:+CNI_ARGS="$5"} \
		bash -c 'start=${EPOCHREALTIME/./}; "$0"; rc=$?
			echo $((${EPOCHREALTIME/./} - start)) >"$1"; exit $rc' \
		"$bin/linnet" "$LNT_DIR/cni_us" <<<"$config"
}

namespace_add() {
	local labels
	labels=$(labels_json "${@:2}")
	api POST /api/v1/namespaces \
		'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"'"$1"'","labels":'"$labels"'}}' >/dev/null
}

# labels_json KEY=VALUE...
labels_json() {
	local l out=
	for l in "$@"; do
		out+="${out:+,}\"${l%%=*}\":\"${l#*=}\""
	done
	echo "{$out}"
}

# pod_object NODE POD [LABEL=VALUE...]
pod_object() {
	cat <<-EOF
		{"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "${2%/*}", "name": "${2#*/}",
		 "labels": $(labels_json "${@:3}")},
		 "spec": {"nodeName": "$1", "containers": [{"name": "main", "image": "peer"}]}}
	EOF
}

pod_create() { api POST "/api/v1/namespaces/${2%/*}/pods" "$(pod_object "$@")" >/dev/null; }

# The arguments that a runtime passes for a pod.
pod_cni_args() {
	local uid=${2:-}
	printf 'IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=%s;K8S_POD_INFRA_CONTAINER_ID=%s%s' \
		"${1%/*}" "${1#*/}" "$(cat "$(pod_dir "$1")/id")" "${uid:+;K8S_POD_UID=$uid}"
}

# pod_sandbox POD NODE: an empty network namespace and a container id.
pod_sandbox() {
	local d
	d=$(pod_dir "$1")
	mkdir -p "$d"
	echo "$2" >"$d/node"
	printf '%s %s' "$LNT_PREFIX$1" "$(now_us)" | sha256sum | cut -d' ' -f1 >"$d/id"
	add_netns "$(pod_netns "$1")"
}

# pod_cni_add POD [UID]: ADD; the result in POD/result.json, microseconds in POD/add_us.
pod_cni_add() {
	local d
	d=$(pod_dir "$1")
	cni "$(pod_node "$1")" ADD "$(<"$d/id")" "$(netns "$(pod_netns "$1")")" \
		"$(pod_cni_args "$@")" >"$d/result.json" || { cat "$d/result.json" >&2; return 1; }
	mv "$LNT_DIR/cni_us" "$d/add_us"
	jq -r '.ips[].address | split("/")[0] | select(contains(":") | not)' "$d/result.json" >"$d/ip4"
	jq -r '.ips[].address | split("/")[0] | select(contains(":"))' "$d/result.json" >"$d/ip6"
}

# pod_ready POD True|False: the status that a kubelet reports.
pod_ready() {
	local node
	node=$(pod_node "$1")
	api PATCH "$(pod_path "$1")/status" "$(jq -nc --arg v4 "$(pod_ip "$1" 4)" --arg v6 "$(pod_ip "$1" 6)" \
		--arg host "$(node_ip4 "$node")" --arg host6 "$(node_ip6 "$node")" --arg ready "$2" '{status: {
			phase: "Running", hostIP: $host, hostIPs: [{ip: $host}, {ip: $host6}],
			podIP: $v4, podIPs: ([$v4, $v6] | map(select(. != "") | {ip: .})),
			conditions: [
				{type: "PodScheduled", status: "True"}, {type: "Initialized", status: "True"},
				{type: "ContainersReady", status: $ready}, {type: "Ready", status: $ready}],
			containerStatuses: [{name: "main", image: "peer", imageID: "", restartCount: 0,
				ready: ($ready == "True"), started: true,
				state: {running: {startedAt: (now | todate)}}}]}}')" >/dev/null
}

# pod_serve POD PORT...: answers with the pod's name.
pod_serve() {
	local d
	d=$(pod_dir "$1")
	background "$d/serve.pid" "$d/serve.log" "$(node_cgroup "$(pod_node "$1")")" "$(pod_netns "$1")" \
		"$LNT_PEER" serve "$1" "${@:2}"
	wait_until 5 pod_listens "$1" "${@: -1}"
}

pod_listens() { in_netns "$(pod_netns "$1")" ss -Hlnt "sport = :$2" | grep -q .; }

# pod_run POD PORT...: what the kubelet of its node does once the object is there.
pod_run() {
	local object
	object=$(api GET "$(pod_path "$1")")
	pod_sandbox "$1" "$(jq -r .spec.nodeName <<<"$object")"
	pod_cni_add "$1" "$(jq -r .metadata.uid <<<"$object")"
	[ $# = 1 ] || pod_serve "$@"
	pod_ready "$1" True
}

# pod_add NODE POD [LABEL=VALUE...]: the object and the pod, serving port 80.
pod_add() {
	pod_create "$@"
	pod_run "$2" 80
}

# pod_stop POD: its processes and its network.
pod_stop() {
	local d pids
	d=$(pod_dir "$1")
	mapfile -t pids < <(ip netns pids "$LNT_PREFIX$(pod_netns "$1")")
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
	cni "$(pod_node "$1")" DEL "$(<"$d/id")" "$(netns "$(pod_netns "$1")")" "$(pod_cni_args "$1")"
	ip netns del "$LNT_PREFIX$(pod_netns "$1")"
	rm -r "$d"
}

pod_del() {
	pod_stop "$1"
	api DELETE "$(pod_path "$1")?gracePeriodSeconds=0" >/dev/null
}

# probe FROM tcp|udp|udp-unconnected ADDR PORT [MS]: FROM is a pod, a node, "net" or "sw". Prints who
# answered and from which address; 1: refused, 2: no answer, 3: another error.
probe() {
	local from=$1
	shift
	case $from in
	*/*) in_pod "$from" "$LNT_PEER" probe "$@" ;;
	n[0-9]*) in_node "$from" "$LNT_PEER" probe "$@" ;;
	*) in_netns "$from" "$LNT_PEER" probe "$@" ;;
	esac
}
