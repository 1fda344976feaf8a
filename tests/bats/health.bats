#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What linnetd serves over HTTP, asked as load balancers, scrapers and kubelets ask: lab/one (n1)
# behind the LoadBalancer lab/web with externalTrafficPolicy Local; lab/two (n2) joins and leaves.
load ../lib/bats

PORT=31000

setup_file() {
	begin 2
	namespace_add lab
	pod_create n1 lab/one app=web
	pod_run lab/one 8080
	pod_create n2 lab/two app=other
	pod_run lab/two 8080
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  type: LoadBalancer
		  externalTrafficPolicy: Local
		  healthCheckNodePort: $PORT
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports: [{name: http, port: 80, targetPort: 8080}, {name: alt, port: 81, targetPort: 8080}]
	EOF
	wait_until 10 healthy net n1
	wait_until 10 unhealthy net n2
}

teardown_file() { end; }

# get FROM ADDRESS:PORT/PATH [curl's options]: the status; head and body are in $LNT_DIR/head, body.
get() {
	local from=$1 url=$2
	shift 2
	in_place "$from" curl -s --noproxy '*' -m 5 -D "$LNT_DIR/head" -o "$LNT_DIR/body" -w '%{http_code}' \
		"$@" "http://$url"
}

status_is() { # status_is STATUS FROM URL [OPTION...]
	local status
	status=$(get "${@:2}") || fail "curl $? from $2 to $3" || return
	[ "$status" = "$1" ] || fail "$2 to $3: $status, $(<"$LNT_DIR/body")"
}

head_has() { grep -qix "$1"$'\r' "$LNT_DIR/head" || fail "no '$1' in: $(<"$LNT_DIR/head")"; }
body_is() { jq -e "$1" "$LNT_DIR/body" >/dev/null || fail "not $1: $(<"$LNT_DIR/body")"; }

# Both addresses of a node say so.
check_is() { # check_is STATUS FROM NODE [PORT]
	status_is "$1" "$2" "$(node_ip4 "$3"):${4:-$PORT}/" &&
		status_is "$1" "$2" "[$(node_ip6 "$3")]:${4:-$PORT}/healthz"
}
healthy() { check_is 200 "$@"; }
unhealthy() { check_is 503 "$@"; }

refused() { # refused FROM URL
	local rc=0
	get "$@" >/dev/null || rc=$?
	[ $rc = 7 ] || fail "$*: curl $rc"
}

no_check() { # no_check NODE PORT
	refused net "$(node_ip4 "$1"):$2/" && refused net "[$(node_ip6 "$1")]:$2/" &&
		refused "$1" "127.0.0.1:$2/"
}

spec() { kc -n lab patch service "${2:-web}" --type=merge -p "{\"spec\":$1}" >/dev/null; }

@test "health check: says what kube-proxy says, from outside, from the node and from a pod" {
	for from in net n1 n2 lab/one lab/two; do
		healthy $from n1
		unhealthy $from n2
	done
	status_is 200 n1 127.0.0.1:$PORT/any/path
	head_has 'content-type: application/json'
	head_has 'x-content-type-options: nosniff'
	head_has 'x-load-balancing-endpoint-weight: 1'
	body_is '. == {service: {namespace: "lab", name: "web"}, localEndpoints: 1, serviceProxyHealthy: true}'
	status_is 503 net "$(node_ip4 n2):$PORT/"
	head_has 'x-load-balancing-endpoint-weight: 0'
	body_is '. == {service: {namespace: "lab", name: "web"}, localEndpoints: 0, serviceProxyHealthy: true}'
	# As kube-proxy, which does not look at the method.
	status_is 200 net "$(node_ip4 n1):$PORT/" -X POST -d x
	status_is 200 net "$(node_ip4 n1):$PORT/" -I
}

@test "endpoints: the answer follows those of the node" {
	kc -n lab label pod two --overwrite app=web >/dev/null
	wait_until 5 healthy net n2
	healthy net n1
	pod_ready lab/one False
	wait_until 5 unhealthy net n1
	healthy net n2
	pod_ready lab/one True
	wait_until 5 healthy net n1
	pod_create n1 lab/three app=web
	pod_run lab/three 8080
	wait_until 5 weighs 2 n1
	pod_del lab/three
	wait_until 5 weighs 1 n1
	kc -n lab label pod two --overwrite app=other >/dev/null
	wait_until 5 unhealthy net n2
}

