/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole request frame as it comes from a socket, without its size: header, then body. */
#include "wire/frame.h"
#include "wire/messages/api_versions.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(16) uint8_t message[1024];
    struct request_header h;
    if (request_header_parse(span_of(data, size), &h) != SL_OK) {
        return 0;
    }
    struct bytes out;
    bytes_init(&out, 1 << 20);
    size_t start = response_begin(&out, &h);
    if (response_end(&out, start, 0) != SL_OK) {
        abort();
    }
    bytes_fini(&out);
    if (!h.is_known_version) {
        return 0;
    }
    struct arena arena;
    arena_init(&arena, 4 * size + 65536);
    if (wire_decode(h.info->request, h.api_version, h.body, &arena, message) == SL_OK &&
        h.api_key == API_API_VERSIONS) {
        struct api_versions_request *req = (void *)message;
        api_versions_software_is_valid(req->client_software_name);
    }
    arena_fini(&arena);
    return 0;
}
