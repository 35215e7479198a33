/* The file store as a sluice.storage/1 plugin: its table, its options, its life.
 *
 * See docs/file-store.md for what lies on disk. */
#include "storage-fs/storage_fs.h"
#include "storage-fs/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sluice/helpers.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const sluice_conf_key conf_keys[] = {
    {"path", SLUICE_CONF_STR, SLUICE_CONF_REQUIRED, NULL, NULL,
     "Directory that holds the data; made if it does not exist", 0, 0},
    {"durability", SLUICE_CONF_ENUM, 0, "fsync", "fsync|os",
     "fsync: on disk before it is acknowledged; os: in the page cache, lost with the power", 0, 0},
    {"volume.size", SLUICE_CONF_SIZE, 0, "64MiB", "bytes",
     "Size of the preallocated files that hold journal entries", 1 << 20, INT64_C(1) << 36},
    {"direct.io", SLUICE_CONF_BOOL, 0, "on", NULL,
     "Write, and read what nobody has read yet, past the page cache where the file system can", 0,
     0},
    {NULL, 0, 0, NULL, NULL, NULL, 0, 0}};

/* ---- life ---- */

static sluice_status
fs_create(const sluice_host *host, sluice_instance **out)
{
    sluice_instance *fs = (sluice_instance *)fs__alloc(sizeof(*fs));
    fs->host = host;
    fs->io = fs__io_current();
    fs->root_fd = fs->tmp_fd = fs->volumes_fd = -1;
    fs->share.control_fd = fs->share.members_fd = fs->share.member_fd = -1;
    fs->next_sequence = 1;
    fs->index.random = (uint64_t)(uintptr_t)fs;
    fs__direct_init(fs);
    (void)pthread_mutex_init(&fs->lock, NULL);
    (void)pthread_mutex_init(&fs->dirs_lock, NULL);
    (void)pthread_cond_init(&fs->claims_changed, NULL);
    (void)pthread_cond_init(&fs->share.changed, NULL);
    (void)pthread_cond_init(&fs->volumes.changed, NULL);
    (void)pthread_cond_init(&fs->volumes.prepare, NULL);
    *out = fs;
    return SLUICE_OK;
}

static sluice_status
fs_configure(sluice_instance *fs, const sluice_conf *conf)
{
    const char *path = fs->host->conf_str(conf, "path");
    if (path == NULL || path[0] == '\0') {
        return fs__fail(fs, SLUICE_EINVAL, "path is empty");
    }
    free(fs->path);
    fs->path = fs__strdup(path);
    fs->is_fsync = fs->host->conf_int(conf, "durability") == 0;
    fs->wants_direct = fs->host->conf_int(conf, "direct.io") != 0;
    fs->volume_size = (uint64_t)fs->host->conf_int(conf, "volume.size") / FS_BLOCK * FS_BLOCK;
    return SLUICE_OK;
}

sluice_status
fs__subdir_open(sluice_instance *fs, const char *name, int *ret)
{
    if (fs->io->mkdirat(fs->root_fd, name, 0755) != 0 && errno != EEXIST) {
        return fs__fail_sys(fs, errno, "make the directory", name);
    }
    *ret = openat(fs->root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? fs__fail_sys(fs, errno, "open the directory", name) : SLUICE_OK;
}

static sluice_status
root_open(sluice_instance *fs)
{
    if (fs->io->mkdirat(AT_FDCWD, fs->path, 0755) != 0 && errno != EEXIST) {
        return fs__fail_sys(fs, errno, "make the directory", fs->path);
    }
    fs->root_fd = open(fs->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fs->root_fd < 0) {
        return fs__fail_sys(fs, errno, "open the directory", fs->path);
    }
    int parent = openat(fs->root_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) {
        (void)fs->io->fsync(parent); /* a parent we may not read was not made by us */
        (void)close(parent);
    }
    return SLUICE_OK;
}

static void
tmp_clean(sluice_instance *fs)
{
    int fd = openat(fs->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    const struct dirent *e;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody else has this DIR */
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            (void)fs->io->unlinkat(fs->tmp_fd, e->d_name, 0);
        }
    }
    (void)closedir(d);
}