weighs() {
	get net "$(node_ip4 "$2"):$PORT/" >/dev/null && head_has "x-load-balancing-endpoint-weight: $1" &&
		body_is ".localEndpoints == $1"
}

@test "ports: open and close with the services that have them" {
	no_check n1 31001
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: other, namespace: lab}
		spec:
		  type: LoadBalancer
		  externalTrafficPolicy: Local
		  healthCheckNodePort: 31001
		  selector: {app: web}
		  ports: [{port: 80, targetPort: 8080}]
	EOF
	wait_until 5 healthy net n1 31001
	get net "$(node_ip4 n1):31001/" >/dev/null
	body_is '.service.name == "other"'
	# Cluster has no health checks; Local again gets a new port.
	spec '{"externalTrafficPolicy":"Cluster"}' other
	wait_until 5 no_check n1 31001
	spec '{"externalTrafficPolicy":"Local","healthCheckNodePort":31002}' other
	wait_until 5 healthy net n1 31002
	kc -n lab delete service other >/dev/null
	wait_until 5 no_check n1 31002
	no_check n2 31002
	healthy net n1
}

@test "taken port: is said, the rest goes on, and it opens when the port is free" {
	background "$LNT_DIR/taker.pid" "$LNT_DIR/taker.log" '' n1 \
		socat TCP-LISTEN:31003,bind=172.31.0.11,fork,reuseaddr SYSTEM:'echo mine'
	wait_until 5 listens n1 31003
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: late, namespace: lab}
		spec:
		  type: LoadBalancer
		  externalTrafficPolicy: Local
		  healthCheckNodePort: 31003
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports: [{port: 80, targetPort: 8080}]
	EOF
	wait_until 5 grep -q 'WARN .*Service lab/late: healthCheckNodePort 31003 cannot be opened at 172.31.0.11: Address already in use' \
		"$(node_dir n1)/agent.log"
	wait_until 5 status_is 200 net "[$(node_ip6 n1)]:31003/"
	wait_until 5 unhealthy net n2 31003
	healthy net n1
	end_process "$LNT_DIR/taker.pid" TERM
	wait_until 10 healthy net n1 31003
	grep -q 'no longer: Service lab/late' "$(node_dir n1)/agent.log"
	[ "$(grep -c 'WARN .*Service lab/late' "$(node_dir n1)/agent.log")" = 1 ]
	kc -n lab delete service late >/dev/null
	wait_until 5 no_check n1 31003
}

listens() { in_netns "$1" ss -Hlnt "sport = :$2" | grep -q .; }

@test "idle clients: cost no other client its answer, and go" {
	background "$LNT_DIR/idle.pid" "$LNT_DIR/idle.log" '' net /usr/bin/python3 -u -c "
import socket, time
held = [socket.create_connection(('172.31.0.11', $PORT)) for _ in range(300)]
print('held')
time.sleep(60)"
	wait_until 5 grep -q held "$LNT_DIR/idle.log"
	run ! healthy net n1
	healthy n2 n1
	healthy lab/two n1
	# What they hold is taken from them.
	wait_until 15 healthy net n1
	end_process "$LNT_DIR/idle.pid" KILL
}

@test "restart: the same ports answer the same" {
	agent_stop n1
	no_check n1 $PORT
	agent_start n1
	wait_until 5 healthy net n1
	agent_kill n1
	agent_start n1
	wait_until 5 healthy net n1
	unhealthy net n2
}

@test "node that is to be deleted: load balancers are told, health checks of services go on" {
	status_is 200 net "$(node_ip4 n1):10256/healthz"
	body_is '.nodeEligible and (.lastUpdated | fromdate) and (.currentTime | fromdate)'
	kc taint node n1 ToBeDeletedByClusterAutoscaler=now:NoSchedule >/dev/null
	wait_until 5 status_is 503 net "[$(node_ip6 n1)]:10256/healthz"
	body_is '.nodeEligible == false'
	status_is 200 net "$(node_ip4 n1):10256/livez"
	status_is 200 net "$(node_ip4 n2):10256/healthz"
	healthy net n1
	kc taint node n1 ToBeDeletedByClusterAutoscaler- >/dev/null
	wait_until 5 status_is 200 net "[$(node_ip6 n1)]:10256/healthz"
	status_is 404 net "$(node_ip4 n1):10256/else"
}

