/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of table.h: one text, so that a row of a million costs its characters. */
#include "agent/ctl/table.h"
#include "lib/cleanup.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GAP 3 /* blanks between columns */

static void add_cell(struct ctl_table *t, size_t column, const char *cell)
{
	size_t n = strlen(cell);

	if (t->len + n + 1 > t->cap) {
		size_t cap = (t->len + n + 1) * 2;
		char *text = realloc(t->text, cap);

		if (!text) {
			fputs("linnetctl: out of memory\n", stderr);
			exit(2);
		}
		t->text = text;
		t->cap = cap;
	}
	for (size_t i = 0; i <= n; i++) {
		unsigned char ch = (unsigned char)cell[i];

		t->text[t->len++] = i < n && (ch < ' ' || ch == 0x7f) ? '?' : (char)ch;
	}
	if (n > t->widths[column])
		t->widths[column] = n;
}

void ctl_table_head(struct ctl_table *t, const char *const *headings)
{
	for (t->n_columns = 0; headings[t->n_columns]; t->n_columns++)
		add_cell(t, t->n_columns, headings[t->n_columns]);
	t->n_rows = 1;
}

void ctl_table_row(struct ctl_table *t, const char *const *cells)
{
	bool ended = false;

	for (size_t i = 0; i < t->n_columns; i++) {
		ended |= !cells[i];
		add_cell(t, i, !ended && *cells[i] ? cells[i] : "<none>");
	}
	t->n_rows++;
}

void ctl_table_print(const struct ctl_table *t, FILE *to)
{
	const char *cell = t->text;

	for (size_t row = 0; row < t->n_rows; row++) {
		for (size_t i = 0; i < t->n_columns; i++) {
			bool last = i + 1 == t->n_columns;

			fprintf(to, "%-*s%s", last ? 0 : (int)t->widths[i] + GAP, cell,
				last ? "\n" : "");
			cell += strlen(cell) + 1;
		}
	}
}

void ctl_table_clear(struct ctl_table *t)
{
	free(t->text);
	*t = (struct ctl_table){};
}

const char *ctl_age(double seconds, char buf[static CTL_AGE_STRLEN])
{
	static const struct {
		unsigned long seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	unsigned long left = seconds > 0 ? (unsigned long)seconds : 0;
	int len = 0;

	for (size_t i = 0, shown = 0; i < ARRAY_SIZE(units) && shown < 2; i++) {
		unsigned long n = left / units[i].seconds;

		left %= units[i].seconds;
		if (!n && shown)
			break;
		if (!n && i + 1 < ARRAY_SIZE(units))
			continue;
		len += snprintf(buf + len, CTL_AGE_STRLEN - (size_t)len, "%lu%c", n, units[i].unit);
		shown++;
	}
	return buf;
}

const char *ctl_size(double bytes, char buf[static CTL_SIZE_STRLEN])
{
	static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
	size_t i = 0;

	while (bytes >= 1024 && i + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		i++;
	}
	snprintf(buf, CTL_SIZE_STRLEN, "%.*f%s", i ? 1 : 0, bytes, units[i]);
	return buf;
}
