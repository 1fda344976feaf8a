#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# linnetctl for a user: what is dropped and why. red/server and red/near live on n1, blue/far on n2;
# all answer on ports 80 and 81.
load ../lib/bats
load ../lib/ctl

setup_file() {
	ctl_bed
}

teardown_file() { end; }

teardown() {
	local f
	for f in "$LNT_DIR"/*.monitor; do
		[ ! -e "$f" ] || monitor_end "$(basename "$f" .monitor)"
	done
	no_policies
	kc delete cnp --all >/dev/null
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
	soon_shows all '^[0-9:.]+ +allow +red/near:[0-9]+ -> red/server:80/TCP +ingress +red/web ingress\[0\]$'
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

@test "monitor: connections that are up and denied from now on, packets of either way" {
	stream_start near red/near "$(pod_ip red/server 4)" 81
	monitor m n1
	allow_from_clients
	soon_shows m 'drop +red/near:[0-9]+ -> red/server:81/TCP +ingress +policy-ingress +isolated by red/web, no rule matched$'
	soon_shows m 'drop +red/server:81 -> red/near:[0-9]+/TCP \(reply\) +ingress +policy-ingress +isolated by red/web, no rule matched$'
	stream_halts near
	shows_not m '81.*policy-ingress$'
	no_policies
	stream_flows near
	stream_end near
}

@test "monitor: a client of a service, and the pod behind it" {
	allow_from_clients
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: shop, namespace: red}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: server}
		  ports: [{port: 8080, targetPort: 80, nodePort: 30080}]
	EOF
	soon_blocked net tcp n1 30080
	monitor m n1
	blocked net tcp n1 30080
	soon_shows m 'drop +world 203.0.113.10:[0-9]+ -> n1:30080/TCP +ingress +policy-ingress +isolated by red/web, no rule matched  service red/shop at red/server:80$'
	soon_shows m 'drop +world \[2001:db8:113::10\]:[0-9]+ -> n1:30080/TCP .* service red/shop at red/server:80$'
	kc -n red delete service shop >/dev/null
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
	run -3 ctl n1 monitor
	[[ $output == *"no agent answers at $(node_dir n1)/run/ctl.sock"* ]]
	agent_start n1
	tells n1 0
}

@test "socket: nonsense is answered or hung up on, and the agent goes on" {
	local pid
	pid=$(agent_pid n1)
	/usr/bin/python3 - "$(node_dir n1)/run/ctl.sock" <<-'EOF'
		import json, socket, sys

		def ask(data):
		    client = socket.socket(socket.AF_UNIX)
		    client.settimeout(5)
		    client.connect(sys.argv[1])
		    if data:  # nothing is an error too, to one who is hung up on
		        client.sendall(data)
		    return client

		def errors(client, n):
		    lines = client.makefile()
		    for _ in range(n):
		        assert "error" in json.loads(lines.readline())

		errors(ask(b'garbage\n[]\n"x"\n{}\n{"get":1}\n{"get":"all"}\n\0\n'), 7)
		errors(ask(b'{"get":"trace"}\n{"get":"policies"}\n{"get":"policies","pod":"a"}\n'), 3)
		errors(ask(b'{"get":"trace","from":1,"to":[]}\n'), 1)
		monitor = b'{"get":"monitor","pod":7,"policy":{},"allows":"x"}\n'
		assert ask(monitor * 3).makefile().readline() == '{"listening":"n1"}\n'
		# A line that never ends is nobody's: hung up on.
		long = ask(b"")
		try:
		    long.sendall(b"x" * 300000)
		    assert long.recv(1) == b""
		except (ConnectionResetError, BrokenPipeError):
		    pass
		# One too many is hung up on; those that were there are served.
		many = [ask(b"") for _ in range(32)]
		assert ask(b"").recv(1) == b""
		many[0].sendall(b"{}\n")
		errors(many[0], 1)
	EOF
	[ "$(agent_pid n1)" = "$pid" ] && is_alive "$(node_dir n1)/agent.pid"
	soon_tells n1 0
	run -0 ctl n1 policy get red/server
}

# All packets that the programs of a node have dropped.
drops() {
	bpftool -j map dump pinned "$(echo "$(node_dir "$1")"/bpf/linnet/*/maps/drops)" |
		jq '[.[].formatted.values[].value] | add'
}

