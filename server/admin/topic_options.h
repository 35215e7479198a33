/* Topic configuration: the table of Kafka's topic properties, and what the hot path needs of it as
 * plain values.
 *
 * Threads: constants and plain values. */
#ifndef SLUICE_ADMIN_TOPIC_OPTIONS_H
#define SLUICE_ADMIN_TOPIC_OPTIONS_H

#include "base/span.h"
#include "state/state.h"

/* What a produce or fetch looks at. */
struct topic_options {
    int32_t max_message_bytes;
    bool is_log_append_time;
    bool is_compacted, is_deleted; /* cleanup.policy; both may be */
    int64_t retention_ms, retention_bytes, segment_bytes, segment_ms;
    int64_t delete_retention_ms, min_compaction_lag_ms, max_compaction_lag_ms; /* of compacted */
    int64_t dirty_ratio_pm; /* min.cleanable.dirty.ratio, per mille */
    /* a record's own time may lie that far before and after the broker's clock */
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
};

enum topic_config_type {
    TOPIC_CONFIG_INT,
    TOPIC_CONFIG_LONG,
    TOPIC_CONFIG_BOOL,
    TOPIC_CONFIG_STRING,
    TOPIC_CONFIG_LIST,
    TOPIC_CONFIG_DOUBLE
};
enum { TOPIC_CONFIG_VALUE_MAX = 4096 };
struct topic_config_row {
    const char *name;
    enum topic_config_type type;
    const char *dflt;  /* Kafka's, unless the broker's configuration says otherwise */
    int64_t min, max;  /* INT and LONG; DOUBLE in thousandths */
    const char *words; /* STRING and LIST: allowed words separated by '|', NULL = any */
    const char *doc;
};
/* The whole table, sorted by name. */
const struct topic_config_row *topic_config_table(size_t *ret_count);
const struct topic_config_row *topic_config_find(struct span name);
/* "log.retention.ms" for "retention.ms"; NULL when a broker has no such setting. */
const char *topic_config_broker_name(const char *name);
/* Kafka judges a value without the white space around it; it is stored that way, too. */
struct span topic_config_trim(struct span value);
/* SL_EINVALID_CONFIG and *ret_why, a sentence (static or in the caller's buffer of cap bytes). */
MUST_CHECK enum sl_err topic_config_check(struct span name, struct span value, char *why,
                                          size_t cap);

/* defaults, then the topic's own values (which were checked when they were set). */
void topic_options_of(const struct topic_config *configs, size_t count,
                      const struct topic_options *defaults, struct topic_options *ret);
bool topic_options_eq(const struct topic_options *a, const struct topic_options *b);

#endif