static sluice_status
dirs_open(sluice_instance *fs)
{
    sluice_status rc = root_open(fs);
    if (rc == SLUICE_OK) {
        rc = fs__subdir_open(fs, FS_TMP_DIR, &fs->tmp_fd);
    }
    if (rc == SLUICE_OK) {
        rc = fs__subdir_open(fs, FS_VOLUMES_DIR, &fs->volumes_fd);
    }
    return rc;
}

static sluice_status
fs_start(sluice_instance *fs)
{
    bool is_alone = false;
    sluice_status rc = dirs_open(fs);
    if (rc == SLUICE_OK) {
        rc = fs__share_open(fs, &is_alone);
    }
    if (rc != SLUICE_OK) {
        return rc;
    }
    if (is_alone) {
        tmp_clean(fs);
    }
    if (fs->is_fsync && fs->io->fsync(fs->root_fd) != 0) {
        return fs__fail_sys(fs, errno, "sync", fs->path);
    }
    rc = fs__volumes_open(fs);
    if (rc == SLUICE_OK) {
        fs__share_ready(fs);
    }
    return rc;
}

static sluice_status
fs_quiesce(sluice_instance *fs)
{
    (void)fs;
    return SLUICE_OK;
}

static void
fs_stop(sluice_instance *fs)
{
    fs__prepare_stop(fs);
}

static void
doomed_free(sluice_instance *fs)
{
    while (fs->claims != NULL) {
        struct fs_claim *c = fs->claims;
        fs->claims = c->next;
        free((char *)(uintptr_t)c->key);
        free(c);
    }
}

static void
fs_destroy(sluice_instance *fs)
{
    fs__prepare_stop(fs);
    fs__share_close(fs);
    fs__index_fini(&fs->index);
    if (fs->volumes_fd >= 0) {
        (void)close(fs->volumes_fd);
    }
    if (fs->tmp_fd >= 0) {
        (void)close(fs->tmp_fd);
    }
    if (fs->root_fd >= 0) {
        (void)close(fs->root_fd);
    }
    doomed_free(fs);
    fs__direct_fini(fs);
    (void)pthread_cond_destroy(&fs->volumes.prepare);
    (void)pthread_cond_destroy(&fs->volumes.changed);
    (void)pthread_cond_destroy(&fs->share.changed);
    (void)pthread_cond_destroy(&fs->claims_changed);
    (void)pthread_mutex_destroy(&fs->dirs_lock);
    (void)pthread_mutex_destroy(&fs->lock);
    free(fs->path);
    free(fs);
}

/* ---- data calls ---- */

/* Keeps other processes out, and other threads from this key. */
static sluice_status
work_begin(sluice_instance *fs, struct fs_claim *claim, const char *key)
{
    pthread_mutex_lock(&fs->lock);
    sluice_status rc = fs__enter(fs);
    if (rc == SLUICE_OK) {
        rc = fs__claim_take(fs, claim, key);
        if (rc != SLUICE_OK) {
            fs__leave(fs);
        }
    }
    pthread_mutex_unlock(&fs->lock);
    return rc;
}

static void
work_end(sluice_instance *fs, struct fs_claim *claim, bool is_doomed)
{
    pthread_mutex_lock(&fs->lock);
    if (is_doomed) {
        fs__claim_doom(fs, claim);
    } else {
        fs__claim_give(fs, claim);
    }
    fs__leave(fs);
    pthread_mutex_unlock(&fs->lock);
}

static sluice_status
put_init(sluice_instance *fs, struct fs_put *put, const sluice_put_opts *opts)
{
    uint32_t known = SLUICE_PUT_IF_ABSENT | SLUICE_PUT_CRC32C | SLUICE_PUT_SEQUENCE;
    put->flags = opts == NULL ? 0 : opts->flags;
    put->crc32c = opts == NULL ? 0 : opts->crc32c;
    if (opts != NULL && !sluice_opts_tail_is_zero(opts, sizeof(*opts))) {
        return fs__fail(fs, SLUICE_ENOTSUP, "%s: a put option this store does not know", fs->path);
    }
    if ((put->flags & ~known) != 0) {
        return fs__fail(fs, SLUICE_ENOTSUP, "%s: this store has no conditional replace", fs->path);
    }
    for (size_t i = 0; i < put->count; i++) {
        put->len += put->parts[i].len;
    }
    return SLUICE_OK;
}

