/* Private to api/: the effective configuration of a topic, for the replies that show it. */
#ifndef SLUICE_API_CONFIGS_INT_H
#define SLUICE_API_CONFIGS_INT_H

#include "api/api_int.h"

/* Kafka's ConfigSource. */
enum config_source { CONFIG_SOURCE_TOPIC = 1, CONFIG_SOURCE_BROKER = 4, CONFIG_SOURCE_DEFAULT = 5 };

struct config_value {
    struct span text;
    enum config_source source;
};

/* configs: the topic's own values; options: what applies to it, or what would without own values;
 * it holds what the broker's configuration changed. Borrows both, and req's arena for texts. */
struct config_value api__topic_config(struct request *req, const struct topic_config_row *row,
                                      const struct topic_config *configs, size_t count,
                                      const struct topic_options *options);

#endif
