#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The API client (agent/kube) against the API-server double, with faults. Every test ends where the
# store holds the same versions of the same objects as the server, and the client closes without
# leaving a handle or a string behind.
#
# KUBEDUMP=build/san/tests/kubedump runs the build under sanitizers.

bats_require_minimum_version 1.5.0

setup() {
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	kubedump=$(realpath "${KUBEDUMP:-$root/build/tests/kubedump}")
	dir=$(mktemp -d "${TMPDIR:-/tmp}/lnt-kube.XXXXXX")
	mkdir "$dir/dump"
	server_pid='' client_pid='' optional=''
	port=0
	# Whoever looks at these variables talks to a closed port.
	export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 no_proxy=
	export HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=http://127.0.0.1:9
}

teardown() {
	local status=0
	if [ -n "$client_pid" ]; then stop_client || status=1; fi
	if [ -n "$server_pid" ]; then stop_server; fi
	rm -rf "$dir"
	return $status
}

# wait_until SECONDS COMMAND...
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		if [ $SECONDS -ge $end ]; then
			echo "not within the time: $*"
			cat "$dir/dump/state" "$dir/dump/log" || true
			return 1
		fi
		sleep 0.05
	done
}

# Also again, on the port it had.
start_server() {
	"$root/tests/apiserver/apiserver" --listen 127.0.0.1:"$port" --dir "$dir" \
		--bookmark-interval 0.3 2>"$dir/server.log" 3>&- &
	server_pid=$!
	wait_until 10 test -e "$dir/ready"
	server=$(jq -r '.servers[0]' "$dir/ready")
	port=${server##*:}
	sed "s|^\( *\)token: .*|\1tokenFile: token|" "$dir/kubeconfig" >"$dir/client-config"
}

stop_server() {
	kill "$server_pid"
	wait "$server_pid" 2>/dev/null || true
	server_pid=
}

# start_client [OPTION...]
start_client() {
	"$kubedump" "$@" "$dir/client-config" "$dir/dump" >"$dir/dump/changes" 2>"$dir/dump/log" 3>&- &
	client_pid=$!
}

stop_client() {
	local pid=$client_pid
	client_pid=
	kill "$pid" && wait "$pid"
}

fault() { "$root/tests/apiserver/fault" "$dir" "$@"; }
# A fault that hits only the client.
arm() { fault arm "$@" userAgent=linnetd >/dev/null; }

api() {
	local method=$1 path=$2
	shift 2
	curl --noproxy '*' --no-progress-meter --fail-with-body -X "$method" --cacert "$dir/ca.crt" \
		-H "Authorization: Bearer $(cat "$dir/token")" -H 'Content-Type: application/json' \
		"$server$path" "$@"
}

CNPS=/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies
CRDS=/apis/apiextensions.k8s.io/v1/customresourcedefinitions

crd_add() {
	KUBECONFIG=$dir/kubeconfig kubectl apply -f "$root/manifests/crds" >/dev/null
	optional=$CNPS
}
crd_remove() {
	api DELETE "$CRDS/clusternetworkpolicies.policy.networking.k8s.io" >/dev/null
	optional=
}
cnp_add() { # cnp_add NAME
	api POST "$CNPS" -d "{\"metadata\":{\"name\":\"$1\"},\"spec\":{\"tier\":\"Admin\",\"priority\":1,
		\"subject\":{\"namespaces\":{}}}}" >/dev/null
}
cnp_known() { grep -q "^clusternetworkpolicies $1 " "$dir/dump/store"; }
not() { ! "$@"; }

# What the server has, in the form of kubedump's file.
expected() {
	local path kind
	for path in /api/v1/{namespaces,nodes,pods,services} \
		/apis/discovery.k8s.io/v1/endpointslices /apis/networking.k8s.io/v1/networkpolicies $optional; do
		kind=${path##*/}
		api GET "$path" | jq -r --arg kind "$kind" '.items[].metadata |
			"\($kind) \(if .namespace then .namespace + "/" else "" end)\(.name) \(.uid) \(.resourceVersion)"'
	done | sort
}

same() { [ -e "$dir/dump/store" ] && diff <(expected) <(sort "$dir/dump/store") >"$dir/diff"; }
in_step() { wait_until "${1:-20}" same || { cat "$dir/diff"; return 1; }; }
synced() { grep -qx synced "$dir/dump/changes"; }
# state RESOURCE COLUMN: 2 synced, 3 streaming, 4 events, 5 relists, 6 errors
state() { awk -v r="$1" -v c="$2" '$1 == r { print $c }' "$dir/dump/state"; }
state_is() { [ "$(state "$1" "$2")" = "$3" ]; }
state_above() { [ "$(state "$1" "$2")" -gt "$3" ]; }
# Requests of the client whose path matches.
requests() { fault log 10000 | jq --arg p "$1" '[.requests[] | select(.userAgent == "linnetd" and
	(.path | test($p)))] | length'; }
streams_are() { [ "$(fault list | jq '[.streams[] | select(.userAgent == "linnetd")] | length')" = "$1" ]; }

# pods FIRST LAST: JSON of pods with these numbers
pods() {
	jq -nc --argjson a "$1" --argjson b "$2" '[range($a; $b + 1) | {apiVersion: "v1", kind: "Pod",
		metadata: {name: "p\(.)", namespace: "default", labels: {app: "a\(. % 7)"}},
		spec: {nodeName: "n1", containers: [{name: "c", image: "i"}]},
		status: {phase: "Running", podIP: "10.0.\(. / 250 | floor).\(. % 250 + 1)"}}]'
}
add_pods() { pods "$1" "$2" | fault bulk - >/dev/null; }
relabel() { # relabel POD VALUE
	api PATCH "/api/v1/namespaces/default/pods/$1" -H 'Content-Type: application/merge-patch+json' \
		-d "{\"metadata\":{\"labels\":{\"app\":\"$2\"}}}" >/dev/null
}
remove_pod() { api DELETE "/api/v1/namespaces/default/pods/$1?gracePeriodSeconds=0" >/dev/null; }

