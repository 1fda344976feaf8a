#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Clients that keep their socket, when the backend behind it goes: lab/one (n1) and lab/two (n2)
# answer behind lab/web, whose EndpointSlices are written here. The backends themselves stay and go
# on answering, so that whatever ends a connection is linnet. Clients: lab/client and node n1.
load ../lib/bats

ALL=(tcp4 tcp6 udp4 udp6)

setup_file() {
	local pod
	begin 2
	namespace_add lab
	for pod in n1/one n2/two; do
		pod_create "${pod%/*}" "lab/${pod#*/}"
		pod_run "lab/${pod#*/}" 8080
	done
	pod_add n1 lab/client
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  ports:
		    - {name: t, port: 80, targetPort: 8080}
		    - {name: u, port: 80, targetPort: 8080, protocol: UDP}
	EOF
	VIP4=$(kc -n lab get service web -o 'jsonpath={.spec.clusterIPs[0]}')
	VIP6=$(kc -n lab get service web -o 'jsonpath={.spec.clusterIPs[1]}')
	export VIP4 VIP6
}

setup() {
	endpoints one=ready two=ready
	for vip in "$VIP4" "$VIP6"; do
		wait_until 10 probe lab/client tcp "$vip" 80
		wait_until 10 probe n1 udp "$vip" 80
	done
}

teardown() {
	local f
	for f in "$LNT_DIR"/*.keeper.pid; do
		[ ! -e "$f" ] || end_process "$f" KILL
	done
	rm -f "$LNT_DIR"/*.keeper*
}

teardown_file() { end; }

# --- endpoints ------------------------------------------------------------------------------------

# endpoint FAMILY NAME=ready|terminating|unready
endpoint() {
	local conditions
	case ${2#*=} in
	ready) conditions='ready: true, serving: true, terminating: false' ;;
	terminating) conditions='ready: false, serving: true, terminating: true' ;;
	unready) conditions='ready: false, serving: false, terminating: false' ;;
	esac
	echo "- {addresses: ['$(pod_ip "lab/${2%=*}" "$1")'], conditions: {$conditions}}"
}

# endpoints NAME=STATE...: of the Service, in both families.
endpoints() {
	local family e
	for family in 4 6; do
		apply <<-EOF
			apiVersion: discovery.k8s.io/v1
			kind: EndpointSlice
			metadata: {name: web-$family, namespace: lab, labels: {kubernetes.io/service-name: web}}
			addressType: IPv$family
			ports:
			  - {name: t, port: 8080, protocol: TCP}
			  - {name: u, port: 8080, protocol: UDP}
			endpoints:
			$(for e in "$@"; do endpoint $family "$e"; done)
		EOF
	done
}

other() { [ "$1" = lab/one ] && echo lab/two || echo lab/one; }

# --- clients --------------------------------------------------------------------------------------

# keep NAME FROM tcp|udp ADDR PORT: FROM is a pod or a node.
keep() {
	local f=$LNT_DIR/$1.keeper node=$2 ns=$2
	[[ $2 != */* ]] || { node=$(pod_node "$2"); ns=$(pod_netns "$2"); }
	background "$f.pid" "$f.log" "$(node_cgroup "$node")" "$ns" \
		/usr/bin/python3 "$LNT_TOP/tests/tools/keeper.py" "$3" "$4" "$5" "$f"
	wait_until 10 answered "$1" 3
}

# keep_until NAME BACKEND FROM tcp|udp ADDR: a client of the Service that has come to BACKEND.
keep_until() {
	local i
	for i in $(seq 50); do
		keep "$1" "${@:3}" 80
		[ "$(backend "$1")" != "$2" ] || return 0
		end_process "$LNT_DIR/$1.keeper.pid" KILL
		rm -f "$LNT_DIR/$1.keeper"
	done
	fail "$1: not once to $2 in $i times"
}

# keep_all FROM BACKEND: one of each kind.
keep_all() {
	local k vip
	for k in "${ALL[@]}"; do
		[ "${k#???}" = 4 ] && vip=$VIP4 || vip=$VIP6
		keep_until "$k" "$2" "$1" "${k%?}" "$vip"
	done
}

field() { awk -v n="$2" '{ print $n }' "$LNT_DIR/$1.keeper"; }
backend() { field "$1" 1; }
answered() { [ "$(field "$1" 2)" -ge "$2" ]; }

# goes_on NAME: more answers, and still over its first socket.
goes_on() {
	wait_until 10 answered "$1" $(($(field "$1" 2) + 5))
	[ "$(field "$1" 3)" = 1 ] || fail "$1: $(cat "$LNT_DIR/$1.keeper")"
}

