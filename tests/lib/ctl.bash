# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What tests of linnetctl ask about: a cluster of two nodes, and linnetctl as it is typed on one.

# ctl_bed: red/server and red/near live on n1, blue/far on n2; all answer on ports 80 and 81.
ctl_bed() {
	cluster_sweep
	cluster_network 2
	kc apply -f "$LNT_TOP/manifests/crds" >/dev/null
	agent_start n1
	agent_start n2
	namespace_add red team=red
	namespace_add blue team=blue
	serving n1 red/server app=server
	serving n1 red/near role=client
	serving n2 blue/far role=client
}

serving() {
	pod_create "$@"
	pod_run "$2" 80 81
}

# ctl NODE ARGUMENT...
ctl() {
	in_node "$1" "$LNT_BUILD/linnetctl" --run-dir "$(node_dir "$1")/run" "${@:2}"
}
