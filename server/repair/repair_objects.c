/* SPDX-License-Identifier: Apache-2.0
 *
 * What is left of a journal that does not open: manifests, snapshots, entries.
 *
 * S begins with the newest snapshot that is sound, whether a manifest names it or not: a snapshot
 * is written from what was verified, and says itself after which entry it stands. Without any, S
 * begins empty, but only if no entry can have been collected. */
#include "journal/mistakes.h"
#include "repair/repair_int.h"

#include <inttypes.h>
#include <stdio.h>

enum { HEAD_GUESS = 64 << 10, NUMBERS_MAX = 4 << 20 };
enum { HEADS_BYTES_MAX = 256 << 20 };

/* --- the listing --- */

struct listing {
    struct broken *b;
    char entries[STORE_KEY_MAX], manifests[STORE_KEY_MAX], snapshots[STORE_KEY_MAX];
};

static void
push(uint64_t **list, size_t *count, uint64_t n)
{
    if ((*count & (*count - 1)) == 0) { /* full at every power of two */
        size_t room = *count == 0 ? 1 : *count * 2;
        *list = (uint64_t *)sl_realloc(*list, room * sizeof(uint64_t));
    }
    (*list)[(*count)++] = n;
}

static void
sort_in(struct listing *l, const char *key)
{
    struct broken *b = l->b;
    uint64_t n;
    if (entry_key_parse(key, l->entries, &n)) {
        push(&b->list.entries, &b->list.entry_count, n);
    } else if (entry_key_parse(key, l->manifests, &n)) {
        push(&b->list.manifests, &b->list.manifest_count, n);
    } else if (strncmp(key, l->snapshots, strlen(l->snapshots)) == 0) {
        b->list.snapshots =
            (char **)sl_realloc(b->list.snapshots, (b->list.snapshot_count + 1) * sizeof(char *));
        b->list.snapshots[b->list.snapshot_count++] = sl_strdup(key);
    }
}

static void
each_page(void *arg, const struct store_listing *page)
{
    for (size_t i = 0; i < page->count; i++) {
        sort_in((struct listing *)arg, page->items[i].key);
    }
}

static void
manifest_key(const struct broken *b, uint64_t version, char key[STORE_KEY_MAX])
{
    (void)snprintf(key, STORE_KEY_MAX, "%s/journal/%" PRIu32 "/manifest/%020" PRIu64,
                   b->rp->r->bucket->prefix, b->journal, version);
}

static enum sl_err
list_all(struct broken *b, struct sl_error *err)
{
    struct listing l = {.b = b};
    char prefix[STORE_KEY_MAX / 2];
    journal_prefix(prefix, sizeof(prefix), b->rp->r->bucket->prefix, b->journal);
    (void)snprintf(l.entries, sizeof(l.entries), "%s", prefix);
    (void)snprintf(l.manifests, sizeof(l.manifests), "%smanifest/", prefix);
    (void)snprintf(l.snapshots, sizeof(l.snapshots), "%ssnapshot/", prefix);
    return objects_list(b->rp->r->bucket, prefix, each_page, &l, err);
}

void
repair__damaged(struct broken *b, const char *key)
{
    b->damaged = (char **)sl_realloc(b->damaged, (b->damaged_count + 1) * sizeof(char *));
    b->damaged[b->damaged_count++] = sl_strdup(key);
}

/* --- manifests --- */

static bool
is_listed(const struct broken *b, const char *snapshot)
{
    for (size_t i = 0; i < b->list.snapshot_count; i++) {
        if (strcmp(b->list.snapshots[i], snapshot) == 0) {
            return true;
        }
    }
    return false;
}

/* Of a repair that was begun and not finished. */
static bool
is_fence(const struct broken *b, const struct manifest *m)
{
    size_t n = strlen(m->snapshot_key), k = strlen(REPAIR_SUFFIX);
    return n > k && strcmp(m->snapshot_key + n - k, REPAIR_SUFFIX) == 0 &&
           !is_listed(b, m->snapshot_key);
}

