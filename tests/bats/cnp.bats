#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ClusterNetworkPolicy, as kubectl users meet it: its CRD comes and goes, and it decides about real
# packets. red/server and red/near live on n1, red/far on n2; so do blue/near and blue/far. Pods
# answer on ports 80 and 81, nodes on 7070. "web" is port 80 of red/server, and 81 of red/near and
# blue/far.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add red team=red
	namespace_add blue team=blue
	serving n1 red/server 80 app=server
	serving n1 red/near 81 role=near
	serving n2 red/far 0 role=far
	serving n1 blue/near 0 role=near
	serving n2 blue/far 81 role=far
	background "$LNT_DIR/net.pid" "$LNT_DIR/net.log" "" net "$LNT_PEER" serve net 80
	for node in n1 n2; do
		background "$(node_dir $node)/serve.pid" "$(node_dir $node)/serve.log" \
			"$(node_cgroup $node)" $node "$LNT_PEER" serve $node 7070
	done
}

teardown_file() { end; }

teardown() {
	no_policies
	kc delete cnp --all >/dev/null 2>&1 || true
}

# serving NODE POD WEB [LABEL=VALUE...]: WEB is the number that its port "web" has, 0: none.
serving() {
	local object
	object=$(pod_object "$1" "$2" "${@:4}" | jq --argjson web "$3" \
		'if $web > 0 then .spec.containers[0].ports = [{name: "web", containerPort: $web}] else . end')
	api POST "/api/v1/namespaces/${2%/*}/pods" "$object" >/dev/null
	pod_run "$2" 80 81
}

watched() {
	metric_is n1 'linnet_watch_connected{resource="clusternetworkpolicies"}' 1 &&
		metric_is n2 'linnet_watch_connected{resource="clusternetworkpolicies"}' 1
}
not_watched() {
	lacks clusternetworkpolicies in_node n1 curl -s -m 5 http://127.0.0.1:9880/metrics &&
		lacks clusternetworkpolicies in_node n2 curl -s -m 5 http://127.0.0.1:9880/metrics
}

with_crd() {
	kc apply -f "$LNT_TOP/manifests/crds" >/dev/null
	wait_until 35 watched
}

# policy NAME TIER PRIORITY: for the pods of namespace red; its rules from stdin.
policy() {
	{
		cat <<-EOF
			apiVersion: policy.networking.k8s.io/v1alpha2
			kind: ClusterNetworkPolicy
			metadata: {name: $1}
			spec:
			  tier: $2
			  priority: $3
			  subject: {namespaces: {matchLabels: {team: red}}}
		EOF
		sed 's/^/  /'
	} | apply
}

# netpol NAME SPEC: a NetworkPolicy of namespace red.
netpol() {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: $1, namespace: red}
		spec: {$2}
	EOF
}

BLUE='{namespaces: {matchLabels: {team: blue}}}'
BLUE_NEAR='{pods: {namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {role: near}}}}'
ALL='{namespaces: {}}'

@test "CRD: the agent is ready without, and finds it when it comes" {
	not_watched
	grep -q 'the API server has no clusternetworkpolicies' "$(node_dir n1)/agent.log"
	metric_is n1 'linnet_objects{kind="ClusterNetworkPolicy"}' 0
	kc apply -f "$LNT_TOP/manifests/crds" >/dev/null
	policy deny Admin 1 <<<"ingress: [{action: Deny, from: [$BLUE]}]"
	wait_until 35 watched
	metric_is n1 'linnet_objects{kind="ClusterNetworkPolicy"}' 1
	metric_is n2 'linnet_objects{kind="ClusterNetworkPolicy"}' 1
	soon_blocked blue/far tcp red/server 80
	reaches red/far tcp red/server 80
}

@test "CRD: an agent that starts with it has the policies before it is ready" {
	with_crd
	policy deny Admin 1 <<<"ingress: [{action: Deny, from: [$BLUE]}]"
	soon_blocked blue/far tcp red/server 80
	agent_stop n1
	blocked blue/far tcp red/server 80
	agent_start n1
	blocked blue/far tcp red/server 80
	reaches red/far tcp red/server 80
}

@test "Admin Deny: is final, whatever NetworkPolicies allow" {
	with_crd
	netpol all 'podSelector: {}, ingress: [{}]'
	soon_reaches blue/far tcp red/server 80
	policy deny Admin 100 <<<"ingress: [{name: no-blue, action: Deny, from: [$BLUE]}]"
	for from in blue/near blue/far; do
		soon_blocked $from tcp red/server 80
		blocked $from udp red/far 80
		no_pings $from red/server
	done
	reaches red/far tcp red/server 80
	reaches red/server tcp blue/far 80
	reaches n1 tcp red/server 80
	kc delete cnp deny >/dev/null
	soon_reaches blue/far tcp red/server 80
}

