# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A node for the CNI plugin alone: a network and a mount namespace with a bpffs, a run directory, a
# stand-in for the agent and programs that let everything pass. Nothing of it is visible outside, and
# it is gone with the processes that hold it.

bats_require_minimum_version 1.5.0
LNT_TOP=$(realpath "${BASH_SOURCE[0]%/*}/../..")
LNT_BUILD=$(realpath "${LNT_BUILD:-$LNT_TOP/build}")
NODE4=192.0.2.7 NODE6=2001:db8::7

# wait_until SECONDS COMMAND...: polls, with a bound.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		((SECONDS < end)) || { echo "not within the time: $*" >&2; return 1; }
	done
}

fail() {
	echo "$*" >&2
	return 1
}

# --- namespaces -----------------------------------------------------------------------------------

in_new_ns() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# hold VARIABLE OPTION...: namespaces that a process of ours holds; its id goes into VARIABLE.
hold() {
	local var=$1
	shift
	unshare "$@" sleep infinity >/dev/null 2>&1 3>&- &
	printf -v "$var" %s $!
	HELD+=($!)
	wait_until 5 in_new_ns $!
}

on_node() { nsenter -t "$NODE_PID" -m -n -- "$@"; }

# in_pod [N] COMMAND...: N is a number of new_pod, default 1.
in_pod() {
	local n=1
	[[ $1 != [0-9]* ]] || { n=$1; shift; }
	nsenter -t "${POD_PID[$n]}" -n -- "$@"
}

netns_of() { echo "/proc/${POD_PID[${1:-1}]}/ns/net"; }

# new_pod N: an empty network namespace; CNI_NETNS becomes its path.
new_pod() {
	local pid
	hold pid --net
	POD_PID[$1]=$pid
	CNI_NETNS=$(netns_of "$1")
}

# --- the node -------------------------------------------------------------------------------------

# Called once a file: programs that pass everything on.
compile_programs() {
	local src=$BATS_FILE_TMPDIR/pass.c
	cat >"$src" <<-'EOF'
		#include <linux/bpf.h>
		__attribute__((section("tcx/ingress"), used)) int pass(void *ctx) { return -1; }
		char gpl[] __attribute__((section("license"), used)) = "GPL";
	EOF
	clang -O2 -g -target bpf "-I/usr/include/$(gcc -print-multiarch)" -c "$src" \
		-o "$BATS_FILE_TMPDIR/pass.o"
}

pin_programs() {
	local p
	on_node mkdir -p "$PINS/progs" "$PINS/links" "$PINS/maps"
	for p in from_pod to_pod; do
		on_node bpftool prog load "$BATS_FILE_TMPDIR/pass.o" "$PINS/progs/$p"
	done
}

agent_up() {
	[ -z "${1:-}" ] || echo "$1" >"$DIR/mode"
	on_node ln -sf "$DIR/mode" "$RUN/cni.sock.mode"
	# Not by way of on_node: the id has to be that of the process itself.
	nsenter -t "$NODE_PID" -m -n -- /usr/bin/python3 "$LNT_TOP/tests/tools/fake_agent.py" \
		"$RUN/cni.sock" "$DIR/agent.log" >/dev/null 2>"$DIR/agent.err" 3>&- &
	AGENT_PID=$!
	wait_until 10 on_node socat -u OPEN:/dev/null "UNIX-CONNECT:$RUN/cni.sock"
}

agent_down() {
	[ -z "${AGENT_PID:-}" ] || { kill "$AGENT_PID"; wait "$AGENT_PID" || true; }
	AGENT_PID=
}

# agent_mode MODE: what fake_agent.py says from now on.
agent_mode() { echo "$1" >"$DIR/mode"; }

# asked JQ-FILTER: requests that the agent has got.
asked() { jq -c "$1" "$DIR/agent.log"; }

