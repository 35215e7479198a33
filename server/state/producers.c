/* Idempotent producers (KIP-98, KIP-360; docs/journal.md R10).
 *
 * Per partition and producer id: the epoch and the last five batches. Two versions of these facts
 * exist: `s`, verified, and `spec`, what the entries in flight will make of it. `spec` counts only
 * while its generation is the state's; state_rollback bumps the generation and thereby drops every
 * speculation.
 *
 * Sequences wrap from 2^31-1 to 0. A producer that nobody knows begins at 0; another first sequence
 * is accepted only where the log says that facts were expired or trimmed, because otherwise a batch
 * was refused before this one and accepting it would reorder. */
#include "state/state_int.h"

static bool
producer_eq(const void *value, const void *key)
{
    return ((const struct producer_state *)value)->id == *(const int64_t *)key;
}

struct producer_state *
state__producer_find(const struct part_state *p, int64_t id)
{
    return (struct producer_state *)map_get(&p->producers, hash_u64((uint64_t)id), producer_eq,
                                            &id);
}

struct producer_state *
state__producer_get(struct part_state *p, int64_t id)
{
    struct producer_state *pr = state__producer_find(p, id);
    if (pr == NULL) {
        pr = (struct producer_state *)sl_alloc(sizeof(*pr));
        pr->id = id;
        map_add(&p->producers, hash_u64((uint64_t)id), pr);
    }
    return pr;
}

void
state__producer_append(struct producer_facts *f, int16_t epoch, const struct producer_batch *b)
{
    if (!f->exists || f->epoch != epoch) {
        f->exists = true;
        f->epoch = epoch;
        f->count = 0;
    }
    if (f->count == PRODUCER_BATCHES) {
        memmove(&f->batches[0], &f->batches[1], sizeof(f->batches[0]) * (PRODUCER_BATCHES - 1));
        f->count--;
    }
    f->batches[f->count++] = *b;
}

bool
state__producers_expire(struct part_state *p, int64_t before_ms)
{
    struct map kept = {0};
    bool has_dropped = false;
    size_t pos = 0;
    for (struct producer_state *pr;
         (pr = (struct producer_state *)map_next(&p->producers, &pos));) {
        if (pr->s.exists && pr->s.last_ms >= before_ms) {
            map_add(&kept, hash_u64((uint64_t)pr->id), pr);
        } else {
            has_dropped = has_dropped || pr->s.exists;
            sl_free(pr);
        }
    }
    map_fini(&p->producers);
    p->producers = kept;
    return has_dropped;
}

static const struct producer_batch *
find_duplicate(const struct producer_facts *f, const struct run *r)
{
    for (uint8_t i = 0; i < f->count; i++) {
        if (f->batches[i].first == r->first_sequence && f->batches[i].last == r->last_sequence) {
            return &f->batches[i];
        }
    }
    return NULL;
}

static int32_t
next_sequence(const struct producer_facts *f)
{
    int32_t last = f->batches[f->count - 1].last;
    return last == INT32_MAX ? 0 : last + 1;
}

/* SL_OK: append. SL_EEXIST: *ret_base is where it already stands. */
static enum sl_err
check_sequence(const struct part_state *p, const struct producer_facts *f, const struct run *r,
               int64_t *ret_base)
{
    if (f == NULL || !f->exists) {
        bool is_start = r->first_sequence == 0 || p->has_lost_producers;
        return is_start ? SL_OK : SL_EOUT_OF_ORDER_SEQ;
    }
    if (r->producer_epoch < f->epoch) {
        return SL_EPRODUCER_EPOCH;
    }
    if (r->producer_epoch > f->epoch) {
        return r->first_sequence == 0 ? SL_OK : SL_EOUT_OF_ORDER_SEQ;
    }
    const struct producer_batch *dup = find_duplicate(f, r);
    if (dup != NULL) {
        *ret_base = dup->base_offset;
        return SL_EEXIST;
    }
    return r->first_sequence == next_sequence(f) ? SL_OK : SL_EOUT_OF_ORDER_SEQ;
}

static enum sl_err
check_producer(const struct state *st, struct part_state *p, const struct run *r, int64_t *ret_base)
{
    struct producer_state *pr = state__producer_find(p, r->producer_id);
    const struct producer_facts *f = NULL;
    if (pr != NULL) {
        f = pr->spec_generation == st->spec_generation ? &pr->spec : &pr->s;
    }
    return check_sequence(p, f, r, ret_base);
}

static void
speculate_producer(const struct state *st, struct part_state *p, const struct run *r, int64_t base)
{
    struct producer_state *pr = state__producer_get(p, r->producer_id);
    if (pr->spec_generation != st->spec_generation) {
        pr->spec = pr->s;
        pr->spec_generation = st->spec_generation;
    }
    const struct producer_batch b = {r->first_sequence, r->last_sequence, base};
    state__producer_append(&pr->spec, r->producer_epoch, &b);
}

enum sl_err
state_check_run(struct state *st, struct part_state *p, const struct run *r, int64_t *ret_base)
{
    int64_t end = p->spec_generation == st->spec_generation ? p->spec_end : p->end;
    if (r->flags & RUN_HAS_PRODUCER) {
        enum sl_err rc = check_producer(st, p, r, ret_base);
        if (rc != SL_OK) {
            return rc;
        }
        speculate_producer(st, p, r, end);
    }
    p->spec_generation = st->spec_generation;
    p->spec_end = end + r->offset_count;
    *ret_base = end;
    return SL_OK;
}

static bool
part_has_producers_before(const struct part_state *p, int64_t before_ms)
{
    size_t pos = 0;
    for (const struct producer_state *pr;
         (pr = (const struct producer_state *)map_next(&p->producers, &pos));) {
        if (pr->s.exists && pr->s.last_ms < before_ms) {
            return true;
        }
    }
    return false;
}

bool
state_has_producers_before(const struct state *st, int64_t before_ms)
{
    size_t pos = 0;
    for (const struct part_state *p; (p = state_next_part(st, &pos));) {
        if (part_has_producers_before(p, before_ms)) {
            return true;
        }
    }
    return false;
}
