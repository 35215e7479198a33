/* Start: signals masked -> plugin and store -> loops -> probe, cluster.json -> shards -> listeners.
 * Stop, the other way round: no new connections, requests in flight finish, journals close, store
 * calls end, loops end. What is still in flight after shutdown.timeout.ms has an unknown outcome,
 * and is told so. */
#include "broker/serve.h"

#include "api/pressure.h"
#include "base/counters.h"
#include "broker/groups_int.h"
#include "plugin/instance.h"

#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sluice/storage.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1 };

/* --- the broker --- */

static void
topic_defaults(void *arg, const char *name, struct topic_options *ret)
{
    struct config_topic t;
    config_topic((const struct config *)arg, name, &t);
    ret->max_message_bytes =
        (int32_t)(t.message_max_bytes < INT32_MAX ? t.message_max_bytes : INT32_MAX);
    ret->is_log_append_time = t.message_timestamp_type == CONFIG_LOG_APPEND_TIME;
    ret->is_compacted = (t.cleanup_policy & CONFIG_CLEANUP_COMPACT) != 0;
    ret->is_deleted = (t.cleanup_policy & CONFIG_CLEANUP_DELETE) != 0;
    ret->retention_ms = t.retention_ms;
    ret->retention_bytes = t.retention_bytes;
    ret->segment_bytes = t.segment_bytes;
}

/* S3 Standard's, where nothing else is said: what most stores are compared with. */
static double
price_of(const struct process *p, double configured, double on_object_stores)
{
    if (configured >= 0) {
        return configured;
    }
    return (p->bucket.capabilities & SLUICE_STORE_LOCAL) != 0 ? 0 : on_object_stores;
}

struct telling {
    fact_counter_fn each;
    void *to;
};

static void
tell_reading(void *arg, const struct plugin_reading *r)
{
    const struct telling *t = (const struct telling *)arg;
    bool is_spread = r->what->kind == SLUICE_COUNTER_HISTOGRAM;
    const struct fact_counter c = {
        .name = r->what->name,
        .labels = r->what->labels != NULL ? r->what->labels : "",
        .unit = r->what->unit,
        .is_spread = is_spread,
        .value = r->value,
        .count = r->observed,
        .half_below = is_spread && r->observed > 0 ? plugin_reading_below(r, 500) : 0,
        .nearly_all_below = is_spread && r->observed > 0 ? plugin_reading_below(r, 990) : 0};
    t->each(t->to, &c);
}

static void
tell_plugin_counters(void *arg, fact_counter_fn each, void *to)
{
    struct telling t = {each, to};
    plugin_instance_counters((const struct plugin_instance *)arg, tell_reading, &t);
}

static struct broker_facts
facts_of(const struct process *p)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (struct broker_facts){.store = p->bucket.store,
                                 .plugin_counters = tell_plugin_counters,
                                 .plugin_counters_arg = p->bucket.plugin,
                                 .store_name = p->bucket.name,
                                 .started_ns = ts.tv_sec * SCHED_S + ts.tv_nsec,
                                 .price_put = price_of(p, p->cfg->storage.price_put, 0.005),
                                 .price_get = price_of(p, p->cfg->storage.price_get, 0.0004)};
}

static void
broker_fill(struct process *p)
{
    const struct config *cfg = p->cfg;
    struct broker *b = &p->broker;
    b->node_id = (int32_t)cfg->server.node_id;
    b->cluster = p->bucket.cluster;
    uuid_text(&b->cluster, b->cluster_text);
    b->is_auto_create = cfg->server.auto_create_topics_enable;
    b->default_partitions = (int32_t)cfg->server.num_partitions;
    b->fetch_max_bytes = (int32_t)cfg->server.fetch_max_bytes;
    atomic_store(&b->fetch_pool, cfg->server.memory_budget);
    b->topics = directory_new(topic_defaults, (void *)(uintptr_t)cfg);
    b->listener_count = cfg->listener_count;
    b->listeners =
        (struct broker_listener *)sl_alloc(cfg->listener_count * sizeof(struct broker_listener));
    for (size_t i = 0; i < cfg->listener_count; i++) {
        b->listeners[i] =
            (struct broker_listener){cfg->listeners[i].name, cfg->listeners[i].advertised.host,
                                     cfg->listeners[i].advertised.port};
    }
    b->quotas = quotas_new();
    p->cache = cache_open(p->bucket.store, (size_t)cfg->storage.cache_bytes);
    cold_init(&p->cold);
    broker__shards_new(p);
    broker__groups_new(p);
    b->topic_admin = topic_admin_new(b->shards, b->shard_count);
    b->producer_ids = producer_ids_new(b->shards[0]);
    const struct pressure_options pressure = {.store = p->bucket.store,
                                              .journals = b->shard_count,
                                              .bytes_max = cfg->server.memory_budget / 2};
    b->pressure = pressure_new(&pressure);
    b->facts = facts_of(p);
}

