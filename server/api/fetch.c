/* Fetch: read -> (enough? reply : wait -> read ...).
 *
 * The request fans out by message to the shards that hold its partitions and joins on its
 * connection's loop. When less than min_bytes is there and the time is not over, each shard is told
 * to wake us; a commit or the deadline leads to a new read. Every wait is ended by a read, whose
 * message cancels it on the shard's loop: since messages of one loop arrive in order, no wake-up
 * can come after that read's answer, and the request may be freed.
 *
 * Who gets the bytes if there are more than the limits allow is for the order in the request to
 * say: clients rotate it for fairness. Shards read at the same time, so the race may give them to
 * the wrong one. Then, and only then, the shards are asked how much each partition has, the bytes
 * are allotted in the request's order, and a second read takes what is allotted.
 *
 * Sessions (KIP-227) are not kept: session id 0 is answered and every partition is in every reply.
 */
#include "wire/messages/fetch.h"

#include "api/api_int.h"
#include "base/counters.h"
#include "base/map.h"

enum {
    REPLY_MAX = 64 << 20,
    WAIT_MAX_MS = 300000,
    TAIL_MIN_MS = 1000,
    POOL_FLOOR_BYTES = 64 << 10
};

struct fetch_part {
    struct part_read read;
    struct part_waiter waiter;
    struct fetch_response_partition *resp;
    struct fetch_group *group;
    struct fetch_part *next; /* in its group */
    int64_t max_bytes;
    size_t has_bytes, allotted;          /* when the order decides */
    bool is_squeezed, is_allotted_whole; /* read with less than its own limit; may exceed it */
    enum sl_err rc;                      /* refused before it was read */
};

struct fetch_group {
    struct fetch *fetch;
    struct shard *shard;
    struct fetch_part *first, **last;
    size_t part_count, pending;
    bool is_notified;
    bool is_fresh;          /* [the shard's loop] its tail was seen a moment ago */
    struct sched_task task; /* read, and the way back */
    struct sched_task wait; /* may still be on its way when another group wakes the fetch */
    struct sched_task wake;
};

struct fetch {
    struct request *req;
    const struct request_header *h;
    struct fetch_request in;
    struct fetch_response resp;
    struct fetch_part *parts;
    size_t part_count;
    struct fetch_group *groups; /* one per shard, most of them empty */
    size_t pending;             /* groups */
    _Atomic int64_t budget;     /* bytes that may still be read */
    int64_t budget_start;
    int64_t most_bytes; /* what the request asks for at most */
    int64_t reserved;   /* taken from the broker's pool */
    int64_t deadline_ns, tail_deadline_ns;
    struct sched_timer timer;
    bool is_waiting, is_last_read, has_waited;
    bool is_allotted; /* the order of the request decides */
};

static void read_all(struct fetch *f);
static void send_all(struct fetch *f, void (*run)(struct sched_task *task));

/* --- memory --- */

/* What a fetch gathers is charged to the broker's pool until it is a reply, which net/ charges.
 * When the pool is used up a fetch goes on with little instead of waiting: its client asks again.
 */
static void
pool_take(struct fetch *f)
{
    struct broker *br = f->req->broker;
    int64_t left = atomic_fetch_sub(&br->fetch_pool, f->most_bytes) - f->most_bytes;
    f->reserved = f->most_bytes;
    if (left < 0) {
        int64_t back = -left < f->most_bytes ? -left : f->most_bytes;
        atomic_fetch_add(&br->fetch_pool, back);
        f->reserved -= back;
    }
    f->budget_start = f->reserved > POOL_FLOOR_BYTES ? f->reserved : POOL_FLOOR_BYTES;
    f->budget_start = f->budget_start < f->most_bytes ? f->budget_start : f->most_bytes;
}

static void
pool_give(struct fetch *f)
{
    atomic_fetch_add(&f->req->broker->fetch_pool, f->reserved);
    f->reserved = 0;
}

/* --- reply --- */

