/* How this broker is, for `sluice status`: one JSON text.
 *
 *   node_id version cluster_id uptime_ms
 *   journals  [{index mode verified_through snapshot in_flight queued_items queued_bytes why
 *               pressure pressure_cause throttle_ms waiting_requests waiting_bytes delay_ms
 *               roll {lag_permille live_batches live_bytes oldest_ms kept_entries kept_bytes
 *               kept_bytes_max live_batches_max}}]
 *   store     {name health why since_ms latency_ms {put get head delete list}
 *              oldest_put_ms puts_in_flight failing_permille}
 *   rates     {put get head delete list is_billed}      requests per second in the last minute
 *   price     {put_per_1000 get_per_1000 per_month}     dollars
 *   counters  {name: value}                             when asked for, and
 *   plugin_counters [{name labels unit value}, of histograms {name labels unit count sum half_below
 *              nearly_all_below}]                       the storage plugin's own
 *
 * Fields are added and never change their meaning. What a journal knows of itself is asked on its
 * own loop: one message there and one back, for each. No store is asked for anything, so the answer
 * comes at once also when the store hangs. */
#include "api/api_int.h"
#include "api/pressure.h"
#include "base/counters.h"
#include "wire/messages/sluice_status.h"

#include <jansson.h>

enum { MONTH_S = 30 * 24 * 3600, REPORT_MAX = 4 << 20 };

struct status_journal {
    struct status *status;
    struct shard *shard;
    struct journal_status at;
    struct shard_roll_view roll;
    struct sched_task task;
};

struct status {
    struct request *req;
    const struct request_header *h;
    bool wants_counters;
    struct status_journal *journals; /* on the heap: there may be a thousand */
    size_t pending;
};

static void
put_text(json_t *to, const char *key, const char *text)
{
    json_t *s =
        json_string(text); /* NULL when it is no UTF-8: a store's sentence may be anything */
    json_object_set_new(to, key, s != NULL ? s : json_string("(not readable)"));
}

static void
put_int(json_t *to, const char *key, int64_t v)
{
    json_object_set_new(to, key, json_integer(v));
}

static void
put_real(json_t *to, const char *key, double v)
{
    json_object_set_new(to, key, json_real(v));
}

static void
put_ms(json_t *to, const char *key, int64_t ns)
{
    put_real(to, key, (double)ns / (double)SCHED_MS);
}

static const char *
mode_name(enum journal_mode mode)
{
    static const char *const names[] = {"closed", "opening", "live", "catching_up", "failed"};
    return names[mode];
}

/* lag 1000: producers are refused until it has caught up. */
static json_t *
roll_json(const struct shard_roll_view *v)
{
    json_t *r = json_object();
    put_int(r, "lag_permille", v->lag_pm);
    put_int(r, "live_batches", (int64_t)v->live_runs);
    put_int(r, "live_bytes", (int64_t)v->live_bytes);
    put_int(r, "oldest_ms", v->oldest_ms);
    put_int(r, "kept_entries", (int64_t)v->pinned_entries);
    put_int(r, "kept_bytes", (int64_t)v->pinned_bytes);
    put_int(r, "kept_bytes_max", v->pinned_bytes_max);
    put_int(r, "live_batches_max", v->live_runs_max);
    return r;
}

static json_t *
journal_json(const struct status *st, uint32_t index, int64_t now)
{
    const struct journal_status *at = &st->journals[index].at;
    struct pressure_view view;
    json_t *j = json_object();
    put_int(j, "index", index);
    put_text(j, "mode", mode_name(at->mode));
    put_int(j, "verified_through", (int64_t)at->safe);
    put_int(j, "snapshot", (int64_t)at->snapshot_n);
    put_int(j, "in_flight", (int64_t)at->in_flight);
    put_int(j, "queued_items", (int64_t)at->queued_items);
    put_int(j, "queued_bytes", (int64_t)at->queued_bytes);
    put_text(j, "why", at->why);
    pressure_view(st->req->broker->pressure, index, now, &view);
    put_text(j, "pressure", pressure_name(view.level));
    put_text(j, "pressure_cause", view.cause);
    put_int(j, "throttle_ms", view.throttle_ms);
    put_int(j, "waiting_requests", view.waiting);
    put_int(j, "waiting_bytes", view.waiting_bytes);
    put_ms(j, "delay_ms", view.delay_ns);
    json_object_set_new(j, "roll", roll_json(&st->journals[index].roll));
    return j;
}

static json_t *
store_json(const struct broker_facts *facts, int64_t now)
{
    static const struct {
        const char *name;
        enum store_kind kind;
    } kinds[] = {{"put", STORE_PUT},
                 {"get", STORE_GET},
                 {"head", STORE_HEAD},
                 {"delete", STORE_DEL},
                 {"list", STORE_LIST}};
    struct store_health health;
    json_t *s = json_object();
    json_t *latency = json_object();
    store_health(facts->store, &health);
    put_text(s, "name", facts->store_name);
    put_text(s, "health", store_health_name(health.state));
    put_text(s, "why", health.why);
    put_ms(s, "since_ms", now - (health.since_ns != 0 ? health.since_ns : facts->started_ns));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        put_ms(latency, kinds[i].name, health.latency_ns[kinds[i].kind]);
    }
    json_object_set_new(s, "latency_ms", latency);
    put_ms(s, "oldest_put_ms", health.oldest_put_ns);
    put_int(s, "puts_in_flight", health.puts_in_flight);
    put_int(s, "failing_permille", health.failing_permille);
    return s;
}

