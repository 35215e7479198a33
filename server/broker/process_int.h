/* Private to broker/: one broker process and its shards.
 *
 * Threads: the main thread; shards' work is sent to their loops and waited for. */
#ifndef SLUICE_BROKER_PROCESS_INT_H
#define SLUICE_BROKER_PROCESS_INT_H

#include "api/broker.h"
#include "base/gate.h"
#include "broker/bucket.h"
#include "net/loop.h"
#include "net/server.h"
#include "partition/cold.h"
#include "store/cache.h"

struct process {
    const struct config *cfg;
    struct bucket bucket;
    struct cache *cache;
    struct loop **loops;
    unsigned loop_count;
    struct broker broker;
    struct server *server;
    struct gate opened; /* a pass for each journal that is live or failed */
    bool *is_reported;  /* per journal, on its loop */
    struct roll_permits roll_permits;
    struct cold cold;
};

/* shards.c */
void broker__shards_new(struct process *p);
/* Opens them and waits until each is live or failed, or a while has passed. */
void broker__shards_open(struct process *p);
/* Ends fetches that wait: one would hold up a stop for as long as its client allows. */
void broker__fetches_end(struct process *p);
/* Closes the journals, waits for their last store call, and for what is told of it. */
void broker__shards_close(struct process *p);
/* SIGUSR1: what an operator wants to know of a running broker, as log lines. */
void broker__report(const struct process *p);

#endif
