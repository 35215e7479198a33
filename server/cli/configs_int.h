/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: configurations of topics and brokers, as DescribeConfigs gives them. Threads: the
 * main thread. Lifetime: a run's. */
#ifndef SLUICE_CLI_CONFIGS_INT_H
#define SLUICE_CLI_CONFIGS_INT_H

#include "cli/admin_int.h"
#include "wire/messages/describe_configs.h"

#include <jansson.h>

struct cli__configs {
    struct describe_configs_response_config *items; /* ascending by name */
    size_t count;
};

/* wants_all: those at their defaults, too. */
MUST_CHECK bool cli__configs_of_topic(struct cli__admin *a, const char *topic, bool wants_all,
                                      struct cli__configs *ret);
/* "  name = value  (where it was set)" */
void cli__config_line(const struct describe_configs_response_config *c);
json_t *cli__config_json(const struct describe_configs_response_config *c);

#endif
