#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real packets between pods, nodes and the outside: lab/a and lab/b live on n1, lab/c on n2.
load ../lib/bats

setup_file() {
	begin 2
	namespace_add lab
	pod_add n1 lab/a
	pod_add n1 lab/b
	pod_add n2 lab/c
	for n in n1 n2; do
		background "$(node_dir $n)/serve.pid" "$(node_dir $n)/serve.log" "$(node_cgroup $n)" $n \
			"$LNT_PEER" serve $n 90
	done
	background "$LNT_DIR/net.pid" "$LNT_DIR/net.log" "" net "$LNT_PEER" serve net 80
	wait_until 5 in_netns net "$LNT_PEER" probe tcp ::1 80
}

teardown_file() { end; }

gateway_mac() { jq -r '.interfaces[] | select(.sandbox == null or .sandbox == "") | .mac' "$(pod_dir "$1")/result.json" | head -1; }
pod_mac() { in_pod "$1" ip -j link show eth0 | jq -r '.[0].address'; }

@test "same node: pods reach each other over TCP and UDP" {
	reaches lab/a tcp lab/b 80
	reaches lab/a udp lab/b 80
	reaches lab/b tcp lab/a 80
}

@test "across nodes: pods reach each other over TCP and UDP" {
	reaches lab/a tcp lab/c 80
	reaches lab/a udp lab/c 80
	reaches lab/c tcp lab/a 80
	reaches lab/c udp lab/b 80
}

@test "addresses: a pod sees the other pod's own address" {
	local family
	for family in 4 6; do
		for to in lab/b lab/c; do
			run -0 probe lab/a tcp "$(pod_ip $to $family)" 80
			[ "$output" = "$to $(pod_ip lab/a $family) $(pod_ip $to $family) 80" ]
		done
	done
}

@test "closed port: is refused at once, not silent" {
	local family
	for family in 4 6; do
		for to in lab/b lab/c; do
			run -1 probe lab/a tcp "$(pod_ip $to $family)" 81
			run -1 probe lab/a udp "$(pod_ip $to $family)" 81
		done
	done
}

@test "echo: ICMP and ICMPv6 are answered on the node, across nodes and by the nodes" {
	pings lab/a lab/b
	pings lab/a lab/c
	pings lab/a n1
	pings lab/a n2
	pings n1 lab/a
	pings n1 lab/c
}

@test "large packets: fragments arrive on the node, across nodes and from the node" {
	pings lab/a lab/b -s 4000
	pings lab/a lab/c -s 4000
	pings n1 lab/a -s 4000
}

# transfer FROM TO FAMILY
transfer() {
	local file=$LNT_DIR/bulk
	rm -f "$file".*
	head -c 20000000 /dev/urandom >"$file.in"
	background "$file.pid" "$file.log" "" "$(pod_netns "$2")" \
		socat -u TCP6-LISTEN:7000,reuseaddr,ipv6only=0 "OPEN:$file.out,creat,trunc"
	wait_until 5 pod_listens "$2" 7000
	in_pod "$1" timeout 20 socat -u "OPEN:$file.in" "TCP:$3:7000"
	wait_until 10 is_gone "$file.pid"
	cmp "$file.in" "$file.out"
}

@test "large packets: 20 MB over TCP arrive intact" {
	transfer lab/a lab/b "$(pod_ip lab/b 4)"
	transfer lab/a lab/c "$(pod_ip lab/c 4)"
	transfer lab/a lab/b "[$(pod_ip lab/b 6)]"
	transfer lab/a lab/c "[$(pod_ip lab/c 6)]"
}

@test "node: reaches its own pods and those of the other node" {
	reaches n1 tcp lab/a 80
	reaches n1 udp lab/a 80
	reaches n1 tcp lab/c 80
	reaches n1 udp lab/c 80
}

@test "node: is reached by its own pods and by those of the other node" {
	reaches lab/a tcp n1 90
	reaches lab/a udp n1 90
	reaches lab/c tcp n1 90
	reaches lab/c udp n1 90
}

@test "gateway: is found again when the pod has forgotten its neighbours" {
	local family
	for family in 4 6; do
		in_pod lab/a ip -$family neigh show dev eth0 | while read -r to _; do
			in_pod lab/a ip -$family neigh del "$to" dev eth0
		done
	done
	[ -z "$(in_pod lab/a ip neigh show dev eth0 nud permanent)" ]
	reaches lab/a tcp lab/b 80
	reaches lab/a tcp lab/c 80
	pings lab/a n1
}

# spoof CONTROL_TARGET SRC DST [OPTION...]: what lab/b sends as another never arrives; what it sends as
# itself, afterwards and by the same way, does.
spoof() {
	local to=$1 src=$2 family=4 gateway
	[[ $src != *:* ]] || family=6
	gateway=$(gateway_mac lab/b)
	capture_start spoof "$to" 'udp port 9999'
	in_pod lab/b "$LNT_LIB/frames.py" udp "$gateway" src="$src" dst="$(addr "$to" $family)" \
		text=forged-packet "${@:3}"
	in_pod lab/b "$LNT_LIB/frames.py" udp "$gateway" src="$(pod_ip lab/b $family)" \
		dst="$(addr "$to" $family)" text=honest-packet
	wait_until 5 captured spoof honest-packet
	end_process "$LNT_DIR/spoof.pid" TERM
	lacks forged-packet cat "$LNT_DIR/spoof.cap"
}

