/* SPDX-License-Identifier: Apache-2.0
 *
 * What befalls the simulated store from outside: requests held back, power loss, damage. */
#include "sim_store.h"

size_t
sim_store_outstanding(const struct sim_sched *home)
{
    size_t n = 0;
    for (struct sim_req *r = sim_st.reqs->next; r != sim_st.reqs; r = r->next) {
        n += r->home == home && r->call != NULL;
    }
    return n;
}

bool
sim_store_has_put_in_flight(const struct sim_sched *home)
{
    for (struct sim_req *r = sim_st.reqs->next; r != sim_st.reqs; r = r->next) {
        if (r->home == home && r->call != NULL && r->kind == STORE_PUT) {
            return true;
        }
    }
    return false;
}

static struct sim_req *
next_put(const struct sim_sched *home, uint32_t *ret_journal, uint64_t *ret_n)
{
    for (struct sim_req *r = sim_st.reqs->next; r != sim_st.reqs; r = r->next) {
        bool is_waiting = r->home == home && r->call != NULL && !r->is_applied && !r->is_error;
        if (is_waiting && r->kind == STORE_PUT && object_is_entry(r->key, ret_journal, ret_n)) {
            return r;
        }
    }
    return NULL;
}

bool
sim_store_next_put(const struct sim_sched *home, uint32_t *ret_journal, uint64_t *ret_n)
{
    return next_put(home, ret_journal, ret_n) != NULL;
}

void
sim_store_postpone(const struct sim_sched *home, int64_t at)
{
    uint32_t j;
    uint64_t n;
    struct sim_req *r = next_put(home, &j, &n);
    TRACE("fault    PUT %s by b%d is postponed", r->key, home->broker);
    r->not_before = at;
    r->is_unknown = true;
    r->is_dropped_with_home = false;
}

bool
sim_store_has_held_check(const struct sim_sched *home)
{
    for (struct sim_req *r = sim_st.reqs->next; r != sim_st.reqs; r = r->next) {
        if (r->home == home && r->is_held && r->outcome == STORE_DONE) {
            return true; /* its picture is taken */
        }
    }
    return false;
}

bool
sim_store_postpone_checks(const struct sim_sched *home, int64_t at)
{
    bool is_found = false;
    for (struct sim_req *r = sim_st.reqs->next; r != sim_st.reqs; r = r->next) {
        if (r->home == home && r->call != NULL && !r->is_answered && req_is_check(r)) {
            TRACE("fault    the answer to a check of b%d is postponed", home->broker);
            r->answer_not_before = at;
            r->is_held = false;
            is_found = true;
        }
    }
    return is_found;
}

void
sim_store_power_loss(void)
{
    uint32_t j;
    uint64_t n;
    sim_st.power++;
    for (size_t i = sim_st.count; i-- > 0;) {
        if (sim_st.objects[i].durable_at <= sim.now) {
            continue;
        }
        TRACE("store    %s was not durable: gone", sim_st.objects[i].key);
        sim_stat(ST_power_dropped);
        if (object_is_entry(sim_st.objects[i].key, &j, &n)) {
            truth_entry_dropped(j, n);
        }
        object_delete_at(i);
    }
}

/* The highest n of this journal that some object vouches for. */
static uint64_t
vouched(uint32_t journal)
{
    uint64_t best = 0;
    uint32_t j;
    uint64_t n;
    for (size_t i = 0; i < sim_st.count; i++) {
        if (object_is_entry(sim_st.objects[i].key, &j, &n) && j == journal &&
            !sim_st.objects[i].is_ghost) {
            uint64_t through = get_u64(sim_st.objects[i].bytes + 72);
            best = through > best ? through : best;
        }
    }
    return best;
}

/* A slow PUT that fills the place of an object which somebody removed by hand makes another
 * history, and nobody can tell: that is beyond what a journal promises. */
static void
forget_puts(const char *key)
{
    for (struct sim_req *r = sim_st.reqs->next; r != sim_st.reqs; r = r->next) {
        r->is_forgotten = r->is_forgotten || (r->kind == STORE_PUT && strcmp(r->key, key) == 0);
    }
}

bool
sim_store_damage(bool is_removal)
{
    uint32_t journal = (uint32_t)rng_below(&sim.r_fault, (uint64_t)sim.k.journals);
    uint64_t top = vouched(journal);
    uint64_t passed = brokers_passed((int)journal);
    top = passed < top ? passed : top;
    size_t candidates = 0;
    size_t chosen = 0;
    uint32_t j;
    uint64_t n;
    for (size_t i = 0; i < sim_st.count; i++) {
        if (object_is_entry(sim_st.objects[i].key, &j, &n) && j == journal && n <= top &&
            rng_below(&sim.r_fault, ++candidates) == 0) {
            chosen = i;
        }
    }
    if (candidates == 0) {
        return false;
    }
    struct object *o = &sim_st.objects[chosen];
    sim.is_journal_damaged[journal] = true;
    sim.damaged_key = sl_strdup(o->key);
    (void)object_is_entry(o->key, &j, &sim.damaged_n);
    if (is_removal) {
        TRACE("fault    %s removed", o->key);
        sim_stat(ST_removed);
        sim.is_head_damaged = true;
        forget_puts(o->key);
        sim.entries[j][sim.damaged_n].was_deleted = true;
        object_delete_at(chosen);
        return true;
    }
    size_t at = rng_below(&sim.r_fault, o->len);
    TRACE("fault    %s: byte %zu flipped", o->key, at);
    sim_stat(ST_corrupted);
    sim.is_head_damaged = at < get_u32(o->bytes + 96);
    o->bytes[at] ^= (uint8_t)(1u << rng_below(&sim.r_fault, 8));
    return true;
}