# accounted NAME FROM TO: all drops since are shown or said to be missing: since the count was FROM, or
# up to TO, between which the monitor has begun.
accounted() {
	local n now
	n=$(jq -s 'map(.lost // 1) | add // 0' "$LNT_DIR/$1.monitor")
	now=$(drops n1)
	[ "$n" -ge $((now - $3)) ] && [ "$n" -le $((now - $2)) ] || fail "$n of $((now - $3)) to $((now - $2))"
}

@test "monitor: what is too much for the buffer or for a reader is counted, and the agent goes on" {
	allow_from_clients
	soon_blocked blue/far tcp red/server 80
	local before begun n pid
	before=$(drops n1)
	monitor slow n1 -o json
	monitor fast n1 -o json
	begun=$(drops n1)
	pid=$(pgrep -P "$(<"$LNT_DIR/slow.monitor.pid")" || cat "$LNT_DIR/slow.monitor.pid")
	kill -STOP "$pid"
	in_pod blue/far ping -q -f -l 20000 -c 20000 -W 1 "$(pod_ip red/server 4)" >/dev/null || true
	n=$(($(drops n1) - begun))
	[ $n -ge 10000 ]
	wait_until 10 accounted fast "$before" "$begun"
	agent_answers n1
	kill -CONT "$pid"
	wait_until 10 accounted slow "$before" "$begun"
	grep -q '"lost"' "$LNT_DIR/slow.monitor"
}

@test "audit: what is denied passes and is told, for a namespace and for the node" {
	allow_from_clients
	soon_blocked blue/far tcp red/server 80
	monitor m n1
	kc annotate namespace red linnet.io/policy-audit=true >/dev/null
	soon_reaches blue/far tcp red/server 80
	soon_shows m 'audit +blue/far:[0-9]+ -> red/server:80/TCP +ingress +policy-ingress +isolated by red/web, no rule matched'
	reaches blue/far tcp red/server 81
	run -0 ctl n2 policy trace --from blue/far --to red/server:80
	[[ $output == *'denied, and passes for the audit'*allowed ]]
	run -0 ctl n1 policy get red/server
	[[ $output == *'audit    what is denied passes'* ]]
	kc annotate namespace red linnet.io/policy-audit- >/dev/null
	soon_blocked blue/far tcp red/server 80
	monitor_end m
	agent_stop n1
	LNT_AGENT_FLAGS='--policy-audit true' agent_start n1
	soon_reaches blue/far tcp red/server 80
	agent_stop n1
	agent_start n1
	soon_blocked blue/far tcp red/server 80
}

# --- policy trace and policy get ------------------------------------------------------------------

# agrees FROM TO PORT: what trace says is what happens, on the node of either end.
agrees() {
	local happens=1 node rc
	! reaches "$1" tcp "$2" "$3" 2>/dev/null || happens=0
	for node in n1 n2; do
		rc=0
		ctl $node policy trace --from "$1" --to "$2:$3" >"$LNT_DIR/trace.out" || rc=$?
		[ $rc = $happens ] || fail "$1 to $2:$3 on $node: $rc, not $happens: $(<"$LNT_DIR/trace.out")"
	done
	[ $happens = 1 ] || grep -qx allowed "$LNT_DIR/trace.out"
}

@test "policy trace: agrees with what happens, for pods of both nodes, asked of either" {
	allow_from_clients
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: out, namespace: blue}
		spec:
		  podSelector: {}
		  policyTypes: [Egress]
		  egress: [{to: [{namespaceSelector: {matchLabels: {team: red}}}], ports: [{port: 81}]}]
	EOF
	soon_blocked blue/far tcp red/server 80
	soon_blocked blue/far tcp red/near 80
	local from to port
	for from in red/server red/near blue/far n1 n2; do
		for to in red/server red/near blue/far; do
			for port in 80 81; do
				[ $from = $to ] || agrees $from $to $port
			done
		done
	done
}

@test "policy trace: says which end said no, by which policy, and which rule said yes" {
	allow_from_clients
	soon_blocked blue/far tcp red/server 80
	run -1 ctl n1 policy trace --from blue/far --to red/server:80 -4
	[[ $output == *"denied: ingress of red/server: isolated by red/web, no rule matched" ]]
	run -0 ctl n1 policy trace --from red/near --to red/server:80
	[[ $output == *"red/web ingress[0]"*allowed ]]
	[ "$(grep -c -- '->' <<<"$output")" = 2 ]
	run -1 ctl n1 policy trace --from red/near --to red/server:80/udp -6 -o json
	jq -e '.allowed == false and (.connections | length) == 1 and .connections[0].family == 6 and
		(.connections[0].ends | map([.direction, .allowed])) == [["egress", true], ["ingress", false]] and
		.connections[0].ends[1].isolatedBy == ["red/web"]' <<<"$output"
	run -1 ctl n1 policy trace --from 203.0.113.10 --to red/server:80
	run -0 ctl n1 policy trace --from red/server --to 203.0.113.10:53/udp
	run -1 ctl n1 policy trace --from red/near --to red/server:icmp
	run -0 ctl n1 policy trace --from red/near --to "[$(pod_ip red/server 6)]:80"
}

