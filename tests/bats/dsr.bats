#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Direct server return: a machine outside asks n1, the pod lab/two on n2 serves and answers by itself.
load ../lib/bats

EXTERNAL4=198.51.100.50
EXTERNAL6=2001:db8:51::50

setup_file() {
	begin 2
	namespace_add lab
	pod_create n2 lab/two app=web
	pod_run lab/two 8080 8081
	background "$(pod_dir lab/two)/iperf.pid" "$(pod_dir lab/two)/iperf.log" "" \
		"$(pod_netns lab/two)" iperf3 --server --port 5201
	service_apply dsr
	external_route via
	wait_until 10 is_served net tcp "$(node_ip4 n1)" 30080
	wait_until 10 is_served net tcp "$(node_ip6 n1)" 30080
}

teardown_file() {
	external_route del
	end
}

# The services of the file, with MODE as annotation: all ports of the one pod.
service_apply() {
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab, annotations: {linnet.io/forwarding-mode: $1}}
		spec:
		  type: LoadBalancer
		  ipFamilyPolicy: RequireDualStack
		  externalIPs: [$EXTERNAL4, '$EXTERNAL6']
		  loadBalancerSourceRanges: [203.0.113.0/30, '2001:db8:113::/124']
		  selector: {app: web}
		  ports:
		    - {name: http, port: 80, targetPort: 8080, nodePort: 30080}
		    - {name: dns, port: 53, targetPort: 8081, protocol: UDP, nodePort: 30053}
		    - {name: iperf, port: 5201, targetPort: 5201, nodePort: 30201}
		    - {name: iperf-udp, port: 5201, targetPort: 5201, protocol: UDP, nodePort: 30201}
	EOF
}

# The network outside sends what is for the external addresses, and the balancer's, to n1.
external_route() {
	local to
	for to in "$EXTERNAL4" 198.51.100.60; do
		route_of net "$1" "$to" 203.0.113.1
		route_of sw "$1" "$to" "$(node_ip4 n1)"
	done
	route_of net "$1" $EXTERNAL6 2001:db8:113::1
	route_of sw "$1" $EXTERNAL6 "$(node_ip6 n1)"
}

route_of() {
	if [ "$2" = del ]; then
		ip -n "$LNT_PREFIX$1" route del "$3"
	else
		ip -n "$LNT_PREFIX$1" route replace "$3" via "$4"
	fi
}

is_served() {
	local out
	out=$(probe "$@") || fail "$* ($?)" || return
	[[ $out =~ ^lab/two\  ]] || fail "$*: $out"
}

not_served() { ! probe "$@"; }

# client_is ADDRESS PROTO ADDR PORT: whom the pod saw when net asked.
client_is() {
	local out
	out=$(probe net "${@:2}") || fail "$* ($?)" || return
	[ "$(awk '{ print $2 }' <<<"$out")" = "$1" ] || fail "$*: $out"
}

# modes MODE: new connections are of it, by both protocols and families.
is_mode() {
	local seen4=$LNT_OUTSIDE4 seen6=$LNT_OUTSIDE6
	[ "$1" = dsr ] || seen4=$(node_ip4 n1) seen6=$(node_ip6 n1)
	client_is "$seen4" tcp "$(node_ip4 n1)" 30080 && client_is "$seen4" udp "$(node_ip4 n1)" 30053 &&
		client_is "$seen6" tcp "$(node_ip6 n1)" 30080 && client_is "$seen6" udp "$(node_ip6 n1)" 30053
}

@test "NodePort: the pod on another node sees the client's own address, over TCP and UDP" {
	is_mode dsr
}

@test "external address: the pod sees the client's own address" {
	client_is $LNT_OUTSIDE4 tcp $EXTERNAL4 80
	client_is $LNT_OUTSIDE4 udp $EXTERNAL4 53
	client_is $LNT_OUTSIDE6 tcp $EXTERNAL6 80
	client_is $LNT_OUTSIDE6 udp $EXTERNAL6 53
}

@test "answers: do not come by the node that was asked" {
	local from4 from6
	from4=$(pod_ip lab/two 4) from6=$(pod_ip lab/two 6)
	capture_start by-n1 n1 "src host $from4 or src host $from6 or src port 30080 or src port 30053"
	for _ in 1 2 3; do
		is_mode dsr
	done
	service_apply snat
	wait_until 5 is_mode snat
	wait_until 5 captured by-n1 "$from4.8080 > $(node_ip4 n1)"
	wait_until 5 captured by-n1 "$from6.8081 > $(node_ip6 n1)"
	lacks "($LNT_OUTSIDE4|$LNT_OUTSIDE6)\.[0-9]+:" cat "$LNT_DIR/by-n1.cap"
	end_process "$LNT_DIR/by-n1.pid" TERM
	service_apply dsr
	wait_until 5 is_mode dsr
}

