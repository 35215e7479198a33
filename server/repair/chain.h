/* SPDX-License-Identifier: Apache-2.0
 *
 * A journal has lost entries. Which of those that are left belong to its chain? The essay stands
 * atop chain.c.
 *
 * Threads: pure. */
#ifndef SLUICE_REPAIR_CHAIN_H
#define SLUICE_REPAIR_CHAIN_H

#include "base/span.h"
#include "base/uuid.h"

enum chain_kind {
    CHAIN_SOUND,
    CHAIN_MISSING, /* no such object */
    CHAIN_DAMAGED  /* there is one, and it cannot be believed */
};
enum chain_verdict {
    CHAIN_VOID,   /* changes nothing; so does an absent one behind the tail */
    CHAIN_VALID,  /* is applied */
    CHAIN_LOST,   /* was committed, or may have been */
    CHAIN_BEYOND, /* behind the tail: nobody can have been told of it */
};
struct chain_entry {
    enum chain_kind kind;
    /* of a sound one */
    struct uuid id, prev_id;
    uint64_t acked_through;
    bool is_empty; /* a knock, perhaps (docs/journal.md R9) */
    /* answer */
    enum chain_verdict verdict;
};

struct chain {
    uint64_t first; /* number of entries[0] */
    struct chain_entry *entries;
    size_t count;
    struct uuid base_id;    /* of the last valid entry before first */
    uint64_t acked_through; /* highest that a manifest knows of */
    /* answer */
    uint64_t lost;
};
void chain_judge(struct chain *c);

#endif
