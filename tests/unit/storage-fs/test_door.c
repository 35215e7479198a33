/* The whole path: store_submit -> pool -> host table -> file store -> files. */
#include "../store/loop_fixture.h"
#include "../unit.h"
#include "dir_fixture.h"
#include "store/plugin_store.h"

#include <sys/stat.h>

struct world {
    char dir[4096];
    struct loop_fixture loop;
    struct plugin_instance *plugin;
    struct store *st;
    struct sync_call c;
};

static void
world_open(struct world *w)
{
    struct sl_error err = SL_ERROR_INIT;
    w->plugin = fs_open_at(w->dir);
    struct plugin_store_options o = {
        .name = "file store",
        .table = (const sluice_storage *)plugin_instance_extension(w->plugin, SLUICE_STORAGE_V1),
        .instance = plugin_instance_self(w->plugin),
        .plugin_flags = plugin_instance_flags(w->plugin)};
    assert_int_equal(plugin_store_open(&o, &w->st, &err), SL_OK);
}

static void
world_close(struct world *w)
{
    plugin_store_close(&w->st);
    plugin_instance_close(&w->plugin);
}

static int
setup(void **state)
{
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    dir_make(w->dir);
    loop_init(&w->loop);
    world_open(w);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    world_close(w);
    loop_fini(&w->loop);
    dir_remove(w->dir);
    sl_free(w);
    return 0;
}

static void
assert_body(struct world *w, const char *key, const char *want)
{
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_GET, key), STORE_DONE);
    assert_true(span_eq(buf_span(w->c.call.body), span_cstr(want)));
    assert_int_equal(w->c.call.object_size, strlen(want));
    buf_unref(&w->c.call.body);
}

static void
put__then_get__gives_the_bytes(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "a/b/one", "hello"), STORE_DONE);
    assert_true(w->c.call.ended_ns > 0);
    assert_body(w, "a/b/one", "hello");
}

static void
put_if_absent__twice__second_exists_and_changes_nothing(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "k", "first"), STORE_DONE);
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "k", "second"), STORE_EXISTS);
    assert_body(w, "k", "first");
}

static void
get__no_such_object__is_absent_and_no_error(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_GET, "none"), STORE_ABSENT);
    assert_int_equal(w->c.call.rc, SL_OK);
    assert_null(w->c.call.body);
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_HEAD, "none/such"), STORE_ABSENT);
}

static void
put__parts__are_joined(void **state)
{
    struct world *w = (struct world *)*state;
    memset(&w->c, 0, sizeof(w->c));
    w->c.call.kind = STORE_PUT;
    (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "joined");
    w->c.call.parts[0] = span_cstr("one ");
    w->c.call.parts[1] = span_cstr("");
    w->c.call.parts[2] = span_cstr("two");
    w->c.call.part_count = 3;
    w->c.call.is_sequence = w->c.call.if_absent = true;
    sync_run(&w->loop, w->st, &w->c);
    assert_int_equal(w->c.call.outcome, STORE_DONE);
    assert_body(w, "joined", "one two");
}

static void
put__bad_key__is_refused_with_a_sentence(void **state)
{
    struct world *w = (struct world *)*state;
    static const char *const bad[] = {"",      "/a",  "a/",  "a//b",  "../a",
                                      "a/./b", "a b", "a+b", "+tmp/x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sync_put(&w->loop, w->st, &w->c, bad[i], "x"), STORE_ERROR);
        assert_int_equal(w->c.call.rc, SL_EINVAL);
        assert_true(strlen(w->c.call.why) > 10);
    }
}

static void
list__more_than_a_page__gives_all_in_order(void **state)
{
    struct world *w = (struct world *)*state;
    enum { KEYS = 2345 };
    for (int i = 0; i < KEYS; i++) {
        memset(&w->c, 0, sizeof(w->c));
        w->c.call.kind = STORE_PUT;
        (void)snprintf(w->c.call.key, sizeof(w->c.call.key), "j/0/%020d", i * 11 % KEYS);
        w->c.call.if_absent = w->c.call.is_sequence = true;
        sync_run(&w->loop, w->st, &w->c);
        assert_int_equal(w->c.call.outcome, STORE_DONE);
    }
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_LIST, "j/"), STORE_DONE);
    struct store_listing *l = w->c.call.listing;
    assert_int_equal(l->count, KEYS);
    for (size_t i = 0; i < l->count; i++) {
        char want[64];
        (void)snprintf(want, sizeof(want), "j/0/%020zu", i);
        assert_string_equal(l->items[i].key, want);
    }
    store_listing_free(&w->c.call.listing);
}

static void
del__object__is_gone_and_can_be_made_again(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "d", "1"), STORE_DONE);
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_DEL, "d"), STORE_DONE);
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_DEL, "d"), STORE_DONE);
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_GET, "d"), STORE_ABSENT);
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "d", "2"), STORE_DONE);
    assert_body(w, "d", "2");
}

static void
reopen__objects__are_still_there(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "x/y", "stays"), STORE_DONE);
    world_close(w);
    world_open(w);
    assert_body(w, "x/y", "stays");
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "x/y", "other"), STORE_EXISTS);
}

/* Below the store's directory, as somebody else might leave it there. */
static const char *
path_of(const struct world *w, const char *name)
{
    static char path[5000];
    (void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
    return path;
}

static void
file_make(const struct world *w, const char *name)
{
    FILE *f = fopen(path_of(w, name), "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
}

static void
list__names_that_no_key_can_have__are_not_shown(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "a/one", "x"), STORE_DONE);
    assert_int_equal(mkdir(path_of(w, "lost+found"), 0700), 0);
    file_make(w, "lost+found/x");
    file_make(w, "a/a letter.txt");
    file_make(w, "a/caf\xc3\xa9");
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_LIST, ""), STORE_DONE);
    assert_int_equal(w->c.call.listing->count, 1);
    assert_string_equal(w->c.call.listing->items[0].key, "a/one");
    store_listing_free(&w->c.call.listing);
}

/* What lies behind one would be found by its name, and not be listed. */
static void
symbolic_links__are_refused_and_named(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(sync_put(&w->loop, w->st, &w->c, "a/one", "x"), STORE_DONE);
    assert_int_equal(symlink("a", path_of(w, "b")), 0);
    assert_int_equal(symlink("a/one", path_of(w, "c")), 0);
    static const char *const prefixes[] = {"", "b", "b/o", "c"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_LIST, prefixes[i]), STORE_ERROR);
        assert_non_null(strstr(w->c.call.why, "symbolic link"));
    }
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_GET, "c"), STORE_ERROR);
    assert_non_null(strstr(w->c.call.why, "symbolic link"));
    assert_int_equal(sync_key(&w->loop, w->st, &w->c, STORE_LIST, "a/"), STORE_DONE);
    assert_int_equal(w->c.call.listing->count, 1);
    store_listing_free(&w->c.call.listing);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(put__then_get__gives_the_bytes),
        T(put_if_absent__twice__second_exists_and_changes_nothing),
        T(get__no_such_object__is_absent_and_no_error),
        T(put__parts__are_joined),
        T(put__bad_key__is_refused_with_a_sentence),
        T(list__more_than_a_page__gives_all_in_order),
        T(list__names_that_no_key_can_have__are_not_shown),
        T(symbolic_links__are_refused_and_named),
        T(del__object__is_gone_and_can_be_made_again),
        T(reopen__objects__are_still_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
