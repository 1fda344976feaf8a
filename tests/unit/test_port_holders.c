/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of this namespace that hold a NodePort, and those that only look like it. */
#include "agent/port_holders.h"
#include "tests/unit/build.h"
#include "lib/cleanup.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_SOCKETS 8

struct fixture {
	struct lnt_store *st;
	struct lnt_services *t;
	struct lnt_notice_sink sink;
	struct lnt_port_holders h;
	char said[1024]; /* "+ns/name: text|" and "-..." */
	int fds[MAX_SOCKETS];
	size_t n_fds;
};

static void tell(void *ctx, const struct lnt_notice *n, bool gone)
{
	struct fixture *f = ctx;
	size_t len = strlen(f->said);

	assert_int_equal(n->kind, LNT_KIND_SERVICE);
	assert_int_equal(n->reason, LNT_NOTICE_NODE_PORT_TAKEN);
	snprintf(f->said + len, sizeof(f->said) - len, "%c%s/%s: %s|", gone ? '-' : '+', n->ns,
		n->name, n->text);
}

static void on_change(void *ctx, const struct lnt_meta *obj, bool removed)
{
	struct fixture *f = ctx;

	if (obj->kind == LNT_KIND_SERVICE)
		lnt_services_touch(f->t, obj->ns, obj->name);
}

/* Addresses of the node: the loopback, as good as any where nothing is sent. */
static void update(struct fixture *f)
{
	const struct lnt_nodeport_addr addrs[] = {
		{.addr = build_addr("127.0.0.1"), .host_only = true}, {.addr = build_addr("::1")}};
	const struct lnt_service_params params = {
		.node_name = "n1", .addrs = addrs, .n_addrs = ARRAY_SIZE(addrs)};
	struct lnt_err e = {};

	assert_int_equal(lnt_services_update(f->t, f->st, &params, &e), 0);
	lnt_services_settle(f->t);
}

static void node_port(struct fixture *f, const char *name, const char *ips, const char *ports)
{
	struct lnt_service *svc = build_service_new("a", name, ips, ports);

	svc->type = LNT_SERVICE_NODE_PORT;
	build_put(f->st, svc);
	update(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->t = lnt_services_new(NULL, NULL);
	f->st = lnt_store_new(on_change, f);
	f->sink.tell = tell;
	f->sink.ctx = f;
	f->h.notices.sink = &f->sink;
	*state = f;
	node_port(f, "web", "10.96.0.1,fd00:96::1", "h:tcp/80@30080,d:udp/53@30053");
	node_port(f, "four", "10.96.0.2", "h:tcp/80@30084");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->n_fds; i++)
		close(f->fds[i]);
	lnt_port_holders_clear(&f->h);
	lnt_notice_sink_clear(&f->sink);
	lnt_services_free(f->t);
	lnt_store_free(f->st);
	free(f);
	return 0;
}