static enum sl_err
read_manifest(struct broken *b, uint64_t version, struct manifest *ret, struct sl_error *err)
{
    char key[STORE_KEY_MAX];
    struct buf *object;
    manifest_key(b, version, key);
    enum sl_err rc = object_get(b->rp->r->bucket, key, &object, err);
    if (rc == SL_OK) {
        rc = object == NULL ? SL_ENOENT : manifest_decode(buf_span(object), ret, err);
    }
    if (rc == SL_OK &&
        (!uuid_eq(&ret->cluster, &b->rp->r->bucket->cluster) || ret->journal != b->journal)) {
        rc = sl_error_set(err, SL_ECORRUPT, "it belongs to another cluster or journal");
    }
    buf_unref(&object);
    if (rc == SL_ECORRUPT) {
        repair__note(b->rp, REPAIR_NOTE, key, "the manifest is damaged: %s", err->msg);
        repair__damaged(b, key);
    }
    return rc;
}

static enum sl_err
read_manifests(struct broken *b, struct sl_error *err)
{
    for (size_t i = b->list.manifest_count; i > 0 && b->manifest.version == 0; i--) {
        struct manifest m;
        enum sl_err rc = read_manifest(b, b->list.manifests[i - 1], &m, err);
        if (rc != SL_OK && rc != SL_ECORRUPT && rc != SL_ENOENT) {
            return rc;
        }
        if (rc == SL_OK && is_fence(b, &m) && MISTAKE(repair_second_fence)) {
            continue;
        }
        if (rc == SL_OK && is_fence(b, &m)) {
            b->fence = b->fence.version == 0 ? m : b->fence;
        } else if (rc == SL_OK) {
            b->manifest = m;
        }
    }
    return SL_OK;
}

/* --- the snapshot --- */

static enum sl_err
restore(struct broken *b, struct span object, struct sl_error *err)
{
    struct snapshot_header h;
    struct bytes content;
    bytes_init(&content, (size_t)1 << 32);
    enum sl_err rc = snapshot_decode(object, &h, &content, err);
    if (rc == SL_OK &&
        (!uuid_eq(&h.cluster, &b->rp->r->bucket->cluster) || h.journal != b->journal)) {
        rc = sl_error_set(err, SL_ECORRUPT, "it belongs to another cluster or journal");
    }
    rc = rc != SL_OK ? rc : state_restore(b->st, bytes_span(&content), err);
    if (rc == SL_OK) {
        b->base = h.n;
        b->last_id = h.last_id;
    }
    bytes_fini(&content);
    return rc;
}

/* A newer program wrote it: SL_EVERSION. That is no damage, and ends everything. */
static enum sl_err
try_snapshot(struct broken *b, const char *key, struct sl_error *err)
{
    struct buf *object = NULL;
    enum sl_err rc = object_get(b->rp->r->bucket, key, &object, err);
    if (rc == SL_OK) {
        rc = object == NULL ? SL_ENOENT : restore(b, buf_span(object), err);
    }
    buf_unref(&object);
    if (rc == SL_ECORRUPT) {
        repair__note(b->rp, REPAIR_NOTE, key, "the snapshot is damaged: %s", err->msg);
        repair__damaged(b, key);
    }
    return rc;
}

/* May S begin empty? Not if entries were collected: what they said is in a snapshot only. They may
 * have been, up to the boundary; where no manifest says which that is, those that go first are
 * looked at. */
static bool
is_whole_from_one(const struct broken *b)
{
    enum { FIRST_MAX = 16, GO_FIRST = 64 };
    size_t fences = b->fence.version > 0 ? 1 : 0;
    bool is_young = b->list.manifest_count == fences && b->list.snapshot_count == 0;
    uint64_t boundary = b->manifest.version > 0 ? b->manifest.gc_boundary : GO_FIRST;
    if (is_young) { /* nothing was ever collected: the first ones are lost */
        return b->list.entry_count > 0 && b->list.entries[0] <= FIRST_MAX;
    }
    if (b->list.entry_count == 0 || b->list.entries[0] != 1) {
        return false;
    }
    for (size_t i = 0; i < b->list.entry_count && b->list.entries[i] <= boundary; i++) {
        if (b->list.entries[i] != i + 1) {
            return false;
        }
    }
    return b->manifest.version == 0 || b->list.entry_count >= boundary;
}

