#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Services for those whose sockets are left alone: lab/opted (n1) says so by annotation and is
# otherwise as lab/plain; behind lab/web are lab/one (n1) and lab/two (n2).
load ../lib/bats

setup_file() {
	begin 2
	namespace_add lab
	for pod in n1/one n2/two; do
		pod_create "${pod%/*}" "lab/${pod#*/}" app=web
		pod_run "lab/${pod#*/}" 8080
	done
	pod_add n1 lab/plain
	pod_create n1 lab/opted app=opted
	opt opted false
	pod_run lab/opted 80
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: web, namespace: lab}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports:
		    - {name: t, port: 80, targetPort: 8080, nodePort: 30080}
		    - {name: u, port: 80, targetPort: 8080, nodePort: 30080, protocol: UDP}
		---
		apiVersion: v1
		kind: Service
		metadata: {name: own, namespace: lab}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: opted}
		  ports: [{name: t, port: 80}, {name: u, port: 80, protocol: UDP}]
	EOF
	VIP4=$(service_ip web 0)
	VIP6=$(service_ip web 1)
	export VIP4 VIP6
	for from in lab/plain lab/opted; do
		wait_until 10 both_answer $from tcp "$VIP4" 80
		wait_until 10 both_answer $from udp "$VIP6" 80
	done
}

teardown_file() { end; }

teardown() {
	local f
	for f in "$LNT_DIR"/*.keeper.pid; do
		[ ! -e "$f" ] || end_process "$f" KILL
	done
	rm -f "$LNT_DIR"/*.keeper*
}

# opt POD VALUE: the annotation; "" removes it.
opt() { kc -n lab annotate --overwrite pod "$1" "linnet.io/socket-lb${2:+=}${2:--}" >/dev/null; }

service_ip() { kc -n lab get service "$1" -o "jsonpath={.spec.clusterIPs[$2]}"; }

served_by() {
	for _ in $(seq 20); do
		probe "$@"
	done | awk '{ print $1 }' | sort -u
}

only() { [ "$(served_by "${@:2}" | tr '\n' ' ')" = "$1 " ]; }
both_answer() { only 'lab/one lab/two' "$@"; }

# peer_of STREAM POD: the address and port that the kernel has for the stream's connection.
peer_of() {
	in_netns "$(pod_netns "$2")" ss -Htnp | grep "pid=$(<"$LNT_DIR/$1.pid")," | awk '{ print $5 }'
}

# How many namespaces' sockets get services on n1.
entries() {
	in_node n1 bpftool -j map dump pinned "$(echo "$(node_dir n1)"/bpf/linnet/v*/maps/netns)" |
		jq length
}

entries_are() { [ "$(entries)" = "$1" ]; }

@test "answers: the same as for others, from both backends, with the pod's own address" {
	local proto
	for proto in tcp udp udp-unconnected; do
		wait_until 5 both_answer lab/opted $proto "$VIP4" 80
		wait_until 5 both_answer lab/opted $proto "$VIP6" 80
		[[ $(probe lab/opted $proto "$VIP4" 80) == *" $(pod_ip lab/opted 4) $VIP4 80" ]]
		[[ $(probe lab/opted $proto "$VIP6" 80) == *" $(pod_ip lab/opted 6) $VIP6 80" ]]
	done
}

@test "the kernel's own peer: is the Service, where others have the backend" {
	local vip
	for vip in "$VIP4" "$VIP6"; do
		stream_start opted lab/opted "$vip" 80
		stream_start plain lab/plain "$vip" 80
		[[ "$(peer_of opted lab/opted)" =~ ^\[?$vip\]?:80$ ]]
		[[ "$(peer_of plain lab/plain)" =~ ^\[?(10.244|fd10:244).*:8080$ ]]
		stream_end opted
		stream_end plain
	done
}

@test "NodePort: by the node's addresses, and the other node's" {
	local proto node
	for proto in tcp udp; do
		for node in n1 n2; do
			wait_until 5 both_answer lab/opted $proto "$(addr $node 4)" 30080
			wait_until 5 both_answer lab/opted $proto "$(addr $node 6)" 30080
		done
	done
	run ! probe lab/opted tcp 127.0.0.1 30080 300
}

@test "hairpin: the pod reaches itself behind its Service" {
	local proto
	for proto in tcp udp; do
		wait_until 5 only lab/opted lab/opted $proto "$(service_ip own 0)" 80
		wait_until 5 only lab/opted lab/opted $proto "$(service_ip own 1)" 80
	done
}

refused() {
	local rc=0
	probe "$@" || rc=$?
	[ $rc = 1 ] || fail "$*: $rc"
}

@test "refusal: no endpoints and no such port are said at once" {
	local vip proto start
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: empty, namespace: lab}
		spec:
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: nobody}
		  ports: [{name: t, port: 80}, {name: u, port: 80, protocol: UDP}]
	EOF
	for vip in "$(service_ip empty 0)" "$(service_ip empty 1)"; do
		for proto in tcp udp; do
			wait_until 5 refused lab/opted $proto "$vip" 80
			start=$(now_us)
			refused lab/opted $proto "$vip" 80
			refused lab/opted $proto "$vip" 81
			[ $(($(now_us) - start)) -lt 900000 ]
		done
	done
	kc -n lab delete service empty
}

