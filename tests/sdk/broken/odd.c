/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared objects that are no sound plugins, one for each ODD_... : the loader and `sluice plugin
 * inspect` must say what is wrong with them. */
#include <signal.h>
#include <sluice/plugin.h>
#include <unistd.h>

#define ODD_NO_SYMBOL 1
#define ODD_UNDEFINED 2
#define ODD_MAJOR 3
#define ODD_MINOR 4
#define ODD_HANGS 5
#define ODD_CRASHES 6
#define ODD_TWO_SYMBOLS 7
#define ODD_REFUSES 8

#if ODD == ODD_CRASHES
__attribute__((constructor)) static void
crash(void)
{
    (void)raise(SIGSEGV);
}
#endif

#if ODD == ODD_UNDEFINED
int sluice_secret_function(void);
#endif

#if ODD == ODD_TWO_SYMBOLS
SLUICE_EXPORT int zstd_version_of_mine(void);
SLUICE_EXPORT int
zstd_version_of_mine(void)
{
    return 1;
}
#endif

#if ODD == ODD_NO_SYMBOL
SLUICE_EXPORT int something_else(void);
SLUICE_EXPORT int
something_else(void)
{
    return 0;
}
#else
static sluice_status
odd_create(const sluice_host *host, sluice_instance **out)
{
    static int self;
    (void)host;
    *out = (sluice_instance *)(void *)&self;
    return SLUICE_OK;
}

static void
odd_destroy(sluice_instance *p)
{
    (void)p;
}

static const void *
odd_extension(sluice_instance *p, const char *id)
{
    (void)p;
    (void)id;
    return NULL;
}

SLUICE_EXPORT sluice_status
sluice_plugin_open(const sluice_host *host, const sluice_plugin **out)
{
    static const char why[] = "the licence has run out; buy another";
    static const sluice_conf_key keys[] = {
        {"token", SLUICE_CONF_STR, SLUICE_CONF_REQUIRED | SLUICE_CONF_SECRET, NULL, NULL,
         "what the service knows you by", 0, 0},
        {"retries", SLUICE_CONF_INT, 0, "3", NULL, "How often", 0, 10},
        {NULL, 0, 0, NULL, NULL, NULL, 0, 0}};
    static const sluice_plugin plugin = {.size = sizeof(plugin),
                                         .abi_major = SLUICE_ABI_MAJOR + (ODD == ODD_MAJOR ? 1 : 0),
                                         .needs_minor =
                                             SLUICE_ABI_MINOR + (ODD == ODD_MINOR ? 1 : 0),
                                         .id = "org.example.odd",
                                         .version = "1.0",
                                         .license = "Apache-2.0",
                                         .summary = "Odd",
                                         .conf_keys = keys,
                                         .create = odd_create,
                                         .destroy = odd_destroy,
                                         .extension = odd_extension};
#if ODD == ODD_UNDEFINED
    (void)sluice_secret_function();
#endif
    while (ODD == ODD_HANGS) {
        (void)pause();
    }
    if (ODD == ODD_REFUSES) {
        host->fail(host, NULL, SLUICE_EDENIED,
                   (sluice_slice){(const uint8_t *)why, sizeof(why) - 1});
        return SLUICE_EDENIED;
    }
    *out = &plugin;
    return SLUICE_OK;
}
#endif
