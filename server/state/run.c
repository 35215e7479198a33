/* A run in the index of an entry, version 1, big-endian, 96 bytes:
 *     0  16  topic id            44  u16  flags: 1 producer, 2 origin
 *    16  i32 partition           46  i16  producer epoch
 *    20  i32 offset count        48  i64  largest timestamp
 *    24  i64 base offset         56  i64  producer id
 *    32  u32 position in data    64  i32  first sequence
 *    36  u32 length              68  i32  last sequence
 *    40  u32 CRC-32C             72  i64  origin producer id
 *                                80  i32  origin sequence
 *                                84  i32  origin partition
 *                                88  i16  origin epoch
 *                                90  6    reserved = 0 */
#include "state/state_int.h"

void
run_encode(const struct run *r, uint8_t out[RUN_BYTES])
{
    memset(out, 0, RUN_BYTES);
    memcpy(out, r->topic_id.b, 16);
    put_u32(out + 16, (uint32_t)r->partition);
    put_u32(out + 20, (uint32_t)r->offset_count);
    put_u64(out + 24, (uint64_t)r->base_offset);
    put_u32(out + 32, r->position);
    put_u32(out + 36, r->length);
    put_u32(out + 40, r->crc);
    put_u16(out + 44, r->flags);
    put_u16(out + 46, (uint16_t)r->producer_epoch);
    put_u64(out + 48, (uint64_t)r->max_timestamp);
    put_u64(out + 56, (uint64_t)r->producer_id);
    put_u32(out + 64, (uint32_t)r->first_sequence);
    put_u32(out + 68, (uint32_t)r->last_sequence);
    put_u64(out + 72, (uint64_t)r->origin_producer_id);
    put_u32(out + 80, (uint32_t)r->origin_sequence);
    put_u32(out + 84, (uint32_t)r->origin_partition);
    put_u16(out + 88, (uint16_t)r->origin_epoch);
}

enum sl_err
run_decode(struct span payload, struct run *ret)
{
    if (payload.len != RUN_BYTES) {
        return SL_ECORRUPT;
    }
    struct cursor c = cursor_of(payload);
    struct run r;
    r.topic_id = cursor_uuid(&c);
    r.partition = cursor_i32(&c);
    r.offset_count = cursor_i32(&c);
    r.base_offset = cursor_i64(&c);
    r.position = cursor_u32(&c);
    r.length = cursor_u32(&c);
    r.crc = cursor_u32(&c);
    r.flags = cursor_u16(&c);
    r.producer_epoch = cursor_i16(&c);
    r.max_timestamp = cursor_i64(&c);
    r.producer_id = cursor_i64(&c);
    r.first_sequence = cursor_i32(&c);
    r.last_sequence = cursor_i32(&c);
    r.origin_producer_id = cursor_i64(&c);
    r.origin_sequence = cursor_i32(&c);
    r.origin_partition = cursor_i32(&c);
    r.origin_epoch = cursor_i16(&c);
    if (r.offset_count <= 0 || r.base_offset < 0 || r.partition < 0 || r.length == 0) {
        return SL_ECORRUPT;
    }
    *ret = r;
    return SL_OK;
}
