/* Private to plugin/: the host table's object and the option values. */
#ifndef SLUICE_PLUGIN_PLUGIN_INT_H
#define SLUICE_PLUGIN_PLUGIN_INT_H

#include "base/diag.h"
#include "plugin/instance.h"

#include <sluice/counters.h>

struct plugin_cell; /* counters.c */

struct plugin_value {
    const char *text; /* owned */
    int64_t number;
};

/* The option values of one instance, in the order of keys. */
struct sluice_conf {
    const sluice_conf_key *keys;
    size_t count;
    struct plugin_value *values;
};

struct plugin_instance {
    struct sluice_host host;
    struct sluice_plugin plugin; /* our own copy: zero beyond the plugin's size */
    sluice_instance *self;       /* NULL until create */
    bool is_started;
    struct sluice_conf conf;
    char name[64], id_version[96];
    struct diag_kv fields[2];
    struct diag diag;
    const sluice_counter *counters; /* the plugin's table */
    struct plugin_cell *cells;      /* NULL: it declared none */
    uint32_t counter_count;
    struct store_meter *meter; /* what its attempts are noted in */
};

/* Fills p->host. */
void plugin__host_init(struct plugin_instance *p);

/* counters.c: the host's table sluice.host.counters/1. */
sluice_status plugin__counters_declare(struct plugin_instance *p, const sluice_counter *table,
                                       uint32_t count);
void plugin__counters_add(struct plugin_instance *p, uint32_t index, int64_t delta);
void plugin__counters_observe(struct plugin_instance *p, uint32_t index, uint64_t value);
void plugin__counters_fini(struct plugin_instance *p);

/* Checks every pair against keys and fills *ret; refuses an unknown key with its nearest match. */
MUST_CHECK enum sl_err plugin__conf_fill(const sluice_conf_key *keys,
                                         const struct plugin_conf *conf, struct sluice_conf *ret,
                                         struct sl_error *err);
void plugin__conf_fini(struct sluice_conf *c);
const char *plugin__conf_str(const sluice_conf *c, const char *name);
int64_t plugin__conf_int(const sluice_conf *c, const char *name);

#endif
