#include "journal/manifest.h"

#include "base/crc32c.h"
#include "base/cursor.h"

#define MANIFEST_MAGIC 0x534C4A4Du
#define SNAPSHOT_MAGIC 0x534C4A53u
enum { CHUNK_BYTES = 1 << 20, SNAPSHOT_HEADER_BYTES = 64 };

void
manifest_encode(const struct manifest *m, struct bytes *out)
{
    size_t start = out->len;
    bytes_u32(out, MANIFEST_MAGIC);
    bytes_u16(out, 1);
    bytes_u16(out, 0);
    bytes_append(out, m->cluster.b, sizeof(m->cluster.b));
    bytes_u32(out, m->journal);
    bytes_u64(out, m->version);
    bytes_u64(out, m->snapshot_n);
    bytes_u64(out, m->gc_boundary);
    bytes_u64(out, m->acked_through);
    bytes_u64(out, (uint64_t)m->time_ms);
    bytes_u32(out, (uint32_t)m->writer);
    bytes_u16(out, (uint16_t)strlen(m->snapshot_key));
    bytes_append(out, m->snapshot_key, strlen(m->snapshot_key));
    bytes_u32(out, crc32c(0, out->data + start, out->len - start));
}

static enum sl_err
check_format(struct span bytes, uint32_t magic, const char *what, struct sl_error *err)
{
    if (bytes.len < 8 || get_u32(bytes.ptr) != magic) {
        return sl_error_set(err, SL_ECORRUPT, "not a %s: wrong magic at byte 0", what);
    }
    if (get_u16(bytes.ptr + 4) != 1) {
        return sl_error_set(err, SL_EVERSION, "%s format version %u is unknown to this binary",
                            what, (unsigned)get_u16(bytes.ptr + 4));
    }
    return SL_OK;
}

enum sl_err
manifest_decode(struct span bytes, struct manifest *ret, struct sl_error *err)
{
    enum sl_err rc = check_format(bytes, MANIFEST_MAGIC, "manifest", err);
    if (rc != SL_OK) {
        return rc;
    }
    struct manifest m = {0};
    struct cursor c = cursor_of(bytes);
    (void)cursor_u64(&c); /* magic, version */
    m.cluster = cursor_uuid(&c);
    m.journal = cursor_u32(&c);
    m.version = cursor_u64(&c);
    m.snapshot_n = cursor_u64(&c);
    m.gc_boundary = cursor_u64(&c);
    m.acked_through = cursor_u64(&c);
    m.time_ms = cursor_i64(&c);
    m.writer = cursor_i32(&c);
    struct span key = cursor_span(&c, cursor_u16(&c));
    const uint8_t *end = c.p;
    uint32_t crc = cursor_u32(&c);
    if (!cursor_is_done(&c) || key.len >= sizeof(m.snapshot_key) ||
        crc != crc32c(0, bytes.ptr, (size_t)(end - bytes.ptr))) {
        return sl_error_set(err, SL_ECORRUPT, "the manifest's checksum or length is wrong");
    }
    span_to_cstr(key, m.snapshot_key, sizeof(m.snapshot_key));
    *ret = m;
    return SL_OK;
}

void
snapshot_encode(const struct snapshot_header *h, struct span content, struct bytes *out)
{
    size_t start = out->len;
    bytes_u32(out, SNAPSHOT_MAGIC);
    bytes_u16(out, 1);
    bytes_u16(out, 0);
    bytes_append(out, h->cluster.b, sizeof(h->cluster.b));
    bytes_u32(out, h->journal);
    bytes_u64(out, h->n);
    bytes_append(out, h->last_id.b, sizeof(h->last_id.b));
    bytes_u64(out, content.len);
    bytes_u32(out, crc32c(0, out->data + start, out->len - start));
    for (size_t at = 0; at < content.len; at += CHUNK_BYTES) {
        size_t n = content.len - at < CHUNK_BYTES ? content.len - at : CHUNK_BYTES;
        bytes_u32(out, (uint32_t)n);
        bytes_u32(out, crc32c(0, content.ptr + at, n));
        bytes_append(out, content.ptr + at, n);
    }
}

static enum sl_err
decode_chunks(struct cursor *c, const uint8_t *origin, struct bytes *content, struct sl_error *err)
{
    while (cursor_left(c) > 0) {
        size_t at = (size_t)(c->p - origin);
        uint32_t n = cursor_u32(c);
        uint32_t crc = cursor_u32(c);
        struct span chunk = cursor_span(c, n);
        if (c->is_bad || n > CHUNK_BYTES || crc32c(0, chunk.ptr, chunk.len) != crc) {
            return sl_error_set(err, SL_ECORRUPT, "the chunk at byte %zu is damaged", at);
        }
        bytes_append(content, chunk.ptr, chunk.len);
    }
    return SL_OK;
}

enum sl_err
snapshot_decode(struct span bytes, struct snapshot_header *ret, struct bytes *ret_content,
                struct sl_error *err)
{
    enum sl_err rc = check_format(bytes, SNAPSHOT_MAGIC, "snapshot", err);
    if (rc != SL_OK) {
        return rc;
    }
    struct snapshot_header h;
    struct cursor c = cursor_of(bytes);
    (void)cursor_u64(&c); /* magic, version */
    h.cluster = cursor_uuid(&c);
    h.journal = cursor_u32(&c);
    h.n = cursor_u64(&c);
    h.last_id = cursor_uuid(&c);
    uint64_t total = cursor_u64(&c);
    uint32_t crc = cursor_u32(&c);
    if (c.is_bad || crc != crc32c(0, bytes.ptr, SNAPSHOT_HEADER_BYTES - 4)) {
        return sl_error_set(err, SL_ECORRUPT, "the snapshot's header is damaged");
    }
    rc = decode_chunks(&c, bytes.ptr, ret_content, err);
    if (rc == SL_OK && ret_content->len != total) {
        rc = sl_error_set(err, SL_ECORRUPT, "the snapshot has %zu bytes of content, not %llu",
                          ret_content->len, (unsigned long long)total);
    }
    if (rc == SL_OK) {
        *ret = h;
    }
    return rc;
}
