#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The CNI plugin by itself: every verb, against the kernel, with a stand-in for the agent.
# shellcheck disable=SC2034 # the library reads what tests set
load ../lib/plugin

GATEWAY4=169.254.1.1 GATEWAY6=fe80::1

setup_file() { compile_programs; }
setup() { node_up; }
teardown() { node_down; }

# --- ADD ------------------------------------------------------------------------------------------

@test "ADD: container and node reach each other over both families" {
	add
	reaches in_pod $NODE4
	reaches in_pod $NODE6
	reaches on_node 10.244.1.2 -I $NODE4
	reaches on_node fd00:10:244:1::1 -I $NODE6
}

@test "ADD: containers reach each other through the node" {
	add
	new_pod 2
	CNI_CONTAINERID=c2 add
	reaches in_pod 10.244.1.3
	reaches in_pod fd00:10:244:1::2
}

@test "ADD: result and devices agree" {
	add
	result '.cniVersion == "1.1.0" and (.interfaces | length == 2)'
	result ".interfaces[1].name == \"eth0\" and .interfaces[1].sandbox == \"$CNI_NETNS\""
	result '.ips == [{address: "10.244.1.2/32", gateway: "169.254.1.1", interface: 1},
		{address: "fd00:10:244:1::1/128", gateway: "fe80::1", interface: 1}]'
	result '.routes == [{dst: "0.0.0.0/0", gw: "169.254.1.1"}, {dst: "::/0", gw: "fe80::1"}]'
	result ".interfaces[1].mac == $(in_pod ip -j link show eth0 | jq '.[0].address')"
	result ".interfaces[0].mac == $(on_node ip -j link show "$(host_device)" | jq '.[0].address')"
}

@test "ADD: result has the shape of each version" {
	for VERSION in 0.3.1 0.4.0 1.0.0 1.1.0; do
		add
		result ".cniVersion == \"$VERSION\""
		case $VERSION in
		0.*) result '[.ips[].version] == ["4", "6"]' ;;
		*) result '[.ips[] | has("version")] == [false, false]' ;;
		esac
		[ $VERSION != 1.1.0 ] || result '[.interfaces[].mtu] == [1500, 1500]'
		run -0 plugin DEL
		[ -z "$output" ]
	done
}

@test "ADD: IPv4 alone gives nothing of IPv6" {
	RANGES='["10.244.1.0/24"]'
	add
	result '(.ips | length == 1) and (.routes | length == 1)'
	reaches in_pod $NODE4
	run -2 in_pod ping -c 1 -W 1 $NODE6
}

@test "ADD: IPv6 alone gives nothing of IPv4" {
	RANGES='["fd00:10:244:1::/64"]'
	add
	result '(.ips | length == 1) and (.routes | length == 1)'
	reaches in_pod $NODE6
	run -2 in_pod ping -c 1 -W 1 $NODE4
}

@test "ADD: container's routes lead to the gateways only" {
	add
	[ "$(in_pod ip -j route show default | jq -r '.[0].gateway')" = $GATEWAY4 ]
	[ "$(in_pod ip -j -6 route show default | jq -r '.[0].gateway')" = $GATEWAY6 ]
	[ "$(in_pod ip -j addr show eth0 | jq -c '[.[0].addr_info[] | select(.scope == "global").prefixlen]')" = '[32,128]' ]
	[ "$(in_pod ip -j neigh | jq -c '[.[].state[0]] | unique')" = '["PERMANENT"]' ]
}

@test "ADD: addresses are usable at once" {
	add
	run -0 in_pod ip -6 addr show tentative scope global
	[ -z "$output" ]
}

@test "ADD: node's routes are marked as linnet's" {
	add
	run -0 on_node ip route show proto 176
	[[ $output == "10.244.1.2 dev $(host_device) scope link"* ]]
	run -0 on_node ip -6 route show proto 176
	[[ $output == "fd00:10:244:1::1 dev $(host_device) "* ]]
}

