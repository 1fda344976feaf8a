#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The first nodes of a cluster: what linnetd says of its node at the API server, what it may do there
# (the double allows no more than manifests/rbac.yaml does), and that the manifests can be applied.
load ../lib/bats
load ../lib/ctl

TAINT=node.linnet.io/agent-not-ready

setup_file() {
	cluster_sweep
	cluster_network 2
	kc create namespace lab >/dev/null
	# The API group is there and ClusterNetworkPolicy is not: linnetd has to ask what the group has.
	apply <<-EOF
		apiVersion: apiextensions.k8s.io/v1
		kind: CustomResourceDefinition
		metadata:
		  name: others.policy.networking.k8s.io
		  annotations: {api-approved.kubernetes.io: "unapproved, a test"}
		spec:
		  group: policy.networking.k8s.io
		  scope: Cluster
		  names: {plural: others, singular: other, kind: Other, listKind: OtherList}
		  versions:
		    - name: v1alpha2
		      served: true
		      storage: true
		      schema: {openAPIV3Schema: {type: object}}
	EOF
}

teardown_file() { end; }

condition() {
	kc get node "$1" -o json | jq -r '.status.conditions[] | select(.type == "NetworkUnavailable") | "\(.status) \(.reason)"'
}
condition_is() { [ "$(condition "$1")" = "$2" ] || fail "NetworkUnavailable of $1: $(condition "$1")"; }
taints() { kc get node "$1" -o json | jq -r '[.spec.taints // [] | .[] | "\(.key):\(.effect)"] | join(" ")'; }
taints_are() { [ "$(taints "$1")" = "$2" ] || fail "taints of $1: $(taints "$1")"; }

node_patches() {
	"$LNT_TOP/tests/apiserver/fault" "$LNT_DIR/api" log 10000 |
		jq '[.requests[] | select(.verb == "patch" and .userAgent == "linnetd" and .resource == "nodes" and .code == 200)] | length'
}
rbac() { "$LNT_TOP/tests/apiserver/fault" "$LNT_DIR/api" rbac | jq -r ".$1[]"; }

@test "a node that waits for linnet: keeps its taint and condition while it cannot carry pods" {
	kc taint node n1 other=1:PreferNoSchedule $TAINT=true:NoSchedule more=1:PreferNoSchedule $TAINT=true:NoExecute >/dev/null
	api PATCH /api/v1/nodes/n1/status '{"status":{"addresses":[]}}' >/dev/null
	agent_spawn n1
	wait_until 10 grep -q 'waiting for node n1 to have an internal address' "$(node_dir n1)/agent.log"
	[ ! -e "$(conflist n1)" ]
	condition_is n1 ''
	[[ $(taints n1) == *"$TAINT:NoSchedule"* ]]
	[ "$(node_patches)" = 0 ]
}

@test "a node that can carry pods: says that its network is there, and loses the taints that wait for it" {
	api PATCH /api/v1/nodes/n1/status "$(node_status n1)" >/dev/null
	agent_wait n1
	wait_until 5 condition_is n1 'False LinnetIsUp'
	wait_until 5 taints_are n1 'other:PreferNoSchedule more:PreferNoSchedule'
	kc get node n1 -o json | jq -e '.status.conditions[] | select(.type == "Ready") | .status == "True"' >/dev/null
	[ "$(node_patches)" = 2 ]
	# The other node's are its own agent's.
	condition_is n2 ''
}

@test "a restart: changes nothing where all is said" {
	local before
	before=$(node_patches)
	agent_stop n1
	agent_start n1
	wait_until 5 grep -q 'ready: this node can carry pods' "$(node_dir n1)/agent.log"
	pod_add n1 lab/one
	pod_del lab/one
	[ "$(node_patches)" = "$before" ]
}

@test "another network's condition: False is left alone, True is not" {
	api PATCH /api/v1/nodes/n2/status '{"status":{"conditions":[{"type":"NetworkUnavailable","status":"False","reason":"OtherIsUp"}]}}' >/dev/null
	agent_start n2
	condition_is n2 'False OtherIsUp'
	api PATCH /api/v1/nodes/n2/status '{"status":{"conditions":[{"type":"NetworkUnavailable","status":"True","reason":"NoRoute"}]}}' >/dev/null
	wait_until 5 condition_is n2 'False LinnetIsUp'
}

@test "an API server that refuses: is asked again, and nothing waits for it" {
	"$LNT_TOP/tests/apiserver/fault" "$LNT_DIR/api" arm status code=503 resource=nodes verb=patch userAgent=linnetd count=1000 >/dev/null
	kc taint node n2 $TAINT=true:NoSchedule >/dev/null
	wait_until 5 grep -q 'WARN .*node n2: its taints cannot be changed: HTTP status 503' "$(node_dir n2)/agent.log"
	agent_answers n2
	[ "$(taints n2)" = "$TAINT:NoSchedule" ]
	"$LNT_TOP/tests/apiserver/fault" "$LNT_DIR/api" clear >/dev/null
	wait_until 10 taints_are n2 ''
}

