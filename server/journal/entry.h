/* One journal entry as bytes: header, index of items, data. The journal checks the header and the
 * chain; what an item means is state/'s business.
 *
 * Layout (big-endian), version 1:
 *     0  u32  magic "SLJE"            40  16   entry id (random)
 *     4  u16  version = 1             56  16   previous valid entry's id
 *     6  u16  flags = 0               72  u64  acked_through
 *     8  16   cluster id              80  i64  time, ms since 1970, writer's clock
 *    24  u32  journal                 88  u32  item count
 *    28  i32  writer's node id        92  u32  index bytes
 *    32  u64  n                       96  u32  head bytes: where the data begins
 *                                    100  u32  CRC-32C of the head, this field taken as 0
 *                                    104  u64  data bytes
 *                                    112  u32  round, ms (a hint; 0: none)
 *                                    116  12   reserved = 0
 *   128  items: u16 kind, u16 version, u32 length, payload; in the order in which they apply
 *        zero padding up to head bytes (large entries pad to 4096, so that the data is aligned)
 *        data
 *
 * Threads: plain values. An entry_view borrows the bytes it was parsed from. */
#ifndef SLUICE_JOURNAL_ENTRY_H
#define SLUICE_JOURNAL_ENTRY_H

#include "base/buf.h"
#include "base/uuid.h"

enum { ENTRY_HEADER_BYTES = 128, ENTRY_ITEM_HEADER_BYTES = 8, ENTRY_ALIGN_FROM = 64 << 10 };
#define ENTRY_MAGIC 0x534C4A45u

struct entry_header {
    struct uuid cluster, id, prev_id;
    uint32_t journal;
    int32_t writer;
    uint64_t n, acked_through;
    int64_t time_ms;
    uint32_t item_count, index_bytes, head_bytes;
    uint64_t data_bytes;
    uint32_t round_ms; /* how long its writer would take to read a lost entry and send the next one
                          (pace.c); 0: it does not say */
};

struct entry_view {
    struct entry_header h;
    struct span index;
    bool is_own; /* built here: its data needs no checking */
};

/* Parses and checks a head: magic, version, lengths, checksum. `bytes` may be just the first part
 * of the object; when it is shorter than the head, SL_EAGAIN and *ret_need says how many bytes are
 * needed. SL_ECORRUPT, SL_EVERSION fill err with what is wrong and where. */
MUST_CHECK enum sl_err entry_parse(struct span bytes, struct entry_view *ret, size_t *ret_need,
                                   struct sl_error *err);

/* Fields of a header that need not be checked as a whole; bytes has ENTRY_HEADER_BYTES. */
static inline bool
entry_peek_is(const uint8_t *bytes, const struct uuid *id)
{
    return memcmp(bytes + 40, id->b, sizeof(id->b)) == 0;
}
static inline struct uuid
entry_peek_prev(const uint8_t *bytes)
{
    struct uuid id;
    memcpy(id.b, bytes + 56, sizeof(id.b));
    return id;
}
static inline uint64_t
entry_peek_acked_through(const uint8_t *bytes)
{
    return get_u64(bytes + 72);
}

/* Walks the index of a checked head. */
struct entry_item {
    uint16_t kind, version;
    struct span payload;
};
struct entry_cursor {
    struct span rest;
};
static inline struct entry_cursor
entry_items(const struct entry_view *e)
{
    return (struct entry_cursor){e->index};
}
/* False at the end, or at an item whose length lies (then *ret_is_bad). */
bool entry_next(struct entry_cursor *c, struct entry_item *ret, bool *ret_is_bad);

/* Builds one entry in one buffer, head and data contiguous. */
struct entry_builder {
    struct buf *buf;
    size_t head_room; /* data begins at this offset of buf */
    size_t index_len, data_len;
    uint32_t item_count;
    uint32_t data_crc; /* of the data so far */
};
/* head_room: the most that items will take; data_room likewise. */
void entry_builder_init(struct entry_builder *b, size_t index_bytes, size_t data_bytes);
void entry_builder_fini(struct entry_builder *b);
/* Gives where the payload of an item goes; the caller stays within what it announced. */
uint8_t *entry_builder_item(struct entry_builder *b, uint16_t kind, uint16_t version,
                            size_t length);
/* Gives where n bytes of data go and *ret_position, their place in the data. The caller writes them
 * and then says their checksum with entry_builder_data_crc. */
uint8_t *entry_builder_data(struct entry_builder *b, size_t n, uint32_t *ret_position);
void entry_builder_data_crc(struct entry_builder *b, uint32_t crc, size_t n);
/* Writes the header (lengths are filled in here) and gives the object's bytes inside b->buf, and
 * the CRC-32C of the whole object. */
struct span entry_builder_seal(struct entry_builder *b, struct entry_header *h, uint32_t *ret_crc);

/* "{prefix}/journal/{j}/{n:020}" and the prefix for listing, with the trailing '/'. */
void entry_key(char *out, size_t cap, const char *prefix, uint32_t journal, uint64_t n);
void journal_prefix(char *out, size_t cap, const char *prefix, uint32_t journal);
/* Gives n of an entry key that begins with journal_prefix; false for manifests, snapshots,
 * strangers. */
bool entry_key_parse(const char *key, const char *journal_prefix, uint64_t *ret_n);

#endif
