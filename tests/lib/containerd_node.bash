# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Nodes of a cluster (cluster.bash) that have a containerd and mounts of their own, so that a DaemonSet
# finds on them what it finds on a machine: /etc, /opt, /run, /sys and cgroups belong to the node and
# are gone with its processes. What a kubelet does is done by daemonset_start; what a scheduler and a
# controller do, by the caller.
#
# A node's cgroups begin at its own, as in kind: processes of it see that as the root of cgroup v2.

# shellcheck source=tests/lib/containerd.bash
. "$LNT_LIB/containerd.bash"

# The plugin that the DaemonSet has installed, at the path by which runtimes know namespaces.
export LNT_CNI_BIN=/opt/cni/bin
netns() { echo "/var/run/netns/$LNT_PREFIX$1"; }
conflist() { echo "$(node_root "$1")/etc/cni/net.d/10-linnet.conflist"; }

# What containerd gives to a container that asks for nothing.
LNT_DEFAULT_CAPS='CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP
	NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'

node_runtime() { echo "$(node_dir "$1")/containerd"; }
node_pid() { cat "$(node_runtime "$1")/pid"; }
# node_root NODE: the node's files, as seen from outside.
node_root() { echo "/proc/$(node_pid "$1")/root"; }

# in_node NODE COMMAND...: in all of its namespaces.
in_node() (
	echo "$BASHPID" >"$(node_cgroup "$1")/cgroup.procs"
	p=/proc/$(node_pid "$1")/ns
	exec nsenter --mount="$p/mnt" --cgroup="$p/cgroup" --net="$(netns "$1")" --wd=/ "${@:2}"
)

node_ctr() { in_node "$1" ctr -a "$(node_runtime "$1")/c.sock" -n k8s.io "${@:2}"; }

# node_cgroups LAYOUT: lines of a script that mount them. The v1 hierarchies are the machine's.
node_cgroups() {
	case $1 in
	unified)
		echo 'mount -t cgroup2 cgroup2 /sys/fs/cgroup'
		;;
	hybrid | legacy)
		cat <<-'EOF'
			mount -t tmpfs tmpfs /sys/fs/cgroup
			for c in "$tmp"/cgroup/*/; do
				mkdir "/sys/fs/cgroup/$(basename "$c")"
				mount --bind "$c" "/sys/fs/cgroup/$(basename "$c")"
			done
		EOF
		[ "$1" = legacy ] || echo 'mkdir /sys/fs/cgroup/unified; mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified'
		;;
	esac
}

# node_boot NODE unified|hybrid|legacy [bpffs]: from a cluster_network to a node with a containerd. Its
# cgroups: v2 alone, v1 and v2, v1 alone; with a bpffs at its place, or without.
node_boot() {
	local d
	d=$(node_runtime "$1")
	mkdir -p "$d/tmp"
	containerd_config "$d"
	cat >"$d/start" <<-EOF
		set -e
		tmp=$d/tmp
		mount -t tmpfs tmpfs "\$tmp"
		mkdir -p "\$tmp"/{etc,work,cgroup}
		mount -t overlay -o "lowerdir=/etc,upperdir=\$tmp/etc,workdir=\$tmp/work" overlay /etc
		# Each hierarchy by the first of its mounts; all of them before this adds to the list.
		mapfile -t cgroups < <(awk '/ - cgroup / && !seen[\$3]++ { print \$5 }' /proc/self/mountinfo)
		for c in "\${cgroups[@]}"; do
			mkdir "\$tmp/cgroup/\$(basename "\$c")"
			mount --bind "\$c" "\$tmp/cgroup/\$(basename "\$c")"
		done
		umount -l -R /sys
		mount -t sysfs sysfs /sys
		$(node_cgroups "$2")
		umount "\$tmp"/cgroup/*
		${3:+mount -t bpf bpf /sys/fs/bpf}
		exec 3<"$LNT_DIR" 4</run/netns
		mount -t tmpfs tmpfs /opt
		mount -t tmpfs tmpfs /run
		mkdir -p "$LNT_DIR" /run/netns
		mount -c --rbind /proc/self/fd/3 "$LNT_DIR"
		mount -c --rbind /proc/self/fd/4 /run/netns
		exec 3<&- 4<&-
		mount --make-rshared /
		mkdir -p /opt/cni/bin /etc/cni/net.d
		exec containerd --config "$d/config.toml"
	EOF
	background "$d/pid" "$d/log" "$(node_cgroup "$1")" "$1" \
		unshare --mount --propagation slave --cgroup bash "$d/start"
	wait_until 20 node_ctr "$1" version || { tail "$d/log" >&2; return 1; }
}

# node_shutdown NODE: its containers and its containerd.
node_shutdown() {
	local d
	for d in "$(node_dir "$1")"/pods/*/; do
		[ ! -e "$d/plan.json" ] || daemonset_stop "$1" "$(basename "$d")" || true
	done
	end_process "$(node_runtime "$1")/pid" TERM
}

# --- DaemonSets -----------------------------------------------------------------------------------

# pod_folder NODE NAME: where a DaemonSet's pod has its files; NAME is anything.
pod_folder() { echo "$(node_dir "$1")/pods/$2"; }
plan() { jq -r "$3" "$(pod_folder "$1" "$2")/plan.json"; }

