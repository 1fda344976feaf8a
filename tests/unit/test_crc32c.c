// SPDX-License-Identifier: Apache-2.0
/* The datapath's CRC32c against one made byte by byte. */
#include "datapath/bpf/crc32c.h"
#include "tests/unit/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 65535

static void reference(void **state)
{
	uint8_t bytes[32];

	/* RFC 3720, B.4, in the order in which they are sent. */
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(pkt_crc32c(bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(pkt_crc32c(bytes, 32), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(pkt_crc32c(bytes, 32), 0x46dd794e);
}

static void words(void **state)
{
	uint32_t w[16];

	for (int i = 0; i < 1000; i++) {
		int n = (int)(random() % 17);

		for (int k = 0; k < n; k++)
			w[k] = (uint32_t)random() << 1 ^ (uint32_t)random();
		assert_int_equal(crc32c_words(w, n), pkt_crc32c(w, (size_t)n * 4));
	}
}

static void changed_to(uint8_t *bytes, uint16_t len)
{
	uint32_t before = pkt_crc32c(bytes, len), old, new = (uint32_t)random();

	/* One port, the other, or both. */
	if (random() % 3)
		new &= random() % 2 ? 0xffff : 0xffff0000;
	memcpy(&old, bytes, 4);
	new ^= old;
	memcpy(bytes, &new, 4);
	assert_int_equal(before ^ crc32c_change(old ^ new, len), pkt_crc32c(bytes, len));
}

static void change(void **state)
{
	uint8_t *bytes = malloc(MOST);

	assert_non_null(bytes);
	for (size_t i = 0; i < MOST; i++)
		bytes[i] = (uint8_t)random();
	for (uint16_t len = 12; len < 2048; len++)
		changed_to(bytes, len);
	for (int i = 0; i < 1000; i++)
		changed_to(bytes, (uint16_t)(12 + random() % (MOST - 11)));
	changed_to(bytes, MOST);
	free(bytes);
}

static const struct CMUnitTest tests[] = {
	{"crc32c: the tests' own is that of the RFC", reference, NULL, NULL, NULL},
	{"crc32c: of words", words, NULL, NULL, NULL},
	{"crc32c: kept when the ports change, at every length", change, NULL, NULL, NULL},
};

int main(void)
{
	srandom(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
