/* SPDX-License-Identifier: Apache-2.0
 *
 * What `sluice status` prints: first how the broker is, if it tells, then what Metadata says.
 *
 * The report is another program's, perhaps a newer one's: what is missing in it or has another type
 * reads as 0 or "". */
#include "cli/status_int.h"

#include <inttypes.h>
#include <stdio.h>

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static int64_t
int_of(const json_t *o, const char *key)
{
    return (int64_t)json_number_value(json_object_get(o, key));
}

static double
real_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void
print_uptime(int64_t s)
{
    if (s < MINUTE_S) {
        (void)printf("up %" PRId64 " s", s);
    } else if (s < HOUR_S) {
        (void)printf("up %" PRId64 " min", s / MINUTE_S);
    } else if (s < DAY_S) {
        (void)printf("up %" PRId64 " h %" PRId64 " min", s / HOUR_S, s % HOUR_S / MINUTE_S);
    } else {
        (void)printf("up %" PRId64 " d %" PRId64 " h", s / DAY_S, s % DAY_S / HOUR_S);
    }
}

static void
print_store(const json_t *store)
{
    const json_t *latency = json_object_get(store, "latency_ms");
    const char *why = text_of(store, "why");
    double put = real_of(latency, "put");
    double get = real_of(latency, "get");
    (void)printf("store: %s, %s", text_of(store, "name"), text_of(store, "health"));
    if (why[0] != '\0') {
        (void)printf(" for %" PRId64 " s: %s", int_of(store, "since_ms") / 1000, why);
    }
    if (put > 0) {
        (void)printf("; PUT %.1f ms", put);
    }
    if (get > 0) {
        (void)printf("%s GET %.1f ms", put > 0 ? "," : ";", get);
    }
    (void)printf("\n");
}

static void
print_requests(const json_t *rates, const json_t *price)
{
    double lists = real_of(rates, "list");
    double heads = real_of(rates, "head");
    double dels = real_of(rates, "delete");
    (void)printf("requests: %.1f PUT/s, %.1f GET/s", real_of(rates, "put"), real_of(rates, "get"));
    if (heads >= 0.05) {
        (void)printf(", %.1f HEAD/s", heads);
    }
    if (lists >= 0.05) {
        (void)printf(", %.1f LIST/s", lists);
    }
    if (dels >= 0.05) {
        (void)printf(", %.1f DELETE/s", dels);
    }
    if (real_of(price, "put_per_1000") > 0 || real_of(price, "get_per_1000") > 0) {
        double month = real_of(price, "per_month");
        (void)printf(month < 10 ? "; at this rate about $%.2f a month"
                                : "; at this rate about $%.0f a month",
                     month);
    }
    (void)printf("\n");
}

