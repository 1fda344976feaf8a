/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets whose backend is gone: who is found, and that exactly they are ended, by each means that
 * the kernel has. Namespaces of its own: a node's and a pod's. What the socket hooks would have put
 * into a socket's storage is put there by hand.
 */
#include "datapath/sockdestroy.h"
#include "datapath/pins.h"
#include "lib/child.h"
#include "lib/cleanup.h"
#include "lib/netlink.h"
#include "lib/netns.h"

#include "linnet.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[64];
static int storage = -1, pod = -1;
static struct lnt_err err;

/* How a client speaks to its backend. "mapped": an IPv6 socket that speaks IPv4. */
static const struct speech {
	const char *name;
	int type, family;
	const char *addr;
} speeches[] = {
	{"TCP over IPv4", SOCK_STREAM, AF_INET, "127.0.0.1"},
	{"TCP over IPv6", SOCK_STREAM, AF_INET6, "::1"},
	{"TCP over mapped IPv4", SOCK_STREAM, AF_INET6, "::ffff:127.0.0.1"},
	{"UDP over IPv4", SOCK_DGRAM, AF_INET, "127.0.0.1"},
	{"UDP over IPv6", SOCK_DGRAM, AF_INET6, "::1"},
	{"UDP over mapped IPv4", SOCK_DGRAM, AF_INET6, "::ffff:127.0.0.1"},
};

/* --- the place -------------------------------------------------------------------------------- */

static void lo_up(void)
{
	_cleanup_nl_ struct lnt_nl *nl = NULL;
	struct lnt_link lo;

	assert_int_equal(lnt_nl_open(-1, NULL, &nl), 0);
	assert_int_equal(lnt_link_get(nl, "lo", 0, NULL, &lo), 0);
	assert_int_equal(lnt_link_set_up(nl, lo.ifindex, NULL), 0);
}

/* The map as the datapath declares it, without its programs. */
static int pin_storage(const char *path)
{
	struct linnet_bpf *skel = linnet_bpf__open();
	struct bpf_program *prog;
	struct bpf_map *map;
	int r;

	bpf_object__for_each_program(prog, skel->obj) bpf_program__set_autoload(prog, false);
	bpf_object__for_each_map(map, skel->obj)
		bpf_map__set_autocreate(map, map == skel->maps.sock_peer);
	r = linnet_bpf__load(skel);
	if (!r)
		r = bpf_map__pin(skel->maps.sock_peer, path);
	linnet_bpf__destroy(skel);
	return r;
}

static int load_in_child(void *arg, struct lnt_err *e)
{
	char path[PATH_MAX];
	int r = lnt_pin_path(root, "maps", "sock_peer", path);

	if (!r && access(path, F_OK))
		r = pin_storage(path);
	return r ? lnt_err_sys(e, r, "make the map") : lnt_socks_load(root, e);
}

static int setup(void **state)
{
	char path[PATH_MAX];

	strcpy(root, "/tmp/linnet-socks-XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(unshare(CLONE_NEWNS | CLONE_NEWNET), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("bpf", root, "bpf", 0, NULL), 0);
	lo_up();
	assert_int_equal(lnt_netns_open("/proc/self/ns/net", NULL, &pod), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	lo_up();
	assert_int_equal(lnt_pin_mkdirs(root), 0);
	if (lnt_child_run(load_in_child, NULL, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(lnt_pin_path(root, "maps", "sock_peer", path), 0);
	storage = bpf_obj_get(path);
	return storage < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	close(storage);
	close(pod);
	umount(root);
	return rmdir(root);
}

/* --- sockets ---------------------------------------------------------------------------------- */

struct end {
	struct sockaddr_storage addr;
	socklen_t len;
};

static struct end address(const struct speech *s, in_port_t port)
{
	struct end end = {.addr.ss_family = (sa_family_t)s->family};
	struct sockaddr_in *in = (struct sockaddr_in *)&end.addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&end.addr;

	end.len = s->family == AF_INET ? sizeof(*in) : sizeof(*in6);
	in->sin_port = port; /* in the same place in both */
	assert_int_equal(
		inet_pton(s->family, s->addr,
			s->family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr),
		1);
	return end;
}

/* A backend in the namespace @netns; *@ret_port becomes its port. */
static int backend(const struct speech *s, int netns, in_port_t *ret_port)
{
	struct end end = address(s, 0);
	int fd = lnt_netns_socket(netns, s->family, s->type, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&end.addr, end.len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&end.addr, &end.len), 0);
	*ret_port = ((struct sockaddr_in *)&end.addr)->sin_port;
	if (s->type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int client(const struct speech *s, int netns, in_port_t port)
{
	struct end end = address(s, port);
	int fd = lnt_netns_socket(netns, s->family, s->type, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&end.addr, end.len), 0);
	return fd;
}

/* What a socket hook does when it turns a socket to (the address of @s, @port). */
static void translate(int fd, const struct speech *s, in_port_t port)
{
	struct lnt_sock_peer peer = {.backend_port = port, .service_port = htons(80)};

	if (s->family == AF_INET) {
		assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &peer.backend_addr), 1);
	} else {
		assert_int_equal(inet_pton(AF_INET6, s->addr, &peer.backend_addr), 1);
	}
	assert_int_equal(bpf_map_update_elem(storage, &fd, &peer, BPF_ANY), 0);
}

static uint64_t cookie(int fd)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t c = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &c, &len), 0);
	return c;
}

