/* CreateTopics: judged item by item, created by one op, answered when the partitions are open.
 *
 * Replicas mean nothing here, the object store is the replica: any factor a client may write is
 * taken, and a manual assignment counts only by its shape (KIP-4). */
#include "wire/messages/create_topics.h"

#include "api/configs_int.h"

enum { ARENA_MAX = 32 << 20 };

struct create_topics {
    struct request *req;
    const struct request_header *h;
    struct create_topics_request in;
    struct create_topics_response resp;
    struct topic_create create;
    struct api_name *keys;
    int64_t partitions; /* of all items so far ... */
    size_t bytes;       /* ... and what they take of the op */
};

/* --- reply --- */

static void
refuse(struct create_topics_response_topic *out, int16_t code, struct span why)
{
    out->error_code = code;
    out->error_message = why;
    out->num_partitions = -1;
    out->replication_factor = -1;
}

static struct create_topics_response_config *
configs_of(struct request *req, const struct topic_create_item *it)
{
    size_t count;
    struct topic_options defaults;
    char name[256];
    const struct topic_config_row *rows = topic_config_table(&count);
    struct create_topics_response_config *list =
        (struct create_topics_response_config *)arena_array(&req->arena, count, sizeof(*list));
    span_to_cstr(it->name, name, sizeof(name));
    directory_defaults(req->broker->topics, name, &defaults);
    for (size_t i = 0; list != NULL && i < count; i++) {
        struct config_value v =
            api__topic_config(req, &rows[i], it->configs, it->config_count, &defaults);
        create_topics_response_config_init(&list[i]);
        list[i].name = span_cstr(rows[i].name);
        list[i].value = v.text;
        list[i].config_source = (int8_t)v.source;
    }
    return list;
}

static void
fill_configs(struct create_topics *c, const struct topic_create_item *it,
             struct create_topics_response_topic *out)
{
    out->configs.items = configs_of(c->req, it);
    if (out->configs.items != NULL) { /* null, which is "not told", at the arena's ceiling */
        (void)topic_config_table(&out->configs.count);
    }
}

static struct span
why_of(struct request *req, const struct topic_create_item *it)
{
    switch (it->rc) {
    case SL_ETOPIC_EXISTS:
        return api__text(req, "Topic '%.*s' already exists.", (int)it->name.len,
                         (const char *)it->name.ptr);
    case SL_EINVALID_TOPIC:
        return api__text(req, "Topic '%.*s' collides with an existing topic in '.' and '_'.",
                         (int)it->name.len, (const char *)it->name.ptr);
    default:
        return span_cstr(sl_err_text(it->rc));
    }
}

static void
fill_item(struct create_topics *c, size_t i)
{
    const struct topic_create_item *it = &c->create.items[i];
    struct create_topics_response_topic *out = &c->resp.topics.items[i];
    if (it->is_skipped) {
        return; /* refused before */
    }
    if (it->rc != SL_OK) {
        refuse(out, kafka_error_of(it->rc), why_of(c->req, it));
        return;
    }
    if (!c->in.validate_only) {
        memcpy(out->topic_id, it->id.b, sizeof(out->topic_id));
    }
    out->num_partitions = it->partition_count;
    out->replication_factor = 1;
    if (c->h->api_version >= 5) {
        fill_configs(c, it, out);
    }
}

static void
created(struct topic_create *create)
{
    struct create_topics *c = (struct create_topics *)create->arg;
    for (size_t i = 0; i < create->count; i++) {
        fill_item(c, i);
    }
    api_reply(c->req, c->h, &c->resp);
}

/* --- judge --- */

/* Indexes dense from 0, as many replicas each, at least one, and no broker twice. */
static bool
assignment_is_dense(const struct create_topics_request_topic *in, uint8_t *seen)
{
    size_t count = in->assignments.count;
    size_t replicas = in->assignments.items[0].broker_ids.count;
    for (size_t i = 0; i < count; i++) {
        const struct create_topics_request_assignment *a = &in->assignments.items[i];
        if (a->partition_index < 0 || (size_t)a->partition_index >= count ||
            seen[a->partition_index] != 0 || a->broker_ids.count != replicas || replicas == 0) {
            return false;
        }
        seen[a->partition_index] = 1;
    }
    return true;
}

