/* SPDX-License-Identifier: Apache-2.0
 *
 * Goes through a stretch of segments batch by batch, some hundred kilobytes per turn of the loop.
 */
#include "partition/compact_int.h"

enum { CHUNK_BYTES = 1 << 20, TURN_BYTES = 256 << 10, COMPRESSED_COST = 8 };

static void step(struct sched_task *task);

static void
step_soon(struct compact_job *j)
{
    j->task.run = step;
    sched_post(shard_sched(j->sh), &j->task);
}

void
compact__walk_drop(struct compact_job *j)
{
    buf_unref(&j->walk.chunk);
    j->walk.rest = span_of(NULL, 0);
}

static void
take_chunk(struct compact_walk *w)
{
    struct part_read *r = &w->read;
    buf_unref(&w->chunk);
    if (r->piece_count == 1) {
        w->chunk = buf_ref(r->pieces[0].owner);
        w->rest = r->pieces[0].bytes;
    } else {
        w->chunk = buf_new(r->total_bytes);
        for (size_t i = 0; i < r->piece_count; i++) {
            memcpy(w->chunk->data + w->chunk->len, r->pieces[i].bytes.ptr, r->pieces[i].bytes.len);
            w->chunk->len += r->pieces[i].bytes.len;
        }
        w->rest = buf_span(w->chunk);
    }
    part_read_fini(r);
}

static void
read_done(struct part_read *r)
{
    struct compact_job *j = (struct compact_job *)r->arg;
    enum sl_err rc = r->rc == SL_OK && r->piece_count == 0 ? SL_EAGAIN : r->rc;
    if (rc == SL_OK) {
        take_chunk(&j->walk);
        step_soon(j);
        return;
    }
    part_read_fini(r);
    /* trimmed meanwhile, or deleted: S has moved on */
    bool is_moved = rc == SL_EOFFSET_RANGE || rc == SL_EUNKNOWN_PARTITION || rc == SL_EAGAIN;
    compact__end(j, is_moved || j->is_stopping ? NULL : sl_err_text(rc));
}

static void
read_more(struct compact_job *j)
{
    struct compact_walk *w = &j->walk;
    w->read = (struct part_read){.topic_id = j->topic_id,
                                 .partition = j->partition,
                                 .offset = w->next,
                                 .max_bytes = CHUNK_BYTES,
                                 .is_at_least_one = true,
                                 .is_tail_ok = true,
                                 .done = read_done,
                                 .arg = j};
    part_read_submit(j->sh, &w->read);
}

/* Of a batch that was looked into: what is small may have grown a thousandfold. */
static size_t
cost_of(const struct compact_job *j, const struct batch_info *info)
{
    if (batch_codec_of(info) == BATCH_CODEC_NONE) {
        return info->size_bytes;
    }
    size_t least = (size_t)info->size_bytes * COMPRESSED_COST;
    return j->plain.len > least ? j->plain.len : least;
}

static void
step(struct sched_task *task)
{
    struct compact_job *j = SL_CONTAINER_OF(task, struct compact_job, task);
    struct compact_walk *w = &j->walk;
    struct batch_info info;
    struct span batch;
    if (compact__part(j) == NULL) {
        return;
    }
    for (size_t cost = 0; cost < TURN_BYTES && w->next < w->end; cost += cost_of(j, &info)) {
        if (!batch_next(&w->rest, &info, &batch)) {
            read_more(j);
            return;
        }
        if (batch_last_offset(&info) < w->next) {
            continue;
        }
        w->next = info.base_offset >= w->end ? w->end : batch_last_offset(&info) + 1;
        if (info.base_offset < w->end && !w->batch(j, &info, batch)) {
            return;
        }
    }
    if (w->next < w->end) {
        step_soon(j);
    } else {
        w->done(j);
    }
}

void
compact__walk(struct compact_job *j, int64_t from, int64_t to,
              bool (*batch)(struct compact_job *j, const struct batch_info *info,
                            struct span batch),
              void (*done)(struct compact_job *j))
{
    const struct part_state *p = compact__part(j);
    if (p == NULL) {
        return;
    }
    compact__walk_drop(j);
    j->walk.next = from > p->start ? from : p->start;
    j->walk.end = to;
    j->walk.batch = batch;
    j->walk.done = done;
    step_soon(j);
}
