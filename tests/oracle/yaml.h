/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* JSON as YAML, for people and for kubectl. */
#include "tests/oracle/json.h"

#include <stdio.h>

/* Each line is indented by @indent. */
void yaml_print(FILE *f, const cJSON *json, unsigned indent);
