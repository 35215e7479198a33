/* Kafka's topic properties as one table: names, types, defaults and bounds are Kafka's, so that
 * tools that read a configuration back find what they wrote. A property that has no meaning here is
 * accepted and reported, and its text says so; a name that Kafka does not know is refused. */
#include "admin/topic_options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define INT(name, dflt, min, max, doc)                                                             \
    {                                                                                              \
        name, TOPIC_CONFIG_INT, dflt, min, max, NULL, doc                                          \
    }
#define LONG(name, dflt, min, doc)                                                                 \
    {                                                                                              \
        name, TOPIC_CONFIG_LONG, dflt, min, INT64_MAX, NULL, doc                                   \
    }
#define BOOL(name, dflt, doc)                                                                      \
    {                                                                                              \
        name, TOPIC_CONFIG_BOOL, dflt, 0, 0, NULL, doc                                             \
    }
#define WORD(name, dflt, words, doc)                                                               \
    {                                                                                              \
        name, TOPIC_CONFIG_STRING, dflt, 0, 0, words, doc                                          \
    }
#define LIST(name, dflt, words, doc)                                                               \
    {                                                                                              \
        name, TOPIC_CONFIG_LIST, dflt, 0, 0, words, doc                                            \
    }
/* min and max in thousandths */
#define DOUBLE(name, dflt, min, max, doc)                                                          \
    {                                                                                              \
        name, TOPIC_CONFIG_DOUBLE, dflt, min, max, NULL, doc                                       \
    }

static const struct topic_config_row table[] = {
    LIST(
        "cleanup.policy", "delete", "compact|delete",
        "What happens to old records: delete by time and size, or keep the last value of each key. "
        "Compaction is stored and reported; a compacted topic is never deleted from by time or "
        "size."),
    INT("compression.gzip.level", "-1", -1, 9,
        "Level used if compression.type is gzip. Accepted for compatibility."),
    INT("compression.lz4.level", "9", 1, 17,
        "Level used if compression.type is lz4. Accepted for compatibility."),
    WORD("compression.type", "producer", "uncompressed|zstd|lz4|snappy|gzip|producer",
         "Codec of stored batches. Batches are kept as producers sent them."),
    INT("compression.zstd.level", "3", -131072, 22,
        "Level used if compression.type is zstd. Accepted for compatibility."),
    LONG("delete.retention.ms", "86400000", 0,
         "How long delete markers of a compacted topic are kept, in milliseconds."),
    LONG("file.delete.delay.ms", "60000", 0,
         "Delay before a file is removed. Accepted for compatibility; objects go after a grace "
         "period of their own."),
    LONG("flush.messages", "9223372036854775807", 1,
         "Records between two flushes. Accepted for compatibility; every acknowledged record is "
         "durable."),
    LONG("flush.ms", "9223372036854775807", 0,
         "Time between two flushes. Accepted for compatibility; every acknowledged record is "
         "durable."),
    LIST("follower.replication.throttled.replicas", "", NULL,
         "Replicas whose replication is throttled. Accepted for compatibility; there is no "
         "replication between brokers."),
    INT("index.interval.bytes", "4096", 0, INT32_MAX,
        "Bytes of log between two entries of an offset index."),
    LIST("leader.replication.throttled.replicas", "", NULL,
         "Replicas whose replication is throttled. Accepted for compatibility; there is no "
         "replication between brokers."),
    LONG("local.retention.bytes", "-2", -2,
         "Bytes kept locally when remote.storage.enable is set. Accepted for compatibility."),
    LONG("local.retention.ms", "-2", -2,
         "Time kept locally when remote.storage.enable is set. Accepted for compatibility."),
    LONG("max.compaction.lag.ms", "9223372036854775807", 1,
         "Longest time that a record may stay uncompacted, in milliseconds."),
    INT("max.message.bytes", "1048588", 0, INT32_MAX,
        "Largest record batch, as it is sent, that the topic takes, in bytes."),
    LONG("message.timestamp.after.max.ms", "3600000", 0,
         "How far a record's timestamp may lie after the broker's clock, in milliseconds."),
    LONG("message.timestamp.before.max.ms", "9223372036854775807", 0,
         "How far a record's timestamp may lie before the broker's clock, in milliseconds."),
    WORD("message.timestamp.type", "CreateTime", "CreateTime|LogAppendTime",
         "Whether records carry the time at which they were made or at which they were appended."),
    DOUBLE("min.cleanable.dirty.ratio", "0.5", 0, 1000,
           "How much of a log must be uncompacted before it is compacted."),
    LONG("min.compaction.lag.ms", "0", 0,
         "Shortest time that a record stays uncompacted, in milliseconds."),
    INT("min.insync.replicas", "1", 1, INT32_MAX,
        "Replicas that must have a record before acks=all is answered. Accepted for compatibility; "
        "the object store is the replica."),
    BOOL("preallocate", "false",
         "Whether segment files are created at their full size. Accepted for compatibility."),
    BOOL("remote.log.copy.disable", "false",
         "Whether tiering stops copying. Accepted for compatibility."),
    BOOL("remote.log.delete.on.disable", "false",
         "Whether tiered data goes when tiering is switched off. Accepted for compatibility."),
    BOOL("remote.storage.enable", "false",
         "Kafka's tiered storage. Accepted for compatibility; everything is in the object store."),
    LONG("retention.bytes", "-1", INT64_MIN,
         "Bytes that a partition keeps under the delete policy; negative for no limit."),
    LONG("retention.ms", "604800000", -1,
         "Time that a record is kept under the delete policy, in milliseconds; -1 for no limit."),
    INT("segment.bytes", "1073741824", 1048576, INT32_MAX, "Size of a segment in bytes."),
    INT("segment.index.bytes", "10485760", 4, INT32_MAX, "Size of the index of a segment."),
    LONG("segment.jitter.ms", "0", 0,
         "Largest random time subtracted from segment.ms, so that segments do not roll at once."),
    LONG("segment.ms", "604800000", 1,
         "Time after which a segment is closed even if it is not full, in milliseconds."),
    BOOL("unclean.leader.election.enable", "false",
         "Whether a replica that lags may lead. Accepted for compatibility; there are no lagging "
         "replicas."),
};
enum { ROWS = sizeof(table) / sizeof(table[0]) };

