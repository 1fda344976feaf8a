/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients from outside are balanced alike by every node: a node is a set number and an order of
 * slots, the backends are behind another node.
 */
#include "tests/unit/bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define SIZE	 4093
#define BACKENDS 20
#define CLIENTS	 1000

static int setup(void **state)
{
	static const struct bed_options opt = {
		.masq_port_min = 2000, .masq_port_max = 60000, .maglev_size = SIZE};

	bed_group_options = &opt;
	return bed_group_setup(state);
}

/* Backends of the pod range of NODE2, FAR's own address first. */
static struct lnt_backend_value backend(const struct bed *b, unsigned i)
{
	struct lnt_backend_value v = {.addr = bed_addr(b, FAR), .port = htons(8080)};

	v.addr.s6_addr[15] = (uint8_t)(v.addr.s6_addr[15] + i);
	return v;
}

static void shuffle(struct lnt_backend_value *list, unsigned n, unsigned seed)
{
	srand(seed);
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned k = (unsigned)rand() % (i + 1);
		struct lnt_backend_value v = list[i];

		list[i] = list[k];
		list[k] = v;
	}
}

/* Forgets everything and becomes a node that has @list behind the service, in an order by @seed. */
static void become_node(struct bed *b, const struct lnt_backend_value *list, unsigned n,
	unsigned seed, uint32_t affinity, uint32_t size)
{
	struct lnt_backend_value slots[BACKENDS];
	struct bed_outside svc = {
		.proto = IPPROTO_TCP,
		.port = 80,
		.set = 100 + seed,
		.affinity = affinity,
		.slots = slots,
		.n = n,
	};

	memcpy(slots, list, n * sizeof(*slots));
	shuffle(slots, n, seed);
	bed_reset(b, bed_is4(b) ? 4 : 6);
	bed_outside_service(b, &svc, size);
}

/* Which of the backends client @i gets, by the last byte of its address. */
static unsigned ask(struct bed *b, int client, unsigned port)
{
	SENT(b, tcp(b, WIRE, client, (int)port, VIP, 80, SYN));
	return pkt_view(bed_out(b)).dst.addr.s6_addr[15];
}

static void ask_all(struct bed *b, unsigned ret_who[static CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++)
		ret_who[i] = ask(b, i % 2 ? WORLD : WORLD2, 1024 + i * 7);
}

static void nodes_agree(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[BACKENDS];
	unsigned one[CLIENTS], two[CLIENTS], alone = 0;

	for (unsigned i = 0; i < BACKENDS; i++)
		list[i] = backend(b, i);
	become_node(b, list, BACKENDS, 1, 0, SIZE);
	ask_all(b, one);
	become_node(b, list, BACKENDS, 2, 0, SIZE);
	ask_all(b, two);
	assert_memory_equal(one, two, sizeof(one));
	/* Without the table each has its own way: the order of slots. */
	become_node(b, list, BACKENDS, 2, 0, 0);
	ask_all(b, two);
	for (unsigned i = 0; i < CLIENTS; i++)
		alone += one[i] != two[i];
	assert_in_range(alone, CLIENTS / 2, CLIENTS);
}

/* Chi-square of 19 degrees of freedom: 43.8 is exceeded once in a thousand. */
static void even(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[BACKENDS];
	unsigned who[CLIENTS], n[256] = {};
	double chi = 0, mean = CLIENTS / (double)BACKENDS;

	for (unsigned i = 0; i < BACKENDS; i++)
		list[i] = backend(b, i);
	become_node(b, list, BACKENDS, 1, 0, SIZE);
	ask_all(b, who);
	for (unsigned i = 0; i < CLIENTS; i++)
		n[who[i]]++;
	for (unsigned i = 0; i < BACKENDS; i++) {
		double d = n[list[i].addr.s6_addr[15]] - mean;

		chi += d * d / mean;
	}
	assert_in_range((int)chi, 3, 43);
}

static void a_backend_goes(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[BACKENDS];
	unsigned before[CLIENTS], after[CLIENTS], gone, moved = 0;

	for (unsigned i = 0; i < BACKENDS; i++)
		list[i] = backend(b, i);
	gone = list[3].addr.s6_addr[15];
	become_node(b, list, BACKENDS, 1, 0, SIZE);
	ask_all(b, before);
	list[3] = list[BACKENDS - 1];
	become_node(b, list, BACKENDS - 1, 2, 0, SIZE);
	ask_all(b, after);
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_int_not_equal(after[i], gone);
		moved += before[i] != gone && before[i] != after[i];
	}
	/* The table's disturbance is 1.3%; modulo would move nineteen of twenty. */
	assert_in_range(moved, 0, CLIENTS / 25);
}