static void
add_records(struct request *req, struct fetch_part *part)
{
    for (size_t i = 0; i < part->read.piece_count; i++) {
        struct read_piece *piece = &part->read.pieces[i];
        out_add(&req->out, piece->bytes, &piece->owner);
    }
}

/* Puts the encoded pieces and the record bytes between them together. */
static void
assemble(struct fetch *f, struct buf *meta, const struct fetch_splices *splices)
{
    size_t at = 0;
    for (size_t i = 0; i < splices->count; i++) {
        const struct fetch_splice *sp = &splices->items[i];
        struct buf *owner = buf_ref(meta);
        out_add(&f->req->out, span_of(meta->data + at, sp->at - at), &owner);
        add_records(f->req, (struct fetch_part *)sp->partition->user);
        at = sp->at;
    }
    struct buf *owner = buf_ref(meta);
    out_add(&f->req->out, span_of(meta->data + at, meta->len - at), &owner);
}

static void
release(struct fetch *f)
{
    for (size_t i = 0; i < f->part_count; i++) {
        if (f->parts[i].group != NULL) {
            part_read_fini(&f->parts[i].read);
        }
    }
    pool_give(f);
}

/* Counts what is sent against the client's quota. */
static void
charge(struct fetch *f)
{
    struct request *req = f->req;
    struct quota_client c = api__quota_client(req);
    size_t bytes = 0;
    if (!quotas_are_set(req->broker->quotas)) {
        return;
    }
    for (size_t i = 0; i < f->part_count; i++) {
        bytes += f->parts[i].group == NULL ? 0 : f->parts[i].read.total_bytes;
    }
    if (bytes > 0) {
        request_throttle(req, quotas_take(req->broker->quotas, QUOTA_FETCH, &c, (double)bytes,
                                          sched_now(req->loop)));
    }
}

static void
reply(struct fetch *f)
{
    struct request *req = f->req;
    struct bytes b;
    struct fetch_splices splices = {0};
    sched_timer_stop(req->loop, &f->timer);
    bytes_init(&b, REPLY_MAX);
    charge(f);
    f->resp.throttle_time_ms = req->throttle_ms;
    size_t start = response_begin(&b, f->h);
    enum sl_err rc = fetch_response_encode(&f->resp, f->h->api_version, &b, &req->arena, &splices);
    if (rc == SL_OK) {
        rc = response_end(&b, start, splices.records_bytes);
    }
    if (rc != SL_OK) {
        release(f);
        bytes_fini(&b);
        api_close(req, "the fetch names too many partitions");
        return;
    }
    struct buf *meta = buf_copy(bytes_span(&b));
    bytes_fini(&b);
    counter_add(C_fetch_bytes, (int64_t)splices.records_bytes);
    assemble(f, meta, &splices);
    buf_unref(&meta);
    release(f);
    request_finish(req);
}

/* Any broker serves any partition, so NOT_LEADER_OR_FOLLOWER would send a consumer in circles: what
 * passes by itself is "not available yet". */
static int16_t
error_of(enum sl_err rc)
{
    int16_t code = api__topic_error(rc);
    return code == KAFKA_NOT_LEADER_OR_FOLLOWER ? KAFKA_OFFSET_NOT_AVAILABLE : code;
}

static void
fill_part(struct fetch *f, struct fetch_part *part)
{
    struct fetch_response_partition *resp = part->resp;
    const struct part_read *r = &part->read;
    enum sl_err rc = part->group == NULL ? part->rc : r->rc;
    if (part->group != NULL && rc == SL_EUNKNOWN_PARTITION && f->h->api_version >= 13) {
        rc = SL_EUNKNOWN_TOPIC_ID; /* the topic was deleted meanwhile */
    }
    resp->error_code = error_of(rc);
    resp->high_watermark = part->group == NULL ? -1 : r->high_watermark;
    resp->last_stable_offset = resp->high_watermark;
    resp->log_start_offset = part->group == NULL ? -1 : r->log_start;
    resp->records = span_of("", part->group == NULL ? 0 : r->total_bytes);
    resp->user = part;
    /* KIP-98: null when nothing was asked about transactions, else empty: there are none. */
    resp->aborted_transactions.items = f->in.isolation_level == 0 ? NULL : (void *)(uintptr_t) "";
    resp->aborted_transactions.count = 0;
}