# moved NAME BACKEND: its socket was aborted once, and the next one is with BACKEND.
moved() {
	local line
	line=$(cat "$LNT_DIR/$1.keeper")
	[[ $line =~ ^$2\ [0-9]+\ 2\ (ECONNABORTED|EDESTADDRREQ)$ ]] || fail "$1: $line"
}

all_move() {
	local k
	for k in "${ALL[@]}"; do
		wait_until 5 moved "$k" "$1"
		wait_until 5 answered "$k" $(($(field "$k" 2) + 5))
	done
}

all_go_on() {
	local k
	for k in "$@"; do
		goes_on "$k"
	done
}

# --- tests ----------------------------------------------------------------------------------------

@test "backend removed: a pod's sockets to it end and the next ones go elsewhere" {
	keep_all lab/client lab/one
	endpoints two=ready
	all_move lab/two
}

@test "backend removed: the node's own sockets end too" {
	keep_all n1 lab/two
	endpoints one=ready
	all_move lab/one
}

@test "backend removed: sockets to other backends go on" {
	keep_all lab/client lab/two
	keep_until witness lab/one lab/client tcp "$VIP4"
	endpoints two=ready
	wait_until 5 moved witness lab/two
	all_go_on "${ALL[@]}"
}

@test "backend removed: connections to the pod's own address go on" {
	local k
	for k in "${ALL[@]}"; do
		keep "$k" lab/client "${k%?}" "$(pod_ip lab/one "${k#???}")" 8080
		keep "node-$k" n1 "${k%?}" "$(pod_ip lab/one "${k#???}")" 8080
	done
	keep_until witness lab/one lab/client udp "$VIP6"
	endpoints two=ready
	wait_until 5 moved witness lab/two
	all_go_on "${ALL[@]}" "${ALL[@]/#/node-}"
}

@test "backend terminating: TCP goes on while it serves, UDP moves, and TCP ends when it is gone" {
	keep_all lab/client lab/one
	endpoints one=terminating two=ready
	wait_until 5 moved udp4 lab/two
	wait_until 5 moved udp6 lab/two
	all_go_on tcp4 tcp6
	endpoints two=ready
	all_move lab/two
}

@test "backend neither ready nor serving: its sockets end" {
	keep_all lab/client lab/one
	endpoints one=unready two=ready
	all_move lab/two
}

@test "backend added: nobody is disturbed" {
	endpoints one=ready
	keep_all lab/client lab/one
	keep_until node lab/one n1 tcp "$VIP4"
	endpoints one=ready two=ready
	wait_until 5 reached lab/two
	all_go_on "${ALL[@]}" node
}

reached() { [[ $(probe lab/client tcp "$VIP4" 80) == "$1 "* ]]; }

@test "backend removed while no agent runs: its sockets end when there is one again" {
	keep_all lab/client lab/one
	agent_kill n1
	endpoints two=ready
	all_go_on "${ALL[@]}"
	agent_start n1
	all_move lab/two
}

@test "restart of the agent: nobody is disturbed" {
	keep_all lab/client lab/one
	agent_kill n1
	agent_start n1
	all_go_on "${ALL[@]}"
}

@test "Service deleted: its sockets end" {
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: brief, namespace: lab}
		spec: {ports: [{port: 80, targetPort: 8081}]}
		---
		apiVersion: discovery.k8s.io/v1
		kind: EndpointSlice
		metadata: {name: brief-4, namespace: lab, labels: {kubernetes.io/service-name: brief}}
		addressType: IPv4
		ports: [{port: 8081}]
		endpoints: [{addresses: ['$(pod_ip lab/two 4)']}]
	EOF
	local vip
	vip=$(kc -n lab get service brief -o 'jsonpath={.spec.clusterIP}')
	background "$LNT_DIR/extra.keeper.pid" "$LNT_DIR/extra.keeper.log" "$(node_cgroup n2)" \
		"$(pod_netns lab/two)" "$LNT_PEER" serve lab/two 8081
	wait_until 5 probe lab/client tcp "$vip" 80
	keep brief lab/client tcp "$vip" 80
	keep other lab/client tcp "$VIP4" 80
	kc -n lab delete service/brief endpointslice/brief-4
	wait_until 5 aborted brief
	all_go_on other
}

# No socket is open to it any more; what is opened anew is refused, or dropped once forgotten.
aborted() { [ "$(field "$1" 4)" != - ]; }
