/* Opening a plugin: handshake, options, life, and what the host table does for it. */
#include "../unit.h"
#include "base/buf.h"
#include "base/diag.h"
#include "plugin/instance.h"
#include "store/health.h"

#include <pthread.h>
#include <sluice/storage.h>
#include <stdio.h>
#include <stdlib.h>

/* The plugin's own type. */
struct sluice_instance {
    const sluice_host *host;
    char steps[64];
};

static struct sluice_instance self;
static sluice_plugin table;
static char fails_at; /* the step that fails */
static char conf_seen[200];

static sluice_status
step(char name)
{
    size_t n = strlen(self.steps);
    self.steps[n] = name;
    self.steps[n + 1] = '\0';
    if (name == fails_at) {
        static const char why[] = "it is Monday; wait a day";
        (self.host->fail)(self.host, NULL, SLUICE_EDENIED,
                          (sluice_slice){(const uint8_t *)why, strlen(why)});
        return SLUICE_EDENIED;
    }
    return SLUICE_OK;
}

static sluice_status
fake_create(const sluice_host *host, sluice_instance **out)
{
    self.host = host;
    *out = &self;
    sluice_status rc = step('C');
    return rc;
}

static sluice_status
fake_configure(sluice_instance *p, const sluice_conf *conf)
{
    const char *word = p->host->conf_str(conf, "word");
    (void)snprintf(conf_seen, sizeof(conf_seen), "%s %lld %lld %lld %lld %s",
                   p->host->conf_str(conf, "name"), (long long)p->host->conf_int(conf, "size"),
                   (long long)p->host->conf_int(conf, "wait"),
                   (long long)p->host->conf_int(conf, "on"),
                   (long long)p->host->conf_int(conf, "word"), word == NULL ? "-" : word);
    return step('c');
}

static sluice_status
fake_start(sluice_instance *p)
{
    (void)p;
    return step('s');
}

static sluice_status
fake_quiesce(sluice_instance *p)
{
    (void)p;
    return step('q');
}

static void
fake_stop(sluice_instance *p)
{
    (void)p;
    (void)step('x');
}

static void
fake_destroy(sluice_instance *p)
{
    (void)p;
    (void)step('d');
}

static const void *
fake_extension(sluice_instance *p, const char *id)
{
    (void)p;
    return strcmp(id, "org.example.thing/1") == 0 ? "thing" : NULL;
}

static const sluice_conf_key keys[] = {
    {"name", SLUICE_CONF_STR, SLUICE_CONF_REQUIRED, NULL, NULL, "What it is called", 0, 0},
    {"size", SLUICE_CONF_SIZE, 0, "4MiB", "bytes", "How much", 1, 1 << 30},
    {"wait", SLUICE_CONF_DURATION, 0, "2s", "ms", "How long", 0, 0},
    {"on", SLUICE_CONF_BOOL, 0, "false", NULL, "Whether", 0, 0},
    {"word", SLUICE_CONF_ENUM, 0, "one", "one|two|three", "Which", 0, 0},
    {"key", SLUICE_CONF_INT, SLUICE_CONF_SECRET, NULL, NULL, "Secret", 0, 0},
    {NULL, 0, 0, NULL, NULL, NULL, 0, 0}};

static sluice_status
fake_open(const sluice_host *host, const sluice_plugin **out)
{
    (void)host;
    *out = &table;
    return SLUICE_OK;
}

static int
setup(void **state)
{
    (void)state;
    memset(&self, 0, sizeof(self));
    fails_at = '\0';
    table = (sluice_plugin){.size = sizeof(table),
                            .abi_major = SLUICE_ABI_MAJOR,
                            .needs_minor = SLUICE_ABI_MINOR,
                            .id = "org.example.fake",
                            .version = "1.2",
                            .flags = SLUICE_F_CONCURRENT,
                            .conf_keys = keys,
                            .create = fake_create,
                            .configure = fake_configure,
                            .start = fake_start,
                            .quiesce = fake_quiesce,
                            .stop = fake_stop,
                            .destroy = fake_destroy,
                            .extension = fake_extension};
    return 0;
}

static enum sl_err
open_with(const struct plugin_conf_pair *pairs, size_t count, struct plugin_instance **ret,
          struct sl_error *err)
{
    const struct plugin_source src = {.open = fake_open};
    const struct plugin_conf conf = {.pairs = pairs, .count = count, .section = "plugin fake"};
    *ret = NULL;
    return plugin_instance_open(&src, "fake", &conf, ret, err);
}

static const struct plugin_conf_pair good[] = {{"name", "n"}};