/* A socket of a family by its address' text; "only ::" is one that takes no IPv4. */
static void hold(struct fixture *f, int type, const char *addr, uint16_t port)
{
	bool only = !strncmp(addr, "only ", 5), is6 = strchr(addr, ':');
	struct in6_addr a = build_addr(only ? addr + 5 : addr);
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = a};
	int fd = socket(is6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0), on = only;

	assert_true(fd >= 0 && f->n_fds < MAX_SOCKETS);
	memcpy(&sin.sin_addr, &a.s6_addr[12], 4);
	if (is6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	assert_int_equal(
		bind(fd, is6 ? (void *)&sin6 : (void *)&sin, is6 ? sizeof(sin6) : sizeof(sin)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	f->fds[f->n_fds++] = fd;
}

static void look(struct fixture *f)
{
	struct lnt_err e = {};

	f->said[0] = '\0';
	if (lnt_port_holders_look(&f->h, f->t, &e))
		fail_msg("%s", e.msg);
}

/* The last look has said this of us, and nothing else. */
static void said(struct fixture *f, char sign, const char *service, const char *what)
{
	char want[256];

	snprintf(want, sizeof(want),
		"%c%s: process %d (test_port_holde) has bound nodePort %s; from outside the "
		"service answers, not that process|",
		sign, service, getpid(), what);
	assert_string_equal(f->said, want);
}

static void held(void **state)
{
	static const struct {
		const char *addr, *service, *what;
		int type;
		uint16_t port;
	} cases[] = {
		{"0.0.0.0", "a/web", "30080/TCP at 0.0.0.0", SOCK_STREAM, 30080},
		{"127.0.0.1", "a/web", "30080/TCP at 127.0.0.1", SOCK_STREAM, 30080},
		{"::", "a/web", "30080/TCP at ::", SOCK_STREAM, 30080},
		{"only ::", "a/web", "30080/TCP at ::", SOCK_STREAM, 30080},
		{"::1", "a/web", "30080/TCP at ::1", SOCK_STREAM, 30080},
		{"0.0.0.0", "a/web", "30053/UDP at 0.0.0.0", SOCK_DGRAM, 30053},
		{"::1", "a/web", "30053/UDP at ::1", SOCK_DGRAM, 30053},
		{"::", "a/four", "30084/TCP at ::", SOCK_STREAM, 30084},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		hold(f, cases[i].type, cases[i].addr, cases[i].port);
		look(f);
		said(f, '+', cases[i].service, cases[i].what);
		assert_true(lnt_port_holders_any(&f->h));
		/* Once. */
		look(f);
		assert_string_equal(f->said, "");
		close(f->fds[--f->n_fds]);
		look(f);
		said(f, '-', cases[i].service, cases[i].what);
		assert_false(lnt_port_holders_any(&f->h));
	}
}

/* Another protocol, address, family or port is nobody's business. */
static void not_held(void **state)
{
	struct fixture *f = *state;

	hold(f, SOCK_DGRAM, "0.0.0.0", 30080);
	hold(f, SOCK_STREAM, "0.0.0.0", 30053);
	hold(f, SOCK_STREAM, "127.0.0.2", 30080);
	hold(f, SOCK_STREAM, "only ::", 30084);
	hold(f, SOCK_STREAM, "0.0.0.0", 80);
	look(f);
	assert_string_equal(f->said, "");
	assert_false(lnt_port_holders_any(&f->h));
}

/* A service that comes finds who is there, and leaves him alone when it goes. */
static void later(void **state)
{
	struct fixture *f = *state;

	hold(f, SOCK_STREAM, "0.0.0.0", 30099);
	look(f);
	assert_string_equal(f->said, "");
	node_port(f, "late", "10.96.0.3", "h:tcp/80@30099");
	look(f);
	said(f, '+', "a/late", "30099/TCP at 0.0.0.0");
	assert_int_equal(f->sink.standing[LNT_KIND_SERVICE][LNT_NOTICE_NODE_PORT_TAKEN], 1);
	lnt_store_remove(f->st, LNT_KIND_SERVICE, "a", "late");
	update(f);
	look(f);
	said(f, '-', "a/late", "30099/TCP at 0.0.0.0");
	assert_int_equal(f->sink.standing[LNT_KIND_SERVICE][LNT_NOTICE_NODE_PORT_TAKEN], 0);
	assert_int_equal(f->sink.raised[LNT_KIND_SERVICE][LNT_NOTICE_NODE_PORT_TAKEN], 1);
}

/* More than one datagram of the kernel's answer. */
static void many(void **state)
{
	struct fixture *f = *state;
	int fds[600];

	hold(f, SOCK_STREAM, "0.0.0.0", 30080);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
		assert_int_equal(listen(fds[i], 1), 0);
	}
	look(f);
	said(f, '+', "a/web", "30080/TCP at 0.0.0.0");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* The look is for changes of NodePorts alone. */
static void concern(void **state)
{
	const struct lnt_service_change changes[] = {
		{.key = {.port = htons(80), .proto = IPPROTO_TCP}},
		{.key = {.port = htons(30080),
			 .proto = IPPROTO_TCP,
			 .kind = LNT_FRONTEND_RESERVED}},
	};

	assert_false(lnt_port_holders_concern(changes, 0));
	assert_false(lnt_port_holders_concern(changes, 1));
	assert_true(lnt_port_holders_concern(changes, 2));
}

/* A namespace of its own, where nobody else's sockets are. */
static int enter(void **state)
{
	return unshare(CLONE_NEWNET) || system("ip link set lo up") ? -1 : 0;
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(held), T(not_held), T(later), T(many), T(concern)};

	return cmocka_run_group_tests(tests, enter, NULL);
}
