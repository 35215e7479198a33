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

/* cleanup.policy of a topic of this name that does not say. Static. */
const char *api__cleanup_default(const struct request *req, struct span topic);
/* What applies to topics that say nothing; defaults: directory_defaults of the topic's name.
 * Borrows both, and req's arena for texts. */
struct config_value api__topic_default(struct request *req, const struct topic_config_row *row,
                                       const struct topic_options *defaults);
/* The topic's own value, or else the default. */
struct config_value api__topic_config(struct request *req, const struct topic_config_row *row,
                                      const struct topic_config *configs, size_t count,
                                      const struct topic_options *defaults);

#endif
