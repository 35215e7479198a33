/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to partition/: what no segment covers yet, kept up to date event by event, so that the
 * roller finds its work without looking at every partition.
 *
 *   pins     a heap of all partitions that have live runs, by the entry of the first: its top is
 *            what keeps entries from being collected
 *   oldest   the same without those that are being rolled, or are parked
 *   due      partitions that hold enough for a segment, first come, first served
 *   parked   those that cannot be rolled for a while
 *   samples  a bounded ring of (entry, time, bytes before it): a run has no time of its own, and
 *            how many bytes of entries are pinned is what lies behind the oldest one
 *
 * Threads: belongs to the shard's loop. */
#ifndef SLUICE_PARTITION_LIVE_H
#define SLUICE_PARTITION_LIVE_H

#include "base/list.h"
#include "state/state.h"

struct partition;
struct entry_header;
enum { LIVE_SAMPLES = 512 };
enum live_heap_id { LIVE_PINS, LIVE_OLDEST, LIVE_HEAPS };

/* In struct partition. */
struct live_part {
    struct list node;            /* on due or parked */
    size_t heap_pos[LIVE_HEAPS]; /* 0: not there */
    uint64_t first_n;            /* entry of the first live run */
    uint64_t bytes, look_at;
    size_t runs;
    int64_t parked_until_ns; /* 0: not parked */
    bool is_rolling;
};

struct live_sample {
    uint64_t n;
    int64_t time_ms;
    uint64_t bytes_before;
};

/* In struct shard. */
struct live {
    struct live_heap {
        struct partition **items; /* 1-based */
        size_t count, cap;
    } heaps[LIVE_HEAPS];
    struct list due, parked;
    uint64_t bytes, runs; /* of all live runs */
    uint64_t look_bytes;  /* a partition is looked at each time it grew by so much */
    uint64_t entry_bytes; /* of all entries from the first sample on */
    struct live_sample samples[LIVE_SAMPLES];
    size_t sample_count;
    uint64_t stride, applied; /* every so many entries a sample */
    uint64_t floor_n;         /* samples from here on are asked for */
};

void live__init(struct live *lv, int64_t look_bytes);
void live__fini(struct live *lv);
/* S begins anew with what it holds now: its age counts from now. */
void live__restored(struct live *lv, int64_t now_ms);
/* Its age is what it says, unless it is_new: then it counts from now, and a writer's wrong clock
 * does not make all that it writes old. */
void live__entry(struct live *lv, const struct entry_header *h, int64_t now_ms, bool is_new);
void live__part_init(struct live_part *p);
/* A run was appended. True: there is work that was not there before. */
bool live__appended(struct live *lv, struct partition *part, uint32_t length);
/* Runs went, or came otherwise. */
void live__changed(struct live *lv, struct partition *part);
/* The partition goes away. */
void live__gone(struct live *lv, struct partition *part);
/* It is being rolled: nobody else finds it. */
void live__take(struct live *lv, struct partition *part);
/* ... no more; not to be found again before until_ns (0: at once). */
void live__give_back(struct live *lv, struct partition *part, int64_t until_ns);
/* It does not hold enough: asked again when it grew. */
void live__not_yet(struct live *lv, struct partition *part);
void live__unpark(struct live *lv, int64_t now_ns);

/* NULL: none. */
struct partition *live__oldest(const struct live *lv);
struct partition *live__due(const struct live *lv);
/* The entry that pins all behind it; UINT64_MAX: none. */
uint64_t live__first_n(const struct live *lv);
/* At least as old as entry n is. */
int64_t live__time_of(const struct live *lv, uint64_t n);
/* Bytes of entries from n on, as far as they are known. */
uint64_t live__bytes_from(const struct live *lv, uint64_t n);

#endif