/* --- wait --- */

static void
woken(struct fetch *f)
{
    if (f->is_waiting) {
        f->is_waiting = false;
        sched_timer_stop(f->req->loop, &f->timer);
        read_all(f);
    }
}

static void
wake_home(struct sched_task *task)
{
    woken(SL_CONTAINER_OF(task, struct fetch_group, wake)->fetch);
}

static void
timer_fire(struct sched_timer *t)
{
    struct fetch *f = SL_CONTAINER_OF(t, struct fetch, timer);
    f->is_last_read = true;
    woken(f);
}

/* [the shard's loop] */
static void
notify(struct fetch_group *g)
{
    if (!g->is_notified) {
        g->is_notified = true;
        g->wake.run = wake_home;
        sched_post(g->fetch->req->loop, &g->wake);
    }
}

/* [the shard's loop] */
static void
waiter_wake(struct part_waiter *w)
{
    notify(((struct fetch_part *)w->arg)->group);
}

/* [the shard's loop] */
static void
group_wait(struct sched_task *task)
{
    struct fetch_group *g = SL_CONTAINER_OF(task, struct fetch_group, wait);
    g->is_notified = false;
    for (struct fetch_part *part = g->first; part != NULL; part = part->next) {
        part->waiter.offset = part->read.high_watermark; /* more than was there */
        part->waiter.wake = waiter_wake;
        part->waiter.arg = part;
        if (atomic_load(&g->fetch->req->broker->is_stopping) ||
            !part_wait(g->shard, &part->read.topic_id, part->read.partition, &part->waiter)) {
            notify(g);
        }
    }
}

static void
wait_all(struct fetch *f)
{
    const struct broker *br = f->req->broker;
    counter_add(C_fetch_waits, f->has_waited ? 0 : 1);
    f->is_waiting = true;
    f->has_waited = true;
    f->timer.fire = timer_fire;
    sched_timer_at(f->req->loop, &f->timer, f->deadline_ns);
    for (uint32_t j = 0; j < br->shard_count; j++) {
        struct fetch_group *g = &f->groups[j];
        if (g->part_count > 0) {
            g->wait.run = group_wait;
            sched_post(shard_sched(g->shard), &g->wait);
        }
    }
}

/* --- read --- */

/* Did a partition go short while a later one got something? */
static bool
is_order_broken(const struct fetch *f)
{
    bool is_short = false;
    for (size_t i = 0; i < f->part_count; i++) {
        const struct fetch_part *part = &f->parts[i];
        if (part->group == NULL || part->read.rc != SL_OK) {
            continue;
        }
        if (is_short && part->read.total_bytes > 0) {
            return true;
        }
        is_short = is_short || (part->is_squeezed && part->read.high_watermark > part->read.offset);
    }
    return false;
}

static void
allot(struct fetch *f)
{
    int64_t left = f->budget_start;
    bool is_first = true;
    for (size_t i = 0; i < f->part_count; i++) {
        struct fetch_part *part = &f->parts[i];
        size_t most = left > 0 ? (size_t)left : 0;
        part->is_allotted_whole = is_first && part->has_bytes > 0;
        part->allotted = part->has_bytes < most ? part->has_bytes : most;
        left -= (int64_t)(part->is_allotted_whole ? part->has_bytes : part->allotted);
        is_first = is_first && part->has_bytes == 0;
    }
    f->is_allotted = true;
    read_all(f);
}

static void
group_sized(struct sched_task *task)
{
    struct fetch *f = SL_CONTAINER_OF(task, struct fetch_group, task)->fetch;
    if (--f->pending == 0) {
        allot(f);
    }
}

