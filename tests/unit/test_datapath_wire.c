// SPDX-License-Identifier: Apache-2.0
/*
 * Real packets through attached programs: where redirects lead, and what BPF_PROG_TEST_RUN cannot
 * make: frames with VLAN tags, packets of which the kernel has only the first bytes at hand.
 */
#include "lib/cleanup.h"
#include "tests/unit/bed.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

/* One CPU, so that packets arrive in the order in which they are sent. */
static int setup(void **state)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	bed_group_setup(state);
	bed_attach(*state);
	return 0;
}

static void put(int fd, const void *frame, size_t len)
{
	assert_int_equal(send(fd, frame, len, 0), len);
}

/* The next frame that carries one of our texts, of which the last byte is returned; 0: none came.
 */
static int next(int fd, struct pkt *p)
{
	for (;;) {
		ssize_t n = recv(fd, p->data, sizeof(p->data), 0);
		const uint8_t *text;

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			return 0;
		}
		p->len = (size_t)n;
		text = memmem(p->data, p->len, "hello, worl", 11);
		p->l4 = p->data[12] == 0x08 ? 34 : 54;
		if (text && text + 11 < p->data + n)
			return text[11];
	}
}

/* A UDP packet with @mark as the end of its text. */
static struct pkt marked(struct bed *b, int src, int dst, char mark)
{
	struct pkt p;

	bed_udp(b, &p, src, 1000, dst, 53);
	p.data[p.len - 1] = (uint8_t)mark;
	pkt_seal(&p);
	bed_place(b, src < N_PODS ? FROM(src) : WIRE, &p);
	return p;
}

static void redirects(void **state)
{
	struct bed *b = *state;
	_cleanup_close_ int fa = bed_socket(b, A), fb = bed_socket(b, B),
			    wire = bed_socket(b, WORLD);
	struct pkt p = marked(b, A, B, '1'), got;
	struct pkt_view v;
	struct pkt_end end;

	put(fa, p.data, p.len);
	assert_int_equal(next(fb, &got), '1');
	assert_null(pkt_check(&got));
	assert_memory_equal(&got.data[0], bed_mac(b, B), 6);
	assert_memory_equal(&got.data[6], bed_host_mac(b, B), 6);
	p = marked(b, A, WORLD, '2');
	put(fa, p.data, p.len);
	assert_int_equal(next(wire, &got), '2');
	assert_null(pkt_check(&got));
	v = pkt_view(&got);
	end = bed_end(b, HOST, 0);
	assert_memory_equal(&v.src.addr, &end.addr, 16);
	assert_memory_equal(&got.data[0], bed_mac(b, WORLD), 6);
	p = marked(b, FAR, B, '3');
	put(wire, p.data, p.len);
	assert_int_equal(next(fb, &got), '3');
	assert_null(pkt_check(&got));
}

/* A question is answered on the device where it was asked. */
static void answers(void **state)
{
	struct bed *b = *state;
	_cleanup_close_ int fa = bed_socket(b, A);
	struct in6_addr a = bed_addr(b, A), gw = bed_addr(b, GW);
	struct pkt_end from = bed_end(b, A, 0), to = bed_end(b, GW, 0);
	struct pkt p = {}, got = {};

	if (bed_is4(b))
		pkt_arp(&p, bed_mac(b, A), 1, bed_mac(b, A), &a, &gw);
	else
		pkt_nd(&p, &from, &to, 135, &gw, bed_mac(b, A));
	put(fa, p.data, p.len);
	while (memcmp(&got.data[6], bed_host_mac(b, A), 6)) {
		ssize_t n = recv(fa, got.data, sizeof(got.data), 0);

		assert_true(n > 0);
	}
	assert_memory_equal(&got.data[0], bed_mac(b, A), 6);
	assert_int_equal(got.data[bed_is4(b) ? 21 : 54], bed_is4(b) ? 2 : 136);
}

