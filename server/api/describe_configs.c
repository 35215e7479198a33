/* DescribeConfigs: every row of the topic table with the value that applies and where it comes
 * from, and a few facts about this broker.
 *
 * Most topics have no values of their own; those share one list, so that a request that names every
 * topic costs no more than the names. */
#include "wire/messages/describe_configs.h"

#include "api/configs_int.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, ARENA_MAX = 32 << 20 };

/* Kafka's ConfigType of the reply. */
enum {
    TYPE_BOOLEAN = 1,
    TYPE_STRING = 2,
    TYPE_INT = 3,
    TYPE_LONG = 5,
    TYPE_DOUBLE = 6,
    TYPE_LIST = 7
};

struct describe_configs {
    struct request *req;
    const struct request_header *h;
    struct describe_configs_request in;
    struct describe_configs_response resp;
    struct topics_refresh refresh;
    struct topic_options defaults; /* of the topic at hand */
    /* the list of topics without own values, and the defaults it was made for */
    struct describe_configs_response_resource shared;
    struct topic_options shared_defaults;
};

static int8_t
type_of(enum topic_config_type type)
{
    static const int8_t types[] = {
        [TOPIC_CONFIG_INT] = TYPE_INT,      [TOPIC_CONFIG_LONG] = TYPE_LONG,
        [TOPIC_CONFIG_BOOL] = TYPE_BOOLEAN, [TOPIC_CONFIG_STRING] = TYPE_STRING,
        [TOPIC_CONFIG_LIST] = TYPE_LIST,    [TOPIC_CONFIG_DOUBLE] = TYPE_DOUBLE,
    };
    return types[type];
}

static void
refuse(struct describe_configs_response_resource *out, int16_t code, struct span why)
{
    out->error_code = code;
    out->error_message = why;
    out->configs.items = NULL;
    out->configs.count = 0;
}

static bool
is_asked_for(const struct describe_configs_request_resource *in, const char *name)
{
    if (in->configuration_keys.items == NULL) {
        return true;
    }
    for (size_t i = 0; i < in->configuration_keys.count; i++) {
        if (span_eq(in->configuration_keys.items[i], span_cstr(name))) {
            return true;
        }
    }
    return false;
}

static void
add_synonym(struct describe_configs_response_config *out, const char *name, struct config_value v)
{
    out->synonyms.items[out->synonyms.count++] =
        (struct describe_configs_response_synonym){span_cstr(name), v.text, (int8_t)v.source};
}

/* In the order in which they apply: the topic's own value, the broker's, Kafka's default. False at
 * the arena's ceiling. */
static bool
add_synonyms(struct describe_configs *d, const struct topic_config_row *row,
             const struct config_value *v, struct describe_configs_response_config *out)
{
    const char *broker_name = topic_config_broker_name(row->name);
    struct config_value dflt = api__topic_default(d->req, row, &d->defaults);
    out->synonyms.items = (struct describe_configs_response_synonym *)arena_array(
        &d->req->arena, 3, sizeof(out->synonyms.items[0]));
    if (out->synonyms.items == NULL) {
        return false;
    }
    if (v->source == CONFIG_SOURCE_TOPIC) {
        add_synonym(out, row->name, *v);
    }
    if (broker_name != NULL && dflt.source == CONFIG_SOURCE_BROKER) {
        add_synonym(out, broker_name, dflt);
    }
    if (broker_name != NULL) {
        add_synonym(out, broker_name,
                    (struct config_value){span_cstr(row->dflt), CONFIG_SOURCE_DEFAULT});
    }
    return true;
}

/* --- a topic --- */

static bool
fill_row(struct describe_configs *d, const struct topic *t, const struct topic_config_row *row,
         struct describe_configs_response_config *out)
{
    struct config_value v =
        api__topic_config(d->req, row, t->configs, t->config_count, &d->defaults);
    describe_configs_response_config_init(out);
    out->name = span_cstr(row->name);
    out->value = v.text;
    out->config_source = (int8_t)v.source;
    out->config_type = type_of(row->type);
    if (d->in.include_documentation) {
        out->documentation = span_cstr(row->doc);
    }
    return !d->in.include_synonyms || add_synonyms(d, row, &v, out);
}

static bool
fill_rows(struct describe_configs *d, const struct topic *t,
          const struct describe_configs_request_resource *in,
          struct describe_configs_response_resource *out)
{
    size_t count;
    const struct topic_config_row *rows = topic_config_table(&count);
    struct describe_configs_response_config *list =
        (struct describe_configs_response_config *)arena_array(&d->req->arena, count,
                                                               sizeof(*list));
    if (list == NULL) {
        return false;
    }
    out->configs.items = list;
    out->configs.count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_asked_for(in, rows[i].name)) {
            continue;
        }
        if (!fill_row(d, t, &rows[i], &list[out->configs.count])) {
            return false;
        }
        out->configs.count++;
    }
    return true;
}