static void
open_close__good_plugin__every_step_in_order(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    assert_string_equal(self.steps, "Ccs");
    assert_ptr_equal(plugin_instance_self(p), &self);
    assert_int_equal(plugin_instance_flags(p), SLUICE_F_CONCURRENT);
    assert_non_null(plugin_instance_extension(p, "org.example.thing/1"));
    assert_null(plugin_instance_extension(p, "org.example.thing/10"));
    plugin_instance_close(&p);
    assert_string_equal(self.steps, "Ccsqxd");
    assert_null(p);
}

static void
open__a_step_fails__its_sentence_is_given_and_it_is_destroyed(void **state)
{
    (void)state;
    static const struct {
        char at;
        const char *steps;
    } rows[] = {{'C', "C"}, {'c', "Ccd"}, {'s', "Ccsd"}};
    for (size_t i = 0; i < 3; i++) {
        struct plugin_instance *p;
        struct sl_error err = SL_ERROR_INIT;
        memset(&self, 0, sizeof(self));
        fails_at = rows[i].at;
        assert_int_equal(open_with(good, 1, &p, &err), SL_EDENIED);
        assert_null(p);
        assert_non_null(strstr(err.msg, "it is Monday; wait a day"));
        assert_non_null(strstr(err.msg, "org.example.fake@1.2"));
        assert_string_equal(self.steps, rows[i].steps);
    }
}

static void
open__other_abi__is_refused_with_both_versions(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    table.abi_major = SLUICE_ABI_MAJOR + 1;
    assert_int_equal(open_with(good, 1, &p, &err), SL_EVERSION);
    table.abi_major = SLUICE_ABI_MAJOR;
    table.needs_minor = SLUICE_ABI_MINOR + 1;
    assert_int_equal(open_with(good, 1, &p, &err), SL_EVERSION);
    assert_non_null(strstr(err.msg, "needs ABI"));
    table.needs_minor = SLUICE_ABI_MINOR;
    table.size = 8;
    assert_int_equal(open_with(good, 1, &p, &err), SL_EVERSION);
    assert_string_equal(self.steps, "");
}

/* A plugin made against older headers has a shorter table: what lies behind it is not read. */
static void
open__table_ends_before_extension__is_refused_not_read(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    table.size = offsetof(sluice_plugin, extension);
    assert_int_equal(open_with(good, 1, &p, &err), SL_EINVAL);
    assert_non_null(strstr(err.msg, "lacks"));
}

static void
options__defaults_and_given__reach_configure(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    assert_string_equal(conf_seen, "n 4194304 2000 0 0 one");
    plugin_instance_close(&p);
    const struct plugin_conf_pair all[] = {
        {"name", "x"}, {"size", "3 KiB"}, {"wait", "5m"}, {"on", "true"}, {"word", "three"}};
    assert_int_equal(open_with(all, 5, &p, &err), SL_OK);
    assert_string_equal(conf_seen, "x 3072 300000 1 2 three");
    plugin_instance_close(&p);
}

static void
options__bad_ones__are_refused_with_section_and_key(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *says;
    } rows[] = {
        {"siez", "1", "did you mean size?"},
        {"size", "lots", "a size such as"},
        {"size", "99999999999999999999", "a size such as"},
        {"size", "9000000000GiB", "a size such as"},
        {"size", "0", "outside 1..1073741824"},
        {"size", "2GiB", "outside"},
        {"wait", "5 parsecs", "a duration such as"},
        {"on", "maybe", "true or false"},
        {"word", "four", "one|two|three"},
        {"word", "tw", "one|two|three"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plugin_instance *p;
        struct sl_error err = SL_ERROR_INIT;
        const struct plugin_conf_pair pairs[] = {{"name", "n"}, {rows[i].key, rows[i].value}};
        assert_int_equal(open_with(pairs, 2, &p, &err), SL_EINVAL);
        assert_non_null(strstr(err.msg, rows[i].says));
        assert_non_null(strstr(err.msg, "[plugin fake]"));
    }
}

static void
options__required_one_missing__says_what_it_is_for(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(open_with(NULL, 0, &p, &err), SL_EINVAL);
    assert_non_null(strstr(err.msg, "name is required: What it is called"));
}

static void
options__bad_secret__is_not_printed(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    const struct plugin_conf_pair pairs[] = {{"name", "n"}, {"key", "hunter2"}};
    assert_int_equal(open_with(pairs, 2, &p, &err), SL_EINVAL);
    assert_null(strstr(err.msg, "hunter2"));
}

static void
dry_run__stops_after_configure(void **state)
{
    (void)state;
    const struct plugin_source src = {.open = fake_open};
    const struct plugin_conf conf = {.pairs = good, .count = 1, .is_dry_run = true};
    struct plugin_instance *p = NULL;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(plugin_instance_open(&src, "fake", &conf, &p, &err), SL_OK);
    plugin_instance_close(&p);
    assert_string_equal(self.steps, "Ccd");
}

