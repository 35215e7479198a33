/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: what commands print. Text comes from brokers, and ends on a terminal: whatever a
 * terminal would act on is escaped. Threads: the main thread. */
#ifndef SLUICE_CLI_TABLE_INT_H
#define SLUICE_CLI_TABLE_INT_H

#include "base/buf.h"

#include <jansson.h>
#include <stdio.h>

enum { CLI__COLUMNS_MAX = 12, CLI__BAR_WIDTH = 30, CLI__BAR_MAX = 4 * CLI__BAR_WIDTH + 4 };

/* A table that is as wide as it has to be: heads, then cells, row by row. A head that begins with >
 * is of a column of numbers, which end below each other. */
struct cli__table {
    const char *const *heads;
    size_t columns, cells;
    struct bytes text;   /* the cells, NUL after each */
    struct bytes wheres; /* u32 per cell: where in text */
};

/* Borrows heads, which end with NULL. */
void cli__table_init(struct cli__table *t, const char *const *heads);
void cli__table_fini(struct cli__table *t);
/* Adds the next cell. */
void cli__table_cell(struct cli__table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void cli__table_span(struct cli__table *t, struct span s); /* null: "-" */
void cli__table_int(struct cli__table *t, int64_t v);      /* negative: "-" */
/* Prints it, and fini. */
void cli__table_print(struct cli__table *t, FILE *out);

/* Control characters and backslashes as \xNN. */
void cli__print_safely(FILE *out, struct span s);

/* value of largest as a bar of at most CLI__BAR_WIDTH columns, eighths of a column where the
 * terminal has them; anything above 0 is seen. */
void cli__bar(int64_t value, int64_t largest, bool is_utf8, char ret[CLI__BAR_MAX]);
/* Does the locale's environment say UTF-8? */
bool cli__is_utf8(void);
/* "512 B", "12.3 KiB"; negative: "-". */
void cli__size_text(int64_t bytes, char ret[24]);
/* "0-3,5" of ascending numbers, cut with "..." where ret is too short. */
void cli__ranges_text(const int32_t *numbers, size_t count, char *ret, size_t cap);

/* A string, or null; bytes that are no UTF-8 escaped like above. */
json_t *cli__json_span(struct span s);
/* Negative: null. */
json_t *cli__json_offset(int64_t v);
/* Prints and releases it. */
void cli__json_print(json_t *root);

#endif