@test "balancer's address: source ranges hold" {
	api PATCH /api/v1/namespaces/lab/services/web/status \
		'{"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.60"}]}}}' >/dev/null
	wait_until 5 not_served net tcp 198.51.100.60 80
	kc -n lab patch service web --type merge \
		-p '{"spec": {"loadBalancerSourceRanges": ["203.0.113.0/28"]}}' >/dev/null
	wait_until 5 client_is $LNT_OUTSIDE4 tcp 198.51.100.60 80
	api PATCH /api/v1/namespaces/lab/services/web/status '{"status": {"loadBalancer": {"ingress": []}}}' >/dev/null
}

@test "policy: is asked at the pod's node" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: closed, namespace: lab}
		spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
	EOF
	wait_until 5 not_served net tcp "$(node_ip4 n1)" 30080
	not_served net udp "$(node_ip6 n1)" 30053
	no_policies
	wait_until 5 is_mode dsr
}

@test "refusals: a port of the service that the pod does not listen on" {
	end_process "$(pod_dir lab/two)/iperf.pid" TERM
	run -1 probe net tcp "$(node_ip4 n1)" 30201
	run -1 probe net tcp "$(node_ip6 n1)" 30201
	run -1 probe net udp "$(node_ip4 n1)" 30201
	run -1 probe net udp "$(node_ip6 n1)" 30201
	background "$(pod_dir lab/two)/iperf.pid" "$(pod_dir lab/two)/iperf.log" "" \
		"$(pod_netns lab/two)" iperf3 --server --port 5201
	wait_until 5 pod_listens lab/two 5201
}

# transfer ADDRESS [OPTION...]: through the service, in bytes received.
transfer() {
	in_netns net timeout 60 iperf3 --client "$1" --port 30201 --json "${@:2}" |
		jq -e '.end.sum_received.bytes // .end.sum.bytes'
}

@test "large transfers: both ways, over TCP, and datagrams that have no room for an option" {
	for to in "$(node_ip4 n1)" "$(node_ip6 n1)"; do
		[ "$(transfer "$to" --bytes 100M)" -ge 90000000 ]
		[ "$(transfer "$to" --bytes 100M --reverse)" -ge 90000000 ]
	done
	[ "$(transfer "$(node_ip4 n1)" --udp --bitrate 20M --bytes 2M --length 1472)" -ge 1800000 ]
	[ "$(transfer "$(node_ip6 n1)" --udp --bitrate 20M --bytes 2M --length 1452)" -ge 1800000 ]
}

@test "kill -9 of both agents: connections go on and new ones work" {
	stream_start out net "$(node_ip4 n1)" 30080
	stream_start out6 net "$(node_ip6 n1)" 30080
	agent_kill n1
	agent_kill n2
	stream_flows out
	stream_flows out6
	is_mode dsr
	agent_start n1
	agent_start n2
	stream_flows out
	stream_flows out6
	is_mode dsr
	stream_end out
	stream_end out6
}

@test "mode: a change is for new connections, the old ones go on" {
	stream_start first net "$(node_ip4 n1)" 30080
	service_apply snat
	wait_until 5 is_mode snat
	stream_flows first
	stream_start second net "$(node_ip4 n1)" 30080
	service_apply dsr
	wait_until 5 is_mode dsr
	stream_flows first
	stream_flows second
	stream_end first
	stream_end second
}

@test "mode: a value that is none is said, and the agent's option counts" {
	service_apply direct
	wait_until 5 grep -q "lab/web.*linnet.io/forwarding-mode 'direct' is neither" "$(node_dir n1)/agent.log"
	wait_until 5 is_mode snat
	for n in n1 n2; do
		agent_stop $n
		LNT_AGENT_FLAGS="--loadbalancer-mode dsr" agent_start $n
	done
	wait_until 5 is_mode dsr
	service_apply snat
	wait_until 5 is_mode snat
	service_apply dsr
	for n in n1 n2; do
		agent_stop $n
		agent_start $n
	done
	wait_until 5 is_mode dsr
}
