#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# linnet on other kernels, each in a machine of its own (hack/vm): 6.1 attaches by clsact, 6.12 and
# 7.2 by tcx. tests/lib/kernel-check runs inside; each test here looks at what it said.

setup_file() {
	local kernel
	cd "$BATS_TEST_DIRNAME/../.." || return
	hack/vm fetch
	for kernel in 6.1 6.12 7.2; do
		VM_TIMEOUT=900 hack/vm $kernel tests/lib/kernel-check >"$BATS_FILE_TMPDIR/$kernel" 2>&1 || true
	done
}

# said KERNEL TITLE
said() {
	grep -qxF "ok $2" "$BATS_FILE_TMPDIR/$1" || {
		sed -n "/^not ok $2/,/^ok/p" "$BATS_FILE_TMPDIR/$1"
		tail -n 15 "$BATS_FILE_TMPDIR/$1"
		return 1
	}
}

@test "every kernel: the verifier accepts every program" {
	said 6.1 "the verifier accepts every program"
	said 6.12 "the verifier accepts every program"
	said 7.2 "the verifier accepts every program"
}

@test "every kernel: two nodes carry pods" {
	said 6.1 "two nodes carry pods"
	said 6.12 "two nodes carry pods"
	said 7.2 "two nodes carry pods"
}

@test "every kernel: the programs are attached by the means that the kernel has" {
	said 6.1 "the programs are attached by the means that the kernel has"
	said 6.12 "the programs are attached by the means that the kernel has"
	said 7.2 "the programs are attached by the means that the kernel has"
}

@test "every kernel: pods of one node reach each other" {
	said 6.1 "pods of one node reach each other"
	said 6.12 "pods of one node reach each other"
	said 7.2 "pods of one node reach each other"
}

@test "every kernel: pods of different nodes reach each other" {
	said 6.1 "pods of different nodes reach each other"
	said 6.12 "pods of different nodes reach each other"
	said 7.2 "pods of different nodes reach each other"
}

@test "every kernel: UDP arrives" {
	said 6.1 "UDP arrives"
	said 6.12 "UDP arrives"
	said 7.2 "UDP arrives"
}

@test "every kernel: echo is answered" {
	said 6.1 "echo is answered"
	said 6.12 "echo is answered"
	said 7.2 "echo is answered"
}

@test "every kernel: fragments arrive" {
	said 6.1 "fragments arrive"
	said 6.12 "fragments arrive"
	said 7.2 "fragments arrive"
}

@test "every kernel: node and pod reach each other" {
	said 6.1 "node and pod reach each other"
	said 6.12 "node and pod reach each other"
	said 7.2 "node and pod reach each other"
}

@test "every kernel: a Service answers" {
	said 6.1 "a Service answers"
	said 6.12 "a Service answers"
	said 7.2 "a Service answers"
}

@test "every kernel: a policy is enforced and lifted" {
	said 6.1 "a policy is enforced and lifted"
	said 6.12 "a policy is enforced and lifted"
	said 7.2 "a policy is enforced and lifted"
}

@test "every kernel: SCTP: sockets get services that answer" {
	said 6.1 "SCTP: sockets get services that answer"
	said 6.12 "SCTP: sockets get services that answer"
	said 7.2 "SCTP: sockets get services that answer"
}

@test "every kernel: SCTP: sockets talk to pods, services and the world" {
	said 6.1 "SCTP: sockets talk to pods, services and the world"
	said 6.12 "SCTP: sockets talk to pods, services and the world"
	said 7.2 "SCTP: sockets talk to pods, services and the world"
}

@test "every kernel: SCTP: a service without endpoints aborts" {
	said 6.1 "SCTP: a service without endpoints aborts"
	said 6.12 "SCTP: a service without endpoints aborts"
	said 7.2 "SCTP: a service without endpoints aborts"
}

@test "every kernel: SCTP: a hostPort leads to its pod" {
	said 6.1 "SCTP: a hostPort leads to its pod"
	said 6.12 "SCTP: a hostPort leads to its pod"
	said 7.2 "SCTP: a hostPort leads to its pod"
}

@test "every kernel: SCTP: much data arrives whole" {
	said 6.1 "SCTP: much data arrives whole"
	said 6.12 "SCTP: much data arrives whole"
	said 7.2 "SCTP: much data arrives whole"
}

@test "every kernel: SCTP: the same with checksums that sockets have made" {
	said 6.1 "SCTP: the same with checksums that sockets have made"
	said 6.12 "SCTP: the same with checksums that sockets have made"
	said 7.2 "SCTP: the same with checksums that sockets have made"
}

@test "every kernel: SCTP: a policy by port" {
	said 6.1 "SCTP: a policy by port"
	said 6.12 "SCTP: a policy by port"
	said 7.2 "SCTP: a policy by port"
}

@test "every kernel: an agent that dies and returns interrupts nothing" {
	said 6.1 "an agent that dies and returns interrupts nothing"
	said 6.12 "an agent that dies and returns interrupts nothing"
	said 7.2 "an agent that dies and returns interrupts nothing"
}

@test "every kernel: removal leaves nothing" {
	said 6.1 "removal leaves nothing"
	said 6.12 "removal leaves nothing"
	said 7.2 "removal leaves nothing"
}

@test "every kernel: a process of the node is a backend, and NodePorts are reserved" {
	said 6.1 "a process of the node is a backend, and NodePorts are reserved"
	said 6.12 "a process of the node is a backend, and NodePorts are reserved"
	said 7.2 "a process of the node is a backend, and NodePorts are reserved"
}
