/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include "wire/reader.h"
#include "wire/writer.h"

static bool
is_flexible(const struct api_info *info, int16_t version)
{
    return info != NULL && version >= info->flexible_since;
}

/* KIP-511: the ApiVersions response has header v0 in every version. */
static bool
is_response_header_flexible(const struct api_info *info, int16_t version)
{
    return is_flexible(info, version) && info->key != API_API_VERSIONS;
}

enum sl_err
request_header_parse(struct span frame, struct request_header *ret)
{
    struct request_header h = {0};
    struct wire_in in;
    wire_in_init(&in, frame, false, NULL);
    h.api_key = wire_i16(&in);
    h.api_version = wire_i16(&in);
    h.correlation_id = wire_i32(&in);
    h.info = api_info_find(h.api_key);
    h.is_known_version = h.info != NULL && api_info_has(h.info, h.api_version);
    if (h.is_known_version) {
        h.client_id = wire_string_nullable(&in); /* classic even in header v2 */
        in.is_flexible = is_flexible(h.info, h.api_version);
        wire_tags_skip(&in);
    }
    if (!wire_ok(&in)) {
        return in.rc;
    }
    h.body = span_of(in.at, wire_remaining(&in));
    *ret = h;
    return SL_OK;
}

void
request_header_put(struct bytes *to, const struct request_header *header)
{
    struct wire_out out = wire_out_to(to, false);
    wire_put_i16(&out, header->api_key);
    wire_put_i16(&out, header->api_version);
    wire_put_i32(&out, header->correlation_id);
    wire_put_string_nullable(&out, header->client_id);
    out.is_flexible = is_flexible(header->info, header->api_version);
    wire_put_no_tags(&out);
}

size_t
response_begin(struct bytes *to, const struct request_header *header)
{
    size_t start = to->len;
    struct wire_out out =
        wire_out_to(to, header->is_known_version &&
                            is_response_header_flexible(header->info, header->api_version));
    wire_put_i32(&out, 0);
    wire_put_i32(&out, header->correlation_id);
    wire_put_no_tags(&out);
    return start;
}

enum sl_err
response_end(struct bytes *out, size_t start, size_t extra_bytes)
{
    if (out->is_overflown || out->len < start + 4) {
        return SL_ETOO_LARGE;
    }
    size_t n = out->len - start - 4;
    if (n > INT32_MAX || extra_bytes > INT32_MAX - n) {
        return SL_ETOO_LARGE;
    }
    put_u32(out->data + start, (uint32_t)(n + extra_bytes));
    return SL_OK;
}

enum sl_err
response_header_parse(struct span frame, const struct api_info *info, int16_t version,
                      int32_t *ret_correlation_id, struct span *ret_body)
{
    struct wire_in in;
    wire_in_init(&in, frame, is_response_header_flexible(info, version), NULL);
    int32_t correlation_id = wire_i32(&in);
    wire_tags_skip(&in);
    if (!wire_ok(&in)) {
        return in.rc;
    }
    *ret_correlation_id = correlation_id;
    *ret_body = span_of(in.at, wire_remaining(&in));
    return SL_OK;
}
