/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sockets whose backend is gone. The socket hooks turn connect() to a backend once; when that
 * backend goes nothing else would ever tell the socket, so it is ended: TCP sends RST and reports
 * ECONNABORTED, and a connected UDP socket is one no more: recv(2) and poll(2) report ECONNABORTED,
 * send(2) EDESTADDRREQ. The application connects again, and gets another backend.
 *
 * Finding and ending are two things. They are found by a BPF iterator over the socket hooks' own
 * storage (sock_peer, Linux 5.9): one pass over the translated sockets of all namespaces, which
 * knows exactly who was translated, so that a connection that a client made to the pod's own
 * address is never touched. They are ended by the first of two that works:
 *
 * - sock_diag(7) SOCK_DESTROY with the socket's cookie, one hash look-up in the kernel
 *   (CONFIG_INET_DIAG_DESTROY, Linux 4.5);
 * - bpf_sock_destroy() in an iterator over all TCP or UDP sockets (Linux 6.5; the kernel's TCP
 *   table is one for all namespaces, so that each namespace costs a walk through all of it).
 *
 * Both end sockets of one network namespace, so that the caller has to have a descriptor of it.
 */
#include "lib/addr.h"
#include "lib/err.h"
#include "datapath/sockdestroy_abi.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Loads the programs beside the pinned sock_peer below @bpf_root and pins the iterators in iters/,
 * over those of before. Those that the kernel lacks are left out. Memory: call it in a child
 * (lib/child.h). Returns 0, or -errno when sockets cannot be found on this kernel.
 */
int lnt_socks_load(const char *bpf_root, struct lnt_err *e);

/* Whether this kernel can end sockets by sock_diag, and by the pinned programs. */
bool lnt_socks_has_diag(void);
bool lnt_socks_has_bpf(const char *bpf_root);

/*
 * The sockets of the node that are connected to the backend to which a socket hook turned them, as
 * a new array that the caller frees. -ENOENT: nothing was loaded.
 */
int lnt_socks_list(
	const char *bpf_root, struct lnt_err *e, struct lnt_sock **ret_socks, size_t *ret_n);

enum lnt_socks_how {
	LNT_SOCKS_ANY,	/* sock_diag, and BPF for what it has not ended */
	LNT_SOCKS_DIAG, /* for tests and measurements: this one alone */
	LNT_SOCKS_BPF,
};

/*
 * Ends @socks, all of the network namespace @netns (-1: the current one). A socket that is gone
 * already is no error. Returns 0, or -errno of the first that could not be ended; the others are.
 */
int lnt_socks_end(const char *bpf_root, enum lnt_socks_how how, int netns,
	const struct lnt_sock *socks, size_t n, struct lnt_err *e);