agent_uses() { [ "$(ctl "$1" status -o json | jq -r .agent.apiServer)" = "$2" ]; }
watches_are_open() {
	ctl "$1" status -o json | jq -e '[.agent.watches[] | select(.state != "absent")] | all(.state == "open")'
}

@test "API server: found at the end of a connection of the node's, where nobody said where it is" {
	agent_stop n1
	kubelet_on n1 '[fd31::1]:6443'
	agent_in_cluster n1
	agent_wait n1
	agent_uses n1 'https://[fd31::1]:6443'
	in_netns n1 ss -Htnp state established 'dport = :6443' | grep -F "pid=$(agent_pid n1)," | grep -F '[fd31::1]:6443'
}

@test "API server: looked for again when it does not answer, and found elsewhere" {
	kubelet_off n1
	kubelet_on n1 172.31.0.1:6443
	ip -n "${LNT_PREFIX}n1" -6 route add unreachable fd31::1
	in_netns n1 ss -HK dst '[fd31::1]' >/dev/null
	wait_until 10 agent_uses n1 https://172.31.0.1:6443
	wait_until 10 watches_are_open n1
	ip -n "${LNT_PREFIX}n1" -6 route del unreachable fd31::1
}

@test "API server: who cannot prove that it is it gets no credentials" {
	local pids
	agent_stop n1
	kubelet_off n1
	openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=kube-apiserver -addext \
		subjectAltName=DNS:kubernetes.default.svc,IP:172.31.0.1 -keyout "$LNT_DIR/other.key" -out "$LNT_DIR/other.crt" 2>/dev/null
	# One with the certificate of another authority and one without TLS, which write down what they are told.
	background "$LNT_DIR/other.pid" "$LNT_DIR/other.log" '' sw socat -d -d -u \
		"OPENSSL-LISTEN:443,fork,reuseaddr,verify=0,cert=$LNT_DIR/other.crt,key=$LNT_DIR/other.key" \
		OPEN:"$LNT_DIR/other",creat,append
	background "$LNT_DIR/plain.pid" "$LNT_DIR/plain.log" '' sw socat -u TCP-LISTEN:8443,fork,reuseaddr \
		OPEN:"$LNT_DIR/plain",creat,append
	wait_until 5 in_netns sw socat -u OPEN:/dev/null TCP:172.31.0.1:443
	wait_until 5 in_netns sw socat -u OPEN:/dev/null TCP:172.31.0.1:8443
	background "$LNT_DIR/c1.pid" /dev/null '' n1 socat -u TCP:172.31.0.1:443 -
	background "$LNT_DIR/c2.pid" /dev/null '' n1 socat -u TCP:172.31.0.1:8443 -
	wait_until 5 connected_to n1 172.31.0.1:443
	wait_until 5 connected_to n1 172.31.0.1:8443
	agent_in_cluster n1
	# The Service's address: it has been looked for, and not been found.
	wait_until 20 grep -q 'asking its Service' "$(node_dir n1)/agent.log"
	grep -q 'SSL_accept.*unknown ca' "$LNT_DIR/other.log"
	grep -qa kubernetes.default.svc "$LNT_DIR/plain"
	[ ! -e "$LNT_DIR/other" ]
	lacks 'GET|Bearer' cat -v "$LNT_DIR/plain"
	kubelet_on n1 172.31.0.1:6443
	agent_wait n1
	agent_uses n1 https://172.31.0.1:6443
	for pids in other plain c1 c2; do
		end_process "$LNT_DIR/$pids.pid" TERM
	done
	agent_stop n1
	kubelet_off n1
	agent_start n1
}

@test "manifests: can be applied, again too, and deleted" {
	local f
	for f in install uninstall; do
		kc apply -f "$LNT_TOP/manifests/$f.yaml" >/dev/null
		run -0 kc apply -f "$LNT_TOP/manifests/$f.yaml"
		lacks 'created|configured' echo "$output"
	done
	kc -n kube-system get daemonset linnet linnet-uninstall >/dev/null
	kc get clusternetworkpolicies >/dev/null
	kc delete -f "$LNT_TOP/manifests/install.yaml" >/dev/null
	kc delete -f "$LNT_TOP/manifests/uninstall.yaml" >/dev/null
	[ -z "$(kc -n kube-system get daemonsets,configmaps -l app.kubernetes.io/name=linnet -o name)" ]
}

# What comes with the CRD, an Event, and the tests above; refused would be told of all tests here.
@test "RBAC: linnetd uses all that it is allowed, and nothing else" {
	kc apply -f "$LNT_TOP/manifests/crds" >/dev/null
	wait_until 60 metric_is n1 'linnet_watch_connected{resource="clusternetworkpolicies"}' 1
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: odd, namespace: lab}
		spec: {externalIPs: [127.0.0.10], selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
	EOF
	wait_until 5 rbac_unused_is 'patch events.events.k8s.io'
	[ -z "$(rbac refused)" ] || fail "refused: $(rbac refused)"
}

# An Event is patched when what it tells stands for half an hour: tests/unit/test_reporter.c does.
rbac_unused_is() { [ "$(rbac unused)" = "$1" ] || fail "unused: $(rbac unused)"; }
