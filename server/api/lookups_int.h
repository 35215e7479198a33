/* Private to api/: one question about many partitions, spread over the shards that hold them.
 *
 * A shard works on a few at a time, so that a request that names every partition of the cluster
 * does not start as many reads.
 *
 * Threads:  add, run and done on the request's loop; the lookups on the shards'.
 * Lifetime: everything in the request's arena. */
#ifndef SLUICE_API_LOOKUPS_INT_H
#define SLUICE_API_LOOKUPS_INT_H

#include "api/api_int.h"
#include "partition/lookup.h"

struct lookup_item {
    /* filled by the caller */
    struct uuid topic_id;
    int32_t partition;
    enum part_lookup_kind kind;
    int64_t time_ms;
    void *user;
    /* answer */
    enum sl_err rc;
    int64_t offset, timestamp;
    struct lookup_item *next; /* in its group */
};

struct lookup_group;
struct lookups {
    struct request *req;
    int64_t deadline_ns;
    void (*done)(struct lookups *ls, void *arg);
    void (*each)(struct lookup_item *it); /* before done, for every item */
    void *arg;
    struct lookup_group *groups; /* one per shard, most of them empty */
    size_t pending;              /* groups */
};

/* False when the arena is at its ceiling. */
bool lookups__init(struct lookups *ls, struct request *req);
/* Gives SL_OK and takes care of it, or why there is nothing to look up. */
enum sl_err lookups__add(struct lookups *ls, const struct topic *t, struct lookup_item *it);
/* done may run within. */
void lookups__run(struct lookups *ls);

#endif