/* With affinity the client's address decides, on every node, so that no node needs to be told. */
static void affinity(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[BACKENDS];
	unsigned one, two;

	for (unsigned i = 0; i < BACKENDS; i++)
		list[i] = backend(b, i);
	become_node(b, list, BACKENDS, 1, 60, SIZE);
	one = ask(b, WORLD, 1000);
	two = ask(b, WORLD2, 1000);
	for (unsigned port = 1001; port < 1050; port++)
		assert_int_equal(ask(b, WORLD, port), one);
	become_node(b, list, BACKENDS, 2, 60, SIZE);
	for (unsigned port = 2000; port < 2050; port++) {
		assert_int_equal(ask(b, WORLD, port), one);
		assert_int_equal(ask(b, WORLD2, port), two);
	}
}

/* Who was here before keeps its backend on this node, whatever the table comes to say. */
static void affinity_wins(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[2] = {backend(b, 0), backend(b, 1)};
	struct bed_outside svc = {
		.proto = IPPROTO_TCP, .port = 80, .set = 7, .affinity = 60, .slots = list, .n = 2};
	unsigned one;

	bed_outside_service(b, &svc, SIZE);
	one = ask(b, WORLD, 1000);
	bed_no_tables(b);
	for (unsigned port = 1001; port < 1020; port++)
		assert_int_equal(ask(b, WORLD, port), one);
}

/* Once its time is over a client may get another backend, which it then keeps. */
static void affinity_ends(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[BACKENDS];
	unsigned first, last, changes = 0;

	for (unsigned i = 0; i < BACKENDS; i++)
		list[i] = backend(b, i);
	become_node(b, list, BACKENDS, 1, 60, SIZE);
	first = last = ask(b, WORLD, 1000);
	for (unsigned port = 1001; port < 1020; port++) {
		unsigned now;

		bed_affinity_age(b, 61);
		now = ask(b, WORLD, port);
		changes += now != last;
		last = now;
		assert_int_equal(ask(b, WORLD, port + 1000), now);
		bed_affinity_age(b, 59);
		assert_int_equal(ask(b, WORLD, port + 2000), now);
	}
	assert_true(changes > 5);
	/* A node that does not know it has what all had. */
	become_node(b, list, BACKENDS, 2, 60, SIZE);
	assert_int_equal(ask(b, WORLD, 5000), first);
}

/* A set without its table, or with part of one, is balanced all the same. */
static void no_table(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[BACKENDS];
	unsigned who[CLIENTS], n[256] = {};

	for (unsigned i = 0; i < BACKENDS; i++)
		list[i] = backend(b, i);
	become_node(b, list, BACKENDS, 1, 0, SIZE);
	bed_no_tables(b);
	ask_all(b, who);
	for (unsigned i = 0; i < CLIENTS; i++)
		n[who[i]]++;
	for (unsigned i = 0; i < BACKENDS; i++)
		assert_in_range(n[list[i].addr.s6_addr[15]], 1, CLIENTS / 5);
	/* One whose table is for entries that the programs do not have. */
	become_node(b, list, BACKENDS, 1, 0, 251);
	ask_all(b, who);
}

/* A connection that is up stays where it is when the table changes. */
static void connections_stay(void **state)
{
	struct bed *b = *state;
	struct lnt_backend_value list[2] = {backend(b, 0), backend(b, 1)};
	struct bed_outside svc = {
		.proto = IPPROTO_TCP, .port = 80, .set = 7, .slots = list, .n = 2};
	struct in6_addr host = bed_addr(b, HOST);
	unsigned who = 0, port;
	struct pkt_view v;

	for (port = 1000; who != list[0].addr.s6_addr[15]; port++) {
		bed_reset(b, bed_is4(b) ? 4 : 6);
		bed_outside_service(b, &svc, SIZE);
		who = ask(b, WORLD, port);
	}
	port--;
	SENT(b, tcp(b, WIRE, FAR, 8080, HOST, pkt_view(bed_out(b)).src.port, SYN | ACK));
	list[0] = backend(b, 2);
	bed_outside_service(b, &svc, SIZE);
	bed_bump(b);
	SENT(b, tcp(b, WIRE, WORLD, (int)port, VIP, 80, ACK));
	v = pkt_view(bed_out(b));
	assert_int_equal(v.dst.addr.s6_addr[15], who);
	assert_memory_equal(&v.src.addr, &host, sizeof(host));
}

static const struct CMUnitTest tests[] = {
	BOTH("maglev: two nodes send a thousand connections to the same backends", nodes_agree),
	BOTH("maglev: backends get even shares", even),
	BOTH("maglev: a backend that goes disturbs few of the others' connections", a_backend_goes),
	BOTH("maglev: with affinity the client's address decides", affinity),
	BOTH("maglev: affinity ends", affinity_ends),
	BOTH("maglev: a client that is known keeps its backend", affinity_wins),
	BOTH("maglev: without a table the service is balanced all the same", no_table),
	BOTH("maglev: a connection that is up stays", connections_stay),
};

int main(void)
{
	return cmocka_run_group_tests(tests, setup, bed_group_teardown);
}
