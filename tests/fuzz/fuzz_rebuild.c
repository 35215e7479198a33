/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries behind holes, whatever they hold: repair/ makes a state of them that can be written, read
 * back and gone on from, and never stops over what it made up itself.
 *
 * The input is a list of {u8 what, u16 length, payload}: what & 31 chooses the kind, what & 32 ends
 * the entry, what & 64 says that one is lost behind it. */
#include "repair/rebuild.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = 21, ITEMS_MAX = 64 };

static const enum item_kind kinds[KINDS] = {
    ITEM_GROUP,         ITEM_OFFSETS,      ITEM_GROUP_DELETE,  ITEM_REGISTER,
    ITEM_REPLACE,       ITEM_GARBAGE_DONE, ITEM_TRIM,          ITEM_RETIRE,
    ITEM_TOPICS_CREATE, ITEM_TOPIC_DELETE, ITEM_TOPIC_DELETED, ITEM_TOPIC_CONFIG,
    ITEM_QUOTA,         ITEM_OPEN,         ITEM_RUN,           ITEM_PRODUCERS_EXPIRE,
    ITEM_ADOPT,         ITEM_LOSS,         ITEM_TOPICS_OPENED, ITEM_PARTITIONS_ADD,
    ITEM_PRODUCER_IDS};

struct item {
    enum item_kind kind;
    struct span payload;
};

static void
take(struct rebuild *r, const struct item *items, size_t count, uint64_t n)
{
    struct entry_builder eb;
    struct entry_header h = {.n = n, .time_ms = 1000};
    struct entry_view e;
    struct sl_error err = SL_ERROR_INIT;
    uint32_t crc;
    size_t need, room = 0;
    h.id.b[0] = 1;
    for (size_t i = 0; i < count; i++) {
        room += items[i].payload.len + ENTRY_ITEM_HEADER_BYTES;
    }
    entry_builder_init(&eb, room, 0);
    for (size_t i = 0; i < count; i++) {
        uint8_t *to = entry_builder_item(&eb, (uint16_t)items[i].kind, 1, items[i].payload.len);
        if (items[i].payload.len > 0) {
            memcpy(to, items[i].payload.ptr, items[i].payload.len);
        }
    }
    struct span object = entry_builder_seal(&eb, &h, &crc);
    if (entry_parse(object, &e, &need, &err) != SL_OK) {
        abort();
    }
    rebuild_foresee(r, &e);
    if (rebuild_entry(r, &e, &err) != SL_OK) {
        abort(); /* all kinds are known */
    }
    entry_builder_fini(&eb);
}

/* The one directory of the topic. */
static const char *
dir_of(const struct state *st, const struct uuid *topic)
{
    size_t pos = 0;
    for (const struct part_state *p; (p = state_next_part(st, &pos));) {
        if (uuid_eq(&p->topic_id, topic) && part_dir(p) != NULL) {
            return part_dir(p);
        }
    }
    for (size_t i = 0; i < state_garbage_count(st); i++) {
        if (uuid_eq(&state_garbage(st, i)->topic_id, topic)) {
            return state_garbage(st, i)->dir;
        }
    }
    return "t";
}

/* As repair_roll.c does: what is live becomes a segment, fillers and all. */
static void
roll(struct state *st, const struct part_state *p)
{
    struct bytes op;
    const struct register_op one = {
        .topic_id = p->topic_id,
        .partition = p->index,
        .dir = span_cstr(dir_of(st, &p->topic_id)),
        .segment = {
            .base = part_registered_end(p), .last = p->end - 1, .max_timestamp = -1, .gen = 1}};
    bytes_init(&op, 1024);
    op_encode_register(&op, &one, 1);
    const struct state_item item = {
        .kind = ITEM_REGISTER, .version = 1, .payload = bytes_span(&op)};
    if (state_apply(st, &item, NULL) != SL_OK) {
        abort();
    }
    bytes_fini(&op);
}

static void
copy(const struct state *st)
{
    struct bytes b;
    struct state *again = state_new();
    bytes_init(&b, (size_t)1 << 30);
    state_snapshot(st, &b);
    if (state_restore(again, bytes_span(&b), NULL) != SL_OK) {
        abort();
    }
    bytes_fini(&b);
    state_destroy(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state *st = state_new();
    struct rebuild r;
    struct item items[ITEMS_MAX];
    size_t count = 0;
    uint64_t n = 1;
    rebuild_init(&r, st);
    rebuild_hole(&r, 1); /* without any, it is fuzz_state_ops */
    for (size_t at = 0; size - at >= 3;) {
        size_t len = (size_t)data[at + 1] << 8 | data[at + 2];
        uint8_t what = data[at];
        at += 3;
        len = len < size - at ? len : size - at;
        items[count++] = (struct item){kinds[(what & 31) % KINDS], span_of(data + at, len)};
        at += len;
        if ((what & 32) != 0 || count == ITEMS_MAX) {
            take(&r, items, count, n++);
            count = 0;
        }
        if ((what & 64) != 0) {
            rebuild_hole(&r, 1);
        }
    }
    take(&r, items, count, n);
    rebuild_partitions(&r, st, 0, false);
    rebuild_ends(&r);
    size_t pos = 0;
    for (const struct part_state *p; (p = state_next_part(st, &pos));) {
        if (p->run_count > 0) {
            roll(st, p);
        }
    }
    copy(st);
    rebuild_fini(&r);
    state_destroy(&st);
    buf_pool_trim();
    return 0;
}
