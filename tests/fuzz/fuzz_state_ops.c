/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops as proposals: whatever passes its check must be applied, in whatever order ops are in flight
 * and whatever is rolled back; otherwise one bad proposal would end its journal for good.
 *
 * The input is a list of {u8 what, u16 length, payload}: what & 31 chooses the kind, what & 128
 * rolls back first, what & 64 keeps the op in flight until the next one that has it not. */
#include "state/state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLIGHT_MAX = 16, KINDS = 18 };

static const enum item_kind kinds[KINDS] = {
    ITEM_GROUP,         ITEM_OFFSETS,      ITEM_GROUP_DELETE,  ITEM_REGISTER,
    ITEM_REPLACE,       ITEM_GARBAGE_DONE, ITEM_TRIM,          ITEM_RETIRE,
    ITEM_TOPICS_CREATE, ITEM_TOPIC_DELETE, ITEM_TOPIC_DELETED, ITEM_TOPIC_CONFIG,
    ITEM_QUOTA,         ITEM_OPEN,         ITEM_RUN,           ITEM_PRODUCERS_EXPIRE,
    ITEM_ADOPT,         ITEM_LOSS};

struct flight {
    enum item_kind kind;
    uint8_t *bytes;
    size_t len;
};
static struct flight flights[FLIGHT_MAX];
static size_t flight_count;
static uint64_t applied;

static enum sl_err
check(struct state *st, enum item_kind kind, uint8_t *op, size_t len)
{
    switch (kind) {
    case ITEM_GROUP:
        return state_check_group(st, op, len);
    case ITEM_OFFSETS:
        return state_check_offsets(st, span_of(op, len));
    case ITEM_GROUP_DELETE:
        return state_check_group_delete(st, span_of(op, len), NULL);
    case ITEM_REGISTER:
        return state_check_register(st, span_of(op, len));
    case ITEM_REPLACE:
        return state_check_replace(st, span_of(op, len));
    case ITEM_ADOPT:
        return state_check_adopt(st, span_of(op, len));
    default:
        return SL_OK;
    }
}

static bool
is_pipelined(enum item_kind kind)
{
    return kind == ITEM_GROUP || kind == ITEM_OFFSETS || kind == ITEM_REGISTER ||
           kind == ITEM_REPLACE;
}

/* Kinds whose checks are their proposers' own affair: they may be refused when applied. */
static bool
is_checked(enum item_kind kind)
{
    return is_pipelined(kind) || kind == ITEM_GROUP_DELETE || kind == ITEM_ADOPT;
}

/* False when the journal would stop. */
static bool
apply(struct state *st, const struct flight *f)
{
    applied++;
    const struct state_item item = {.n = applied,
                                    .time_ms = 1000 + (int64_t)(applied % 7),
                                    .head_bytes = 256,
                                    .kind = (uint16_t)f->kind,
                                    .version = 1,
                                    .payload = span_of(f->bytes, f->len)};
    enum sl_err rc = state_apply(st, &item, NULL);
    if (rc != SL_OK && is_checked(f->kind)) {
        abort();
    }
    return rc == SL_OK;
}

static bool
land_all(struct state *st)
{
    bool goes_on = true;
    for (size_t i = 0; i < flight_count; i++) {
        goes_on = goes_on && apply(st, &flights[i]);
        free(flights[i].bytes);
    }
    flight_count = 0;
    if (goes_on) {
        state_check(st);
    }
    return goes_on;
}

static void
lose_all(struct state *st)
{
    for (size_t i = 0; i < flight_count; i++) {
        free(flights[i].bytes);
    }
    flight_count = 0;
    state_rollback(st);
    state_check(st);
}

/* False when the journal would stop. */
static bool
step(struct state *st, uint8_t what, struct span payload)
{
    struct flight f = {kinds[(what & 31) % KINDS], NULL, payload.len};
    if ((what & 128) != 0) {
        lose_all(st);
    }
    if (!is_pipelined(f.kind) && !land_all(st)) { /* goes alone */
        return false;
    }
    f.bytes = malloc(payload.len > 0 ? payload.len : 1);
    if (payload.len > 0) {
        memcpy(f.bytes, payload.ptr, payload.len);
    }
    if (check(st, f.kind, f.bytes, f.len) != SL_OK) {
        free(f.bytes);
        return true;
    }
    flights[flight_count++] = f;
    bool stays = (what & 64) != 0 && is_pipelined(f.kind) && flight_count < FLIGHT_MAX;
    return stays || land_all(st);
}

/* What is left can be written and read back. */
static void
copy(const struct state *st)
{
    struct bytes b;
    struct state *again = state_new();
    bytes_init(&b, 1 << 26);
    state_snapshot(st, &b);
    if (state_restore(again, bytes_span(&b), NULL) != SL_OK) {
        abort();
    }
    state_check(again);
    bytes_fini(&b);
    state_destroy(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state *st = state_new();
    applied = 0;
    bool goes_on = size <= 1 << 16;
    while (goes_on && size >= 3) {
        uint8_t what = data[0];
        size_t len = get_u16(data + 1);
        len = len < size - 3 ? len : size - 3;
        goes_on = step(st, what, span_of(data + 3, len));
        data += 3 + len;
        size -= 3 + len;
    }
    if (goes_on && land_all(st)) {
        copy(st);
    } else {
        lose_all(st);
    }
    state_destroy(&st);
    return 0;
}
