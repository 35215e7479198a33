/* Drives a storage plugin from its shared object against a real store:
 *
 *     s3_drive PLUGIN.so COMMAND [key=value...]
 *
 * The pairs are the plugin's options. Commands:
 *     open              start and stop it; prints the sentence when that fails
 *     model SEED COUNT  random operations compared with a map; the bucket must be empty
 *     race ROUNDS       create-if-absent of one key by 32 at once, ROUNDS times: one winner each
 *     many COUNT        COUNT objects, listed with and without a start; then deleted
 *     replace           conditional replace: the right version, then a wrong one
 *     put KEY SIZE      one create-if-absent; prints its outcome
 *     bench COUNT SIZE  COUNT puts one after the other, prints the median time
 *
 * The last line on stdout is the outcome; the status is 0 when all is as it should be. */
#include "../../unit/storage-fs/storage_model.h"
#include "../../unit/store/loop_fixture.h"
#include "base/crc32c.h"
#include "store/plugin_store.h"
#include "sync_storage.h"

#include <dlfcn.h>

enum { PAIRS_MAX = 32, RACERS = 32 };

struct drive {
    const char *path;
    struct plugin_conf_pair pairs[PAIRS_MAX];
    char keys[PAIRS_MAX][64];
    size_t count;
    char **words; /* the command's own arguments */
    int word_count;
    struct plugin_instance *plugin;
};

