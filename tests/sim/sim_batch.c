/* Record batches whose content can be told from their number alone: magic 2 headers, and a body
 * that is the uid, the partition and filler drawn from the uid, or records (sim_record.c). The
 * bytes are built and judged here and not with wire/, so that a mistake there cannot hide itself.
 */
#include "base/crc32c.h"
#include "sim.h"

enum { HEADER = 61 };

static uint8_t
filler(uint64_t uid, size_t i)
{
    return (uint8_t)(uid * 31 + i * 7 + (i >> 8));
}

void
sim_batch_encode(uint64_t uid, uint8_t *out, struct batch_info *ret_info)
{
    const struct sim_batch *b = &sim.batches[uid];
    int64_t ts = 1700000000000 + sim.now / SCHED_MS;
    put_u64(out, 0);
    put_u32(out + 8, b->size - 12);
    put_u32(out + 12, UINT32_MAX);
    out[16] = 2;
    put_u16(out + 21, 0);
    put_u32(out + 23, (uint32_t)(b->count - 1));
    put_u64(out + 27, (uint64_t)ts);
    put_u64(out + 35, (uint64_t)ts);
    put_u64(out + 43, (uint64_t)b->pid);
    put_u16(out + 51, (uint16_t)b->epoch);
    put_u32(out + 53, (uint32_t)b->seq);
    put_u32(out + 57, (uint32_t)b->count);
    int64_t latest = ts;
    if (sim.parts[b->part].has_records) {
        latest += sim_records_encode(uid, out + HEADER);
        put_u64(out + 35, (uint64_t)latest);
    } else {
        put_u64(out + HEADER, uid);
        put_u32(out + HEADER + 8, (uint32_t)b->part);
        put_u32(out + HEADER + 12, b->size);
        for (size_t i = SIM_BATCH_MIN; i < b->size; i++) {
            out[i] = filler(uid, i);
        }
    }
    put_u32(out + 17, crc32c(0, out + 21, b->size - 21));
    *ret_info = (struct batch_info){.base_offset = 0,
                                    .size_bytes = b->size,
                                    .leader_epoch = -1,
                                    .crc = get_u32(out + 17),
                                    .last_offset_delta = b->count - 1,
                                    .base_timestamp = ts,
                                    .max_timestamp = latest,
                                    .producer_id = b->pid,
                                    .producer_epoch = b->epoch,
                                    .base_sequence = b->seq,
                                    .count = b->count};
}

static const char *
judge_frame(const uint8_t *p, uint32_t size)
{
    if (p[16] != 2) {
        return "magic is not 2";
    }
    return get_u32(p + 17) != crc32c(0, p + 21, size - 21) ? "CRC does not match" : NULL;
}

/* Records begin with a length; the uid of a batch without them begins with a zero. */
static bool
is_of_records(const uint8_t *p, uint32_t size)
{
    return size == HEADER || p[HEADER] != 0;
}

static const char *
judge_records(const uint8_t *p, uint32_t size, struct sim_seen *ret)
{
    const char *why = sim_records_judge(p, size, ret);
    if (why == NULL && ret->uid != SIM_UID_NONE) {
        why = sim_records_judge_header(p, ret);
        ret->part = sim.batches[ret->uid].part;
    }
    ret->hash = ret->uid ^ get_u64(p + 27) ^ get_u16(p + 21); /* the records are compared as such */
    return why;
}

/* Behind the last record that is left a repair may make its batch cover what is lost. */
static bool
reaches_right(const struct sim_batch *b, int32_t last_delta)
{
    return sim.is_repair_forced ? last_delta >= b->count - 1 : last_delta == b->count - 1;
}

static const char *
judge(const uint8_t *p, uint32_t size, struct sim_seen *ret)
{
    uint64_t uid = size < SIM_BATCH_MIN ? SIM_UID_NONE : get_u64(p + HEADER);
    if (uid >= sim.batch_count) {
        return "no client ever made this batch";
    }
    const struct sim_batch *b = &sim.batches[uid];
    if (b->size != size || get_u32(p + HEADER + 12) != size) {
        return "size is not what the client sent";
    }
    if (get_i64(p + 43) != b->pid || get_i16(p + 51) != b->epoch || get_i32(p + 53) != b->seq ||
        get_i32(p + 57) != b->count || get_i32(p + HEADER + 8) != b->part ||
        !reaches_right(b, get_i32(p + 23))) {
        return "header is not what the client sent";
    }
    for (size_t i = SIM_BATCH_MIN; i < size; i++) {
        if (p[i] != filler(uid, i)) {
            return "bytes are not what the client sent";
        }
    }
    ret->uid = uid;
    ret->part = b->part;
    ret->present = (1u << b->count) - 1;
    ret->hash = sim.is_repair_forced ? crc32c(0, p + 27, size - 27) : crc32c(0, p, size);
    return NULL;
}

void
sim_batch_made(uint64_t uid)
{
    struct sim_batch *b = &sim.batches[uid];
    if (sim.parts[b->part].has_records) {
        b->room = b->size / (uint32_t)b->count;
        b->size = sim_records_size(uid);
    }
}

bool
sim_batch_decode(struct span *rest, struct sim_seen *ret, const char **ret_why)
{
    *ret_why = NULL;
    if (rest->len == 0) {
        return false;
    }
    if (rest->len < HEADER) {
        *ret_why = "batch is cut off";
        return false;
    }
    const uint8_t *p = rest->ptr;
    uint64_t size = (uint64_t)get_u32(p + 8) + 12;
    if (size < HEADER || size > rest->len) {
        *ret_why = "batch length lies";
        return false;
    }
    *ret = (struct sim_seen){.part = -1,
                             .base = get_i64(p),
                             .last = get_i64(p) + get_i32(p + 23),
                             .count = get_i32(p + 57),
                             .size = (uint32_t)size,
                             .bytes = p};
    *ret_why = judge_frame(p, (uint32_t)size);
    if (*ret_why == NULL) {
        *ret_why = is_of_records(p, (uint32_t)size) ? judge_records(p, (uint32_t)size, ret)
                                                    : judge(p, (uint32_t)size, ret);
    }
    if (*ret_why != NULL) {
        return false;
    }
    *rest = span_of(p + size, rest->len - size);
    return true;
}