/* The socket's pending error; a socket that goes on has none. */
static int pending_error(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	return error;
}

/* --- finding ---------------------------------------------------------------------------------- */

static struct lnt_sock *list(size_t *n)
{
	struct lnt_sock *socks = NULL;

	if (lnt_socks_list(root, &err, &socks, n))
		fail_msg("%s", err.msg);
	return socks;
}

/* Copies what the list says of @fd. False: nothing. */
static bool find(int fd, struct lnt_sock *ret_sock)
{
	_cleanup_free_ struct lnt_sock *socks = NULL;
	uint64_t want = cookie(fd);
	size_t n = 0;

	socks = list(&n);
	for (size_t i = 0; i < n; i++) {
		if (socks[i].cookie != want)
			continue;
		*ret_sock = socks[i];
		return true;
	}
	return false;
}

static uint32_t netns_number(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint32_t)st.st_ino;
}

static void list_says_who_was_translated_to_what(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(speeches); i++) {
		const struct speech *s = &speeches[i];
		in_port_t port;
		_cleanup_close_ int server = backend(s, pod, &port);
		_cleanup_close_ int fd = client(s, pod, port);
		struct sockaddr_in self = {};
		socklen_t len = sizeof(self);
		struct lnt_sock found = {};

		assert_true(server >= 0);
		translate(fd, s, port);
		if (!find(fd, &found))
			fail_msg("%s: not found", s->name);
		getsockname(fd, (struct sockaddr *)&self, &len);
		assert_int_equal(found.proto, s->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP);
		assert_int_equal(found.family, s->family);
		assert_int_equal(found.rport, port);
		assert_int_equal(found.lport, self.sin_port);
		assert_int_equal(found.netns, netns_number(pod));
		assert_int_equal(found.ifindex, 0);
		assert_int_equal(
			IN6_IS_ADDR_V4MAPPED(&found.raddr), strcmp(s->addr, "::1") ? 1 : 0);
	}
}

static void list_leaves_out_who_is_not_with_that_backend(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(speeches); i++) {
		const struct speech *s = &speeches[i];
		const struct sockaddr off = {.sa_family = AF_UNSPEC};
		in_port_t port;
		_cleanup_close_ int server = backend(s, -1, &port);
		_cleanup_close_ int direct = client(s, -1, port);
		_cleanup_close_ int moved = client(s, -1, port);
		_cleanup_close_ int ended = client(s, -1, port);
		struct lnt_sock found = {};

		assert_true(server >= 0);
		translate(moved, s, (in_port_t)(port ^ 1));
		translate(ended, s, port);
		assert_true(find(ended, &found));
		assert_int_equal(connect(ended, &off, sizeof(off)), 0);
		if (find(direct, &found) || find(moved, &found) || find(ended, &found))
			fail_msg("%s: found", s->name);
	}
}

/* --- ending ----------------------------------------------------------------------------------- */

static void end_one(enum lnt_socks_how how, int netns, const struct lnt_sock *sock)
{
	err = (struct lnt_err){};
	if (lnt_socks_end(root, how, netns, sock, 1, &err))
		fail_msg("%s", err.msg);
}

