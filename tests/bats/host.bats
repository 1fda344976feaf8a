#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services and the nodes themselves: backends that are processes of a node (host-n1 on n1, host-n2 on
# n2), asked by a machine outside, by pods and by nodes. No pod has ever run when the file begins.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add lab
	host_serve n1 7070
	host_serve n2 7070
	service web 30070 '' n1 n2
	service here 30071 '' n1
	service local 30072 ', externalTrafficPolicy: Local' n1
	wait_until 10 answers host-n1 net tcp n1 30071
	wait_until 10 answers host-n1 net tcp n2 30071
	wait_until 10 answers host-n1 net tcp n1 30072
	wait_until 10 answers 'host-n[12]' n2 tcp n1 30070
}

teardown_file() { end; }

# host_serve NODE PORT...: a process of the node, which says its name.
host_serve() {
	local d
	d=$(node_dir "$1")
	background "$d/serve.pid" "$d/serve.log" "$(node_cgroup "$1")" "$1" "$LNT_PEER" serve "host-$1" "${@:2}"
	wait_until 5 host_listens "$1" "${@: -1}"
}

host_listens() { in_netns "$1" ss -Hlnt "sport = :$2" | grep -q .; }

# service NAME NODEPORT SPEC NODE...: TCP and UDP at one number, to port 7070 of the nodes.
service() {
	local name=$1 node
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: $name, namespace: lab}
		spec: {type: NodePort, ipFamilyPolicy: RequireDualStack$3, ports: [
		  {name: t, port: 70, targetPort: 7070, nodePort: $2},
		  {name: u, port: 70, targetPort: 7070, nodePort: $2, protocol: UDP}]}
	EOF
	for node in "${@:4}"; do
		slice "$name" "$node" IPv4 "$(node_ip4 "$node")"
		slice "$name" "$node" IPv6 "$(node_ip6 "$node")"
	done
}

slice() {
	apply <<-EOF
		apiVersion: discovery.k8s.io/v1
		kind: EndpointSlice
		metadata: {name: $1-$2-${3,,}, namespace: lab, labels: {kubernetes.io/service-name: $1}}
		addressType: $3
		ports: [{name: t, port: 7070, protocol: TCP}, {name: u, port: 7070, protocol: UDP}]
		endpoints: [{addresses: ["$4"], nodeName: $2, conditions: {ready: true}}]
	EOF
}

service_gone() {
	kc -n lab delete service "$1" >/dev/null
	kc -n lab delete endpointslices -l "kubernetes.io/service-name=$1" >/dev/null
}

cluster_ip() { kc -n lab get service "$1" -o "jsonpath={.spec.clusterIPs[$2]}"; }

# answers WHO FROM PROTO TARGET PORT: over both families, and the socket says it was the target.
answers() {
	local family out target
	for family in 4 6; do
		target=$(addr "$4" $family)
		out=$(probe "$2" "$3" "$target" "$5") || fail "$* over IPv$family: $? $out" || return
		[[ $out =~ ^$1\ [^\ ]+\ "$target $5"$ ]] || fail "$* over IPv$family: $out" || return
	done
}

refused() {
	local rc=0
	probe "$@" >/dev/null || rc=$?
	[ $rc = 1 ] || fail "$* is not refused ($rc)"
}

client_seen() { probe "$@" | awk '{ print $2 }'; }

has_to_node() { [ -e "$(echo "$(node_dir "$1")"/bpf/linnet/*/links)/eth0-egress" ]; }
has_no_to_node() { ! has_to_node "$1"; }

@test "from the nodes: ClusterIPs and NodePorts answer before any pod runs" {
	[ -z "$(find "$LNT_DIR"/nodes/*/run/endpoints -type f 2>/dev/null)" ]
	for from in n1 n2; do
		for proto in tcp udp udp-unconnected; do
			for i in 0 1; do
				run -0 probe $from $proto "$(cluster_ip here $i)" 70
				[[ $output = "host-n1 "* ]]
			done
			answers host-n1 $from $proto n1 30071
			answers host-n1 $from $proto n2 30071
		done
	done
}

