/* Power loss at a random moment under random puts, gets, lists and deletes of three threads.
 *
 * Afterwards the directory is what a machine would find, and the store is opened again:
 *  - what was acknowledged is there, with its bytes;
 *  - what anybody saw (by GET, by LIST, by "exists") is there: visible implies durable;
 *  - what is there has the bytes of somebody who put it, and can be read;
 *  - what was deleted, acknowledged, is gone.
 * Then the next life begins on what is left: three lives to a seed, some of which end cleanly.
 * A failure prints the seed; SEED=n runs that one alone. */
#include "../unit.h"
#include "base/diag.h"
#include "dir_fixture.h"
#include "powerloss.h"
#include "storage-fs/fs_io.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { THREADS = 3, LIVES = 3, LIFE_KEYS = 150, KEYS = LIVES * LIFE_KEYS, WINDOW = 5 };
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define IS_SLOW 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define IS_SLOW 1
#endif
#ifdef IS_SLOW
enum { SEEDS = 30 };
#else
enum { SEEDS = 120 };
#endif
enum { COVERING = 100 }; /* about one seed in ten meets a torn write */
enum { PLANTED_MAX = 300 };
enum { CUT_MIN = 12, CUT_MAX = 400 }; /* changes; a life without a cut makes about as many */

struct fact {
    bool was_tried[THREADS];
    int acked_by; /* -1: nobody */
    int puts_in_flight;
    bool was_seen;
    bool delete_tried, delete_acked;
};

struct run {
    uint64_t seed;
    const sluice_storage *table;
    sluice_instance *instance;
    pthread_mutex_t lock;
    struct fact facts[KEYS];
    char why[300]; /* "" when every promise was kept */
    int first_key; /* of this life */
};

struct actor {
    struct run *run;
    int number;
    uint64_t random;
    pthread_t thread;
};

static uint64_t
draw(struct actor *a, uint64_t n)
{
    a->random ^= a->random << 13;
    a->random ^= a->random >> 7;
    a->random ^= a->random << 17;
    return (a->random >> 11) % n;
}

/* Two of three keys are journal entries, the rest plain files in some directories. */
static void
key_name(int k, char *out, size_t cap)
{
    if (k % 3 != 2) {
        (void)snprintf(out, cap, "j/%d/%020d", k % 2, k);
    } else {
        (void)snprintf(out, cap, "seg/t%d/%d/file-%d", k % 5, k % 2, k);
    }
}

static size_t
body_len(int k)
{
    static const size_t lens[] = {8, 250000, 700, 4000, 5000, 20000, 150000};
    return lens[(unsigned)k % 7];
}

static void
body_fill(const struct run *r, int k, int thread, uint8_t *out)
{
    uint64_t x = r->seed * 31 + (uint64_t)k * 8 + (uint64_t)thread + 1;
    for (size_t i = 0; i < body_len(k); i += sizeof(x)) {
        size_t n = body_len(k) - i < sizeof(x) ? body_len(k) - i : sizeof(x);
        x = (x ^ x >> 29) * UINT64_C(6364136223846793005) + 1;
        memcpy(out + i, &x, n);
    }
}

static sluice_slice
slice(const char *s)
{
    return (sluice_slice){(const uint8_t *)s, strlen(s)};
}

/* Whose bytes are these? -1: nobody's. */
static int
author_of(const struct run *r, int k, const uint8_t *bytes, size_t len)
{
    uint8_t *want = (uint8_t *)malloc(body_len(k) + 1);
    int author = -1;
    for (int t = 0; t < THREADS && author < 0; t++) {
        body_fill(r, k, t, want);
        if (len == body_len(k) && memcmp(bytes, want, len) == 0) {
            author = t;
        }
    }
    free(want);
    return author;
}

/* ---- what the threads do ---- */

static void
do_put(struct actor *a, int k, const char *key)
{
    struct run *r = a->run;
    uint8_t *body = (uint8_t *)malloc(body_len(k) + 1);
    body_fill(r, k, a->number, body);
    pthread_mutex_lock(&r->lock);
    bool may_put = !r->facts[k].delete_tried;
    r->facts[k].was_tried[a->number] = true;
    r->facts[k].puts_in_flight++;
    pthread_mutex_unlock(&r->lock);
    sluice_slice part = {body, body_len(k)};
    uint32_t flags = SLUICE_PUT_IF_ABSENT | (k % 3 != 2 ? SLUICE_PUT_SEQUENCE : 0);
    sluice_put_opts opts = {.size = sizeof(opts), .flags = flags};
    sluice_status rc = SLUICE_EAGAIN;
    if (may_put) {
        rc = r->table->put(r->instance, slice(key), &part, 1, &opts, NULL, NULL);
    }
    pthread_mutex_lock(&r->lock);
    r->facts[k].puts_in_flight--;
    if (rc == SLUICE_OK) {
        r->facts[k].acked_by = a->number;
    }
    r->facts[k].was_seen = r->facts[k].was_seen || rc == SLUICE_EEXIST;
    pthread_mutex_unlock(&r->lock);
    free(body);
}