static void
broker_drop(struct process *p)
{
    struct broker *b = &p->broker;
    pressure_destroy(&b->pressure);
    producer_ids_destroy(&b->producer_ids);
    topic_admin_destroy(&b->topic_admin);
    broker__groups_destroy(p);
    for (uint32_t j = 0; j < b->shard_count; j++) {
        shard_destroy(&b->shards[j]);
    }
    sl_free(b->shards);
    sl_free(b->listeners);
    sl_free(p->is_reported);
    directory_destroy(&b->topics);
    quotas_destroy(&b->quotas);
    gate_fini(&p->opened);
    cold_fini(&p->cold);
}

/* --- listeners --- */

static enum sl_err
listen_all(struct process *p, struct sl_error *err)
{
    const struct config *cfg = p->cfg;
    struct server_opts o = server_opts_default();
    char(*addresses)[300] = sl_alloc(cfg->listener_count * sizeof(*addresses));
    struct server_listener_opts *l = sl_alloc(cfg->listener_count * sizeof(*l));
    for (size_t i = 0; i < cfg->listener_count; i++) {
        const struct config_address *a = &cfg->listeners[i].address;
        bool is_v6 = strchr(a->host, ':') != NULL;
        (void)snprintf(addresses[i], sizeof(addresses[i]), is_v6 ? "[%s]:%u" : "%s:%u", a->host,
                       (unsigned)a->port);
        l[i] =
            (struct server_listener_opts){.name = cfg->listeners[i].name, .address = addresses[i]};
    }
    o.loops = p->loops;
    o.loop_count = p->loop_count;
    o.listeners = l;
    o.listener_count = (unsigned)cfg->listener_count;
    o.broker = &p->broker;
    o.connections_max = (uint32_t)cfg->server.max_connections;
    o.frame_max_bytes = (size_t)cfg->server.socket_request_max_bytes;
    o.bulk_budget_bytes = (size_t)cfg->server.memory_budget;
    o.idle_ms = cfg->server.connections_max_idle_ms;
    o.frame_stall_ms = cfg->server.request_stall_timeout_ms;
    enum sl_err rc = server_start(&o, &p->server, err);
    sl_free(addresses);
    sl_free(l);
    return rc;
}

static void
announce(const struct process *p)
{
    for (size_t i = 0; i < p->cfg->listener_count; i++) {
        const struct broker_listener *l = &p->broker.listeners[i];
        SL_INFO(NULL, "broker.listening", KV_STR("listener", l->name),
                KV_STR("address", server_address(p->server, (unsigned)i)),
                KV_STR("advertised_host", l->host), KV_I64("advertised_port", l->port));
    }
    bucket_unused_tell(p->cfg);
    SL_INFO(NULL, "broker.ready", KV_STR("version", SLUICE_VERSION),
            KV_I64("node_id", p->broker.node_id), KV_STR("cluster_id", p->broker.cluster_text),
            KV_STR("store", p->bucket.name), KV_U64("journals", p->broker.shard_count),
            KV_U64("loops", p->loop_count));
}

/* --- start, wait, stop --- */

static enum sl_err
bucket_start(struct process *p, struct sl_error *err)
{
    enum sl_err rc = bucket_open(p->cfg, &p->bucket, err);
    if (rc != SL_OK) {
        return rc;
    }
    rc = bucket_join(&p->bucket, p->cfg, loop_sched(p->loops[0]), err);
    if (rc != SL_OK) {
        bucket_close(&p->bucket);
    }
    return rc;
}

/* A disk that is full, read-only or closed to us is set right by an operator's hand, and then the
 * broker should be there. Everything else (another cluster's bucket, a store whose conditional
 * create does not hold, an unknown plugin) does not pass by itself. */
static bool
is_curable(const struct process *p, enum sl_err rc)
{
    bool is_ours = strcmp(p->cfg->storage.plugin, "fs") == 0;
    return is_ours && (rc == SL_EDENIED || rc == SL_ENOSPC || rc == SL_EIO || rc == SL_EAGAIN);
}