@test "from outside: the node's own process answers, over TCP and UDP and both families" {
	answers host-n1 net tcp n1 30071
	answers host-n1 net udp n1 30071
	answers host-n1 net udp-unconnected n1 30071
}

@test "from outside: another node's process answers" {
	answers host-n1 net tcp n2 30071
	answers host-n1 net udp n2 30071
}

@test "from outside: all backends get connections, here and elsewhere" {
	for node in n1 n2; do
		[ "$(for _ in $(seq 20); do probe net tcp "$(node_ip4 $node)" 30070; done | awk '{ print $1 }' |
			sort -u | tr '\n' ' ')" = 'host-n1 host-n2 ' ]
	done
}

@test "externalTrafficPolicy Local: the process sees the client, other nodes refuse" {
	for proto in tcp udp; do
		[ "$(client_seen net $proto "$(node_ip4 n1)" 30072)" = "$LNT_OUTSIDE4" ]
		[ "$(client_seen net $proto "$(node_ip6 n1)" 30072)" = "$LNT_OUTSIDE6" ]
		refused net $proto "$(node_ip4 n2)" 30072
		refused net $proto "$(node_ip6 n2)" 30072
	done
}

@test "from outside: a port where no process listens refuses at once, and the target port is no service" {
	service shut 30079 '' n1
	kc -n lab get endpointslices -l kubernetes.io/service-name=shut -o json |
		jq '.items[].ports[].port = 7079' | kc apply -f - >/dev/null
	for proto in tcp udp; do
		wait_until 5 refused net $proto "$(node_ip4 n1)" 30079
		wait_until 5 refused net $proto "$(node_ip6 n1)" 30079
		wait_until 5 refused net $proto "$(node_ip4 n2)" 30079
	done
	service_gone shut
	answers host-n1 net tcp n1 7070
	answers host-n1 net udp n1 7070
}

@test "from pods: at the socket and packet by packet" {
	pod_add n1 lab/client app=client
	pod_add n2 lab/far app=client
	for pod in lab/client lab/far; do
		for proto in tcp udp; do
			answers host-n1 $pod $proto n1 30071
			answers host-n1 $pod $proto n2 30071
			# Outside of the node's cgroup, where no socket hook is.
			answers host-n1 "$(pod_netns $pod)" $proto "$(cluster_ip here 0)" 70
			answers host-n1 "$(pod_netns $pod)" $proto "$(cluster_ip here 1)" 70
			answers host-n1 "$(pod_netns $pod)" $proto n1 30071
			answers host-n1 "$(pod_netns $pod)" $proto n2 30071
		done
	done
	pod_del lab/client
	pod_del lab/far
}

@test "to_node: is there where a backend is the node's own, goes with the last, comes back" {
	has_to_node n1
	has_to_node n2
	service_gone web
	stream_start out net "$(node_ip4 n1)" 30071
	# n2 has none left, and nothing is under way.
	wait_until 30 has_no_to_node n2
	has_to_node n1
	answers host-n1 net tcp n2 30071
	service web 30070 '' n1 n2
	wait_until 5 has_to_node n2
	wait_until 5 answers 'host-n[12]' net tcp n2 30070
	stream_flows out
	stream_end out
}

# How many sweeps the idlest flow of a node has seen.
max_idle() {
	bpftool -j map dump pinned "$(echo "$(node_dir "$1")"/bpf/linnet/*/maps/flows)" |
		jq '[.[].formatted.value.idle] | max'
}

idles_beyond() { [ "$(max_idle "$1")" -gt "$2" ]; }

