/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Rows in columns that line up, as kubectl prints them. */
#include <stddef.h>
#include <stdio.h>

#define CTL_COLUMNS_MAX 16

/* Zero-initialise it. */
struct ctl_table {
	char *text; /* owned: the cells, each with its end */
	size_t len, cap;
	size_t n_columns, n_rows; /* the first row is the headings */
	size_t widths[CTL_COLUMNS_MAX];
};

/* Sets the headings: NULL-terminated, at most CTL_COLUMNS_MAX. */
void ctl_table_head(struct ctl_table *t, const char *const *headings);

/*
 * A row: a cell for each heading; fewer leave the rest empty. An empty cell is shown as "<none>".
 * What could break a line or a terminal is shown as '?'. Out of memory: the process ends.
 */
void ctl_table_row(struct ctl_table *t, const char *const *cells);

/* Prints it, with nothing behind a row's last cell. */
void ctl_table_print(const struct ctl_table *t, FILE *to);
void ctl_table_clear(struct ctl_table *t);

/* "3d4h", "12m", "45s": the two largest units. @buf is returned. */
#define CTL_AGE_STRLEN 32
const char *ctl_age(double seconds, char buf[static CTL_AGE_STRLEN]);

/* "512", "1.5Ki", "12.0Mi". @buf is returned. */
#define CTL_SIZE_STRLEN 24
const char *ctl_size(double bytes, char buf[static CTL_SIZE_STRLEN]);
