#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Agents that die, restart and lose the API server, under traffic: lab/client and lab/near live on
# n1, lab/server and lab/shut, which nobody may reach, on n2.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add lab
	pod_add n1 lab/client app=client
	pod_add n1 lab/near app=near
	pod_add n2 lab/server app=server
	pod_add n2 lab/shut app=shut
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
	VIP=$(kc -n lab get service server -o 'jsonpath={.spec.clusterIP}')
	export VIP
	wait_until 10 served
	soon_blocked lab/client tcp lab/shut 80
}

teardown_file() { end; }

setup() { both agent_ensure; }

served() { probe lab/client tcp "$VIP" 80; }

both() {
	"$1" n1
	"$1" n2
}

agent_ensure() { is_alive "$(node_dir "$1")/agent.pid" || agent_start "$1"; }

# All that worked works, and all that was shut is shut.
all_as_before() {
	reaches lab/client tcp lab/server 80
	reaches lab/client udp lab/server 80
	reaches lab/client tcp lab/near 80
	reaches n1 tcp lab/client 80
	served
	blocked lab/client tcp lab/shut 80
	blocked lab/near udp lab/shut 80
}

# The programs, maps and links that stay: with their ids, and what the agent has put into them.
pinned_state() {
	local root=$LNT_DIR/nodes/$1/bpf/linnet f
	for f in "$root"/*/maps/*; do
		bpftool -j map show pinned "$f" | jq -c '[.id, .type, .max_entries]'
	done
	for f in "$root"/*/links/*; do
		bpftool -j link show pinned "$f" | jq -c '[.id, .type, .ifindex?]'
	done
	for f in endpoints devices peers cidrs policy services backends; do
		echo "$f"
		bpftool -j map dump pinned "$(echo "$root"/*/maps/$f)" | jq -c '[.[] | [.key, .value // .values]] | sort[]'
	done
}

streams_start() {
	stream_start cross lab/client "$(pod_ip lab/server 4)" 80
	stream_start cross6 lab/client "$(pod_ip lab/server 6)" 80
	stream_start near lab/near "$(pod_ip lab/client 4)" 80
	stream_start vip lab/client "$VIP" 80
}

# None broke, and no answer took longer than a retransmission does.
streams_end() {
	local s
	for s in cross cross6 near vip; do
		stream_flows $s
		[ "$(stream_longest $s)" -lt 200 ] || fail "stream $s stood still for $(stream_longest $s) ms"
		stream_end $s
	done
}

@test "kill -9: established connections go on without a gap, new ones work, policy holds" {
	streams_start
	both agent_kill
	all_as_before
	streams_end
}

@test "restart: interrupts no connection" {
	local i
	streams_start
	for i in 1 2 3; do
		both agent_kill
		both agent_start
	done
	all_as_before
	streams_end
	echo "$i restarts"
}

@test "restart: changes nothing that is pinned" {
	local n
	for n in n1 n2; do
		pinned_state $n >"$LNT_DIR/$n.before"
		grep -q . "$LNT_DIR/$n.before"
		agent_kill $n
		agent_start $n
		pinned_state $n >"$LNT_DIR/$n.after"
		diff "$LNT_DIR/$n.before" "$LNT_DIR/$n.after"
	done
}

@test "SIGTERM: leaves pods connected" {
	streams_start
	both agent_stop
	all_as_before
	streams_end
}

# As another version has it: its own folder. What it has pinned is not of this one.
becomes_older() {
	local root=$LNT_DIR/nodes/$1/bpf/linnet dir
	dir=$(echo "$root"/v*)
	mv "$dir" "$root/v$((${dir##*/v} - 1))"
}

# Programs at the node's device and the cgroup, by name.
attached() {
	in_netns "$1" bpftool -j net show dev eth0 | jq -r '.[].tc[].name'
	bpftool -j cgroup show "$(node_cgroup "$1")" | jq -r '.[].name'
}

attaches() { attached "$1" | grep -qx "$2"; }

# ids NODE KIND: of the links or maps that are pinned, by name.
ids() {
	local f
	for f in "$LNT_DIR/nodes/$1"/bpf/linnet/v*/"$2"s/*; do
		echo "${f##*/} $(bpftool -j "$2" show pinned "$f" | jq .id)"
	done
}