# What a cluster sees in a moment: something new, something changed, something gone.
churn() { # churn FIRST
	add_pods "$1" $(($1 + 4))
	relabel "p$1" "changed-$1"
	remove_pod "p$(($1 + 1))"
}

begin() { # begin [CLIENT OPTION...]
	start_server
	add_pods 1 5
	start_client "$@"
	wait_until 10 synced
	in_step
	wait_until 10 streams_are 6
}

@test "client: follows objects of every kind from list to watch" {
	begin
	churn 100
	fault bulk - <<-'END' >/dev/null
	[{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"podCIDR": "10.0.0.0/24"}},
	 {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}},
	 {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
	  "metadata": {"name": "deny", "namespace": "default"}, "spec": {"podSelector": {}}}]
	END
	api POST /api/v1/namespaces/default/services -d '{"metadata": {"name": "web"},
		"spec": {"selector": {"app": "a1"}, "ports": [{"port": 80}]}}' >/dev/null
	in_step
	api DELETE /apis/networking.k8s.io/v1/namespaces/default/networkpolicies/deny >/dev/null
	api DELETE /api/v1/nodes/n1 >/dev/null
	in_step
	grep -qx -- '- networkpolicies default/deny' "$dir/dump/changes"
	grep -qx -- '- pods default/p101' "$dir/dump/changes"
	# All of it came by the watches that were opened first.
	[ "$(requests 'watch=1')" = 6 ]
	[ "$(grep -cx synced "$dir/dump/changes")" = 1 ]
}

