#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ClusterIP Services on real sockets: lab/one (n1) and lab/two (n2) behind lab/web, asked by
# lab/client (n1), lab/far (n2), and by the nodes themselves.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add lab
	pod_create n1 lab/one app=web
	pod_run lab/one 8080 8081
	pod_create n2 lab/two app=web
	pod_run lab/two 8080 8081
	pod_add n1 lab/client app=client
	pod_add n2 lab/far app=client
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports:
		    - {name: http, port: 80, targetPort: 8080}
		    - {name: dns, port: 53, targetPort: 8081, protocol: UDP}
	EOF
	VIP4=$(service_ip web 0)
	VIP6=$(service_ip web 1)
	export VIP4 VIP6
	wait_until 10 is_served lab/client tcp "$VIP4" 80
	wait_until 10 is_served lab/far tcp "$VIP6" 80
}

teardown_file() { end; }

service_ip() { kc -n lab get service "$1" -o "jsonpath={.spec.clusterIPs[$2]}"; }

# is_served FROM PROTO VIP PORT: one of the backends answers; the socket says it was the Service.
is_served() {
	local out
	out=$(probe "$@") || fail "$* ($?)" || return
	[[ $out =~ ^lab/(one|two)\ [^\ ]+\ "$3 $4"$ ]] || fail "$*: $out"
}

# served_by FROM PROTO VIP PORT: the backends that answer twenty times, one a line.
served_by() {
	for _ in $(seq 20); do
		probe "$@"
	done | awk '{ print $1 }' | sort -u
}

only_from() { [ "$(served_by "${@:2}")" = "$1" ]; }

@test "TCP: the Service answers pods and nodes, on both families" {
	for from in lab/client lab/far n1 n2; do
		is_served $from tcp "$VIP4" 80
		is_served $from tcp "$VIP6" 80
	done
}

@test "UDP: the Service answers pods and nodes, on both families" {
	for from in lab/client lab/far n1 n2; do
		is_served $from udp "$VIP4" 53
		is_served $from udp "$VIP6" 53
	done
}

@test "getpeername: a connected socket shows the Service, not the backend" {
	for vip in "$VIP4" "$VIP6"; do
		run -0 probe lab/client tcp "$vip" 80
		[ "${output#* * }" = "$vip 80" ]
		run -0 probe lab/client udp "$vip" 53
		[ "${output#* * }" = "$vip 53" ]
	done
}

@test "unconnected UDP: answers come from the Service, on both families" {
	for from in lab/client lab/far n1; do
		is_served $from udp-unconnected "$VIP4" 53
		is_served $from udp-unconnected "$VIP6" 53
	done
}

