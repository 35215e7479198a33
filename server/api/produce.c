/* Produce: parsed -> authorized -> shaped -> enqueued -> committed -> replied.
 *
 * The request fans out by message to the shards that hold its partitions and joins on its
 * connection's loop. Each partition has its own outcome; one bad partition does not fail the
 * others. A journal that cannot keep up refuses its part of the request at once (pressure.c), and
 * the reply says how long to wait. */
#include "wire/messages/produce.h"

#include "api/judge_records_int.h"
#include "api/pressure.h"
#include "base/counters.h"

enum {
    TIMEOUT_MIN_MS = 100,
    TIMEOUT_MAX_MS = 600000,
    REPLY_MAX = 32 << 20,
    GROUP_OVERHEAD = 1024 /* what a request holds besides its batches, about */
};

struct produce_part {
    struct append append;
    struct produce_response_partition *resp;
    struct produce_part *next; /* in its group */
    struct produce_group *group;
};

/* The partitions of one request in one shard. */
struct produce_group {
    struct produce *produce;
    struct shard *shard;
    struct produce_part *first, **last;
    size_t pending;
    struct sched_task task;
    struct pressure_wait wait;
    bool is_judged, is_refused; /* by pressure.c, once for the whole group */
};

struct produce {
    struct request *req;
    const struct request_header *h;
    struct produce_request in;
    struct produce_response resp;
    struct produce_part *parts;
    size_t part_count;
    struct produce_group *groups; /* one per shard, most of them empty */
    size_t pending;               /* groups */
    int64_t deadline_ns;
    bool has_errors;
};

/* --- replied --- */

static void
throttle(struct produce *p)
{
    struct broker *br = p->req->broker;
    int64_t now = sched_now(p->req->loop);
    for (uint32_t j = 0; j < br->shard_count && p->groups != NULL; j++) {
        if (p->groups[j].is_judged) {
            request_throttle(p->req, pressure_throttle_ms(br->pressure, j, now));
        }
    }
    struct quota_client c = api__quota_client(p->req);
    request_throttle(p->req,
                     quotas_take(br->quotas, QUOTA_PRODUCE, &c, (double)p->req->body.len, now));
    counter_add(C_produce_throttled, p->req->throttle_ms > 0 ? 1 : 0);
}

static void
reply(struct produce *p)
{
    struct request *req = p->req;
    struct bytes b;
    throttle(p);
    if (p->in.acks == 0) {
        req->is_silent = true;
        req->is_close = p->has_errors; /* the only way to tell a client that does not listen */
        request_finish(req);
        return;
    }
    bytes_init(&b, REPLY_MAX);
    p->resp.throttle_time_ms = req->throttle_ms;
    size_t start = response_begin(&b, p->h);
    enum sl_err rc = produce_response_encode(&p->resp, p->h->api_version, &b);
    if (rc != SL_OK || response_end(&b, start, 0) != SL_OK) {
        bytes_fini(&b);
        api_close(req, "the answer is too large");
        return;
    }
    api_reply_bytes(req, &b);
}

/* A journal whose queue is full says SL_EAGAIN: wait, and do not look for another leader. */
static int16_t
error_of(enum sl_err rc)
{
    return rc == SL_EAGAIN ? (int16_t)KAFKA_NOT_ENOUGH_REPLICAS : api__topic_error(rc);
}

static void
refuse(struct produce *p, struct produce_response_partition *resp, enum sl_err rc, const char *why)
{
    resp->error_code = error_of(rc);
    resp->base_offset = -1;
    resp->error_message = span_cstr(why != NULL ? why : sl_err_text(rc));
    p->has_errors = true;
    counter_add(C_api_errors, 1);
}

/* ... and it comes again: what its producer sent behind it lacks a predecessor meanwhile. */
static void
refuse_for_now(struct produce *p, struct produce_response_partition *resp, uint32_t journal,
               enum sl_err rc)
{
    refuse(p, resp, rc, rc == SL_EAGAIN ? "the store does not keep up; nothing was written" : NULL);
    pressure_note_gap(p->req->broker->pressure, journal, sched_now(p->req->loop));
}

/* --- committed: back on the connection's loop --- */

static void
fail_response(struct produce *p, const struct produce_part *part)
{
    uint32_t journal = (uint32_t)(part->group - p->groups);
    enum sl_err rc = part->append.rc;
    if (rc == SL_EUNKNOWN_PARTITION && p->h->api_version >= 13) {
        refuse(p, part->resp, SL_EUNKNOWN_TOPIC_ID, NULL); /* the topic was deleted meanwhile */
    } else if (rc == SL_EOUT_OF_ORDER_SEQ &&
               pressure_has_gap(p->req->broker->pressure, journal, sched_now(p->req->loop))) {
        refuse(p, part->resp, SL_EAGAIN,
               "a batch before this one was refused; send it again first");
    } else if (kafka_error_is_retriable(error_of(rc))) {
        refuse_for_now(p, part->resp, journal, rc);
    } else {
        refuse(p, part->resp, rc, NULL);
    }
}