static enum sl_err
tell_hopeless(const struct broken *b, struct sl_error *err)
{
    repair__note(b->rp, REPAIR_FAILED, b->manifest.version > 0 ? b->manifest.snapshot_key : NULL,
                 "journal %" PRIu32 ": no snapshot of it can be read, and entries that older ones"
                 " stood for were collected. Restore that object from a copy of the store, or from"
                 " an older version of it if the bucket keeps versions. Without a copy, what is in"
                 " segments can be had in a new cluster: \"A journal without its snapshot\" in"
                 " docs/operations.md",
                 b->journal);
    return sl_error_set(err, SL_EPARTITION_FAILED, "journal %u cannot be repaired",
                        (unsigned)b->journal);
}

static enum sl_err
begin_anywhere(struct broken *b, struct sl_error *err)
{
    for (size_t i = b->list.snapshot_count; i > 0; i--) {
        enum sl_err rc = try_snapshot(b, b->list.snapshots[i - 1], err);
        if (rc == SL_OK) {
            b->base_key = b->list.snapshots[i - 1];
            return SL_OK;
        }
        if (rc != SL_ECORRUPT && rc != SL_ENOENT) {
            return rc;
        }
    }
    if (is_whole_from_one(b)) {
        return state_restore(b->st, span_of(NULL, 0), err);
    }
    return tell_hopeless(b, err);
}

/* --- entries --- */

static enum sl_err
check_place(const struct broken *b, uint64_t n, const struct entry_view *e, struct sl_error *err)
{
    bool is_right = uuid_eq(&e->h.cluster, &b->rp->r->bucket->cluster) &&
                    e->h.journal == b->journal && e->h.n == n;
    return is_right ? SL_OK : sl_error_set(err, SL_ECORRUPT, "the entry belongs to another place");
}

static enum sl_err
fetch_head(const struct broken *b, uint64_t n, uint64_t length, struct buf **ret,
           struct sl_error *err)
{
    char key[STORE_KEY_MAX];
    entry_key(key, sizeof(key), b->rp->r->bucket->prefix, b->journal, n);
    enum sl_err rc =
        object_get_range(b->rp->r->bucket, &(struct object_range){key, 0, length}, ret, err);
    return rc == SL_OK && *ret == NULL ? SL_ENOENT : rc;
}

/* SL_EAGAIN is what a store says that does not answer; here it means that there is no more. */
static enum sl_err
parse_head(const struct buf *head, struct entry_view *e, size_t *ret_need, struct sl_error *err)
{
    enum sl_err rc = entry_parse(buf_span(head), e, ret_need, err);
    return rc == SL_EAGAIN ? sl_error_set(err, SL_ECORRUPT, "the entry is cut short") : rc;
}

static enum sl_err
read_head(const struct broken *b, uint64_t n, struct entry_view *e, struct buf **ret,
          struct sl_error *err)
{
    struct buf *head = NULL;
    size_t need = 0;
    enum sl_err rc = fetch_head(b, n, HEAD_GUESS, &head, err);
    rc = rc != SL_OK ? rc : parse_head(head, e, &need, err);
    if (need > HEAD_GUESS) {
        buf_unref(&head);
        rc = fetch_head(b, n, need, &head, err);
        rc = rc != SL_OK ? rc : parse_head(head, e, &need, err);
    }
    rc = rc != SL_OK ? rc : check_place(b, n, e, err);
    if (rc != SL_OK) {
        buf_unref(&head);
    }
    *ret = head;
    return rc;
}

enum sl_err
repair__head(struct broken *b, uint64_t n, struct entry_view *ret, struct buf **ret_buf,
             struct sl_error *err)
{
    struct buf **kept = &b->heads[n - b->chain.first];
    size_t need;
    if (*kept != NULL) {
        *ret_buf = buf_ref(*kept);
        return entry_parse(buf_span(*kept), ret, &need, err);
    }
    enum sl_err rc = read_head(b, n, ret, ret_buf, err);
    if (rc == SL_OK && b->held + (*ret_buf)->len <= HEADS_BYTES_MAX) {
        *kept = buf_ref(*ret_buf);
        b->held += (*ret_buf)->len;
    }
    return rc;
}