static bool
can_share(const struct describe_configs *d, const struct topic *t,
          const struct describe_configs_request_resource *in)
{
    return d->shared.configs.items != NULL && t->config_count == 0 &&
           in->configuration_keys.items == NULL &&
           topic_options_eq(&d->shared_defaults, &d->defaults);
}

static bool
fill_topic(struct describe_configs *d, const struct topic *t,
           const struct describe_configs_request_resource *in,
           struct describe_configs_response_resource *out)
{
    directory_defaults(d->req->broker->topics, (const char *)t->name.ptr, &d->defaults);
    if (can_share(d, t, in)) {
        out->configs.items = d->shared.configs.items;
        out->configs.count = d->shared.configs.count;
        return true;
    }
    if (!fill_rows(d, t, in, out)) {
        return false;
    }
    if (t->config_count == 0 && in->configuration_keys.items == NULL) {
        d->shared = *out;
        d->shared_defaults = d->defaults;
    }
    return true;
}

static bool
describe_topic(struct describe_configs *d, const struct describe_configs_request_resource *in,
               struct describe_configs_response_resource *out)
{
    if (!authorize(d->req, ACL_DESCRIBE_CONFIGS, ACL_TOPIC, in->resource_name)) {
        refuse(out, KAFKA_TOPIC_AUTHORIZATION_FAILED, (struct span){NULL, 0});
        return true;
    }
    if (!topic_name_is_valid(in->resource_name)) {
        refuse(out, KAFKA_INVALID_TOPIC_EXCEPTION, span_cstr("Topic name is invalid."));
        return true;
    }
    struct topic *t = directory_find(d->req->broker->topics, in->resource_name);
    if (t == NULL) {
        refuse(out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, (struct span){NULL, 0});
        return true;
    }
    bool is_done = fill_topic(d, t, in, out);
    topic_unref(&t);
    return is_done;
}

/* --- this broker --- */

struct broker_fact {
    const char *name;
    const char *dflt; /* Kafka's; NULL: there is none */
    int8_t type;
    const char *doc;
    struct span (*value)(struct request *req);
};

static struct span
value_node_id(struct request *req)
{
    return api__text(req, "%d", req->broker->node_id);
}
static struct span
value_auto_create(struct request *req)
{
    return span_cstr(req->broker->is_auto_create ? "true" : "false");
}
static struct span
value_partitions(struct request *req)
{
    return api__text(req, "%d", req->broker->default_partitions);
}
static struct span
value_fetch_max(struct request *req)
{
    return api__text(req, "%d", req->broker->fetch_max_bytes);
}
static struct topic_options
topic_defaults(const struct request *req)
{
    struct topic_options o;
    directory_defaults(req->broker->topics, "", &o);
    return o;
}
static struct span
value_message_max(struct request *req)
{
    return api__text(req, "%d", topic_defaults(req).max_message_bytes);
}
static struct span
value_timestamp_type(struct request *req)
{
    return span_cstr(topic_defaults(req).is_log_append_time ? "LogAppendTime" : "CreateTime");
}
static struct span
value_cleanup_policy(struct request *req)
{
    return span_cstr(api__cleanup_default(req, span_cstr("")));
}
static struct span
value_one(struct request *req)
{
    (void)req;
    return span_cstr("1");
}

static const struct broker_fact facts[] = {
    {"auto.create.topics.enable", "true", TYPE_BOOLEAN,
     "Whether a topic is created when a client asks for one that does not exist.",
     value_auto_create},
    {"broker.id", NULL, TYPE_INT, "The id of this broker.", value_node_id},
    {"default.replication.factor", "1", TYPE_INT,
     "Replicas that are reported for a topic; the object store is what keeps it safe.", value_one},
    {"fetch.max.bytes", "57671680", TYPE_INT, "Most bytes that one fetch returns.",
     value_fetch_max},
    {"log.cleanup.policy", "delete", TYPE_LIST, "cleanup.policy of a topic that does not set it.",
     value_cleanup_policy},
    {"log.message.timestamp.type", "CreateTime", TYPE_STRING,
     "message.timestamp.type of a topic that does not set it.", value_timestamp_type},
    {"message.max.bytes", "1048588", TYPE_INT, "max.message.bytes of a topic that does not set it.",
     value_message_max},
    {"min.insync.replicas", "1", TYPE_INT,
     "Every acknowledged record is in the object store, whatever acks says.", value_one},
    {"node.id", NULL, TYPE_INT, "The id of this broker.", value_node_id},
    {"num.partitions", "1", TYPE_INT, "Partitions of a topic that is created without a number.",
     value_partitions},
};

/* A fact that is as Kafka would have it without configuration is a default, as far as anybody can
 * tell. */