@test "ADD: node's side takes no router advertisements and makes no address" {
	add
	dev=$(host_device)
	[ "$(on_node cat "/proc/sys/net/ipv6/conf/$dev/accept_ra")" = 0 ]
	[ "$(on_node cat "/proc/sys/net/ipv6/conf/$dev/forwarding")" = 1 ]
	[ "$(on_node cat "/proc/sys/net/ipv4/conf/$dev/forwarding")" = 1 ]
	[ "$(on_node cat "/proc/sys/net/ipv4/conf/$dev/rp_filter")" = 0 ]
	run -0 on_node ip -6 addr show dev "$dev"
	[ -z "$output" ]
}

@test "ADD: MTU is that of the device with the default route" {
	on_node ip link add up0 mtu 1380 type veth peer name up1
	on_node ip link set up0 up
	on_node ip addr add 198.51.100.2/24 dev up0
	on_node ip route add default via 198.51.100.1
	add
	result '[.interfaces[].mtu] == [1380, 1380]'
	[ "$(in_pod ip -j link show eth0 | jq '.[0].mtu')" = 1380 ]
}

@test "ADD: MTU of the configuration wins" {
	add '.mtu = 1450'
	result '[.interfaces[].mtu] == [1450, 1450]'
}

@test "ADD: agent is asked before and told the endpoint" {
	CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=pod;K8S_POD_UID=u;X=y' add
	[ "$(asked .op | tr -d '\n')" = '"status""add"' ]
	[ "$(asked 'select(.op == "add").endpoint | [.podNamespace, .podName, .podUID, .network]')" = \
		'["ns","pod","u","net"]' ]
	on_node jq -e '.hostIfindex > 0' "$RUN/endpoints/c1:eth0.json" >/dev/null
}

@test "ADD: container without a pod is attached" {
	add
	[ "$(asked 'select(.op == "add").endpoint | has("podName")')" = false ]
}

@test "ADD: second interface of a container gets addresses of its own" {
	add
	CNI_IFNAME=eth1 run -0 plugin ADD '.ipam.ranges = ["10.9.0.0/24"]'
	jq -e '.ips[0].address == "10.9.0.2/32"' <<<"$output" >/dev/null || fail "$output"
}

@test "ADD: repeated one is refused and leaves the first alone" {
	add
	unchanged refused ADD 4 'attached with CNI_IFNAME eth0 already'
	reaches in_pod $NODE4
}

@test "ADD: interface that the container has already is left alone" {
	in_pod ip link add eth0 type veth peer name other
	unchanged refused ADD 4 'has a device called eth0 already'
}

@test "ADD: pair left by an ADD that died is replaced" {
	add
	dev=$(host_device)
	on_node rm "$RUN/endpoints/c1:eth0.json"
	old=$(jq .interfaces[1].mac "$DIR/result.json")
	add
	[ "$(host_device)" = "$dev" ]
	[ "$(jq .interfaces[1].mac "$DIR/result.json")" != "$old" ]
	result '.ips[0].address == "10.244.1.2/32"'
	reaches in_pod $NODE6
}

@test "ADD: record of a container that is gone is replaced" {
	add
	kill "${POD_PID[1]}"
	dev=$(host_device)
	wait_until 10 eval "! on_node ip link show $dev"
	new_pod 1
	add
	reaches in_pod $NODE4
}

@test "ADD: IPv6 that the runtime switched off is switched on for the interface" {
	in_pod sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	add
	reaches in_pod $NODE6
}

@test "ADD: earlier plugin's result stays in front" {
	add '.prevResult = {cniVersion: "1.1.0", interfaces: [{name: "a"}], ips: [], dns: {domain: "d"}}'
	result '[.interfaces[].name][0] == "a" and .ips[0].interface == 2 and .dns.domain == "d"'
	run -0 check
}

@test "ADD: capability that is not supported is refused by name" {
	unchanged refused ADD 2 'runtimeConfig.bandwidth' '.runtimeConfig = {bandwidth: {ingressRate: 1}}'
	unchanged refused ADD 2 'runtimeConfig.mac' '.runtimeConfig = {mac: "02:00:00:00:00:01"}'
}

# maps MAPPING...: a configuration with these port mappings.
maps() {
	local IFS=,
	echo ".runtimeConfig = {portMappings: [$*]}"
}

