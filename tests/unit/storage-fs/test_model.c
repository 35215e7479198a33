/* Random operations against a map; the store is closed and opened again in between. */
#include "../unit.h"
#include "dir_fixture.h"
#include "storage_model.h"

struct place {
    char dir[4096];
    struct plugin_instance *plugin;
};

static void
place_open(struct model *m)
{
    struct place *p = (struct place *)m->arg;
    p->plugin = fs_open_at(p->dir);
    m->table = (const sluice_storage *)plugin_instance_extension(p->plugin, SLUICE_STORAGE_V1);
    m->instance = plugin_instance_self(p->plugin);
}

static void
place_reopen(struct model *m)
{
    struct place *p = (struct place *)m->arg;
    plugin_instance_close(&p->plugin);
    place_open(m);
    model_check_all(m);
}

static void
random_operations__many_seeds__agree_with_a_map(void **state)
{
    (void)state;
    const char *only = getenv("SEED");
    uint64_t first = only == NULL ? 1 : strtoull(only, NULL, 10);
    uint64_t last = only == NULL ? 8 : first;
    for (uint64_t seed = first; seed <= last; seed++) {
        struct place p = {0};
        struct model m = {.arg = &p, .reopen = place_reopen};
        dir_make(p.dir);
        place_open(&m);
        model_init(&m, seed);
        for (int i = 0; i < 600; i++) {
            model_step(&m);
        }
        place_reopen(&m);
        plugin_instance_close(&p.plugin);
        model_fini(&m);
        dir_remove(p.dir);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations__many_seeds__agree_with_a_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
