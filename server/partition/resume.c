/* SPDX-License-Identifier: Apache-2.0
 *
 * Where consumers stopped within segments.
 *
 * S knows the position of every slice of a segment, a megabyte or so apart, and a batch has to be
 * looked for from there on. A consumer that goes through a log batch by batch would have half a
 * slice checked in vain for each answer. So the end of each answer is remembered, for as many
 * consumers as there are places, and forgotten by whoever needs the place.
 *
 * It is a hint that cannot be wrong: an object never changes, its name is never used again, and the
 * scan insists on finding the offset there. */
#include "base/map.h"
#include "partition/load.h"
#include "partition/shard_int.h"

enum { PLACES = 1024 };

struct resume {
    struct uuid topic_id;
    int32_t partition;
    uint32_t gen, position;
    int64_t base, offset;
};

static size_t
place_of(const struct part_read *r)
{
    uint64_t h = hash_bytes(&r->topic_id, sizeof(r->topic_id)) ^ (uint64_t)r->offset;
    return (size_t)(hash_u64(h ^ ((uint64_t)(uint32_t)r->partition << 40)) % PLACES);
}

void
shard__resume_note(const struct part_read *r, const struct extent *x, uint32_t position)
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
                                               .offset = r->offset};
}

static bool
is_of(const struct resume *at, const struct part_read *r, const struct extent *x)
{
    return at->offset == r->offset && at->partition == r->partition && at->base == x->base &&
           at->gen == x->gen && memcmp(&at->topic_id, &r->topic_id, sizeof(at->topic_id)) == 0;
}

void
shard__resume_apply(const struct part_read *r, struct plan *plan)
{
    struct extent *x = &plan->extents[0];
    if (plan->count == 0 || !x->is_segment || r->shard->resumes == NULL) {
        return;
    }
    const struct resume *at = &r->shard->resumes[place_of(r)];
    if (is_of(at, r, x) && at->position > x->position && at->position - x->position < x->length) {
        x->length -= at->position - x->position;
        x->position = at->position;
        x->first_offset = r->offset;
    }
}