@test "ADD: port mappings reach the agent and the record" {
	local want
	add "$(maps '{hostPort: 80, containerPort: 8080, protocol: "tcp", hostIP: ""}' \
		'{hostPort: 80, containerPort: 8081, protocol: "UDP", hostIP: "192.0.2.7"}' \
		'{hostPort: 81, containerPort: 8081, protocol: "sctp", hostIP: "2001:db8::7"}')"
	want='[{"hostPort":80,"containerPort":8080,"protocol":"TCP"},
		{"hostPort":80,"containerPort":8081,"protocol":"UDP","hostIP":"192.0.2.7"},
		{"hostPort":81,"containerPort":8081,"protocol":"SCTP","hostIP":"2001:db8::7"}]'
	[ "$(asked 'select(.op == "add") | .endpoint.portMappings')" = "$(jq -c . <<<"$want")" ]
	[ "$(on_node jq -c .portMappings "$RUN/endpoints/c1:eth0.json")" = "$(jq -c . <<<"$want")" ]
}

@test "ADD: port mappings that cannot be are refused with what is wrong, and nothing is left" {
	unchanged refused ADD 7 'portMappings[0]: hostPort' "$(maps '{hostPort: 0, containerPort: 80}')"
	unchanged refused ADD 7 'portMappings[0]: hostPort' "$(maps '{hostPort: 65536, containerPort: 80}')"
	unchanged refused ADD 7 'portMappings[1]: containerPort' \
		"$(maps '{hostPort: 80, containerPort: 80}' '{hostPort: 81, containerPort: "http"}')"
	unchanged refused ADD 7 "protocol 'icmp'" "$(maps '{hostPort: 80, containerPort: 80, protocol: "icmp"}')"
	unchanged refused ADD 7 "hostIP 'web.local'" "$(maps '{hostPort: 80, containerPort: 80, hostIP: "web.local"}')"
	unchanged refused ADD 7 'multicast' "$(maps '{hostPort: 80, containerPort: 80, hostIP: "224.0.0.1"}')"
	unchanged refused ADD 7 'link-local' "$(maps '{hostPort: 80, containerPort: 80, hostIP: "fe80::1"}')"
	unchanged refused ADD 7 '*:80/TCP is mapped twice, to ports 80 and 81' \
		"$(maps '{hostPort: 80, containerPort: 80}' '{hostPort: 80, containerPort: 81, protocol: "tcp"}')"
	unchanged refused ADD 7 'not a list' '.runtimeConfig = {portMappings: {hostPort: 80}}'
	RANGES='["10.244.1.0/24"]' unchanged refused ADD 7 '[2001:db8::7]:80/TCP' \
		"$(maps '{hostPort: 80, containerPort: 80, hostIP: "2001:db8::7"}')"
}

@test "ADD: the same port for another protocol or address is another mapping, and one given twice is one" {
	add "$(maps '{hostPort: 80, containerPort: 80}' '{hostPort: 80, containerPort: 80}' \
		'{hostPort: 80, containerPort: 81, protocol: "udp"}' \
		'{hostPort: 80, containerPort: 82, hostIP: "192.0.2.7"}')"
	[ "$(asked 'select(.op == "add") | .endpoint.portMappings | length')" = 3 ]
}

@test "CHECK: other port mappings than those of ADD are a difference" {
	local one='{hostPort: 80, containerPort: 8080}' two='{hostPort: 81, containerPort: 81}'
	add "$(maps "$one" "$two")"
	check
	check "$(maps "$two" "$one")"
	refused CHECK 101 'not what ADD was given' \
		".prevResult = $(cat "$DIR/result.json") | $(maps '{hostPort: 80, containerPort: 8081}')"
	refused CHECK 101 'ADD was given 2' ".prevResult = $(cat "$DIR/result.json") | $(maps "$one")"
}

@test "ADD: many at once get different addresses" {
	local i pids=()
	for i in {2..21}; do
		new_pod "$i"
		CNI_CONTAINERID=many$i plugin ADD >"$DIR/many$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(cat "$DIR"/many* | jq -r '.ips[].address' | sort -u | wc -l)" = 40 ]
	[ "$(on_node grep -c ^used "$RUN/ipam/addresses")" = 40 ]
}

