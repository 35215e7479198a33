/* A Sluice plugin to start from: it loads, takes two keys, says hello, and offers nothing yet.
 *
 *   cmake -B build && cmake --build build
 *   sluice plugin inspect build/my-plugin.so
 *   sluice plugin test build/my-plugin.so
 *
 * Next: include the header of a capability (sluice/storage.h), fill its table with functions of
 * yours, and give that table from my_extension(). */
#include <sluice/helpers.h>
#include <sluice/plugin.h>
#include <stdlib.h>

/* Everything an instance has. There may be several, so no globals. */
struct sluice_instance {
    const sluice_host *host;
    const char *greeting; /* lives as long as the instance */
    int64_t times;
};

/* The keys of [plugin NAME]. The server checks type and bounds before you see a value. */
static const sluice_conf_key conf_keys[] = {
    {"greeting", SLUICE_CONF_STR, 0, "hello", NULL, "What to say at the start", 1, 100},
    {"times", SLUICE_CONF_INT, 0, "1", NULL, "How often to say it", 0, 10},
    {NULL, 0, 0, NULL, NULL, NULL, 0, 0}};

static sluice_status
my_create(const sluice_host *host, sluice_instance **out)
{
    sluice_instance *me = (sluice_instance *)calloc(1, sizeof(*me));
    if (me == NULL) {
        return SLUICE_ENOMEM;
    }
    me->host = host;
    *out = me;
    return SLUICE_OK;
}

/* May be a dry run (`sluice check`): look at the values, keep them, and do nothing else. */
static sluice_status
my_configure(sluice_instance *me, const sluice_conf *conf)
{
    me->greeting = me->host->conf_str(conf, "greeting");
    me->times = me->host->conf_int(conf, "times");
    if (strchr(me->greeting, '%') != NULL) {
        return sluice_failf(me->host, NULL, SLUICE_EINVAL,
                            "greeting: a greeting has no %%; write it in words");
    }
    return SLUICE_OK;
}

/* Open connections and files here, and start threads. */
static sluice_status
my_start(sluice_instance *me)
{
    for (int64_t i = 0; i < me->times; i++) {
        sluice_logf(me->host, SLUICE_LOG_INFO, "%s", me->greeting);
    }
    return SLUICE_OK;
}

/* No further calls will come: end those that are in flight. */
static sluice_status
my_quiesce(sluice_instance *me)
{
    (void)me;
    return SLUICE_OK;
}

/* Join your threads before you return. */
static void
my_stop(sluice_instance *me)
{
    (void)me;
}

/* May come after any of the calls above, also in the middle of a failed start. */
static void
my_destroy(sluice_instance *me)
{
    free(me);
}

/* Compare the whole id: "sluice.storage/10" is not "sluice.storage/1". */
static const void *
my_extension(sluice_instance *me, const char *id)
{
    (void)me;
    (void)id;
    return NULL;
}

static const sluice_plugin plugin = {
    .size = sizeof(plugin),
    .abi_major = SLUICE_ABI_MAJOR,
    .needs_minor = SLUICE_ABI_MINOR,
    .id = "org.example.my-plugin",
    .version = "0.1",
    .license = "Apache-2.0",
    .summary = "Says hello",
    .flags = SLUICE_F_CONCURRENT,
    .conf_keys = conf_keys,
    .create = my_create,
    .configure = my_configure,
    .start = my_start,
    .quiesce = my_quiesce,
    .stop = my_stop,
    .destroy = my_destroy,
    .extension = my_extension,
};

SLUICE_EXPORT sluice_status
sluice_plugin_open(const sluice_host *host, const sluice_plugin **out)
{
    (void)host;
    *out = &plugin;
    return SLUICE_OK;
}