static bool
judge_assignment(struct create_topics *c, const struct create_topics_request_topic *in,
                 struct topic_create_item *it, struct create_topics_response_topic *out)
{
    uint8_t *seen = (uint8_t *)arena_alloc(&c->req->arena, in->assignments.count);
    if (in->num_partitions != -1 || in->replication_factor != -1) {
        refuse(out, KAFKA_INVALID_REQUEST,
               span_cstr("A manual partition assignment was specified, but numPartitions or "
                         "replicationFactor was not set to -1."));
        return false;
    }
    if (seen == NULL || !assignment_is_dense(in, seen)) {
        refuse(out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
               span_cstr("Partitions must be numbered from 0 without gaps, and each must name the "
                         "same number of replicas, at least one."));
        return false;
    }
    it->partition_count = (int32_t)in->assignments.count;
    return true;
}

static bool
judge_counts(struct create_topics *c, const struct create_topics_request_topic *in,
             struct topic_create_item *it, struct create_topics_response_topic *out)
{
    it->partition_count =
        in->num_partitions == -1 ? c->req->broker->default_partitions : in->num_partitions;
    if (it->partition_count < 1) {
        refuse(out, KAFKA_INVALID_PARTITIONS,
               span_cstr("Number of partitions was set to an invalid non-positive value."));
        return false;
    }
    if (in->replication_factor == 0 || in->replication_factor < -1) {
        refuse(out, KAFKA_INVALID_REPLICATION_FACTOR,
               span_cstr("Replication factor must be larger than 0, or -1 to use the default "
                         "value."));
        return false;
    }
    return true;
}

/* The last of two values of one name stands, as in Kafka. */
static void
config_put(struct topic_create_item *it, char *name, char *value)
{
    for (size_t i = 0; i < it->config_count; i++) {
        if (strcmp(it->configs[i].name, name) == 0) {
            it->configs[i].value = value;
            return;
        }
    }
    it->configs[it->config_count++] = (struct topic_config){name, value};
}

static bool
judge_configs(struct create_topics *c, const struct create_topics_request_topic *in,
              struct topic_create_item *it, struct create_topics_response_topic *out)
{
    struct request *req = c->req;
    size_t most;
    char why[300];
    (void)topic_config_table(&most);
    it->configs = (struct topic_config *)arena_array(&req->arena, most, sizeof(it->configs[0]));
    for (size_t i = 0; it->configs != NULL && i < in->configs.count; i++) {
        const struct create_topics_request_config *conf = &in->configs.items[i];
        if (topic_config_check(conf->name, conf->value, why, sizeof(why)) != SL_OK) {
            refuse(out, KAFKA_INVALID_CONFIG, api__text(req, "%s", why));
            out->topic_config_error_code = 0;
            return false;
        }
        char *name = api__cstr(req, conf->name);
        char *value = api__cstr(req, topic_config_trim(conf->value));
        if (name == NULL || value == NULL) {
            it->configs = NULL;
            break;
        }
        config_put(it, name, value);
    }
    if (it->configs == NULL) {
        refuse(out, KAFKA_INVALID_REQUEST, span_cstr("The request is too large."));
    }
    return it->configs != NULL;
}

static bool
judge_total(struct create_topics *c, const struct topic_create_item *it,
            struct create_topics_response_topic *out)
{
    if (c->partitions + it->partition_count > TOPIC_CREATE_PARTITIONS_MAX) {
        refuse(out, KAFKA_INVALID_PARTITIONS,
               api__text(c->req, "One request creates at most %d partitions.",
                         TOPIC_CREATE_PARTITIONS_MAX));
        return false;
    }
    size_t bytes = topic_create_item_bytes(it);
    if (c->bytes + bytes > TOPIC_CREATE_BYTES_MAX) {
        refuse(out, KAFKA_INVALID_REQUEST,
               span_cstr("The topics of the request have too long configurations; ask for fewer "
                         "topics at once."));
        return false;
    }
    c->partitions += it->partition_count;
    c->bytes += bytes;
    return true;
}

