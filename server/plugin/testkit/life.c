/* SPDX-License-Identifier: Apache-2.0
 *
 * Instances for tests: begun as the server begins them, ended as it ends them. */
#include "base/buf.h"
#include "plugin/child.h"
#include "plugin/testkit/kit_int.h"

static _Noreturn void
refused(const char *step, sluice_status status)
{
    const char *why = kit__take_why();
    kit__fail(why[0] == '\0' ? RULE_SAYS_WHY : RULE_LIFE, "%s failed with %s and %s%s", step,
              kit__status_text(status), why[0] == '\0' ? "gave no reason" : "said: ", why);
}

void
kit__life_begin(struct kit__life *l, enum kit__until until)
{
    struct sl_error err = SL_ERROR_INIT;
    *l = (struct kit__life){0};
    (void)kit__take_why();
    child_enter("create");
    sluice_status status = kit.plugin.create(&kit__host, &l->self);
    if (status != SLUICE_OK || l->self == NULL) {
        refused("create", status);
    }
    if (until >= KIT_CONFIGURED) {
        if (plugin__conf_fill(kit.plugin.conf_keys, &kit.o->conf, &l->conf, &err) != SL_OK) {
            kit__fail(RULE_KEYS, "the configuration of this run: %s", err.msg);
        }
        child_enter("configure");
        status = kit.plugin.configure == NULL ? SLUICE_OK : kit.plugin.configure(l->self, &l->conf);
        if (status != SLUICE_OK) {
            refused("configure", status);
        }
    }
    if (until >= KIT_STARTED) {
        child_enter("start");
        status = kit.plugin.start == NULL ? SLUICE_OK : kit.plugin.start(l->self);
        if (status != SLUICE_OK) {
            refused("start", status);
        }
    }
    child_enter("extension");
    l->storage = (const sluice_storage *)kit.plugin.extension(l->self, SLUICE_STORAGE_V1);
    child_enter("the test itself");
}

void
kit__life_drop(struct kit__life *l)
{
    child_enter("destroy");
    kit.plugin.destroy(l->self);
    plugin__conf_fini(&l->conf);
    *l = (struct kit__life){0};
    child_enter("the test itself");
}

void
kit__life_end(struct kit__life *l)
{
    child_enter("quiesce");
    sluice_status status = kit.plugin.quiesce == NULL ? SLUICE_OK : kit.plugin.quiesce(l->self);
    if (status != SLUICE_OK) {
        kit__fail(RULE_QUIESCE, "quiesce failed with %s", kit__status_text(status));
    }
    child_enter("stop");
    if (kit.plugin.stop != NULL) {
        kit.plugin.stop(l->self);
    }
    kit__life_drop(l);
}

void
kit__store_begin(struct kit__life *l)
{
    kit__life_begin(l, KIT_STARTED);
    const sluice_storage *t = l->storage;
    size_t reaches = offsetof(sluice_storage, list) + sizeof(t->list);
    if (t == NULL || t->size < reaches || t->put == NULL || t->get == NULL || t->head == NULL ||
        t->del == NULL || t->list == NULL) {
        kit__fail(RULE_TABLE, "its table has %u bytes of %zu, or lacks put, get, head, del or list",
                  t == NULL ? 0 : t->size, reaches);
    }
}

void
kit__store_end(struct kit__life *l)
{
    struct kit__listing all = {0};
    sluice_status status = kit__list(l, kit.prefix, "", 10000, &all);
    for (size_t i = 0; i < all.count && status == SLUICE_OK; i++) {
        status = kit__del(l, all.items[i].key);
    }
    kit__listing_fini(&all);
    if (status != SLUICE_OK) {
        kit__fail(RULE_DELETE, "the objects of this test could not be deleted: %s",
                  kit__status_text(status));
    }
    kit__life_end(l);
    if (kit__buffers_out() != 0) {
        kit__fail(RULE_BUFFERS,
                  "%lld buffers of the host were not released when the instance was "
                  "destroyed",
                  (long long)kit__buffers_out());
    }
}
