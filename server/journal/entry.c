/* Codec of entries; the layout stands in entry.h.
 *
 * The head is padded to 4096 bytes only when the data is large. Then the whole object begins at the
 * start of an aligned buffer and the file store writes it from there without copying; a small entry
 * is copied into one block together with the file store's own header, and padding would only make
 * it longer. */
#include "journal/entry.h"

#include "base/crc32c.h"
#include "base/cursor.h"

#include <inttypes.h>
#include <stdio.h>

enum { CRC_AT = 100 };

static uint32_t
head_crc(const uint8_t *head, size_t n)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32c(0, head, CRC_AT);
    crc = crc32c(crc, zero, sizeof(zero));
    return crc32c(crc, head + CRC_AT + 4, n - CRC_AT - 4);
}

static void
decode_header(const uint8_t *p, struct entry_header *h)
{
    struct cursor c = cursor_of(span_of(p + 8, ENTRY_HEADER_BYTES - 8));
    h->cluster = cursor_uuid(&c);
    h->journal = cursor_u32(&c);
    h->writer = cursor_i32(&c);
    h->n = cursor_u64(&c);
    h->id = cursor_uuid(&c);
    h->prev_id = cursor_uuid(&c);
    h->acked_through = cursor_u64(&c);
    h->time_ms = cursor_i64(&c);
    h->item_count = cursor_u32(&c);
    h->index_bytes = cursor_u32(&c);
    h->head_bytes = cursor_u32(&c);
    (void)cursor_u32(&c); /* checksum */
    h->data_bytes = cursor_u64(&c);
    h->round_ms = cursor_u32(&c);
}

static enum sl_err
check_prelude(struct span bytes, struct sl_error *err)
{
    if (get_u32(bytes.ptr) != ENTRY_MAGIC) {
        return sl_error_set(err, SL_ECORRUPT, "not a journal entry: wrong magic at byte 0");
    }
    uint16_t version = get_u16(bytes.ptr + 4);
    if (version != 1) {
        return sl_error_set(err, SL_EVERSION, "entry format version %u is unknown to this binary",
                            (unsigned)version);
    }
    return SL_OK;
}

enum sl_err
entry_parse(struct span bytes, struct entry_view *ret, size_t *ret_need, struct sl_error *err)
{
    struct entry_view v = {.is_own = false};
    *ret_need = ENTRY_HEADER_BYTES;
    if (bytes.len < ENTRY_HEADER_BYTES) {
        return SL_EAGAIN;
    }
    enum sl_err rc = check_prelude(bytes, err);
    if (rc != SL_OK) {
        return rc;
    }
    decode_header(bytes.ptr, &v.h);
    if (v.h.head_bytes < ENTRY_HEADER_BYTES ||
        v.h.index_bytes > v.h.head_bytes - ENTRY_HEADER_BYTES) {
        return sl_error_set(err, SL_ECORRUPT, "entry lengths lie: head %u, index %u",
                            (unsigned)v.h.head_bytes, (unsigned)v.h.index_bytes);
    }
    *ret_need = v.h.head_bytes;
    if (bytes.len < v.h.head_bytes) {
        return SL_EAGAIN;
    }
    if (head_crc(bytes.ptr, v.h.head_bytes) != get_u32(bytes.ptr + CRC_AT)) {
        return sl_error_set(err, SL_ECORRUPT,
                            "checksum of the entry's head (bytes 0 to %u) is wrong",
                            (unsigned)v.h.head_bytes);
    }
    v.index = span_of(bytes.ptr + ENTRY_HEADER_BYTES, v.h.index_bytes);
    *ret = v;
    return SL_OK;
}

bool
entry_next(struct entry_cursor *c, struct entry_item *ret, bool *ret_is_bad)
{
    *ret_is_bad = false;
    if (c->rest.len == 0) {
        return false;
    }
    uint32_t length = c->rest.len < ENTRY_ITEM_HEADER_BYTES ? UINT32_MAX : get_u32(c->rest.ptr + 4);
    if (c->rest.len < ENTRY_ITEM_HEADER_BYTES || length > c->rest.len - ENTRY_ITEM_HEADER_BYTES) {
        *ret_is_bad = true;
        return false;
    }
    ret->kind = get_u16(c->rest.ptr);
    ret->version = get_u16(c->rest.ptr + 2);
    ret->payload = span_of(c->rest.ptr + ENTRY_ITEM_HEADER_BYTES, length);
    c->rest.ptr += ENTRY_ITEM_HEADER_BYTES + length;
    c->rest.len -= ENTRY_ITEM_HEADER_BYTES + length;
    return true;
}