static void
do_get(struct actor *a, int k, const char *key)
{
    struct run *r = a->run;
    sluice_get_result got = {.size = sizeof(got)};
    sluice_status rc = r->table->get(r->instance, slice(key), 0, 0, &got, NULL);
    pthread_mutex_lock(&r->lock);
    if (rc == SLUICE_OK) {
        r->facts[k].was_seen = true;
        if (author_of(r, k, got.body->bytes.ptr, got.body->bytes.len) < 0) {
            (void)snprintf(r->why, sizeof(r->why), "GET %s gave bytes that nobody wrote", key);
        }
    }
    pthread_mutex_unlock(&r->lock);
    if (got.body != NULL) {
        got.body->release(got.body);
    }
}

/* Deletes only what this thread knows to be stored, so that no put can follow. */
static void
do_del(struct actor *a, int k, const char *key)
{
    struct run *r = a->run;
    pthread_mutex_lock(&r->lock);
    bool may = r->facts[k].acked_by == a->number && r->facts[k].puts_in_flight == 0;
    r->facts[k].delete_tried = r->facts[k].delete_tried || may;
    pthread_mutex_unlock(&r->lock);
    if (may && r->table->del(r->instance, slice(key), NULL) == SLUICE_OK) {
        pthread_mutex_lock(&r->lock);
        r->facts[k].delete_acked = true;
        pthread_mutex_unlock(&r->lock);
    }
}

struct seen_sink {
    sluice_list_sink pub;
    bool seen[KEYS];
};

static sluice_status
seen_add(sluice_list_sink *pub, const sluice_list_entry *e)
{
    struct seen_sink *s = (struct seen_sink *)pub;
    char name[64] = "";
    memcpy(name, e->key.ptr, e->key.len < 63 ? e->key.len : 63);
    const char *digits = strrchr(name, name[0] == 'j' ? '/' : '-');
    int k = (int)strtol(digits + 1, NULL, 10);
    s->seen[k] = true;
    return SLUICE_OK;
}

static void
do_list(struct actor *a)
{
    struct run *r = a->run;
    struct seen_sink s = {.pub = {sizeof(s.pub), seen_add}};
    sluice_status rc = r->table->list(r->instance, slice(""), slice(""), 10000, &s.pub, NULL);
    pthread_mutex_lock(&r->lock);
    for (int k = 0; k < KEYS && rc == SLUICE_OK; k++) {
        r->facts[k].was_seen = r->facts[k].was_seen || s.seen[k];
    }
    pthread_mutex_unlock(&r->lock);
}

static void *
actor_main(void *arg)
{
    struct actor *a = (struct actor *)arg;
    char key[64];
    int end = a->run->first_key + LIFE_KEYS - WINDOW;
    bool is_tidy =
        a->run->seed % 2 == 0; /* deletes most of what it stored, so that volumes recycle */
    for (int front = a->run->first_key; front < end && !powerloss_is_cut();
         front += (int)draw(a, 2)) {
        int k = front + (int)draw(a, WINDOW);
        int back = k - (int)draw(a, 30);
        key_name(k, key, sizeof(key));
        uint64_t dice = draw(a, 10);
        if (dice < 5) {
            do_put(a, k, key);
        } else if (dice < 8) {
            do_get(a, k, key);
        } else if (dice < 9) {
            do_list(a);
        } else if (back >= 0) {
            key_name(back, key, sizeof(key));
            do_del(a, back, key);
        }
        for (int old = k - 20; is_tidy && old >= 0 && old > k - 24; old--) {
            key_name(old, key, sizeof(key));
            do_del(a, old, key);
        }
    }
    return NULL;
}

/* ---- afterwards ---- */