@test "policy trace: of a service, its endpoints" {
	allow_from_clients
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: red}
		spec: {selector: {app: server}, ports: [{name: http, port: 8080, targetPort: 80}]}
	EOF
	wait_until 5 ctl n1 policy trace --from red/near --to red/web:8080 -4
	run -1 ctl n1 policy trace --from blue/far --to red/web:http
	[[ $output == *"red/server ("*") port 80/TCP"* ]]
	kc -n red delete service web >/dev/null
}

@test "policy trace: what cannot be asked is an error that says why" {
	local want
	while IFS='|' read -r from to want; do
		run -2 ctl n1 policy trace --from "$from" --to "$to"
		[[ $output == *"$want"* ]] || fail "$from to $to: $output"
	done <<-EOF
		red/none|red/server:80|there is no pod red/none
		red/near|red/none:80|neither a pod nor a service red/none
		red/near|red/server|names no port
		red/near|red/server:http|no port named 'http'
		red/near|red/server:80/x|none of tcp, udp, sctp
		red/near|203.0.113.1:70000|'70000' is no port
		203.0.113.1|fd00::1:80|names no port
		203.0.113.1|[fd00::1]:80|no addresses of one family
	EOF
	run -2 ctl n1 policy trace --from red/near
	run -2 ctl n1 policy
	run -2 ctl n1 nothing
}

@test "policy get: what applies to a pod, of this node and of others" {
	allow_from_clients
	local node
	for node in n1 n2; do
		wait_until 5 policies_include $node red/server red/web
		run -0 ctl $node policy get red/server
		[[ $output == *"pod red/server on n1"* ]]
		[[ $output == *"ingress  isolated"*"egress   not isolated"* ]]
		[[ $output == *"network   red/web  (ingress)"* ]]
		[[ $output == *"ingress[0]: allow from all pods of the namespace, TCP 80"* ]]
		run -0 ctl $node policy get blue/far
		[[ $output == *"no policies"* ]]
	done
	run -2 ctl n1 policy get red/none
	[[ $output == *"there is no such pod"* ]]
}

policies_include() {
	ctl "$1" policy get "$2" -o json | jq -e --arg p "$3" '.policies | map(.name) | index($p)'
}

@test "ClusterNetworkPolicies: monitor, trace and get tell tiers and rules by name" {
	allow_from_clients
	apply <<-EOF
		apiVersion: policy.networking.k8s.io/v1alpha2
		kind: ClusterNetworkPolicy
		metadata: {name: adm}
		spec:
		  tier: Admin
		  priority: 10
		  subject: {namespaces: {matchLabels: {team: red}}}
		  ingress:
		    - {name: no-blue, action: Deny, from: [{namespaces: {matchLabels: {team: blue}}}]}
		    - {action: Pass, from: [{namespaces: {}}]}
	EOF
	soon_blocked blue/far tcp red/near 80
	monitor m n1 --policy cnp:adm
	blocked red/near tcp red/server 81
	blocked blue/far tcp red/near 80
	soon_shows m "drop +blue/far:[0-9]+ -> red/near:80/TCP +ingress +policy-ingress +cnp:adm ingress\\[0\\] 'no-blue'$"
	shows_not m red/server
	local node
	for node in n1 n2; do
		run -1 ctl $node policy trace --from blue/far --to red/server:80 -4
		[[ $output == *"admin     said deny"*"denied: ingress of red/server by cnp:adm ingress[0] 'no-blue'" ]]
		run -0 ctl $node policy trace --from red/near --to red/server:80 -4
		[[ $output == *"admin     said pass     cnp:adm ingress[1]"*"network   said allow    red/web ingress[0]"* ]]
		run -0 ctl $node policy get red/server
		[[ $output == *"admin     cnp:adm  (ingress, priority 10)"*"ingress[0] 'no-blue': deny from all pods of namespaces team=blue, everything"*"network   red/web"* ]]
	done
}
