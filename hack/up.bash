# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What hack/kind-up and hack/minikube-up share: options, commands that are shown before they are run, and
# the installation on a cluster that is up.

self=$(realpath "$0")
from=$PWD
cd "${self%/*}/.." || exit
image=linnet:dev
archive='' dry=''

usage() {
	sed -n '/^# usage:/,/^[^#]/s/^# \?//p' "$self"
	exit "$1"
}

# shellcheck disable=SC2034
# option "$@": reads what both have; how many arguments it took is in $took, 0 for none of them.
option() {
	took=0
	case $1 in
	--archive)
		[ $# -ge 2 ] || usage 2 >&2
		archive=$(cd "$from" && realpath -m -- "$2")
		took=2
		;;
	--dry-run)
		dry=1
		took=1
		;;
	-h | --help) usage 0 ;;
	esac
}

# step COMMAND-LINE: shows it, and runs it unless only the showing is asked for.
step() {
	printf '%s\n' "$1"
	[ -n "$dry" ] || eval "$1"
}

needs() {
	local tool
	[ -z "$dry" ] || return 0
	for tool in "$@"; do
		command -v "$tool" >/dev/null || { echo "${0##*/}: $tool is needed" >&2; exit 1; }
	done
}

# build: the image, unless an archive of it is given.
build() {
	[ -n "$archive" ] || step "docker build --tag $image ."
}

# install CONTEXT: linnet, and waits until all nodes carry pods.
install() {
	step "kubectl --context $1 apply -f manifests/install.yaml"
	step "kubectl --context $1 -n kube-system rollout status daemonset linnet --timeout 5m"
	step "kubectl --context $1 wait --for condition=Ready node --all --timeout 2m"
}