static void
judge(struct run *r, int k, sluice_status rc, const sluice_get_result *got)
{
    const struct fact *f = &r->facts[k];
    const char *what = NULL;
    int author = rc == SLUICE_OK ? author_of(r, k, got->body->bytes.ptr, got->body->bytes.len) : -1;
    bool must_be = (f->acked_by >= 0 || f->was_seen) && !f->delete_tried;
    if (rc != SLUICE_OK && rc != SLUICE_ENOENT) {
        what = "cannot be read";
    } else if (rc == SLUICE_ENOENT && must_be) {
        what = f->acked_by >= 0 ? "was acknowledged and is gone" : "was seen and is gone";
    } else if (rc == SLUICE_OK && f->delete_acked) {
        what = "was deleted and is back";
    } else if (rc == SLUICE_OK && (author < 0 || !f->was_tried[author])) {
        what = "has bytes that nobody wrote";
    } else if (rc == SLUICE_OK && f->acked_by >= 0 && f->acked_by != author) {
        what = "has the bytes of a put that lost";
    }
    if (what != NULL && r->why[0] == '\0') {
        char key[64];
        key_name(k, key, sizeof(key));
        (void)snprintf(r->why, sizeof(r->why), "%s %s (status %d)", key, what, (int)rc);
    }
}

/* What the recovered store shows was decided by the cut and must not change any more. */
static void
learn(struct fact *f, bool is_there)
{
    f->was_seen = is_there;
    f->acked_by = is_there ? f->acked_by : -1;
    f->delete_acked = f->delete_tried && !is_there;
    f->delete_tried = f->delete_acked;
}

static void
judge_all(struct run *r)
{
    char key[64];
    for (int k = 0; k < KEYS; k++) {
        sluice_get_result got = {.size = sizeof(got)};
        key_name(k, key, sizeof(key));
        sluice_status rc = r->table->get(r->instance, slice(key), 0, 0, &got, NULL);
        judge(r, k, rc, &got);
        learn(&r->facts[k], rc == SLUICE_OK);
        if (got.body != NULL) {
            got.body->release(got.body);
        }
    }
}

/* ---- planted mistakes: calls that are not made ---- */

enum { MISTAKE_NO_FSYNC = 1 << 8, MISTAKE_NO_DSYNC = 1 << 9 };

static int
fsync_not(int fd)
{
    (void)fd;
    return powerloss_is_cut() ? -1 : 0;
}

static int
openat_without_dsync(int dir, const char *path, int flags, mode_t mode)
{
    return powerloss_openat(dir, path, flags & ~(O_DSYNC | O_SYNC), mode);
}

static const struct fs_io *
model_io(uint32_t mistakes)
{
    static struct fs_io io;
    io = (struct fs_io){.openat = powerloss_openat,
                        .close = powerloss_close,
                        .pwritev = powerloss_pwritev,
                        .fallocate = powerloss_fallocate,
                        .ftruncate = powerloss_ftruncate,
                        .fsync = powerloss_fsync,
                        .fdatasync = powerloss_fsync,
                        .syncfs = powerloss_syncfs,
                        .mkdirat = powerloss_mkdirat,
                        .renameat2 = powerloss_renameat2,
                        .unlinkat = powerloss_unlinkat,
                        .mistakes = mistakes};
    if ((mistakes & MISTAKE_NO_FSYNC) != 0) {
        io.fsync = io.fdatasync = fsync_not;
    }
    if ((mistakes & MISTAKE_NO_DSYNC) != 0) {
        io.openat = openat_without_dsync;
    }
    return &io;
}

static struct plugin_instance *
store_open(struct run *r, const char *dir)
{
    const struct plugin_conf_pair pairs[] = {{"path", dir}, {"volume.size", "1MiB"}};
    struct plugin_instance *p = NULL;
    struct sl_error err = SL_ERROR_INIT;
    if (fs_open_pairs(pairs, 2, &p, &err) != SL_OK) {
        (void)snprintf(r->why, sizeof(r->why), "open: %.250s", err.msg);
        return NULL;
    }
    r->table = (const sluice_storage *)plugin_instance_extension(p, SLUICE_STORAGE_V1);
    r->instance = plugin_instance_self(p);
    return p;
}

