/* The start-up probe of docs/journal.md section 8: does create-if-absent have one winner here?
 *
 * Creates a random key twice (the second must meet an object), then another by 32 requests at once
 * (at most one may win), reads it back and deletes both. A store that fails is refused; rc and err
 * name it and say what it did. Answers that are lost on the way are no failure: what became of the
 * put is read back, and the race is run again, because it proved less.
 *
 * Threads:  everything on `home`.
 * Lifetime: the caller embeds the probe and keeps it until done; then store_probe_fini. */
#ifndef SLUICE_STORE_PROBE_H
#define SLUICE_STORE_PROBE_H

#include "store/store.h"

enum { PROBE_RACERS = 32, PROBE_BODY = 48, PROBE_KEYS = 24 };

struct store_probe {
    /* filled by the caller */
    struct store *st;
    struct sched *home;
    const char *name;   /* of the store, for messages */
    const char *prefix; /* of the keys: "_sluice" */
    void (*done)(struct store_probe *probe);

    /* the outcome */
    enum sl_err rc;
    struct sl_error err;

    /* the probe's */
    struct probe_racer *racers;
    uint32_t stage, in_flight;
    uint32_t keys;            /* how many were used */
    bool is_used[PROBE_KEYS]; /* and are to be deleted */
    uint32_t attempts;        /* of what had to be done again */
    uint32_t races, wins, losses, unknowns;
    bool was_told_exists; /* the first put said so */
    size_t winner;
    uint64_t nonce;
};

void store_probe_start(struct store_probe *probe);
void store_probe_fini(struct store_probe *probe);

#endif
