// SPDX-License-Identifier: Apache-2.0
/*
 * Services for clients from outside at XDP: what is sent from there is what from_node would have
 * sent, and everything else is left to it as it came.
 */
#include "lib/cleanup.h"
#include "tests/unit/bed_xdp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define PORT  30080
#define CLNT  1000
#define BPORT 8080

/* A packet of the connection, in one direction. */
struct leg {
	uint8_t proto;
	bool reply;
	uint16_t masq; /* the node's port towards the backend */
};

static void build(struct bed *b, const struct leg *l, struct pkt *p, uint8_t flags)
{
	int src = l->reply ? FAR : WORLD, sport = l->reply ? BPORT : CLNT;
	int dport = l->reply ? l->masq : PORT;

	if (l->proto == IPPROTO_TCP)
		bed_tcp(b, p, src, sport, HOST, dport, flags);
	else
		bed_udp(b, p, src, sport, HOST, dport);
	bed_place(b, WIRE, p);
}

static struct lnt_flow_key key_of(struct bed *b, const struct leg *l)
{
	if (l->reply)
		return bed_key(b, WIRE, FAR, BPORT, HOST, l->masq, l->proto);
	return bed_key(b, WIRE, WORLD, CLNT, HOST, PORT, l->proto);
}

/* A connection to the NodePort, established by from_node. */
static struct leg connected(struct bed *b, uint8_t proto)
{
	struct leg l = {.proto = proto};
	struct pkt p;

	bed_neighbour(b, NODE2);
	bed_nodeport(b, proto, PORT, FAR, BPORT);
	build(b, &l, &p, SYN);
	assert_int_equal(bed_xdp(b, &p, 0), XDP_PASS);
	SENT(b, bed_run(b, WIRE, &p));
	l.masq = pkt_view(bed_out(b)).src.port;
	l.reply = true;
	build(b, &l, &p, SYN | ACK);
	assert_int_equal(bed_xdp(b, &p, 0), XDP_PASS);
	SENT(b, bed_run(b, WIRE, &p));
	assert_int_equal(bed_flows(b), 2);
	l.reply = false;
	return l;
}

/* Sends @p at XDP: with the next hop's MACs, and from the IP header on as from_node would. */
static void forwarded(struct bed *b, const struct pkt *p, bool reply)
{
	struct pkt out;
	uint64_t before = bed_counter(b, LNT_CNT_XDP_FORWARDED);

	assert_int_equal(bed_xdp(b, p, 0), XDP_TX);
	assert_int_equal(bed_counter(b, LNT_CNT_XDP_FORWARDED), before + 1);
	out = *bed_out(b);
	assert_memory_equal(&out.data[0], bed_mac(b, reply ? WORLD : NODE2), 6);
	assert_memory_equal(&out.data[6], &p->data[0], 6);
	assert_int_equal(pkt_ttl(&out), pkt_ttl(p) - 1);
	SENT(b, bed_run(b, WIRE, p));
	assert_memory_equal(&out.data[14], &bed_out(b)->data[14], p->len - 14);
}

/* Leaves @p alone. */
static void passed(struct bed *b, const struct pkt *p)
{
	uint64_t before = bed_counter(b, LNT_CNT_XDP_FORWARDED);

	assert_int_equal(bed_xdp(b, p, 0), XDP_PASS);
	assert_memory_equal(bed_out(b)->data, p->data, p->len);
	assert_int_equal(bed_counter(b, LNT_CNT_XDP_FORWARDED), before);
}

static void both_ways(struct bed *b, uint8_t proto)
{
	struct in6_addr host = bed_addr(b, HOST), far = bed_addr(b, FAR),
			world = bed_addr(b, WORLD);
	struct leg l = connected(b, proto);
	struct lnt_flow_key key;
	struct lnt_flow f;
	struct pkt p;

	for (int i = 0; i < 2; i++) {
		l.reply = i;
		build(b, &l, &p, ACK);
		forwarded(b, &p, l.reply);
		assert_null(pkt_check(bed_out(b)));
		if (l.reply)
			bed_assert_out(b, &host, PORT, &world, CLNT);
		else
			bed_assert_out(b, &host, l.masq, &far, BPORT);
		key = key_of(b, &l);
		assert_true(bed_flow(b, &key, &f));
		/* The one that opened or answered, at XDP, at tc. */
		assert_int_equal(f.packets, 3);
		assert_int_equal(f.bytes, 3 * p.len);
	}
}

