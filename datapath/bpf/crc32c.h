/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/*
 * The checksum of SCTP (RFC 9260, appendix A), kept when the packet's first four bytes change, and
 * made for packets of a few words. CRC32c is linear: what a change in front does to the sum depends
 * on the change and on how many bytes follow it, and not on what they are, so that no payload is
 * read and a packet may be of any length and shape. Words are as they lie in the packet, read as
 * little-endian, and so is the sum. Also compiled for user space, by its test.
 */
#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie");

/* The polynomial, its highest power in the lowest bit, as all below: 1 is 0x80000000. */
#define CRC32C_POLY 0x82f63b78u

/* x^(8 * v * 16^k) for [k][v]: what v * 16^k bytes that follow make of a sum. */
static const __u32 crc32c_shift[4][16] = {
	{0x80000000, 0x00800000, 0x00008000, 0x00000080, 0x82f63b78, 0xfbc3faf9, 0x8b277743,
		0x52a0c93f, 0x6ea2d55c, 0x1c08b7d6, 0xf56e0ef4, 0x34019664, 0xa66805eb, 0x7a1f6b24,
		0xe75d06aa, 0xc94ec098},
	{0x80000000, 0x18b8ea18, 0x510ac59a, 0xb2dea967, 0xb82be955, 0x36c41f1c, 0x19b29a35,
		0xc9e90b9e, 0xb8fdb1e7, 0xe55ef1f3, 0x1fe0b5c3, 0xe0553f1e, 0x18e4a304, 0x2b830011,
		0x56993a31, 0x0246e2e6},
	{0x80000000, 0x88e56f72, 0x74c360a4, 0x631bb273, 0xe4172b16, 0x71892b1b, 0x835305c9,
		0x196b1eae, 0x0d65762a, 0xafc81338, 0xb5a50ab7, 0xf373c3ac, 0x5f60970f, 0xd46d3063,
		0x3a5275ea, 0x02331c01},
	{0x80000000, 0x35d73a62, 0x28461564, 0x43eefc9f, 0xbf455269, 0x5edcdeb9, 0x65059450,
		0x4e6f41a4, 0xe2ea32dc, 0xf5b95b32, 0x695a4c87, 0xf204502c, 0x9a4f01b6, 0x941a0916,
		0x4303cb97, 0x4c3d3d65},
};

/* a * b modulo the polynomial. */
static __always_inline __u32 crc32c_mul(__u32 a, __u32 b)
{
	__u32 product = 0;

	for (int i = 0; i < 32; i++) {
		product ^= b & (0 - (a >> 31));
		a <<= 1;
		b = (b >> 1) ^ (CRC32C_POLY & (0 - (b & 1)));
	}
	return product;
}

/*
 * What to XOR into the sum of a packet of @len bytes, from its SCTP header on, whose first word has
 * been XORed with @change. Where the sums begin and that they end inverted is the same in both.
 */
static __always_inline __u32 crc32c_change(__u32 change, __u16 len)
{
	for (int k = 0; k < 4; k++)
		change = crc32c_mul(change, crc32c_shift[k][(len >> (4 * k)) & 15]);
	return change;
}

/* The sum of @n words. */
static __always_inline __u32 crc32c_words(const __u32 *words, int n)
{
	__u32 sum = 0xffffffff;

	for (int i = 0; i < n; i++)
		sum = crc32c_mul(sum ^ words[i], crc32c_shift[0][4]);
	return ~sum;
}
