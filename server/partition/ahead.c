/* Reading ahead.
 *
 * A consumer has one fetch in flight: it gets an answer, works on it, asks again. Without reading
 * ahead the store is idle while the answer travels and is worked on, and the consumer while the
 * store reads; measured on a local disk, each for half of the time. So when a load begins, all its
 * blocks are asked for at once, and when it ends, those of the next answers are: as much as the
 * reader took this time, from where it stopped; of more than one answer when it turned out that the
 * store is slow and the reader quick (resume.c). The reader finds them here or on their way.
 *
 * What nobody comes to fetch was read in vain: a few answers at most, of a quick consumer that went
 * away. The cache bounds the sum and gives way to reads that somebody waits for. */
#include "partition/load.h"
#include "partition/shard_int.h"
#include "store/cache.h"

struct ahead {
    struct cache_read block;
    struct shard *shard;
};

static void
ahead_done(struct cache_read *read)
{
    struct ahead *a = SL_CONTAINER_OF(read, struct ahead, block);
    buf_unref(&read->out); /* the cache has it */
    a->shard->loads--;
    sl_free(a);
}

/* False when the cache takes no more. */
static bool
ahead_block(const struct part_read *r, const char *key, uint64_t block, struct ahead_got *got)
{
    struct shard *sh = r->shard;
    struct ahead *a = (struct ahead *)sl_alloc(sizeof(*a));
    memcpy(a->block.key, key, strlen(key) + 1);
    a->block.block = block;
    a->block.reader = r->reader;
    a->block.home = shard_sched(sh);
    a->block.done = ahead_done;
    a->shard = sh;
    sh->loads++;
    enum cache_ahead verdict = cache_submit_ahead(sh->o.cache, &a->block);
    if (verdict != CACHE_AHEAD_STARTED) {
        sh->loads--;
        sl_free(a);
    }
    got->started += verdict == CACHE_AHEAD_STARTED ? 1 : 0;
    got->is_full = got->is_full || verdict == CACHE_AHEAD_FULL;
    return verdict != CACHE_AHEAD_FULL;
}

static bool
is_same_object(const struct extent *a, const struct extent *b)
{
    return a->is_segment == b->is_segment &&
           (a->is_segment ? a->base == b->base && a->gen == b->gen : a->n == b->n);
}

void
shard__read_ahead(const struct part_read *r, const struct plan *plan, size_t from,
                  struct ahead_got *got)
{
    const struct shard *sh = r->shard;
    const size_t max_bytes = r->max_bytes;
    const struct extent *last = NULL;
    uint64_t last_block = 0;
    size_t total = 0;
    char key[STORE_KEY_MAX];
    for (size_t i = from; i < plan->count; i++) {
        const struct extent *x = &plan->extents[i];
        uint64_t block = x->position / CACHE_BLOCK;
        size_t wanted =
            x->is_segment && x->length > max_bytes - total ? max_bytes - total : x->length;
        uint64_t end = ((uint64_t)x->position + wanted - 1) / CACHE_BLOCK;
        if (total >= max_bytes || (!x->is_segment && tail_cache_find(&sh->tail, x->n) != NULL) ||
            !shard__extent_key(sh, plan, x, key)) {
            return; /* in the tail cache, so are those behind it */
        }
        if (last != NULL && is_same_object(last, x) && block <= last_block) {
            block = last_block + 1;
        }
        for (; block <= end; block++) {
            if (!ahead_block(r, key, block, got)) {
                return;
            }
            last_block = block;
        }
        last = x;
        total += wanted;
    }
}