static void tcp_flow(void **state)
{
	both_ways(*state, IPPROTO_TCP);
}

static void udp_flow(void **state)
{
	both_ways(*state, IPPROTO_UDP);
}

static uint16_t l4_check(const struct pkt *p)
{
	return pkt_view(p).l4_check;
}

/* A datagram without a checksum gets none; a checksum that comes out as zero is written 0xffff. */
static void udp_checksums(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_UDP);
	struct pkt p;
	uint32_t sum;
	uint16_t word;

	build(b, &l, &p, 0);
	forwarded(b, &p, false);
	memcpy(&word, &p.data[p.l4 + 8], 2);
	sum = ntohs(word) + (uint32_t)l4_check(bed_out(b));
	word = htons((uint16_t)(sum + (sum >> 16)));
	memcpy(&p.data[p.l4 + 8], &word, 2);
	pkt_seal(&p);
	forwarded(b, &p, false);
	assert_int_equal(l4_check(bed_out(b)), 0xffff);
	if (!bed_is4(b))
		return;
	p.data[p.l4 + 6] = p.data[p.l4 + 7] = 0;
	assert_int_equal(bed_xdp(b, &p, 0), XDP_TX);
	assert_int_equal(l4_check(bed_out(b)), 0);
}

/* Lengths, contents and checksums of all sorts, at XDP and at tc. */
static void many(void **state)
{
	struct bed *b = *state;
	struct leg l;
	struct pkt p;

	for (int i = 0; i < 2; i++) {
		bed_reset(b, bed_is4(b) ? 4 : 6);
		l = connected(b, i ? IPPROTO_UDP : IPPROTO_TCP);
		for (unsigned n = 0; n < 2000; n++) {
			uint8_t more[64];

			l.reply = n & 1;
			build(b, &l, &p, ACK);
			for (size_t k = 0; k < sizeof(more); k++)
				more[k] = (uint8_t)(n * 2654435761u >> (k % 24));
			pkt_insert(&p, p.len, more, n % sizeof(more));
			pkt_seal(&p);
			forwarded(b, &p, l.reply);
		}
	}
}

/* Frames are padded. */
static void padded(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct pkt p;

	build(b, &l, &p, ACK);
	memset(&p.data[p.len], 0, 6);
	p.len += 6;
	forwarded(b, &p, false);
}

static void closing(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct lnt_flow_key key;
	struct lnt_flow f;
	struct pkt p;

	build(b, &l, &p, FIN | ACK);
	assert_int_equal(bed_xdp(b, &p, 0), XDP_TX);
	key = key_of(b, &l);
	assert_true(bed_flow(b, &key, &f));
	assert_int_equal(f.flags & (LNT_F_FIN | LNT_F_RST), LNT_F_FIN);
	l.reply = true;
	build(b, &l, &p, RST);
	assert_int_equal(bed_xdp(b, &p, 0), XDP_TX);
	key = key_of(b, &l);
	assert_true(bed_flow(b, &key, &f));
	assert_int_equal(f.flags & (LNT_F_FIN | LNT_F_RST), LNT_F_RST);
	/* Who opens another connection with these ports is from_node's. */
	l.reply = false;
	build(b, &l, &p, SYN);
	passed(b, &p);
}

/* Decided before policy, routes or services moved: to be decided again. */
static void stale(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct pkt p;

	build(b, &l, &p, ACK);
	forwarded(b, &p, false);
	bed_bump(b);
	passed(b, &p);
	SENT(b, bed_run(b, WIRE, &p));
	forwarded(b, &p, false);
}

static void set(struct bed *b, const struct leg *l, const struct lnt_flow *f)
{
	struct lnt_flow_key key = key_of(b, l);

	bed_flow_set(b, &key, f);
}

/* What flows ask for that is not for XDP. */
static void not_for_xdp(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct lnt_flow_key key = key_of(b, &l);
	struct lnt_flow f, was;
	struct pkt p;

	build(b, &l, &p, ACK);
	assert_true(bed_flow(b, &key, &was));
	forwarded(b, &p, false);
	f = was;
	f.action = LNT_ACT_DROP;
	f.reason = LNT_DROP_POLICY_INGRESS;
	set(b, &l, &f);
	passed(b, &p);
	DROPS(b, LNT_DROP_POLICY_INGRESS, bed_run(b, WIRE, &p));
	for (int action = LNT_ACT_DROP; action <= LNT_ACT_NEIGH + 1; action++) {
		f = was;
		f.action = (uint8_t)action;
		set(b, &l, &f);
		if (action != LNT_ACT_NEIGH)
			passed(b, &p);
	}
	for (int bit = 1; bit < 256; bit <<= 1) {
		f = was;
		f.flags |= (uint8_t)bit;
		set(b, &l, &f);
		if (bit & (LNT_F_CHECK_MAC | LNT_F_REWRITE_MAC))
			passed(b, &p);
	}
	/* Another way than the routing's. */
	f = was;
	f.ifindex = bed_ifindex(b, SIDE);
	set(b, &l, &f);
	passed(b, &p);
	set(b, &l, &was);
	forwarded(b, &p, false);
}