static void
actors_run(struct run *r)
{
    struct actor actors[THREADS];
    for (int t = 0; t < THREADS; t++) {
        actors[t] = (struct actor){.run = r, .number = t};
        actors[t].random = r->seed * 977 + (uint64_t)t + 1;
        assert_int_equal(pthread_create(&actors[t].thread, NULL, actor_main, &actors[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        (void)pthread_join(actors[t].thread, NULL);
    }
}

/* One life on the directory, one cut or a clean end, one look. Fills r->why when a promise was
 * broken. */
static void
life(struct run *r, const char *dir, uint64_t seed, uint32_t mistakes)
{
    bool is_clean = seed * UINT64_C(2654435761) >> 7 & 1 && mistakes == 0;
    uint64_t cut = CUT_MIN + seed * UINT64_C(7919) % (CUT_MAX - CUT_MIN);
    powerloss_begin(dir, seed, is_clean ? 0 : (long)cut);
    storage_fs_set_io(model_io(mistakes));
    struct plugin_instance *p = store_open(r, dir);
    if (p != NULL) {
        actors_run(r);
        if (!is_clean) {
            powerloss_cut();
        }
        plugin_instance_close(&p);
    } else if (powerloss_is_cut()) {
        r->why[0] = '\0'; /* the power went while it was being opened */
    }
    storage_fs_set_io(NULL);
    powerloss_settle();
    powerloss_end();
    p = store_open(r, dir);
    if (p != NULL) {
        judge_all(r);
        plugin_instance_close(&p);
    }
}

static void
lives(struct run *r, uint64_t seed, uint32_t mistakes)
{
    char dir[4096];
    *r = (struct run){.seed = seed};
    (void)pthread_mutex_init(&r->lock, NULL);
    for (int k = 0; k < KEYS; k++) {
        r->facts[k].acked_by = -1;
    }
    dir_make(dir);
    for (int i = 0; i < LIVES && r->why[0] == '\0'; i++) {
        r->first_key = i * LIFE_KEYS;
        life(r, dir, seed * LIVES + (uint64_t)i, mistakes);
    }
    dir_remove(dir);
    (void)pthread_mutex_destroy(&r->lock);
}

static _Atomic int recycled, torn; /* lines that the store has logged */

static void
quiet(void *arg, const char *line, size_t len)
{
    (void)arg;
    atomic_fetch_add(&recycled, memmem(line, len, "begins generation", 17) != NULL ? 1 : 0);
    atomic_fetch_add(&torn, memmem(line, len, "dropped the unfinished", 22) != NULL ? 1 : 0);
    if (getenv("VERBOSE") != NULL) {
        (void)fwrite(line, 1, len, stderr);
    }
}

static uint64_t
seeds_from_env(uint64_t *last)
{
    const char *only = getenv("SEED");
    const char *count = getenv("SEEDS");
    *last = only != NULL    ? strtoull(only, NULL, 10)
            : count != NULL ? strtoull(count, NULL, 10)
                            : SEEDS;
    return only != NULL ? *last : 1;
}

static void
power_loss__many_seeds__every_promise_is_kept(void **state)
{
    (void)state;
    uint64_t last;
    struct run *r = (struct run *)malloc(sizeof(*r));
    int broken = 0;
    for (uint64_t seed = seeds_from_env(&last); seed <= last; seed++) {
        lives(r, seed, 0);
        if (r->why[0] != '\0') {
            (void)fprintf(stderr, "powerloss: seed %llu: %s\n", (unsigned long long)seed, r->why);
            broken++;
        }
    }
    free(r);
    assert_int_equal(broken, 0);
    if (last >= COVERING) { /* a path that is never met is a hole in the test */
        assert_true(atomic_load(&recycled) > 0);
        assert_true(atomic_load(&torn) > 0);
    }
}

static void
assert_caught(uint32_t mistake)
{
    struct run *r = (struct run *)malloc(sizeof(*r));
    int caught = 0;
    for (uint64_t seed = 1; seed <= PLANTED_MAX && caught < 3; seed++) {
        lives(r, seed, mistake);
        caught += r->why[0] != '\0' ? 1 : 0;
    }
    free(r);
    assert_true(caught >= 3);
}

/* The mistake of docs/journal.md section 7, number 20, is noticed. */
static void
visible_before_durable__planted__is_caught(void **state)
{
    (void)state;
    assert_caught(FS_MISTAKE_VISIBLE_EARLY);
}

static void
no_fsync__planted__is_caught(void **state)
{
    (void)state;
    assert_caught(MISTAKE_NO_FSYNC);
}

static void
no_dsync__planted__is_caught(void **state)
{
    (void)state;
    assert_caught(MISTAKE_NO_DSYNC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_loss__many_seeds__every_promise_is_kept),
        cmocka_unit_test(visible_before_durable__planted__is_caught),
        cmocka_unit_test(no_fsync__planted__is_caught),
        cmocka_unit_test(no_dsync__planted__is_caught),
    };
    diag_set_sink(quiet, NULL);
    diag_set_level(DIAG_DEBUG);
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TEST_DIR", "/dev/shm", 0); /* the model knows what is durable, not the disk */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
