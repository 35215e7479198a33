/* Appending a batch, and proposing an op: what journal items of each kind do when they are staged.
 *
 * A batch is copied once, from the frame that a client sent into the entry being built. There its
 * base offset and leader epoch are patched; both lie outside its CRC. The checksum of the run is
 * derived from the batch's own CRC, which was checked when the request was parsed, so the bytes are
 * not read a second time. */
#include "base/counters.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "journal/mistakes.h"
#include "partition/cold.h"
#include "partition/shard_int.h"

enum { CRC_DIRECT_BELOW = 16 << 10, OP_SLACK_BYTES = 256 };

static struct run
run_of(const struct append *a)
{
    const struct batch_info *info = &a->info;
    struct run r = {.topic_id = a->topic_id,
                    .partition = a->partition,
                    .offset_count = info->last_offset_delta + 1,
                    .max_timestamp = info->max_timestamp,
                    .length = (uint32_t)a->batch.len,
                    .producer_epoch = info->producer_epoch,
                    .producer_id = info->producer_id,
                    .first_sequence = -1,
                    .last_sequence = -1,
                    .origin_producer_id = -1,
                    .origin_epoch = -1};
    if (info->producer_id >= 0) {
        r.flags = RUN_HAS_PRODUCER;
        r.first_sequence = info->base_sequence;
        r.last_sequence = batch_last_sequence(info);
    }
    return r;
}

/* For a small batch one pass over the bytes is cheaper than joining two checksums. */
static uint32_t
crc_of(const uint8_t *batch, size_t len)
{
    return len < CRC_DIRECT_BELOW ? crc32c(0, batch, len)
                                  : batch_crc_of_run(0, span_of(batch, len));
}

static void
copy_batch(struct append *a, struct run *r, struct entry_builder *b)
{
    uint8_t *to = entry_builder_data(b, a->batch.len, &r->position);
    memcpy(to, a->batch.ptr, a->batch.len);
    batch_patch(to, r->base_offset, 0);
    if (a->is_log_append_time) {
        a->log_append_time_ms = sched_wall_ms(shard_sched(a->shard));
        batch_set_log_append_time(to, a->log_append_time_ms);
        r->max_timestamp = a->log_append_time_ms;
    }
    r->crc = crc_of(to, a->batch.len);
    entry_builder_data_crc(b, r->crc, a->batch.len);
    run_encode(r, entry_builder_item(b, ITEM_RUN, op_version(ITEM_RUN), RUN_BYTES));
}

static enum sl_err
append_stage(struct journal_item *item, struct entry_builder *b)
{
    struct append *a = SL_CONTAINER_OF(item, struct append, item);
    struct state *st = a->shard->state;
    struct part_state *p = state_find_part(st, &a->topic_id, a->partition);
    a->is_duplicate = false;
    a->log_append_time_ms = -1;
    if (p == NULL) {
        return SL_EUNKNOWN_PARTITION;
    }
    struct run r = run_of(a);
    if (MISTAKE(first_sequence_any)) {
        p->has_lost_producers = true;
    }
    enum sl_err rc = state_check_run(st, p, &r, &a->base_offset);
    if (rc == SL_EEXIST) {
        a->is_duplicate = true;
        return SL_OK;
    }
    if (rc != SL_OK) {
        return rc;
    }
    r.base_offset = a->base_offset;
    copy_batch(a, &r, b);
    return SL_OK;
}

/* Another broker may have opened the partition: read to the tail, once, and propose again. */
static void
append_refreshed(struct journal_waiter *w, enum sl_err rc)
{
    struct append *a = SL_CONTAINER_OF(w, struct append, waiter);
    (void)rc;
    journal_propose(a->shard->journal, &a->item);
}

static void
append_done(struct journal_item *item, enum sl_err rc, uint64_t n)
{
    struct append *a = SL_CONTAINER_OF(item, struct append, item);
    if (rc == SL_EUNKNOWN_PARTITION && !a->has_refreshed) {
        a->has_refreshed = true;
        a->waiter.ready = append_refreshed;
        journal_refresh(a->shard->journal, &a->waiter);
        return;
    }
    const struct part_state *p = state_find_part(a->shard->state, &a->topic_id, a->partition);
    (void)n;
    a->rc = rc;
    a->log_start = p == NULL ? -1 : p->start;
    if (rc != SL_OK) {
        a->base_offset = -1;
        counter_add(C_produce_rejected, 1);
    } else if (a->is_duplicate) {
        counter_add(C_produce_duplicates, 1);
    } else {
        counter_add(C_produce_batches, 1);
        counter_add(C_produce_records, a->info.count);
        counter_add(C_produce_bytes, (int64_t)a->batch.len);
    }
    if (a->shard->o.cold != NULL) {
        int64_t now = sched_now(shard_sched(a->shard));
        cold_append_end(a->shard->o.cold, now, rc == SL_OK ? now - a->began_ns : -1, a->batch.len);
    }
    a->done(a);
}