static void
source_keys__good_plugin__its_table(void **state)
{
    (void)state;
    const struct plugin_source src = {.open = fake_open};
    assert_ptr_equal(plugin_source_keys(&src), keys);
    table.abi_major++;
    assert_null(plugin_source_keys(&src));
}

static void
source__shared_object_that_is_not_there__says_so(void **state)
{
    (void)state;
    const struct plugin_source src = {.path = "/opt/nothing/x.so"};
    const struct plugin_conf conf = {.count = 0};
    struct plugin_instance *p = NULL;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(plugin_instance_open(&src, "x", &conf, &p, &err), SL_ENOENT);
    assert_non_null(strstr(err.msg, "/opt/nothing/x.so is not there"));
}

/* ---- the host table ---- */

static char logged[2000];

static void
keep_line(void *arg, const char *line, size_t len)
{
    (void)arg;
    size_t have = strlen(logged);
    (void)snprintf(logged + have, sizeof(logged) - have, "%.*s", (int)len, line);
}

static void
host__log__carries_plugin_version_and_instance(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    logged[0] = '\0';
    diag_set_sink(keep_line, NULL);
    self.host->log(self.host, SLUICE_LOG_WARN, (sluice_slice){(const uint8_t *)"hot", 3});
    diag_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "WARN"));
    assert_non_null(strstr(logged, "org.example.fake@1.2"));
    assert_non_null(strstr(logged, "instance=fake"));
    assert_non_null(strstr(logged, "hot"));
    plugin_instance_close(&p);
}

static void
host__completes_what_was_never_begun__is_logged_as_misbehaviour(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    logged[0] = '\0';
    diag_set_sink(keep_line, NULL);
    self.host->complete(self.host, (sluice_op *)(uintptr_t)0x12345678, SLUICE_OK, NULL);
    diag_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "plugin.misbehaves"));
    assert_non_null(strstr(logged, "org.example.fake"));
    plugin_instance_close(&p);
}

static void
host__buf_new__large_ones_are_aligned_and_counted(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    uint8_t *w = NULL;
    sluice_buf *b = self.host->buf_new(self.host, 100000, &w);
    assert_non_null(b);
    assert_int_equal((uintptr_t)w % 4096, 0);
    assert_int_equal(b->bytes.len, 100000);
    b->retain(b);
    b->release(b);
    w[99999] = 1;
    b->release(b);
    assert_null(self.host->extension(self.host, "sluice.nothing/1"));
    plugin_instance_close(&p);
    buf_pool_trim();
}

/* ---- the host's tables ---- */

static const sluice_counter counters[] = {
    {"requests", "kind=a", "requests", "Asked", SLUICE_COUNTER_SUM, 0},
    {"open", NULL, "things", "Open now", SLUICE_COUNTER_GAUGE, 0},
    {"latency", NULL, "us", "Took", SLUICE_COUNTER_HISTOGRAM, 0},
};

struct readings {
    struct plugin_reading all[8];
    size_t count;
};

static void
reading_keep(void *arg, const struct plugin_reading *r)
{
    struct readings *to = (struct readings *)arg;
    to->all[to->count++] = *r;
}

static const sluice_host_counters *
counters_of(const sluice_host *host)
{
    return (const sluice_host_counters *)host->extension(host, SLUICE_HOST_COUNTERS_V1);
}

static void *
count_a_lot(void *arg)
{
    const sluice_host *host = (const sluice_host *)arg;
    for (int i = 0; i < 10000; i++) {
        counters_of(host)->add(host, 0, 1);
        counters_of(host)->observe(host, 2, 5);
    }
    return NULL;
}

static void
counters__from_two_threads__are_all_there(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    struct readings got = {0};
    pthread_t other;
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    const sluice_host *host = self.host;
    assert_int_equal(counters_of(host)->declare(host, counters, 3), SLUICE_OK);
    assert_int_equal(pthread_create(&other, NULL, count_a_lot, (void *)(uintptr_t)host), 0);
    (void)count_a_lot((void *)(uintptr_t)host);
    (void)pthread_join(other, NULL);
    counters_of(host)->add(host, 1, 7);
    counters_of(host)->add(host, 1, -5);
    counters_of(host)->add(host, 3, 1);     /* there is none: ignored */
    counters_of(host)->add(host, 2, 1);     /* a histogram: ignored */
    counters_of(host)->observe(host, 0, 1); /* not one: ignored */
    plugin_instance_counters(p, reading_keep, &got);
    assert_int_equal(got.count, 3);
    assert_string_equal(got.all[0].what->labels, "kind=a");
    assert_int_equal(got.all[0].value, 20000);
    assert_int_equal(got.all[1].value, 2);
    assert_int_equal(got.all[2].observed, 20000);
    assert_int_equal(got.all[2].value, 100000);
    assert_int_equal(got.all[2].buckets[3], 20000); /* 4 to 7 */
    assert_int_equal(plugin_reading_below(&got.all[2], 990), 8);
    plugin_instance_close(&p);
}

