/* Metadata: look -> refresh -> look again -> create -> look again -> reply.
 *
 * What this broker knows of topics may be old (journal.md R8): before it says "unknown", and before
 * it lists all topics, it reads journal 0 to its tail, once. Names that are missing even then are
 * created, all in one op, when the client and the configuration allow it.
 *
 * The arrays of the reply are on the heap: a request of twenty bytes may ask for every partition of
 * the cluster, which no ceiling derived from the request would hold. */
#include "wire/messages/metadata.h"

#include "api/api_int.h"

#include <limits.h>

enum {
    REPLY_MAX = 128 << 20,
    PARTITIONS_MAX = 2000000,
    CREATE_TIMEOUT_MS = 15000,
    REFRESH_TIMEOUT_MS = 5000,
    TAIL_MAX = 3
};

struct metadata {
    struct request *req;
    const struct request_header *h;
    struct metadata_request in;
    struct metadata_response resp;
    bool is_all;
    bool is_old;           /* the store did not answer: what is missing may exist all the same */
    struct topic **topics; /* of all, or one per item of the request, NULL where there is none */
    size_t count;
    int32_t *created_errors; /* per item of the request; NULL before anything was created */
    struct metadata_response_partition *partitions;
    int32_t self;
    struct topics_refresh refresh;
    struct topic_create create;
    size_t *create_index; /* item of the request that an item of the creation stands for */
};

/* --- look --- */

static bool
item_has_id(const struct metadata_request_topic *in)
{
    static const uint8_t zero[16];
    return memcmp(in->topic_id, zero, sizeof(zero)) != 0;
}

/* Ids are for version 12 and later, and so is leaving the name out. */
static bool
item_is_valid(const struct metadata *m, const struct metadata_request_topic *in)
{
    return m->h->api_version >= 12 ? in->name.ptr != NULL || item_has_id(in)
                                   : in->name.ptr != NULL && !item_has_id(in);
}

static struct topic *
find_item(const struct metadata *m, const struct metadata_request_topic *in)
{
    struct directory *d = m->req->broker->topics;
    if (!item_is_valid(m, in)) {
        return NULL;
    }
    if (item_has_id(in)) {
        struct uuid id;
        memcpy(id.b, in->topic_id, sizeof(id.b));
        return directory_find_id(d, &id);
    }
    return directory_find(d, in->name);
}

/* A topic whose partitions are still being opened is not listed: clients that ask for all topics
 * cache partitions without a leader, and do not ask again. */
static void
leave_out_unopened(struct metadata *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->topics[i]->opened_count > 0) {
            m->topics[kept++] = m->topics[i];
        } else {
            topic_unref(&m->topics[i]);
        }
    }
    m->count = kept;
}

static void
look(struct metadata *m)
{
    if (m->topics != NULL) {
        directory_list_free(&m->topics, m->count);
    }
    if (m->is_all) {
        m->count = directory_list(m->req->broker->topics, &m->topics);
        leave_out_unopened(m);
        return;
    }
    m->count = m->in.topics.count;
    m->topics = (struct topic **)sl_alloc((m->count + 1) * sizeof(struct topic *));
    for (size_t i = 0; i < m->count; i++) {
        m->topics[i] = find_item(m, &m->in.topics.items[i]);
    }
}

/* Would a newer view of the topics change the answer? */
static bool
is_anything_missing(const struct metadata *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->topics[i] == NULL && item_is_valid(m, &m->in.topics.items[i])) {
            return true;
        }
    }
    return m->is_all;
}

/* --- reply --- */

static void
release(struct metadata *m)
{
    if (m->topics != NULL) {
        directory_list_free(&m->topics, m->count);
    }
    sl_free(m->resp.topics.items);
    sl_free(m->partitions);
    sl_free(m->created_errors);
    sl_free(m->create.items);
    sl_free(m->create_index);
}

static void
send(struct metadata *m)
{
    struct request *req = m->req;
    struct bytes b;
    bytes_init(&b, REPLY_MAX);
    m->resp.throttle_time_ms = req->throttle_ms;
    size_t start = response_begin(&b, m->h);
    enum sl_err rc = metadata_response_encode(&m->resp, m->h->api_version, &b);
    if (rc == SL_OK) {
        rc = response_end(&b, start, 0);
    }
    release(m);
    if (rc != SL_OK) {
        bytes_fini(&b);
        api_close(req, "the metadata asked for is too large; ask for fewer topics at once");
        return;
    }
    api_reply_bytes(req, &b);
}

