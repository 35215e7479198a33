/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions of consumers: a pattern, a zero byte, the name of a topic. Whatever comes, it
 * is refused with a sentence, or matches within its bounds, twice the same. */
#include "group/consumer_regex.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAME_MAX_BYTES = 249 };

static void
must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    size_t len = zero == NULL ? size : (size_t)(zero - data);
    struct span pattern = span_of(data, len);
    struct span name = zero == NULL ? span_cstr("orders") : span_of(zero + 1, size - len - 1);
    name.len = name.len < NAME_MAX_BYTES ? name.len : NAME_MAX_BYTES;
    struct regex *re = NULL;
    char why[REGEX_WHY_MAX] = "";
    enum sl_err rc = regex_new(pattern, &re, why);
    if (rc != SL_OK) {
        must(rc == SL_EINVAL && re == NULL && why[0] != '\0' &&
             memchr(why, '\0', sizeof(why)) != NULL);
        return 0;
    }
    must(len <= REGEX_PATTERN_MAX);
    must(regex_match(re, name) == regex_match(re, name));
    regex_destroy(&re);
    must(re == NULL);
    return 0;
}