static void
counters__extremes__fall_into_the_outer_buckets(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    struct readings got = {0};
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    const sluice_host *host = self.host;
    assert_int_equal(counters_of(host)->declare(host, counters, 3), SLUICE_OK);
    counters_of(host)->observe(host, 2, 0);
    counters_of(host)->observe(host, 2, UINT64_MAX);
    plugin_instance_counters(p, reading_keep, &got);
    assert_int_equal(got.all[2].buckets[0], 1);
    assert_int_equal(got.all[2].buckets[PLUGIN_HISTOGRAM_BUCKETS - 1], 1);
    plugin_instance_close(&p);
}

static void
counters__unsound_declarations__are_refused(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    const sluice_counter bad[] = {
        {"Requests", NULL, "x", "x", SLUICE_COUNTER_SUM, 0},
        {"", NULL, "x", "x", SLUICE_COUNTER_SUM, 0},
        {NULL, NULL, "x", "x", SLUICE_COUNTER_SUM, 0},
        {"a b", NULL, "x", "x", SLUICE_COUNTER_SUM, 0},
        {"a", "k=\"v\"", "x", "x", SLUICE_COUNTER_SUM, 0},
        {"a", NULL, NULL, "x", SLUICE_COUNTER_SUM, 0},
        {"a", NULL, "x", NULL, SLUICE_COUNTER_SUM, 0},
        {"a", NULL, "x", "x", 4, 0},
        {"a", NULL, "x", "x", SLUICE_COUNTER_SUM, 1},
    };
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    const sluice_host *host = self.host;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(counters_of(host)->declare(host, &bad[i], 1), SLUICE_EINVAL);
    }
    assert_int_equal(counters_of(host)->declare(host, counters, 0), SLUICE_EINVAL);
    assert_int_equal(counters_of(host)->declare(host, counters, 257), SLUICE_EINVAL);
    assert_int_equal(counters_of(host)->declare(host, counters, 3), SLUICE_OK);
    assert_int_equal(counters_of(host)->declare(host, counters, 3), SLUICE_EINVAL);
    plugin_instance_close(&p);
}

static void
host_tables__ids_that_are_none__give_null(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    assert_null(self.host->extension(self.host, "sluice.host.counters/2"));
    assert_null(self.host->extension(self.host, "sluice.host.counters/10"));
    assert_null(self.host->extension(self.host, ""));
    plugin_instance_close(&p);
}

static void
attempts__that_fail__reach_the_meter_of_the_instance(void **state)
{
    (void)state;
    struct plugin_instance *p;
    struct sl_error err = SL_ERROR_INIT;
    struct store_health h;
    static const char why[] = "slow down";
    assert_int_equal(open_with(good, 1, &p, &err), SL_OK);
    const sluice_host *host = self.host;
    const sluice_host_storage *door =
        (const sluice_host_storage *)host->extension(host, SLUICE_HOST_STORAGE_V1);
    for (int i = 0; i < 10; i++) {
        door->attempt(host, SLUICE_STORAGE_PUT, SLUICE_ATTEMPT_BAD,
                      (sluice_slice){(const uint8_t *)why, strlen(why)});
        door->attempt(host, 99, SLUICE_ATTEMPT_GOOD, (sluice_slice){NULL, 0}); /* ignored */
    }
    const struct store st = {.meter = plugin_instance_meter(p)};
    store_health(&st, &h);
    assert_int_equal(h.state, STORE_DEGRADED);
    assert_string_equal(h.why, "slow down");
    plugin_instance_close(&p);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        T(open_close__good_plugin__every_step_in_order),
        T(open__a_step_fails__its_sentence_is_given_and_it_is_destroyed),
        T(open__other_abi__is_refused_with_both_versions),
        T(open__table_ends_before_extension__is_refused_not_read),
        T(options__defaults_and_given__reach_configure),
        T(options__bad_ones__are_refused_with_section_and_key),
        T(options__required_one_missing__says_what_it_is_for),
        T(options__bad_secret__is_not_printed),
        T(dry_run__stops_after_configure),
        T(source_keys__good_plugin__its_table),
        T(source__shared_object_that_is_not_there__says_so),
        T(host__log__carries_plugin_version_and_instance),
        T(host__completes_what_was_never_begun__is_logged_as_misbehaviour),
        T(host__buf_new__large_ones_are_aligned_and_counted),
        T(counters__from_two_threads__are_all_there),
        T(counters__extremes__fall_into_the_outer_buckets),
        T(counters__unsound_declarations__are_refused),
        T(host_tables__ids_that_are_none__give_null),
        T(attempts__that_fail__reach_the_meter_of_the_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