static void
fill_response(struct produce *p, const struct produce_part *part)
{
    const struct append *a = &part->append;
    struct produce_response_partition *resp = part->resp;
    if (a->rc != SL_OK) {
        fail_response(p, part);
        return;
    }
    resp->base_offset = a->base_offset;
    resp->log_append_time_ms = a->log_append_time_ms;
    resp->log_start_offset = a->log_start;
}

static void
group_back(struct sched_task *task)
{
    struct produce_group *g = SL_CONTAINER_OF(task, struct produce_group, task);
    struct produce *p = g->produce;
    pressure_end(p->req->broker->pressure, (uint32_t)(g - p->groups), &g->wait,
                 sched_now(p->req->loop));
    for (const struct produce_part *part = g->first; part != NULL; part = part->next) {
        fill_response(p, part);
    }
    if (--p->pending == 0) {
        reply(p);
    }
}

/* [the shard's loop] */
static void
append_done(struct append *a)
{
    struct produce_group *g = ((struct produce_part *)a->arg)->group;
    g->wait.is_progress = g->wait.is_progress || a->rc == SL_OK;
    if (--g->pending == 0) {
        g->task.run = group_back;
        sched_post(g->produce->req->loop, &g->task);
    }
}

/* --- enqueued --- */

/* [the shard's loop] */
static void
group_run(struct sched_task *task)
{
    struct produce_group *g = SL_CONTAINER_OF(task, struct produce_group, task);
    for (struct produce_part *part = g->first; part != NULL; part = part->next) {
        append_submit(g->shard, &part->append);
    }
}

static void
enqueue(struct produce *p)
{
    const struct broker *br = p->req->broker;
    int64_t now = sched_now(p->req->loop);
    p->pending = 1;
    for (uint32_t j = 0; j < br->shard_count; j++) {
        struct produce_group *g = &p->groups[j];
        if (g->pending == 0) {
            continue;
        }
        p->pending++;
        g->wait.begun_ns = now;
        pressure_begin(br->pressure, j, g->wait.bytes, now);
        g->task.run = group_run;
        sched_post(shard_sched(g->shard), &g->task);
    }
    if (--p->pending == 0) {
        reply(p);
    }
}

/* --- parsed, authorized, shaped --- */

static void
add_to_group(struct produce *p, struct produce_part *part, struct shard *sh, uint32_t journal)
{
    struct produce_group *g = &p->groups[journal];
    if (g->pending++ == 0) {
        g->produce = p;
        g->shard = sh;
        g->last = &g->first;
        g->wait.bytes = GROUP_OVERHEAD;
    }
    g->wait.bytes += (int64_t)part->append.batch.len;
    part->group = g;
    *g->last = part;
    g->last = &part->next;
}

static bool
is_admitted(struct produce *p, uint32_t journal)
{
    struct produce_group *g = &p->groups[journal];
    if (!g->is_judged) {
        g->is_judged = true;
        g->is_refused =
            !pressure_admits(p->req->broker->pressure, journal, sched_now(p->req->loop));
    }
    return !g->is_refused;
}

static enum sl_err
check_part(struct produce *p, const struct topic *t, const struct produce_request_partition *in,
           struct produce_part *part, const char **ret_why)
{
    const struct batch_limits limits = {.max_batch_bytes = (uint32_t)t->options.max_message_bytes,
                                        .is_zstd_allowed = p->h->api_version >= 7};
    if (in->index < 0 || in->index >= t->partition_count) {
        return SL_EUNKNOWN_PARTITION;
    }
    struct batch_info *info = &part->append.info;
    enum sl_err rc = batch_check(in->records, &limits, info, ret_why);
    return rc == SL_OK ? api__judge_records(p->req, t, in, info, part->resp, ret_why) : rc;
}

static void
prepare_part(struct produce *p, const struct topic *t, const struct produce_request_partition *in,
             struct produce_part *part)
{
    struct append *a = &part->append;
    const char *why = NULL;
    enum sl_err rc = check_part(p, t, in, part, &why);
    if (rc != SL_OK) {
        refuse(p, part->resp, rc, why);
        return;
    }
    struct shard *sh = broker_shard(p->req->broker, t, in->index);
    if (sh == NULL) {
        refuse_for_now(p, part->resp, t->journals[in->index], SL_ENOT_OPEN);
        return;
    }
    if (!is_admitted(p, t->journals[in->index])) {
        counter_add(C_produce_overload, 1);
        refuse_for_now(p, part->resp, t->journals[in->index], SL_EAGAIN);
        return;
    }
    a->topic_id = t->id;
    a->partition = in->index;
    a->batch = in->records;
    a->deadline_ns = p->deadline_ns;
    a->is_log_append_time = t->options.is_log_append_time;
    a->done = append_done;
    a->arg = part;
    add_to_group(p, part, sh, t->journals[in->index]);
}