# --- ADD that fails -------------------------------------------------------------------------------

@test "failed ADD: agent that is absent means try again later" {
	agent_down
	unchanged refused ADD 11 'linnetd is not running'
	on_node rm "$RUN/cni.sock"
	unchanged refused ADD 11 'linnetd is not running'
	run -1 on_node test -e "$RUN/ipam"
}

@test "failed ADD: agent that is not ready means try again later" {
	agent_mode not-ready
	unchanged refused ADD 11 'the API server has not been listed yet'
}

@test "failed ADD: agent that answers nonsense, hangs up or is silent means try again later" {
	for mode in garbage empty hang-up silent; do
		agent_mode $mode
		unchanged refused ADD 11 linnetd
	done
}

@test "failed ADD: agent that refuses the pod leaves nothing and is told so" {
	agent_mode refuse-add
	unchanged refused ADD 11 'pod is not known yet'
	[ "$(asked .op | tail -n 1)" = '"del"' ]
}

@test "failed ADD: agent that dies under it leaves nothing" {
	agent_mode hang-up-add
	unchanged refused ADD 11 'hung up'
}

@test "failed ADD: programs that are not pinned mean try again later" {
	on_node rm "$PINS/progs/to_pod"
	unchanged refused ADD 11 to_pod
	on_node rm -r "$BPF/linnet"
	unchanged refused ADD 11 from_pod
}

@test "failed ADD: read-only run directory is an I/O failure" {
	on_node mount -o remount,ro "$RUN"
	unchanged refused ADD 5 "$RUN"
}

@test "failed ADD: empty pool is named" {
	RANGES='["10.244.1.0/30","fd00:10:244:1::/64"]'
	add
	new_pod 2
	CNI_CONTAINERID=c2 unchanged refused ADD 100 'IPv4 address is left for the container in 10.244.1.0/30'
}

@test "failed ADD: namespace that is gone, none, or the node's own" {
	CNI_NETNS=$DIR/gone unchanged refused ADD 3 CNI_NETNS
	CNI_NETNS=/dev/null unchanged refused ADD 4 'is not a network namespace'
	CNI_NETNS=/proc/self/ns/mnt unchanged refused ADD 4 'is not a network namespace'
	CNI_NETNS=/proc/self/ns/net unchanged refused ADD 4 "node's own"
}

@test "failed ADD: configuration that is absent, broken or too large" {
	raw() { on_node env CNI_COMMAND=ADD "$LNT_BUILD/linnet"; }
	for text in '' '{' '[]' 'null'; do
		run -1 raw <<<"$text"
		[ "$(jq .code <<<"$output")" = 6 ]
	done
	closed() { on_node env CNI_COMMAND=ADD "$LNT_BUILD/linnet" <&-; }
	run -1 closed
	[ "$(jq .code <<<"$output")" = 5 ]
	run -1 raw < <(head -c 2000000 /dev/zero)
	[ "$(jq .code <<<"$output")" = 5 ]
	run -1 on_node test -e "$RUN/ipam"
}

@test "failed ADD: parameters are named" {
	CNI_CONTAINERID='' refused ADD 4 CNI_CONTAINERID
	CNI_CONTAINERID=../x refused ADD 4 CNI_CONTAINERID
	CNI_IFNAME='' refused ADD 4 CNI_IFNAME
	CNI_IFNAME=a/b refused ADD 4 CNI_IFNAME
	CNI_NETNS='' refused ADD 4 CNI_NETNS
	CNI_ARGS='X=1' refused ADD 4 CNI_ARGS
	refused '' 4 CNI_COMMAND
	refused EAT 4 CNI_COMMAND
}

@test "failed ADD: damaged address state is kept and named" {
	add
	run -0 plugin DEL
	on_node sh -c "echo damaged > '$RUN/ipam/addresses'"
	unchanged refused ADD 5 "$RUN/ipam/addresses is damaged"
	[ "$(on_node cat "$RUN/ipam/addresses")" = damaged ]
}

@test "failed ADD: result that nobody reads is undone" {
	closed() { conf | on_node env CNI_COMMAND=ADD "$LNT_BUILD/linnet" >/dev/full; }
	unchanged run -1 closed
}

