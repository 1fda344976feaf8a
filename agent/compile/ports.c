/* SPDX-License-Identifier: Apache-2.0 */
/* Port ranges as prefixes. */
#include "agent/compile/compile.h"

size_t lnt_port_prefixes(
	uint16_t first, uint16_t last, uint16_t ret_ports[static 30], uint8_t ret_bits[static 30])
{
	uint32_t at = first;
	size_t n = 0;

	/* The largest aligned block that starts here and does not reach over the end, each time. */
	while (at <= last) {
		unsigned bits = 16;

		while (bits > 0) {
			uint32_t size = 1u << (17 - bits);

			if (at % size || at + size - 1 > last)
				break;
			bits--;
		}
		ret_ports[n] = (uint16_t)at;
		ret_bits[n++] = (uint8_t)bits;
		at += 1u << (16 - bits);
	}
	return n;
}