# daemonset_prepare NODE DAEMONSET NAME: a pod of what the API server has, its containers not running.
daemonset_prepare() {
	local d vip
	d=$(pod_folder "$1" "$3")
	vip=$(api GET /api/v1/namespaces/default/services/kubernetes | jq -r .spec.clusterIP)
	mkdir -p "${d%/*}"
	api GET "/apis/apps/v1/namespaces/kube-system/daemonsets/$2" >"$d.daemonset"
	api GET /api/v1/configmaps >"$d.configmaps"
	in_node "$1" /usr/bin/python3 "$LNT_TOP/tests/tools/daemonset.py" --node "$1" \
		--node-ip "$(node_ip4 "$1")" --image "$ARCHIVE" --credentials "$LNT_DIR/api" \
		--kubernetes-service "$vip:443" \
		--cgroup-parent "/$LNT_PREFIX$1" "$d.daemonset" "$d.configmaps" "$d"
}

# container_create NODE POD CONTAINER: its root, and its seccomp profile if it is to have one.
container_create() {
	local config
	config=$(pod_folder "$1" "$2")/$3/config.json
	node_ctr "$1" images mount --rw --snapshotter native "$IMAGE" "${config%/*}/rootfs" >/dev/null
	if [ "$(plan "$1" "$2" ".confined | index(\"$3\") != null")" = true ]; then
		container_confine "$1" "$config"
	fi
}

# container_confine NODE CONFIG: by containerd's own profile, which follows from the capabilities.
container_confine() {
	local caps profile c args=()
	caps=$(jq -r '.process.capabilities.bounding | join(" ")' "$2")
	profile=$(node_dir "$1")/seccomp-${caps// /-}
	if [ ! -e "$profile" ]; then
		for c in $caps; do
			args+=(--cap-add "$c")
		done
		for c in $LNT_DEFAULT_CAPS; do
			[[ " $caps " == *" CAP_$c "* ]] || args+=(--cap-drop "CAP_$c")
		done
		node_ctr "$1" containers create --snapshotter native --seccomp "${args[@]}" "$IMAGE" profile
		node_ctr "$1" containers info profile | jq -e .Spec.linux.seccomp >"$profile"
		node_ctr "$1" containers rm profile
	fi
	jq --slurpfile s "$profile" '.linux.seccomp = $s[0]' "$2" >"$2.new"
	mv "$2.new" "$2"
}

# container_remove NODE POD CONTAINER: what is left of one that has ended.
container_remove() {
	node_ctr "$1" tasks rm -f "$2-$3" >/dev/null 2>&1 || true
	node_ctr "$1" containers rm "$2-$3" || true
	node_ctr "$1" images unmount --rm "$(pod_folder "$1" "$2")/$3/rootfs" >/dev/null
}

# container_run NODE POD CONTAINER: to its end; what it says is in its log.
container_run() {
	local rc=0 d
	d=$(pod_folder "$1" "$2")/$3
	container_create "$@"
	node_ctr "$1" run --rm --config "$d/config.json" "$2-$3" </dev/null >>"$d/log" 2>&1 || rc=$?
	node_ctr "$1" images unmount --rm "$d/rootfs" >/dev/null
	[ $rc = 0 ] || { echo "$2 on $1: container $3 ended with $rc" >&2; tail "$d/log" >&2; return 1; }
}

# daemonset_start NODE POD: its init containers one after the other, then the others.
daemonset_start() {
	local c d
	d=$(pod_folder "$1" "$2")
	for c in $(plan "$1" "$2" '.init[]'); do
		container_run "$1" "$2" "$c" || return
	done
	for c in $(plan "$1" "$2" '.main[]'); do
		container_create "$1" "$2" "$c" || return
		node_ctr "$1" run --detach --config "$d/$c/config.json" --log-uri "file://$d/$c/log" \
			"$2-$c" </dev/null || return
		node_ctr "$1" tasks ls | awk -v id="$2-$c" '$1 == id { print $2 }' >"$d/$c/pid"
	done
}

# What has ended is a zombie until its task is removed.
container_runs() {
	local pid
	pid=$(<"$(pod_folder "$1" "$2")/$3/pid")
	[ -n "$pid" ] && [ -e "/proc/$pid/root/" ]
}
container_ended() { ! container_runs "$@"; }

# daemonset_stop NODE POD: SIGTERM, the grace that the pod has, SIGKILL. Fails if that was needed.
daemonset_stop() {
	local c rc=0
	[ -e "$(pod_folder "$1" "$2")/plan.json" ] || return
	for c in $(plan "$1" "$2" '.main[]'); do
		node_ctr "$1" tasks kill -s SIGTERM "$2-$c" || true
		if ! wait_until "$(plan "$1" "$2" .grace)" container_ended "$1" "$2" "$c"; then
			node_ctr "$1" tasks kill -s SIGKILL "$2-$c" || true
			wait_until 5 container_ended "$1" "$2" "$c"
			rc=1
		fi
		container_remove "$1" "$2" "$c"
	done
	rm -r "$(pod_folder "$1" "$2")"
	return $rc
}

# pod_is_ready NODE POD: what its readiness probe says.
pod_is_ready() {
	local c
	for c in $(plan "$1" "$2" '.main[]'); do
		container_runs "$1" "$2" "$c" || return
	done
	in_node "$1" curl -sf -m 5 "$(plan "$1" "$2" .ready)"
}

# pod_wait NODE POD
pod_wait() {
	wait_until 60 pod_is_ready "$1" "$2" || { tail -n 20 "$(pod_folder "$1" "$2")"/*/log >&2; return 1; }
}
