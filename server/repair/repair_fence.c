/* SPDX-License-Identifier: Apache-2.0
 *
 * How a repaired state gets in the place of a broken one, while brokers may be alive that know the
 * whole one: the fence of repair_journal.c's essay. */
#include "base/gate.h"
#include "journal/mistakes.h"
#include "repair/repair_int.h"

#include <inttypes.h>
#include <stdio.h>

#ifdef SLUICE_MISTAKES
enum { ROOM = 10000 }; /* the simulator keeps a list of all entries */
#else
enum { ROOM = 1000000 };
#endif
enum { ALIVE_MS = 3000, VERSIONS = ROOM / 2 };

/* --- is somebody there? --- */

struct newest {
    char prefix[STORE_KEY_MAX];
    uint64_t n;
};

static void
each_newest(void *arg, const struct store_listing *page)
{
    struct newest *to = (struct newest *)arg;
    uint64_t n;
    for (size_t i = 0; i < page->count; i++) {
        if (entry_key_parse(page->items[i].key, to->prefix, &n)) {
            to->n = n > to->n ? n : to->n;
        }
    }
}

static enum sl_err
find_newest(const struct broken *b, uint64_t *ret, struct sl_error *err)
{
    struct newest it = {.n = 0};
    journal_prefix(it.prefix, sizeof(it.prefix), b->rp->r->bucket->prefix, b->journal);
    enum sl_err rc = objects_list(b->rp->r->bucket, it.prefix, each_newest, &it, err);
    *ret = it.n;
    return rc;
}

enum sl_err
repair__is_alive(struct broken *b, bool *ret, struct sl_error *err)
{
    uint64_t before, after = 0;
    enum sl_err rc = find_newest(b, &before, err);
    if (rc == SL_OK) {
        gate_pause(ALIVE_MS);
        rc = find_newest(b, &after, err);
    }
    *ret = rc == SL_OK && after > before;
    return rc;
}

/* --- objects of a journal --- */

struct random {
    struct sched *sched;
    struct uuid id;
};

static void
random_here(void *arg)
{
    struct random *r = (struct random *)arg;
    r->id = uuid_random(r->sched);
}

static struct uuid
random_id(const struct broken *b)
{
    struct random r = {.sched = b->rp->r->bucket->sched};
    run_on(r.sched, random_here, &r);
    return r.id;
}

static enum sl_err
put_bytes(const struct broken *b, const char *key, struct span object, struct sl_error *err)
{
    struct buf *copy = buf_copy(object);
    enum sl_err rc = object_put(b->rp->r->bucket, key, copy, true, err);
    buf_unref(&copy);
    return rc;
}

static enum sl_err
put_manifest(const struct broken *b, const struct manifest *m, struct sl_error *err)
{
    char key[STORE_KEY_MAX];
    struct bytes object;
    (void)snprintf(key, sizeof(key), "%s/journal/%" PRIu32 "/manifest/%020" PRIu64,
                   b->rp->r->bucket->prefix, b->journal, m->version);
    bytes_init(&object, 4096);
    manifest_encode(m, &object);
    enum sl_err rc = put_bytes(b, key, bytes_span(&object), err);
    bytes_fini(&object);
    return rc != SL_EEXIST ? rc
                           : sl_error_set(err, SL_EEXIST,
                                          "%s: somebody wrote it meanwhile; run this again", key);
}

static uint64_t
newest_version(const struct broken *b)
{
    size_t count = b->list.manifest_count;
    return count > 0 ? b->list.manifests[count - 1] : 0;
}

/* A broker looks for manifests above the one that it knows, and that one may be what is lost; it
 * may be the fence of an earlier repair. So the number of a fence is its version, too: it is far
 * above the entries that were written behind that fence. It is round, so that two tools take the
 * same, though one of them saw an entry more, and only one puts its fence. */
static uint64_t
fence_number(const struct broken *b)
{
    uint64_t last = b->chain.first + b->chain.count, version = newest_version(b);
    uint64_t top = last > version ? last : version;
    return (top / ROOM + 2) * ROOM;
}

/* Everything but where the snapshot is. */
static struct manifest
next_manifest(const struct broken *b, uint64_t n)
{
    return (struct manifest){.cluster = b->rp->r->bucket->cluster,
                             .journal = b->journal,
                             .version = newest_version(b) + VERSIONS,
                             .snapshot_n = n,
                             .gc_boundary = n,
                             .acked_through = n,
                             .time_ms = repair__now_ms(b->rp),
                             .writer = -1};
}

static void
snapshot_key(const struct broken *b, struct manifest *m, const char *suffix)
{
    struct uuid id = random_id(b);
    (void)snprintf(m->snapshot_key, sizeof(m->snapshot_key),
                   "%s/journal/%" PRIu32 "/snapshot/%020" PRIu64 "-%016" PRIx64 "%s",
                   b->rp->r->bucket->prefix, b->journal, m->snapshot_n, get_u64(id.b), suffix);
}