/* [the shard's loop] */
static void
group_size(struct sched_task *task)
{
    struct fetch_group *g = SL_CONTAINER_OF(task, struct fetch_group, task);
    for (struct fetch_part *part = g->first; part != NULL; part = part->next) {
        int64_t most =
            part->max_bytes < g->fetch->budget_start ? part->max_bytes : g->fetch->budget_start;
        part->has_bytes = part_read_size(g->shard, &part->read, (size_t)(most > 0 ? most : 0));
    }
    g->task.run = group_sized;
    sched_post(g->fetch->req->loop, &g->task);
}

/* Everything was read. Reply, or sleep until there is more? */
static void
decide(struct fetch *f)
{
    if (!f->is_allotted && is_order_broken(f)) {
        release(f);
        send_all(f, group_size);
        return;
    }
    int64_t total = 0;
    bool has_error = false;
    for (size_t i = 0; i < f->part_count; i++) {
        fill_part(f, &f->parts[i]);
        has_error = has_error || f->parts[i].resp->error_code != 0;
        total += (int64_t)f->parts[i].resp->records.len;
    }
    bool is_enough = total >= f->in.min_bytes || total >= f->budget_start || has_error ||
                     f->is_last_read || f->is_allotted;
    bool is_over =
        sched_now(f->req->loop) >= f->deadline_ns || atomic_load(&f->req->broker->is_stopping);
    if (is_enough || is_over || f->part_count == 0) {
        reply(f);
        return;
    }
    release(f);
    wait_all(f);
}

static void
group_back(struct sched_task *task)
{
    struct fetch *f = SL_CONTAINER_OF(task, struct fetch_group, task)->fetch;
    if (--f->pending == 0) {
        decide(f);
    }
}

/* [the shard's loop] */
static void
read_done(struct part_read *r)
{
    struct fetch_part *part = (struct fetch_part *)r->arg;
    struct fetch_group *g = part->group;
    atomic_fetch_sub(&g->fetch->budget, (int64_t)r->total_bytes);
    if (--g->pending == 0) {
        g->task.run = group_back;
        sched_post(g->fetch->req->loop, &g->task);
    }
}

static void
read_submit(const struct fetch *f, struct fetch_part *part)
{
    if (part->read.is_at_least_one && part->read.max_bytes == 0) {
        part->read.max_bytes = 1;
    }
    part->read.is_tail_ok = f->has_waited || f->is_allotted || part->group->is_fresh;
    part->read.tail_deadline_ns = f->tail_deadline_ns;
    part->read.gives_way = true;
    part->read.reader = hash_u64((uintptr_t)f->req->conn) | 1;
    part->read.done = read_done;
    part->read.arg = part;
    part_read_submit(part->group->shard, &part->read);
}

/* [the shard's loop] */
static void
read_part(struct fetch *f, struct fetch_part *part)
{
    if (f->is_allotted) {
        part->read.max_bytes = part->allotted;
        part->read.is_at_least_one = part->is_allotted_whole;
        read_submit(f, part);
        return;
    }
    int64_t left = atomic_load(&f->budget);
    int64_t most = part->max_bytes < left ? part->max_bytes : left;
    part->is_squeezed = left < part->max_bytes;
    part->read.max_bytes = most > 0 ? (size_t)most : 0;
    part->read.is_at_least_one = left == f->budget_start;
    read_submit(f, part);
}

/* [the shard's loop] */
static void
group_read(struct sched_task *task)
{
    struct fetch_group *g = SL_CONTAINER_OF(task, struct fetch_group, task);
    struct fetch *f = g->fetch;
    struct fetch_part *next;
    g->pending = g->part_count + 1;                          /* reads may end at once */
    g->is_fresh = journal_is_fresh(shard_journal(g->shard)); /* asked once, not for each of many */
    for (struct fetch_part *part = g->first; part != NULL; part = next) {
        next = part->next;
        if (f->has_waited) {
            part_wait_cancel(g->shard, &part->waiter);
        }
        read_part(f, part);
    }
    if (--g->pending == 0) {
        g->task.run = group_back;
        sched_post(f->req->loop, &g->task);
    }
}

