#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Documentation of linnetctl: what it tells to type works, and what it shows is what is shown. The
# commands are the indented lines with a "$"; what follows in the block is what the command prints.
load ../lib/bats
load ../lib/ctl

setup_file() {
	ctl_bed
	pod_add n1 kube-system/coredns k8s-app=kube-dns
	kc apply -f - >/dev/null <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: shop, namespace: red}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: server}
		  ports: [{port: 8080, targetPort: 80, nodePort: 30080}]
		---
		apiVersion: v1
		kind: Service
		metadata: {name: kube-dns, namespace: kube-system}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  selector: {k8s-app: kube-dns}
		  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]
		---
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: web, namespace: red}
		spec:
		  podSelector: {matchLabels: {app: server}}
		  ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]
		---
		apiVersion: policy.networking.k8s.io/v1alpha2
		kind: ClusterNetworkPolicy
		metadata: {name: adm}
		spec:
		  tier: Admin
		  priority: 10
		  subject: {namespaces: {matchLabels: {team: red}}}
		  egress: [{name: no-world, action: Deny, to: [{networks: [203.0.113.0/24]}]}]
	EOF
	soon_blocked blue/far tcp red/server 80
	reaches red/near tcp red/server 80
}

teardown_file() { end; }

# commands FILE: "LINE COMMAND" of each.
commands() { awk '/^    \$ / { n = NR; sub(/^    \$ /, ""); print n, $0 }' "$LNT_TOP/$1"; }

# shown FILE LINE: the first word of each line that the document shows below a command.
shown() {
	awk -v from="$2" 'NR > from { if ($0 !~ /^    [^$]/ && $0 != "") exit; if ($0 != "") print $1 }' \
		"$LNT_TOP/$1"
}

# What the documents call things is this on the bed.
on_bed() {
	sed 's,NAMESPACE/POD2,red/server,g; s,NAMESPACE/POD,red/near,g; s,COREDNS-POD,coredns,g
		s,=POD$,=near,; s,-n NAMESPACE,-n red,g' <<<"$1"
}

# type_in COMMAND: on n1, as a user there would.
type_in() {
	local args
	read -r -a args <<<"$(on_bed "$1")"
	case ${args[0]} in
	linnetctl) in_node n1 "$LNT_BUILD/linnetctl" --run-dir "$(node_dir n1)/run" "${args[@]:1}" ;;
	kubectl) kc "${args[@]:1}" ;;
	curl) in_node n1 "${args[@]}" ;;
	*) fail "the bed has no ${args[0]}" ;;
	esac
}

# It listens, and ends when it is told to.
monitor_works() {
	local args
	read -r -a args <<<"$(on_bed "$1")"
	background "$LNT_DIR/m.pid" "$LNT_DIR/m.log" "" n1 \
		"$LNT_BUILD/linnetctl" --run-dir "$(node_dir n1)/run" "${args[@]:1}"
	wait_until 5 grep -q 'listening to the agent of n1' "$LNT_DIR/m.log"
	end_process "$LNT_DIR/m.pid" INT
	rm "$LNT_DIR/m.log"
}

# works FILE LINE COMMAND: it answers yes or no, and prints what is shown.
works() {
	local word rc=0
	if [[ $3 == 'linnetctl monitor'* ]]; then
		monitor_works "$3"
		return
	fi
	type_in "$3" >"$LNT_DIR/typed" || rc=$?
	[ $rc -le 1 ] || fail "$1, line $2: $3: exits with $rc" || return
	while read -r word; do
		awk -v w="$word" '$1 == w { found = 1 } END { exit !found }' "$LNT_DIR/typed" ||
			fail "$1, line $2: $3: no line begins with '$word': $(<"$LNT_DIR/typed")" || return
	done < <(shown "$1" "$2")
}

all_work() {
	local line command n=0
	while read -r line command; do
		works "$1" "$line" "$command" || return
		n=$((n + 1))
	done < <(commands "$1")
	[ $n -ge "$2" ]
}

@test "linnetctl.md: every example works and shows what it says" { all_work docs/linnetctl.md 9; }

@test "troubleshooting.md: every command works" { all_work docs/troubleshooting.md 20; }

@test "linnetctl.md: every verb and problem is in it" {
	local word n=0
	"$LNT_BUILD/linnetctl" 2>"$LNT_DIR/usage" || true
	while read -r word; do
		grep -qF "    linnetctl $word" "$LNT_TOP/docs/linnetctl.md" ||
			grep -qF "    \$ linnetctl $word" "$LNT_TOP/docs/linnetctl.md" ||
			fail "docs/linnetctl.md has no $word"
		n=$((n + 1))
	done < <(sed -nE 's/^  ([a-z]+( list| get| trace)?) .*/\1/p' "$LNT_DIR/usage")
	[ $n = 9 ]
	while read -r word; do
		grep -q "^|.*\`$word\`" "$LNT_TOP/docs/linnetctl.md" || fail "docs/linnetctl.md has no $word"
		n=$((n + 1))
	done < <(grep -oE 'problem\(f, "[a-z-]+"' "$LNT_TOP/agent/ctl/status_find.c" | cut -d'"' -f2)
	[ $n -gt 20 ]
}