static void
put_rates(json_t *root, const struct broker_facts *facts)
{
    struct store_rates r;
    json_t *rates = json_object();
    json_t *price = json_object();
    store_rates(facts->store, &r);
    put_real(rates, "put", r.puts_per_s);
    put_real(rates, "get", r.gets_per_s);
    put_real(rates, "head", r.heads_per_s);
    put_real(rates, "delete", r.dels_per_s);
    put_real(rates, "list", r.lists_per_s);
    json_object_set_new(rates, "is_billed", json_boolean(r.is_billed));
    put_real(price, "put_per_1000", facts->price_put);
    put_real(price, "get_per_1000", facts->price_get);
    put_real(price, "per_month",
             MONTH_S / 1000.0 *
                 ((r.puts_per_s + r.lists_per_s) * facts->price_put +
                  (r.gets_per_s + r.heads_per_s) * facts->price_get));
    json_object_set_new(root, "rates", rates);
    json_object_set_new(root, "price", price);
}

static json_t *
counters_json(void)
{
    int64_t sums[COUNTER_COUNT];
    json_t *c = json_object();
    counters_sum(sums);
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        put_int(c, counter_table[i].name, sums[i]);
    }
    return c;
}

static void
put_plugin_counter(void *to, const struct fact_counter *c)
{
    json_t *o = json_object();
    put_text(o, "name", c->name);
    put_text(o, "labels", c->labels);
    put_text(o, "unit", c->unit);
    put_int(o, c->is_spread ? "sum" : "value", c->value);
    if (c->is_spread) {
        put_int(o, "count", (int64_t)c->count);
        put_int(o, "half_below", (int64_t)c->half_below);
        put_int(o, "nearly_all_below", (int64_t)c->nearly_all_below);
    }
    json_array_append_new((json_t *)to, o);
}

static json_t *
plugin_counters_json(const struct broker_facts *facts)
{
    json_t *list = json_array();
    if (facts->plugin_counters != NULL) {
        facts->plugin_counters(facts->plugin_counters_arg, put_plugin_counter, list);
    }
    return list;
}

static json_t *
report_json(const struct status *st)
{
    const struct broker *br = st->req->broker;
    int64_t now = sched_now(st->req->loop);
    json_t *root = json_object();
    json_t *journals = json_array();
    put_int(root, "node_id", br->node_id);
    put_text(root, "version", SLUICE_VERSION);
    put_text(root, "cluster_id", br->cluster_text);
    put_int(root, "uptime_ms", (now - br->facts.started_ns) / SCHED_MS);
    for (uint32_t j = 0; j < br->shard_count; j++) {
        json_array_append_new(journals, journal_json(st, j, now));
    }
    json_object_set_new(root, "journals", journals);
    if (br->facts.store != NULL) {
        json_object_set_new(root, "store", store_json(&br->facts, now));
        put_rates(root, &br->facts);
    }
    if (st->wants_counters) {
        json_object_set_new(root, "counters", counters_json());
        json_object_set_new(root, "plugin_counters", plugin_counters_json(&br->facts));
    }
    return root;
}

static int
append(const char *text, size_t len, void *arg)
{
    bytes_append((struct bytes *)arg, text, len);
    return 0;
}

static void
report(struct status *st)
{
    struct sluice_status_response resp = {0};
    struct bytes text;
    json_t *root = report_json(st);
    bytes_init(&text, REPORT_MAX);
    (void)json_dump_callback(root, append, &text, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(root);
    sl_free(st->journals);
    resp.report = bytes_span(&text);
    api_reply(st->req, st->h, &resp); /* which encodes, and so copies, before it returns */
    bytes_fini(&text);
}

static void
journal_back(struct sched_task *task)
{
    struct status *st = SL_CONTAINER_OF(task, struct status_journal, task)->status;
    if (--st->pending == 0) {
        report(st);
    }
}

/* [the shard's loop] */
static void
journal_look(struct sched_task *task)
{
    struct status_journal *j = SL_CONTAINER_OF(task, struct status_journal, task);
    journal_status(shard_journal(j->shard), &j->at);
    shard_roll_view(j->shard, &j->roll);
    j->task.run = journal_back;
    sched_post(j->status->req->loop, &j->task);
}

void
status_handle(struct request *req, const struct request_header *h)
{
    const struct broker *br = req->broker;
    struct sluice_status_request in;
    if (!api_decode(req, h, &in)) {
        return;
    }
    if (!authorize(req, ACL_DESCRIBE, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        struct sluice_status_response no = {.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED,
                                            .report = span_cstr("")};
        api_reply(req, h, &no);
        return;
    }
    struct status *st = (struct status *)arena_alloc(&req->arena, sizeof(*st));
    if (st == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    struct status_journal *journals =
        (struct status_journal *)sl_alloc(br->shard_count * sizeof(*journals));
    *st = (struct status){.req = req,
                          .h = h,
                          .wants_counters = in.wants_counters,
                          .journals = journals,
                          .pending = br->shard_count};
    for (uint32_t j = 0; j < br->shard_count; j++) {
        journals[j].status = st;
        journals[j].shard = br->shards[j];
        journals[j].task.run = journal_look;
        sched_post(shard_sched(br->shards[j]), &journals[j].task);
    }
}