static void
print_size(int64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1024;
        u++;
    }
    (void)printf(u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

static void
print_pressure(const json_t *j)
{
    const char *pressure = text_of(j, "pressure");
    const char *cause = text_of(j, "pressure_cause");
    if (pressure[0] == '\0' || strcmp(pressure, "none") == 0) {
        return;
    }
    (void)printf("; %s producers, ", pressure);
    if (strcmp(cause, "roller") == 0) {
        (void)printf("because rolling is behind");
    } else if (strcmp(cause, "store") == 0) {
        (void)printf("because of the store");
    } else {
        (void)printf("nothing acknowledged for %.1f s", real_of(j, "delay_ms") / 1000);
    }
}

/* What is in entries only, and how far that is from what is tolerable. */
static void
print_roll(const json_t *roll)
{
    if (int_of(roll, "live_batches") == 0) {
        return;
    }
    (void)printf("  not rolled: %" PRId64 " batches, ", int_of(roll, "live_batches"));
    print_size(int_of(roll, "live_bytes"));
    (void)printf(", the oldest for %" PRId64 " s; %" PRId64 " entries, ",
                 int_of(roll, "oldest_ms") / 1000, int_of(roll, "kept_entries"));
    print_size(int_of(roll, "kept_bytes"));
    (void)printf(", are kept for them; lag %" PRId64 " per mille%s\n", int_of(roll, "lag_permille"),
                 int_of(roll, "kept_bytes_max") == 0 ? " (nothing is rolled here)" : "");
}

static void
print_journal(const json_t *j)
{
    const char *why = text_of(j, "why");
    (void)printf("journal %" PRId64 ": %s, verified through %" PRId64 ", %" PRId64
                 " in flight, %" PRId64 " queued (%" PRId64 " bytes)",
                 int_of(j, "index"), text_of(j, "mode"), int_of(j, "verified_through"),
                 int_of(j, "in_flight"), int_of(j, "queued_items"), int_of(j, "queued_bytes"));
    print_pressure(j);
    (void)printf("%s%s\n", why[0] == '\0' ? "" : ": ", why);
    print_roll(json_object_get(j, "roll"));
}

static void
print_plugin_counter(const json_t *c)
{
    const char *labels = text_of(c, "labels");
    (void)printf("%s%s%s%s ", text_of(c, "name"), labels[0] != '\0' ? "{" : "", labels,
                 labels[0] != '\0' ? "}" : "");
    if (json_object_get(c, "count") == NULL) {
        (void)printf("%" PRId64 "\n", int_of(c, "value"));
        return;
    }
    (void)printf("%" PRId64, int_of(c, "count"));
    if (int_of(c, "count") > 0) {
        (void)printf(", half below %" PRId64 ", 99 %% below %" PRId64 " %s",
                     int_of(c, "half_below"), int_of(c, "nearly_all_below"), text_of(c, "unit"));
    }
    (void)printf("\n");
}

static void
print_report(const json_t *report)
{
    const json_t *journals = json_object_get(report, "journals");
    const json_t *store = json_object_get(report, "store");
    const char *name;
    json_t *value;
    size_t i;
    (void)printf("node %" PRId64 ", sluice %s, ", int_of(report, "node_id"),
                 text_of(report, "version"));
    print_uptime(int_of(report, "uptime_ms") / 1000);
    (void)printf("\n");
    if (store != NULL) {
        print_store(store);
        print_requests(json_object_get(report, "rates"), json_object_get(report, "price"));
    }
    json_array_foreach(journals, i, value)
    {
        print_journal(value);
    }
    json_object_foreach(json_object_get(report, "counters"), name, value)
    {
        (void)printf("%s %" PRId64 "\n", name, (int64_t)json_integer_value(value));
    }
    json_array_foreach(json_object_get(report, "plugin_counters"), i, value)
    {
        print_plugin_counter(value);
    }
}

static void
print_metadata(const struct metadata_response *md)
{
    size_t partitions = 0;
    for (size_t i = 0; i < md->brokers.count; i++) {
        const struct metadata_response_broker *b = &md->brokers.items[i];
        (void)printf("broker %d: %.*s:%d\n", b->node_id, (int)b->host.len,
                     (const char *)b->host.ptr, b->port);
    }
    (void)printf("cluster %.*s, controller %d\n", (int)md->cluster_id.len,
                 md->cluster_id.ptr == NULL ? "" : (const char *)md->cluster_id.ptr,
                 md->controller_id);
    for (size_t i = 0; i < md->topics.count; i++) {
        const struct metadata_response_topic *t = &md->topics.items[i];
        partitions += t->partitions.count;
        (void)printf("topic %.*s: %zu partitions\n", (int)t->name.len, (const char *)t->name.ptr,
                     t->partitions.count);
    }
    (void)printf("%zu topics, %zu partitions\n", md->topics.count, partitions);
}

void
cli__status_text(const json_t *report, const struct metadata_response *md)
{
    if (report != NULL) {
        print_report(report);
    }
    print_metadata(md);
}

static json_t *
text_json(struct span s)
{
    json_t *text = json_stringn((const char *)s.ptr, s.len);
    return text != NULL ? text : json_null();
}

void
cli__status_json(json_t *report, const struct metadata_response *md)
{
    json_t *root = json_object();
    json_t *brokers = json_array();
    json_t *topics = json_array();
    for (size_t i = 0; i < md->brokers.count; i++) {
        const struct metadata_response_broker *b = &md->brokers.items[i];
        json_t *o = json_object();
        json_object_set_new(o, "id", json_integer(b->node_id));
        json_object_set_new(o, "host", text_json(b->host));
        json_object_set_new(o, "port", json_integer(b->port));
        json_array_append_new(brokers, o);
    }
    for (size_t i = 0; i < md->topics.count; i++) {
        const struct metadata_response_topic *t = &md->topics.items[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", text_json(t->name));
        json_object_set_new(o, "partitions", json_integer((json_int_t)t->partitions.count));
        json_array_append_new(topics, o);
    }
    json_object_set_new(root, "broker", report != NULL ? json_incref(report) : json_null());
    json_object_set_new(root, "cluster_id", text_json(md->cluster_id));
    json_object_set_new(root, "controller_id", json_integer(md->controller_id));
    json_object_set_new(root, "brokers", brokers);
    json_object_set_new(root, "topics", topics);
    (void)json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    (void)printf("\n");
    json_decref(root);
}
