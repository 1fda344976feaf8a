#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# linnetctl for a user: what a node has, and whether it is well. red/server and red/near live on n1,
# blue/far on n2; all answer on ports 80 and 81. (monitor and policy: explain.bats)
load ../lib/bats

setup_file() {
	cluster_sweep
	cluster_network 2
	kc apply -f "$LNT_TOP/manifests/crds" >/dev/null
	agent_start n1
	agent_start n2
	namespace_add red team=red
	namespace_add blue team=blue
	serving n1 red/server app=server
	serving n1 red/near role=client
	serving n2 blue/far role=client
}

teardown_file() { end; }

teardown() {
	is_alive "$LNT_DIR/api.pid" || return 0
	no_policies
	kc -n red delete services --all >/dev/null
}

serving() {
	pod_create "$@"
	pod_run "$2" 80 81
}

ctl() { # ctl NODE ARGUMENT...
	in_node "$1" "$LNT_BUILD/linnetctl" --run-dir "$(node_dir "$1")/run" "${@:2}"
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
	[[ $output == *'not ready, version '*'API server     not synced; '* ]]
	[[ $output == *'not-ready: the agent is not ready: waiting for the API server'* ]]
}
