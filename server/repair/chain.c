/* SPDX-License-Identifier: Apache-2.0
 *
 * Entry n is valid iff its prev_id is the id of the last valid entry (docs/journal.md R1). Behind a
 * lost entry that id is not known. Two things help:
 *
 *   - a link. What stands between two holes falls into branches: each begins with an entry whose
 *     prev_id is nobody's there, and goes on with those that link to it. All but one are what
 *     losers of a race left behind;
 *   - acked_through. Who writes it has seen that entry, and all before it, verified. A loser's
 *     entries hang on one of its own that never came to be verified, and stands somewhere before
 *     them. So if an entry that descends from a branch says so of the number before the branch, or
 *     of a higher one, the branch is the right one. A number in the hole is not enough: a writer
 *     may have seen the hole, and have lost the race behind it.
 *
 * So of the branches the one counts whose descendants vouch highest, and for what they hang on.
 * Where none is proven none is taken, not even one that is alone: the offsets of a loser overlap
 * with those of the entries that won, and readers may have seen these. A knock (R9) is no branch. A
 * branch that begins with the id from before the hole says that what is lost there was void, and
 * nobody misses it. One that begins with the id of another entry that is known is void.
 *
 * An entry that was collected can be created again by a writer that was asleep (a ghost, R4), and
 * would have the right prev_id. A branch behind it that hangs on something unknown, and whose
 * descendants vouch for that, gives it away: it is then taken for damaged.
 *
 * What is damaged existed. What is missing may never have: if neither an entry nor a manifest
 * vouches for its number or a higher one, it is the tail, as for any reader, and what is behind it
 * was never acknowledged. */
#include "repair/chain.h"

#include "base/buf.h"
#include "base/map.h"
#include "journal/mistakes.h"

enum { GHOSTS_MAX = 1000 };

/* A sound entry, found by its id. */
struct named {
    const struct uuid *id;
    size_t at;
};

struct judge {
    struct chain *c;
    struct map by_id;
    struct named *named;
    uint64_t *reach; /* for each entry: the highest acked_through among it and its descendants */
};

static bool
named_eq(const void *value, const void *key)
{
    return uuid_eq(((const struct named *)value)->id, (const struct uuid *)key);
}

/* The place of the sound entry of this id; SIZE_MAX: nobody's. */
static size_t
find(const struct judge *j, const struct uuid *id)
{
    const struct named *n =
        (const struct named *)map_get(&j->by_id, hash_bytes(id->b, sizeof(id->b)), named_eq, id);
    return n == NULL ? SIZE_MAX : n->at;
}

static void
learn(struct judge *j)
{
    size_t names = 0;
    for (size_t i = 0; i < j->c->count; i++) {
        struct chain_entry *e = &j->c->entries[i];
        if (e->kind == CHAIN_SOUND && find(j, &e->id) == SIZE_MAX) {
            j->named[names] = (struct named){&e->id, i};
            map_add(&j->by_id, hash_bytes(e->id.b, sizeof(e->id.b)), &j->named[names++]);
        }
    }
    for (size_t i = j->c->count; i > 0; i--) {
        const struct chain_entry *e = &j->c->entries[i - 1];
        if (e->kind != CHAIN_SOUND) {
            continue;
        }
        uint64_t *mine = &j->reach[i - 1];
        *mine = e->acked_through > *mine ? e->acked_through : *mine;
        size_t parent = find(j, &e->prev_id);
        if (parent < i - 1 && j->reach[parent] < *mine) {
            j->reach[parent] = *mine;
        }
    }
}

/* Number of entries from which on nothing was ever acknowledged: the first that is missing and that
 * nobody vouches for. */
static size_t
tail_of(const struct judge *j)
{
    const struct chain *c = j->c;
    uint64_t known = c->acked_through;
    for (size_t i = 0; i < c->count; i++) {
        bool is_higher = c->entries[i].kind == CHAIN_SOUND && c->entries[i].acked_through > known;
        known = is_higher ? c->entries[i].acked_through : known;
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->entries[i].kind == CHAIN_MISSING && c->first + i > known) {
            return i;
        }
    }
    return c->count;
}

/* --- one branch --- */

struct branch {
    struct uuid root; /* prev_id of its first entry */
    size_t length;
    uint64_t reach, needed; /* what it vouches for; what it hangs on is not above this number */
    bool is_there;
};

static struct branch
measure(const struct judge *j, size_t at, size_t end)
{
    struct branch b = {
        .root = j->c->entries[at].prev_id, .needed = j->c->first + at - 1, .is_there = true};
    struct uuid last = b.root;
    for (size_t i = at; i < end; i++) {
        const struct chain_entry *e = &j->c->entries[i];
        if (uuid_eq(&e->prev_id, &last)) {
            last = e->id;
            b.length++;
            b.reach = j->reach[i] > b.reach ? j->reach[i] : b.reach;
        }
    }
    return b;
}

static bool
is_proven(const struct branch *b, const struct uuid *last)
{
    return b->is_there &&
           (b->reach >= b->needed || uuid_eq(&b->root, last) || MISTAKE(repair_any_branch));
}