/* The other side of @ended hears of it; @kept goes on talking. */
static void tcp_other_side(int server, int kept)
{
	_cleanup_close_ int a = accept(server, NULL, NULL);
	_cleanup_close_ int b = accept(server, NULL, NULL);
	struct pollfd p = {.fd = a, .events = POLLIN};
	char c;

	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(recv(a, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(send(kept, "x", 1, 0), 1);
	assert_int_equal(recv(b, &c, 1, 0), 1);
}

static void udp_other_side(int server, int kept)
{
	char c;

	assert_int_equal(send(kept, "x", 1, 0), 1);
	assert_int_equal(recv(server, &c, 1, 0), 1);
}

/* One socket is ended beside one like it that stays, both in @netns and to the same backend. */
static void one_of_two(enum lnt_socks_how how, const struct speech *s, int netns)
{
	in_port_t port;
	_cleanup_close_ int server = backend(s, netns, &port);
	_cleanup_close_ int ended = client(s, netns, port);
	_cleanup_close_ int kept = client(s, netns, port);
	struct lnt_sock sock = {};
	int error;

	translate(ended, s, port);
	translate(kept, s, port);
	assert_true(find(ended, &sock));
	/* Another namespace has no such socket. */
	end_one(how, netns < 0 ? pod : -1, &sock);
	assert_int_equal(pending_error(ended), 0);
	end_one(how, netns, &sock);
	error = pending_error(ended);
	if (error != ECONNABORTED)
		fail_msg("%s: %s", s->name, strerror(error));
	assert_false(find(ended, &sock));
	assert_int_equal(pending_error(kept), 0);
	if (s->type == SOCK_STREAM)
		tcp_other_side(server, kept);
	else
		udp_other_side(server, kept);
	assert_true(find(kept, &sock));
}

static void every_speech(enum lnt_socks_how how)
{
	for (size_t i = 0; i < ARRAY_SIZE(speeches); i++) {
		one_of_two(how, &speeches[i], -1);
		one_of_two(how, &speeches[i], pod);
	}
}

static void sock_diag_ends_one_socket_and_no_other(void **state)
{
	if (!lnt_socks_has_diag())
		fail_msg("this kernel has no SOCK_DESTROY");
	every_speech(LNT_SOCKS_DIAG);
}

/* A function of Linux 6.5: on older ones the loader has to have noticed that it is missing. */
static void bpf_ends_one_socket_and_no_other(void **state)
{
	if (!lnt_socks_has_bpf(root)) {
		print_message("no bpf_sock_destroy on this kernel\n");
		return;
	}
	every_speech(LNT_SOCKS_BPF);
}

static void any_ends_one_socket_and_no_other(void **state)
{
	every_speech(LNT_SOCKS_ANY);
}

static void a_connection_in_the_making_is_ended(void **state)
{
	/* A backlog that is full leaves a further connect() without an answer. */
	const struct speech *s = &speeches[0];
	in_port_t port;
	_cleanup_close_ int server = backend(s, -1, &port);
	_cleanup_close_ int fd = lnt_netns_socket(-1, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	_cleanup_close_ int first = -1;
	struct end end = address(s, port);
	struct lnt_sock sock = {};

	assert_int_equal(listen(server, 0), 0);
	first = client(s, -1, port);
	assert_true(first >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&end.addr, end.len), -1);
	assert_int_equal(errno, EINPROGRESS);
	translate(fd, s, port);
	assert_true(find(fd, &sock));
	end_one(LNT_SOCKS_ANY, -1, &sock);
	assert_int_equal(pending_error(fd), ECONNABORTED);
}

static void a_socket_that_is_gone_is_no_error(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(speeches); i++) {
		const struct speech *s = &speeches[i];
		in_port_t port;
		_cleanup_close_ int server = backend(s, -1, &port);
		int fd = client(s, -1, port);
		struct lnt_sock sock = {};

		assert_true(server >= 0);
		translate(fd, s, port);
		assert_true(find(fd, &sock));
		close(fd);
		end_one(LNT_SOCKS_ANY, -1, &sock);
	}
}

static void loading_again_takes_the_place_of_the_old(void **state)
{
	const struct speech *s = &speeches[3];
	in_port_t port;
	_cleanup_close_ int server = backend(s, -1, &port);
	_cleanup_close_ int fd = client(s, -1, port);
	struct lnt_sock sock = {};

	assert_true(server >= 0);
	translate(fd, s, port);
	if (lnt_child_run(load_in_child, NULL, &err))
		fail_msg("%s", err.msg);
	assert_true(find(fd, &sock));
	end_one(LNT_SOCKS_ANY, -1, &sock);
	assert_int_equal(pending_error(fd), ECONNABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_says_who_was_translated_to_what),
		cmocka_unit_test(list_leaves_out_who_is_not_with_that_backend),
		cmocka_unit_test(sock_diag_ends_one_socket_and_no_other),
		cmocka_unit_test(bpf_ends_one_socket_and_no_other),
		cmocka_unit_test(any_ends_one_socket_and_no_other),
		cmocka_unit_test(a_connection_in_the_making_is_ended),
		cmocka_unit_test(a_socket_that_is_gone_is_no_error),
		cmocka_unit_test(loading_again_takes_the_place_of_the_old),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