@test "killed ADD: DEL leaves nothing, whenever it was" {
	before=$(node_state)
	for ms in 0 1 2 3 4 5 6 7 8; do
		conf | on_node env CNI_COMMAND=ADD timeout -s KILL 0.00$((ms + 1)) "$LNT_BUILD/linnet" \
			>/dev/null || true
		run -0 plugin DEL
		[ -z "$output" ]
	done
	[ "$before" = "$(node_state | sed '/\/endpoints$/d')" ]
}

# --- DEL ------------------------------------------------------------------------------------------

@test "DEL: leaves nothing, twice and without an ADD" {
	run -0 plugin DEL
	before=$(node_state)
	add
	for _ in 1 2; do
		run -0 plugin DEL
		[ -z "$output" ]
		[ "$before" = "$(node_state | sed '/\/endpoints$/d')" ]
	done
	[ "$(asked 'select(.op == "del").containerID' | tail -n 1)" = '"c1"' ]
}

@test "DEL: needs no namespace and no agent" {
	before=$(node_state)
	add
	agent_down
	CNI_NETNS='' run -0 plugin DEL
	[ -z "$output" ]
	[ "$before" = "$(node_state | sed '/\/endpoints$/d')" ]
}

@test "DEL: needs no record and no device" {
	add
	on_node rm "$RUN/endpoints/c1:eth0.json"
	on_node ip link del "$(host_device)"
	run -0 plugin DEL
	run -1 on_node grep ^used "$RUN/ipam/addresses"
}

@test "DEL: is not held up by an agent that is silent" {
	add
	agent_mode silent
	SECONDS=0
	run -0 plugin DEL
	((SECONDS < 5))
	run -1 on_node ip link show "$(host_device)"
}

@test "DEL: leaves other attachments alone" {
	add
	new_pod 2
	CNI_CONTAINERID=c2 plugin ADD >/dev/null
	CNI_CONTAINERID=c2 run -0 plugin DEL
	CNI_NETNS=$(netns_of 1) run -0 check
	reaches in_pod $NODE4
}

@test "DEL: reports state that it cannot change, and goes on" {
	add
	on_node mount -o remount,ro "$RUN"
	refused DEL 5 "$RUN"
	run -1 on_node ip link show "$(host_device)"
	on_node mount -o remount,rw "$RUN"
	run -0 plugin DEL
	run -1 on_node grep ^used "$RUN/ipam/addresses"
}

@test "DEL: freed address is not the next one handed out" {
	add
	run -0 plugin DEL
	add
	result '[.ips[].address] == ["10.244.1.3/32", "fd00:10:244:1::2/128"]'
}

# --- CHECK ----------------------------------------------------------------------------------------

# wrong TEXT [JQ-FILTER]: CHECK with the last result fails and says the text.
wrong() { refused CHECK 101 "$1" ".prevResult = $(cat "$DIR/result.json") | ${2:-.}"; }

@test "CHECK: finds a fresh attachment right, in each version that has it" {
	for VERSION in 0.4.0 1.0.0 1.1.0; do
		add
		run -0 check
		[ -z "$output" ]
		run -0 plugin DEL
	done
}

@test "CHECK: names what the container has lost" {
	add
	in_pod ip addr del 10.244.1.2/32 dev eth0
	wrong 'lost address 10.244.1.2'
	in_pod ip addr add 10.244.1.2/32 dev eth0 noprefixroute
	in_pod ip route add 169.254.1.1 dev eth0
	wrong 'lost its route to 0.0.0.0/0'
	in_pod ip route add default via 169.254.1.1
	run -0 check
	in_pod ip -6 route del default
	wrong 'lost its route to ::/0'
	in_pod ip link set eth0 address 02:00:00:00:00:01
	wrong 'has MAC address 02:00:00:00:00:01'
	in_pod ip link set eth0 down
	in_pod ip link set eth0 name eth9
	wrong 'no device eth0'
}

@test "CHECK: names what the node has lost" {
	add
	dev=$(host_device)
	on_node ip -6 route del fd00:10:244:1::1
	wrong "route to fd00:10:244:1::1 does not lead to $dev"
	on_node ip -6 route add fd00:10:244:1::1 dev "$dev"
	run -0 check
	on_node ip link set "$dev" down
	wrong "device $dev of the node is down"
	on_node ip link del "$dev"
	wrong 'no device eth0'
}