static void
fill_partition(struct metadata *m, const struct topic *t, int32_t index,
               struct metadata_response_partition *p)
{
    bool is_open = index < t->opened_count;
    metadata_response_partition_init(p);
    p->error_code = is_open ? KAFKA_NONE : KAFKA_LEADER_NOT_AVAILABLE;
    p->partition_index = index;
    p->leader_id = is_open ? m->self : -1;
    p->leader_epoch = is_open ? 0 : -1;
    p->replica_nodes.items = p->isr_nodes.items = &m->self;
    p->replica_nodes.count = p->isr_nodes.count = 1;
}

/* Gives where the next topic's partitions go. */
static struct metadata_response_partition *
fill_topic(struct metadata *m, const struct topic *t, struct metadata_response_topic *out,
           struct metadata_response_partition *parts)
{
    out->name = t->name;
    memcpy(out->topic_id, t->id.b, sizeof(out->topic_id));
    out->partitions.items = parts;
    out->partitions.count = (size_t)t->partition_count;
    for (int32_t i = 0; i < t->partition_count; i++) {
        fill_partition(m, t, i, &parts[i]);
    }
    if (m->in.include_topic_authorized_operations) {
        out->topic_authorized_operations = api__operations(m->req, ACL_TOPIC, t->name);
    }
    return parts + t->partition_count;
}

