#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services and EndpointSlices that make no sense, or too much of it: each has an outcome and a line
# in the agent's log that names the object, and lab/web beside it is served all the while.
load ../lib/bats

setup_file() {
	begin 1
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
	wait_until 10 is_served "$WEB" 80
}

teardown_file() { end; }

service_ip() { kc -n lab get service "$1" -o 'jsonpath={.spec.clusterIPs[0]}'; }

# is_served ADDRESS PORT: lab/one answers a client in a pod and the node itself.
is_served() {
	local from
	for from in lab/client n1; do
		[[ $(probe $from tcp "$1" "$2" 500) == "lab/one "* ]] || return 1
	done
}

refused() {
	local rc=0
	probe lab/client tcp "$1" "$2" 500 || rc=$?
	[ $rc = 1 ]
}

# logged TEXT: the agent of n1 has said it.
logged() { grep -qF -- "$1" "$LNT_DIR/nodes/n1/agent.log"; }

# service NAME [SPEC]: without selector, at port 80; its address on stdout.
service() {
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: $1, namespace: lab}
		spec: {ports: [{port: 80, targetPort: 8080}]${2:+, $2}}
	EOF
	service_ip "$1"
}

# slice NAME SERVICE PORT ADDRESS...: of IPv4, all of them ready; whatever it says, as a broken controller writes it.
slice() {
	local name=$1 service=$2 port=$3
	shift 3
	printf '%s\n' "$@" | jq -Rnc --arg name "$name" --arg service "$service" --argjson port "$port" '[{
		apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
		metadata: {name: $name, namespace: "lab", labels: {"kubernetes.io/service-name": $service}},
		ports: [{name: "", protocol: "TCP", port: $port}],
		endpoints: [inputs | {addresses: [.], conditions: {ready: true}}]}]' >"$LNT_DIR/slice.json"
	api POST '/double/bulk?merge=true&unchecked=true' "@$LNT_DIR/slice.json" >/dev/null
}

@test "two Services with one address and port: the older is served, the other is named, and follows it" {
	local text='Service lab/second: 198.51.100.1 port 80 belongs to Service lab/first already; not served'
	service first 'selector: {app: web}, externalIPs: [198.51.100.1]'
	wait_until 5 is_served 198.51.100.1 80
	sleep_until_next_second
	service second 'selector: {app: nobody}, externalIPs: [198.51.100.1]'
	wait_until 5 logged "$text"
	is_served 198.51.100.1 80
	is_served "$WEB" 80
	kc -n lab delete service first
	wait_until 5 refused 198.51.100.1 80
	wait_until 5 logged "no longer: $text"
	kc -n lab delete service second
	is_served "$WEB" 80
}

# Creation times are whole seconds.
sleep_until_next_second() {
	local now=$EPOCHSECONDS
	while [ "$EPOCHSECONDS" = "$now" ]; do read -r -t 0.05 <> <(:) || true; done
}

@test "an endpoint in no pod CIDR: is served like any, for it may be a machine outside" {
	local vip text='Service lab/stranger: EndpointSlice stranger-x: 192.0.2.77 is in no pod CIDR'
	vip=$(service stranger)
	slice stranger-x stranger 8080 192.0.2.77 "$(pod_ip lab/one 4)"
	wait_until 5 served_now_and_then "$vip"
	wait_until 5 logged "$text"
	is_served "$WEB" 80
	kc -n lab delete service stranger
	wait_until 5 logged "no longer: $text"
}

served_now_and_then() {
	local i
	for i in $(seq 10); do
		[[ $(probe lab/client tcp "$1" 80 200) != "lab/one "* ]] || return 0
	done
	return 1
}

@test "port 0: the slice's port is left out and named, the Service refuses" {
	local vip
	vip=$(service zero)
	slice zero-x zero 0 "$(pod_ip lab/one 4)"
	wait_until 5 grep -q "endpointslices lab/zero-x: .*'' is no port" "$LNT_DIR/nodes/n1/agent.log"
	wait_until 5 refused "$vip" 80
	is_served "$WEB" 80
	slice zero-x zero 8080 "$(pod_ip lab/one 4)"
	wait_until 5 is_served "$vip" 80
	kc -n lab delete service zero
}

@test "an address of the wrong family: is left out and named, the other endpoint serves" {
	local vip text="'fd00:1::77' is no address of the slice's type"
	vip=$(service family)
	slice family-x family 8080 fd00:1::77 "$(pod_ip lab/one 4)"
	wait_until 5 grep -q "endpointslices lab/family-x: .*$text" "$LNT_DIR/nodes/n1/agent.log"
	for _ in 1 2 3 4 5 6; do
		is_served "$vip" 80
	done
	is_served "$WEB" 80
	slice family-x family 8080 127.0.0.1 "$(pod_ip lab/one 4)"
	text='Service lab/family: EndpointSlice family-x: 127.0.0.1 cannot be an IPv4 endpoint'
	wait_until 5 logged "$text"
	is_served "$vip" 80
	slice family-x family 8080 "$(pod_ip lab/one 4)"
	wait_until 5 logged "no longer: $text"
	kc -n lab delete service family
}

@test "100,000 endpoints: are named, the Service is served, and so are the others" {
	local vip
	vip=$(service huge)
	jq -nc --arg one "$(pod_ip lab/one 4)" '[range(100) as $s | {
		apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4",
		metadata: {name: "huge-\($s)", namespace: "lab", labels: {"kubernetes.io/service-name": "huge"}},
		ports: [{name: "", protocol: "TCP", port: 8080}],
		endpoints: [range(1000) | {addresses: ["10.\(100 + $s).\(. / 250 | floor).\(. % 250 + 1)"],
			conditions: {ready: true}}]}]' >"$LNT_DIR/huge.json"
	api POST /double/bulk "@$LNT_DIR/huge.json" >/dev/null
	wait_until 60 logged 'Service lab/huge: 100000 endpoints at port 80; '
	is_served "$WEB" 80
	kc -n lab delete endpointslices -l kubernetes.io/service-name=huge >/dev/null
	slice huge-x huge 8080 "$(pod_ip lab/one 4)"
	wait_until 60 is_served "$vip" 80
	wait_until 5 logged 'no longer: Service lab/huge: 100000 endpoints'
	is_served "$WEB" 80
	kc -n lab delete service huge
}

@test "a flapping endpoint: the last word counts, and the others' connections go on" {
	local vip i start=$SECONDS text="Service lab/flap: it changes all the time"
	vip=$(service flap)
	stream_start beside lab/client "$WEB" 80
	until logged "$text"; do
		for i in 1 2 3 4 5 6; do
			slice flap-x flap 8080 10.9.9.$i
		done
		[ "$SECONDS" -lt $((start + 60)) ] || fail "nobody has noticed" || return
	done
	slice flap-x flap 8080 "$(pod_ip lab/one 4)"
	wait_until 5 is_served "$vip" 80
	wait_until 15 logged "no longer: $text"
	stream_flows beside
	stream_end beside
	slice flap-x flap 8080
	wait_until 5 refused "$vip" 80
	is_served "$WEB" 80
	kc -n lab delete service flap
}