@test "upgrade: from a version with other maps no connection breaks, and nothing of it stays" {
	local n before links flows
	# A backend that is the node itself: to_node is there for its answers.
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: itself, namespace: lab}
		spec: {type: NodePort, ports: [{port: 80, targetPort: 7000}]}
		---
		apiVersion: discovery.k8s.io/v1
		kind: EndpointSlice
		metadata: {name: itself-1, namespace: lab, labels: {kubernetes.io/service-name: itself}}
		addressType: IPv4
		ports: [{port: 7000}]
		endpoints: [{addresses: [172.31.0.11], conditions: {ready: true}}]
	EOF
	wait_until 5 attaches n1 to_node
	before=$(attached n1)
	links=$(ids n1 link)
	flows=$(ids n1 map | grep -E '^(flows|state) ')
	streams_start
	for n in n1 n2; do
		agent_stop $n
		becomes_older $n
		agent_start $n
		[ "$(ls "$LNT_DIR/nodes/$n/bpf/linnet" | wc -l)" = 1 ]
	done
	streams_end
	all_as_before
	diff <(echo "$before") <(attached n1)
	diff <(echo "$links") <(ids n1 link)
	diff <(echo "$flows") <(ids n1 map | grep -E '^(flows|state) ')
	[ "$(ids n1 map | grep -c .)" -gt 10 ]
}

@test "dead agent: a pod can still be removed, and its record goes when the agent returns" {
	pod_add n1 lab/leaving
	agent_kill n1
	pod_del lab/leaving
	agent_start n1
	reaches lab/client tcp lab/near 80
	run -0 pinned_state n1
	[ "$(bpftool -j map dump pinned "$(echo "$LNT_DIR"/nodes/n1/bpf/linnet/*/maps/endpoints)" | jq length)" = 4 ]
}

@test "dead agent: policies and labels changed meanwhile are in force after the restart" {
	agent_kill n2
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: server, namespace: lab}
		spec: {podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress]}
	EOF
	kc -n lab label --overwrite pod shut app=open
	reaches lab/client tcp lab/server 80
	blocked lab/client tcp lab/shut 80
	agent_start n2
	soon_blocked lab/client tcp lab/server 80
	soon_reaches lab/client tcp lab/shut 80
	kc -n lab label --overwrite pod shut app=shut
	kc -n lab delete networkpolicy server
	soon_reaches lab/client tcp lab/server 80
	soon_blocked lab/client tcp lab/shut 80
}

@test "dead agent: endpoints changed meanwhile are served after the restart" {
	agent_kill n1
	pod_ready lab/server False
	agent_start n1
	wait_until 5 refused
	pod_ready lab/server True
	wait_until 5 served
}

refused() {
	local rc=0
	served || rc=$?
	[ $rc = 1 ]
}

# The API server cannot be reached: nothing more comes from it but resets, on connections that stand
# as well.
api_away() {
	in_netns sw nft -f - <<-EOF
		table inet away {
			chain input {
				type filter hook input priority 0
				iifname "br0" tcp dport 6443 reject with tcp reset
			}
			chain output {
				type filter hook output priority 0
				oifname "br0" tcp sport 6443 tcp flags & rst == 0 drop
			}
		}
	EOF
}

api_back() { in_netns sw nft delete table inet away; }

@test "API server away: traffic and policy go on, also when the agent restarts meanwhile" {
	streams_start
	api_away
	all_as_before
	both agent_kill
	both agent_spawn
	wait_until 10 agents_say 'API server'
	all_as_before
	streams_end
	api_back
	both agent_wait
	all_as_before
}

agents_say() {
	local n
	for n in n1 n2; do
		is_alive "$(node_dir $n)/agent.pid" && tail -n 20 "$(node_dir $n)/agent.log" | grep -q "$1" || return
	done
}

@test "API server back: what changed meanwhile is in force" {
	api_away
	apply_unseen
	reaches lab/client tcp lab/server 80
	api_back
	wait_until 30 blocked lab/client tcp lab/server 80
	kc -n lab delete networkpolicy unseen
	soon_reaches lab/client tcp lab/server 80
}

# kubectl is on the API server's own machine and is not cut off: its packets do not come over br0.
apply_unseen() {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: unseen, namespace: lab}
		spec: {podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress]}
	EOF
}

@test "silent API server: an agent that hears nothing keeps what is programmed" {
	kill -STOP "$(<"$LNT_DIR/api.pid")"
	both agent_kill
	both agent_spawn
	all_as_before
	kill -CONT "$(<"$LNT_DIR/api.pid")"
	both agent_wait
	all_as_before
}

@test "impatient clients: an agent survives plugins that are gone before its answer" {
	local pid
	pid=$(agent_pid n1)
	kill -STOP "$pid"
	/usr/bin/python3 - "$(node_dir n1)/run/cni.sock" <<-'EOF'
		import socket, sys

		for request in (b'{"op":"status"}\n', b'{"op":"status"', b'', b'garbage\n', b'{}\n'):
		    client = socket.socket(socket.AF_UNIX)
		    client.connect(sys.argv[1])
		    client.send(request)
		    client.close()
	EOF
	kill -CONT "$pid"
	wait_until 5 agent_answers n1
	[ "$(agent_pid n1)" = "$pid" ]
	is_alive "$(node_dir n1)/agent.pid"
}