@test "anti-spoofing: another pod's address is dropped, on the node and across nodes" {
	for family in 4 6; do
		spoof lab/c "$(pod_ip lab/a $family)"
		spoof lab/a "$(pod_ip lab/c $family)"
	done
}

@test "anti-spoofing: the node's address and one from outside are dropped" {
	spoof lab/c "$(node_ip4 n1)"
	spoof lab/c "$(node_ip6 n1)"
	spoof lab/c 198.51.100.7
	spoof lab/c 2001:db8:7::7
}

@test "anti-spoofing: another's MAC is dropped" {
	spoof lab/c "$(pod_ip lab/b 4)" mac=02:00:00:00:00:99
	spoof lab/a "$(pod_ip lab/b 6)" mac="$(pod_mac lab/a)"
}

@test "anti-spoofing: a router advertisement reaches neither node nor pods" {
	capture_start ra-node n1 'icmp6 and ip6[40] == 134'
	capture_start ra-pod lab/a 'icmp6 and ip6[40] == 134'
	in_pod lab/b "$LNT_LIB/frames.py" ra "$(gateway_mac lab/b)" src=fe80::bad
	in_pod lab/b "$LNT_LIB/frames.py" ra "$(gateway_mac lab/b)"
	reaches lab/b tcp lab/a 80
	end_process "$LNT_DIR/ra-node.pid" TERM
	end_process "$LNT_DIR/ra-pod.pid" TERM
	lacks 'router advertisement' cat "$LNT_DIR/ra-node.cap" "$LNT_DIR/ra-pod.cap"
	lacks 2001:db8:bad in_node n1 ip -6 route
	lacks 2001:db8:bad in_node n1 ip -6 addr
}

@test "anti-spoofing: ARP and neighbour advertisements for another's address change nothing" {
	local gateway bad
	gateway=$(gateway_mac lab/b)
	bad=$(pod_mac lab/b)
	in_pod lab/b "$LNT_LIB/frames.py" arp-reply "$gateway" target="$(pod_ip lab/a 4)" dst="$(pod_ip lab/b 4)"
	in_pod lab/b "$LNT_LIB/frames.py" arp-reply "$gateway" target=172.31.0.12 dst=172.31.0.11
	in_pod lab/b "$LNT_LIB/frames.py" na "$gateway" target="$(pod_ip lab/a 6)" dst="$(node_ip6 n1)"
	in_pod lab/b "$LNT_LIB/frames.py" na "$gateway" target="$(node_ip6 n2)" dst="$(node_ip6 n1)"
	lacks "^($(pod_ip lab/a 4)|$(pod_ip lab/a 6)|172.31.0.12|fd31::12) .*$bad" in_node n1 ip neigh
	reaches n1 tcp lab/a 80
	reaches n1 tcp lab/c 80
	reaches lab/b tcp lab/c 80
}

@test "outside: is reached by pods behind their node's address" {
	local family
	for family in 4 6; do
		for pod in lab/a lab/c; do
			for proto in tcp udp; do
				run -0 probe $pod $proto "$(addr outside $family)" 80
				[ "$output" = "net $(addr "$(pod_node $pod)" $family) $(addr outside $family) 80" ]
			done
		done
	done
	pings lab/a outside
}

@test "outside: the same port of two pods at once is kept apart" {
	local family a b
	for family in 4 6; do
		[ $family = 4 ] && target="$(addr outside 4)" || target="[$(addr outside 6)]"
		for pod in lab/a lab/b; do
			echo '?' | in_pod $pod timeout 5 socat -t 2 - "TCP:$target:80,sourceport=33333,reuseaddr" >"$LNT_DIR/${pod#lab/}.out" &
		done
		wait
		a=$(<"$LNT_DIR/a.out") b=$(<"$LNT_DIR/b.out")
		[ "$a" = "net $(addr n1 $family)" ]
		[ "$b" = "net $(addr n1 $family)" ]
	done
}

@test "removed pod: its address no longer answers and its node keeps nothing of it" {
	local ip4 ip6 links
	links=$(in_node n2 ip -o link | wc -l)
	pod_add n2 lab/gone
	ip4=$(pod_ip lab/gone 4) ip6=$(pod_ip lab/gone 6)
	reaches lab/a tcp lab/gone 80
	pod_del lab/gone
	run ! probe lab/a tcp "$ip4" 80 400
	run ! probe lab/a tcp "$ip6" 80 400
	run ! probe n2 tcp "$ip4" 80 400
	[ "$(in_node n2 ip -o link | wc -l)" = "$links" ]
	lacks "^$ip4 " in_node n2 ip route show table all
	lacks "^$ip6 " in_node n2 ip -6 route show table all
}

@test "many pods: forty of one node all answer, and leave nothing" {
	local i links
	links=$(in_node n2 ip -o link | wc -l)
	for i in $(seq 40); do
		pod_add n2 "lab/m$i"
	done
	for i in $(seq 40); do
		reaches lab/a tcp "lab/m$i" 80
		reaches "lab/m$i" tcp lab/c 80
	done
	for i in $(seq 40); do
		pod_del "lab/m$i"
	done
	[ "$(in_node n2 ip -o link | wc -l)" = "$links" ]
}