@test "list: pages of 500 add up, and nothing is held in between" {
	start_server
	add_pods 1 1700
	start_client
	wait_until 20 synced
	in_step
	[ "$(requests '/pods.limit=500')" = 4 ]
	[ "$(requests '/pods.*continue=')" = 3 ]
	# An update that changes nothing of the model is no change, but its version counts.
	local before
	before=$(wc -l <"$dir/dump/changes")
	api PATCH /api/v1/namespaces/default/pods/p7 -H 'Content-Type: application/merge-patch+json' \
		-d '{"metadata":{"annotations":{"a":"b"}}}' >/dev/null
	in_step
	[ "$(wc -l <"$dir/dump/changes")" = "$before" ]
}

@test "list: a continue token that has expired begins it anew" {
	start_server
	add_pods 1 1200
	arm status code=410 path=continue= count=2
	start_client
	wait_until 20 synced
	in_step
	[ "$(requests '/pods.limit=500$')" = 3 ]
}

@test "list: failures of a page are asked for again, the rest is not" {
	start_server
	add_pods 1 1200
	arm status code=503 path=continue= count=3
	start_client
	wait_until 20 synced
	in_step
	[ "$(requests '/pods.limit=500$')" = 1 ]
}

@test "watch: a cut stream resumes where it was, without a list" {
	begin
	local mode n=100
	for mode in close rst end; do
		fault arm cut mode=$mode >/dev/null
		churn $n
		in_step
		n=$((n + 100))
		wait_until 10 streams_are 6
	done
	state_is pods 5 0
	[ "$(requests '/pods.limit')" = 1 ]
}

@test "watch: half a line is dropped and comes again" {
	begin
	arm truncate resource=pods count=3
	churn 100
	churn 200
	in_step
	state_is pods 5 0
}

@test "watch: a silent stream is given up" {
	begin -s 1500
	arm stall resource=pods
	churn 100
	wait_until 10 state_above pods 6 0
	# Until the watch is open again.
	wait_until 10 grep -q 'nothing came for 1500 ms' "$dir/dump/state"
	fault clear >/dev/null
	in_step
	run ! grep -q 'nothing came for 1500 ms' "$dir/dump/state"
	# The other watches had their bookmarks.
	state_is services 6 0
}

@test "watch: bookmarks keep a quiet stream alive" {
	begin -s 1500
	wait_until 10 state_above networkpolicies 4 8
	state_is networkpolicies 6 0
	[ "$(requests 'watch=1')" = 6 ]
}

@test "connection: a server that accepts and says nothing" {
	begin
	fault arm stall stage=accept >/dev/null
	fault arm cut mode=rst >/dev/null
	add_pods 100 104
	wait_until 10 state_is pods 3 0
	wait_until 15 grep -q 'watch pods: ' "$dir/dump/log"
	fault clear >/dev/null
	in_step 30
}

@test "connection: refused, the store stays as it was" {
	begin
	local before
	before=$(sort "$dir/dump/store")
	fault arm refuse >/dev/null
	fault arm cut mode=rst >/dev/null
	wait_until 10 state_above pods 6 2
	[ "$(sort "$dir/dump/store")" = "$before" ]
	fault clear >/dev/null
	churn 100
	in_step 30
	# One line in the log for each watch, not one for each attempt.
	[ "$(grep -c 'WARN.*pods' "$dir/dump/log")" = 1 ]
	wait_until 20 grep -q 'INFO.*watch pods: works again' "$dir/dump/log"
}

@test "status: 500 and 503 are tried again, for lists and watches" {
	start_server
	add_pods 1 5
	arm status code=500 resource=pods verb=list count=3
	arm status code=503 resource=services count=3
	arm status code=504 resource=nodes verb=watch count=2
	start_client
	wait_until 20 synced
	churn 100
	in_step
	wait_until 20 streams_are 6
	state_is pods 6 3
}

