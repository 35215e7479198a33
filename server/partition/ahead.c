/* Reading ahead.
 *
 * A consumer has one fetch in flight: it gets an answer, works on it, asks again. Without reading
 * ahead the store is idle while the answer travels and is worked on, and the consumer while the
 * store reads; measured on a local disk, each for half of the time. So when a load begins, all its
 * blocks are asked for at once, and when it ends, those of the next answer are: as much as the
 * reader took this time, from where it stopped. The reader finds them here or on their way.
 *
 * What nobody comes to fetch was read in vain: at most one answer of a consumer that went away. The
 * cache bounds the sum and gives way to reads that somebody waits for. */
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
ahead_block(struct shard *sh, uint64_t n, uint64_t block)
{
    const struct journal_options *jo = &sh->o.journal;
    struct ahead *a = (struct ahead *)sl_alloc(sizeof(*a));
    entry_key(a->block.key, sizeof(a->block.key), jo->prefix, jo->index, n);
    a->block.block = block;
    a->block.home = shard_sched(sh);
    a->block.done = ahead_done;
    a->shard = sh;
    sh->loads++;
    enum cache_ahead verdict = cache_submit_ahead(sh->o.cache, &a->block);
    if (verdict != CACHE_AHEAD_STARTED) {
        sh->loads--;
        sl_free(a);
    }
    return verdict != CACHE_AHEAD_FULL;
}

void
shard__read_ahead(struct shard *sh, const struct run_ref *runs, size_t count)
{
    uint64_t last_n = 0; /* no entry has this number */
    uint64_t last_block = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t block = runs[i].position / CACHE_BLOCK;
        uint64_t end = ((uint64_t)runs[i].position + runs[i].length - 1) / CACHE_BLOCK;
        if (tail_cache_find(&sh->tail, runs[i].n) != NULL) {
            return; /* and so are those behind it */
        }
        if (runs[i].n == last_n && block <= last_block) {
            block = last_block + 1;
        }
        for (; block <= end; block++) {
            if (!ahead_block(sh, runs[i].n, block)) {
                return;
            }
            last_n = runs[i].n;
            last_block = block;
        }
    }
}