@test "CHECK: names a program that is not attached" {
	add
	dev=$(host_device)
	on_node tc filter del dev "$dev" egress
	wrong "to_pod is not attached to $dev"
}

@test "CHECK: names a record or a reservation that is missing" {
	add
	on_node cp "$RUN/endpoints/c1:eth0.json" "$RUN/saved"
	on_node rm "$RUN/endpoints/c1:eth0.json"
	wrong 'no endpoint record'
	on_node mv "$RUN/saved" "$RUN/endpoints/c1:eth0.json"
	on_node sh -c "printf 'linnet-ipam 1\nend 0\n' > '$RUN/ipam/addresses'"
	wrong 'address 10.244.1.2 is not reserved'
}

@test "CHECK: compares with prevResult" {
	add
	wrong 'prevResult does not have interface eth0' '.prevResult.interfaces = []'
	wrong 'aa:aa:aa:aa:aa:aa in prevResult' '.prevResult.interfaces[1].mac = "aa:aa:aa:aa:aa:aa"'
	wrong 'does not have address 10.9.9.9' \
		'.prevResult.ips += [{address: "10.9.9.9/32", interface: 1}]'
	run -0 check '.prevResult.ips += [{address: "10.9.9.9/32", interface: 0}]'
}

@test "CHECK: passes on what the agent finds" {
	add
	agent_mode refuse-check
	wrong "the endpoint's entry differs"
	agent_down
	refused CHECK 11 'linnetd is not running' ".prevResult = $(cat "$DIR/result.json")"
}

# --- GC, STATUS, VERSION --------------------------------------------------------------------------

# gc [ATTACHMENT...]: GC with these containers valid, interface eth0.
gc() {
	local list
	list=$(jq -nc '[$ARGS.positional[] | {containerID: ., ifname: "eth0"}]' --args "$@")
	plugin GC ".\"cni.dev/valid-attachments\" = $list"
}

@test "GC: removes what is not valid and keeps the rest" {
	add
	for n in 2 3; do
		new_pod $n
		CNI_CONTAINERID=c$n plugin ADD >"$DIR/c$n.json"
	done
	run -0 gc c1 c3
	[ -z "$output" ]
	[ "$(on_node ls "$RUN/endpoints")" = $'c1:eth0.json\nc3:eth0.json' ]
	[ "$(on_node grep -c ^used "$RUN/ipam/addresses")" = 4 ]
	[ "$(on_node ip -o link show type veth | wc -l)" = 2 ]
	CNI_NETNS=$(netns_of 1) run -0 check
}

@test "GC: removes what an ADD that died left without a record" {
	add
	on_node rm "$RUN/endpoints/c1:eth0.json"
	run -0 gc
	run -1 on_node grep ^used "$RUN/ipam/addresses"
	run -1 on_node ip link show "$(host_device)"
}

@test "GC: other networks and foreign devices are left alone" {
	new_pod 2
	CNI_CONTAINERID=c2 plugin ADD '.name = "other"' >/dev/null
	on_node ip link add lntforeign type veth peer name lntforeign2
	before=$(node_state)
	run -0 gc
	[ "$before" = "$(node_state)" ]
}

@test "GC: needs the list" {
	add
	unchanged refused GC 7 valid-attachments
}

@test "STATUS: says nothing when ADD would succeed" {
	run -0 plugin STATUS
	[ -z "$output" ]
}

@test "STATUS: agent that is absent or not ready" {
	agent_mode not-ready
	refused STATUS 50 'the API server has not been listed yet'
	agent_down
	refused STATUS 50 'linnetd is not running'
}

@test "STATUS: pool that is used up" {
	small='.ipam.ranges = ["10.244.1.0/30"]'
	add "$small"
	refused STATUS 50 'no IPv4 address is left' "$small"
	run -0 plugin DEL
	run -0 plugin STATUS "$small"
}