@test "metrics: are in the format, and are the documented ones" {
	local documented
	documented=$(sed -n 's/^| `\([a-z_]*\)` .*/\1/p' "$LNT_TOP/docs/metrics.md")
	[ "$(metric n1)" = "$documented" ]
	status_is 200 n1 127.0.0.1:9880/metrics
	head_has 'content-type: text/plain; version=0.0.4; charset=utf-8'
}

@test "metrics: count what happens" {
	local adds drops
	metric_is n1 linnet_ready 1
	metric_is n1 linnet_endpoints 1
	metric_is n1 'linnet_map_entries{map="endpoints"}' 2
	metric_is n1 'linnet_objects{kind="Pod"}' 2
	metric_is n1 'linnet_watch_connected{resource="services"}' 1
	metric_is n1 linnet_health_checks 1
	metric_above n1 'linnet_health_check_answers_total{code="200"}' 0
	metric_above n1 linnet_turn_seconds_count 0
	wait_until 15 metric n1 'linnet_map_entries{map="flows"}'
	metric_above n1 'linnet_map_max_entries{map="flows"}' 1000
	[ "$(metric n1 process_resident_memory_bytes)" -lt $((16 << 20)) ]
	adds=$(metric n1 'linnet_cni_requests_total{op="add",code="0"}')
	pod_add n1 lab/guest
	metric_is n1 'linnet_cni_requests_total{op="add",code="0"}' $((adds + 1))
	metric_is n1 linnet_endpoints 2
	metric_above n1 linnet_writes_total 0
	metric_is n1 linnet_cni_add_seconds_count "$(metric n1 'linnet_cni_requests_total{op="add",code="0"}')"
	drops=$(metric n1 'linnet_drops_total{reason="policy-ingress"}')
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: closed, namespace: lab}
		spec: {podSelector: {matchLabels: {app: web}}}
	EOF
	soon_blocked lab/guest tcp lab/one 8080
	metric_above n1 'linnet_drops_total{reason="policy-ingress"}' "$drops"
	metric_is n1 'linnet_objects{kind="NetworkPolicy"}' 1
	no_policies
	soon_reaches lab/guest tcp lab/one 8080
	pod_del lab/guest
	metric_is n1 linnet_endpoints 1
	metric_above n1 'linnet_cni_requests_total{op="del",code="0"}' 0
}

@test "metrics: tell of notices and of ports that are taken" {
	background "$LNT_DIR/taker.pid" "$LNT_DIR/taker.log" '' n1 \
		socat TCP-LISTEN:31004,bind=172.31.0.11,fork,reuseaddr SYSTEM:'echo mine'
	wait_until 5 listens n1 31004
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: late, namespace: lab}
		spec:
		  type: LoadBalancer
		  externalTrafficPolicy: Local
		  healthCheckNodePort: 31004
		  externalIPs: [127.0.0.9]
		  selector: {app: web}
		  ports: [{port: 80, targetPort: 8080}]
	EOF
	wait_until 5 metric_is n1 'linnet_notices{kind="Service",reason="FailedToStartServiceHealthcheck"}' 1
	metric_is n1 linnet_health_checks 2
	metric_is n1 linnet_health_checks_failing 1
	metric_is n1 'linnet_notices{kind="Service",reason="PartlyServed"}' 1
	wait_until 5 metric_is n2 linnet_health_checks 2
	metric_is n2 linnet_health_checks_failing 0
	end_process "$LNT_DIR/taker.pid" TERM
	wait_until 10 metric_is n1 linnet_health_checks_failing 0
	metric_is n1 'linnet_notices{kind="Service",reason="FailedToStartServiceHealthcheck"}' 0
	kc -n lab delete service late >/dev/null
	wait_until 5 metric_is n1 'linnet_notices{kind="Service",reason="PartlyServed"}' 0
	metric_above n1 'linnet_notices_total{kind="Service",reason="PartlyServed"}' 0
	metric_is n1 linnet_health_checks 1
}

# events FILTER: how many Events about objects of lab it is true of.
events() { kc -n lab get events.v1.events.k8s.io -o json | jq "[.items[] | select($1)] | length"; }
events_are() { [ "$(events "$1")" = "$2" ] || fail "$(kc -n lab get events -o json | jq -c '.items[]')"; }
reports() { metric "$1" "linnet_reports_total{result=\"$2\"}"; }

