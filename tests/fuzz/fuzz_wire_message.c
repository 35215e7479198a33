/* SPDX-License-Identifier: Apache-2.0
 *
 * Any message at any version: 1 byte (1: response), key i16, version i16, body.
 *
 * What decodes must encode, and what that gives must decode to the same again: the second and third
 * bytes are equal (the first may differ: a varint may be longer than it need be, unknown tagged
 * fields are dropped). Straight code must agree with the tables. */
#include "wire/frame.h"
#include "wire/messages/fetch.h"
#include "wire/messages/metadata.h"
#include "wire/messages/produce.h"

#include <stdlib.h>

#define CEILING (4u << 20)
#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(16) uint8_t first[1024], second[1024], straight[1024];

static void
encode(const struct wire_message *msg, int16_t version, const void *in, struct bytes *out)
{
    bytes_init(out, CEILING);
    MUST(wire_encode(msg, version, in, out) == SL_OK);
}

static void
must_encode_alike(const struct wire_message *msg, int16_t version, const void *a, const void *b)
{
    struct bytes bytes_a, bytes_b;
    encode(msg, version, a, &bytes_a);
    encode(msg, version, b, &bytes_b);
    MUST(span_eq(bytes_span(&bytes_a), bytes_span(&bytes_b)));
    bytes_fini(&bytes_a);
    bytes_fini(&bytes_b);
}

static void
check_straight_decode(const struct wire_message *msg, int16_t version, struct span body,
                      enum sl_err want)
{
    struct arena arena;
    arena_init(&arena, CEILING);
    enum sl_err rc = want;
    if (msg == &produce_request_schema) {
        rc = produce_request_decode(body, version, &arena, (void *)straight);
    } else if (msg == &fetch_request_schema) {
        rc = fetch_request_decode(body, version, &arena, (void *)straight);
    } else {
        arena_fini(&arena);
        return;
    }
    MUST(rc == want || want == SL_ENOMEM || rc == SL_ENOMEM);
    if (rc == SL_OK && want == SL_OK) {
        must_encode_alike(msg, version, first, straight);
    }
    arena_fini(&arena);
}

static void
fetch_encode(int16_t version, struct bytes *out)
{
    struct arena arena;
    arena_init(&arena, CEILING);
    struct bytes meta;
    bytes_init(&meta, CEILING);
    struct fetch_splices splices;
    MUST(fetch_response_encode((void *)first, version, &meta, &arena, &splices) == SL_OK);
    size_t at = 0;
    for (size_t i = 0; i < splices.count; i++) {
        struct span records = splices.items[i].partition->records;
        bytes_append(out, meta.data + at, splices.items[i].at - at);
        bytes_append(out, records.ptr, records.len);
        at = splices.items[i].at;
    }
    bytes_append(out, meta.data + at, meta.len - at);
    bytes_fini(&meta);
    arena_fini(&arena);
}

static void
nulls_to_empty(struct fetch_response *resp)
{
    for (size_t i = 0; i < resp->responses.count; i++) {
        for (size_t k = 0; k < resp->responses.items[i].partitions.count; k++) {
            struct span *records = &resp->responses.items[i].partitions.items[k].records;
            *records = records->ptr == NULL ? span_of("", 0) : *records;
        }
    }
}

static void
check_straight_encode(const struct wire_message *msg, int16_t version)
{
    struct bytes want, got;
    bytes_init(&got, CEILING);
    if (msg == &fetch_response_schema) {
        nulls_to_empty((void *)first);
        fetch_encode(version, &got);
    } else if (msg == &produce_response_schema) {
        MUST(produce_response_encode((void *)first, version, &got) == SL_OK);
    } else if (msg == &metadata_response_schema) {
        MUST(metadata_response_encode((void *)first, version, &got) == SL_OK);
    } else {
        return;
    }
    encode(msg, version, first, &want);
    MUST(span_eq(bytes_span(&want), bytes_span(&got)));
    bytes_fini(&want);
    bytes_fini(&got);
}

static void
check_again(const struct wire_message *msg, int16_t version)
{
    struct arena arena;
    arena_init(&arena, 4 * CEILING);
    struct bytes again;
    encode(msg, version, first, &again);
    enum sl_err rc = wire_decode(msg, version, bytes_span(&again), &arena, second);
    MUST(rc == SL_OK);
    must_encode_alike(msg, version, first, second);
    bytes_fini(&again);
    arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5) {
        return 0;
    }
    const struct api_info *api = api_info_find(get_i16(data + 1));
    int16_t version = get_i16(data + 3);
    if (api == NULL || size > (1 << 16)) {
        return 0;
    }
    const struct wire_message *msg = (data[0] & 1) != 0 ? api->response : api->request;
    MUST(msg->root->size <= sizeof(first));
    struct span body = span_of(data + 5, size - 5);
    struct arena arena;
    arena_init(&arena, CEILING);
    enum sl_err rc = wire_decode(msg, version, body, &arena, first);
    MUST(rc == SL_OK || rc == SL_EMALFORMED || rc == SL_ENOMEM || rc == SL_EVERSION);
    check_straight_decode(msg, version, body, rc);
    if (rc == SL_OK) {
        check_again(msg, version);
        check_straight_encode(msg, version);
    }
    arena_fini(&arena);
    return 0;
}