/* The broker's name of what applies to topics that say nothing; in the order of the table. */
static const struct {
    const char *topic, *broker;
} broker_names[] = {
    {"cleanup.policy", "log.cleanup.policy"},
    {"compression.gzip.level", "compression.gzip.level"},
    {"compression.lz4.level", "compression.lz4.level"},
    {"compression.type", "compression.type"},
    {"compression.zstd.level", "compression.zstd.level"},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms"},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms"},
    {"flush.messages", "log.flush.interval.messages"},
    {"flush.ms", "log.flush.interval.ms"},
    {"index.interval.bytes", "log.index.interval.bytes"},
    {"local.retention.bytes", "log.local.retention.bytes"},
    {"local.retention.ms", "log.local.retention.ms"},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"},
    {"max.message.bytes", "message.max.bytes"},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms"},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms"},
    {"message.timestamp.type", "log.message.timestamp.type"},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"},
    {"min.insync.replicas", "min.insync.replicas"},
    {"preallocate", "log.preallocate"},
    {"retention.bytes", "log.retention.bytes"},
    {"retention.ms", "log.retention.ms"},
    {"segment.bytes", "log.segment.bytes"},
    {"segment.index.bytes", "log.index.size.max.bytes"},
    {"segment.jitter.ms", "log.roll.jitter.ms"},
    {"segment.ms", "log.roll.ms"},
    {"unclean.leader.election.enable", "unclean.leader.election.enable"},
};

const struct topic_config_row *
topic_config_table(size_t *ret_count)
{
    *ret_count = ROWS;
    return table;
}

const struct topic_config_row *
topic_config_find(struct span name)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (span_eq(span_cstr(table[i].name), name)) {
            return &table[i];
        }
    }
    return NULL;
}

const char *
topic_config_broker_name(const char *name)
{
    for (size_t i = 0; i < sizeof(broker_names) / sizeof(broker_names[0]); i++) {
        if (strcmp(broker_names[i].topic, name) == 0) {
            return broker_names[i].broker;
        }
    }
    return NULL;
}

/* --- check --- */

/* False unless all of the text is one decimal number. Kafka's parser trims, and so does this. */
static bool
parse_i64(const char *text, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || errno != 0) {
        return false;
    }
    while (isspace((unsigned char)*end)) {
        end++;
    }
    *ret = v;
    return *end == '\0';
}

