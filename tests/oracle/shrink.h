/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Making a case small: what can be left out while both sides still disagree is. */
#include "tests/oracle/run.h"

/*
 * Takes @test_case and returns the smaller one, the caller's; *ret_how says what it disagrees on.
 * The kind of disagreement stays what @how has. *ret_runs: how often it had to be asked.
 */
cJSON *shrink_case(cJSON *test_case, struct packets *packets, const struct disagreement *how,
	struct disagreement *ret_how, unsigned *ret_runs);
