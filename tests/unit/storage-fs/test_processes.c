/* Several processes on one directory: one winner per key, everybody sees what anybody stored, and a
 * process that dies at any moment takes nothing with it. */
#include "../unit.h"
#include "base/diag.h"
#include "dir_fixture.h"
#include "storage_model.h"

#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { INSTANCES = 3, RACERS = 4, RACE_KEYS = 300, LIFE_KEYS = 4000 };

struct opened {
    struct plugin_instance *plugin;
    const sluice_storage *table;
    sluice_instance *self;
};

static void
store_open(struct opened *o, const char *dir)
{
    o->plugin = fs_open_at(dir);
    o->table = (const sluice_storage *)plugin_instance_extension(o->plugin, SLUICE_STORAGE_V1);
    o->self = plugin_instance_self(o->plugin);
}

static void
store_close(struct opened *o)
{
    plugin_instance_close(&o->plugin);
}

static sluice_status
put_text(const struct opened *o, const char *key, const char *text, uint32_t flags)
{
    sluice_slice part = model_slice(text);
    sluice_put_opts opts = {.size = sizeof(opts), .flags = flags | SLUICE_PUT_IF_ABSENT};
    return o->table->put(o->self, model_slice(key), &part, 1, &opts, NULL, NULL);
}

/* Gives the object as a string, "" when it is absent; *rc is the status. */
static const char *
get_text(const struct opened *o, const char *key, sluice_status *rc)
{
    static char text[256];
    sluice_get_result got = {.size = sizeof(got)};
    *rc = o->table->get(o->self, model_slice(key), 0, 0, &got, NULL);
    text[0] = '\0';
    if (got.body != NULL) {
        (void)snprintf(text, sizeof(text), "%.*s", (int)got.body->bytes.len,
                       (const char *)got.body->bytes.ptr);
        got.body->release(got.body);
    }
    return text;
}

/* Every other key is a journal entry, the rest plain files. */
static void
name_key(int k, char *out, size_t cap)
{
    (void)snprintf(out, cap, k % 2 == 0 ? "j/0/%020d" : "files/%d/x", k);
}

static uint32_t
flags_of(int k)
{
    return k % 2 == 0 ? SLUICE_PUT_SEQUENCE : 0;
}

/* ---- instances take turns ---- */

struct trio {
    char dir[4096];
    struct opened stores[INSTANCES];
};

static void
trio_turn(struct model *m)
{
    struct trio *t = (struct trio *)m->arg;
    struct opened *o = &t->stores[model_below(m, INSTANCES)];
    if (model_below(m, 60) == 0) {
        store_close(o);
        store_open(o, t->dir);
    }
    m->table = o->table;
    m->instance = o->self;
}

static void
taking_turns__random_operations__agree_with_a_map(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct trio t = {0};
        struct model m = {.arg = &t};
        dir_make(t.dir);
        for (int i = 0; i < INSTANCES; i++) {
            store_open(&t.stores[i], t.dir);
        }
        model_init(&m, seed);
        for (int i = 0; i < 500; i++) {
            trio_turn(&m);
            model_step(&m);
        }
        for (int i = 0; i < INSTANCES; i++) {
            m.table = t.stores[i].table;
            m.instance = t.stores[i].self;
            model_check_all(&m);
        }
        for (int i = 0; i < INSTANCES; i++) {
            store_close(&t.stores[i]);
        }
        model_fini(&m);
        dir_remove(t.dir);
    }
}

static void
taking_turns__more_changes_than_the_ring_holds__are_all_seen(void **state)
{
    (void)state;
    char dir[4096];
    char key[64];
    struct opened a;
    struct opened b;
    sluice_status rc;
    dir_make(dir);
    store_open(&a, dir);
    store_open(&b, dir);
    for (int k = 0; k < 3000; k += 2) {
        name_key(k, key, sizeof(key));
        assert_int_equal(put_text(&a, key, "a", SLUICE_PUT_SEQUENCE), SLUICE_OK);
    }
    for (int k = 0; k < 3000; k += 2) {
        name_key(k, key, sizeof(key));
        assert_string_equal(get_text(&b, key, &rc), "a");
        assert_int_equal(put_text(&b, key, "b", SLUICE_PUT_SEQUENCE), SLUICE_EEXIST);
    }
    store_close(&a);
    store_close(&b);
    dir_remove(dir);
}

/* ---- processes race ---- */

struct race {
    _Atomic int ready;
    _Atomic int wins[RACE_KEYS];
    _Atomic int winner[RACE_KEYS];
    _Atomic int failures;
};

static void *
shared_memory(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    return p;
}

