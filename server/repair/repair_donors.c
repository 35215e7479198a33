/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of lost entries may be in segments that nobody refers to any more: the entry that
 * registered one was lost, too. Whatever lies in a partition's directory was made of verified runs,
 * for this incarnation of the topic, at offsets that are never given twice; so a sound segment
 * there is as good as the runs.
 *
 * But for what it does not hold: a repair that was cut off, or compaction, may have made it, and
 * then a batch reaches over offsets whose records it has not. What an empty one covers stays a
 * hole, and what the last records of another may not reach is given up, though its batch is taken.
 */
#include "journal/mistakes.h"
#include "repair/repair_int.h"
#include "segment/keys.h"

#include <stdio.h>
#include <stdlib.h>

enum { DONORS_MAX = 100000 };

struct listing {
    struct donors *to;
    int64_t from;
};

static void
each_page(void *arg, const struct store_listing *page)
{
    struct listing *l = (struct listing *)arg;
    for (size_t i = 0; i < page->count && l->to->count < DONORS_MAX; i++) {
        struct segment_name n;
        enum segment_file file;
        const struct store_listed *it = &page->items[i];
        if (!segment_key_parse(span_cstr(it->key), &n, &file) || file != SEGMENT_FILE_KFS ||
            n.base_offset < l->from || it->size_bytes >= SEGMENT_BYTES_MAX / 2) {
            continue;
        }
        l->to->all =
            (struct donor *)sl_realloc(l->to->all, (l->to->count + 1) * sizeof(l->to->all[0]));
        l->to->all[l->to->count++] =
            (struct donor){sl_strdup(it->key), it->size_bytes, n.base_offset, n.generation};
    }
}

static int
by_place(const void *pa, const void *pb)
{
    const struct donor *a = (const struct donor *)pa, *b = (const struct donor *)pb;
    if (a->base != b->base) {
        return a->base < b->base ? -1 : 1;
    }
    return (a->gen > b->gen) - (a->gen < b->gen);
}

enum sl_err
repair__donors_find(const struct patient *p, int64_t from, struct donors *ret, struct sl_error *err)
{
    char prefix[STORE_KEY_MAX];
    struct listing l = {.to = ret, .from = from};
    *ret = (struct donors){.count = 0};
    int n = snprintf(prefix, sizeof(prefix), "%s/%s/%d/", p->rp->r->bucket->segment_namespace,
                     p->dir, (int)p->partition);
    if (n < 0 || (size_t)n >= sizeof(prefix)) {
        return SL_OK;
    }
    enum sl_err rc = objects_list(p->rp->r->bucket, prefix, each_page, &l, err);
    if (ret->count > 0) {
        qsort(ret->all, ret->count, sizeof(ret->all[0]), by_place);
    }
    return rc;
}

void
repair__donors_free(struct donors *d)
{
    for (size_t i = 0; i < d->count; i++) {
        sl_free(d->all[i].key);
    }
    sl_free(d->all);
    *d = (struct donors){.count = 0};
}

size_t
repair__donors_bytes(const struct donors *d, int64_t last)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < d->count && d->all[i].base <= last; i++) {
        sum += d->all[i].bytes;
    }
    return sum < SEGMENT_BYTES_MAX / 2 ? (size_t)sum : 0;
}

/* Whole batches of the segment that lie within the hole, and follow what is there. */
static enum sl_err
take(struct span body, const struct hole *h, struct salvage *s, struct sl_error *err)
{
    struct span rest = body, batch;
    struct batch_info info;
    enum sl_err rc = SL_OK;
    while (rc == SL_OK && batch_next(&rest, &info, &batch)) {
        if ((info.count > 0 || MISTAKE(repair_donor_ends)) && info.base_offset >= s->next &&
            info.base_offset >= h->first && batch_last_offset(&info) <= h->last) {
            rc = salvage_add(s, batch, err);
            int64_t behind = info.base_offset + info.count;
            salvage_lost(s, MISTAKE(repair_donor_ends) ? INT64_MAX : behind,
                         batch_last_offset(&info));
        }
    }
    return rc;
}

static enum sl_err
ask(const struct patient *p, const struct donor *d, const struct hole *h, struct salvage *s,
    struct sl_error *err)
{
    struct segment_view v;
    struct sl_error why = SL_ERROR_INIT;
    struct buf *object = NULL;
    enum sl_err rc = object_get(p->rp->r->bucket, d->key, &object, err);
    if (rc == SL_OK && object != NULL && segment_open(buf_span(object), &v, &why) == SL_OK &&
        v.last_offset >= h->first && v.last_offset >= s->next &&
        segment_verify(&v, d->gen > 0, &why) == SL_OK) {
        rc = take(v.body, h, s, err);
    }
    buf_unref(&object);
    return rc == SL_ECORRUPT ? SL_OK : rc;
}

enum sl_err
repair__donate(const struct patient *p, const struct donors *d, const struct hole *h,
               struct salvage *s, struct sl_error *err)
{
    enum sl_err rc = SL_OK;
    for (size_t i = 0; i < d->count && rc == SL_OK && d->all[i].base <= h->last; i++) {
        rc = ask(p, &d->all[i], h, s, err);
    }
    return rc;
}
