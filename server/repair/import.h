/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice log import`: the topics of a bucket whose segments KafScale wrote, or a Sluice whose
 * journals are lost, become Sluice's, where they are. The essay stands atop import.c.
 *
 * Threads: a thread that is no loop; it blocks. Memory: one segment at a time, twice, and 100 bytes
 * for each segment of the bucket. */
#ifndef SLUICE_REPAIR_IMPORT_H
#define SLUICE_REPAIR_IMPORT_H

#include "reader/reader.h"

enum import_kind {
    IMPORT_ADOPTED, /* done, or with a dry run: would be */
    IMPORT_REFUSED, /* and why */
    IMPORT_NOTE
};
struct import_line {
    enum import_kind kind;
    const char *topic;
    int32_t partition; /* -1: the whole topic */
    char text[480];
};
struct import_totals {
    uint64_t topics, partitions, segments, records, bytes; /* adopted */
    uint64_t holes;                                        /* given up */
    uint64_t refused, known; /* topics; partitions that hold something */
};

struct log_import {
    const struct reader_options *bucket; /* is_writer iff is_executed */
    const char *topic;                   /* only this one; NULL: all */
    bool is_executed;
    bool accepts_holes; /* between segments: they are given up */
    void (*told)(void *arg, const struct import_line *line);
    void *arg;
    struct import_totals totals; /* answer */
};
/* SL_OK when it ran to the end, whatever was refused. */
enum sl_err log_import_run(struct log_import *im, struct sl_error *err);

#endif
