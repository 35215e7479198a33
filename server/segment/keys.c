/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/keys.h"

#include <inttypes.h>
#include <stdio.h>

static bool
fits(int written)
{
    return written > 0 && written < SEGMENT_KEY_MAX;
}

bool
segment_prefix(const struct segment_name *name, char out[SEGMENT_KEY_MAX])
{
    char incarnation[16] = "";
    if (name->incarnation > 0) {
        (void)snprintf(incarnation, sizeof(incarnation), "~%" PRIu32, name->incarnation);
    }
    return fits(snprintf(out, SEGMENT_KEY_MAX, "%.*s/%.*s%s/%" PRId32 "/", (int)name->ns.len,
                         (const char *)name->ns.ptr, (int)name->topic.len,
                         (const char *)name->topic.ptr, incarnation, name->partition));
}

bool
segment_key(const struct segment_name *name, enum segment_file file, char out[SEGMENT_KEY_MAX])
{
    if (!segment_prefix(name, out)) {
        return false;
    }
    char generation[16] = "";
    if (name->generation > 0) {
        (void)snprintf(generation, sizeof(generation), "-%" PRIu32, name->generation);
    }
    size_t at = strlen(out);
    int n = snprintf(out + at, SEGMENT_KEY_MAX - at, "segment-%020" PRId64 "%s.%s",
                     name->base_offset, generation, file == SEGMENT_FILE_KFS ? "kfs" : "index");
    return n > 0 && (size_t)n < SEGMENT_KEY_MAX - at;
}

/* --- reading a key back --- */

/* Takes what stands before the next c and steps over it; false, and nothing taken, when there is no
 * c or nothing before it. */
static bool
take_until(struct span *rest, char c, struct span *ret)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->ptr, c, rest->len);
    if (at == NULL || at == rest->ptr) {
        return false;
    }
    *ret = span_of(rest->ptr, (size_t)(at - rest->ptr));
    *rest = span_of(at + 1, rest->len - ret->len - 1);
    return true;
}

/* A decimal number without sign, at most max; leading zeros only in one of exactly `width` digits.
 */
static bool
number(struct span digits, size_t width, uint64_t max, uint64_t *ret)
{
    bool has_form =
        width > 0 ? digits.len == width
                  : digits.len > 0 && digits.len <= 10 && (digits.ptr[0] != '0' || digits.len == 1);
    uint64_t v = 0;
    for (size_t i = 0; has_form && i < digits.len; i++) {
        unsigned d = (unsigned)digits.ptr[i] - '0';
        has_form = d <= 9 && v <= (max - d) / 10;
        v = v * 10 + d;
    }
    *ret = v;
    return has_form;
}

static bool
parse_directory(struct span dir, struct segment_name *ret)
{
    struct span name;
    uint64_t k = 0;
    if (!take_until(&dir, '~', &name)) {
        ret->topic = dir;
        return dir.len > 0 && memchr(dir.ptr, '~', dir.len) == NULL;
    }
    ret->topic = name;
    bool is_right = number(dir, 0, UINT32_MAX, &k) && k > 0;
    ret->incarnation = (uint32_t)k;
    return is_right;
}

/* "segment-{base:020}[-{gen}]", without the suffix. */
static bool
parse_stem(struct span stem, struct segment_name *ret)
{
    static const char head[] = "segment-";
    enum { HEAD = sizeof(head) - 1, DIGITS = 20 };
    uint64_t base, gen = 0;
    if (stem.len < HEAD + DIGITS || memcmp(stem.ptr, head, HEAD) != 0 ||
        !number(span_of(stem.ptr + HEAD, DIGITS), DIGITS, INT64_MAX, &base)) {
        return false;
    }
    struct span rest = span_of(stem.ptr + HEAD + DIGITS, stem.len - HEAD - DIGITS);
    if (rest.len > 0 &&
        (rest.ptr[0] != '-' || !number(span_of(rest.ptr + 1, rest.len - 1), 0, UINT32_MAX, &gen) ||
         gen == 0)) {
        return false;
    }
    ret->base_offset = (int64_t)base;
    ret->generation = (uint32_t)gen;
    return true;
}

bool
segment_key_parse(struct span key, struct segment_name *ret, enum segment_file *ret_file)
{
    *ret = (struct segment_name){0};
    struct span dir, digits, stem;
    uint64_t partition;
    if (!take_until(&key, '/', &ret->ns) || !take_until(&key, '/', &dir) ||
        !take_until(&key, '/', &digits) || !take_until(&key, '.', &stem) ||
        !parse_directory(dir, ret) || !number(digits, 0, INT32_MAX, &partition) ||
        !parse_stem(stem, ret)) {
        return false;
    }
    ret->partition = (int32_t)partition;
    *ret_file = span_eq(key, span_cstr("kfs")) ? SEGMENT_FILE_KFS : SEGMENT_FILE_INDEX;
    return *ret_file == SEGMENT_FILE_KFS || span_eq(key, span_cstr("index"));
}