/* Why there is no topic for item i of the request. */
static int16_t
error_of(const struct metadata *m, size_t i)
{
    const struct metadata_request_topic *in = &m->in.topics.items[i];
    if (!item_is_valid(m, in)) {
        return KAFKA_INVALID_REQUEST;
    }
    if (item_has_id(in)) {
        return KAFKA_UNKNOWN_TOPIC_ID;
    }
    if (!authorize(m->req, ACL_DESCRIBE, ACL_TOPIC, in->name)) {
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
    if (!topic_name_is_valid(in->name)) {
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    if (m->is_old) {
        return KAFKA_LEADER_NOT_AVAILABLE;
    }
    if (m->created_errors != NULL && m->created_errors[i] != 0) {
        return (int16_t)m->created_errors[i];
    }
    return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static void
fill_missing(const struct metadata *m, size_t i, struct metadata_response_topic *out)
{
    const struct metadata_request_topic *in = &m->in.topics.items[i];
    out->error_code = error_of(m, i);
    out->name = in->name;
    if (out->error_code != KAFKA_TOPIC_AUTHORIZATION_FAILED) {
        memcpy(out->topic_id, in->topic_id, sizeof(out->topic_id));
    }
}

/* A topic that the client may not describe: left out of a list of all, and otherwise the client
 * learns no more than it asked. */
static void
fill_hidden(const struct metadata *m, size_t i, struct metadata_response_topic *out)
{
    const struct metadata_request_topic *in = &m->in.topics.items[i];
    out->error_code = item_has_id(in) ? (int16_t)KAFKA_UNKNOWN_TOPIC_ID
                                      : (int16_t)KAFKA_TOPIC_AUTHORIZATION_FAILED;
    out->name = in->name;
    if (item_has_id(in)) {
        memcpy(out->topic_id, in->topic_id, sizeof(out->topic_id));
    }
}

static void
fill_topics(struct metadata *m)
{
    struct metadata_response_partition *parts = m->partitions;
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct topic *t = m->topics[i];
        struct metadata_response_topic *out = &m->resp.topics.items[count];
        bool is_hidden = t != NULL && !authorize(m->req, ACL_DESCRIBE, ACL_TOPIC, t->name);
        if (is_hidden && m->is_all) {
            continue;
        }
        metadata_response_topic_init(out);
        if (is_hidden) {
            fill_hidden(m, i, out);
        } else if (t == NULL) {
            fill_missing(m, i, out);
        } else {
            parts = fill_topic(m, t, out, parts);
        }
        count++;
    }
    m->resp.topics.count = count;
}

static void
reply(struct metadata *m)
{
    struct request *req = m->req;
    const struct broker_listener *l = api__listener(req);
    struct metadata_response_broker self = {
        .node_id = m->self, .host = span_cstr(l->host), .port = l->port};
    size_t total = 0;
    for (size_t i = 0; i < m->count; i++) {
        total += m->topics[i] == NULL ? 0 : (size_t)m->topics[i]->partition_count;
    }
    if (total > PARTITIONS_MAX) {
        release(m);
        api_close(req, "the metadata asked for is too large; ask for fewer topics at once");
        return;
    }
    m->partitions =
        (struct metadata_response_partition *)sl_alloc((total + 1) * sizeof(*m->partitions));
    m->resp.topics.items = (struct metadata_response_topic *)sl_alloc(
        (m->count + 1) * sizeof(struct metadata_response_topic));
    fill_topics(m);
    m->resp.brokers.items = &self;
    m->resp.brokers.count = 1;
    m->resp.cluster_id = span_cstr(req->broker->cluster_text);
    m->resp.controller_id = m->self;
    if (m->in.include_cluster_authorized_operations) {
        m->resp.cluster_authorized_operations =
            api__operations(req, ACL_CLUSTER, span_cstr("kafka-cluster"));
    }
    send(m);
}

/* --- create --- */

static void
create_done(struct topic_create *c)
{
    struct metadata *m = (struct metadata *)c->arg;
    for (size_t i = 0; i < c->count; i++) {
        /* It stands, or may come to stand in a moment: the client asks again. */
        m->created_errors[m->create_index[i]] = c->items[i].rc == SL_EINVALID_TOPIC
                                                    ? KAFKA_INVALID_TOPIC_EXCEPTION
                                                    : KAFKA_LEADER_NOT_AVAILABLE;
    }
    look(m);
    reply(m);
}

static bool
may_create(const struct metadata *m, size_t i)
{
    const struct metadata_request_topic *in = &m->in.topics.items[i];
    return m->topics[i] == NULL && item_is_valid(m, in) && !item_has_id(in) &&
           topic_name_is_valid(in->name) && authorize(m->req, ACL_DESCRIBE, ACL_TOPIC, in->name) &&
           (authorize(m->req, ACL_CREATE, ACL_CLUSTER, span_cstr("kafka-cluster")) ||
            authorize(m->req, ACL_CREATE, ACL_TOPIC, in->name));
}

/* False when there is nothing to create. */
static bool
create_missing(struct metadata *m)
{
    struct topic_create *c = &m->create;
    if (m->is_all || !m->in.allow_auto_topic_creation || !m->req->broker->is_auto_create) {
        return false;
    }
    int64_t partitions = 0; /* what is above the limit is created when the client asks again */
    c->items = (struct topic_create_item *)sl_alloc((m->count + 1) * sizeof(c->items[0]));
    m->create_index = (size_t *)sl_alloc((m->count + 1) * sizeof(size_t));
    m->created_errors = (int32_t *)sl_alloc((m->count + 1) * sizeof(int32_t));
    for (size_t i = 0; i < m->count; i++) {
        if (may_create(m, i) &&
            partitions + m->req->broker->default_partitions <= TOPIC_CREATE_PARTITIONS_MAX) {
            partitions += m->req->broker->default_partitions;
            m->create_index[c->count] = i;
            c->items[c->count++] =
                (struct topic_create_item){.name = m->in.topics.items[i].name,
                                           .partition_count = m->req->broker->default_partitions};
        }
    }
    if (c->count == 0) {
        return false;
    }
    c->deadline_ns = api__deadline(m->req, CREATE_TIMEOUT_MS);
    c->home = m->req->loop;
    c->done = create_done;
    c->arg = m;
    topic_create_submit(m->req->broker->topic_admin, c);
    return true;
}

static void
refreshed(struct topics_refresh *r)
{
    struct metadata *m = (struct metadata *)r->arg;
    look(m);
    m->is_old = r->rc != SL_OK;
    if (m->is_old || !create_missing(m)) {
        reply(m);
    }
}

void
metadata_handle(struct request *req, const struct request_header *h)
{
    struct metadata *m = (struct metadata *)arena_alloc(&req->arena, sizeof(*m));
    if (m == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    /* librdkafka 2.x ends a request for all topics with three bytes too many: it reserves four for
     * the length of the list and fills them in only if there is one. Kafka does not look there. */
    struct span body = h->body;
    if (wire_decode_prefix(h->info->request, h->api_version, &body, &req->arena, &m->in) != SL_OK ||
        body.len > TAIL_MAX) {
        api_close(req, "the request cannot be decoded");
        return;
    }
    m->req = req;
    m->h = h;
    m->self = req->broker->node_id;
    m->is_all = h->api_version == 0 ? m->in.topics.count == 0 : m->in.topics.items == NULL;
    metadata_response_init(&m->resp);
    look(m);
    if (!is_anything_missing(m)) {
        reply(m);
        return;
    }
    m->refresh = (struct topics_refresh){.deadline_ns = api__deadline(req, REFRESH_TIMEOUT_MS),
                                         .home = req->loop,
                                         .done = refreshed,
                                         .arg = m};
    topics_refresh_submit(req->broker->topic_admin, &m->refresh);
}