/* Opens the bucket, waiting for a local store to become usable. SL_ECANCELED: told to stop. */
static enum sl_err
bucket_wait(struct process *p, const sigset_t *set, struct sl_error *err)
{
    const struct timespec pause = {.tv_sec = 1};
    enum sl_err rc;
    for (unsigned tries = 0; is_curable(p, rc = bucket_start(p, err)); tries++) {
        if (tries % 30 == 0) {
            SL_ERROR(NULL, "broker.store_unusable", KV_STR("why", err->msg),
                     KV_STR("meaning", "not serving yet; looking again every second"));
        }
        int number = sigtimedwait(set, NULL, &pause);
        if (number == SIGINT || number == SIGTERM) {
            return sl_error_set(err, SL_ECANCELED, "told to stop before the store could be used");
        }
    }
    return rc;
}

/* Measured on two cores with the client beside us: one loop takes 1.3 GB/s of produce, and a
 * request that has to wake a second loop twice waits a third longer. */
static unsigned
loop_count(const struct config *cfg)
{
    cpu_set_t set;
    if (cfg->server.threads > 0) {
        return (unsigned)cfg->server.threads;
    }
    int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 2;
    return cores < 4 ? 1 : (unsigned)cores / 2;
}

static enum sl_err
start(struct process *p, const sigset_t *set, struct sl_error *err)
{
    enum sl_err rc = loops_start(loop_count(p->cfg), &p->loops, &p->loop_count, err);
    if (rc == SL_OK) {
        rc = bucket_wait(p, set, err);
    }
    if (rc != SL_OK) {
        return rc;
    }
    broker_fill(p);
    broker__shards_open(p);
    return listen_all(p, err);
}

static void
stop(struct process *p)
{
    if (p->broker.shards != NULL) {
        broker__fetches_end(p);
        broker__groups_stop(p);
    }
    if (p->server != NULL) {
        (void)server_stop(p->server, p->cfg->server.shutdown_timeout_ms);
    }
    if (p->broker.shards != NULL) {
        broker__shards_close(p);
    }
    if (p->server != NULL) {
        server_destroy(&p->server);
    }
    cache_close(&p->cache);
    bucket_close(&p->bucket);
    if (p->loops != NULL) {
        loops_stop(&p->loops, p->loop_count);
    }
    if (p->broker.shards != NULL) {
        broker_drop(p);
    }
    buf_pool_trim();
}

/* A burst leaves buffers behind that are kept for the next one. When none has come for a while they
 * go back to the system. */
static void
trim_when_idle(int64_t *seen_bytes)
{
    int64_t sums[COUNTER_COUNT];
    counters_sum(sums);
    if (sums[C_net_bytes_in] == *seen_bytes) {
        buf_pool_trim();
        (void)malloc_trim(0);
    }
    *seen_bytes = sums[C_net_bytes_in];
}

static void
wait_for_signal(const struct process *p, const sigset_t *set)
{
    const struct timespec tick = {.tv_sec = 10};
    int64_t seen_bytes = -1;
    int number;
    while ((number = sigtimedwait(set, NULL, &tick)) < 0 || number == SIGUSR1) {
        if (number == SIGUSR1) {
            broker__report(p);
        } else {
            trim_when_idle(&seen_bytes);
        }
    }
    SL_INFO(NULL, "broker.stopping", KV_STR("signal", number == SIGINT ? "INT" : "TERM"));
}

/* A connection is a descriptor, a volume two. The soft limit is for programs that use select(). */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int
broker_serve(const struct config *cfg)
{
    struct process p = {.cfg = cfg};
    struct sl_error err = SL_ERROR_INIT;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* threads started from here on inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    /* Idle memory: an arena per thread is not worth it. No thread runs yet. */
    (void)mallopt(M_ARENA_MAX, 2); /* NOLINT(concurrency-mt-unsafe) */
    /* A large block that is freed goes back to the system. By itself glibc raises this with each
     * one, and keeps those that follow in a heap that shrinks only from its end. */
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10); /* NOLINT(concurrency-mt-unsafe) */
    buf_pool_keep((size_t)cfg->server.memory_budget / 2, (size_t)cfg->journal.roll_memory * 5 / 4);
    enum sl_err rc = start(&p, &set, &err);
    if (rc == SL_OK) {
        announce(&p);
        wait_for_signal(&p, &set);
    } else {
        SL_ERROR(NULL, "broker.start_failed", KV_STR("why", err.msg));
    }
    stop(&p);
    return rc == SL_OK ? EXIT_DONE : EXIT_FAILED;
}