/* A message to each shard that has some of the partitions; pending counts the answers. */
static void
send_all(struct fetch *f, void (*run)(struct sched_task *task))
{
    const struct broker *br = f->req->broker;
    f->pending = 0;
    for (uint32_t j = 0; j < br->shard_count; j++) {
        f->pending += f->groups[j].part_count > 0 ? 1 : 0;
    }
    for (uint32_t j = 0; j < br->shard_count; j++) {
        struct fetch_group *g = &f->groups[j];
        if (g->part_count > 0) {
            g->task.run = run;
            sched_post(shard_sched(g->shard), &g->task);
        }
    }
}

static void
read_all(struct fetch *f)
{
    pool_take(f);
    atomic_store(&f->budget, f->budget_start);
    send_all(f, group_read);
    if (f->pending == 0) { /* no partition to read */
        decide(f);
    }
}

/* --- parse --- */

static void
add_to_group(struct fetch *f, struct fetch_part *part, struct shard *sh, uint32_t journal)
{
    struct fetch_group *g = &f->groups[journal];
    if (g->part_count++ == 0) {
        g->fetch = f;
        g->shard = sh;
        g->last = &g->first;
    }
    list_init(&part->waiter.node);
    part->group = g;
    *g->last = part;
    g->last = &part->next;
}

static enum sl_err
check_epoch(const struct fetch_request_partition *in)
{
    if (in->current_leader_epoch > 0) {
        return SL_EUNKNOWN_LEADER_EPOCH;
    }
    return SL_OK;
}

static void
prepare_part(struct fetch *f, const struct topic *t, const struct fetch_request_partition *in,
             struct fetch_part *part)
{
    part->rc = in->partition < 0 || in->partition >= t->partition_count ? SL_EUNKNOWN_PARTITION
                                                                        : check_epoch(in);
    if (part->rc != SL_OK) {
        return;
    }
    struct shard *sh = broker_shard(f->req->broker, t, in->partition);
    if (sh == NULL) {
        part->rc = SL_ENOT_OPEN;
        return;
    }
    part->read.topic_id = t->id;
    part->read.partition = in->partition;
    part->read.offset = in->fetch_offset;
    part->max_bytes = in->partition_max_bytes < 0 ? 0 : in->partition_max_bytes;
    add_to_group(f, part, sh, t->journals[in->partition]);
}

static struct topic *
resolve(const struct fetch *f, const struct fetch_request_topic *in, enum sl_err *ret_rc)
{
    const struct request *req = f->req;
    struct topic *t;
    if (f->h->api_version >= 13) {
        struct uuid id;
        memcpy(id.b, in->topic_id, sizeof(id.b));
        t = directory_find_id(req->broker->topics, &id);
        *ret_rc = SL_EUNKNOWN_TOPIC_ID;
    } else {
        t = directory_find(req->broker->topics, in->topic);
        *ret_rc = SL_EUNKNOWN_PARTITION;
    }
    if (t != NULL && !authorize(req, ACL_READ, ACL_TOPIC, t->name)) {
        topic_unref(&t);
        *ret_rc = SL_EDENIED;
    }
    return t;
}

static void
prepare_topic(struct fetch *f, const struct fetch_request_topic *in,
              struct fetch_response_topic *out, struct fetch_part **part)
{
    enum sl_err rc = SL_OK;
    struct topic *t = resolve(f, in, &rc);
    struct fetch_response_partition blank;
    fetch_response_partition_init(&blank);
    out->topic = in->topic;
    memcpy(out->topic_id, in->topic_id, sizeof(out->topic_id));
    for (size_t i = 0; i < in->partitions.count; i++, (*part)++) {
        struct fetch_response_partition *resp = &out->partitions.items[i];
        *resp = blank;
        resp->partition_index = in->partitions.items[i].partition;
        (*part)->resp = resp;
        (*part)->rc = rc;
        if (t != NULL) {
            prepare_part(f, t, &in->partitions.items[i], *part);
        }
    }
    topic_unref(&t);
}

