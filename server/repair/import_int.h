/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to repair/: one import under way. */
#ifndef SLUICE_REPAIR_IMPORT_INT_H
#define SLUICE_REPAIR_IMPORT_INT_H

#include "repair/import.h"
#include "repair/writer.h"

/* One segment's objects, as listed. */
struct found {
    char *topic;
    int32_t partition;
    int64_t base;
    uint32_t gen;
    uint64_t bytes;
    bool has_kfs;
};

struct import {
    struct log_import *im;
    struct log_writer *w;
    struct found *found;
    size_t count, cap;
    /* of the directory at hand: names that are no segment's */
    char *strange;
    size_t strangers;
};

void repair__import_tell(struct import *i, enum import_kind kind, const char *topic,
                         int32_t partition, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* import_list.c: fills i->found, by topic, partition, offset, and highest generation first. */
MUST_CHECK enum sl_err repair__import_look(struct import *i, struct sl_error *err);

#endif
