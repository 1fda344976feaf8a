#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# hack/kind-up and hack/minikube-up, as far as that goes without docker: what they show, and what they
# run, on programs that write down what they are called with.
bats_require_minimum_version 1.5.0

setup() {
	TOP=$(realpath "$BATS_TEST_DIRNAME/../..")
	BIN=$BATS_TEST_TMPDIR/bin
	CALLS=$BATS_TEST_TMPDIR/calls
	export CALLS
	mkdir "$BIN"
	for tool in docker kind kubectl minikube; do
		cat >"$BIN/$tool" <<-'EOF'
			#!/bin/bash
			echo "${0##*/} $*" >>"$CALLS"
			[[ " $* " != *' - '* ]] || cat >"$CALLS.${0##*/}.stdin"
			[ "${0##*/} $1" != "$BROKEN" ]
		EOF
		chmod +x "$BIN/$tool"
	done
	cd "$BATS_TEST_TMPDIR" || return
}

up() { run "$1" env PATH="$BIN:$PATH" "$TOP/hack/$2" "${@:3}"; }

# yaml EXPRESSION FILE: true of the documents d in it.
yaml() {
	/usr/bin/python3 -c 'import sys, yaml
d = list(yaml.safe_load_all(open(sys.argv[2])))
sys.exit(not eval(sys.argv[1]))' "$1" "$2"
}

calls_are() { diff - "$CALLS"; }

@test "dry run: shows all commands and runs none" {
	local family
	for family in ipv4 ipv6 dual; do
		up -0 kind-up --dry-run --ip-family $family
		awk '/^END$/ { on = 0 } on; /END.$/ { on = 1 }' <<<"$output" >config
		yaml "d == [{'kind': 'Cluster', 'apiVersion': 'kind.x-k8s.io/v1alpha4',
			'networking': {'ipFamily': '$family', 'disableDefaultCNI': True, 'kubeProxyMode': 'none'},
			'nodes': [{'role': 'control-plane'}, {'role': 'worker'}, {'role': 'worker'}]}]" config
	done
	up -0 minikube-up --dry-run
	[[ $output == *$'\nminikube start --profile linnet '* ]]
	[ ! -e "$CALLS" ]
	# Nor does it need them.
	run -0 env PATH=/usr/bin:/bin "$TOP/hack/kind-up" --dry-run
}

@test "dry run: what it shows does the same when it is typed" {
	up -0 kind-up --dry-run --ip-family dual
	(cd "$TOP" && PATH="$BIN:$PATH" bash -euo pipefail <<<"$output")
	mv "$CALLS" typed
	mv "$CALLS.kind.stdin" typed.stdin
	up -0 kind-up --ip-family dual
	diff typed "$CALLS"
	diff typed.stdin "$CALLS.kind.stdin"
}

@test "kind: the image, the cluster, and linnet as it is" {
	up -0 kind-up --name other --ip-family ipv6
	calls_are <<-'EOF'
		docker build --tag linnet:dev .
		kind create cluster --name other --config -
		kind load docker-image linnet:dev --name other
		kubectl --context kind-other apply -f manifests/install.yaml
		kubectl --context kind-other -n kube-system rollout status daemonset linnet --timeout 5m
		kubectl --context kind-other wait --for condition=Ready node --all --timeout 2m
	EOF
	yaml "d[0]['networking']['ipFamily'] == 'ipv6'" "$CALLS.kind.stdin"
}

@test "minikube: the same" {
	up -0 minikube-up --nodes 2
	[ "$(sed -n 1p "$CALLS")" = 'docker build --tag linnet:dev .' ]
	grep -qx 'minikube start --profile linnet --nodes 2 .* --cni false .*skip-phases=addon/kube-proxy' "$CALLS"
	grep -qx 'minikube image load --profile linnet linnet:dev' "$CALLS"
	grep -qx 'kubectl --context linnet apply -f manifests/install.yaml' "$CALLS"
}

@test "an archive of the image: needs no docker, by any path" {
	rm "$BIN/docker"
	touch 'my image.tar'
	up -0 kind-up --archive 'my image.tar'
	grep -qxF "kind load image-archive $PWD/my image.tar --name linnet" "$CALLS"
	up -0 minikube-up --archive "$PWD/my image.tar"
	grep -qxF "minikube image load --profile linnet $PWD/my image.tar" "$CALLS"
}

@test "what fails ends it" {
	BROKEN='kind create' up -1 kind-up
	[ "$(wc -l <"$CALLS")" = 2 ]
	rm "$CALLS"
	BROKEN='docker build' up -1 minikube-up
	[ "$(<"$CALLS")" = 'docker build --tag linnet:dev .' ]
}

@test "wrong options: are refused before anything is run" {
	local args
	for args in '--ip-family both' '--name' '--name a;b' '--name=x' 'more' '--archive'; do
		# shellcheck disable=SC2086
		up -2 kind-up $args
		[[ $output == usage:* ]]
	done
	for args in '--nodes 0' '--nodes x' '--profile ../x'; do
		# shellcheck disable=SC2086
		up -2 minikube-up $args
		[[ $output == usage:* ]]
	done
	[ ! -e "$CALLS" ]
}
