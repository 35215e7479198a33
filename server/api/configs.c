#include "api/configs_int.h"

/* What applies when the topic says nothing: the broker's configuration where it differs from
 * Kafka's default. */
static struct config_value
fallback(struct request *req, const struct topic_config_row *row,
         const struct topic_options *options)
{
    struct config_value v = {span_cstr(row->dflt), CONFIG_SOURCE_DEFAULT};
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"retention.ms", options->retention_ms},
                   {"retention.bytes", options->retention_bytes},
                   {"segment.bytes", options->segment_bytes},
                   {"max.message.bytes", options->max_message_bytes}};
    struct span actual = v.text;
    if (strcmp(row->name, "message.timestamp.type") == 0) {
        actual = span_cstr(options->is_log_append_time ? "LogAppendTime" : "CreateTime");
    } else if (strcmp(row->name, "cleanup.policy") == 0 && options->is_compacted) {
        actual = span_cstr(options->is_deleted ? "compact,delete" : "compact");
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
                  const struct topic_options *options)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(configs[i].name, row->name) == 0) {
            return (struct config_value){span_cstr(configs[i].value), CONFIG_SOURCE_TOPIC};
        }
    }
    return fallback(req, row, options);
}