static bool
is_in_volume(sluice_instance *fs, const char *key)
{
    pthread_mutex_lock(&fs->lock);
    bool is_there = fs__index_find(&fs->index, key) != NULL;
    pthread_mutex_unlock(&fs->lock);
    return is_there;
}

/* An object stays where it was first put until it is deleted; only a new one has the choice. */
static sluice_status
put_claimed(sluice_instance *fs, const struct fs_put *put)
{
    bool is_record = is_in_volume(fs, put->key);
    bool is_file = !is_record && fs__plain_exists(fs, put->key);
    if ((put->flags & SLUICE_PUT_IF_ABSENT) != 0 && (is_record || is_file)) {
        return SLUICE_EEXIST;
    }
    bool is_small = put->len <= fs__record_max(fs);
    bool is_sequence = (put->flags & SLUICE_PUT_SEQUENCE) != 0;
    if (is_record && !is_small) {
        return fs__fail(fs, SLUICE_ENOTSUP,
                        "%s: %.100s cannot be replaced by %llu bytes; delete it first", fs->path,
                        put->key, (unsigned long long)put->len);
    }
    if (is_record || (is_sequence && is_small && !is_file)) {
        return fs__record_put(fs, put);
    }
    return fs__plain_put(fs, put);
}

static sluice_status
/* NOLINTNEXTLINE(readability-function-size): the SDK's signature */
fs_put(sluice_instance *fs, sluice_slice key, const sluice_slice *parts, size_t count,
       const sluice_put_opts *opts, sluice_put_result *result, sluice_op *op)
{
    (void)op;
    char name[FS_KEY_MAX + 1];
    struct fs_claim claim;
    struct fs_put put = {.key = name, .parts = parts, .count = count, .claim = &claim};
    sluice_status rc = fs__key_copy(fs, key, name);
    if (rc == SLUICE_OK) {
        rc = put_init(fs, &put, opts);
    }
    if (rc == SLUICE_OK) {
        rc = fs__poison_check(fs);
    }
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = work_begin(fs, &claim, name);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = put_claimed(fs, &put);
    work_end(fs, &claim, rc == SLUICE_EUNKNOWN);
    if (result != NULL) {
        result->version[0] = '\0';
    }
    return rc;
}

static sluice_status
fs_get(sluice_instance *fs, sluice_slice key, uint64_t offset, uint64_t length,
       sluice_get_result *result, sluice_op *op)
{
    (void)op;
    char name[FS_KEY_MAX + 1];
    struct fs_range range = {offset, length};
    sluice_status rc = fs__key_copy(fs, key, name);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = fs__record_get(fs, name, &range, result);
    return rc != SLUICE_ENOENT ? rc : fs__plain_get(fs, name, &range, result);
}

static sluice_status
fs_head(sluice_instance *fs, sluice_slice key, sluice_get_result *result, sluice_op *op)
{
    (void)op;
    char name[FS_KEY_MAX + 1];
    sluice_status rc = fs__key_copy(fs, key, name);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = fs__record_get(fs, name, NULL, result);
    return rc != SLUICE_ENOENT ? rc : fs__plain_get(fs, name, NULL, result);
}

static sluice_status
fs_del(sluice_instance *fs, sluice_slice key, sluice_op *op)
{
    (void)op;
    char name[FS_KEY_MAX + 1];
    struct fs_claim claim;
    sluice_status rc = fs__key_copy(fs, key, name);
    if (rc == SLUICE_OK) {
        rc = fs__poison_check(fs);
    }
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = work_begin(fs, &claim, name);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = is_in_volume(fs, name) ? fs__record_del(fs, name) : fs__plain_del(fs, name);
    work_end(fs, &claim, false);
    return rc;
}

