#include "api/configs_int.h"

static const char *
policy_of(const struct topic_options *o)
{
    return !o->is_compacted ? "delete" : o->is_deleted ? "compact,delete" : "compact";
}

const char *
api__cleanup_default(const struct request *req, struct span topic)
{
    struct topic_options defaults;
    char name[256];
    span_to_cstr(topic, name, sizeof(name));
    directory_defaults(req->broker->topics, name, &defaults);
    return policy_of(&defaults);
}

/* What applies when the topic says nothing: the broker's configuration where it differs from
 * Kafka's default. */
struct config_value
api__topic_default(struct request *req, const struct topic_config_row *row,
                   const struct topic_options *defaults)
{
    struct config_value v = {span_cstr(row->dflt), CONFIG_SOURCE_DEFAULT};
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"retention.ms", defaults->retention_ms},
                   {"retention.bytes", defaults->retention_bytes},
                   {"segment.bytes", defaults->segment_bytes},
                   {"max.message.bytes", defaults->max_message_bytes}};
    struct span actual = v.text;
    if (strcmp(row->name, "message.timestamp.type") == 0) {
        actual = span_cstr(defaults->is_log_append_time ? "LogAppendTime" : "CreateTime");
    } else if (strcmp(row->name, "cleanup.policy") == 0) {
        actual = span_cstr(policy_of(defaults));
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(row->name, numbers[i].name) == 0) {
            actual = api__text(req, "%lld", (long long)numbers[i].value);
        }
    }
    if (!span_eq(actual, v.text)) {
        v = (struct config_value){actual, CONFIG_SOURCE_BROKER};
    }
    return v;
}

struct config_value
api__topic_config(struct request *req, const struct topic_config_row *row,
                  const struct topic_config *configs, size_t count,
                  const struct topic_options *defaults)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(configs[i].name, row->name) == 0) {
            return (struct config_value){span_cstr(configs[i].value), CONFIG_SOURCE_TOPIC};
        }
    }
    return api__topic_default(req, row, defaults);
}
