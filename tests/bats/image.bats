#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The image: what is in the archive, and that a real containerd takes it and starts its programs.
# containerd and its containers live in a mount namespace and on a loopback of their own.
load ../lib/bats
load ../lib/containerd

IMAGE=docker.io/library/linnet:test

setup_file() {
	cluster_sweep
	D=$LNT_DIR/containerd
	ARCHIVE=$LNT_DIR/linnet.tar
	export D ARCHIVE
	containerd_config "$D"
	"$LNT_TOP/hack/image" --output "$ARCHIVE" --tag linnet:test
	runtime_start
	# As `kind load image-archive` does it.
	in_runtime ctr -a "$D/c.sock" -n k8s.io images import --all-platforms --digests \
		--snapshotter native - <"$ARCHIVE"
}

teardown_file() {
	end_process "$D/pid" TERM
	end
}

runtime_start() {
	cat >"$D/start" <<-EOF
		set -e
		mount --make-rprivate /
		exec 3<"$LNT_RUN"
		mount -t tmpfs tmpfs /run
		mkdir "$LNT_RUN"
		mount -c --rbind /proc/self/fd/3 "$LNT_RUN"
		exec 3<&-
		exec containerd --config "$D/config.toml"
	EOF
	add_netns image
	background "$D/pid" "$D/log" "" image unshare --mount bash "$D/start"
	wait_until 20 in_runtime ctr -a "$D/c.sock" version || { tail "$D/log" >&2; return 1; }
}

in_runtime() {
	nsenter --mount="/proc/$(<"$D/pid")/ns/mnt" --net="$(netns image)" --wd=/ "$@"
}

# run_image [ctr's options] COMMAND...
run_image() {
	in_runtime timeout 30 ctr -a "$D/c.sock" -n k8s.io run --rm --snapshotter native --net-host \
		--cgroup "/${LNT_PREFIX}image" "$@"
}

# in_image COMMAND...: in a container.
in_image() { run_image $IMAGE test "$@"; }

# in_image_with FOLDER COMMAND...: with a folder of the node as /host.
in_image_with() {
	run_image --mount "type=bind,src=$1,dst=/host,options=rbind:rw" $IMAGE test "${@:2}"
}

# blob DIGEST: of the archive, to stdout.
blob() { tar -xOf "$ARCHIVE" "blobs/${1/:/\/}"; }
index() { tar -xOf "$ARCHIVE" index.json; }
manifest() { blob "$(index | jq -r '.manifests[0].digest')"; }
layer() { blob "$(manifest | jq -r '.layers[0].digest')" | gzip -d; }
config() { blob "$(manifest | jq -r '.config.digest')"; }

@test "image: every blob has the digest and size that point at it" {
	local digest size
	while read -r digest size; do
		[ "sha256:$(blob "$digest" | sha256sum | cut -d' ' -f1)" = "$digest" ]
		[ "$(blob "$digest" | wc -c)" = "$size" ]
	done < <({ index | jq '.manifests[]'; manifest | jq '.config, .layers[]'; } | jq -r '"\(.digest) \(.size)"')
	[ "$(config | jq -r '.rootfs.diff_ids[0]')" = "sha256:$(layer | sha256sum | cut -d' ' -f1)" ]
	# What Docker reads says the same.
	tar -xOf "$ARCHIVE" manifest.json | jq -e --argjson m "$(manifest)" --arg image $IMAGE \
		'.[0] | .RepoTags == [$image] and .Config == "blobs/" + ($m.config.digest | sub(":"; "/"))'
}

@test "image: the same commit gives the same bytes" {
	"$LNT_TOP/hack/image" --output "$LNT_DIR/again.tar" --tag linnet:test
	cmp "$ARCHIVE" "$LNT_DIR/again.tar"
	SOURCE_DATE_EPOCH=1 "$LNT_TOP/hack/image" --output "$LNT_DIR/again.tar" --tag linnet:test
	! cmp -s "$ARCHIVE" "$LNT_DIR/again.tar" || fail "SOURCE_DATE_EPOCH has no effect"
}

@test "image: under 60 MiB unpacked" {
	[ "$(layer | wc -c)" -lt $((60 << 20)) ]
}