@test "Admin Accept: is final, whatever NetworkPolicies isolate" {
	with_crd
	netpol none 'podSelector: {}, policyTypes: [Ingress, Egress]'
	soon_blocked blue/far tcp red/server 80
	policy accept Admin 100 <<-EOF
		ingress: [{action: Accept, from: [$BLUE], protocols: [{tcp: {destinationPort: {number: 80}}}]}]
		egress: [{action: Accept, to: [$BLUE], protocols: [{udp: {destinationPort: {range: {start: 81, end: 90}}}}]}]
	EOF
	soon_reaches blue/far tcp red/server 80
	reaches blue/near tcp red/far 80
	blocked blue/far tcp red/server 81
	blocked blue/far udp red/server 80
	blocked red/far tcp red/server 80
	reaches red/server udp blue/far 81
	blocked red/server udp blue/far 80
	blocked red/server tcp blue/far 81
}

@test "Pass: skips the rest of the tier and leaves it to NetworkPolicies" {
	with_crd
	policy pass Admin 10 <<<"ingress: [{action: Pass, from: [$BLUE_NEAR]}, {action: Deny, from: [$BLUE]}]"
	policy later Admin 20 <<<"ingress: [{action: Deny, from: [$ALL]}]"
	soon_blocked red/far tcp red/server 80
	blocked blue/far tcp red/server 80
	reaches blue/near tcp red/server 80
	netpol none 'podSelector: {matchLabels: {app: server}}'
	soon_blocked blue/near tcp red/server 80
	reaches blue/near tcp red/near 80
}

@test "Baseline: decides only for pods that no NetworkPolicy selects" {
	with_crd
	policy base Baseline 0 <<<"ingress: [{action: Deny, from: [$BLUE]}]"
	soon_blocked blue/far tcp red/server 80
	blocked blue/near tcp red/near 80
	reaches red/far tcp red/server 80
	netpol blue 'podSelector: {matchLabels: {app: server}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]'
	soon_reaches blue/far tcp red/server 80
	blocked red/far tcp red/server 80
	blocked blue/near tcp red/near 80
	# Of one that is about the other direction only it makes no difference.
	netpol blue 'podSelector: {matchLabels: {app: server}}, policyTypes: [Egress]'
	soon_blocked blue/far tcp red/server 80
}

@test "priority: lower values first, then the order of the rules" {
	with_crd
	policy deny Admin 20 <<<"ingress: [{action: Deny, from: [$BLUE]}]"
	policy accept Admin 10 <<<"ingress: [{action: Accept, from: [$BLUE_NEAR]}]"
	soon_blocked blue/far tcp red/server 80
	reaches blue/near tcp red/server 80
	policy accept Admin 30 <<<"ingress: [{action: Accept, from: [$BLUE_NEAR]}]"
	soon_blocked blue/near tcp red/server 80
	policy deny Admin 20 <<<"ingress: [{action: Accept, from: [$BLUE_NEAR]}, {action: Deny, from: [$BLUE]}]"
	soon_reaches blue/near tcp red/server 80
	blocked blue/far tcp red/server 80
	policy deny Admin 20 <<<"ingress: [{action: Deny, from: [$BLUE]}, {action: Accept, from: [$BLUE_NEAR]}]"
	soon_blocked blue/near tcp red/server 80
	reaches red/far tcp red/server 80
}

@test "subject: pods by both selectors" {
	with_crd
	apply <<-EOF
		apiVersion: policy.networking.k8s.io/v1alpha2
		kind: ClusterNetworkPolicy
		metadata: {name: servers}
		spec:
		  tier: Admin
		  priority: 1
		  subject: {pods: {namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: server}}}}
		  ingress: [{action: Deny, from: [$ALL]}]
	EOF
	soon_blocked red/far tcp red/server 80
	blocked blue/near tcp red/server 80
	reaches blue/near tcp red/near 80
	kc label pod -n blue far app=server >/dev/null
	reaches red/near tcp blue/far 80
	kc label pod -n red far app=server >/dev/null
	soon_blocked red/near tcp red/far 80
	kc label pod -n red far app- >/dev/null
	kc label pod -n blue far app- >/dev/null
	soon_reaches red/near tcp red/far 80
}

@test "networks: addresses outside and, as the API says, of pods" {
	with_crd
	soon_reaches red/server tcp outside 80
	policy nets Admin 1 <<-EOF
		egress:
		  - action: Deny
		    to: [{networks: ["203.0.113.0/24", "2001:db8:113::/64", "$(pod_ip blue/far 4)/32", "$(pod_ip blue/far 6)/128"]}]
	EOF
	soon_blocked red/server tcp outside 80
	blocked red/far tcp outside 80
	blocked red/server tcp blue/far 80
	reaches red/server tcp blue/near 80
	reaches blue/near tcp outside 80
	policy nets Admin 1 <<-EOF
		egress:
		  - {action: Accept, to: [{networks: ["203.0.113.10/32", "2001:db8:113::10/128"]}]}
		  - {action: Deny, to: [{networks: ["0.0.0.0/0", "::/0"]}]}
	EOF
	soon_reaches red/server tcp outside 80
	blocked red/server tcp blue/near 80
}

