#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real runtime: a containerd of n1's own, with runc, starts containers from an image of busybox and
# attaches them with linnet, by `ctr run --cni`. lab/pod lives on n2. What containerd wants at fixed
# places (/etc/cni/net.d, /opt/cni/bin, /run) it gets in a mount namespace of its own.
load ../lib/bats
load ../lib/containerd

setup_file() {
	begin 2
	namespace_add lab
	pod_add n2 lab/pod app=pod
	IMAGE=linnet.test/busybox:1
	D=$LNT_DIR/containerd
	export IMAGE D
	runtime_start
	"$LNT_LIB/mkimage" $IMAGE "$LNT_DIR/image.tar"
	in_runtime ctr -a "$D/c.sock" images import --snapshotter native "$LNT_DIR/image.tar" >/dev/null
}

teardown_file() {
	runtime_stop
	end
}

teardown() {
	local c
	for c in $(in_runtime ctr -a "$D/c.sock" tasks ls -q); do
		container_stop "$c"
	done
}

runtime_start() {
	mkdir -p "$D"/{tmp,bin,etc,etc-work}
	cp "$LNT_BUILD/linnet" "$D/bin/"
	containerd_config "$D"
	cat >"$D/start" <<-EOF
		set -e
		mount --make-rprivate /
		mount -t tmpfs tmpfs "$D/tmp"
		mkdir -p "$D/tmp/run" "$D/tmp/etc" "$D/tmp/work"
		mount --rbind /run "$D/tmp/run"
		mount -t overlay -o lowerdir=/etc,upperdir=$D/tmp/etc,workdir=$D/tmp/work overlay /etc
		mkdir -p /etc/cni/net.d
		mount --bind "$(node_dir n1)/cni-conf" /etc/cni/net.d
		mount -t tmpfs tmpfs /opt
		mkdir -p /opt/cni/bin
		mount --bind "$D/bin" /opt/cni/bin
		exec 3<"$D/tmp/run"
		mount -t tmpfs tmpfs /run
		mkdir -p /run/linnet-lab /run/netns
		mount --rbind /proc/self/fd/3/linnet-lab /run/linnet-lab
		mount --rbind /proc/self/fd/3/netns /run/netns
		exec 3<&-
		exec containerd --config "$D/config.toml"
	EOF
	background "$D/pid" "$D/log" "$(node_cgroup n1)" n1 unshare --mount bash "$D/start"
	wait_until 20 runtime_answers || { tail "$D/log" >&2; return 1; }
}

runtime_answers() { in_runtime ctr -a "$D/c.sock" version; }

runtime_stop() {
	local c
	for c in $(in_runtime ctr -a "$D/c.sock" containers ls -q); do
		container_stop "$c" || true
	done
	end_process "$D/pid" TERM
}

# In containerd's own mounts and n1's network: where ctr executes the plugin.
in_runtime() (
	echo "$BASHPID" >"$(node_cgroup n1)/cgroup.procs"
	exec nsenter --mount="/proc/$(<"$D/pid")/ns/mnt" --net="$(netns n1)" --wd=/ "$@"
)

# container_start NAME COMMAND...
container_start() {
	in_runtime ctr -a "$D/c.sock" run --detach --cni --snapshotter native \
		--cgroup "/${LNT_PREFIX}n1/$1" "$IMAGE" "$@"
}

container_exec() {
	in_runtime ctr -a "$D/c.sock" tasks exec --exec-id "e$(now_us)" "$@"
}

# What `ctr run --rm` does when it is not detached: end the task, call DEL, remove the container.
container_stop() {
	in_runtime ctr -a "$D/c.sock" tasks kill -s KILL "$1" || true
	wait_until 10 container_ended "$1"
	container_cni_del "$1"
	in_runtime ctr -a "$D/c.sock" tasks rm -f "$1" || true
	in_runtime ctr -a "$D/c.sock" containers rm "$1"
}

container_ended() { ! in_runtime ctr -a "$D/c.sock" tasks ls | grep -E "^$1 .*RUNNING"; }

# ctr leaves DEL of a detached container to others; it names a container by its namespace as well.
container_cni_del() { cni n1 DEL "default-$1" ''; }

container_pid() { in_runtime ctr -a "$D/c.sock" tasks ls | awk -v c="$1" '$1 == c { print $2 }'; }

container_ip() {
	nsenter --net="/proc/$(container_pid "$1")/ns/net" ip -j "-$2" addr show dev eth0 scope global |
		jq -r '[.[].addr_info[]?.local][0]'
}

node_links() { in_node n1 ip -o link | wc -l; }

@test "ctr run --cni: a container gets addresses of both families and a way out" {
	container_start one /bin/sleep 600
	[[ $(container_ip one 4) == 10.244.1.* ]]
	[[ $(container_ip one 6) == fd10:244:0:1:* ]]
	run -0 container_exec one /bin/ip route
	[[ $output == *default* ]]
	container_exec one /bin/ping -c 2 -W 2 "$(pod_ip lab/pod 4)"
	container_exec one /bin/ping6 -c 2 -W 2 "$(pod_ip lab/pod 6)"
}

@test "traffic: a container talks to a pod on another node" {
	local family
	container_start two /bin/sleep 600
	for family in 4 6; do
		run -0 container_exec two /bin/sh -c "echo '?' | nc -w 3 $(pod_ip lab/pod $family) 80"
		[[ $output == "lab/pod $(container_ip two $family)"* ]]
	done
}

@test "traffic: a pod on another node talks to a container" {
	local family
	container_start three /bin/nc -ll -p 8080 -e /bin/echo hello
	for family in 4 6; do
		wait_until 5 hello lab/pod "$(container_ip three $family)"
		wait_until 5 hello n1 "$(container_ip three $family)"
	done
}

hello() {
	local out
	out=$(probe "$1" tcp "$2" 8080) && [[ $out == hello* ]]
}

@test "traffic: a container talks to a Service" {
	local vip
	apply <<-EOF
		apiVersion: v1
		kind: Service
		metadata: {name: pod, namespace: lab}
		spec: {selector: {app: pod}, ports: [{port: 80}]}
	EOF
	vip=$(kc -n lab get service pod -o 'jsonpath={.spec.clusterIP}')
	container_start four /bin/sleep 600
	wait_until 10 container_served "$vip"
}

container_served() {
	local out
	out=$(container_exec four /bin/sh -c "echo '?' | nc -w 2 $1 80") && [[ $out == lab/pod* ]]
}

@test "removal: leaves no device, route, record or address" {
	local links before
	before=$(find "$(node_dir n1)/run" -type f -o -type s | sort)
	links=$(node_links)
	container_start five /bin/sleep 600
	[ "$(node_links)" = $((links + 1)) ]
	ip=$(container_ip five 4)
	container_stop five
	[ "$(node_links)" = "$links" ]
	lacks "^$ip " in_node n1 ip route
	[ "$(find "$(node_dir n1)/run" -type f -o -type s | sort)" = "$before" ]
	run ! probe lab/pod tcp "$ip" 80 300
}

@test "ctr run --rm: attaches and detaches by itself" {
	local links
	links=$(node_links)
	run -0 in_runtime ctr -a "$D/c.sock" run --rm --cni --snapshotter native \
		--cgroup "/${LNT_PREFIX}n1/six" "$IMAGE" six /bin/sh -c "echo '?' | nc -w 3 $(pod_ip lab/pod 4) 80"
	[[ $output == "lab/pod 10.244.1."* ]]
	[ "$(node_links)" = "$links" ]
}