static void
racer_main(struct race *race, const char *dir, int number)
{
    struct opened o;
    char key[64];
    char text[32];
    store_open(&o, dir);
    atomic_fetch_add(&race->ready, 1);
    while (atomic_load(&race->ready) < RACERS) {
        const struct timespec pause = {0, 100000};
        (void)nanosleep(&pause, NULL);
    }
    (void)snprintf(text, sizeof(text), "racer %d", number);
    for (int k = 0; k < RACE_KEYS; k++) {
        name_key(k, key, sizeof(key));
        sluice_status rc = put_text(&o, key, text, flags_of(k));
        if (rc == SLUICE_OK) {
            atomic_fetch_add(&race->wins[k], 1);
            atomic_store(&race->winner[k], number);
        } else if (rc != SLUICE_EEXIST) {
            atomic_fetch_add(&race->failures, 1);
        }
        sluice_status got;
        if (strlen(get_text(&o, key, &got)) == 0) {
            atomic_fetch_add(&race->failures, 1); /* stored or exists, but not to be seen */
        }
    }
    store_close(&o);
    _exit(0);
}

static void
race__four_processes__one_winner_per_key(void **state)
{
    (void)state;
    char dir[4096];
    char key[64];
    struct race *race = (struct race *)shared_memory(sizeof(*race));
    dir_make(dir);
    for (int i = 0; i < RACERS; i++) {
        if (fork() == 0) {
            racer_main(race, dir, i);
        }
    }
    for (int i = 0; i < RACERS; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(race->failures, 0);
    struct opened o;
    store_open(&o, dir);
    for (int k = 0; k < RACE_KEYS; k++) {
        char want[32];
        sluice_status rc;
        name_key(k, key, sizeof(key));
        assert_int_equal(race->wins[k], 1);
        (void)snprintf(want, sizeof(want), "racer %d", race->winner[k]);
        assert_string_equal(get_text(&o, key, &rc), want);
    }
    store_close(&o);
    dir_remove(dir);
    (void)munmap(race, sizeof(*race));
}

/* ---- a process dies ---- */

struct life {
    _Atomic int acked[LIFE_KEYS];   /* 1: the dying process put it */
    _Atomic int deleted[LIFE_KEYS]; /* 1: and is deleting it, 2: has deleted it */
    _Atomic int progress;
};

static void
mortal_main(struct life *life, const char *dir, int from)
{
    struct opened o;
    char key[64];
    store_open(&o, dir);
    for (int k = from; k < LIFE_KEYS; k++) {
        name_key(k, key, sizeof(key));
        if (put_text(&o, key, "mortal", flags_of(k)) == SLUICE_OK) {
            atomic_store(&life->acked[k], 1);
        }
        int old = k - 7;
        if (old >= from && old % 5 == 0 && atomic_load(&life->acked[old]) != 0) {
            name_key(old, key, sizeof(key));
            atomic_store(&life->deleted[old], 1);
            if (o.table->del(o.self, model_slice(key), NULL) == SLUICE_OK) {
                atomic_store(&life->deleted[old], 2);
            }
        }
        atomic_fetch_add(&life->progress, 1);
    }
    _exit(0);
}

/* Lets a child write from key `from` on and kills it after some work and some time. */
static void
live_and_die(struct life *life, const char *dir, int from, unsigned dice)
{
    atomic_store(&life->progress, 0);
    pid_t pid = fork();
    if (pid == 0) {
        mortal_main(life, dir, from);
    }
    int enough = 1 + (int)(dice % 40);
    const struct timespec pause = {0, 20000};
    while (atomic_load(&life->progress) < enough) {
        (void)nanosleep(&pause, NULL);
    }
    const struct timespec moment = {0, (long)(dice % 977) * 1000};
    (void)nanosleep(&moment, NULL);
    (void)kill(pid, SIGKILL);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void
check_life(const struct life *life, const struct opened *o)
{
    char key[64];
    for (int k = 0; k < LIFE_KEYS; k++) {
        sluice_status rc;
        if (life->acked[k] == 0) {
            continue;
        }
        name_key(k, key, sizeof(key));
        const char *text = get_text(o, key, &rc);
        if (life->deleted[k] == 0) {
            assert_string_equal(text, "mortal");
        } else if (life->deleted[k] == 2) {
            assert_int_equal(rc, SLUICE_ENOENT);
        }
    }
}

static void
kill9__then_reopen__what_was_acknowledged_is_there(void **state)
{
    (void)state;
    char dir[4096];
    struct life *life = (struct life *)shared_memory(sizeof(*life));
    dir_make(dir);
    for (unsigned i = 0; i < 25; i++) {
        struct opened o;
        live_and_die(life, dir, (int)i * 150, i * 7919 + 13);
        store_open(&o, dir);
        check_life(life, &o);
        store_close(&o);
    }
    dir_remove(dir);
    (void)munmap(life, sizeof(*life));
}

/* Puts what the dead may or may not have stored; gives how often the object was ours. */
static int
contest(const struct life *life, const struct opened *o, int from, int *owner)
{
    char key[64];
    int wins = 0;
    for (int k = from; k < from + 60; k++) {
        sluice_status rc;
        name_key(k, key, sizeof(key));
        if (life->deleted[k] != 0) {
            continue;
        }
        rc = put_text(o, key, "survivor", flags_of(k));
        assert_true(rc == SLUICE_OK || rc == SLUICE_EEXIST);
        assert_true(life->acked[k] == 0 || rc == SLUICE_EEXIST);
        owner[k] = rc == SLUICE_OK ? 2 : 1;
        assert_string_equal(get_text(o, key, &rc), owner[k] == 2 ? "survivor" : "mortal");
        wins += owner[k] == 2 ? 1 : 0;
    }
    return wins;
}

static void
kill9__another_process_lives__it_takes_over_and_nothing_flips(void **state)
{
    (void)state;
    char dir[4096];
    char key[64];
    struct life *life = (struct life *)shared_memory(sizeof(*life));
    int *owner = (int *)calloc(LIFE_KEYS, sizeof(*owner));
    struct opened survivor;
    dir_make(dir);
    store_open(&survivor, dir);
    int wins = 0;
    for (unsigned i = 0; i < 20; i++) {
        live_and_die(life, dir, (int)i * 150, i * 104729 + 7);
        check_life(life, &survivor);
        wins += contest(life, &survivor, (int)i * 150, owner);
    }
    assert_true(wins > 0);
    store_close(&survivor);
    store_open(&survivor, dir);
    check_life(life, &survivor);
    for (int k = 0; k < LIFE_KEYS; k++) {
        sluice_status rc;
        name_key(k, key, sizeof(key));
        if (owner[k] != 0) {
            assert_string_equal(get_text(&survivor, key, &rc),
                                owner[k] == 2 ? "survivor" : "mortal");
        }
    }
    store_close(&survivor);
    dir_remove(dir);
    free(owner);
    (void)munmap(life, sizeof(*life));
}

static void
quiet(void *arg, const char *line, size_t len)
{
    (void)arg;
    if (getenv("VERBOSE") != NULL) {
        (void)fwrite(line, 1, len, stderr);
    }
}

/* ---- a volume that is gone ---- */

/* Files of the directory that are gone and still open here. */
static int
deleted_files(const char *dir)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char link[300], to[5000];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%s", e->d_name);
        ssize_t n = readlink(link, to, sizeof(to) - 1);
        to[n < 0 ? 0 : n] = '\0';
        count += strncmp(to, dir, strlen(dir)) == 0 && strstr(to, "(deleted)") != NULL ? 1 : 0;
    }
    (void)closedir(d);
    return count;
}