@test "sessionAffinity: one backend for all, TCP and UDP apart" {
	kc -n lab patch service web --type=merge -p '{"spec":{"sessionAffinity":"ClientIP"}}'
	for proto in tcp udp; do
		wait_until 5 one_answers lab/opted $proto "$VIP4" 80
		wait_until 5 one_answers lab/opted $proto "$VIP6" 80
	done
	kc -n lab patch service web --type=merge -p '{"spec":{"sessionAffinity":"None"}}'
	wait_until 5 both_answer lab/opted tcp "$VIP4" 80
}

one_answers() { [ "$(served_by "$@" | wc -l)" = 1 ]; }

@test "backend gone: a UDP socket of the pod goes on with another backend" {
	local f=$LNT_DIR/u.keeper from
	background "$f.pid" "$f.log" "$(node_cgroup n1)" "$(pod_netns lab/opted)" \
		/usr/bin/python3 "$LNT_TOP/tests/tools/keeper.py" udp "$VIP4" 80 "$f"
	wait_until 10 grep -qs '^lab/' "$f"
	from=$(awk '{ print $1 }' "$f")
	pod_ready "$from" False
	wait_until 5 moved "$f" "$from"
	[ "$(awk '{ print $3 }' "$f")" = 1 ]
	pod_ready "$from" True
	wait_until 5 both_answer lab/opted tcp "$VIP4" 80
}

moved() { grep -qv "^$2 " "$1"; }

@test "a stack of the pod's own: frames that no socket of the kernel has sent" {
	local from out family proto
	for from in lab/plain lab/opted; do
		for family in 4 6; do
			for proto in udp tcp; do
				out=$(userstack $from $proto "$(service_ip web $((family / 2 - 2)))" 80)
				case $proto in
				udp) [[ $out =~ ^lab/(one|two)\ "$(service_ip web $((family / 2 - 2))) 80"$ ]] ;;
				tcp) [ "$out" = "SYN-ACK $(service_ip web $((family / 2 - 2))) 80" ] ;;
				esac
			done
		done
		run -1 userstack $from tcp "$VIP4" 81
		run -1 userstack $from udp "$VIP6" 81
	done
}

userstack() {
	local family=4 gateway
	[[ $3 != *:* ]] || family=6
	gateway=$(in_netns "$(pod_netns "$1")" ip neigh show 169.254.1.1 | awk '{ print $5 }')
	in_pod "$1" /usr/bin/python3 "$LNT_TOP/tests/tools/userstack.py" "$2" "$gateway" \
		"$(pod_ip "$1" $family)" "$3" "$4"
}

@test "annotation changed: counts for new connections, and old ones go on" {
	stream_start old lab/opted "$VIP4" 80
	opt opted true
	wait_until 5 connects_to lab/opted 8080
	opt opted false
	wait_until 5 connects_to lab/opted 80
	opt opted ''
	wait_until 5 connects_to lab/opted 8080
	opt opted false
	wait_until 5 connects_to lab/opted 80
	stream_flows old
	stream_end old
}

# connects_to POD PORT: a new connection to the Service has this port of the peer, for the kernel.
connects_to() {
	local peer
	stream_start new "$1" "$VIP4" 80
	peer=$(peer_of new "$1")
	stream_end new
	[[ $peer == *:$2 ]] || fail "$peer"
}

@test "annotation that is neither true nor false: is said and changes nothing" {
	opt plain maybe
	wait_until 5 grep -q "linnet.io/socket-lb.*'maybe' is neither" "$(node_dir n1)/agent.log"
	stream_start plain lab/plain "$VIP4" 80
	[[ "$(peer_of plain lab/plain)" == *:8080 ]]
	stream_end plain
	opt plain ''
}

@test "restart: the pod stays opted out, without an agent and with the next one" {
	agent_kill n1
	stream_start first lab/opted "$VIP4" 80
	[[ "$(peer_of first lab/opted)" == "$VIP4:80" ]]
	stream_end first
	agent_start n1
	stream_start second lab/opted "$VIP6" 80
	[[ "$(peer_of second lab/opted)" == "[$VIP6]:80" ]]
	stream_end second
}

@test "deletion: nothing stays of a pod that was opted out" {
	local before
	before=$(entries)
	pod_create n1 lab/brief
	opt brief false
	pod_run lab/brief 80
	[ "$(entries)" = "$before" ]
	opt brief ''
	wait_until 5 entries_are $((before + 1))
	opt brief false
	wait_until 5 entries_are "$before"
	opt brief ''
	wait_until 5 entries_are $((before + 1))
	pod_del lab/brief
	[ "$(entries)" = "$before" ]
}