@test "to_node: established connections go on when their service is gone" {
	stream_start out net "$(node_ip4 n2)" 30070
	stream_start kept net "$(node_ip6 n1)" 30071
	service_gone web
	service_gone here
	service_gone local
	wait_until 5 refused net tcp "$(node_ip4 n1)" 30071
	stream_flows out
	stream_flows kept
	# n1 has no such service any more, and a sweep has passed.
	idle=$(max_idle n1)
	wait_until 30 idles_beyond n1 "$idle"
	has_to_node n1
	stream_flows kept
	stream_end out
	stream_end kept
	service web 30070 '' n1 n2
	service here 30071 '' n1
	service local 30072 ', externalTrafficPolicy: Local' n1
	wait_until 5 answers host-n1 net tcp n1 30071
	wait_until 5 answers host-n1 net udp n2 30071
}

@test "restart: connections go on while the agent is dead and after" {
	stream_start out net "$(node_ip4 n1)" 30071
	stream_start out6 net "$(node_ip6 n1)" 30072
	agent_kill n1
	stream_flows out
	answers host-n1 net tcp n1 30071
	has_to_node n1
	agent_start n1
	has_to_node n1
	stream_flows out
	stream_flows out6
	answers host-n1 net udp n1 30071
	stream_end out
	stream_end out6
}

# --- NodePorts and the node's own sockets ---------------------------------------------------------

# bind_at PLACE PROTO ADDR PORT: "bound", or the error's name. ADDR "only ::": without IPv4.
bind_at() {
	in_place "$1" /usr/bin/python3 - "${@:2}" <<-'EOF'
		import errno, socket, sys
		proto, addr, port = sys.argv[1], sys.argv[2].removeprefix("only "), int(sys.argv[3])
		s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
		                  socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
		if s.family == socket.AF_INET6:
		    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, "only" in sys.argv[2])
		try:
		    s.bind((addr, port))
		    print("bound")
		except OSError as e:
		    print(errno.errorcode[e.errno])
	EOF
}

binds() {
	local got
	got=$(bind_at "${@:2}")
	[ "$got" = "$1" ] || fail "${*:2}: $got"
}

@test "NodePort at localhost: the node's own clients reach it at 127.0.0.1, and nobody else" {
	for proto in tcp udp udp-unconnected; do
		run -0 probe n1 $proto 127.0.0.1 30071
		[ "$output" = "host-n1 $(node_ip4 n1) 127.0.0.1 30071" ]
		run -0 probe n2 $proto 127.0.0.1 30071
		[[ $output = "host-n1 "*" 127.0.0.1 30071" ]]
	done
	refused n1 tcp 127.0.0.1 30099
	refused n1 tcp ::1 30071
	# A pod's loopback is the pod's.
	pod_add n1 lab/client app=client
	refused lab/client tcp 127.0.0.1 30071
	refused lab/client udp 127.0.0.1 30071
	pod_serve lab/client 30071
	run -0 probe lab/client tcp 127.0.0.1 30071
	[[ $output = "lab/client "* ]]
	pod_del lab/client
}

@test "NodePort: a process of the node cannot bind it where it is served" {
	for proto in tcp udp; do
		for addr in 0.0.0.0 127.0.0.1 :: 'only ::' "::ffff:$(node_ip4 n1)" "$(node_ip4 n1)" "$(node_ip6 n1)"; do
			binds EADDRINUSE n1 $proto "$addr" 30071
		done
		# Not served at these addresses, ports and places.
		binds bound n1 $proto 127.0.0.2 30071
		binds bound n1 $proto ::1 30071
		binds bound n1 $proto 0.0.0.0 30099
		binds bound n1 $proto 0.0.0.0 0
		binds bound n1 $proto :: 0
		binds bound n1 $proto 0.0.0.0 70
	done
	pod_add n1 lab/client app=client
	binds bound lab/client tcp 0.0.0.0 30071
	binds bound lab/client udp :: 30071
	pod_del lab/client
}

