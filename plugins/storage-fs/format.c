/* Volume header, one block, twice (block 0 and 1; revision r stands in block r mod 2):
 *
 *   0  "SLUICEVL"      8 version u32 = 1   12 state u32: 0 open, 1 closed
 *  16  volume id u64  24 generation u64    32 revision u64  40 capacity u64
 *  48  end u64        56 last record's position u64         64 its key length u16
 *  66  zero u16       68 CRC-32C u32 of bytes 0..68 and the key   72 the key
 *
 * Record header, at a multiple of 4096:
 *
 *   0  "SLRC"           4 version u16 = 1   6 key length u16
 *   8  volume id u64   16 generation u64   24 position u64   32 sequence u64
 *  40  length u64      48 payload CRC-32C u32                52 payload offset u32
 *  56  written ms i64  64 previous record's position u64     72 its key length u16   74 zero u16
 *  76  CRC-32C u32 of bytes 0..76 and both keys
 *  80  deleted u8, outside the checksum: 0, or 0xff (read as deleted with four bits set)
 *  96  the key, then the previous record's key
 *
 * A record names the one before it, so that a destroyed header is not a nameless hole. */
#include "storage-fs/format.h"

#include <endian.h>
#include <string.h>

#define VERSION 1u
static const char volume_magic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'V', 'L'};
static const char record_magic[4] = {'S', 'L', 'R', 'C'};

static void
put16(uint8_t *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof(v));
}

static void
put32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}

static void
put64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}

static uint16_t
get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return be16toh(v);
}

static uint32_t
get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static uint64_t
get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

/* ---- volume header ---- */

static uint32_t
volume_crc(const uint8_t *p, size_t key_length)
{
    return fs__crc32c(fs__crc32c(0, p, 68), p + 72, key_length);
}

void
fs__volume_header_encode(const struct fs_volume_header *h, uint8_t out[FS_BLOCK])
{
    size_t key_length = strlen(h->last_key);
    memset(out, 0, FS_BLOCK);
    memcpy(out, volume_magic, sizeof(volume_magic));
    put32(out + 8, VERSION);
    put32(out + 12, h->is_closed ? 1 : 0);
    put64(out + 16, h->id);
    put64(out + 24, h->generation);
    put64(out + 32, h->revision);
    put64(out + 40, h->capacity);
    put64(out + 48, h->end);
    put64(out + 56, h->last_position);
    put16(out + 64, (uint16_t)key_length);
    memcpy(out + 72, h->last_key, key_length);
    put32(out + 68, volume_crc(out, key_length));
}

bool
fs__volume_header_decode(const uint8_t in[FS_BLOCK], struct fs_volume_header *ret)
{
    size_t key_length = get16(in + 64);
    if (memcmp(in, volume_magic, sizeof(volume_magic)) != 0 || get32(in + 8) != VERSION ||
        key_length > FS_KEY_MAX || volume_crc(in, key_length) != get32(in + 68)) {
        return false;
    }
    ret->is_closed = get32(in + 12) == 1;
    ret->id = get64(in + 16);
    ret->generation = get64(in + 24);
    ret->revision = get64(in + 32);
    ret->capacity = get64(in + 40);
    ret->end = get64(in + 48);
    ret->last_position = get64(in + 56);
    memcpy(ret->last_key, in + 72, key_length);
    ret->last_key[key_length] = '\0';
    return ret->capacity >= FS_VOLUME_FIRST && ret->capacity % FS_BLOCK == 0 &&
           ret->end >= FS_VOLUME_FIRST && ret->end <= ret->capacity && ret->end % FS_BLOCK == 0;
}

/* ---- record header ---- */

static uint32_t
record_crc(const uint8_t *p, size_t keys_length)
{
    return fs__crc32c(fs__crc32c(0, p, 76), p + FS_RECORD_FIXED, keys_length);
}

size_t
fs__record_header_size(const struct fs_record *r)
{
    return FS_RECORD_FIXED + strlen(r->key) + strlen(r->prev_key);
}

uint64_t
fs__record_total(const struct fs_record *r)
{
    return (r->payload_offset + r->length + FS_BLOCK - 1) / FS_BLOCK * FS_BLOCK;
}

void
fs__record_encode(const struct fs_record *r, uint8_t *out)
{
    size_t key_length = strlen(r->key);
    size_t prev_length = strlen(r->prev_key);
    memset(out, 0, FS_RECORD_FIXED);
    memcpy(out, record_magic, sizeof(record_magic));
    put16(out + 4, VERSION);
    put16(out + 6, (uint16_t)key_length);
    put64(out + 8, r->volume_id);
    put64(out + 16, r->generation);
    put64(out + 24, r->position);
    put64(out + 32, r->sequence);
    put64(out + 40, r->length);
    put32(out + 48, r->crc32c);
    put32(out + 52, r->payload_offset);
    put64(out + 56, (uint64_t)r->modified_ms);
    put64(out + 64, r->prev_position);
    put16(out + 72, (uint16_t)prev_length);
    out[FS_RECORD_DELETED_AT] = r->is_deleted ? FS_RECORD_DELETED : 0;
    memcpy(out + FS_RECORD_FIXED, r->key, key_length);
    memcpy(out + FS_RECORD_FIXED + key_length, r->prev_key, prev_length);
    put32(out + 76, record_crc(out, key_length + prev_length));
}

bool
fs__record_decode(const uint8_t *in, struct fs_record *ret)
{
    size_t key_length = get16(in + 6);
    size_t prev_length = get16(in + 72);
    if (memcmp(in, record_magic, sizeof(record_magic)) != 0 || get16(in + 4) != VERSION ||
        key_length > FS_KEY_MAX || prev_length > FS_KEY_MAX ||
        record_crc(in, key_length + prev_length) != get32(in + 76)) {
        return false;
    }
    ret->volume_id = get64(in + 8);
    ret->generation = get64(in + 16);
    ret->position = get64(in + 24);
    ret->sequence = get64(in + 32);
    ret->length = get64(in + 40);
    ret->crc32c = get32(in + 48);
    ret->payload_offset = get32(in + 52);
    ret->modified_ms = (int64_t)get64(in + 56);
    ret->prev_position = get64(in + 64);
    ret->is_deleted = __builtin_popcount(in[FS_RECORD_DELETED_AT]) >= 4;
    memcpy(ret->key, in + FS_RECORD_FIXED, key_length);
    ret->key[key_length] = '\0';
    memcpy(ret->prev_key, in + FS_RECORD_FIXED + key_length, prev_length);
    ret->prev_key[prev_length] = '\0';
    return ret->length <= UINT64_MAX / 2 &&
           ret->payload_offset >= FS_RECORD_FIXED + key_length + prev_length;
}
