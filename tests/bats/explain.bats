#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# linnetctl for a user: what is dropped and why. red/server and red/near live on n1, blue/far on n2;
# all answer on ports 80 and 81.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add red team=red
	namespace_add blue team=blue
	serving n1 red/server app=server
	serving n1 red/near role=client
	serving n2 blue/far role=client
}

teardown_file() { end; }

teardown() {
	local f
	for f in "$LNT_DIR"/*.monitor; do
		[ ! -e "$f" ] || monitor_end "$(basename "$f" .monitor)"
	done
	no_policies
}

serving() {
	pod_create "$@"
	pod_run "$2" 80 81
}

ctl() { # ctl NODE ARGUMENT...
	in_node "$1" "$LNT_BUILD/linnetctl" --run-dir "$(node_dir "$1")/run" "${@:2}"
}

# monitor NAME NODE [OPTION...]: from when this returns, what it prints is in $LNT_DIR/NAME.monitor.
monitor() {
	: >"$LNT_DIR/$1.monitor"
	: >"$LNT_DIR/$1.monitor.err"
	background_errors "$LNT_DIR/$1.monitor.pid" "$LNT_DIR/$1.monitor" "$LNT_DIR/$1.monitor.err" "$2" \
		"$LNT_BUILD/linnetctl" --run-dir "$(node_dir "$2")/run" monitor "${@:3}"
	wait_until 5 grep -q "listening to the agent of $2" "$LNT_DIR/$1.monitor.err"
}

background_errors() { # PIDFILE OUT ERR NODE COMMAND...
	background "$1" "$3" "" "$4" sh -c 'out=$1; shift; exec "$@" >"$out"' sh "$2" "${@:5}"
}

monitor_end() {
	end_process "$LNT_DIR/$1.monitor.pid" INT
	rm -f "$LNT_DIR/$1.monitor" "$LNT_DIR/$1.monitor.err"
}

shows() { grep -qE -- "$2" "$LNT_DIR/$1.monitor" || fail "no $2 in: $(<"$LNT_DIR/$1.monitor")"; }
soon_shows() { wait_until 5 shows "$@"; }
shows_not() { ! shows "$@" 2>/dev/null || fail "$2 in: $(<"$LNT_DIR/$1.monitor")"; }

# What the programs of a node are asked to tell: enum lnt_tell.
told() {
	bpftool -j map dump pinned "$(echo "$(node_dir "$1")"/bpf/linnet/*/maps/state)" |
		jq '.[0].formatted.value.tell'
}
tells() { [ "$(told "$1")" = "$2" ] || fail "the programs of $1 tell $(told "$1")"; }
soon_tells() { wait_until 5 tells "$@"; }

allow_from_clients() {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: web, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]
	EOF
}

@test "monitor: a denied connection shows up with its pods, its port and the policy that isolates" {
	allow_from_clients
	soon_blocked blue/far tcp red/server 80
	monitor m n1
	blocked blue/far tcp red/server 80
	soon_shows m '^[0-9:.]+ +drop +blue/far:[0-9]+ -> red/server:80/TCP +ingress +policy-ingress +isolated by red/web, no rule matched$'
	blocked red/near udp red/server 81
	soon_shows m 'drop +red/near:[0-9]+ -> red/server:81/UDP +ingress'
	reaches red/near tcp red/server 80
	blocked red/near tcp red/server 81
	soon_shows m 'drop +red/near:[0-9]+ -> red/server:81/TCP'
	shows_not m 'red/server:80/TCP.*red/near|red/near:[0-9]+ -> red/server:80/TCP'
}

@test "monitor: connections that are allowed only if they are asked for, with their rule" {
	allow_from_clients
	soon_blocked blue/far tcp red/server 80
	monitor drops n1
	tells n1 1
	monitor all n1 --allows
	tells n1 3
	reaches red/near tcp red/server 80
	soon_shows all '^[0-9:.]+ +allow +red/near:[0-9]+ -> red/server:80/TCP +ingress +allow +red/web ingress\[0\]$'
	blocked red/near tcp red/server 81
	soon_shows all 'drop +red/near:[0-9]+ -> red/server:81/TCP'
	soon_shows drops 'drop +red/near:[0-9]+ -> red/server:81/TCP'
	shows_not drops allow
	monitor_end all
	soon_tells n1 1
	monitor_end drops
	soon_tells n1 0
}

@test "monitor: only what concerns a pod, or a policy" {
	allow_from_clients
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: closed, namespace: red}
		spec: {podSelector: {matchLabels: {role: client}}, policyTypes: [Ingress]}
	EOF
	soon_blocked blue/far tcp red/server 80
	soon_blocked blue/far tcp red/near 80
	monitor all n1
	monitor near n1 --pod red/near
	monitor far n1 --pod blue/far
	monitor web n1 --policy red/web
	blocked blue/far tcp red/server 80
	blocked blue/far tcp red/near 80
	soon_shows all 'red/server:80' && soon_shows all 'red/near:80'
	soon_shows far 'red/server:80' && soon_shows far 'red/near:80'
	soon_shows near 'red/near:80' && shows_not near 'red/server:80'
	soon_shows web 'red/server:80' && shows_not web 'red/near:80'
}

@test "monitor: JSON" {
	allow_from_clients
	soon_blocked blue/far tcp red/server 80
	monitor m n1 -o json
	blocked blue/far tcp red/server 80
	soon_shows m '"verdict":"drop"'
	jq -se --arg far "$(pod_ip blue/far 4)" --arg server "$(pod_ip red/server 4)" 'map(select(.protocol == "TCP" and
			.source.address == $far))[0] |
		.node == "n1" and .verdict == "drop" and .reason == "policy-ingress" and .direction == "ingress" and
		.source.kind == "pod" and .source.name == "blue/far" and
		.destination == {address: $server, port: 80, kind: "pod", name: "red/server"} and
		.isolatedBy == ["red/web"] and (.time | startswith("20") and endswith("Z"))' \
		"$LNT_DIR/m.monitor" || fail "$(<"$LNT_DIR/m.monitor")"
}

@test "monitor: a client or an agent that is killed leaves nothing behind" {
	monitor m n1
	tells n1 1
	end_process "$LNT_DIR/m.monitor.pid" KILL
	soon_tells n1 0
	monitor m n1
	agent_kill n1
	wait_until 5 is_gone "$LNT_DIR/m.monitor.pid"
	grep -q 'is gone' "$LNT_DIR/m.monitor.err"
	tells n1 1
	run -1 ctl n1 monitor
	[[ $output == *"no agent answers at $(node_dir n1)/run/ctl.sock"* ]]
	agent_start n1
	tells n1 0
}
