/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to reader/: what an audit copied out of S, and its parts. */
#ifndef SLUICE_READER_AUDIT_INT_H
#define SLUICE_READER_AUDIT_INT_H

#include "reader/audit.h"

struct audit_part {
    struct uuid topic_id;
    int32_t partition;
    int64_t start, end;
    int64_t registered_end;  /* no segment of generation 0 below it can come any more */
    char dir[TOPIC_DIR_MAX]; /* "": no segment yet */
};

/* A live run, or a segment. */
struct audit_item {
    uint64_t n;         /* run: the entry; segment: bytes of the object */
    int64_t base, next; /* offsets [base, next) */
    uint32_t part;      /* index into parts */
    uint32_t position;  /* run */
    uint32_t length;    /* run: bytes; segment: records */
    uint32_t crc;       /* run: of its bytes; segment: of the body */
    uint32_t gen;       /* segment */
};

struct audit_garbage {
    char dir[TOPIC_DIR_MAX];
    int32_t partition;
    int64_t base;
    uint32_t gen;
};

struct audit_journal {
    uint32_t index;
    struct reader *reader;
    enum sl_err rc;
    char why[320];
    struct journal_status status;
    struct audit_part *parts;
    size_t part_count;
    struct audit_item *runs, *segments; /* by part, then by offset */
    size_t run_count, segment_count;
    struct audit_garbage *garbage;
    size_t garbage_count;
    struct loss_ref *losses;
    size_t loss_count;
};

struct audit_name {
    char text[TOPIC_DIR_MAX + 32];
};
struct audit_name audit__part_name(const struct audit_part *p);

/* Tells of f with this text. */
void audit__found(struct audit *a, struct audit_finding f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What a finding about a run or segment says of where it is. */
struct audit_finding audit__at(enum audit_what what, const char *key, const struct audit_journal *j,
                               const struct audit_item *it);
void audit__follows(struct audit *a, const struct audit_part *p, int64_t *next,
                    const struct audit_item *it);
/* The chain of entries and the runs in them. Sorts j->runs by entry. */
enum sl_err audit__entries(struct audit *a, struct audit_journal *j);
enum sl_err audit__segments(struct audit *a, const struct audit_journal *j);
/* Objects under the namespace that none of the journals knows. */
enum sl_err audit__orphans(struct audit *a, const struct audit_journal *all, uint32_t count);
/* Of what was not there: does S want it, as it is by now? */
bool audit__is_wanted(const struct audit *a, const struct audit_journal *j,
                      const struct audit_item *it, bool is_segment);
/* Has an entry been collected since j was copied? Then j says up to which. */
bool audit__is_collected(const struct audit *a, struct audit_journal *j, uint64_t n);
/* GET of [0, length) of an object, 0 for all of it. NULL in *ret: there is none. SL_ECORRUPT and
 * err: the store says that it is damaged. Another error: the store did not answer. */
enum sl_err audit__get(const struct audit *a, const char *key, uint64_t length, struct buf **ret,
                       struct sl_error *err);

#endif