@test "image: no shell, nothing setuid, nothing of the builder's" {
	run -0 tar -tvf <(layer)
	lacks '/(ba|da|)sh$|busybox|apt|perl' echo "$output"
	lacks '^-..s|^-.....s' echo "$output"
	! grep -v ' 0/0 ' <<<"$output" || fail "not root's"
}

@test "image: the Dockerfile starts the same program" {
	[ "$(sed -n 's/^ENTRYPOINT //p' "$LNT_TOP/Dockerfile" | jq -c .)" = "$(config | jq -c .config.Entrypoint)" ]
}

@test "containerd: knows the image by the name that the kubelet asks for" {
	run -0 in_runtime ctr -a "$D/c.sock" -n k8s.io images ls -q
	[[ $'\n'$output$'\n' == *$'\n'$IMAGE$'\n'* ]]
	run -0 in_runtime ctr -a "$D/c.sock" -n k8s.io images check --snapshotter native "name==$IMAGE"
	[[ $output == *complete* ]]
}

@test "containerd: programs of the image start in it" {
	run -0 in_image /usr/sbin/linnetd --help
	[[ $output == "usage: linnetd"* ]]
	run -0 in_image /usr/bin/linnetctl --help
	[[ $output == *"usage: linnetctl"* ]]
	run ! in_image /bin/sh -c true
}

# Out of a container: ctr does not end a container's standard input.
@test "image: the plugin tells its versions, and needs nothing" {
	mkdir "$LNT_DIR/plugin"
	layer | tar -xC "$LNT_DIR/plugin" --strip-components=3 opt/cni/bin/linnet
	run -0 env CNI_COMMAND=VERSION chroot "$LNT_DIR/plugin" /linnet </dev/null
	jq -e '.supportedVersions | index("1.1.0")' <<<"$output"
}

@test "install: the plugin takes its place on the node, and nothing else changes" {
	local dir=$LNT_DIR/node-bin
	mkdir "$dir"
	echo other >"$dir/bridge"
	echo old >"$dir/linnet"
	# What a killed one has left; writing into the file that a runtime executes would change it too.
	ln -s bridge "$dir/.linnet.new"
	ln "$dir/linnet" "$LNT_DIR/executed"
	in_image_with "$dir" /opt/cni/bin/linnet install /host
	layer | tar -xO opt/cni/bin/linnet | cmp - "$dir/linnet"
	[ "$(stat -c '%a %u:%g' "$dir/linnet")" = '755 0:0' ]
	[ "$(<"$LNT_DIR/executed")" = old ]
	[ "$(<"$dir/bridge")" = other ]
	[ "$(ls -A "$dir")" = $'bridge\nlinnet' ]
}

@test "install: a folder that is not there is named, and not made" {
	run -1 "$LNT_BUILD/linnet" install "$LNT_DIR/nowhere"
	[[ $output == "linnet: open folder $LNT_DIR/nowhere: No such file or directory" ]]
	run -2 "$LNT_BUILD/linnet" uninstall
	[[ $output == usage:* ]]
	run -2 "$LNT_BUILD/linnet" remove "$LNT_DIR"
	[[ $output == usage:* ]]
}

@test "uninstall: the plugin goes, and nothing else" {
	local dir=$LNT_DIR/clean-bin
	mkdir "$dir"
	echo other >"$dir/bridge"
	"$LNT_BUILD/linnet" install "$dir"
	echo half >"$dir/.linnet.new"
	"$LNT_BUILD/linnet" uninstall "$dir"
	[ "$(ls -A "$dir")" = bridge ]
	# Again: there is nothing to do.
	"$LNT_BUILD/linnet" uninstall "$dir"
	run -1 "$LNT_BUILD/linnet" uninstall "$LNT_DIR/nowhere"
	[[ $output == "linnet: open folder $LNT_DIR/nowhere: No such file or directory" ]]
}

@test "install: what cannot be written leaves the old plugin" {
	local dir=$LNT_DIR/full
	mkdir "$dir"
	run -1 unshare --mount sh -ec '
		mount -t tmpfs -o size=64k tmpfs "$1"
		echo old >"$1/linnet"
		rc=0
		"$2" install "$1" || rc=$?
		cat "$1"/linnet
		ls -A "$1"
		exit $rc' sh "$dir" "$LNT_BUILD/linnet"
	[[ $output == *"linnet: write $dir/linnet: No space left on device"*$'old\nlinnet' ]]
}