@test "nodes: by their labels, and as these change" {
	with_crd
	soon_reaches red/server tcp n2 7070
	policy nodes Admin 1 <<<"egress: [{action: Deny, to: [{nodes: {matchLabels: {kubernetes.io/hostname: n2}}}]}]"
	soon_blocked red/server tcp n2 7070
	blocked red/far tcp n2 7070
	reaches red/server tcp n1 7070
	reaches red/server tcp blue/far 80
	reaches blue/near tcp n2 7070
	policy nodes Admin 1 <<<"egress: [{action: Deny, to: [{nodes: {matchExpressions: [{key: closed, operator: Exists}]}}]}]"
	soon_reaches red/server tcp n2 7070
	kc label node n1 closed= >/dev/null
	soon_blocked red/server tcp n1 7070
	blocked red/far tcp n1 7070
	reaches red/server tcp n2 7070
	kc label node n1 closed- >/dev/null
	soon_reaches red/server tcp n1 7070
}

@test "named ports: each pod's own number" {
	with_crd
	policy named Admin 1 <<-EOF
		ingress: [{action: Deny, from: [$BLUE], protocols: [{destinationNamedPort: web}]}]
		egress: [{action: Deny, to: [$BLUE], protocols: [{destinationNamedPort: web}]}]
	EOF
	soon_blocked blue/far tcp red/server 80
	reaches blue/far tcp red/server 81
	reaches blue/far udp red/server 80
	blocked blue/near tcp red/near 81
	reaches blue/near tcp red/near 80
	reaches blue/near tcp red/far 80
	blocked red/server tcp blue/far 81
	reaches red/server tcp blue/far 80
	reaches red/server tcp blue/near 81
}

@test "connections: a policy reaches those that are up" {
	with_crd
	stream_start s blue/far "$(pod_ip red/server 4)" 80
	policy deny Admin 1 <<<"ingress: [{action: Deny, from: [$BLUE]}]"
	stream_halts s
	kc delete cnp deny >/dev/null
	stream_flows s
	stream_end s
}

# A CRD that checks nothing, as one of a newer API would not check what is new in it.
loose_crd() {
	kc get crd clusternetworkpolicies.policy.networking.k8s.io -o json |
		jq '.spec.versions[0].schema.openAPIV3Schema =
			{type: "object", "x-kubernetes-preserve-unknown-fields": true}' |
		kc replace -f - >/dev/null
}

event_says() { # event_says POLICY TEXT
	kc get events.v1.events.k8s.io -n default -o json | jq -e --arg name "$1" --arg text "$2" \
		'[.items[] | select(.regarding.kind == "ClusterNetworkPolicy" and .regarding.name == $name and
			.reason == "Unsupported" and (.note | contains($text)))] | length >= 1'
}

@test "not understood: is said, and closed" {
	with_crd
	loose_crd
	netpol none 'podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress, Egress]'
	policy names Admin 1 <<<'egress: [{action: Accept, to: [{domainNames: [example.com]}]}]'
	wait_until 10 event_says names 'egress[0].to[0]: domainNames are not supported'
	grep -q 'ClusterNetworkPolicy names: egress\[0\].to\[0\]: domainNames' "$(node_dir n1)/agent.log"
	wait_until 5 metric_is n1 'linnet_notices{kind="ClusterNetworkPolicy",reason="Unsupported"}' 1
	in_node n1 "$LNT_BUILD/linnetctl" --run-dir "$(node_dir n1)/run" policy list -o wide |
		grep -qE '^<none> +names .* partly +egress\[0\]\.to\[0\]: domainNames'
	blocked red/server tcp outside 80
	reaches red/near tcp outside 80
	# Of a rule that would deny somebody it denies everybody; nobody else is touched.
	policy newer Admin 1 <<<"ingress: [{action: Deny, from: [{services: {}}]}, {action: Accept, from: [$ALL]}]"
	soon_blocked blue/far tcp red/near 80
	blocked red/far tcp red/near 80
	reaches red/near tcp blue/far 80
	wait_until 10 event_says newer "unknown field 'services'"
	kc delete cnp --all >/dev/null
	wait_until 5 metric_is n1 'linnet_notices{kind="ClusterNetworkPolicy",reason="Unsupported"}' 0
	soon_reaches blue/far tcp red/near 80
	kc apply -f "$LNT_TOP/manifests/crds" >/dev/null
}

@test "CRD: takes its policies along" {
	with_crd
	policy deny Admin 1 <<<"ingress: [{action: Deny, from: [$BLUE]}]"
	soon_blocked blue/far tcp red/server 80
	kc delete -f "$LNT_TOP/manifests/crds" >/dev/null
	soon_reaches blue/far tcp red/server 80
	wait_until 10 not_watched
	metric_is n1 linnet_ready 1
}