node_up() {
	DIR=$BATS_TEST_TMPDIR RUN=$BATS_TEST_TMPDIR/run BPF=$BATS_TEST_TMPDIR/bpf
	PINS=$BPF/linnet/v$(awk '$2 == "LNT_ABI_VERSION" { print $3 }' "$LNT_TOP/datapath/abi.h")
	HELD=() POD_PID=()
	hold NODE_PID --net --mount --propagation private
	mkdir -p "$RUN" "$BPF"
	on_node mount -t tmpfs tmpfs "$RUN"
	on_node mount -t bpf bpffs "$BPF"
	on_node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	on_node ip link set lo up
	on_node ip addr add "$NODE4/32" dev lo
	on_node ip addr add "$NODE6/128" dev lo
	pin_programs
	agent_up ok
	export CNI_CONTAINERID=c1 CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni CNI_NETNS CNI_ARGS=
	RANGES='["10.244.1.0/24","fd00:10:244:1::/64"]' VERSION=1.1.0
	new_pod 1
}

node_down() {
	local pid
	agent_down
	for pid in "${HELD[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# --- the plugin -----------------------------------------------------------------------------------

# conf [JQ-FILTER]: a configuration, changed by the filter.
conf() {
	jq -nc --arg run "$RUN" --arg bpf "$BPF" --argjson ranges "$RANGES" --arg version "$VERSION" \
		'{cniVersion: $version, name: "net", type: "linnet", runDir: $run, bpfRoot: $bpf,
		  ipam: {type: "linnet", ranges: $ranges}}' | jq -c "${1:-.}"
}

# plugin VERB [JQ-FILTER]: as a runtime on the node would run it.
plugin() { conf "${2:-.}" | on_node env CNI_COMMAND="$1" "$LNT_BUILD/linnet"; }

# check [JQ-FILTER]: CHECK with the result of add(), changed by the filter.
check() { plugin CHECK ".prevResult = $(cat "$DIR/result.json") | ${1:-.}"; }

# add [JQ-FILTER]: ADD that must succeed; the result goes to result.json.
add() {
	plugin ADD "${1:-.}" >"$DIR/result.json" || fail "ADD failed: $(cat "$DIR/result.json")"
}

# refused VERB CODE TEXT [JQ-FILTER]: an error object with the code and the text in its msg.
refused() {
	run -1 plugin "$1" "${4:-.}"
	# shellcheck disable=SC2154 # set by run
	jq -e --argjson code "$2" --arg text "$3" '.code == $code and (.msg | contains($text))
		and (.cniVersion | length > 0) and has("details")' <<<"$output" >/dev/null ||
		fail "$1: not refused with $2 '$3' but: $output"
}

# result JQ-EXPRESSION: holds for the result of add().
result() { jq -e "$1" "$DIR/result.json" >/dev/null || fail "not so: $1 in $(cat "$DIR/result.json")"; }

host_device() { jq -r '.interfaces[] | select(has("sandbox") | not).name' "$DIR/result.json"; }

# Everything that an attachment could leave behind, but for what the search for addresses remembers.
node_state() {
	on_node sh -c "
		ip -o link | sed 's/@.*//; s/<.*//'
		{ ip route show table all; ip -6 route show table all; } | grep -v 'ff00::/8\|^fe80::'
		ip neigh
		find '$BPF' | sort
		find '$RUN' -mindepth 2 ! -path '$RUN/ipam*' | sort
		grep -h ^used '$RUN/ipam/addresses' 2>/dev/null || true"
	in_pod sh -c 'ip -o link show type veth; ip -o addr show scope global; ip route; ip -6 route'
}

# unchanged COMMAND...: the command leaves the state as it was before.
unchanged() {
	local before after
	before=$(node_state)
	"$@"
	after=$(node_state)
	[ "$before" = "$after" ] || { diff <(echo "$before") <(echo "$after") >&2; return 1; }
}

# pings FROM-COMMAND ADDRESS [OPTION...]
reaches() { "$1" ping -n -c 1 -W 2 "${@:3}" "$2" >/dev/null || fail "$1 does not reach $2"; }
