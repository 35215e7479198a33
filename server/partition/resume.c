/* SPDX-License-Identifier: Apache-2.0
 *
 * Where consumers stopped, and how far ahead of them is read.
 *
 * S knows the position of every slice of a segment, a megabyte or so apart, and a batch has to be
 * looked for from there on. A consumer that goes through a log batch by batch would have half a
 * slice checked in vain for each answer. So the end of each answer is remembered, for as many
 * consumers as there are places, and forgotten by whoever needs the place. It is a hint that cannot
 * be wrong: an object never changes, its name is never used again, and the scan insists on finding
 * the offset there.
 *
 * Along with it goes how many answers were to be read ahead (shard__resume_pace). One, to begin
 * with. A consumer that came back while what it wanted was still on its way, and had to wait for
 * it, is faster than the store is slow: twice as many, up to AHEAD_ANSWERS_MAX. The cache had no
 * room, or threw away what was read too early: half as many. Each time that nobody waited for
 * CALM_ANSWERS one after the other, one less: what a slow consumer needs is one. */
#include "base/map.h"
#include "partition/load.h"
#include "partition/shard_int.h"

enum { PLACES = 1024, AHEAD_ANSWERS_MAX = 8, CALM_ANSWERS = 16 };
#define WAIT_NS (5 * SCHED_MS) /* shorter ones do not count */

struct resume {
    struct uuid topic_id;
    int32_t partition;
    uint32_t gen, position; /* position 0: not within a segment */
    int64_t base, offset;
    struct pace pace;
};

static size_t
place_of(const struct part_read *r)
{
    uint64_t h = hash_bytes(&r->topic_id, sizeof(r->topic_id)) ^ (uint64_t)r->offset;
    return (size_t)(hash_u64(h ^ ((uint64_t)(uint32_t)r->partition << 40)) % PLACES);
}

void
shard__resume_note(const struct part_read *r, const struct extent *x, uint32_t position,
                   const struct pace *pace)
{
    struct shard *sh = r->shard;
    if (sh->resumes == NULL) {
        sh->resumes = (struct resume *)sl_alloc(PLACES * sizeof(struct resume));
    }
    sh->resumes[place_of(r)] = (struct resume){.topic_id = r->topic_id,
                                               .partition = r->partition,
                                               .gen = x->gen,
                                               .position = position,
                                               .base = x->base,
                                               .offset = r->offset,
                                               .pace = *pace};
}

static const struct resume *
find(const struct part_read *r)
{
    const struct resume *at = r->shard->resumes == NULL ? NULL : &r->shard->resumes[place_of(r)];
    bool is_it = at != NULL && at->offset == r->offset && at->partition == r->partition &&
                 uuid_eq(&at->topic_id, &r->topic_id);
    return is_it ? at : NULL;
}

void
shard__resume_apply(const struct part_read *r, struct plan *plan)
{
    struct extent *x = &plan->extents[0];
    const struct resume *at = plan->count > 0 && x->is_segment ? find(r) : NULL;
    bool is_within = at != NULL && at->base == x->base && at->gen == x->gen &&
                     at->position > x->position && at->position - x->position < x->length;
    if (is_within) {
        x->length -= at->position - x->position;
        x->position = at->position;
        x->first_offset = r->offset;
    }
}

void
shard__resume_pace(const struct part_read *r, struct pace *ret)
{
    const struct resume *at = find(r);
    *ret = at == NULL ? (struct pace){.answers = 1} : at->pace;
    ret->is_known = at != NULL;
}

struct pace
shard__pace_next(const struct pace *was, const struct ahead_got *got)
{
    struct pace next = {.answers = was->answers};
    if (!was->is_known) {
        return next;
    }
    if (got->is_full || got->started > 0) {
        next.answers = (uint8_t)(was->answers > 1 ? was->answers / 2 : 1);
    } else if (got->waited_ns > WAIT_NS) {
        int twice = was->answers * 2;
        next.answers = (uint8_t)(twice < AHEAD_ANSWERS_MAX ? twice : AHEAD_ANSWERS_MAX);
    } else if (was->calm + 1 < CALM_ANSWERS) {
        next.calm = (uint8_t)(was->calm + 1);
    } else {
        next.answers = (uint8_t)(was->answers > 1 ? was->answers - 1 : 1);
    }
    return next;
}
