/* SPDX-License-Identifier: Apache-2.0
 *
 * One member on its way to the target assignment (KIP-848).
 *
 *     STABLE      has all that the target of its epoch gives it. The target moves on:
 *                 something is to be given up  -> UNREVOKED, in its old epoch
 *                 something is still with others -> UNRELEASED, in the target's epoch
 *                 else -> STABLE in the target's epoch
 *     UNREVOKED   has been told a smaller assignment. When it says that it owns nothing any more of
 *                 what it has to give up, that is free, and it goes on as from STABLE.
 *     UNRELEASED  gets what others have given up meanwhile, each time it is heard of.
 *
 * So a partition changes hands in this order: the old owner is told to stop; it says that it has
 * stopped (or leaves, or is lost); the partition is free; the new owner is told. A partition has
 * room for one owner (struct cpart), and being revoked is still being owned. What a member is told
 * is verified first (consumer_facts.c): a coordinator that was replaced grants nothing. */
#include "group/consumer_int.h"
#include "journal/mistakes.h"

/* How far it got. */
struct step {
    bool has_to_revoke, is_waiting_for_others, is_assignment_changed;
};

typedef bool (*part_fn)(const struct cmember *m, const struct ctopic *t, struct cpart *p,
                        struct step *s);

static void
each_part(struct cmember *m, part_fn see, struct step *s)
{
    size_t pos = 0;
    for (struct ctopic *t;
         (t = (struct ctopic *)map_next(&m->group->topics_by_id, &pos)) != NULL;) {
        for (int32_t i = 0; i < t->cap; i++) {
            if (!see(m, t, &t->parts[i], s)) {
                return;
            }
        }
    }
}

static bool
is_to_have(const struct cmember *m, const struct ctopic *t, const struct cpart *p)
{
    return p->target == m && consumer__is_subscribed(m, t);
}

/* What it had to give up is free. */
static bool
release(const struct cmember *m, const struct ctopic *t, struct cpart *p, struct step *s)
{
    (void)t;
    (void)s;
    if (p->owner == m && p->is_revoking) {
        p->owner = NULL;
        p->is_revoking = false;
    }
    return true;
}

static bool
mark_revoking(const struct cmember *m, const struct ctopic *t, struct cpart *p, struct step *s)
{
    if (p->owner == m && !p->is_revoking && !is_to_have(m, t, p)) {
        p->is_revoking = true;
        s->has_to_revoke = s->is_assignment_changed = true;
    }
    return true;
}

/* The same, of topics that it is not subscribed to any more. */
static bool
mark_unsubscribed(const struct cmember *m, const struct ctopic *t, struct cpart *p, struct step *s)
{
    if (p->owner == m && !p->is_revoking && !consumer__is_subscribed(m, t)) {
        p->is_revoking = s->is_assignment_changed = true;
    }
    return true;
}

static bool
grant(const struct cmember *m, const struct ctopic *t, struct cpart *p, struct step *s)
{
    if (!is_to_have(m, t, p) || p->owner == m) {
        return true;
    }
    if (p->owner != NULL && !MISTAKE(consumer_grant_early)) {
        s->is_waiting_for_others = true;
        return true;
    }
    p->owner = (struct cmember *)(uintptr_t)m;
    p->is_revoking = false;
    s->is_assignment_changed = true;
    return true;
}

/* Does it say that it owns something that it has to give up? Silence means yes. */
static bool
owns_revoked(const struct cmember *m, const struct group_part_list *owned)
{
    if (owned == NULL) {
        return !MISTAKE(consumer_silence_frees);
    }
    for (uint32_t i = 0; i < owned->count; i++) {
        const struct ctopic *t = consumer__topic(m->group, &owned->topics[i].topic_id);
        for (uint32_t k = 0; t != NULL && k < owned->topics[i].count; k++) {
            int32_t index = owned->topics[i].indexes[k];
            bool is_there = index >= 0 && index < t->cap;
            if (is_there && t->parts[index].owner == m && t->parts[index].is_revoking) {
                return true;
            }
        }
    }
    return false;
}

static void
become(struct cmember *m, enum cmember_state state, int32_t epoch, bool is_assignment_changed)
{
    if (m->state == state && m->epoch == epoch && !is_assignment_changed) {
        return;
    }
    m->state = state;
    m->previous_epoch = m->epoch;
    m->epoch = epoch;
    (void)consumer__changed(m->group, m);
    consumer__patience_start(m);
}

static bool
next_assignment(struct cmember *m, const struct group_part_list *owned)
{
    struct step s = {0};
    each_part(m, release, &s);
    each_part(m, mark_revoking, &s);
    if (s.has_to_revoke && owns_revoked(m, owned)) {
        become(m, CMEMBER_UNREVOKED, m->epoch, true);
        return true;
    }
    each_part(m, release, &s);
    each_part(m, grant, &s);
    become(m, s.is_waiting_for_others ? CMEMBER_UNRELEASED : CMEMBER_STABLE,
           m->group->assignment_epoch, s.is_assignment_changed);
    return s.is_assignment_changed;
}

bool
consumer__reconcile(struct cmember *m, const struct group_part_list *owned)
{
    struct step s = {0};
    switch (m->state) {
    case CMEMBER_STABLE:
        return m->epoch != m->group->assignment_epoch && next_assignment(m, owned);
    case CMEMBER_UNREVOKED:
        if (!owns_revoked(m, owned)) {
            return next_assignment(m, owned);
        }
        each_part(m, mark_unsubscribed, &s);
        become(m, CMEMBER_UNREVOKED, m->epoch, s.is_assignment_changed);
        return s.is_assignment_changed;
    case CMEMBER_UNRELEASED:
        return next_assignment(m, owned);
    }
    return false;
}

void
consumer__leave_for_a_while(struct cmember *m)
{
    struct step s = {0};
    each_part(m, release, &s);
    become(m, CMEMBER_STABLE, CONSUMER_LEAVE_STATIC, true);
}

static bool
see_others(const struct cmember *m, const struct ctopic *t, struct cpart *p, struct step *s)
{
    s->is_waiting_for_others = is_to_have(m, t, p) && p->owner != NULL && p->owner != m;
    return !s->is_waiting_for_others;
}

bool
consumer__is_waiting_for_others(const struct cmember *m)
{
    struct step s = {0};
    each_part((struct cmember *)(uintptr_t)m, see_others, &s);
    return s.is_waiting_for_others;
}

bool
consumer__owns_all(const struct cmember *m, const struct group_part_list *owned)
{
    for (uint32_t i = 0; i < owned->count; i++) {
        const struct ctopic *t = consumer__topic(m->group, &owned->topics[i].topic_id);
        for (uint32_t k = 0; k < owned->topics[i].count; k++) {
            int32_t index = owned->topics[i].indexes[k];
            if (t == NULL || index < 0 || index >= t->cap || t->parts[index].owner != m ||
                t->parts[index].is_revoking) {
                return false;
            }
        }
    }
    return true;
}