/* Once a sweep the stack is asked whether the next hop is there. */
static void swept(void **state)
{
	struct lnt_sweep s = {.tcp_idle = 100, .closing_idle = 100, .other_idle = 100};
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct pkt p;

	build(b, &l, &p, ACK);
	forwarded(b, &p, false);
	bed_sweep(b, &s);
	passed(b, &p);
	SENT(b, bed_run(b, WIRE, &p));
	forwarded(b, &p, false);
}

/* Packets of the flow that are not plain. */
static void odd_shapes(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct pkt p, q;

	build(b, &l, &p, ACK);
	for (uint8_t ttl = 0; ttl < 2; ttl++) {
		q = p;
		pkt_set_ttl(&q, ttl);
		passed(b, &q);
	}
	pkt_fragment(&q, &p, 0, 24, true, 7);
	passed(b, &q);
	pkt_fragment(&q, &p, 16, p.len - p.l4 - 16u, false, 7);
	passed(b, &q);
	q = p;
	if (bed_is4(b))
		pkt_ip4_options(&q, 8);
	else
		pkt_ip6_ext(&q, IPPROTO_DSTOPTS, 1);
	passed(b, &q);
	q = p;
	pkt_insert(&q, 12, "\x81\x00\x00\x64", 4);
	passed(b, &q);
	for (size_t len = 14; len < p.len; len++) {
		q = p;
		q.len = len;
		passed(b, &q);
	}
	forwarded(b, &p, false);
}

/* ICMP about the connection, and of nothing. */
static void icmp(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_UDP);
	struct pkt_end src = bed_end(b, NODE2, 0), dst = bed_end(b, HOST, 0);
	struct pkt p, about;

	build(b, &l, &about, 0);
	SENT(b, bed_run(b, WIRE, &about));
	about = *bed_out(b);
	pkt_error(&p, &src, &dst, &about, 8);
	bed_place(b, WIRE, &p);
	passed(b, &p);
	pkt_echo(&p, &src, &dst, 9);
	bed_place(b, WIRE, &p);
	passed(b, &p);
}

/* The sender's device was to finish the checksum, which is that of the pseudo header so far. */
static void partial_checksum(void **state)
{
	const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};
	struct bed *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		struct leg l = connected(b, protos[i]);
		uint32_t sum = protos[i];
		struct pkt p;
		size_t at;

		build(b, &l, &p, ACK);
		forwarded(b, &p, false);
		sum += (uint32_t)(p.len - p.l4);
		for (size_t off = bed_is4(b) ? 26 : 22; off < p.l4; off += 2)
			sum += (uint32_t)p.data[off] << 8 | p.data[off + 1];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		at = p.l4 + (protos[i] == IPPROTO_TCP ? 16u : 6u);
		p.data[at] = (uint8_t)(sum >> 8);
		p.data[at + 1] = (uint8_t)sum;
		passed(b, &p);
		bed_reset(b, bed_is4(b) ? 4 : 6);
	}
}

/* Flows that end here: a pod's, and what is the node's own. */
static void stays(void **state)
{
	struct bed *b = *state;
	struct leg l = {.proto = IPPROTO_TCP};
	struct pkt p;

	bed_nodeport(b, IPPROTO_TCP, PORT, B, BPORT);
	build(b, &l, &p, SYN);
	SENT(b, bed_run(b, WIRE, &p));
	bed_assert_into(b, B);
	SENT(b, tcp(b, FROM(B), B, BPORT, WORLD, CLNT, SYN | ACK));
	build(b, &l, &p, ACK);
	passed(b, &p);
	SENT(b, bed_run(b, WIRE, &p));
	bed_tcp(b, &p, WORLD, CLNT, HOST, 22, ACK);
	bed_place(b, WIRE, &p);
	passed(b, &p);
	UP(b, bed_run(b, WIRE, &p));
}

