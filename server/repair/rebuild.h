/* SPDX-License-Identifier: Apache-2.0
 *
 * S of a journal whose chain has holes. The essay stands atop rebuild.c.
 *
 * Threads: pure. */
#ifndef SLUICE_REPAIR_REBUILD_H
#define SLUICE_REPAIR_REBUILD_H

#include "journal/entry.h"
#include "state/state.h"

/* Offsets that are passed over where nobody knows how many a lost entry took: more than an entry of
 * 8 MiB can hold of records that are not empty. The simulator's entries hold some hundred, and it
 * keeps a word for each offset. */
#ifdef SLUICE_MISTAKES
enum { REBUILD_SKIP = 5000 };
#else
enum { REBUILD_SKIP = 10000000 };
#endif
/* Runs of this entry, which there is none of, stand for offsets whose records are not there. */
enum { REBUILD_FILLER = 0 };

enum rebuild_kind {
    REBUILD_LOST, /* given up */
    REBUILD_NOTE
};

struct rebuild {
    struct state *st; /* borrowed */
    void (*told)(void *arg, enum rebuild_kind kind, uint64_t n, const char *text);
    void *arg;
    /* rebuild.c's */
    uint32_t holes;   /* met so far */
    uint64_t lost;    /* entries in them */
    struct map marks; /* of partitions */
    bool is_refused;  /* something of the entry at hand was not taken */
};
void rebuild_init(struct rebuild *r, struct state *st);
void rebuild_fini(struct rebuild *r);

/* First, of every valid entry behind the first hole: where do segments end? */
void rebuild_foresee(struct rebuild *r, const struct entry_view *e);
/* Then in order: a hole of so many entries ... */
void rebuild_hole(struct rebuild *r, uint64_t entries);
/* ... or a valid entry. SL_EVERSION: a newer program wrote it, which is no damage. */
MUST_CHECK enum sl_err rebuild_entry(struct rebuild *r, const struct entry_view *e,
                                     struct sl_error *err);

/* Then, if there was a hole: what the topics of journal 0 say of the partitions of this journal.
 * is_certain: names has lost nothing, so a topic it does not know was deleted. */
void rebuild_partitions(struct rebuild *r, const struct state *names, uint32_t journal,
                        bool is_certain);
/* And at last the ends that are not known, producers, and producer ids. */
void rebuild_ends(struct rebuild *r);
/* The first offset that may be lost or may never have been; -1: the end is known. */
int64_t rebuild_unknown_from(const struct rebuild *r, const struct part_state *p);

#endif