void
append_submit(struct shard *sh, struct append *a)
{
    a->shard = sh;
    a->base_offset = -1;
    a->has_refreshed = false;
    if (sh->o.cold != NULL) {
        a->began_ns = sched_now(shard_sched(sh));
        cold_append_begin(sh->o.cold);
    }
    a->item = (struct journal_item){.index_bytes = ENTRY_ITEM_HEADER_BYTES + RUN_BYTES,
                                    .data_bytes = a->batch.len,
                                    .deadline_ns = a->deadline_ns,
                                    .stage = append_stage,
                                    .done = append_done};
    journal_propose(sh->journal, &a->item);
}

static enum sl_err
op_stage(struct journal_item *item, struct entry_builder *b)
{
    struct op_proposal *op = SL_CONTAINER_OF(item, struct op_proposal, item);
    if (op->check != NULL) {
        enum sl_err rc = op->check(op, op->shard->state);
        if (rc != SL_OK) {
            return rc;
        }
    }
    size_t len = op->payload.len;
    SL_ASSERT(ENTRY_ITEM_HEADER_BYTES + len <= item->index_bytes);
    uint8_t *to = entry_builder_item(b, (uint16_t)op->kind, op_version(op->kind), len);
    if (len > 0) {
        memcpy(to, op->payload.data, len);
    }
    return SL_OK;
}

static void
op_done(struct journal_item *item, enum sl_err rc, uint64_t n)
{
    struct op_proposal *op = SL_CONTAINER_OF(item, struct op_proposal, item);
    (void)n;
    op->done(op, rc);
}

void
op_submit(struct shard *sh, struct op_proposal *op)
{
    op->shard = sh;
    op->item = (struct journal_item){.index_bytes =
                                         ENTRY_ITEM_HEADER_BYTES + op->payload.len + OP_SLACK_BYTES,
                                     .deadline_ns = op->deadline_ns,
                                     .is_alone = !op->is_pipelined,
                                     .stage = op_stage,
                                     .done = op_done};
    journal_propose(sh->journal, &op->item);
}

/* --- the checks of ops --- */

static struct state *
state_of(const struct op_proposal *op)
{
    SL_ASSERT(op->is_pipelined); /* it extends the speculation */
    return op->shard->state;
}

enum sl_err
op_check_group(struct op_proposal *op, const struct state *st)
{
    (void)st;
    return state_check_group(state_of(op), op->payload.data, op->payload.len);
}

enum sl_err
op_check_offsets(struct op_proposal *op, const struct state *st)
{
    (void)st;
    enum sl_err rc = state_check_offsets(state_of(op), bytes_span(&op->payload));
    bool is_old = rc == SL_EILLEGAL_GENERATION || rc == SL_ESTALE_MEMBER_EPOCH;
    return MISTAKE(commit_any_generation) && is_old ? SL_OK : rc;
}

enum sl_err
op_check_register(struct op_proposal *op, const struct state *st)
{
    (void)st;
    return state_check_register(state_of(op), bytes_span(&op->payload));
}

enum sl_err
op_check_replace(struct op_proposal *op, const struct state *st)
{
    (void)st;
    return state_check_replace(state_of(op), bytes_span(&op->payload));
}

enum sl_err
op_check_group_delete(struct op_proposal *op, const struct state *st)
{
    return state_check_group_delete(st, bytes_span(&op->payload), NULL);
}

enum sl_err
op_check_trim(struct op_proposal *op, const struct state *st)
{
    struct cursor c = cursor_of(bytes_span(&op->payload));
    struct uuid id = cursor_uuid(&c);
    int32_t partition = cursor_i32(&c);
    int64_t start = cursor_i64(&c);
    return cursor_is_done(&c) ? state_check_trim(st, &id, partition, start) : SL_EINVAL;
}

enum sl_err
op_check_adopt(struct op_proposal *op, const struct state *st)
{
    return state_check_adopt(st, bytes_span(&op->payload));
}