@test "status: 429 is not asked again before the server says so" {
	start_server
	arm status code=429 retryAfter=2 resource=pods verb=list count=1
	start_client
	wait_until 20 synced
	in_step
	[ "$(requests '/pods.limit')" = 2 ]
	fault log 1000 | jq -e '[.requests[] | select(.path | test("/pods.limit")) | .time] |
		.[1] - .[0] >= 2'
}

@test "status: 403 for one kind is said once, does not spin, and the rest works" {
	start_server
	arm status code=403 resource=networkpolicies count=1000000
	start_client
	wait_until 20 state_above networkpolicies 6 3
	add_pods 1 5
	state_is networkpolicies 2 0
	state_is pods 2 1
	run ! synced
	[ "$(grep -c ' networkpolicies' "$dir/dump/log")" = 1 ]
	grep -q ' networkpolicies: HTTP 403: injected' "$dir/dump/log"
	[ "$(requests /networkpolicies)" -lt 8 ]
	fault clear >/dev/null
	wait_until 20 synced
	in_step
}

@test "watch: expired versions, as an event and as a status, lead to a list" {
	begin
	local mode n=100
	for mode in event http; do
		arm gone mode=$mode count=6
		fault arm cut >/dev/null
		churn $n
		in_step
		n=$((n + 100))
		wait_until 20 streams_are 6
	done
	state_is pods 5 2
}

@test "watch: history that was compacted away leads to a list" {
	begin
	fault arm refuse >/dev/null
	fault arm cut >/dev/null
	wait_until 10 state_is pods 3 0
	pods 100 104 | fault bulk - >/dev/null
	fault compact >/dev/null
	fault clear >/dev/null
	in_step 30
}

@test "watch: garbage leads to a list" {
	begin
	fault arm garbage >/dev/null
	churn 100
	in_step
	wait_until 10 streams_are 6
	state_above pods 5 0
	grep -q 'watch pods: a line is no JSON' "$dir/dump/log"
}

@test "watch: duplicates change nothing" {
	begin
	arm duplicate
	churn 100
	in_step
	[ "$(grep -cx -- '- pods default/p101' "$dir/dump/changes")" = 1 ]
	state_is pods 6 0
}

@test "watch: events out of order end in the same place" {
	begin
	arm reorder resource=pods
	churn 100
	churn 200
	fault clear >/dev/null
	in_step
	# The versions of that stream are not trusted to resume: its end leads to a list.
	fault arm cut >/dev/null
	churn 300
	in_step
	state_is pods 5 1
}

@test "token: expired ones are tried again, rotated ones are read again" {
	begin
	arm expire-token
	fault arm cut >/dev/null
	wait_until 10 state_above pods 6 1
	fault clear >/dev/null
	churn 100
	in_step 30
	fault arm rotate-token >/dev/null
	fault arm cut >/dev/null
	churn 200
	in_step 30
}

@test "server: restarts on the same port with another past" {
	begin
	churn 100
	in_step
	stop_server
	wait_until 10 state_is pods 3 0
	start_server
	add_pods 3 8
	in_step 40
	wait_until 30 streams_are 6
	churn 200
	in_step
}

@test "server: of another authority is not talked to" {
	start_server
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/other.key" -out "$dir/other.crt" \
		-subj /CN=other -days 1 2>/dev/null
	sed -i "s|certificate-authority-data: .*|certificate-authority: other.crt|" "$dir/client-config"
	start_client
	wait_until 10 state_above pods 6 1
	run ! synced
	grep -qi 'certificate' "$dir/dump/log"
	[ "$(requests .)" = 0 ]
}

@test "slow answers: nothing is lost, nothing is asked twice" {
	start_server
	add_pods 1 700
	arm slow delay=0.5
	start_client
	wait_until 20 synced
	in_step
	[ "$(requests '/pods.limit=500$')" = 1 ]
}

