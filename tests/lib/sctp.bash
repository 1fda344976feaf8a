# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# SCTP by the kernel's own sockets, for kernel-check: services of lab/a and lab/b (n1) and lab/c (n2).
# These sockets leave the checksum to the device; sctp_summed has them make it.

SCTP=$LNT_TOP/tests/tools/sctp.py

sctp_setup() {
	local name pod port=30110
	modprobe sctp
	for name in a b c; do
		pod=lab/$name
		background "$(pod_dir $pod)/sctp.pid" "$(pod_dir $pod)/sctp.log" "$(node_cgroup "$(pod_node $pod)")" \
			"$(pod_netns $pod)" "$LNT_PEER" serve $pod 81
		background "$(pod_dir $pod)/sink.pid" "$(pod_dir $pod)/sink.log" "$(node_cgroup "$(pod_node $pod)")" \
			"$(pod_netns $pod)" /usr/bin/python3 -u "$SCTP" sink 82
		wait_until 60 grep -q ready "$(pod_dir $pod)/sink.log"
	done
	background "$LNT_DIR/net.pid" "$LNT_DIR/net.log" "" net "$LNT_PEER" serve net 81
	for name in a b c none; do
		api POST /api/v1/namespaces/lab/services '{"apiVersion": "v1", "kind": "Service",
			"metadata": {"name": "sctp-'$name'"}, "spec": {"type": "NodePort",
			"ipFamilyPolicy": "RequireDualStack", "selector": {"app": "'$name'"}, "ports": [
			{"name": "peer", "port": 9001, "targetPort": 81, "protocol": "SCTP", "nodePort": '$port'},
			{"name": "sink", "port": 9002, "targetPort": 82, "protocol": "SCTP",
			"nodePort": '$((port + 1))'}]}}' >/dev/null
		port=$((port + 10))
	done
	# The first such service has agents load their programs again.
	for port in 30110 30120 30130; do
		wait_until "$LNT_AGENT_BOUND" probe net sctp "$(addr n1 4)" $port 5000
		wait_until "$LNT_AGENT_BOUND" probe net sctp "$(addr n2 6)" $port 5000
	done
	wait_until 60 probe n1 sctp "$(sctp_vip b 4)" 9001 5000
}

sctp_vip() {
	api GET "/api/v1/namespaces/lab/services/sctp-$1" | jq -r ".spec.clusterIPs[$(($2 == 6))]"
}

# sctp_of TARGET FROM ADDRESS PORT: an association with it.
sctp_of() {
	local out
	out=$(probe "$2" sctp "$3" "$4" 10000) || fail "$2 to $3:$4: $? $out" || return
	[ "${out%% *}" = "$1" ] || fail "$2 to $3:$4: answer of $out"
}

sctp_answers() {
	local family name
	reaches lab/a sctp lab/b 81
	reaches lab/a sctp lab/c 81
	reaches n1 sctp lab/a 81
	for family in 4 6; do
		for name in a b c; do
			sctp_of lab/$name lab/a "$(sctp_vip $name $family)" 9001
			sctp_of lab/$name n1 "$(sctp_vip $name $family)" 9001
		done
		sctp_of lab/b n1 "$(addr n1 $family)" 30120
		sctp_of lab/c n1 "$(addr n1 $family)" 30130
		sctp_of lab/b net "$(addr n1 $family)" 30120
		sctp_of lab/c net "$(addr n1 $family)" 30130
		sctp_of net lab/a "$(addr outside $family)" 81
	done
	sctp_of lab/c n1 127.0.0.1 30130
}

# sctp_aborts FROM ADDRESS PORT
sctp_aborts() {
	local rc=0
	probe "$1" sctp "$2" "$3" 10000 || rc=$?
	[ $rc = 1 ] || fail "$1 to $2:$3: $rc"
}

sctp_refused() {
	local family
	for family in 4 6; do
		sctp_aborts lab/a "$(sctp_vip none $family)" 9001
		sctp_aborts lab/a "$(sctp_vip b $family)" 9003
		sctp_aborts n1 "$(sctp_vip none $family)" 9001
		sctp_aborts net "$(addr n1 $family)" 30140
	done
}

# A hostPort of n1 that leads to lab/h there.
sctp_host_port() {
	local family from
	pod_create n1 lab/h
	PORTMAPS='[{"hostPort": 9016, "containerPort": 81, "protocol": "sctp"}]' pod_run lab/h 81
	for family in 4 6; do
		for from in net n1 n2 lab/a lab/c lab/h; do
			sctp_of lab/h $from "$(addr n1 $family)" 9016
		done
		sctp_aborts net "$(addr n1 $family)" 9017
	done
	probe net tcp "$(addr n1 4)" 9016 && fail "TCP is answered too"
	pod_del lab/h
	sctp_aborts net "$(addr n1 4)" 9016
}

sctp_much() {
	local family name
	for family in 4 6; do
		for name in b c; do
			in_pod lab/a /usr/bin/python3 "$SCTP" pour "$(addr lab/$name $family)" 82 500000
			in_pod lab/a /usr/bin/python3 "$SCTP" pour "$(sctp_vip $name $family)" 9002 500000
			in_node n1 /usr/bin/python3 "$SCTP" pour "$(sctp_vip $name $family)" 9002 500000
		done
		in_netns net /usr/bin/python3 "$SCTP" pour "$(addr n1 $family)" 30131 500000
	done
}

sctp_summed() {
	local pod
	for pod in lab/a lab/b lab/c; do
		in_pod $pod ethtool -K eth0 tx-checksum-sctp off
	done
	in_netns net ethtool -K eth0 tx-checksum-sctp off
	sctp_answers
	sctp_refused
	sctp_much
}

sctp_policy() {
	api POST /apis/networking.k8s.io/v1/namespaces/lab/networkpolicies '{"apiVersion":
		"networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "sctp"},
		"spec": {"podSelector": {"matchLabels": {"app": "b"}}, "ingress": [{"ports":
		[{"port": 82, "protocol": "SCTP"}]}]}}' >/dev/null
	wait_until 60 blocked lab/a sctp lab/b 81
	blocked lab/a tcp lab/b 80
	in_pod lab/a /usr/bin/python3 "$SCTP" pour "$(sctp_vip b 4)" 9002 1000
	api DELETE /apis/networking.k8s.io/v1/namespaces/lab/networkpolicies/sctp >/dev/null
	wait_until 60 reaches lab/a sctp lab/b 81
}