static enum sl_err
check_number(const struct topic_config_row *row, const char *text, char *why, size_t cap)
{
    int64_t v = 0;
    if (!parse_i64(text, &v) ||
        (row->type == TOPIC_CONFIG_INT && (v < INT32_MIN || v > INT32_MAX))) {
        (void)snprintf(why, cap, "Invalid value %s for configuration %s: Not a number of type %s",
                       text, row->name, row->type == TOPIC_CONFIG_INT ? "INT" : "LONG");
        return SL_EINVALID_CONFIG;
    }
    if (v < row->min) {
        (void)snprintf(why, cap,
                       "Invalid value %s for configuration %s: Value must be at least %lld", text,
                       row->name, (long long)row->min);
        return SL_EINVALID_CONFIG;
    }
    if (v > row->max) {
        (void)snprintf(why, cap,
                       "Invalid value %s for configuration %s: Value must be no more than %lld",
                       text, row->name, (long long)row->max);
        return SL_EINVALID_CONFIG;
    }
    return SL_OK;
}

static enum sl_err
check_double(const struct topic_config_row *row, const char *text, char *why, size_t cap)
{
    char *end = NULL;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(v) || v * 1000 < (double)row->min ||
        v * 1000 > (double)row->max) {
        (void)snprintf(why, cap,
                       "Invalid value %s for configuration %s: Must be a number from %g to %g",
                       text, row->name, (double)row->min / 1000, (double)row->max / 1000);
        return SL_EINVALID_CONFIG;
    }
    return SL_OK;
}

static bool
is_word_of(const char *words, struct span word)
{
    for (const char *at = words;;) {
        size_t n = strcspn(at, "|");
        if (span_eq(span_of(at, n), word)) {
            return true;
        }
        if (at[n] == '\0') {
            return false;
        }
        at += n + 1;
    }
}

struct span
topic_config_trim(struct span value)
{
    while (value.len > 0 && isspace(value.ptr[0])) {
        value = span_of(value.ptr + 1, value.len - 1);
    }
    while (value.len > 0 && isspace(value.ptr[value.len - 1])) {
        value.len--;
    }
    return value;
}

/* "a, b" of "a|b". */
static void
list_words(const char *words, char *ret, size_t cap)
{
    size_t len = 0;
    for (const char *at = words; *at != '\0' && len + 3 < cap; at++) {
        if (*at == '|') {
            ret[len++] = ',';
            ret[len++] = ' ';
        } else {
            ret[len++] = *at;
        }
    }
    ret[len] = '\0';
}

static enum sl_err
check_words(const struct topic_config_row *row, const char *text, char *why, size_t cap)
{
    bool is_list = row->type == TOPIC_CONFIG_LIST;
    if (is_list && text[0] == '\0') {
        return SL_OK; /* an empty list (KIP-1161) */
    }
    for (const char *at = text; row->words != NULL;) {
        size_t n = is_list ? strcspn(at, ",") : strlen(at);
        struct span word = topic_config_trim(span_of(at, n));
        if (!is_word_of(row->words, word)) {
            char words[120];
            list_words(row->words, words, sizeof(words));
            (void)snprintf(
                why, cap, "Invalid value %.*s for configuration %s: String must be one of: %s",
                (int)(word.len < 60 ? word.len : 60), (const char *)word.ptr, row->name, words);
            return SL_EINVALID_CONFIG;
        }
        if (at[n] == '\0') {
            break;
        }
        at += n + 1;
    }
    return SL_OK;
}

/* "*", or a list of partition:broker. */
static enum sl_err
check_replicas(const struct topic_config_row *row, const char *text, char *why, size_t cap)
{
    bool is_good = text[0] == '\0' || strcmp(text, "*") == 0;
    for (const char *at = text; !is_good;) {
        size_t a = strspn(at, "0123456789");
        size_t b = a > 0 && at[a] == ':' ? strspn(at + a + 1, "0123456789") : 0;
        if (b == 0) {
            break;
        }
        at += a + 1 + b;
        is_good = *at == '\0';
        if (*at++ != ',') {
            break;
        }
    }
    if (!is_good) {
        (void)snprintf(why, cap,
                       "Invalid value for configuration %s: must be the literal '*' or a list of "
                       "replicas in the following format: [partitionId]:[brokerId],...",
                       row->name);
    }
    return is_good ? SL_OK : SL_EINVALID_CONFIG;
}

static enum sl_err
check_bool(const struct topic_config_row *row, const char *text, char *why, size_t cap)
{
    if (strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0) {
        (void)snprintf(why, cap,
                       "Invalid value %s for configuration %s: Expected value to be either true "
                       "or false",
                       text, row->name);
        return SL_EINVALID_CONFIG;
    }
    return SL_OK;
}