@test "source: a backend sees the client's own address" {
	run -0 probe lab/client tcp "$VIP4" 80
	[[ $output == lab/*" $(pod_ip lab/client 4) "* ]]
	run -0 probe lab/far tcp "$VIP6" 80
	[[ $output == lab/*" $(pod_ip lab/far 6) "* ]]
}

@test "spread: both backends get connections" {
	for from in lab/client lab/far n1; do
		[ "$(served_by $from tcp "$VIP4" 80 | tr '\n' ' ')" = 'lab/one lab/two ' ]
		[ "$(served_by $from udp "$VIP6" 53 | tr '\n' ' ')" = 'lab/one lab/two ' ]
	done
}

@test "hairpin: a backend reaches its own Service" {
	is_served lab/one tcp "$VIP4" 80
	is_served lab/two udp "$VIP6" 53
	[ "$(served_by lab/one tcp "$VIP4" 80 | tr '\n' ' ')" = 'lab/one lab/two ' ]
}

@test "other ports: a port or protocol that the Service has not is not served" {
	run ! probe lab/client tcp "$VIP4" 8080 300
	run ! probe lab/client tcp "$VIP4" 53 300
	run ! probe lab/client udp "$VIP6" 80 300
}

@test "no endpoints: is refused at once" {
	local vip proto start
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: empty, namespace: lab}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: nobody}
		  ports: [{name: t, port: 80}, {name: u, port: 80, protocol: UDP}]
	EOF
	for vip in "$(service_ip empty 0)" "$(service_ip empty 1)"; do
		for proto in tcp udp udp-unconnected; do
			wait_until 5 refused lab/client $proto "$vip" 80
			start=$(now_us)
			refused lab/far $proto "$vip" 80
			[ $(($(now_us) - start)) -lt 300000 ]
		done
	done
	kc -n lab delete service empty
}

refused() {
	local rc=0
	probe "$@" || rc=$?
	[ $rc = 1 ]
}

@test "readiness: a pod that is not ready gets no new connections until it is" {
	pod_ready lab/one False
	for from in lab/client lab/far; do
		wait_until 5 only_from lab/two $from tcp "$VIP4" 80
		wait_until 5 only_from lab/two $from udp "$VIP6" 53
	done
	pod_ready lab/two False
	wait_until 5 refused lab/client tcp "$VIP4" 80
	wait_until 5 refused lab/far udp "$VIP6" 53
	pod_ready lab/one True
	wait_until 5 only_from lab/one lab/client tcp "$VIP6" 80
	pod_ready lab/two True
	wait_until 5 only_from $'lab/one\nlab/two' lab/client tcp "$VIP4" 80
}

@test "new backend: joins, and leaves when it is deleted" {
	pod_create n1 lab/three app=web
	pod_run lab/three 8080 8081
	wait_until 5 has_backend lab/three
	pod_del lab/three
	wait_until 5 lacks lab/three served_by lab/client tcp "$VIP4" 80
	is_served lab/client tcp "$VIP4" 80
}

has_backend() { served_by lab/client tcp "$VIP4" 80 | grep -qx "$1"; }

@test "established connections: stay with their backend while others come and go" {
	stream_start kept lab/client "$VIP4" 80
	pod_create n1 lab/three app=web
	pod_run lab/three 8080 8081
	wait_until 5 has_backend lab/three
	stream_flows kept
	pod_del lab/three
	stream_flows kept
	stream_end kept
}

@test "named target port: follows the container's port" {
	kc -n lab patch service web --type=merge -p \
		'{"spec":{"ports":[{"name":"http","port":80,"targetPort":8081},{"name":"dns","port":53,"protocol":"UDP","targetPort":8081}]}}'
	wait_until 5 backend_port_is 8081
	is_served lab/client tcp "$VIP4" 80
	kc -n lab patch service web --type=merge -p \
		'{"spec":{"ports":[{"name":"http","port":80,"targetPort":8080},{"name":"dns","port":53,"protocol":"UDP","targetPort":8081}]}}'
	wait_until 5 backend_port_is 8080
	is_served lab/client tcp "$VIP4" 80
}

backend_port_is() {
	kc -n lab get endpointslices -l kubernetes.io/service-name=web -o json |
		jq -e --argjson p "$1" 'all(.items[].ports[] | select(.name == "http"); .port == $p)' >/dev/null
}

@test "policy: is asked for the backend behind the Service" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: far-only, namespace: lab}
		spec:
		  podSelector: {matchLabels: {app: web}}
		  ingress: [{from: [{podSelector: {matchLabels: {side: far}}}], ports: [{port: 8080}]}]
	EOF
	kc -n lab label pod far side=far
	wait_until 5 silent lab/client tcp "$VIP4" 80
	wait_until 5 silent lab/client tcp "$VIP6" 80
	wait_until 5 is_served lab/far tcp "$VIP4" 80
	wait_until 5 is_served lab/far tcp "$VIP6" 80
	kc -n lab label pod far side-
	no_policies
	wait_until 5 is_served lab/client tcp "$VIP4" 80
}

silent() {
	local rc=0
	probe "$@" 400 || rc=$?
	[ $rc = 2 ]
}

@test "external and balancer addresses: pods and nodes reach them, and what is no longer one is not" {
	local from ip
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: outer, namespace: lab}
		spec:
		  type: LoadBalancer
		  selector: {app: web}
		  externalIPs: [198.51.100.1]
		  loadBalancerSourceRanges: [192.0.2.0/24]
		  ports: [{port: 80, targetPort: 8080}]
	EOF
	balancer '{"ip":"198.51.100.7"},{"ip":"198.51.100.8","ipMode":"Proxy"}'
	for from in lab/client lab/far n1; do
		for ip in 198.51.100.1 198.51.100.7; do
			wait_until 5 is_served $from tcp $ip 80
		done
		not_served $from tcp 198.51.100.8 80
	done
	balancer '{"ip":"198.51.100.8"}'
	wait_until 5 is_served lab/client tcp 198.51.100.8 80
	not_served lab/client tcp 198.51.100.7 80
	kc -n lab delete service outer
	wait_until 5 not_served lab/client tcp 198.51.100.1 80
}

# balancer INGRESS: what the cloud says of Service outer.
balancer() {
	api PATCH /api/v1/namespaces/lab/services/outer/status \
		"{\"status\":{\"loadBalancer\":{\"ingress\":[$1]}}}" >/dev/null
}

@test "internalTrafficPolicy Local: this node's backends or none" {
	kc -n lab patch service web --type=merge -p '{"spec":{"internalTrafficPolicy":"Local"}}'
	wait_until 5 only_from lab/one lab/client tcp "$VIP4" 80
	wait_until 5 only_from lab/two lab/far tcp "$VIP6" 80
	pod_ready lab/one False
	wait_until 5 refused lab/client tcp "$VIP4" 80
	is_served lab/far tcp "$VIP4" 80
	pod_ready lab/one True
	kc -n lab patch service web --type=merge -p '{"spec":{"internalTrafficPolicy":"Cluster"}}'
	wait_until 5 only_from $'lab/one\nlab/two' lab/client tcp "$VIP4" 80
}

# kept_by FROM PROTO VIP PORT: the one backend that answers twenty times; nothing when there are more.
kept_by() {
	local out
	out=$(served_by "$@")
	[[ -n $out && $out != *$'\n'* ]] && echo "$out"
}

@test "sessionAffinity: a client keeps its backend until that is gone" {
	local kept other
	kc -n lab patch service web --type=merge -p '{"spec":{"sessionAffinity":"ClientIP"}}'
	wait_until 5 kept_by lab/client tcp "$VIP4" 80
	kept=$(kept_by lab/client tcp "$VIP4" 80)
	other=$([ "$kept" = lab/one ] && echo lab/two || echo lab/one)
	pod_ready "$kept" False
	wait_until 5 only_from "$other" lab/client tcp "$VIP4" 80
	pod_ready "$kept" True
	wait_until 5 only_from "$other" lab/client tcp "$VIP4" 80
	kc -n lab patch service web --type=merge -p '{"spec":{"sessionAffinity":"None"}}'
	wait_until 5 only_from $'lab/one\nlab/two' lab/client tcp "$VIP4" 80
}

@test "deletion: a Service that is gone answers no more, and its address can be used again" {
	local vip
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: brief, namespace: lab}
		spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
	EOF
	vip=$(service_ip brief 0)
	wait_until 5 is_served lab/client tcp "$vip" 80
	kc -n lab delete service brief
	wait_until 5 not_served lab/client tcp "$vip" 80
}

not_served() { ! probe "$@" 300; }

@test "many Services: a thousand at once, and the last one answers" {
	jq -nc '[range(1000) | {apiVersion: "v1", kind: "Service", metadata: {name: "many-\(.)", namespace: "lab"},
		spec: {selector: {app: "web"}, ports: [{port: 80, targetPort: 8080}]}}]' >"$LNT_DIR/many.json"
	api POST /double/bulk "@$LNT_DIR/many.json" >/dev/null
	wait_until 30 is_served lab/client tcp "$(service_ip many-999 0)" 80
	wait_until 30 is_served lab/far tcp "$(service_ip many-0 0)" 80
	is_served lab/far tcp "$VIP4" 80
}
