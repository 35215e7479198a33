/* SPDX-License-Identifier: Apache-2.0
 *
 * A second look at what is missing. An audit copies S and then reads object after object, for as
 * long as that takes; beside a broker that goes on, segments are replaced and entries collected
 * meanwhile, and after the grace period they are deleted. So before an object is called missing, S
 * is read up to now, or the newest manifest: if they do not want it any more, all is well. */
#include "base/gate.h"
#include "journal/manifest.h"
#include "reader/audit_int.h"

#include <inttypes.h>
#include <stdio.h>

enum { REFRESH_MS = 60000, PAUSE_MS = 50, TRIES_MAX = 200 };

struct look {
    const struct audit_journal *j;
    const struct audit_item *item;
    bool is_segment;
    enum sl_err rc;
    bool is_wanted; /* answer */
};

static bool
has_segment(const struct part_state *p, const struct audit_item *it)
{
    for (size_t i = 0; i < part_segment_count(p); i++) {
        const struct segment_ref *s = part_segment(p, i);
        if (s->base == it->base && s->gen == it->gen && s->bytes > 0) {
            return true;
        }
    }
    return false;
}

static bool
has_run(const struct part_state *p, const struct audit_item *it)
{
    for (size_t i = 0; i < p->run_count; i++) {
        if (part_run(p, i)->n == it->n && part_run(p, i)->base_offset == it->base) {
            return true;
        }
    }
    return false;
}

static void
look_here(void *arg)
{
    struct look *l = (struct look *)arg;
    struct shard *sh = reader_shard(l->j->reader, l->j->index);
    const struct audit_part *part = &l->j->parts[l->item->part];
    l->rc = l->rc == SL_OK ? shard_ready(sh) : l->rc;
    if (l->rc != SL_OK) {
        return;
    }
    const struct part_state *p = state_find_part(shard_state(sh), &part->topic_id, part->partition);
    l->is_wanted = p != NULL && (l->is_segment ? has_segment(p, l->item) : has_run(p, l->item));
}

static enum sl_err
look(const struct audit *a, struct look *l)
{
    l->rc = reader_wait_refresh(l->j->reader, l->j->index, REFRESH_MS);
    run_on(a->bucket->sched, look_here, l);
    return l->rc;
}

/* A reader that was left behind by collection opens the journal anew; until then it is not ready.
 */
bool
audit__is_wanted(const struct audit *a, const struct audit_journal *j, const struct audit_item *it,
                 bool is_segment)
{
    struct look l = {.j = j, .item = it, .is_segment = is_segment, .is_wanted = true};
    for (int i = 0; i < TRIES_MAX && look(a, &l) == SL_ENOT_OPEN; i++) {
        gate_pause(PAUSE_MS);
    }
    return l.is_wanted;
}

/* --- entries --- */

/* 0: nobody knows. */
static uint64_t
newest_boundary(const struct audit *a, const struct audit_journal *j)
{
    char prefix[STORE_KEY_MAX / 2], key[STORE_KEY_MAX] = "";
    struct store_call list = {.kind = STORE_LIST};
    struct buf *object = NULL;
    struct manifest m = {0};
    struct sl_error err = SL_ERROR_INIT;
    journal_prefix(prefix, sizeof(prefix), a->bucket->prefix, j->index);
    (void)snprintf(list.key, sizeof(list.key), "%smanifest/", prefix);
    store_wait(a->bucket->sched, a->bucket->store, &list);
    if (list.outcome == STORE_DONE && list.listing != NULL && list.listing->count > 0) {
        (void)snprintf(key, sizeof(key), "%s", list.listing->items[list.listing->count - 1].key);
    }
    store_listing_free(&list.listing);
    bool is_known = key[0] != '\0' && audit__get(a, key, 0, &object, &err) == SL_OK &&
                    object != NULL && manifest_decode(buf_span(object), &m, &err) == SL_OK;
    buf_unref(&object);
    return is_known ? m.gc_boundary : 0;
}

bool
audit__is_collected(const struct audit *a, struct audit_journal *j, uint64_t n)
{
    if (n > j->status.gc_boundary) {
        uint64_t boundary = newest_boundary(a, j);
        j->status.gc_boundary = boundary > j->status.gc_boundary ? boundary : j->status.gc_boundary;
    }
    return n <= j->status.gc_boundary;
}