static void
put_and_delete(const struct opened *o, int count, size_t len)
{
    static uint8_t bytes[700 << 10];
    const sluice_put_opts opts = {.size = sizeof(opts),
                                  .flags = SLUICE_PUT_SEQUENCE | SLUICE_PUT_IF_ABSENT};
    char key[64];
    for (int i = 0; i < 2 * count; i++) {
        const sluice_slice part = {bytes, len};
        name_key(i % count * 2, key, sizeof(key));
        sluice_status rc =
            i < count ? o->table->put(o->self, model_slice(key), &part, 1, &opts, NULL, NULL)
                      : o->table->del(o->self, model_slice(key), NULL);
        assert_int_equal(rc, SLUICE_OK);
    }
}

static void
a_volume_is_removed__the_others_let_go_of_it(void **state)
{
    (void)state;
    char dir[4096];
    struct opened a, b;
    sluice_status rc;
    dir_make(dir);
    store_open(&a, dir);
    store_open(&b, dir);
    for (int turn = 0; turn < 2; turn++) {
        put_and_delete(&a, 60, 700 << 10);
        put_and_delete(&a, turn == 0 ? 1 : 600, 100); /* more than can be followed */
        assert_string_equal(get_text(&b, "j/0/x", &rc), "");
        assert_int_equal(rc, SLUICE_ENOENT);
        assert_int_equal(deleted_files(dir), 0);
    }
    store_close(&a);
    store_close(&b);
    dir_remove(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taking_turns__random_operations__agree_with_a_map),
        cmocka_unit_test(taking_turns__more_changes_than_the_ring_holds__are_all_seen),
        cmocka_unit_test(race__four_processes__one_winner_per_key),
        cmocka_unit_test(kill9__then_reopen__what_was_acknowledged_is_there),
        cmocka_unit_test(kill9__another_process_lives__it_takes_over_and_nothing_flips),
        cmocka_unit_test(a_volume_is_removed__the_others_let_go_of_it),
    };
    diag_set_sink(quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
