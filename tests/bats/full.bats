#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# More than the maps hold: a node whose maps of backends and of policy were made, by an agent of before,
# for six and eight entries. Of services what does not fit is named, and what does is served; pods whose
# policy does not fit are closed; and all is well once there is room.
load ../lib/bats

setup_file() {
	local bpf=$LNT_DIR/nodes/n1/bpf
	cluster_sweep
	cluster_network 1
	mkdir -p "$bpf"
	mount -t bpf bpf "$bpf"
	mkdir -p "$bpf/linnet/v$(abi_version)/maps"
	bpftool map create "$bpf/linnet/v$(abi_version)/maps/backends" type hash key 8 value 20 entries 6 \
		name backends flags 1
	bpftool map create "$bpf/linnet/v$(abi_version)/maps/policy" type hash key 16 value 16 entries 8 \
		name policy flags 1
	agent_start n1
	namespace_add lab
	pod_create n1 lab/one app=web
	pod_run lab/one 8080 8081
	pod_add n1 lab/client app=client
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
	EOF
	WEB=$(service_ip web)
	export WEB
	wait_until 10 is_served "$WEB"
}

teardown_file() { end; }

abi_version() { awk '/#define LNT_ABI_VERSION/ { print $3 }' "$LNT_TOP/datapath/abi.h"; }
service_ip() { kc -n lab get service "$1" -o 'jsonpath={.spec.clusterIPs[0]}'; }
is_served() { [[ $(probe lab/client tcp "$1" 80 500) == "lab/one "* ]]; }

# logged REGEX: the agent of n1 has said it.
logged() { grep -qE -- "$1" "$LNT_DIR/nodes/n1/agent.log"; }

# many: ten Services of one endpoint each.
many() {
	jq -nc --arg one "$(pod_ip lab/one 4)" '[range(10) | {
		apiVersion: "v1", kind: "Service", metadata: {name: "many-\(.)", namespace: "lab", labels: {many: "yes"}},
		spec: {ports: [{port: 80, targetPort: 8080}]}}, {
		apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
		metadata: {name: "many-\(.)", namespace: "lab", labels: {many: "yes", "kubernetes.io/service-name": "many-\(.)"}},
		ports: [{name: "", protocol: "TCP", port: 8080}],
		endpoints: [{addresses: [$one], conditions: {ready: true}}]}]' >"$LNT_DIR/many.json"
	api POST /double/bulk "@$LNT_DIR/many.json" >/dev/null
}

served_of_many() {
	local i n=0
	for i in 0 1 2 3 4 5 6 7 8 9; do
		! is_served "$(service_ip many-$i)" || n=$((n + 1))
	done
	echo $n
}

@test "more than the map holds: is named, the rest is served" {
	many
	wait_until 10 logged 'Service lab/many-[0-9]: .* port 80 does not fit into the maps as a whole'
	is_served "$WEB"
	[ "$(served_of_many)" -ge 3 ]
	[ "$(served_of_many)" -lt 10 ]
}

@test "room again: all that is left is served, and it is said" {
	kc -n lab delete endpointslices,services many-0 many-1 many-2 many-3 many-4 many-5 many-6 >/dev/null
	wait_until 40 logged 'no longer: Service lab/many-[0-9]: .* port 80 does not fit'
	# Room came service by service, and each try is some seconds after the last.
	wait_until 40 is_served "$(service_ip many-9)"
	wait_until 40 is_served "$(service_ip many-8)"
	wait_until 40 is_served "$(service_ip many-7)"
	is_served "$WEB"
}

# ports N: a policy of lab/one that allows N single ports, none beside another.
ports() {
	jq -nc --argjson n "$1" '{apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy",
		metadata: {name: "ports", namespace: "lab"},
		spec: {podSelector: {matchLabels: {app: "web"}}, policyTypes: ["Ingress"],
			ingress: [{ports: [range($n) | {port: (8080 + . * 2)}]}]}}' | kc apply -f - >/dev/null
}

closed_told() {
	kc get events.events.k8s.io -A -o json | jq -e '[.items[] | select(.regarding.name == "ports"
		and .reason == "NotProgrammed")] | length == 1' >/dev/null
}

@test "a policy that does not fit: its pods are closed, but to their node, and it is said" {
	ports 3
	wait_until 10 is_served "$WEB"
	soon_blocked lab/client tcp lab/one 8081
	ports 30
	wait_until 10 logged 'NetworkPolicy lab/ports: does not fit into the maps as a whole: pods that it selects are closed'
	soon_blocked lab/client tcp lab/one 8080
	reaches n1 tcp lab/one 8080
	wait_until 10 closed_told
	run -1 in_node n1 "$LNT_BUILD/linnetctl" --run-dir "$(node_dir n1)/run" status
	[[ $output == *'closed: lab/one is closed: its policy does not fit into the maps'* ]]
	[[ $output == *'not-served: NetworkPolicy lab/ports: does not fit into the maps'* ]]
	run -0 in_node n1 "$LNT_BUILD/linnetctl" --run-dir "$(node_dir n1)/run" endpoint list
	grep -qE ' one .* closed ' <<<"$output"
	run -0 in_node n1 "$LNT_BUILD/linnetctl" --run-dir "$(node_dir n1)/run" policy list
	grep -qE '^lab +ports .* not-programmed$' <<<"$output"
	wait_until 10 metric_above n1 'linnet_notices{kind="NetworkPolicy",reason="NotProgrammed"}' 0
	wait_until 10 metric_above n1 'linnet_drops_total{reason="policy-closed"}' 0
	ports 3
	wait_until 40 logged 'no longer: NetworkPolicy lab/ports: does not fit'
	soon_reaches lab/client tcp lab/one 8080
	kc -n lab delete networkpolicy ports >/dev/null
}