/* Gives a reference, or NULL and why. */
static struct topic *
resolve(const struct produce *p, const struct produce_request_topic *in, enum sl_err *ret_rc)
{
    const struct request *req = p->req;
    struct topic *t;
    if (p->h->api_version >= 13) {
        struct uuid id;
        memcpy(id.b, in->topic_id, sizeof(id.b));
        t = directory_find_id(req->broker->topics, &id);
        *ret_rc = SL_EUNKNOWN_TOPIC_ID;
    } else {
        t = directory_find(req->broker->topics, in->name);
        *ret_rc = topic_name_is_valid(in->name) ? SL_EUNKNOWN_PARTITION : SL_EINVALID_TOPIC;
    }
    if (t != NULL && !authorize(req, ACL_WRITE, ACL_TOPIC, t->name)) {
        topic_unref(&t);
        *ret_rc = SL_EDENIED;
    }
    return t;
}

static enum sl_err
check_request(const struct produce *p, const char **ret_why)
{
    if (p->in.acks < -1 || p->in.acks > 1) {
        return SL_EINVALID_ACKS;
    }
    if (p->in.transactional_id.ptr != NULL) {
        *ret_why = "transactions are not supported; remove transactional.id";
        return SL_ENOTSUP;
    }
    return SL_OK;
}

static void
prepare_topic(struct produce *p, const struct produce_request_topic *in,
              struct produce_response_topic *out, struct produce_part **part)
{
    const char *why = NULL;
    enum sl_err rc = check_request(p, &why);
    enum sl_err resolve_rc = SL_OK;
    struct topic *t = resolve(p, in, &resolve_rc);
    out->name = in->name;
    memcpy(out->topic_id, in->topic_id, sizeof(out->topic_id));
    if (rc == SL_OK && t == NULL) {
        rc = resolve_rc;
    }
    for (size_t i = 0; i < in->partition_data.count; i++, (*part)++) {
        struct produce_response_partition *resp = &out->partition_responses.items[i];
        produce_response_partition_init(resp);
        resp->index = in->partition_data.items[i].index;
        (*part)->resp = resp;
        if (rc != SL_OK) {
            refuse(p, resp, rc, why);
        } else {
            prepare_part(p, t, &in->partition_data.items[i], *part);
        }
    }
    topic_unref(&t);
}

static bool
allocate(struct produce *p)
{
    struct arena *arena = &p->req->arena;
    size_t topics = p->in.topic_data.count;
    for (size_t i = 0; i < topics; i++) {
        p->part_count += p->in.topic_data.items[i].partition_data.count;
    }
    p->resp.responses.count = topics;
    p->resp.responses.items = (struct produce_response_topic *)arena_array(
        arena, topics, sizeof(struct produce_response_topic));
    p->groups = (struct produce_group *)arena_array(arena, p->req->broker->shard_count,
                                                    sizeof(struct produce_group));
    p->parts =
        (struct produce_part *)arena_array(arena, p->part_count, sizeof(struct produce_part));
    if (p->resp.responses.items == NULL || p->groups == NULL || p->parts == NULL) {
        return false;
    }
    for (size_t i = 0; i < topics; i++) {
        size_t count = p->in.topic_data.items[i].partition_data.count;
        struct produce_response_topic *out = &p->resp.responses.items[i];
        out->partition_responses.count = count;
        out->partition_responses.items = (struct produce_response_partition *)arena_array(
            arena, count, sizeof(struct produce_response_partition));
        if (out->partition_responses.items == NULL) {
            return false;
        }
    }
    return true;
}

static int64_t
deadline_of(const struct produce *p)
{
    int64_t ms = p->in.timeout_ms;
    ms = ms < TIMEOUT_MIN_MS ? TIMEOUT_MIN_MS : ms;
    ms = ms > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : ms;
    return sched_now(p->req->loop) + ms * SCHED_MS;
}

void
produce_handle(struct request *req, const struct request_header *h)
{
    struct produce *p = (struct produce *)arena_alloc(&req->arena, sizeof(*p));
    if (p == NULL ||
        produce_request_decode(h->body, h->api_version, &req->arena, &p->in) != SL_OK) {
        api_close(req, "the produce request cannot be decoded");
        return;
    }
    p->req = req;
    p->h = h;
    p->deadline_ns = deadline_of(p);
    if (!allocate(p)) {
        api_close(req, "the produce request names too many partitions");
        return;
    }
    struct produce_part *part = p->parts;
    for (size_t i = 0; i < p->in.topic_data.count; i++) {
        prepare_topic(p, &p->in.topic_data.items[i], &p->resp.responses.items[i], &part);
    }
    enqueue(p);
}
