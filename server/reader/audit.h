/* SPDX-License-Identifier: Apache-2.0
 *
 * Is everything that a bucket's state refers to there, and is it right? `sluice log verify`.
 *
 * What is checked, per journal: that it opens (R1: no entry missing, none corrupt, the chain of ids
 * from the snapshot on); the chain backwards from the tail to the gc boundary, through entries that
 * the snapshot has swallowed; that every live run lies in an entry of that chain and its bytes have
 * their checksum; that segments and runs follow each other without a hole from start to end; that
 * every segment is what S says (offsets, bytes, CRC), sound inside, and has its index.
 * Objects under the namespace that no journal knows are reported as orphans, which is no error; nor
 * is an entry that is damaged and holds nothing that anybody needs, nor what was given up.
 *
 * Threads: a thread that is no loop; it blocks. Memory: one object at a time, and 48 bytes for each
 * live run of a journal. */
#ifndef SLUICE_READER_AUDIT_H
#define SLUICE_READER_AUDIT_H

#include "reader/wait.h"

enum audit_kind {
    AUDIT_ERROR, /* something is lost or damaged */
    AUDIT_NOTE   /* worth knowing */
};

/* What it is about, for who wants to do something about it (repair/). */
enum audit_what {
    AUDIT_OTHER,
    AUDIT_JOURNAL, /* cannot be read: journal */
    AUDIT_ENTRY,   /* is damaged or missing: journal, n */
    AUDIT_RUN,     /* is lost: journal, topic_id, partition, base, last, n */
    AUDIT_SEGMENT, /* is damaged or missing: journal, topic_id, partition, base, last, gen */
    AUDIT_INDEX,   /* of a sound segment: the same */
    AUDIT_LOSS,    /* was given up once: journal, topic_id, partition, base, last */
    AUDIT_ORPHAN
};

struct audit_finding {
    enum audit_kind kind;
    enum audit_what what;
    const char *key; /* the object, or NULL */
    uint32_t journal;
    struct uuid topic_id;
    int32_t partition;
    int64_t base, last; /* offsets */
    uint32_t gen;
    uint64_t n;
    char text[400];
};

/* An object under the namespace that no journal refers to. */
struct audit_orphan {
    const char *key;
    uint64_t size_bytes;
    int64_t modified_ms; /* by the store's clock; 0: it does not say */
    bool is_dead;        /* nothing can ever refer to it; the essay in audit_orphans.c */
    const char *why;     /* constant */
};

struct audit_totals {
    uint64_t journals, entries, partitions, runs, segments, bytes, orphans, errors;
};

struct audit {
    const struct reader_options *bucket;
    void (*found)(void *arg, const struct audit_finding *f);
    /* Not NULL: nothing is checked, only orphans are looked for, and told here. If a journal cannot
     * be read that is found, and none is told. */
    void (*orphan)(void *arg, const struct audit_orphan *o);
    void *arg;
    struct audit_totals totals; /* answer */
};
/* SL_OK when it ran to the end, whatever it found; an error when the store did not answer. */
enum sl_err audit_run(struct audit *a);

#endif