static bool
is_allowed(const struct request *req, struct span name)
{
    return authorize(req, ACL_CREATE, ACL_CLUSTER, span_cstr("kafka-cluster")) ||
           authorize(req, ACL_CREATE, ACL_TOPIC, name);
}

static bool
judge(struct create_topics *c, const struct create_topics_request_topic *in,
      struct topic_create_item *it, struct create_topics_response_topic *out)
{
    if (out->error_code != 0) {
        return false; /* named twice */
    }
    if (!is_allowed(c->req, in->name)) {
        refuse(out, KAFKA_TOPIC_AUTHORIZATION_FAILED, span_cstr("Authorization failed."));
        return false;
    }
    if (!topic_name_is_valid(in->name)) {
        refuse(out, KAFKA_INVALID_TOPIC_EXCEPTION,
               span_cstr("A topic name has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and "
                         "'-', and is not '.' or '..'."));
        return false;
    }
    bool is_sound =
        in->assignments.count > 0 ? judge_assignment(c, in, it, out) : judge_counts(c, in, it, out);
    return is_sound && (in->configs.count == 0 || judge_configs(c, in, it, out)) &&
           judge_total(c, it, out);
}

static void
refuse_duplicate(void *arg, size_t i)
{
    struct create_topics *c = (struct create_topics *)arg;
    refuse(&c->resp.topics.items[i], KAFKA_INVALID_REQUEST, span_cstr("Duplicate topic name."));
}

/* False when the arena is at its ceiling. */
static bool
allocate(struct create_topics *c)
{
    size_t count = c->in.topics.count;
    c->resp.topics.items = (struct create_topics_response_topic *)arena_array(
        &c->req->arena, count, sizeof(struct create_topics_response_topic));
    c->create.items =
        (struct topic_create_item *)arena_array(&c->req->arena, count, sizeof(c->create.items[0]));
    c->keys = (struct api_name *)arena_array(&c->req->arena, count, sizeof(c->keys[0]));
    if (c->resp.topics.items == NULL || c->create.items == NULL || c->keys == NULL) {
        return false;
    }
    c->resp.topics.count = c->create.count = count;
    for (size_t i = 0; i < count; i++) {
        create_topics_response_topic_init(&c->resp.topics.items[i]);
        c->resp.topics.items[i].name = c->in.topics.items[i].name;
        c->create.items[i].name = c->in.topics.items[i].name;
        c->keys[i].name = c->in.topics.items[i].name;
    }
    return true;
}

static void
submit(struct create_topics *c)
{
    bool has_work = false;
    for (size_t i = 0; i < c->create.count; i++) {
        struct topic_create_item *it = &c->create.items[i];
        it->is_skipped = !judge(c, &c->in.topics.items[i], it, &c->resp.topics.items[i]);
        has_work = has_work || !it->is_skipped;
    }
    if (!has_work) {
        api_reply(c->req, c->h, &c->resp);
        return;
    }
    c->create.is_validate_only = c->in.validate_only;
    c->create.deadline_ns = api__deadline(c->req, c->in.timeout_ms);
    c->create.home = c->req->loop;
    c->create.done = created;
    c->create.arg = c;
    topic_create_submit(c->req->broker->topic_admin, &c->create);
}

void
create_topics_handle(struct request *req, const struct request_header *h)
{
    struct create_topics *c = (struct create_topics *)arena_alloc(&req->arena, sizeof(*c));
    if (c == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &c->in)) {
        return;
    }
    c->req = req;
    c->h = h;
    req->arena.ceiling = ARENA_MAX; /* the answer tells every configuration of every topic */
    if (!allocate(c)) {
        api_close(req, "the request names too many topics");
        return;
    }
    api__refuse_duplicates(c->keys, c->create.count, refuse_duplicate, c);
    submit(c);
}
