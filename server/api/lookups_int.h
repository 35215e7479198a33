/* Private to api/: one question about many partitions, or one thing to do to each, spread over the
 * shards that hold them. A request is a list of topics, each a name and a list of partitions, and
 * the response has the same shape; what is particular about an API stands in its lookup_api.
 *
 * A shard works on a few at a time, so that a request that names every partition of the cluster
 * does not start as many reads.
 *
 * Threads:  add, run and done on the request's loop; the lookups on the shards'.
 * Lifetime: everything in the request's arena. */
#ifndef SLUICE_API_LOOKUPS_INT_H
#define SLUICE_API_LOOKUPS_INT_H

#include "admin/trim.h"
#include "api/api_int.h"
#include "partition/lookup.h"
#include "wire/schema.h"

#include <assert.h>

struct lookup_item {
    /* filled by the caller */
    struct uuid topic_id;
    int32_t partition;
    enum part_lookup_kind kind;
    int64_t time_ms;
    bool is_trim; /* not a lookup: the log is to start at trim_to */
    int64_t trim_to;
    bool is_answered; /* nothing to look up */
    void *user;       /* the partition of the response */
    /* answer */
    enum sl_err rc;
    int64_t offset, timestamp;
    struct lookup_item *next; /* in its group */
};

struct lookup_group;
struct lookups {
    struct request *req;
    int64_t deadline_ns;
    const struct lookup_api *api;
    void (*done)(struct lookups *ls, void *arg);
    void *arg;
    struct lookup_group *groups; /* one per shard, most of them empty */
    size_t pending;              /* groups */
};

/* How topics look in requests and responses; whoever uses this asserts that theirs do. */
struct lookup_topic {
    struct span name;
    WIRE_LIST(void) partitions;
};
#define LOOKUP_TOPIC_ASSERT(type)                                                                  \
    static_assert(sizeof(type) == sizeof(struct lookup_topic) &&                                   \
                      offsetof(type, partitions) == offsetof(struct lookup_topic, partitions),     \
                  #type " is not a name and a list of partitions")

enum { LOOKUP_NO_ERROR = 1 << 20 }; /* as error_offset: the response has no such field */
struct lookup_api {
    enum acl_operation operation;
    size_t in_size, out_size; /* of a partition in the request and in the response ... */
    size_t error_offset;      /* ... and where the latter has its int16_t error_code */
    /* Sets *out to its defaults and its number, which it gives. */
    int32_t (*init)(const void *in, void *out);
    /* Says in *it what is to be looked up, or gives a Kafka error, or sets is_answered. */
    int16_t (*prepare)(const struct request *req, const struct topic *t, const void *in,
                       struct lookup_item *it);
    void (*fill)(struct lookup_item *it); /* it->rc is SL_OK */
};

/* Answers in_topics (a WIRE_LIST of topics) in *out_topics (another) and calls done on the
 * request's loop, perhaps within. Closes the connection when the arena is at its ceiling. */
void lookups__run(struct lookups *ls, const void *in_topics, void *out_topics);

#endif