/* A tag of the pod's would leave the node as the tag of a network that the pod is not in. */
static void vlan(void **state)
{
	struct bed *b = *state;
	_cleanup_close_ int fa = bed_socket(b, A), fb = bed_socket(b, B),
			    wire = bed_socket(b, WORLD);
	const int to[] = {WORLD, B};
	struct pkt p, got;

	/* Once new, once of a flow. */
	for (int i = 0; i < 4; i++) {
		int dst = to[i / 2];

		p = marked(b, A, dst, 't');
		pkt_insert(&p, 12, "\x81\x00\x00\x64", 4);
		put(fa, p.data, p.len);
		pkt_insert(&p, 12, "\x88\xa8\x00\x64", 4);
		put(fa, p.data, p.len);
		for (int j = 0; j < 2; j++) {
			p = marked(b, A, dst, '.');
			put(fa, p.data, p.len);
			assert_int_equal(next(dst == B ? fb : wire, &got), '.');
		}
	}
}

/* A tagged packet off the wire is not of this network, whose pods it must not reach. */
static void vlan_of_wire(void **state)
{
	struct bed *b = *state;
	_cleanup_close_ int fb = bed_socket(b, B), wire = bed_socket(b, WORLD);
	struct pkt p = marked(b, FAR, B, 't'), got;

	pkt_insert(&p, 12, "\x81\x00\x00\x64", 4);
	put(wire, p.data, p.len);
	p = marked(b, FAR, B, '.');
	put(wire, p.data, p.len);
	assert_int_equal(next(fb, &got), '.');
}

/* A packet larger than a page, of which the first @linear bytes are contiguous. */
static void large(struct bed *b, int fd, int dst, uint16_t linear)
{
	static uint8_t frame[sizeof(struct virtio_net_hdr) + 6000];
	struct virtio_net_hdr vnet = {.hdr_len = linear};
	struct pkt p = marked(b, A, dst, 'L');
	size_t len = 6000 - 14;

	memset(frame, 0, sizeof(frame));
	/* No text behind the UDP header's, and no checksum: lengths alone are made to fit. */
	if (bed_is4(b)) {
		p.data[16] = (uint8_t)(len >> 8);
		p.data[17] = (uint8_t)len;
		pkt_set_ttl(&p, 64);
	} else {
		p.data[18] = (uint8_t)((len - 40) >> 8);
		p.data[19] = (uint8_t)(len - 40);
	}
	memcpy(frame, &vnet, sizeof(vnet));
	memcpy(&frame[sizeof(vnet)], p.data, p.len);
	put(fd, frame, sizeof(frame));
}

/* A header in pieces is read, translated and forwarded like any. */
static void pieces(void **state)
{
	struct bed *b = *state;
	_cleanup_close_ int fa = bed_socket(b, A), fb = bed_socket(b, B),
			    wire = bed_socket(b, WORLD);
	struct in6_addr host = bed_addr(b, HOST);
	struct pkt got;
	struct pkt_view v;
	int on = 1;

	assert_int_equal(setsockopt(fa, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	/* New, known, and of a flow. */
	for (int i = 0; i < 3; i++) {
		for (uint16_t linear = 14; linear < 64; linear += 7) {
			large(b, fa, WORLD, linear);
			assert_int_equal(next(wire, &got), 'L');
			v = pkt_view(&got);
			assert_memory_equal(&v.src.addr, &host, sizeof(host));
			large(b, fa, B, linear);
			assert_int_equal(next(fb, &got), 'L');
			assert_memory_equal(&got.data[6], bed_host_mac(b, B), 6);
			assert_int_equal(pkt_ttl(&got), 63);
		}
	}
}

static const struct CMUnitTest tests[] = {
	BOTH("wire: redirects lead to the pod and out of the node", redirects),
	BOTH("wire: questions are answered where they are asked", answers),
	BOTH("wire: a pod's VLAN tags go nowhere", vlan),
	BOTH("wire: tagged packets off the wire are not the device's", vlan_of_wire),
	BOTH("wire: a packet in pieces is forwarded like any", pieces),
};

int main(void)
{
	return cmocka_run_group_tests(tests, setup, bed_group_teardown);
}
