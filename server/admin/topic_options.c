#include "admin/topic_options.h"

#include <stdlib.h>

/* The rows that the hot path looks at; the whole of Kafka's table comes with DescribeConfigs. */
void
topic_options_of(const struct topic_config *configs, size_t count,
                 const struct topic_options *defaults, struct topic_options *ret)
{
    *ret = *defaults;
    for (size_t i = 0; i < count; i++) {
        const char *name = configs[i].name;
        const char *value = configs[i].value;
        if (strcmp(name, "max.message.bytes") == 0) {
            ret->max_message_bytes = (int32_t)strtol(value, NULL, 10);
        } else if (strcmp(name, "message.timestamp.type") == 0) {
            ret->is_log_append_time = strcmp(value, "LogAppendTime") == 0;
        } else if (strcmp(name, "cleanup.policy") == 0) {
            ret->is_compacted = strstr(value, "compact") != NULL;
        }
    }
}