enum sl_err
topic_config_check(struct span name, struct span value, char *why, size_t cap)
{
    const struct topic_config_row *row = topic_config_find(name);
    char text[TOPIC_CONFIG_VALUE_MAX + 1] = "";
    if (row == NULL) {
        (void)snprintf(why, cap, "Unknown topic config name: %.*s",
                       (int)(name.len < 100 ? name.len : 100), (const char *)name.ptr);
        return SL_EINVALID_CONFIG;
    }
    if (value.ptr == NULL || value.len > TOPIC_CONFIG_VALUE_MAX ||
        memchr(value.ptr, '\0', value.len) != NULL) {
        (void)snprintf(why, cap, "Value of configuration %s is %s", row->name,
                       value.ptr == NULL ? "missing" : "too long or not text");
        return SL_EINVALID_CONFIG;
    }
    span_to_cstr(topic_config_trim(value), text, sizeof(text));
    switch (row->type) {
    case TOPIC_CONFIG_INT:
    case TOPIC_CONFIG_LONG:
        return check_number(row, text, why, cap);
    case TOPIC_CONFIG_DOUBLE:
        return check_double(row, text, why, cap);
    case TOPIC_CONFIG_BOOL:
        return check_bool(row, text, why, cap);
    case TOPIC_CONFIG_STRING:
    case TOPIC_CONFIG_LIST:
        break;
    }
    return row->type == TOPIC_CONFIG_LIST && row->words == NULL
               ? check_replicas(row, text, why, cap)
               : check_words(row, text, why, cap);
}

/* What is a plain number. */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"delete.retention.ms", offsetof(struct topic_options, delete_retention_ms)},
    {"max.compaction.lag.ms", offsetof(struct topic_options, max_compaction_lag_ms)},
    {"message.timestamp.after.max.ms", offsetof(struct topic_options, timestamp_after_max_ms)},
    {"message.timestamp.before.max.ms", offsetof(struct topic_options, timestamp_before_max_ms)},
    {"min.compaction.lag.ms", offsetof(struct topic_options, min_compaction_lag_ms)},
    {"retention.bytes", offsetof(struct topic_options, retention_bytes)},
    {"retention.ms", offsetof(struct topic_options, retention_ms)},
    {"segment.bytes", offsetof(struct topic_options, segment_bytes)},
    {"segment.ms", offsetof(struct topic_options, segment_ms)},
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static void
set_option(struct topic_options *o, const char *name, const char *value)
{
    for (size_t i = 0; i < NUMBERS; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *(int64_t *)(void *)((uint8_t *)o + numbers[i].offset) = strtoll(value, NULL, 10);
            return;
        }
    }
    if (strcmp(name, "min.cleanable.dirty.ratio") == 0) {
        o->dirty_ratio_pm = (int64_t)(strtod(value, NULL) * 1000);
    } else if (strcmp(name, "max.message.bytes") == 0) {
        o->max_message_bytes = (int32_t)strtol(value, NULL, 10);
    } else if (strcmp(name, "message.timestamp.type") == 0) {
        o->is_log_append_time = strcmp(value, "LogAppendTime") == 0;
    } else if (strcmp(name, "cleanup.policy") == 0) {
        o->is_compacted = strstr(value, "compact") != NULL;
        o->is_deleted = strstr(value, "delete") != NULL;
    }
}

void
topic_options_of(const struct topic_config *configs, size_t count,
                 const struct topic_options *defaults, struct topic_options *ret)
{
    *ret = *defaults;
    for (size_t i = 0; i < count; i++) {
        set_option(ret, configs[i].name, configs[i].value);
    }
}

bool
topic_options_eq(const struct topic_options *a, const struct topic_options *b)
{
    bool is_eq = a->max_message_bytes == b->max_message_bytes &&
                 a->is_log_append_time == b->is_log_append_time &&
                 a->is_compacted == b->is_compacted && a->is_deleted == b->is_deleted &&
                 a->dirty_ratio_pm == b->dirty_ratio_pm;
    for (size_t i = 0; is_eq && i < NUMBERS; i++) {
        is_eq = memcmp((const uint8_t *)a + numbers[i].offset,
                       (const uint8_t *)b + numbers[i].offset, sizeof(int64_t)) == 0;
    }
    return is_eq;
}
