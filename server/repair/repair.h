/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log repair`: what `log verify` (reader/audit.h) misses is given up, by name, so that the
 * rest is readable again. The essay stands atop repair.c.
 *
 * Threads: a thread that is no loop; it blocks. Memory: one segment at a time, twice, and what an
 * audit takes. */
#ifndef SLUICE_REPAIR_REPAIR_H
#define SLUICE_REPAIR_REPAIR_H

#include "reader/reader.h"

enum repair_kind {
    REPAIR_LOST,   /* offsets that are given up, or would be */
    REPAIR_GIVEN,  /* something else that is */
    REPAIR_DONE,   /* something is right again, or would be */
    REPAIR_FAILED, /* not repaired, and why */
    REPAIR_NOTE
};
struct repair_line {
    enum repair_kind kind;
    const char *topic; /* NULL: not about a partition */
    int32_t partition;
    int64_t first, last; /* LOST: offsets */
    uint64_t records;    /* LOST: at most so many */
    bool is_unknown;     /* LOST: nobody knows how many, or whether any at all */
    const char *key;     /* the object that was damaged, or NULL */
    char text[600];
};
struct repair_totals {
    uint64_t losses, offsets, records; /* given up; records at most */
    uint64_t unknown;                  /* of the losses: nobody knows how many records */
    uint64_t given;                    /* entries and what was in them, beside records */
    uint64_t segments, runs, indexes;  /* repaired */
    uint64_t journals;                 /* can be opened again */
    uint64_t failed;
};

struct log_repair {
    const struct reader_options *bucket; /* is_writer iff is_executed */
    bool is_executed;
    int64_t window_ms; /* journal.safe.window.ms: for so long a broker may go on by what it knows */
    void (*told)(void *arg, const struct repair_line *line);
    void *arg;
    struct repair_totals totals; /* answer */
};
/* SL_OK when it ran to the end, whatever could not be repaired. Otherwise it stopped, because not
 * everything could be read: err says what. */
enum sl_err log_repair_run(struct log_repair *r, struct sl_error *err);

#endif