void
entry_builder_init(struct entry_builder *b, size_t index_bytes, size_t data_bytes)
{
    size_t room = ENTRY_HEADER_BYTES + index_bytes;
    *b = (struct entry_builder){0};
    b->head_room = (room + BUF_ALIGN - 1) / BUF_ALIGN * BUF_ALIGN;
    b->buf = buf_new(b->head_room + data_bytes);
}

void
entry_builder_fini(struct entry_builder *b)
{
    buf_unref(&b->buf);
}

/* Items are gathered at the front of the head room and moved up against the data when the entry is
 * sealed. */
uint8_t *
entry_builder_item(struct entry_builder *b, uint16_t kind, uint16_t version, size_t length)
{
    uint8_t *at = b->buf->data + ENTRY_HEADER_BYTES + b->index_len;
    SL_ASSERT(ENTRY_HEADER_BYTES + b->index_len + ENTRY_ITEM_HEADER_BYTES + length <= b->head_room);
    put_u16(at, kind);
    put_u16(at + 2, version);
    put_u32(at + 4, (uint32_t)length);
    b->index_len += ENTRY_ITEM_HEADER_BYTES + length;
    b->item_count++;
    return at + ENTRY_ITEM_HEADER_BYTES;
}

uint8_t *
entry_builder_data(struct entry_builder *b, size_t n, uint32_t *ret_position)
{
    SL_ASSERT(n <= b->buf->cap - b->head_room - b->data_len);
    uint8_t *at = b->buf->data + b->head_room + b->data_len;
    *ret_position = (uint32_t)b->data_len;
    b->data_len += n;
    return at;
}

void
entry_builder_data_crc(struct entry_builder *b, uint32_t crc, size_t n)
{
    b->data_crc = b->data_len == n ? crc : crc32c_combine(b->data_crc, crc, n);
}

static void
encode_header(const struct entry_header *h, uint8_t *p)
{
    memset(p, 0, ENTRY_HEADER_BYTES);
    put_u32(p, ENTRY_MAGIC);
    put_u16(p + 4, 1);
    memcpy(p + 8, h->cluster.b, 16);
    put_u32(p + 24, h->journal);
    put_u32(p + 28, (uint32_t)h->writer);
    put_u64(p + 32, h->n);
    memcpy(p + 40, h->id.b, 16);
    memcpy(p + 56, h->prev_id.b, 16);
    put_u64(p + 72, h->acked_through);
    put_u64(p + 80, (uint64_t)h->time_ms);
    put_u32(p + 88, h->item_count);
    put_u32(p + 92, h->index_bytes);
    put_u32(p + 96, h->head_bytes);
    put_u64(p + 104, h->data_bytes);
    put_u32(p + 112, h->round_ms);
}

struct span
entry_builder_seal(struct entry_builder *b, struct entry_header *h, uint32_t *ret_crc)
{
    size_t exact = ENTRY_HEADER_BYTES + b->index_len;
    size_t head = b->data_len >= ENTRY_ALIGN_FROM ? b->head_room : exact;
    uint8_t *start = b->buf->data + b->head_room - head;
    memmove(start + ENTRY_HEADER_BYTES, b->buf->data + ENTRY_HEADER_BYTES, b->index_len);
    memset(start + exact, 0, head - exact);
    h->item_count = b->item_count;
    h->index_bytes = (uint32_t)b->index_len;
    h->head_bytes = (uint32_t)head;
    h->data_bytes = b->data_len;
    encode_header(h, start);
    put_u32(start + CRC_AT, head_crc(start, head));
    uint32_t crc = crc32c(0, start, head);
    *ret_crc = b->data_len == 0 ? crc : crc32c_combine(crc, b->data_crc, b->data_len);
    b->buf->len = b->head_room + b->data_len;
    return span_of(start, head + b->data_len);
}

void
journal_prefix(char *out, size_t cap, const char *prefix, uint32_t journal)
{
    (void)snprintf(out, cap, "%s/journal/%" PRIu32 "/", prefix, journal);
}

void
entry_key(char *out, size_t cap, const char *prefix, uint32_t journal, uint64_t n)
{
    (void)snprintf(out, cap, "%s/journal/%" PRIu32 "/%020" PRIu64, prefix, journal, n);
}

bool
entry_key_parse(const char *key, const char *prefix, uint64_t *ret_n)
{
    size_t skip = strlen(prefix);
    if (strncmp(key, prefix, skip) != 0 || strlen(key + skip) != 20) {
        return false;
    }
    uint64_t n = 0;
    for (const char *p = key + skip; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || n > (UINT64_MAX - 9) / 10) {
            return false;
        }
        n = n * 10 + (uint64_t)(*p - '0');
    }
    *ret_n = n;
    return true;
}
