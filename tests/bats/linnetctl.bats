#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# linnetctl for a user: what a node has, and whether it is well. red/server and red/near live on n1,
# blue/far on n2; all answer on ports 80 and 81. (monitor and policy: explain.bats)
load ../lib/bats
load ../lib/ctl

setup_file() {
	ctl_bed
}

teardown_file() { end; }

teardown() {
	is_alive "$LNT_DIR/api.pid" || return 0
	no_policies
	kc -n red delete services --all >/dev/null
}

# json NODE FILTER ARGUMENT...: its one document, which has to be JSON for more than jq.
json() {
	ctl "$1" "${@:3}" -o json >"$LNT_DIR/json" || [ $? = 1 ]
	/usr/bin/python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$LNT_DIR/json"
	jq -r "$2" "$LNT_DIR/json"
}
json_is() { # NODE FILTER ARGUMENT...: the filter says true
	[ "$(json "$@")" = true ] || fail "not $2 in: $(<"$LNT_DIR/json")"
}

closed_server() { # nobody may talk to it
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: closed, namespace: red}
		spec: {podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress]}
	EOF
}

allow_80() {
	apply <<-EOF
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: web, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{ports: [{port: 80}]}]
	EOF
}

shop() {
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: shop, namespace: red}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: server}
		  ports: [{name: http, port: 8080, targetPort: 80, nodePort: 30080}]
	EOF
}

problems() { json "$1" '[.problems[].problem] | unique | join(" ")' status; }
problems_are() { [ "$(problems "$1")" = "$2" ] || fail "on $1: $(problems "$1")"; }

@test "status: all is well, and what the kernel has is named" {
	wait_until 5 problems_are n1 ''
	run -0 ctl n1 status
	[[ $output == *"Agent          ready, version $(make -s -C "$LNT_TOP" version), up "* ]]
	[[ $output == *'7 of 7 watches open'* ]]
	[[ $output == *'Endpoints      2 (0 closed, 0 not programmed, 0 waiting)'* ]]
	[[ $output == *'Problems: none' ]]
	grep -qE '^from_pod +clsact ingress +2 devices +[0-9]+ +attached$' <<<"$output"
	grep -qE '^from_node +tcx ingress +eth0 +[0-9]+ +attached$' <<<"$output"
	grep -qE '^connect4 +cgroup +cgroup +[0-9]+ +attached$' <<<"$output"
	grep -qE '^endpoints +4 +4096 +0%$' <<<"$output"
	grep -qE '^pods +open +[0-9]+s +3 ' <<<"$output"
	run -0 ctl n1 status -o wide
	[ "$(grep -cE '^from_pod +clsact ingress +lnt[0-9a-z]+ ' <<<"$output")" = 2 ]
}

@test "status: JSON" {
	json_is n1 '.ok and .problems == [] and .agent.node == "n1" and .agent.ready and .agent.synced and
		.agent.version == .version and .agent.abi == .kernel.abi and .agent.loadbalancerMode == "snat" and
		.agent.masqueradeAddresses == ["172.31.0.11", "fd31::11"] and (.agent.policyAudit | not) and
		.endpoints == {total: 2, closed: 0, notProgrammed: 0} and
		(.kernel.maps | map(select(.map == "endpoints"))[0] | .entries == 4 and .max == 4096) and
		([.kernel.attached[] | select(.program == "from_pod" and .attached and .current)] | length) == 2 and
		([.agent.watches[].state] | unique) == ["open"] and .agent.objects.pods == 3' status
}

# What the kernel has is asked of it: a filter that somebody takes away is missed.
@test "status: a program that is not where it should be is a problem, and exit code 1" {
	local device
	device=$(json n1 '[.kernel.attached[] | select(.program == "to_pod")][0].device' status)
	ip netns exec "${LNT_PREFIX}n1" tc filter del dev "$device" egress
	problems_are n1 not-attached
	run -1 ctl n1 status
	[[ $output == *"not-attached: to_pod is not attached to $device of red/"* ]]
	agent_stop n1
	agent_start n1
	problems_are n1 ''
	run -0 ctl n1 status
}