static enum sl_err
read_entry(struct broken *b, uint64_t n, struct sl_error *err)
{
    struct chain_entry *to = &b->chain.entries[n - b->chain.first];
    char key[STORE_KEY_MAX];
    struct entry_view e;
    struct buf *head;
    enum sl_err rc = repair__head(b, n, &e, &head, err);
    if (rc == SL_OK) {
        *to = (struct chain_entry){.kind = CHAIN_SOUND,
                                   .id = e.h.id,
                                   .prev_id = e.h.prev_id,
                                   .acked_through = e.h.acked_through,
                                   .is_empty = e.h.item_count == 0};
        buf_unref(&head);
    } else if (rc == SL_ECORRUPT || (rc != SL_ENOENT && MISTAKE(repair_error_is_loss))) {
        rc = SL_ECORRUPT;
        entry_key(key, sizeof(key), b->rp->r->bucket->prefix, b->journal, n);
        repair__damaged(b, key);
        to->kind = CHAIN_DAMAGED;
    }
    return rc == SL_ECORRUPT || rc == SL_ENOENT ? SL_OK : rc;
}

/* Is something missing that a manifest let go? Then it is not lost, and only a snapshot that is
 * not there says what it said. */
static bool
is_collected(const struct broken *b)
{
    for (size_t i = 0; i < b->chain.count; i++) {
        if (b->chain.first + i <= b->manifest.gc_boundary &&
            b->chain.entries[i].kind == CHAIN_MISSING) {
            return true;
        }
    }
    return false;
}

static enum sl_err
read_chain(struct broken *b, struct sl_error *err)
{
    uint64_t top = b->list.entry_count > 0 ? b->list.entries[b->list.entry_count - 1] : 0;
    size_t count = top > b->base ? top - b->base : 0;
    enum sl_err rc = SL_OK;
    if (count > NUMBERS_MAX) {
        return sl_error_set(err, SL_ETOO_LARGE,
                            "journal %u: %zu entries follow its last sound snapshot, at entry %llu",
                            (unsigned)b->journal, count, (unsigned long long)b->base);
    }
    b->chain = (struct chain){.first = b->base + 1,
                              .count = count,
                              .base_id = b->last_id,
                              .acked_through = b->manifest.acked_through};
    b->chain.entries = (struct chain_entry *)sl_alloc((count + 1) * sizeof(struct chain_entry));
    b->heads = (struct buf **)sl_alloc((count + 1) * sizeof(struct buf *));
    for (size_t i = 0; i < count; i++) {
        b->chain.entries[i].kind = CHAIN_MISSING;
    }
    for (size_t i = 0; i < b->list.entry_count && rc == SL_OK; i++) {
        rc = b->list.entries[i] > b->base ? read_entry(b, b->list.entries[i], err) : SL_OK;
    }
    if (rc == SL_OK && is_collected(b)) {
        return tell_hopeless(b, err);
    }
    if (rc == SL_OK) {
        chain_judge(&b->chain);
    }
    return rc;
}

enum sl_err
repair__load(struct broken *b, struct sl_error *err)
{
    b->st = state_new();
    enum sl_err rc = list_all(b, err);
    rc = rc != SL_OK ? rc : read_manifests(b, err);
    rc = rc != SL_OK ? rc : begin_anywhere(b, err);
    return rc != SL_OK ? rc : read_chain(b, err);
}

void
repair__unload(struct broken *b)
{
    for (size_t i = 0; i < b->list.snapshot_count; i++) {
        sl_free(b->list.snapshots[i]);
    }
    for (size_t i = 0; i < b->damaged_count; i++) {
        sl_free(b->damaged[i]);
    }
    for (size_t i = 0; b->heads != NULL && i < b->chain.count; i++) {
        buf_unref(&b->heads[i]);
    }
    rebuild_fini(&b->rb);
    state_destroy(&b->st);
    sl_free(b->list.entries);
    sl_free(b->list.manifests);
    sl_free(b->list.snapshots);
    sl_free(b->damaged);
    sl_free(b->heads);
    sl_free(b->chain.entries);
    sl_free(b->losses);
    *b = (struct broken){.rp = b->rp, .journal = b->journal};
}