static bool
fill_fact(struct describe_configs *d, const struct broker_fact *f,
          struct describe_configs_response_config *c)
{
    describe_configs_response_config_init(c);
    c->name = span_cstr(f->name);
    c->value = f->value(d->req);
    c->read_only = true;
    bool is_default = f->dflt != NULL && span_eq(c->value, span_cstr(f->dflt));
    c->config_source = is_default ? CONFIG_SOURCE_DEFAULT : CONFIG_SOURCE_BROKER;
    c->config_type = f->type;
    c->documentation = span_cstr(d->in.include_documentation ? f->doc : NULL);
    if (!d->in.include_synonyms) {
        return true;
    }
    c->synonyms.items = (struct describe_configs_response_synonym *)arena_array(
        &d->req->arena, 2, sizeof(c->synonyms.items[0]));
    if (c->synonyms.items == NULL) {
        return false;
    }
    if (!is_default) {
        add_synonym(c, f->name, (struct config_value){c->value, CONFIG_SOURCE_BROKER});
    }
    if (f->dflt != NULL) {
        add_synonym(c, f->name, (struct config_value){span_cstr(f->dflt), CONFIG_SOURCE_DEFAULT});
    }
    return true;
}

static bool
describe_broker(struct describe_configs *d, const struct describe_configs_request_resource *in,
                struct describe_configs_response_resource *out)
{
    struct request *req = d->req;
    size_t most = sizeof(facts) / sizeof(facts[0]);
    if (!authorize(req, ACL_DESCRIBE_CONFIGS, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        refuse(out, KAFKA_CLUSTER_AUTHORIZATION_FAILED, (struct span){NULL, 0});
        return true;
    }
    /* an empty name is the cluster-wide default, of which there is none */
    if (in->resource_name.len > 0 && !span_eq(in->resource_name, value_node_id(req))) {
        refuse(out, KAFKA_INVALID_REQUEST,
               api__text(req, "Unexpected broker id, expected %d or empty string.",
                         req->broker->node_id));
        return true;
    }
    struct describe_configs_response_config *list =
        (struct describe_configs_response_config *)arena_array(&req->arena, most, sizeof(*list));
    if (list == NULL) {
        return false;
    }
    for (size_t i = 0; in->resource_name.len > 0 && i < most; i++) {
        if (!is_asked_for(in, facts[i].name)) {
            continue;
        }
        if (!fill_fact(d, &facts[i], &list[out->configs.count])) {
            return false;
        }
        out->configs.count++;
    }
    out->configs.items = list;
    return true;
}

/* --- the request --- */

/* False at the arena's ceiling. */
static bool
describe(struct describe_configs *d, const struct describe_configs_request_resource *in,
         struct describe_configs_response_resource *out)
{
    out->resource_type = in->resource_type;
    out->resource_name = in->resource_name;
    switch (in->resource_type) {
    case RESOURCE_TOPIC:
        return describe_topic(d, in, out);
    case RESOURCE_BROKER:
        return describe_broker(d, in, out);
    default:
        refuse(out, KAFKA_INVALID_REQUEST, span_cstr("Unsupported resource type."));
        return true;
    }
}

static bool
describe_all(struct describe_configs *d)
{
    size_t count = d->in.resources.count;
    d->resp.results.items = (struct describe_configs_response_resource *)arena_array(
        &d->req->arena, count, sizeof(struct describe_configs_response_resource));
    if (d->resp.results.items == NULL) {
        return false;
    }
    d->resp.results.count = count;
    for (size_t i = 0; i < count; i++) {
        if (!describe(d, &d->in.resources.items[i], &d->resp.results.items[i])) {
            return false;
        }
    }
    return true;
}

static void
reply(struct describe_configs *d)
{
    if (!describe_all(d)) {
        api_close(d->req, "the configurations asked for are too many; ask for fewer at once");
        return;
    }
    api_reply(d->req, d->h, &d->resp);
}

static void
refreshed(struct topics_refresh *r)
{
    reply((struct describe_configs *)r->arg);
}

/* Admin clients do not ask again when a topic is unknown, so it had better be (R8): another broker
 * may have created it a moment ago. */
static bool
is_topic_missing(const struct describe_configs *d)
{
    for (size_t i = 0; i < d->in.resources.count; i++) {
        const struct describe_configs_request_resource *in = &d->in.resources.items[i];
        if (in->resource_type == RESOURCE_TOPIC &&
            api__is_topic_missing(d->req, in->resource_name)) {
            return true;
        }
    }
    return false;
}

void
describe_configs_handle(struct request *req, const struct request_header *h)
{
    struct describe_configs *d = (struct describe_configs *)arena_alloc(&req->arena, sizeof(*d));
    if (d == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &d->in)) {
        return;
    }
    d->req = req;
    d->h = h;
    req->arena.ceiling = ARENA_MAX; /* the answer is far larger than the question */
    if (!is_topic_missing(d)) {
        reply(d);
        return;
    }
    api__refresh_topics(req, &d->refresh, refreshed, d);
}