@test "VERSION: lists what is supported, in the version that was asked for" {
	VERSION=1.0.0 run -0 plugin VERSION
	jq -e '. == {cniVersion: "1.0.0", supportedVersions: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]}' \
		<<<"$output" >/dev/null
	run -0 on_node env -i CNI_COMMAND=VERSION "$LNT_BUILD/linnet" </dev/null
	jq -e '.cniVersion == "1.1.0"' <<<"$output" >/dev/null
}

# --- delegated IPAM -------------------------------------------------------------------------------

# Configuration of Debian's host-local, which knows versions up to 1.0.0.
host_local() {
	echo ".cniVersion = \"1.0.0\" | .ipam = {type: \"host-local\", dataDir: \"$RUN/hl\",
		ranges: [[{subnet: \"10.7.0.0/24\"}], [{subnet: \"fd00:7::/64\"}]]} | ${1:-.}"
}

@test "delegated IPAM: addresses come from the plugin and go back to it" {
	add "$(host_local)"
	result '[.ips[].address] == ["10.7.0.2/32", "fd00:7::2/128"]'
	reaches in_pod $NODE4
	reaches in_pod $NODE6
	run -0 check "$(host_local)"
	on_node test -e "$RUN/hl/net/10.7.0.2"
	run -0 plugin DEL "$(host_local)"
	run -1 on_node test -e "$RUN/hl/net/10.7.0.2"
	run -1 on_node test -e "$RUN/ipam"
}

@test "delegated IPAM: routes and DNS of the plugin are honoured" {
	on_node sh -c "echo 'nameserver 10.0.0.10' >'$RUN/resolv.conf'"
	add "$(host_local ".ipam.routes = [{dst: \"$NODE4/32\"}] | .ipam.resolvConf = \"$RUN/resolv.conf\"")"
	result ".dns.nameservers == [\"10.0.0.10\"] and .routes[0] == {dst: \"$NODE4/32\", gw: \"169.254.1.1\"}"
	reaches in_pod $NODE4
	run -0 in_pod ip route show default
	[ -z "$output" ]
	run -0 in_pod ip -6 route show default
	[ -n "$output" ]
}

@test "delegated IPAM: error of the plugin is passed on and nothing remains" {
	run -1 plugin ADD "$(host_local '.ipam.ranges = [[{subnet: "nonsense"}]]')"
	unchanged refused ADD "$(jq .code <<<"$output")" 'IPAM plugin host-local: invalid CIDR address' \
		"$(host_local '.ipam.ranges = [[{subnet: "nonsense"}]]')"
}

@test "delegated IPAM: addresses go back when ADD fails later" {
	agent_mode refuse-add
	refused ADD 11 'pod is not known yet' "$(host_local)"
	run -1 on_node test -e "$RUN/hl/net/10.7.0.2"
}

@test "delegated IPAM: plugin that is not there is named" {
	unchanged refused ADD 102 'IPAM plugin no-such is not in CNI_PATH' '.ipam.type = "no-such"'
	CNI_PATH='' refused ADD 4 CNI_PATH '.ipam.type = "no-such"'
}

@test "delegated IPAM: every verb is passed on with the same input" {
	mkdir "$DIR/path"
	cat >"$DIR/path/spy" <<-EOF
		#!/bin/sh
		echo "\$CNI_COMMAND \$CNI_CONTAINERID \$(jq -r .ipam.key)" >>"$DIR/spy.log"
		[ "\$CNI_COMMAND" != ADD ] || echo '{"cniVersion":"1.1.0","ips":[{"address":"10.8.0.5/16"}]}'
	EOF
	chmod +x "$DIR/path/spy"
	export CNI_PATH=/nowhere:$DIR/path
	filter='.ipam = {type: "spy", key: "k"}'
	add "$filter"
	result '[.ips[].address] == ["10.8.0.5/32"]'
	run -0 check "$filter"
	run -0 plugin STATUS "$filter"
	run -0 plugin GC "$filter | .\"cni.dev/valid-attachments\" = []"
	run -0 plugin DEL "$filter"
	[ "$(cut -d' ' -f1,3 "$DIR/spy.log")" = $'ADD k\nCHECK k\nSTATUS k\nGC k\nDEL k' ]
	[ "$(on_node ip -o link show type veth)" = '' ]
}
