/* SPDX-License-Identifier: Apache-2.0 */
/* Port ranges as prefixes: exact, fewest, at most 30. */
#include "agent/compile/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/*
 * The fewest prefixes by brute force: fewest[k] for the range of k ports that starts at @first,
 * each prefix tried that could be the last one.
 */
static unsigned fewest(uint32_t first, uint32_t last)
{
	static unsigned best[65537];

	best[0] = 0;
	for (uint32_t n = 1; n <= last - first + 1; n++) {
		best[n] = ~0u;
		for (uint32_t size = 1; size <= n && size <= 65536; size *= 2)
			if ((first + n - size) % size == 0 && best[n - size] + 1 < best[n])
				best[n] = best[n - size] + 1;
	}
	return best[last - first + 1];
}

/* Checks that the prefixes are exactly the range, ascending, with no bit set beyond the length. */
static size_t check(uint16_t first, uint16_t last)
{
	uint16_t ports[30];
	uint8_t bits[30];
	size_t n = lnt_port_prefixes(first, last, ports, bits);
	uint32_t at = first;

	assert_in_range(n, 1, 30);
	for (size_t i = 0; i < n; i++) {
		assert_in_range(bits[i], 0, 16);
		assert_int_equal(ports[i], at);
		assert_int_equal(at % (1u << (16 - bits[i])), 0);
		at += 1u << (16 - bits[i]);
	}
	assert_int_equal(at, (uint32_t)last + 1);
	return n;
}

static void one_port(void **state)
{
	for (uint32_t p = 0; p <= UINT16_MAX; p++)
		assert_int_equal(check((uint16_t)p, (uint16_t)p), 1);
}

static void whole_space(void **state)
{
	uint16_t ports[30];
	uint8_t bits[30];

	assert_int_equal(lnt_port_prefixes(0, UINT16_MAX, ports, bits), 1);
	assert_int_equal(ports[0], 0);
	assert_int_equal(bits[0], 0);
}

static void empty_range(void **state)
{
	uint16_t ports[30];
	uint8_t bits[30];

	assert_int_equal(lnt_port_prefixes(2, 1, ports, bits), 0);
}

static void worst_range(void **state)
{
	assert_int_equal(check(1, UINT16_MAX - 1), 30);
}

/* All ranges within 0-511 and the last 512 ports, against the brute force. */
static void fewest_small(void **state)
{
	for (uint32_t base = 0; base <= 65024; base += 65024)
		for (uint32_t first = 0; first < 512; first += 3)
			for (uint32_t last = first; last < 512; last++)
				assert_int_equal(
					check((uint16_t)(base + first), (uint16_t)(base + last)),
					fewest(base + first, base + last));
}

/* Ranges over the whole space at strides that share no factor with it. */
static void fewest_wide(void **state)
{
	for (uint32_t first = 0; first <= UINT16_MAX; first += 9973)
		for (uint32_t last = first; last <= UINT16_MAX; last += 4099)
			assert_int_equal(
				check((uint16_t)first, (uint16_t)last), fewest(first, last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_port),
		cmocka_unit_test(whole_space),
		cmocka_unit_test(empty_range),
		cmocka_unit_test(worst_range),
		cmocka_unit_test(fewest_small),
		cmocka_unit_test(fewest_wide),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
