# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the bats files share: a cluster of the file's own and assertions about who reaches whom. Each
# file makes its cluster in setup_file and removes it in teardown_file.

bats_require_minimum_version 1.5.0
# The process of the file makes the name; the processes of its tests inherit it.
export LNT_PREFIX=${LNT_PREFIX:-lnt-$$-}
LNT_LIB=$(realpath "${BASH_SOURCE[0]%/*}")
# shellcheck source=tests/lib/cluster.bash
. "$LNT_LIB/cluster.bash"
# shellcheck source=tests/lib/pods.bash
. "$LNT_LIB/pods.bash"

# begin N: a cluster of N nodes, after whatever killed runs have left is gone.
begin() {
	cluster_sweep
	cluster_up "$1"
}

# end: removes it. An agent that died unasked fails the file.
end() {
	local d rc=0
	for d in "$LNT_DIR"/nodes/*/; do
		if [ -e "$d/agent.pid" ] && ! is_alive "$d/agent.pid"; then
			agent_diagnose "$(basename "$d")" >&2
			rc=1
		fi
	done
	cluster_down
	return $rc
}

# addr TARGET 4|6: of a pod, a node or "outside"; an address is itself.
addr() {
	case $1 in
	*/*) pod_ip "$1" "$2" ;;
	n[0-9]) "node_ip$2" "$1" ;;
	outside) [ "$2" = 4 ] && echo "$LNT_OUTSIDE4" || echo "$LNT_OUTSIDE6" ;;
	*) echo "$1" ;;
	esac
}

fail() {
	echo "$*" >&2
	return 1
}

# lacks REGEX COMMAND...: the command succeeds and says nothing of the kind.
lacks() {
	local out
	out=$("${@:2}") || return
	! grep -aE -- "$1" <<<"$out" || fail "found $1 in the output of ${*:2}"
}

# reaches FROM PROTO TARGET PORT: over both families, and the target itself answers.
reaches() {
	local family out name=$3
	[ "$name" != outside ] || name=net
	for family in 4 6; do
		out=$(probe "$1" "$2" "$(addr "$3" $family)" "$4" "${LNT_PROBE_MS:-1000}" 2>&1) ||
			fail "$1 to $3:$4/$2 over IPv$family: no answer ($?) $out" || return
		[ "${out%% *}" = "$name" ] || fail "$1 to $3:$4/$2 over IPv$family: answer of $out" || return
	done
}

# blocked FROM PROTO TARGET PORT: silence over both families, which is neither a refusal nor an error.
blocked() {
	local family rc
	for family in 4 6; do
		rc=0
		probe "$1" "$2" "$(addr "$3" $family)" "$4" "${LNT_SILENCE_MS:-400}" || rc=$?
		[ $rc = 2 ] || fail "$1 to $3:$4/$2 over IPv$family: not silent ($rc)" || return
	done
}

# Both, while a change is on its way.
soon_reaches() { wait_until 5 reaches "$@"; }
soon_blocked() { wait_until 5 blocked "$@"; }

# pings FROM TARGET [ping's options]: over both families.
pings() {
	local from=$1 to=$2 family
	shift 2
	for family in 4 6; do
		in_place "$from" ping -n -c 2 -i 0.2 -W 2 "$@" "$(addr "$to" $family)" >/dev/null ||
			fail "$from cannot ping $to over IPv$family" || return
	done
}

no_pings() {
	local family
	for family in 4 6; do
		! in_place "$1" ping -n -c 1 -W 1 "$(addr "$2" $family)" >/dev/null ||
			fail "$1 can ping $2 over IPv$family" || return
	done
}

# in_place POD|NODE|NAMESPACE COMMAND...
in_place() {
	case $1 in
	*/*) in_pod "$@" ;;
	n[0-9]*) in_node "$@" ;;
	*) in_netns "$@" ;;
	esac
}

# apply: YAML from stdin, by the real kubectl.
apply() { kc apply -f - >/dev/null; }

no_policies() { kc delete networkpolicies --all -A >/dev/null; }

# --- streams --------------------------------------------------------------------------------------

# stream_start NAME FROM ADDR PORT: a connection that is kept busy; FROM: a pod, or a machine.
stream_start() {
	local cgroup='' ns=$2
	if [[ $2 == */* ]]; then
		cgroup=$(node_cgroup "$(pod_node "$2")")
		ns=$(pod_netns "$2")
	fi
	: >"$LNT_DIR/$1.stream"
	background "$LNT_DIR/$1.pid" "$LNT_DIR/$1.stream" "$cgroup" "$ns" \
		"$LNT_PEER" stream "$3" "$4"
	wait_until 5 stream_passed "$1" 10
}

stream_answers() { awk '/^answered/ { print $2 }' "$LNT_DIR/$1.stream"; }
stream_longest() { awk '/^answered/ { print $4 }' "$LNT_DIR/$1.stream"; }
stream_passed() { [ "$(stream_answers "$1")" -ge "$2" ]; }

# stream_flows NAME: more answers arrive from now on.
stream_flows() { wait_until 10 stream_passed "$1" $(($(stream_answers "$1") + 10)); }

# stream_halts NAME: it has not ended, but two looks see the same number.
stream_halts() {
	is_alive "$LNT_DIR/$1.pid" && wait_until 5 stream_stands "$1"
}

stream_stands() {
	local before
	before=$(stream_answers "$1")
	read -r -t 0.5 <> <(:) || true
	[ "$before" = "$(stream_answers "$1")" ]
}

# stream_end NAME: fails if the connection broke.
stream_end() {
	is_alive "$LNT_DIR/$1.pid" || fail "the connection of $1 broke: $(cat "$LNT_DIR/$1.stream")"
	end_process "$LNT_DIR/$1.pid" TERM
}

# --- capture --------------------------------------------------------------------------------------

# capture_start NAME PLACE FILTER: what arrives, as text, in $LNT_DIR/NAME.cap.
capture_start() {
	local cgroup='' ns=$2
	[[ $2 != */* ]] || ns=$(pod_netns "$2")
	: >"$LNT_DIR/$1.cap"
	background "$LNT_DIR/$1.pid" "$LNT_DIR/$1.cap" "$cgroup" "$ns" \
		tcpdump -Q in -i eth0 -n -l -A -U "$3"
	wait_until 5 grep -q 'listening on' "$LNT_DIR/$1.cap"
}

captured() { grep -qa -- "$2" "$LNT_DIR/$1.cap"; }

# metric NODE SERIES...: their values; the whole answer has to be in the format.
metric() {
	in_node "$1" curl -s -m 5 http://127.0.0.1:9880/metrics >"$LNT_DIR/metrics"
	"$LNT_TOP/tests/lib/metrics.py" "${@:2}" <"$LNT_DIR/metrics"
}
metric_is() { [ "$(metric "$1" "$2")" = "$3" ] || fail "$2 on $1: $(metric "$1" "$2")"; }
metric_above() { [ "$(metric "$1" "$2")" -gt "$3" ] || fail "$2 on $1: $(metric "$1" "$2")"; }
