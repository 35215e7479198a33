/* ApiVersions: what clients ask first.
 *
 * A version that we do not know is answered in the layout of version 0 (KIP-511), so that a client
 * that guessed too high can read the answer and ask again. The list is the dispatch table itself.
 */
#include "wire/messages/api_versions.h"

#include "api/api_int.h"

enum { REPLY_MAX = 64 << 10 };

static void
reply_unsupported(struct request *req, const struct request_header *h)
{
    const struct api_row *row = api_find(API_API_VERSIONS);
    struct bytes b;
    bytes_init(&b, REPLY_MAX);
    size_t start = response_begin(&b, h);
    enum sl_err rc = api_versions_unsupported_encode(row->min_version, row->max_version, &b);
    if (rc != SL_OK || response_end(&b, start, 0) != SL_OK) {
        bytes_fini(&b);
        api_close(req, "the answer to ApiVersions cannot be encoded");
        return;
    }
    api_reply_bytes(req, &b);
}

static bool
fill_keys(struct request *req, struct api_versions_response *resp)
{
    size_t count;
    const struct api_row *rows = api_table(&count);
    resp->api_keys.items = (struct api_versions_response_api *)arena_array(
        &req->arena, count, sizeof(struct api_versions_response_api));
    if (resp->api_keys.items == NULL) {
        return false;
    }
    resp->api_keys.count = count;
    for (size_t i = 0; i < count; i++) {
        resp->api_keys.items[i] =
            (struct api_versions_response_api){.api_key = rows[i].key,
                                               .min_version = rows[i].min_version,
                                               .max_version = rows[i].max_version};
    }
    return true;
}

void
api_versions_handle(struct request *req, const struct request_header *h)
{
    const struct api_row *row = api_find(API_API_VERSIONS);
    struct api_versions_request in;
    struct api_versions_response resp;
    if (!h->is_known_version || h->api_version > row->max_version) {
        reply_unsupported(req, h);
        return;
    }
    if (!api_decode(req, h, &in)) {
        return;
    }
    api_versions_response_init(&resp);
    if (h->api_version >= 3 && (!api_versions_software_is_valid(in.client_software_name) ||
                                !api_versions_software_is_valid(in.client_software_version))) {
        resp.error_code = KAFKA_INVALID_REQUEST;
    }
    if (!fill_keys(req, &resp)) {
        api_close(req, "the answer to ApiVersions cannot be encoded");
        return;
    }
    api_reply(req, h, &resp);
}