/* A frame of @len bytes on @leg, which is TCP; the checksum is left as it is. */
static size_t large(struct bed *b, const struct leg *l, uint8_t *frame, size_t len)
{
	struct pkt p;
	size_t ip = len - 14;

	build(b, l, &p, ACK);
	if (bed_is4(b)) {
		p.data[16] = (uint8_t)(ip >> 8);
		p.data[17] = (uint8_t)ip;
		pkt_set_ttl(&p, 64);
	} else {
		p.data[18] = (uint8_t)((ip - 40) >> 8);
		p.data[19] = (uint8_t)(ip - 40);
	}
	memset(frame, 0, len);
	memcpy(frame, p.data, p.len);
	return len;
}

/* A frame in several buffers is served, one that the way has no room for is not. */
static void large_frames(void **state)
{
	static uint8_t frame[12000];
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct in6_addr host = bed_addr(b, HOST);
	size_t src = bed_is4(b) ? 26 : 22, len;

	len = large(b, &l, frame, 9014);
	assert_int_equal(bed_xdp_raw(b, frame, len, 2000), XDP_TX);
	assert_memory_equal(
		&frame[src], bed_is4(b) ? &host.s6_addr[12] : host.s6_addr, bed_is4(b) ? 4 : 16);
	len = large(b, &l, frame, 9015);
	assert_int_equal(bed_xdp_raw(b, frame, len, 2000), XDP_PASS);
	/* Says that there is more of it than there is. */
	large(b, &l, frame, 9014);
	assert_int_equal(bed_xdp_raw(b, frame, 9000, 2000), XDP_PASS);
}

/* The backend's node has not been heard of: who sends by the stack asks for it. */
static void no_neighbour(void **state)
{
	struct bed *b = *state;
	struct leg l = {.proto = IPPROTO_UDP};
	struct pkt p;

	bed_nodeport(b, IPPROTO_UDP, PORT, NODE2, BPORT);
	build(b, &l, &p, 0);
	for (int i = 0; i < 3; i++) {
		passed(b, &p);
		SENT(b, bed_run(b, WIRE, &p));
	}
	assert_int_equal(bed_flows(b), 2);
	bed_neighbour(b, NODE2);
	forwarded(b, &p, false);
}

/* Out of another of the node's devices, if that can. */
static void other_device(void **state)
{
	struct bed *b = *state;
	struct leg l = connected(b, IPPROTO_TCP);
	struct lnt_flow_key key;
	struct lnt_flow f;
	struct pkt p;

	l.reply = true;
	build(b, &l, &p, ACK);
	key = key_of(b, &l);
	assert_true(bed_flow(b, &key, &f));
	f.nat_daddr = bed_addr(b, SIDE);
	f.ifindex = bed_ifindex(b, SIDE);
	set(b, &l, &f);
	bed_neighbour(b, SIDE);
	passed(b, &p);
	bed_xdp_out(b, SIDE);
	assert_int_equal(bed_xdp(b, &p, 0), XDP_REDIRECT);
	assert_null(pkt_check(bed_out(b)));
	assert_memory_equal(&bed_out(b)->data[0], bed_mac(b, SIDE), 6);
}

static const struct CMUnitTest tests[] = {
	ONLY4("xdp: a next hop that is not known is left to the stack (IPv4)", no_neighbour),
	ONLY6("xdp: a next hop that is not known is left to the stack (IPv6)", no_neighbour),
	BOTH("xdp: TCP to another node and back", tcp_flow),
	BOTH("xdp: UDP to another node and back", udp_flow),
	BOTH("xdp: UDP checksums of none and of zero", udp_checksums),
	BOTH("xdp: what it sends is what from_node sends", many),
	BOTH("xdp: frames may be padded", padded),
	BOTH("xdp: the end of a connection is noted", closing),
	BOTH("xdp: stale flows are left to from_node", stale),
	BOTH("xdp: flows that are not for it are left to from_node", not_for_xdp),
	BOTH("xdp: the stack is asked once a sweep", swept),
	BOTH("xdp: odd shapes are left to from_node", odd_shapes),
	BOTH("xdp: ICMP is left to from_node", icmp),
	BOTH("xdp: checksums that are not complete are left to from_node", partial_checksum),
	BOTH("xdp: what is for this node passes", stays),
	BOTH("xdp: large frames", large_frames),
	BOTH("xdp: out of another device", other_device),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