@test "optional kind: without its CRD the store is complete, and it is found when it comes" {
	begin
	state_is clusternetworkpolicies 2 1
	state_is clusternetworkpolicies 3 0
	state_is clusternetworkpolicies 6 0
	[ "$(requests '/apis$')" = 1 ]
	[ "$(grep -c clusternetworkpolicies "$dir/dump/log")" = 1 ]
	crd_add
	cnp_add a
	wait_until 35 state_is clusternetworkpolicies 3 1
	in_step
	cnp_known a
	state_is clusternetworkpolicies 5 0
	[ "$(grep -cx synced "$dir/dump/changes")" = 1 ]
}

@test "optional kind: its objects go with the CRD" {
	start_server
	crd_add
	cnp_add a
	start_client
	wait_until 10 synced
	in_step
	wait_until 10 streams_are 7
	crd_remove
	wait_until 10 not cnp_known a
	wait_until 10 grep -q 'the API server has no clusternetworkpolicies' "$dir/dump/log"
	in_step
}

@test "optional kind: objects that went unseen go too" {
	start_server
	crd_add
	cnp_add a
	start_client
	wait_until 10 synced
	in_step
	wait_until 10 streams_are 7
	arm status code=503 resource=clusternetworkpolicies count=1000000
	fault arm cut >/dev/null
	wait_until 10 state_above clusternetworkpolicies 6 0
	crd_remove
	cnp_known a
	fault clear >/dev/null
	wait_until 35 not cnp_known a
}

# other_crd SED_SCRIPT: another one of the group.
other_crd() {
	sed "$1" "$root/manifests/crds/clusternetworkpolicies.yaml" |
		KUBECONFIG=$dir/kubeconfig kubectl apply -f - >/dev/null
}

@test "optional kind: others of its group, or of its version, are not taken for it" {
	start_server
	other_crd 's/v1alpha2/v1alpha1/'
	start_client
	wait_until 10 synced
	[ "$(requests '/apis$')" = 1 ]
	[ "$(requests '/apis/policy.networking.k8s.io/v1alpha2$')" = 0 ]
	stop_client
	other_crd 's/clusternetworkpolic/otherpolic/; s/ClusterNetworkPolic/OtherPolic/; s/cnp/op/'
	start_client
	wait_until 10 synced
	[ "$(requests '/apis/policy.networking.k8s.io/v1alpha2$')" = 1 ]
	state_is clusternetworkpolicies 6 0
}

# A proxy's answer, or a server's that is not ready yet.
@test "optional kind: a 404 while the server lists the group changes nothing" {
	start_server
	crd_add
	cnp_add a
	arm status code=404 resource=clusternetworkpolicies count=3
	start_client
	wait_until 10 state_above clusternetworkpolicies 6 1
	run ! synced
	wait_until 20 synced
	wait_until 5 cnp_known a
	wait_until 10 streams_are 7
	arm status code=404 resource=clusternetworkpolicies count=4
	fault arm cut >/dev/null
	wait_until 10 grep -q 'but the server says that it has them' "$dir/dump/log"
	wait_until 20 streams_are 7
	cnp_known a
	[ "$(grep -cx -- '- clusternetworkpolicies a' "$dir/dump/changes")" = 0 ]
}

@test "optional kind: who answers 404 to everything is not believed" {
	start_server
	arm status code=404 path='^/apis$|clusternetworkpolicies' count=1000000
	start_client
	wait_until 20 state_above clusternetworkpolicies 6 3
	state_is networkpolicies 2 1
	state_is clusternetworkpolicies 2 0
	run ! synced
	fault clear >/dev/null
	wait_until 35 synced
}

@test "optional kind: 403 keeps the store from being complete" {
	start_server
	arm status code=403 path=clusternetworkpolicies count=1000000
	start_client
	wait_until 20 state_above clusternetworkpolicies 6 3
	run ! synced
	[ "$(grep -c clusternetworkpolicies "$dir/dump/log")" = 1 ]
	grep -q 'clusternetworkpolicies: HTTP 403: injected' "$dir/dump/log"
	fault clear >/dev/null
	wait_until 35 synced
}
