/* What the handlers work on: the shards, the topics, and who this broker says it is. Filled by
 * main.c.
 *
 * Threads: constant after start; what it points to says its own. */
#ifndef SLUICE_API_BROKER_H
#define SLUICE_API_BROKER_H

#include "admin/directory.h"
#include "admin/producer_ids.h"
#include "admin/quotas.h"
#include "admin/topics.h"
#include "base/diag.h"
#include "group/consumer_topics.h"
#include "partition/shard.h"

struct broker_listener {
    const char *name;
    const char *host; /* advertised */
    uint16_t port;
};

/* One of a plugin's own counters; a histogram when is_spread. */
struct fact_counter {
    const char *name, *labels, *unit; /* labels: "a=b,c=d" or "" */
    bool is_spread;
    int64_t value;                                /* of a histogram: the sum */
    uint64_t count, half_below, nearly_all_below; /* of a histogram; the last: 99 % */
};
typedef void (*fact_counter_fn)(void *to, const struct fact_counter *c);

/* For whoever asks how the broker is (status.c). */
struct broker_facts {
    const struct store *store; /* borrowed; NULL: nothing is told of it */
    const char *store_name;
    int64_t started_ns;          /* CLOCK_BOOTTIME */
    double price_put, price_get; /* dollars for 1000 requests */
    /* [any thread] Tells each of the storage plugin's counters; NULL: it has none. */
    void (*plugin_counters)(void *arg, fact_counter_fn each, void *to);
    void *plugin_counters_arg;
};

struct broker {
    int32_t node_id;
    struct uuid cluster;
    char cluster_text[UUID_TEXT]; /* what clients are told */
    struct broker_listener *listeners;
    size_t listener_count;
    struct shard **shards; /* one per journal */
    uint32_t shard_count;
    struct directory *topics;
    struct topic_admin *topic_admin;
    struct producer_ids *producer_ids;
    struct quotas *quotas;               /* NULL: none are measured */
    struct group_table **groups;         /* one per journal */
    struct consumer_topics group_topics; /* what they ask about topics */
    struct pressure *pressure;           /* back-pressure on producers; NULL: none */
    struct broker_facts facts;
    bool is_auto_create;
    int32_t default_partitions;
    int32_t fetch_max_bytes;
    _Atomic bool is_stopping;   /* nobody waits any more */
    _Atomic int64_t fetch_pool; /* bytes that fetches may still gather before they are replies */
    const struct diag *log;
};

/* The shard in which a partition of a topic lives; NULL when this broker has fewer journals than
 * the topic wants, which a newer cluster.json would have to explain. */
static inline struct shard *
broker_shard(const struct broker *b, const struct topic *t, int32_t partition)
{
    uint32_t j = t->journals[partition];
    return j < b->shard_count ? b->shards[j] : NULL;
}

#endif
