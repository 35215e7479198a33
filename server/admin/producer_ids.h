/* Producer ids for InitProducerId: blocks reserved by an op in journal 0, handed out from memory.
 *
 * Threads:  submit from any loop; the work on journal 0's loop; done on `home`.
 * Lifetime: the caller keeps the request until done. */
#ifndef SLUICE_ADMIN_PRODUCER_IDS_H
#define SLUICE_ADMIN_PRODUCER_IDS_H

#include "partition/shard.h"

struct producer_ids;

struct producer_id_request {
    int64_t deadline_ns;
    struct sched *home;
    void (*done)(struct producer_id_request *r);
    void *arg;
    enum sl_err rc;
    int64_t id;
    struct list node;
    struct sched_task task;
    struct producer_ids *ids;
};

struct producer_ids *producer_ids_new(struct shard *shard0);
void producer_ids_destroy(struct producer_ids **ids);
void producer_id_submit(struct producer_ids *ids, struct producer_id_request *r);

#endif