static sluice_status
slice_copy(sluice_instance *fs, sluice_slice s, char *out)
{
    if (s.len > FS_KEY_MAX) {
        return fs__fail(fs, SLUICE_EINVAL, "prefix or start of a list is longer than %d bytes",
                        FS_KEY_MAX);
    }
    if (s.len > 0) {
        memcpy(out, s.ptr, s.len);
    }
    out[s.len] = '\0';
    return SLUICE_OK;
}

static sluice_status
item_send(sluice_list_sink *sink, const struct fs_listed *item)
{
    sluice_list_entry e = {
        {(const uint8_t *)item->key, strlen(item->key)}, item->size, item->modified_ms};
    return sink->add(sink, &e);
}

/* Merges two ascending lists. */
static sluice_status
listing_send(const struct fs_listing *a, const struct fs_listing *b, sluice_list_sink *sink)
{
    sluice_status rc = SLUICE_OK;
    size_t i = 0;
    size_t k = 0;
    while (rc == SLUICE_OK && i + k < a->max && (i < a->count || k < b->count)) {
        int order = i == a->count   ? 1
                    : k == b->count ? -1
                                    : strcmp(a->items[i].key, b->items[k].key);
        rc = item_send(sink, order <= 0 ? &a->items[i] : &b->items[k]);
        i += order <= 0 ? 1 : 0;
        k += order >= 0 ? 1 : 0;
    }
    return rc;
}

static sluice_status
both_list(sluice_instance *fs, struct fs_listing *files, struct fs_listing *records)
{
    pthread_mutex_lock(&fs->lock);
    sluice_status rc = fs__enter(fs);
    pthread_mutex_unlock(&fs->lock);
    if (rc != SLUICE_OK) {
        return rc;
    }
    rc = fs__plain_list(fs, files);
    if (rc == SLUICE_OK) {
        rc = fs__record_list(fs, records);
    }
    pthread_mutex_lock(&fs->lock);
    fs__leave(fs);
    pthread_mutex_unlock(&fs->lock);
    return rc;
}

static sluice_status
fs_list(sluice_instance *fs, sluice_slice prefix, sluice_slice after, uint32_t max,
        sluice_list_sink *sink, sluice_op *op)
{
    (void)op;
    char from[FS_KEY_MAX + 1];
    char begin[FS_KEY_MAX + 1];
    struct fs_listing files = {.prefix = begin, .after = from, .max = max};
    struct fs_listing records = files;
    sluice_status rc = slice_copy(fs, prefix, begin);
    if (rc == SLUICE_OK) {
        rc = slice_copy(fs, after, from);
    }
    if (rc == SLUICE_OK) {
        rc = both_list(fs, &files, &records);
    }
    if (rc == SLUICE_OK) {
        rc = listing_send(&files, &records, sink);
    }
    fs__listing_fini(&files);
    fs__listing_fini(&records);
    return rc;
}

static const void *
fs_extension(sluice_instance *fs, const char *id)
{
    static const sluice_storage storage = {
        .size = sizeof(storage),
        .capabilities = SLUICE_STORE_IF_ABSENT | SLUICE_STORE_LOCAL,
        .put = fs_put,
        .get = fs_get,
        .head = fs_head,
        .del = fs_del,
        .list = fs_list,
    };
    (void)fs;
    return strcmp(id, SLUICE_STORAGE_V1) == 0 ? &storage : NULL;
}

sluice_status
storage_fs_plugin_open(const sluice_host *host, const sluice_plugin **out)
{
    static const sluice_plugin plugin = {
        .size = sizeof(plugin),
        .abi_major = SLUICE_ABI_MAJOR,
        .needs_minor = SLUICE_ABI_MINOR,
        .id = "org.sluice.storage-fs",
        .version = "0.1.0",
        .license = "Apache-2.0",
        .summary = "Objects in a local directory: preallocated volumes and plain files",
        .flags = SLUICE_F_MAY_BLOCK | SLUICE_F_CONCURRENT,
        .conf_keys = conf_keys,
        .create = fs_create,
        .configure = fs_configure,
        .start = fs_start,
        .quiesce = fs_quiesce,
        .stop = fs_stop,
        .destroy = fs_destroy,
        .extension = fs_extension,
    };
    (void)host;
    *out = &plugin;
    return SLUICE_OK;
}