static bool
allocate(struct fetch *f)
{
    struct arena *arena = &f->req->arena;
    size_t topics = f->in.topics.count;
    for (size_t i = 0; i < topics; i++) {
        f->part_count += f->in.topics.items[i].partitions.count;
    }
    f->resp.responses.count = topics;
    f->resp.responses.items = (struct fetch_response_topic *)arena_array(
        arena, topics, sizeof(struct fetch_response_topic));
    f->groups = (struct fetch_group *)arena_array(arena, f->req->broker->shard_count,
                                                  sizeof(struct fetch_group));
    f->parts = (struct fetch_part *)arena_array(arena, f->part_count, sizeof(struct fetch_part));
    if (f->resp.responses.items == NULL || f->groups == NULL || f->parts == NULL) {
        return false;
    }
    for (size_t i = 0; i < topics; i++) {
        size_t count = f->in.topics.items[i].partitions.count;
        struct fetch_response_topic *out = &f->resp.responses.items[i];
        out->partitions.count = count;
        out->partitions.items = (struct fetch_response_partition *)arena_array(
            arena, count, sizeof(struct fetch_response_partition));
        if (out->partitions.items == NULL) {
            return false;
        }
    }
    return true;
}

/* Who owes bytes from before gets nothing, and is told how long (KIP-219); clients know an answer
 * without any partition for what it is. True when that is so. */
static bool
is_in_debt(struct fetch *f)
{
    struct request *req = f->req;
    if (!quotas_are_set(req->broker->quotas)) {
        return false;
    }
    struct quota_client c = api__quota_client(req);
    int64_t ms = quotas_take(req->broker->quotas, QUOTA_FETCH, &c, 0, sched_now(req->loop));
    request_throttle(req, ms);
    return ms > 0;
}

static void
set_limits(struct fetch *f)
{
    struct quota_client c = api__quota_client(f->req);
    double quota = quotas_most(f->req->broker->quotas, QUOTA_FETCH, &c);
    int64_t most = f->req->broker->fetch_max_bytes;
    int64_t asked = 0;
    int64_t wait_ms = f->in.max_wait_ms < 0 ? 0 : f->in.max_wait_ms;
    wait_ms = wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
    for (size_t i = 0; i < f->part_count; i++) {
        asked += f->parts[i].max_bytes;
    }
    most = f->in.max_bytes < most ? f->in.max_bytes : most;
    most = asked < most ? asked : most;
    most = quota < (double)most ? (int64_t)quota : most;
    f->most_bytes = most < 1 ? 1 : most;
    if (f->in.min_bytes > f->most_bytes) {
        f->in.min_bytes = (int32_t)f->most_bytes;
    }
    int64_t now = sched_now(f->req->loop);
    f->deadline_ns = now + wait_ms * SCHED_MS;
    f->tail_deadline_ns = now + (wait_ms > TAIL_MIN_MS ? wait_ms : TAIL_MIN_MS) * SCHED_MS;
}

void
fetch_handle(struct request *req, const struct request_header *h)
{
    struct fetch *f = (struct fetch *)arena_alloc(&req->arena, sizeof(*f));
    if (f == NULL || fetch_request_decode(h->body, h->api_version, &req->arena, &f->in) != SL_OK) {
        api_close(req, "the fetch request cannot be decoded");
        return;
    }
    f->req = req;
    f->h = h;
    if (f->in.session_id != 0 && f->in.session_epoch > 0) {
        f->resp.error_code = kafka_error_of(SL_EFETCH_SESSION);
        reply(f);
        return;
    }
    if (is_in_debt(f)) {
        reply(f);
        return;
    }
    if (!allocate(f)) {
        api_close(req, "the fetch request names too many partitions");
        return;
    }
    struct fetch_part *part = f->parts;
    for (size_t i = 0; i < f->in.topics.count; i++) {
        prepare_topic(f, &f->in.topics.items[i], &f->resp.responses.items[i], &part);
    }
    set_limits(f);
    read_all(f);
}