@test "status: without an agent it tells what the kernel has, and exits with 3" {
	agent_kill n1
	run -3 ctl n1 --bpf-root "$(node_dir n1)/bpf" status
	[[ $output == *"no agent answers at $(node_dir n1)/run/ctl.sock"* ]]
	[[ $output == *'Agent          none answers'* ]]
	[[ $output == *'no-agent: '* ]]
	grep -qE '^from_pod +clsact ingress +2 devices +[0-9]+ +attached$' <<<"$output"
	grep -qE '^endpoints +4 ' <<<"$output"
	run -3 --separate-stderr ctl n1 status --bpf-root "$(node_dir n1)/bpf" -o json
	jq -e '.agent == null and (.ok | not) and .endpoints.total == 2 and
		[.problems[].problem] == ["no-agent"]' <<<"$output"
	run -3 ctl n1 status --bpf-root "$LNT_DIR"
	[[ $output == *'nothing-pinned: '* ]]
	agent_start n1
	run -0 ctl n1 status
}

# --- endpoint list --------------------------------------------------------------------------------

# endpoint NODE POD FILTER
endpoint_is() {
	json_is "$1" ".endpoints | map(select(.namespace + \"/\" + .name == \"$2\")) | .[0] | $3" endpoint list
}

@test "endpoint list: the pods of this node, with and without isolation" {
	run -0 ctl n1 endpoint list
	[[ ${lines[0]} =~ ^NAMESPACE\ +NAME\ +ADDRESSES\ +DEVICE\ +STATE\ +INGRESS\ +EGRESS$ ]]
	[ ${#lines[@]} = 3 ]
	grep -qE "^red +near +$(pod_ip red/near 4),$(pod_ip red/near 6) +lnt[0-9a-z]+ +ready +open +open$" <<<"$output"
	closed_server
	wait_until 5 endpoint_is n1 red/server '.ingress == "isolated" and .egress == "open"'
	endpoint_is n1 red/near '.ingress == "open" and .state == "ready" and (.addresses | length) == 2'
	run -0 ctl n1 endpoint list -n blue
	[ ${#lines[@]} = 1 ]
	run -0 ctl n2 endpoint list -n blue -o wide
	[[ ${lines[0]} == *CONTAINER && ${lines[1]} == "blue "*"$(cat "$(pod_dir blue/far)/id")" ]]
	run -2 ctl n1 endpoint
	run -2 ctl n1 endpoint show
	run -0 ctl n1 endpoint --help
}

@test "endpoint list: a pod that is not programmed, or whose program somebody took, is told apart" {
	local device
	device=$(json n1 '.endpoints[] | select(.name == "near").device' endpoint list)
	ip netns exec "${LNT_PREFIX}n1" tc filter del dev "$device" ingress
	endpoint_is n1 red/near '.state == "no-program"'
	endpoint_is n1 red/server '.state == "ready"'
	agent_stop n1
	agent_start n1
	endpoint_is n1 red/near '.state == "ready"'
	pod_add n1 red/extra
	endpoint_is n1 red/extra '.state == "ready"'
	api DELETE "$(pod_path red/extra)?gracePeriodSeconds=0" >/dev/null
	wait_until 5 endpoint_is n1 red/extra '.state == "not-programmed"'
	problems_are n1 not-programmed
	pod_stop red/extra
	problems_are n1 ''
	# It asks no agent.
	agent_kill n1
	run -0 ctl n1 endpoint list --bpf-root "$(node_dir n1)/bpf"
	[[ $output == *' ready '* && $output != *not-programmed* ]]
	agent_start n1
}

# --- flow list ------------------------------------------------------------------------------------

@test "flow list: connections with their pods, services and rules, and what filters leave of them" {
	local node4 server far4 near4
	server=$(pod_ip red/server 4) far4=$(pod_ip blue/far 4) near4=$(pod_ip red/near 4) node4=$(node_ip4 n1)
	shop
	allow_80
	wait_until 5 probe net tcp "$node4" 30080
	stream_start pods red/near "$server" 80
	stream_start nodes blue/far "$server" 80
	stream_start world net "$node4" 30080
	run -0 ctl n1 flow list --port 80
	grep -qE '^TCP +red/near:[0-9]+ +red/server:80 +<none> +allow +open +0s +[0-9]+ ' <<<"$output"
	grep -qE '^TCP +blue/far:[0-9]+ +red/server:80 +<none> +allow +open +' <<<"$output"
	grep -qE '^TCP +203.0.113.10:[0-9]+ +red/shop:30080 \(service\) +red/server:80 +allow +open' <<<"$output"
	run -0 ctl n1 flow list --pod blue/far --port 80
	[[ $output == *blue/far* && $output != *red/near* && $output != *203.0.113* ]]
	run -0 ctl n1 flow list --pod red/near -o wide
	[[ $output == *"red/web ingress[0]" && $output != *blue/far* ]]
	run -0 ctl n1 flow list --address 203.0.113.0/24 --proto tcp --replies --numeric
	[[ $output == *"203.0.113.10:"*"$node4:30080"*"$server:80"* && $output != *"$far4"* ]]
	run -0 ctl n1 flow list --proto udp
	[ ${#lines[@]} = 1 ]
	json_is n1 ".leftOut == 0 and (.flows | map(select(.source.name == \"blue/far\" and .state == \"open\"))[0] |
		.source.address == \"$far4\" and .destination == {address: \"$server\", port: 80, kind: \"pod\",
			name: \"red/server\"} and .verdict == \"allow\" and .rule == \"red/web ingress[0]\" and .current and
		.packets > 0 and .seen == \"from-node\")" flow list --address "$far4" --address "$near4"
	json_is n1 '(.flows | length) == 1 and .leftOut >= 2' flow list --limit 1
	# A policy reaches connections that are up.
	no_policies
	closed_server
	wait_until 5 flows_drop n1
	run -0 ctl n1 flow list --drops --pod red/server
	[[ $output == *'drop: policy-ingress'* ]]
	stream_end pods
	stream_end nodes
	stream_end world
}

flows_drop() { [ "$(json "$1" '.flows | length' flow list --drops)" -ge 3 ]; }

@test "flow list: without an agent there are no names, and exit code 3; --numeric asks none" {
	reaches red/near tcp red/server 80
	agent_kill n1
	run -3 ctl n1 flow list --bpf-root "$(node_dir n1)/bpf" --pod red/server
	[[ $output == *'flows are shown without names'*"$(pod_ip red/server 4):80"* ]]
	run -0 ctl n1 flow list --bpf-root "$(node_dir n1)/bpf" --pod red/server --numeric
	agent_start n1
	run -2 ctl n1 flow list --bpf-root "$LNT_DIR"
	[[ $output == *'open map'* || $output == *'read '* ]]
}

@test "flow list: what is no filter is an error that says why" {
	local args want
	while IFS='|' read -r args want; do
		# shellcheck disable=SC2086 # words
		run -2 ctl n1 flow list $args
		[[ $output == *"$want"* ]] || fail "$args: $output"
	done <<-EOF
		--pod red|'red' is not NAMESPACE/NAME
		--pod red/none|there is no pod red/none
		--address 10.0.0|'10.0.0' is no address or prefix
		--address 10.0.0.0/33|no address or prefix
		--port 70000|'70000' is no number up to 65535
		--port -1|is no number
		--proto 300|'300' is no protocol
		--limit x|'x' is no number
		--nonsense|usage:
		more|usage:
	EOF
}

# --- service list and policy list -----------------------------------------------------------------

service_is() { # NODE NAMESPACE/NAME FILTER
	json_is "$1" ".services | map(select(.namespace + \"/\" + .name == \"$2\")) | .[0] | $3" service list
}

@test "service list: addresses, ports, endpoints, and whether the maps have it" {
	shop
	wait_until 5 service_is n1 red/shop '.state == "ready"'
	run -0 ctl n1 service list -n red
	[[ ${lines[0]} =~ ^NAMESPACE\ +NAME\ +TYPE\ +CLUSTER-IP\ +EXTERNAL-IP\ +PORT\(S\)\ +ENDPOINTS\ +STATE$ ]]
	[ ${#lines[@]} = 2 ]
	grep -qE '^red +shop +NodePort +10\.96\.[0-9.]+,fd00:96::[0-9a-f]+ +<none> +8080:30080/TCP +2/2 +ready$' <<<"$output"
	service_is n2 red/shop '.endpoints == {ready: 2, serving: 0, total: 2} and .forwarding == "snat" and
		([.frontends[] | .programmed] | unique) == [true] and
		(.frontends | map(select(.as == "NodePort") | [.address, .port])) ==
			[["127.0.0.1", 30080], ["172.31.0.12", 30080], ["fd31::12", 30080]]'
	service_is n1 default/kubernetes '.type == "ClusterIP"'
}

@test "service list: without endpoints, headless, of another name, another's address" {
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: empty, namespace: red}
		spec: {externalIPs: [198.51.100.1], selector: {app: nobody}, ports: [{port: 80}]}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: later, namespace: red}
		spec: {externalIPs: [198.51.100.1], selector: {app: server}, ports: [{port: 80}]}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: headless, namespace: red}
		spec: {clusterIP: None, selector: {app: server}, ports: [{port: 80}]}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: elsewhere, namespace: red}
		spec: {type: ExternalName, externalName: example.com}
	EOF
	wait_until 5 service_is n1 red/later '.state == "taken" and (.frontends | map(.takenBy // empty)) == ["red/empty"]'
	wait_until 5 service_is n1 red/empty '.state == "no-endpoints"'
	service_is n1 red/headless '.state == "headless" and .frontends == []'
	service_is n1 red/elsewhere '.state == "external-name"'
}

# The kernel is asked: what somebody takes out of the map is missed.
@test "service list: what is not in the maps is told" {
	local ip hex
	shop
	wait_until 5 service_is n1 red/shop '.state == "ready"'
	ip=$(kc -n red get service shop -o 'jsonpath={.spec.clusterIPs[0]}')
	hex=$(tr . '\n' <<<"$ip" | xargs printf '%02x ')
	# shellcheck disable=SC2086 # a byte a word
	bpftool map delete pinned "$(echo "$(node_dir n1)"/bpf/linnet/*/maps/services)" \
		key hex 0 0 0 0 0 0 0 0 0 0 ff ff $hex 1f 90 06 00
	service_is n1 red/shop '.state == "partly 4/5"'
	agent_stop n1
	agent_start n1
	wait_until 5 service_is n1 red/shop '.state == "ready"'
}

policy_is() { # NODE NAMESPACE/NAME FILTER
	json_is "$1" ".policies | map(select(.namespace + \"/\" + .name == \"$2\")) | .[0] | $3" policy list
}

@test "policy list: NetworkPolicies and ClusterNetworkPolicies, with the pods here that they select" {
	allow_80
	apply <<-EOF
		apiVersion: policy.networking.k8s.io/v1alpha2
		kind: ClusterNetworkPolicy
		metadata: {name: adm}
		spec:
		  tier: Admin
		  priority: 10
		  subject: {namespaces: {matchLabels: {team: red}}}
		  egress: [{name: no-world, action: Deny, to: [{networks: [203.0.113.0/24]}]}]
	EOF
	wait_until 5 policy_is n1 /adm '.podsHere == 2'
	wait_until 5 policy_is n1 red/web '.podsHere == 1'
	run -0 ctl n1 policy list
	[[ ${lines[0]} =~ ^NAMESPACE\ +NAME\ +TIER\ +PRIORITY\ +DIRECTIONS\ +RULES\ +PODS\ +STATE$ ]]
	[[ ${lines[1]} =~ ^\<none\>\ +adm\ +admin\ +10\ +egress\ +1\ +2\ +ready$ ]]
	[[ ${lines[2]} =~ ^red\ +web\ +network\ +\<none\>\ +ingress\ +1\ +1\ +ready$ ]]
	policy_is n2 red/web '.podsHere == 0 and .programmed and .problems == [] and .state == "ready"'
	run -0 ctl n1 policy list -n red
	[[ $output == *web* && $output != *adm* ]]
	kc delete cnp adm >/dev/null
}

@test "lists: come in portions; a client that does not read keeps nobody waiting" {
	namespace_add many
	for i in {1..400}; do
		printf -- '---\n{apiVersion: v1, kind: Service, metadata: {name: s%d, namespace: many}, ' "$i"
		printf 'spec: {ports: [{port: 80}, {name: b, port: 81}, {name: c, port: 82}]}}\n'
	done | sed 's/ports: \[{port: 80}/ports: [{name: a, port: 80}/' | apply
	wait_until 10 has_services 400
	/usr/bin/python3 - "$(node_dir n1)/run/ctl.sock" <<-'EOF'
		import json, socket, sys

		def ask(req):
		    client = socket.socket(socket.AF_UNIX)
		    client.settimeout(5)
		    client.connect(sys.argv[1])
		    client.sendall(json.dumps(req).encode() + b"\n")
		    return client

		slow = ask({"get": "list", "of": "services"})
		slow.sendall(b'{"get":"list","of":"services"}\n')
		assert json.loads(ask({"get": "status"}).makefile().readline())["node"] == "n1"
		names, refused = [], 0
		for line in slow.makefile():
		    answer = json.loads(line)
		    refused += "error" in answer
		    if "end" in answer:
		        assert answer["end"] == len(names), (answer, len(names))
		        break
		    if "name" in answer:
		        names.append((answer["namespace"], answer["name"]))
		assert refused == 1 and len(names) >= 400 and names == sorted(names)
		gone = ask({"get": "list", "of": "services"})
		gone.close()
		wrong = ask({"get": "list", "of": "nothing"})
		assert "error" in json.loads(wrong.makefile().readline())
		assert "error" in json.loads(ask({"get": "list"}).makefile().readline())
	EOF
	agent_answers n1
	kc delete namespace many --wait=false >/dev/null
	kc -n many delete services --all >/dev/null
}

has_services() { [ "$(json n1 '.services | length' service list -n many)" = "$1" ]; }

@test "lists: nobody there, or a wrong option" {
	local verb
	for verb in service policy; do
		run -2 ctl n1 $verb list -o yaml
		run -2 ctl n1 $verb list extra
		run -2 ctl n1 $verb
		run -0 ctl n1 $verb --help
		run -0 ctl n1 $verb list --help
		run -3 ctl n1 --run-dir "$LNT_DIR" $verb list -o json
		[[ $output == *'no agent answers'* ]]
		json_is n1 '.[] == []' $verb list -n none
	done
}

@test "an agent that is stuck is not waited for" {
	kill -STOP "$(agent_pid n1)"
	run -3 ctl n1 status --bpf-root "$(node_dir n1)/bpf" --timeout 1
	[[ $output == *'has said nothing for 1 s'*'Agent          none answers'*'endpoints      4 '* ]]
	run -3 ctl n1 --timeout 1 policy get red/server
	run -3 ctl n1 --timeout 1 service list -o json
	kill -CONT "$(agent_pid n1)"
	run -0 ctl n1 status
	run -2 ctl n1 --timeout x status
	[[ $output == *"'x' is no number of seconds"* ]]
}

@test "version: one for all programs, the metric and linnetd" {
	local version
	version=$(make -s -C "$LNT_TOP" version)
	run -0 ctl n1 version
	[[ $output == "linnetctl $version (ABI "*"linnetd   $version (ABI "* ]]
	json_is n1 ".linnetctl == \"$version\" and .linnetd == \"$version\"" version
	[ "$("$LNT_BUILD/linnetd" --version)" = "linnetd $version" ]
	in_node n1 curl -s http://127.0.0.1:9880/metrics | grep -q "^linnet_build_info{version=\"$version\","
	run -3 ctl n1 --run-dir "$LNT_DIR" version
	[[ $output == *"linnetctl $version"* ]]
}

@test "usage: what is no verb, no option or no output is an error that says so" {
	local args
	while read -r args; do
		# shellcheck disable=SC2086 # words
		run -2 ctl n1 $args
		[ -n "$output" ] || fail "nothing said to $args"
	done <<-EOF
		nothing
		status extra
		status -o yaml
		status --nonsense
		version extra
		-o
	EOF
	run -2 "$LNT_BUILD/linnetctl"
	for args in status version monitor; do
		run -0 ctl n1 $args --help
		[[ $output == "usage: linnetctl $args"* ]]
	done
}

# The last one: the API server's double forgets what it had.
@test "status: an agent that cannot reach the API server, before and after its first list" {
	problems_are n2 ''
	api_stop
	wait_until 10 problems_are n2 watch-broken
	run -1 ctl n2 status
	[[ $output == *'watch-broken: no watch of pods is open: '* ]]
	agent_stop n1
	agent_spawn n1
	wait_until 5 problems_are n1 not-ready
	run -1 ctl n1 status
	[[ $output == *'not ready, version '*'API server     https://172.31.0.1:6443, not synced; '* ]]
	[[ $output == *'not-ready: the agent is not ready: waiting for the API server'* ]]
}
