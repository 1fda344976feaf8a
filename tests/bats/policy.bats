#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# NetworkPolicy on real packets. red/server, red/near and red/other live on n1, red/far on n2; so do
# blue/near and blue/far. The servers answer on ports 80, 81 and 82.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add red team=red
	namespace_add blue team=blue
	serving n1 red/server app=server
	serving n1 red/near role=client
	serving n2 red/far role=client
	serving n1 red/other role=other
	serving n1 blue/near role=client
	serving n2 blue/far role=client
}

teardown_file() { end; }

teardown() { no_policies; }

serving() {
	pod_create "$@"
	pod_run "$2" 80 81 82
}

default_deny() {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: default-deny, namespace: $1}
		spec: {podSelector: {}, policyTypes: [$2]}
	EOF
}

@test "no policy: everything is allowed" {
	for from in red/near red/far blue/near blue/far; do
		soon_reaches $from tcp red/server 80
		soon_reaches $from udp red/server 80
	done
}

@test "default deny ingress: blocks pods of every namespace, and echo, but not the node" {
	default_deny red Ingress
	for from in red/near red/far blue/near blue/far; do
		soon_blocked $from tcp red/server 80
		soon_blocked $from udp red/server 80
	done
	no_pings red/near red/server
	no_pings blue/far red/server
	no_pings n2 red/server
	blocked n2 tcp red/server 80
	reaches n1 tcp red/server 80
	pings n1 red/server
	reaches red/server tcp blue/far 80
}

@test "default deny egress: blocks what the pods send, not what they are asked" {
	default_deny red Egress
	soon_blocked red/server tcp red/near 80
	soon_blocked red/server udp blue/far 80
	soon_blocked red/far tcp blue/near 80
	no_pings red/server blue/far
	reaches blue/far tcp red/server 80
	reaches blue/near udp red/far 80
	pings blue/far red/server
}

@test "ingress podSelector: allows the pods it names on their node and across nodes" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: clients, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{from: [{podSelector: {matchLabels: {role: client}}}]}]
	EOF
	soon_blocked red/other tcp red/server 80
	reaches red/near tcp red/server 80
	reaches red/far tcp red/server 81
	reaches red/far udp red/server 80
	pings red/far red/server
	blocked blue/near tcp red/server 80
	blocked blue/far tcp red/server 80
	no_pings red/other red/server
	reaches blue/far tcp red/other 80
}

@test "ingress namespaceSelector: allows all pods of the namespaces it names" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: from-blue, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]
	EOF
	soon_blocked red/near tcp red/server 80
	blocked red/far tcp red/server 80
	reaches blue/near tcp red/server 80
	reaches blue/far udp red/server 82
}

@test "ingress namespaceSelector with podSelector: both must fit" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: clients-of-red, namespace: blue}
		spec:
		  podSelector: {}
		  ingress:
		    - from:
		        - namespaceSelector: {matchLabels: {team: red}}
		          podSelector: {matchExpressions: [{key: role, operator: NotIn, values: [other]}]}
	EOF
	soon_blocked red/other tcp blue/near 80
	reaches red/near tcp blue/near 80
	reaches red/far tcp blue/near 80
	reaches red/server tcp blue/far 80
	blocked red/other tcp blue/far 80
	blocked blue/far tcp blue/near 80
}

@test "ports: only the port and the protocol that are named" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: ports, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{ports: [{port: 80}, {port: 81, protocol: UDP}]}]
	EOF
	for from in red/near blue/far; do
		soon_blocked $from tcp red/server 82
		reaches $from tcp red/server 80
		blocked $from udp red/server 80
		reaches $from udp red/server 81
		blocked $from tcp red/server 81
	done
	no_pings blue/far red/server
}

@test "ports: a range" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: range, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{ports: [{port: 81, endPort: 90}]}]
	EOF
	soon_blocked blue/far tcp red/server 80
	reaches blue/far tcp red/server 81
	reaches red/near tcp red/server 82
}

@test "egress: allows the pods and ports it names" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: egress, namespace: blue}
		spec:
		  podSelector: {matchLabels: {role: client}}
		  policyTypes: [Egress]
		  egress:
		    - to: [{namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: server}}}]
		      ports: [{port: 80}]
	EOF
	soon_blocked blue/near tcp red/other 80
	soon_blocked blue/far tcp red/other 80
	reaches blue/near tcp red/server 80
	reaches blue/far tcp red/server 80
	blocked blue/near tcp red/server 81
	blocked blue/far udp red/server 80
	blocked blue/far tcp blue/near 80
	reaches red/near tcp blue/far 80
}

@test "both ends: a connection needs the sender's egress and the receiver's ingress" {
	default_deny blue Egress
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: from-blue, namespace: red}
		spec:
		  podSelector: {}
		  ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]
	EOF
	for from in blue/near blue/far; do
		soon_blocked $from tcp red/server 80
		soon_blocked $from tcp red/far 80
	done
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: to-red, namespace: blue}
		spec:
		  podSelector: {}
		  policyTypes: [Egress]
		  egress: [{to: [{namespaceSelector: {matchLabels: {team: red}}}]}]
	EOF
	for from in blue/near blue/far; do
		soon_reaches $from tcp red/server 80
		soon_reaches $from tcp red/far 80
	done
	soon_blocked red/near tcp red/server 80
}

