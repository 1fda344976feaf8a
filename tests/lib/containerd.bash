# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A containerd of a test's own: its files are below a folder, its socket is c.sock there. What it wants at
# fixed places is for whoever starts it to arrange, in a mount namespace.

# containerd_config FOLDER
containerd_config() {
	mkdir -p "$1"/{root,state}
	cat >"$1/config.toml" <<-EOF
		version = 2
		root = "$1/root"
		state = "$1/state"
		oom_score = 0
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		  address = "$1/c.sock"
	EOF
}
