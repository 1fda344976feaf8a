// SPDX-License-Identifier: Apache-2.0
/* Fail closed: who is not known, or is not who they say, gets nothing through. */
#include "tests/unit/bed.h"

#include <string.h>

static void unknown_device(void **state)
{
	struct bed *b = *state;

	SENT(b, tcp(b, FROM(A), A, 1000, B, 80, SYN));
	bed_device_gone(b, A);
	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, FROM(A), A, 1001, B, 80, SYN));
	DROPS(b, LNT_DROP_NO_ENDPOINT, udp(b, FROM(A), A, 1001, WORLD, 80));
	DROPS(b, LNT_DROP_NO_ENDPOINT, tcp(b, TO(A), HOST, 1001, A, 80, SYN));
	DROPS(b, LNT_DROP_NO_ENDPOINT, ping(b, VIA(A), SIDE, A, 1));
}

static const struct CMUnitTest tests[] = {
	BOTH("closed: an unknown device passes nothing", unknown_device),
};

int main(void)
{
	return cmocka_run_group_tests(tests, bed_group_setup, bed_group_teardown);
}