@test "several policies: a pod may do what any of them allows" {
	default_deny red Ingress
	for port in 80 81; do
		apply <<-EOF
			apiVersion: networking.k8s.io/v1
			kind: NetworkPolicy
			metadata: {name: port-$port, namespace: red}
			spec: {podSelector: {matchLabels: {app: server}}, ingress: [{ports: [{port: $port}]}]}
		EOF
	done
	soon_reaches blue/far tcp red/server 81
	reaches blue/far tcp red/server 80
	blocked blue/far tcp red/server 82
	blocked blue/far tcp red/other 80
}

@test "established connections: a policy stops them and its removal lets them go on" {
	local family pair
	for family in 4 6; do
		for pair in red/near blue/far; do
			stream_start "s$family-${pair/\//-}" $pair "$(pod_ip red/server $family)" 80
		done
	done
	default_deny red Ingress
	for family in 4 6; do
		stream_halts s$family-red-near
		stream_halts s$family-blue-far
	done
	no_policies
	for family in 4 6; do
		stream_flows s$family-red-near
		stream_flows s$family-blue-far
		stream_end s$family-red-near
		stream_end s$family-blue-far
	done
}

@test "established connections: an egress policy stops them too" {
	stream_start out red/far "$(pod_ip blue/near 4)" 80
	default_deny red Egress
	stream_halts out
	no_policies
	stream_flows out
	stream_end out
}

@test "pod labels: a change takes effect at once, both ways" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: clients, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{from: [{podSelector: {matchLabels: {role: client}}}]}]
	EOF
	soon_blocked red/other tcp red/server 80
	kc -n red label --overwrite pod other role=client
	soon_reaches red/other tcp red/server 80
	kc -n red label --overwrite pod other role=other
	soon_blocked red/other tcp red/server 80
	kc -n red label --overwrite pod far role=none
	soon_blocked red/far tcp red/server 80
	kc -n red label --overwrite pod far role=client
	soon_reaches red/far tcp red/server 80
	kc -n red label --overwrite pod server app=free
	soon_reaches red/other tcp red/server 80
	kc -n red label --overwrite pod server app=server
	soon_blocked red/other tcp red/server 80
}

@test "namespace labels: a change takes effect at once, both ways" {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: from-green, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{from: [{namespaceSelector: {matchLabels: {team: green}}}]}]
	EOF
	soon_blocked blue/near tcp red/server 80
	soon_blocked blue/far tcp red/server 80
	kc label --overwrite namespace blue team=green
	soon_reaches blue/near tcp red/server 80
	soon_reaches blue/far tcp red/server 80
	kc label --overwrite namespace blue team=blue
	soon_blocked blue/near tcp red/server 80
	soon_blocked blue/far tcp red/server 80
}

@test "deletion: a policy that is gone blocks nothing" {
	default_deny red Ingress
	soon_blocked blue/far tcp red/server 80
	kc -n red delete networkpolicy default-deny
	soon_reaches blue/far tcp red/server 80
	soon_reaches red/near udp red/server 80
}

@test "change: an edited policy replaces what it said before" {
	for port in 80 81; do
		apply <<-EOF
			apiVersion: networking.k8s.io/v1
			kind: NetworkPolicy
			metadata: {name: edited, namespace: red}
			spec: {podSelector: {matchLabels: {app: server}}, ingress: [{ports: [{port: $port}]}]}
		EOF
		soon_reaches blue/far tcp red/server $port
		soon_blocked blue/far tcp red/server $((161 - port))
	done
}

# A client that asks from before the pod's device exists until after ADD has returned.
early_asker() {
	background "$LNT_DIR/asker.pid" "$LNT_DIR/asker.out" "$(node_cgroup n2)" "$(pod_netns "$1")" \
		"$LNT_PEER" until ok udp "$(pod_ip red/server "$2")" 80 "$3"
}

@test "pod start: an isolated pod gets no packet out, from before ADD returns" {
	local family
	default_deny blue Egress
	soon_blocked blue/far tcp red/server 80
	for family in 4 6; do
		: >"$LNT_DIR/asker.out"
		pod_create n2 blue/early role=client
		pod_sandbox blue/early n2
		early_asker blue/early $family 1500
		pod_cni_add blue/early
		wait_until 5 is_gone "$LNT_DIR/asker.pid"
		[ ! -s "$LNT_DIR/asker.out" ]
		pod_del blue/early
	done
	no_policies
	: >"$LNT_DIR/asker.out"
	pod_create n2 blue/early role=client
	pod_sandbox blue/early n2
	early_asker blue/early 4 5000
	pod_cni_add blue/early
	wait_until 5 test -s "$LNT_DIR/asker.out"
	wait_until 5 is_gone "$LNT_DIR/asker.pid"
	pod_del blue/early
}