enum sl_err
repair__fence(struct broken *b, struct sl_error *err)
{
    if (b->fence.version > 0) {
        return SL_OK; /* an earlier repair got that far */
    }
    struct manifest m = next_manifest(b, fence_number(b));
    m.version = MISTAKE(repair_same_version) ? m.version : m.snapshot_n;
    snapshot_key(b, &m, REPAIR_SUFFIX);
    enum sl_err rc = MISTAKE(repair_fence_last) ? SL_OK : put_manifest(b, &m, err);
    b->fence = rc == SL_OK ? m : b->fence;
    return rc;
}

/* --- the repaired state --- */

static enum sl_err
put_snapshot(struct broken *b, const char *key, const struct snapshot_header *h,
             struct sl_error *err)
{
    struct bytes content, object;
    bytes_init(&content, (size_t)1 << 32);
    bytes_init(&object, (size_t)1 << 32);
    state_snapshot(b->st, &content);
    snapshot_encode(h, bytes_span(&content), &object);
    enum sl_err rc = put_bytes(b, key, bytes_span(&object), err);
    bytes_fini(&content);
    bytes_fini(&object);
    return rc == SL_EEXIST ? SL_OK : rc; /* another repair was as far */
}

/* The losses, as ops of an entry: LOSSES_MAX in each. */
static enum sl_err
put_losses(struct broken *b, const char *key, struct uuid *ret_id, struct sl_error *err)
{
    size_t each = (size_t)LOSSES_MAX * (sizeof(struct loss_ref) + 64);
    size_t ops = b->loss_count / LOSSES_MAX + 1;
    struct entry_builder eb;
    struct entry_header h = {.cluster = b->rp->r->bucket->cluster,
                             .id = random_id(b),
                             .prev_id = b->last_id,
                             .journal = b->journal,
                             .writer = -1,
                             .n = b->fence.snapshot_n,
                             .acked_through = b->last_n,
                             .time_ms = repair__now_ms(b->rp)};
    uint32_t crc;
    entry_builder_init(&eb, ops * (each + ENTRY_ITEM_HEADER_BYTES), 0);
    for (size_t i = 0; i < b->loss_count; i += LOSSES_MAX) {
        size_t count = b->loss_count - i < LOSSES_MAX ? b->loss_count - i : LOSSES_MAX;
        struct bytes op;
        bytes_init(&op, each);
        op_encode_losses(&op, b->losses + i, count);
        memcpy(entry_builder_item(&eb, ITEM_LOSS, op_version(ITEM_LOSS), op.len), op.data, op.len);
        bytes_fini(&op);
    }
    struct span sealed = entry_builder_seal(&eb, &h, &crc);
    enum sl_err rc = put_bytes(b, key, sealed, err);
    entry_builder_fini(&eb);
    *ret_id = h.id;
    return rc;
}

/* The entry at the fence. One that is there already was put by a repair that did not come to its
 * end, and its id counts. */
static enum sl_err
put_entry(struct broken *b, struct uuid *ret_id, struct sl_error *err)
{
    char key[STORE_KEY_MAX];
    struct entry_view e;
    struct buf *object = NULL;
    size_t need;
    entry_key(key, sizeof(key), b->rp->r->bucket->prefix, b->journal, b->fence.snapshot_n);
    enum sl_err rc = put_losses(b, key, ret_id, err);
    if (rc != SL_EEXIST) {
        return rc;
    }
    rc = object_get(b->rp->r->bucket, key, &object, err);
    if (rc == SL_OK && object == NULL) {
        return sl_error_set(err, SL_ENOENT, "%s came and went; run this again", key);
    }
    rc = rc != SL_OK ? rc : entry_parse(buf_span(object), &e, &need, err);
    if (rc == SL_OK) {
        *ret_id = e.h.id;
    }
    buf_unref(&object);
    return rc;
}

static enum sl_err
publish_fenced(struct broken *b, struct sl_error *err)
{
    struct snapshot_header h = {
        .cluster = b->rp->r->bucket->cluster, .journal = b->journal, .n = b->fence.snapshot_n};
    if (MISTAKE(repair_entry_last)) {
        h.last_id = random_id(b);
        enum sl_err early = put_snapshot(b, b->fence.snapshot_key, &h, err);
        return early != SL_OK ? early : put_entry(b, &h.last_id, err);
    }
    enum sl_err rc = put_entry(b, &h.last_id, err);
    rc = rc != SL_OK ? rc : put_snapshot(b, b->fence.snapshot_key, &h, err);
    if (MISTAKE(repair_fence_last) && rc == SL_OK) {
        rc = put_manifest(b, &b->fence, err);
    }
    return rc;
}

/* Nothing is lost: this is the state that every broker has. */
static enum sl_err
publish_whole(struct broken *b, struct sl_error *err)
{
    struct snapshot_header h = {.cluster = b->rp->r->bucket->cluster,
                                .journal = b->journal,
                                .n = b->last_n,
                                .last_id = b->last_id};
    struct manifest m = next_manifest(b, b->last_n);
    m.gc_boundary = state_collectable(b->st, b->last_n);
    snapshot_key(b, &m, "");
    enum sl_err rc = put_snapshot(b, m.snapshot_key, &h, err);
    return rc != SL_OK ? rc : put_manifest(b, &m, err);
}

enum sl_err
repair__publish(struct broken *b, struct sl_error *err)
{
    return b->fence.version > 0 ? publish_fenced(b, err) : publish_whole(b, err);
}