@test "Events: say once for all nodes what is wrong with a Service, until it is another Service" {
	local uid all
	all=$(($(reports n1 created) + $(reports n2 created)))
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: odd, namespace: lab}
		spec:
		  externalIPs: [127.0.0.10]
		  selector: {app: web}
		  ports: [{port: 80, targetPort: 8080}]
	EOF
	wait_until 5 told_by_both "$all"
	uid=$(kc -n lab get service odd -o 'jsonpath={.metadata.uid}')
	events_are '.regarding.name == "odd"' 1
	events_are ".regarding == {apiVersion: \"v1\", kind: \"Service\", namespace: \"lab\", name: \"odd\", uid: \"$uid\"}
		and .type == \"Warning\" and .reason == \"PartlyServed\" and .reportingController == \"linnet\"
		and (.note | startswith(\"127.0.0.10 cannot be\"))" 1
	kc -n lab get events --field-selector involvedObject.name=odd | grep -q 'Warning .*PartlyServed .*service/odd '
	kc -n lab describe service odd | grep -q 'Warning  *PartlyServed '
	kc -n lab delete service odd >/dev/null
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: odd, namespace: lab}
		spec: {externalIPs: [127.0.0.10], selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
	EOF
	wait_until 5 events_are '.regarding.name == "odd"' 2
	kc -n lab delete service odd >/dev/null
	# A Service that is in order has none.
	events_are '.regarding.name == "web"' 0
}

told_by_both() {
	[ $(($(reports n1 created) + $(reports n2 created))) = $(($1 + 1)) ] &&
		[ $(($(reports n1 existed) + $(reports n2 existed))) -ge 1 ] && events_are '.regarding.name == "odd"' 1
}

@test "Events: of policies and pods are told by the nodes that they concern" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: newer, namespace: lab}
		spec:
		  podSelector: {matchLabels: {app: other}}
		  egress: [{to: [{podSelector: {}}], domainNames: [example.org]}]
	EOF
	wait_until 5 events_are '.regarding.kind == "NetworkPolicy" and .regarding.name == "newer"
		and .reason == "Unsupported" and .reportingInstance == "n2"' 1
	no_policies
	api POST /api/v1/namespaces/lab/pods '{"metadata":{"name":"limited","annotations":
		{"kubernetes.io/ingress-bandwidth":"1M"}},"spec":{"nodeName":"n1","containers":[{"name":"m","image":"x"}]}}' >/dev/null
	pod_run lab/limited 80
	wait_until 5 events_are '.regarding.kind == "Pod" and .regarding.name == "limited" and .reportingInstance == "n1"' 1
	pod_del lab/limited
}

@test "Events: an API server that is away is told later, and nothing waits for it" {
	"$LNT_TOP/tests/apiserver/fault" "$LNT_DIR/api" arm status code=503 resource=events userAgent=linnetd count=1000 >/dev/null
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: awkward, namespace: lab}
		spec: {externalIPs: [127.0.0.11], selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
	EOF
	wait_until 5 grep -q 'WARN .*Service lab/awkward' "$(node_dir n1)/agent.log"
	wait_until 5 metric_above n1 'linnet_reports_total{result="failed"}' 0
	probe lab/two tcp "$(kc -n lab get service awkward -o 'jsonpath={.spec.clusterIP}')" 80 >/dev/null
	events_are '.regarding.name == "awkward"' 0
	"$LNT_TOP/tests/apiserver/fault" "$LNT_DIR/api" clear >/dev/null
	wait_until 10 events_are '.regarding.name == "awkward"' 1
	kc -n lab delete service awkward >/dev/null
}

@test "the agent: is alive, and ready when it can carry pods, to its own node only" {
	status_is 200 n1 127.0.0.1:9880/healthz
	status_is 200 n1 127.0.0.1:9880/readyz
	status_is 404 n1 127.0.0.1:9880/
	status_is 405 n1 127.0.0.1:9880/healthz -X DELETE
	refused net "$(node_ip4 n1):9880/healthz"
	node_add n3
	api PATCH /api/v1/nodes/n3/status '{"status":{"addresses":[]}}' >/dev/null
	agent_spawn n3
	wait_until 10 status_is 503 n3 127.0.0.1:9880/readyz
	wait_until 10 waits_for_address
	status_is 200 n3 127.0.0.1:9880/healthz
	api PATCH /api/v1/nodes/n3/status "$(node_status n3)" >/dev/null
	agent_wait n3
	status_is 200 n3 127.0.0.1:9880/readyz
	agent_stop n3
}

waits_for_address() {
	get n3 127.0.0.1:9880/readyz >/dev/null
	[ "$(<"$LNT_DIR/body")" = 'waiting for node n3 to have an internal address' ]
}