static bool
drive_open(struct drive *d)
{
    void *so = dlopen(d->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    struct sl_error err = SL_ERROR_INIT;
    if (so == NULL) {
        (void)printf("%s\n", dlerror()); /* NOLINT(concurrency-mt-unsafe): one thread */
        return false;
    }
    void *found = dlsym(so, "sluice_plugin_open");
    struct plugin_source src = {.open = NULL};
    memcpy(&src.open, &found, sizeof(found)); /* POSIX: an object pointer holds a function */
    const struct plugin_conf conf = {.pairs = d->pairs, .count = d->count, .section = "storage"};
    if (found == NULL || plugin_instance_open(&src, "s3", &conf, &d->plugin, &err) != SL_OK) {
        (void)printf("%s\n", err.msg);
        return false;
    }
    return true;
}

static long
word_number(const struct drive *d, int i, long dflt)
{
    return i < d->word_count ? strtol(d->words[i], NULL, 10) : dflt;
}

static int
run_open(struct drive *d)
{
    (void)d;
    (void)printf("ok\n");
    return 0;
}

static int
run_model(struct drive *d)
{
    struct sync_storage s;
    struct model m = {0};
    sync_storage_init(&s, d->plugin);
    m.table = &s.table;
    m.instance = sync_storage_self(&s);
    model_init(&m, (uint64_t)word_number(d, 0, 1));
    for (long i = 0; i < word_number(d, 1, 300); i++) {
        model_step(&m);
    }
    model_check_all(&m);
    for (int i = 0; i < MODEL_KEYS; i++) {
        model_del(&m, &m.objects[i]);
    }
    model_check_all(&m);
    model_fini(&m);
    sync_storage_fini(&s);
    (void)printf("ok\n");
    return 0;
}

/* ---- through the door of the server ---- */

struct door {
    struct loop_fixture loop;
    struct store *st;
};

static void
door_open(struct door *door, const struct drive *d)
{
    struct sl_error err = SL_ERROR_INIT;
    const sluice_storage *table =
        (const sluice_storage *)plugin_instance_extension(d->plugin, SLUICE_STORAGE_V1);
    struct plugin_store_options o = {.name = "bucket",
                                     .table = table,
                                     .instance = plugin_instance_self(d->plugin),
                                     .plugin_flags = plugin_instance_flags(d->plugin)};
    loop_init(&door->loop);
    if (plugin_store_open(&o, &door->st, &err) != SL_OK) {
        (void)printf("%s\n", err.msg);
        exit(1); /* NOLINT(concurrency-mt-unsafe) */
    }
}

static void
door_close(struct door *door)
{
    plugin_store_close(&door->st);
    loop_fini(&door->loop);
}

static size_t
race_once(struct door *door, long round)
{
    static struct sync_call calls[RACERS];
    size_t wins = 0;
    for (size_t i = 0; i < RACERS; i++) {
        struct sync_call *c = &calls[i];
        memset(c, 0, sizeof(*c));
        c->call.kind = STORE_PUT;
        c->call.home = &door->loop.sched;
        c->call.done = sync_done;
        c->call.if_absent = true;
        c->call.parts[0] = span_cstr("race");
        c->call.part_count = 1;
        (void)snprintf(c->call.key, sizeof(c->call.key), "race/%ld", round);
        store_submit(door->st, &c->call);
    }
    for (size_t i = 0; i < RACERS; i++) {
        loop_run_until(&door->loop, &calls[i].done, 1);
        wins += calls[i].call.outcome == STORE_DONE ? 1 : 0;
        if (calls[i].call.outcome != STORE_DONE && calls[i].call.outcome != STORE_EXISTS) {
            (void)printf("round %ld: %s\n", round, calls[i].call.why);
            return 0;
        }
    }
    return wins;
}

static int
run_race(struct drive *d)
{
    struct door door = {0};
    struct sync_call c;
    int bad = 0;
    door_open(&door, d);
    for (long round = 0; round < word_number(d, 0, 20); round++) {
        char key[64];
        size_t wins = race_once(&door, round);
        if (wins != 1) {
            (void)printf("round %ld: %zu winners\n", round, wins);
            bad = 1;
        }
        (void)snprintf(key, sizeof(key), "race/%ld", round);
        (void)sync_key(&door.loop, door.st, &c, STORE_DEL, key);
    }
    door_close(&door);
    (void)printf("%s\n", bad == 0 ? "ok" : "failed");
    return bad;
}

static long
list_count(struct door *door, const char *after)
{
    struct sync_call c;
    memset(&c, 0, sizeof(c));
    c.call.kind = STORE_LIST;
    (void)snprintf(c.call.key, sizeof(c.call.key), "many/");
    (void)snprintf(c.call.after, sizeof(c.call.after), "%s", after);
    sync_run(&door->loop, door->st, &c);
    if (c.call.outcome != STORE_DONE) {
        (void)printf("list: %s\n", c.call.why);
        return -1;
    }
    long count = (long)c.call.listing->count;
    for (long i = 1; i < count; i++) {
        if (strcmp(c.call.listing->items[i - 1].key, c.call.listing->items[i].key) >= 0) {
            count = -1;
        }
    }
    store_listing_free(&c.call.listing);
    return count;
}

/* Puts, or deletes, count objects with up to RACERS at once. */
static int
many_each(struct door *door, long count, enum store_kind kind)
{
    static struct sync_call calls[RACERS];
    int bad = 0;
    for (long i = 0; i < count + RACERS; i++) {
        struct sync_call *c = &calls[i % RACERS];
        if (i >= RACERS && i - RACERS < count) {
            loop_run_until(&door->loop, &c->done, 1);
            bad += c->call.outcome == STORE_DONE ? 0 : 1;
        }
        if (i >= count) {
            continue;
        }
        memset(c, 0, sizeof(*c));
        c->call.kind = kind;
        c->call.home = &door->loop.sched;
        c->call.done = sync_done;
        c->call.parts[0] = span_cstr("x");
        c->call.part_count = kind == STORE_PUT ? 1 : 0;
        c->call.if_absent = true;
        (void)snprintf(c->call.key, sizeof(c->call.key), "many/%06ld", i);
        store_submit(door->st, &c->call);
    }
    return bad;
}

static int
run_many(struct drive *d)
{
    struct door door = {0};
    char after[64];
    long count = word_number(d, 0, 2500);
    door_open(&door, d);
    int bad = many_each(&door, count, STORE_PUT);
    (void)snprintf(after, sizeof(after), "many/%06ld", count / 3);
    long all = list_count(&door, "");
    long rest = list_count(&door, after);
    bad += many_each(&door, count, STORE_DEL);
    long none = list_count(&door, "");
    door_close(&door);
    (void)printf("%ld listed, %ld after %s, %ld after deletion, %d bad answers\n", all, rest, after,
                 none, bad);
    return all == count && rest == count - count / 3 - 1 && none == 0 && bad == 0 ? 0 : 1;
}

static sluice_status
put_version(struct sync_storage *s, const char *text, uint32_t flags, sluice_put_result *ret,
            const char *version)
{
    const sluice_slice part = {(const uint8_t *)text, strlen(text)};
    sluice_put_opts o = {.size = sizeof(o), .flags = flags | SLUICE_PUT_CRC32C};
    o.crc32c = crc32c(0, text, strlen(text));
    o.version = (sluice_slice){(const uint8_t *)version, strlen(version)};
    return s->table.put(sync_storage_self(s), model_slice("replace/x"), &part, 1, &o, ret, NULL);
}

static int
run_replace(struct drive *d)
{
    struct sync_storage s;
    sluice_put_result first = {.size = sizeof(first)};
    sluice_put_result second = first;
    sluice_get_result head = {.size = sizeof(head)};
    sync_storage_init(&s, d->plugin);
    sluice_status a = put_version(&s, "one", SLUICE_PUT_IF_ABSENT, &first, "");
    sluice_status b = put_version(&s, "two", SLUICE_PUT_IF_VERSION, &second, first.version);
    sluice_status c = put_version(&s, "three", SLUICE_PUT_IF_VERSION, &second, first.version);
    sluice_status h = s.table.head(sync_storage_self(&s), model_slice("replace/x"), &head, NULL);
    sluice_status e = s.table.del(sync_storage_self(&s), model_slice("replace/x"), NULL);
    (void)printf("create %d, replace %d, with an old version %d, head %d, size %d, delete %d: %s\n",
                 a, b, c, h, (int)head.object_size, e, s.why);
    sync_storage_fini(&s);
    return a == 0 && b == 0 && c == SLUICE_EEXIST && h == 0 && head.object_size == 3 ? 0 : 1;
}

static int
run_put(struct drive *d)
{
    static const char *const names[] = {"stored", "exists", "absent", "unknown", "error"};
    struct door door = {0};
    struct sync_call c;
    size_t size = (size_t)word_number(d, 1, 100);
    memset(&c, 0, sizeof(c));
    door_open(&door, d);
    char *bytes = (char *)sl_alloc(size + 1);
    c.call.kind = STORE_PUT;
    c.call.if_absent = c.call.has_crc = true;
    c.call.parts[0] = span_of(bytes, size);
    c.call.part_count = 1;
    c.call.crc32c = crc32c(0, bytes, size);
    (void)snprintf(c.call.key, sizeof(c.call.key), "%s", d->word_count > 0 ? d->words[0] : "x");
    sync_run(&door.loop, door.st, &c);
    (void)printf("%s %s\n", names[c.call.outcome], c.call.why);
    sl_free(bytes);
    door_close(&door);
    return 0;
}

static int
order_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int
run_bench(struct drive *d)
{
    struct sync_storage s;
    long count = word_number(d, 0, 200);
    size_t size = (size_t)word_number(d, 1, 4096);
    uint8_t *bytes = (uint8_t *)sl_alloc(size);
    int64_t *took = (int64_t *)sl_alloc((size_t)count * sizeof(*took));
    sync_storage_init(&s, d->plugin);
    for (long i = 0; i < count; i++) {
        char key[64];
        const sluice_slice part = {bytes, size};
        sluice_put_opts o = {.size = sizeof(o), .flags = SLUICE_PUT_IF_ABSENT};
        (void)snprintf(key, sizeof(key), "bench/%06ld", i);
        int64_t began = loop_now(NULL);
        sluice_status rc =
            s.table.put(sync_storage_self(&s), model_slice(key), &part, 1, &o, NULL, NULL);
        took[i] = loop_now(NULL) - began;
        (void)s.table.del(sync_storage_self(&s), model_slice(key), NULL);
        if (rc != SLUICE_OK) {
            (void)printf("%d %s\n", rc, s.why);
        }
    }
    qsort(took, (size_t)count, sizeof(*took), order_i64);
    (void)printf("%ld puts of %zu bytes: p50 %lld us, p99 %lld us\n", count, size,
                 (long long)took[count / 2] / 1000, (long long)took[count * 99 / 100] / 1000);
    sync_storage_fini(&s);
    sl_free(bytes);
    sl_free(took);
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(struct drive *d);
} commands[] = {{"open", run_open},  {"model", run_model},     {"race", run_race},
                {"many", run_many},  {"replace", run_replace}, {"put", run_put},
                {"bench", run_bench}};

static int
command_run(struct drive *d, const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(d);
        }
    }
    (void)printf("no such command: %s\n", name);
    return 2;
}

static void
arguments_read(struct drive *d, int argc, char **argv)
{
    static char *words[PAIRS_MAX];
    d->path = argv[1];
    d->words = words;
    for (int i = 3; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL && d->word_count < PAIRS_MAX) {
            d->words[d->word_count++] = argv[i];
        } else if (equals != NULL && d->count < PAIRS_MAX) {
            (void)snprintf(d->keys[d->count], sizeof(d->keys[0]), "%.*s", (int)(equals - argv[i]),
                           argv[i]);
            d->pairs[d->count] = (struct plugin_conf_pair){d->keys[d->count], equals + 1};
            d->count++;
        }
    }
}

int
main(int argc, char **argv)
{
    static struct drive d;
    if (argc < 3) {
        (void)fprintf(stderr, "usage: s3_drive PLUGIN.so COMMAND [WORD...] [key=value...]\n");
        return 2;
    }
    arguments_read(&d, argc, argv);
    if (!drive_open(&d)) {
        return 1;
    }
    int status = command_run(&d, argv[2]);
    plugin_instance_close(&d.plugin);
    return status;
}