@test "pod start: ADD waits for a pod that the API server does not know yet" {
	pod_sandbox blue/late n1
	pod_cni_add blue/late &
	local add=$!
	wait_until 5 in_netns "$(pod_netns blue/late)" ip link show eth0 || true
	kill -0 $add
	pod_create n1 blue/late role=client
	wait $add
	pod_ready blue/late True
	reaches blue/late tcp red/server 80
	pod_del blue/late
}

@test "pod start: ADD for a pod that never appears says try again later and leaves nothing" {
	local before
	before=$(in_node n1 ip -o link | wc -l)
	pod_sandbox blue/never n1
	run ! pod_cni_add blue/never
	[ "$(jq -r .code "$(pod_dir blue/never)/result.json")" = 11 ]
	[ "$(in_node n1 ip -o link | wc -l)" = "$before" ]
	ip netns del "$LNT_PREFIX$(pod_netns blue/never)"
}

@test "pod start: ADD without the agent says try again later and leaves nothing" {
	local before
	before=$(in_node n2 ip -o link | wc -l)
	pod_create n2 blue/alone role=client
	pod_sandbox blue/alone n2
	agent_kill n2
	run ! pod_cni_add blue/alone
	[ "$(jq -r .code "$(pod_dir blue/alone)/result.json")" = 11 ]
	[ "$(in_node n2 ip -o link | wc -l)" = "$before" ]
	agent_start n2
	pod_cni_add blue/alone
	pod_ready blue/alone True
	soon_reaches blue/alone tcp red/server 80
	pod_del blue/alone
}

@test "address reuse: what the pod before might do, the next one with its address may not" {
	local conf=$LNT_DIR/small.conflist ip
	jq '.plugins[0].ipam.ranges = ["10.244.2.248/30", "fd10:244:0:2::f8/126"]' "$(conflist n2)" >"$conf"
	export CONFLIST=$conf
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: clients, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {role: reuse}}}]}]
	EOF
	pod_add n2 blue/first role=reuse
	ip=$(pod_ip blue/first 4)
	soon_reaches blue/first tcp red/server 80
	soon_blocked blue/far tcp red/server 80
	pod_del blue/first
	for _ in 1 2 3 4; do
		pod_add n2 blue/second role=stranger
		[ "$(pod_ip blue/second 4)" != "$ip" ] || break
		pod_del blue/second
	done
	[ "$(pod_ip blue/second 4)" = "$ip" ]
	soon_blocked blue/second tcp red/server 80
	reaches blue/second tcp red/other 80
	pod_del blue/second
}

# to_block CIDRS EXCEPT: what red/near may send to, besides the node.
to_block() {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: block, namespace: red}
		spec:
		  podSelector: {matchLabels: {role: client}}
		  policyTypes: [Egress]
		  egress:
		  - to:
		$(for cidr in $1; do echo "    - ipBlock: {cidr: \"$cidr\", except: [$(family_of "$2" "$cidr")]}"; done)
	EOF
}

# family_of CIDRS LIKE: those of LIKE's family, as a list.
family_of() {
	local cidr out=()
	for cidr in $1; do
		[[ $cidr == *:* && $2 != *:* || $cidr != *:* && $2 == *:* ]] || out+=("\"$cidr\"")
	done
	local IFS=,
	echo "${out[*]}"
}

@test "ipBlock: pods of this node and others by their addresses, in both families" {
	to_block "$(pod_ip red/server 4)/32 $(pod_ip red/server 6)/128" ""
	soon_blocked red/near tcp blue/near 80
	soon_reaches red/near tcp red/server 80
	blocked red/near tcp blue/far 80
	blocked red/far tcp blue/near 80
	soon_reaches red/far udp red/server 80
	to_block "0.0.0.0/0 ::/0" "$(pod_ip red/server 4)/32 $(pod_ip red/server 6)/128"
	soon_blocked red/near tcp red/server 80
	soon_blocked red/far tcp red/server 80
	soon_reaches red/near tcp blue/far 80
	reaches red/far tcp blue/near 80
}

@test "ipBlock: what one policy excepts another allows" {
	to_block "0.0.0.0/0 ::/0" "$(pod_ip red/server 4)/32 $(pod_ip red/server 6)/128"
	soon_blocked red/near tcp red/server 81
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: more, namespace: red}
		spec:
		  podSelector: {matchLabels: {role: client}}
		  policyTypes: [Egress]
		  egress:
		  - to:
		    - ipBlock: {cidr: "$(pod_ip red/server 4)/32"}
		    - ipBlock: {cidr: "$(pod_ip red/server 6)/128"}
		    ports: [{port: 81}]
	EOF
	soon_reaches red/near tcp red/server 81
	blocked red/near tcp red/server 80
	reaches red/near tcp blue/far 80
}
