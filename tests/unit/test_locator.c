/* SPDX-License-Identifier: Apache-2.0 */
/* Where the API server is looked for: this namespace's connections, and what is at their ends. */
#include "agent/kube/locator.h"
#include "tests/unit/api_case.h"
#include "tests/unit/build.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MAX_SOCKETS 512
#define STALL_MS    200

struct fixture {
	struct api_case api;
	struct lnt_locator *l;
	int fds[MAX_SOCKETS];
	size_t n_fds;
	unsigned looks, moves;
	char text[2048]; /* "addr port|" each */
};

/* --- sockets ---------------------------------------------------------------------------------- */

static int keep(struct fixture *f, int fd)
{
	assert_true(fd >= 0 && f->n_fds < MAX_SOCKETS);
	f->fds[f->n_fds++] = fd;
	return fd;
}

struct name {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

/* "127.0.0.1" and "::1" of their families; "::ffff:127.0.0.1" of IPv6. */
static struct name name(const char *addr, uint16_t port)
{
	struct name n = {};

	if (strchr(addr, ':')) {
		n.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
			.sin6_port = htons(port),
			.sin6_addr = build_addr(addr)};
		n.len = sizeof(n.in6);
	} else {
		n.in = (struct sockaddr_in){.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = inet_addr(addr)};
		n.len = sizeof(n.in);
	}
	return n;
}

static int stream(struct fixture *f, const struct name *n)
{
	return keep(f, socket(n->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/* A server that never says a thing; what it has not accepted is connected all the same. */
static int serve(struct fixture *f, const char *addr, uint16_t port)
{
	struct name n = name(addr, port);
	int fd = stream(f, &n);

	assert_int_equal(bind(fd, &n.any, n.len), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void connect_to(struct fixture *f, const char *addr, uint16_t port)
{
	struct name n = name(addr, port);

	assert_int_equal(connect(stream(f, &n), &n.any, n.len), 0);
}

static void loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
}

/* --- peers ------------------------------------------------------------------------------------ */

static const char *peers(struct fixture *f)
{
	struct lnt_http_place list[LNT_LOCATOR_PEERS];
	char addr[LNT_ADDRSTRLEN];
	size_t n = 0, len = 0;

	assert_int_equal(lnt_locator_peers(list, &n), 0);
	f->text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(f->text + len, sizeof(f->text) - len, "%s %u|",
			lnt_addr_str(&list[i].addr, addr), list[i].port);
	return f->text;
}

static void no_connections_no_peers(void **state)
{
	struct fixture *f = *state;

	serve(f, "127.0.0.1", 6443);
	assert_string_equal(peers(f), "");
}

static void who_connects_to_us_is_none(void **state)
{
	struct fixture *f = *state;
	int server = serve(f, "127.0.0.1", 6443);

	connect_to(f, "127.0.0.1", 6443);
	keep(f, accept(server, NULL, NULL));
	assert_string_equal(peers(f), "127.0.0.1 6443|");
}

static void the_usual_ports_come_first(void **state)
{
	static const uint16_t ports[] = {16443, 22, 8443, 443, 10250, 6443, 6444};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		serve(f, "127.0.0.1", ports[i]);
		connect_to(f, "127.0.0.1", ports[i]);
	}
	assert_string_equal(peers(f),
		"127.0.0.1 6443|127.0.0.1 443|127.0.0.1 6444|127.0.0.1 8443|127.0.0.1 16443|"
		"127.0.0.1 22|127.0.0.1 10250|");
}

static void both_families_and_each_end_once(void **state)
{
	struct fixture *f = *state;

	serve(f, "127.0.0.1", 6443);
	serve(f, "::1", 6443);
	for (int i = 0; i < 3; i++) {
		connect_to(f, "127.0.0.1", 6443);
		connect_to(f, "::1", 6443);
	}
	connect_to(f, "::ffff:127.0.0.1", 6443);
	assert_string_equal(peers(f), "::1 6443|127.0.0.1 6443|");
}

static void one_among_many_is_not_lost(void **state)
{
	struct fixture *f = *state;
	char addr[20];

	for (int i = 1; i <= 2 * LNT_LOCATOR_PEERS; i++) {
		snprintf(addr, sizeof(addr), "127.0.1.%d", i);
		serve(f, addr, 80);
		connect_to(f, addr, 80);
	}
	serve(f, "127.0.2.1", 6443);
	connect_to(f, "127.0.2.1", 6443);
	peers(f);
	assert_memory_equal(f->text, "127.0.2.1 6443|127.0.1.1 80|", 28);
}

/* --- looks ------------------------------------------------------------------------------------ */

static void on_looked(void *ctx, bool found, bool moved)
{
	struct fixture *f = ctx;

	assert_false(found);
	f->looks++;
	f->moves += moved;
}

static void on_closed(void *ctx)
{
	api_on_closed(&((struct fixture *)ctx)->api);
}

static unsigned looks(const void *ctx)
{
	return ((const struct fixture *)ctx)->looks;
}

static void a_look_without_peers_ends_and_comes_again(void **state)
{
	struct fixture *f = *state;

	lnt_locator_look(f->l);
	lnt_locator_look(f->l);
	api_run_to(&f->api, 1, looks, f);
	lnt_locator_look(f->l);
	api_run_to(&f->api, 2, looks, f);
	assert_int_equal(f->moves, 0);
}

/* One that does not speak TLS is asked for nothing. */
static void who_does_not_prove_it_is_not_the_api_server(void **state)
{
	struct fixture *f = *state;
	char server[LNT_KUBE_SERVER_STRLEN], addr[20];
	unsigned port;

	assert_int_equal(sscanf(f->api.cfg.server, "http://127.0.0.1:%u", &port), 1);
	connect_to(f, "127.0.0.1", (uint16_t)port);
	for (int i = 1; i <= 20; i++) {
		snprintf(addr, sizeof(addr), "127.0.1.%d", i);
		serve(f, addr, 6443);
		connect_to(f, addr, 6443);
	}
	lnt_locator_look(f->l);
	api_run_to(&f->api, 1, looks, f);
	assert_int_equal(f->moves, 0);
	assert_int_equal(f->api.n, 0);
	assert_string_equal(lnt_http_server(f->api.http, server), f->api.cfg.server);
}

static void closing_amid_a_look_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	serve(f, "127.0.1.1", 6443);
	connect_to(f, "127.0.1.1", 6443);
	lnt_locator_look(f->l);
	api_run_for(&f->api, STALL_MS / 4);
	assert_int_equal(f->looks, 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct lnt_locator_events events = {on_looked, on_closed, f};
	int r = unshare(CLONE_NEWNET);

	loopback_up();
	r = r ? r : api_open(&f->api, 20511, 200);
	f->l = lnt_locator_new(&f->api.loop, f->api.http, STALL_MS, &events);
	*state = f;
	return r || !f->l ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	lnt_locator_close(f->l);
	r = api_close(&f->api);
	while (f->n_fds)
		close(f->fds[--f->n_fds]);
	free(f);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_connections_no_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(who_connects_to_us_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(the_usual_ports_come_first, setup, teardown),
		cmocka_unit_test_setup_teardown(both_families_and_each_end_once, setup, teardown),
		cmocka_unit_test_setup_teardown(one_among_many_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_look_without_peers_ends_and_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_does_not_prove_it_is_not_the_api_server, setup, teardown),
		cmocka_unit_test_setup_teardown(
			closing_amid_a_look_leaves_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