@test "NodePort: one protocol of it, one family of it, and what is gone can be bound" {
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: tcp4, namespace: lab}
		spec: {type: NodePort, ipFamilies: [IPv4], ports: [{port: 70, nodePort: 30075}]}
	EOF
	wait_until 5 binds EADDRINUSE n1 tcp 0.0.0.0 30075
	binds EADDRINUSE n1 tcp "$(node_ip4 n1)" 30075
	binds bound n1 tcp "$(node_ip6 n1)" 30075
	binds bound n1 udp 0.0.0.0 30075
	agent_kill n1
	binds EADDRINUSE n1 tcp 0.0.0.0 30075
	agent_start n1
	binds EADDRINUSE n1 tcp 0.0.0.0 30075
	kc -n lab delete service tcp4 >/dev/null
	wait_until 5 binds bound n1 tcp 0.0.0.0 30075
	wait_until 5 binds bound n1 tcp "$(node_ip4 n1)" 30075
}

metric() {
	in_netns n1 curl -sS --noproxy '*' http://127.0.0.1:9880/metrics | awk -v m="$1" 'index($0, m) == 1 { print $NF }'
}

metric_is() { [ "$(metric "$1")" = "$2" ] || fail "$1 $(metric "$1")"; }

@test "NodePort: a process that has it already is told about, and the service answers from outside" {
	local taken='linnet_notices{kind="Service",reason="NodePortTaken"}'
	host_listens n1 7070
	background "$LNT_DIR/squatter.pid" "$LNT_DIR/squatter.log" "$(node_cgroup n1)" n1 \
		"$LNT_PEER" serve squatter 30076
	wait_until 5 host_listens n1 30076
	run -0 probe net tcp "$(node_ip4 n1)" 30076
	[[ $output = "squatter "* ]]
	metric_is "$taken" 0
	service late 30076 '' n1
	wait_until 5 answers host-n1 net tcp n1 30076
	wait_until 5 answers host-n1 net udp n1 30076
	grep -q "Service lab/late: process $(<"$LNT_DIR/squatter.pid") (peer) has bound nodePort 30076/TCP" \
		"$(node_dir n1)/agent.log"
	metric_is "$taken" "$(in_netns n1 ss -Hlntu 'sport = :30076' | wc -l)"
	end_process "$LNT_DIR/squatter.pid" KILL
	wait_until 30 metric_is "$taken" 0
	service_gone late
}

# --- the API server without its Service -----------------------------------------------------------

@test "API server: the agent reaches it by an address of its own, IPv4, IPv6 or a name" {
	local host seen
	for host in fd31::1 kubernetes.default.svc 172.31.0.1; do
		seen=$([ $host = fd31::1 ] && echo '[fd31::1]' || echo 172.31.0.1)
		agent_stop n1
		agent_in_cluster n1 --kubernetes-service-host "$host" --kubernetes-service-port 6443
		agent_wait n1
		in_netns n1 ss -Htnp state established '( dport = :6443 )' | grep -F "pid=$(agent_pid n1)," |
			grep -qF "$seen:6443"
		answers host-n1 net tcp n1 30071
	done
	agent_stop n1
	run -1 in_node n1 "$LNT_BUILD/linnetd" --node-name n1 --kubernetes-service-host https://172.31.0.1 \
		--run-dir "$(node_dir n1)/run" --bpf-root "$(node_dir n1)/bpf"
	[[ $output = *"'https://172.31.0.1' is no name and no address"* ]]
	run -2 "$LNT_BUILD/linnetd" --kubeconfig /nowhere --kubernetes-service-host 172.31.0.1
	[[ $output = *'names its own API server'* ]]
	agent_in_cluster n1
	wait_until 10 grep -q '192.0.2.1' "$(node_dir n1)/agent.log"
	agent_kill n1
	agent_start n1
}

@test "cleanup: takes to_node away" {
	agent_stop n2
	has_to_node n2
	agent_cleanup n2
	[ -z "$(in_netns n2 tc filter show dev eth0 egress)" ]
	lacks 'to_node|from_node' in_netns n2 bpftool net show dev eth0
	run -1 probe net tcp "$(node_ip4 n2)" 30070
	agent_start n2
	wait_until 5 answers 'host-n[12]' net tcp n2 30070
}
