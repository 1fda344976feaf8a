#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The first nodes of a cluster: what linnetd says of its node at the API server, what it may do there
# (the double allows no more than manifests/rbac.yaml does), and that the manifests can be applied.
load ../lib/bats

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
