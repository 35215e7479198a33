/* The start-up probe against stores that keep their promises and stores that do not. */
#include "../unit.h"
#include "base/buf.h"
#include "loop_fixture.h"
#include "store/probe.h"

enum { OBJECTS_MAX = 64 };

struct object {
    char key[STORE_KEY_MAX];
    char body[PROBE_BODY];
    bool is_there;
};

/* A store in memory with one promise broken. */
struct bad_store {
    struct store pub;
    struct object objects[OBJECTS_MAX];
    size_t count;
    bool replaces, lets_two_win, loses, fails, claims_exists;
    int unknowns; /* so many puts end with an unknown outcome */
    size_t puts, dels;
};

static struct object *
object_find(struct bad_store *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->objects[i].is_there && strcmp(s->objects[i].key, key) == 0) {
            return &s->objects[i];
        }
    }
    return NULL;
}

static void
object_add(struct bad_store *s, const struct store_call *call)
{
    struct object *o = &s->objects[s->count++];
    o->is_there = true;
    (void)snprintf(o->key, sizeof(o->key), "%s", call->key);
    span_to_cstr(call->parts[0], o->body, sizeof(o->body));
}

static void
do_put(struct bad_store *s, struct store_call *call)
{
    bool is_there = object_find(s, call->key) != NULL;
    s->puts++;
    call->outcome = STORE_DONE;
    if (s->unknowns > 0) {
        s->unknowns--;
        call->outcome = STORE_UNKNOWN;
    } else if (s->fails) {
        call->outcome = STORE_ERROR;
        call->rc = SL_EDENIED;
        (void)snprintf(call->why, sizeof(call->why), "no credentials");
    } else if (s->claims_exists ||
               (is_there && !s->replaces && !(s->lets_two_win && s->puts == 5))) {
        call->outcome = STORE_EXISTS;
    } else if (!is_there) {
        object_add(s, call);
    }
}

static void
do_get(struct bad_store *s, struct store_call *call)
{
    const struct object *o = object_find(s, call->key);
    call->outcome = o == NULL || s->loses ? STORE_ABSENT : STORE_DONE;
    if (call->outcome == STORE_DONE) {
        call->body = buf_copy(span_cstr(o->body));
    }
}

static void
deliver(struct sched_task *task)
{
    struct store_call *call = SL_CONTAINER_OF(task, struct store_call, task);
    call->done(call);
}

static void
bad_submit(struct store *pub, struct store_call *call)
{
    struct bad_store *s = SL_CONTAINER_OF(pub, struct bad_store, pub);
    if (call->kind == STORE_PUT) {
        do_put(s, call);
    } else if (call->kind == STORE_GET) {
        do_get(s, call);
    } else {
        struct object *o = object_find(s, call->key);
        s->dels++;
        call->outcome = STORE_DONE;
        if (o != NULL) {
            o->is_there = false;
        }
    }
    call->task.run = deliver;
    sched_post(call->home, &call->task);
}

struct world {
    struct loop_fixture loop;
    struct bad_store store;
    struct store_probe probe;
    size_t done;
};

static void
probe_done(struct store_probe *probe)
{
    SL_CONTAINER_OF(probe, struct world, probe)->done++;
}

static enum sl_err
run(struct world *w)
{
    w->probe.st = &w->store.pub;
    w->probe.home = &w->loop.sched;
    w->probe.name = "bucket tau";
    w->probe.prefix = "_sluice";
    w->probe.done = probe_done;
    store_probe_start(&w->probe);
    loop_run_until(&w->loop, &w->done, 1);
    store_probe_fini(&w->probe);
    return w->probe.rc;
}

static int
setup(void **state)
{
    static const struct store_ops bad_ops = {bad_submit};
    struct world *w = (struct world *)sl_alloc(sizeof(*w));
    loop_init(&w->loop);
    w->store.pub.ops = &bad_ops;
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = (struct world *)*state;
    loop_fini(&w->loop);
    sl_free(w);
    return 0;
}

static void
good_store__passes_and_leaves_nothing_behind(void **state)
{
    struct world *w = (struct world *)*state;
    assert_int_equal(run(w), SL_OK);
    assert_int_equal(w->store.puts, 2 + PROBE_RACERS);
    for (size_t i = 0; i < w->store.count; i++) {
        assert_false(w->store.objects[i].is_there);
    }
}

static void
store_that_replaces__is_refused_by_name(void **state)
{
    struct world *w = (struct world *)*state;
    w->store.replaces = true;
    assert_int_equal(run(w), SL_ENOTSUP);
    assert_non_null(strstr(w->probe.err.msg, "bucket tau"));
    assert_non_null(strstr(w->probe.err.msg, "replaced"));
}

static void
store_with_two_winners__is_refused_with_their_number(void **state)
{
    struct world *w = (struct world *)*state;
    w->store.lets_two_win = true;
    assert_int_equal(run(w), SL_ENOTSUP);
    assert_non_null(strstr(w->probe.err.msg, "2 winners"));
}

static void
store_that_loses_what_it_acknowledged__is_refused(void **state)
{
    struct world *w = (struct world *)*state;
    w->store.loses = true;
    assert_int_equal(run(w), SL_ENOTSUP);
    assert_non_null(strstr(w->probe.err.msg, "not there"));
}

static void
store_where_every_key_exists__is_refused(void **state)
{
    struct world *w = (struct world *)*state;
    w->store.claims_exists = true;
    assert_int_equal(run(w), SL_ENOTSUP);
}

static void
store_that_fails__gives_its_reason(void **state)
{
    struct world *w = (struct world *)*state;
    w->store.fails = true;
    assert_int_equal(run(w), SL_EDENIED);
    assert_non_null(strstr(w->probe.err.msg, "no credentials"));
}

static void
unknown_outcomes__are_tried_again_a_few_times(void **state)
{
    struct world *w = (struct world *)*state;
    w->store.unknowns = 2;
    assert_int_equal(run(w), SL_OK);
    w->done = 0;
    w->store.unknowns = 1000;
    assert_int_not_equal(run(w), SL_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(good_store__passes_and_leaves_nothing_behind),
        T(store_that_replaces__is_refused_by_name),
        T(store_with_two_winners__is_refused_with_their_number),
        T(store_that_loses_what_it_acknowledged__is_refused),
        T(store_where_every_key_exists__is_refused),
        T(store_that_fails__gives_its_reason),
        T(unknown_outcomes__are_tried_again_a_few_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