static bool
is_better(const struct branch *a, const struct branch *b, const struct uuid *last)
{
    if (!b->is_there || is_proven(a, last) != is_proven(b, last)) {
        return !b->is_there || is_proven(a, last);
    }
    return !MISTAKE(repair_any_branch) && a->reach > b->reach;
}

/* Which of the sound entries [at, end) were valid cannot be told. */
static void
give_up(struct chain *c, size_t at, size_t end)
{
    for (; at < end; at++) {
        c->entries[at].verdict = CHAIN_LOST;
    }
}

/* Entries [at, end) are sound, and stand behind a hole; `last` stood before it. */
static struct branch
choose(struct judge *j, size_t at, size_t end, const struct uuid *last)
{
    struct branch best = {.is_there = false};
    for (size_t i = at; i < end; i++) {
        const struct uuid *root = &j->c->entries[i].prev_id;
        bool is_known = find(j, root) != SIZE_MAX || uuid_eq(root, &j->c->base_id);
        if (is_known && !uuid_eq(root, last)) {
            continue; /* within a branch, or on something that is void */
        }
        struct branch b = measure(j, i, end);
        if (b.length == 1 && j->c->entries[i].is_empty && !is_proven(&b, last)) {
            continue;
        }
        best = is_better(&b, &best, last) ? b : best;
    }
    if (best.is_there && !is_proven(&best, last)) {
        give_up(j->c, at, end);
        best.is_there = false;
    }
    return best;
}

/* --- all of them --- */

static size_t
end_of_sound(const struct chain *c, size_t at, size_t end)
{
    while (at < end && c->entries[at].kind == CHAIN_SOUND) {
        at++;
    }
    return at;
}

static size_t
end_of_hole(const struct chain *c, size_t at, size_t end)
{
    while (at < end && c->entries[at].kind != CHAIN_SOUND) {
        at++;
    }
    return at;
}

static void
walk(struct chain *c, size_t at, size_t end, struct uuid *last)
{
    for (; at < end; at++) {
        struct chain_entry *e = &c->entries[at];
        e->verdict = uuid_eq(&e->prev_id, last) ? CHAIN_VALID : CHAIN_VOID;
        *last = e->verdict == CHAIN_VALID ? e->id : *last;
    }
}

static void
note_hole(struct chain *c, size_t from, size_t to, bool is_void)
{
    for (size_t i = from; i < to; i++) {
        struct chain_entry *e = &c->entries[i];
        if (e->kind != CHAIN_SOUND || e->verdict == CHAIN_LOST) {
            e->verdict = is_void ? CHAIN_VOID : CHAIN_LOST;
            c->lost += is_void ? 0 : 1;
        }
    }
}

static void
judge(struct judge *j)
{
    struct chain *c = j->c;
    struct uuid last = c->base_id;
    size_t end = tail_of(j);
    size_t at = end_of_sound(c, 0, end);
    walk(c, 0, at, &last);
    while (at < end) {
        size_t hole = at, sound = end_of_hole(c, at, end), next = end_of_sound(c, sound, end);
        struct branch b = choose(j, sound, next, &last);
        while (!b.is_there && next < end) { /* nothing that is to be taken: the hole goes on */
            sound = end_of_hole(c, next, end);
            next = end_of_sound(c, sound, end);
            b = choose(j, sound, next, &last);
        }
        note_hole(c, hole, b.is_there ? sound : next, b.is_there && uuid_eq(&b.root, &last));
        last = b.is_there ? b.root : last;
        walk(c, sound, b.is_there ? next : sound, &last);
        at = next;
    }
    for (; end < c->count; end++) {
        c->entries[end].verdict = CHAIN_BEYOND;
    }
}

/* Is there a sound entry that cannot be the one that was committed? */
static struct chain_entry *
find_ghost(const struct judge *j)
{
    for (size_t i = 1; i < j->c->count; i++) {
        const struct chain_entry *e = &j->c->entries[i];
        bool is_adrift = e->kind == CHAIN_SOUND && e->verdict == CHAIN_VOID &&
                         e[-1].kind == CHAIN_SOUND && !uuid_eq(&e->prev_id, &j->c->base_id) &&
                         find(j, &e->prev_id) == SIZE_MAX;
        if (is_adrift && j->reach[i] >= j->c->first + i - 1) {
            return &j->c->entries[i - 1];
        }
    }
    return NULL;
}

static void
forget_verdicts(struct chain *c)
{
    c->lost = 0;
    for (size_t i = 0; i < c->count; i++) {
        c->entries[i].verdict = CHAIN_VOID;
    }
}

void
chain_judge(struct chain *c)
{
    struct judge j = {.c = c};
    j.named = (struct named *)sl_alloc((c->count + 1) * sizeof(struct named));
    j.reach = (uint64_t *)sl_alloc((c->count + 1) * sizeof(uint64_t));
    learn(&j);
    struct chain_entry *ghost = NULL;
    for (int i = 0; i == 0 || (ghost != NULL && i < GHOSTS_MAX); i++) {
        forget_verdicts(c);
        judge(&j);
        ghost = find_ghost(&j);
        if (ghost != NULL) {
            ghost->kind = CHAIN_DAMAGED;
        }
    }
    map_fini(&j.by_id);
    sl_free(j.named);
    sl_free(j.reach);
}
