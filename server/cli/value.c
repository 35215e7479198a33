/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/admin_int.h"
#include "cli/value_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

bool
cli__number(const struct cli__args *args, const char *text, int64_t min, int64_t *ret)
{
    char *end = NULL;
    *ret = -1;
    if (text == NULL) {
        return true;
    }
    errno = 0;
    int64_t v = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && v >= min) {
        *ret = v;
        return true;
    }
    (void)cli__usage(args, "%s is no whole number from %" PRId64 " on", text, min);
    return false;
}

bool
cli__number32(const struct cli__args *args, const char *text, int32_t min, int32_t *ret)
{
    int64_t v;
    if (!cli__number(args, text, min, &v)) {
        return false;
    }
    if (v > INT32_MAX) {
        (void)cli__usage(args, "%s is too large", text);
        return false;
    }
    *ret = (int32_t)v;
    return true;
}

/* -1: they are none. */
static int
two_digits(const char *at)
{
    bool are_digits = at[0] >= '0' && at[0] <= '9' && at[1] >= '0' && at[1] <= '9';
    return are_digits ? (at[0] - '0') * 10 + (at[1] - '0') : -1;
}

/* What may follow on a time of day: ".250", "Z", "+01:00". False: something else does. */
static bool
take_rest(const char *at, int64_t *ms)
{
    int64_t scale = 100;
    if (*at == '.' && at[1] >= '0' && at[1] <= '9') {
        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10) {
            *ms += (*at - '0') * scale; /* below a millisecond: nothing */
        }
    }
    if (*at == '\0' || strcmp(at, "Z") == 0) {
        return true;
    }
    int hours = two_digits(at + 1), minutes = hours < 0 || at[3] != ':' ? -1 : two_digits(at + 4);
    if ((*at != '+' && *at != '-') || minutes < 0 || minutes > 59 || hours > 14 || at[6] != '\0') {
        return false;
    }
    *ms += (*at == '+' ? -1 : 1) * ((int64_t)hours * 60 + minutes) * 60000;
    return true;
}

bool
cli__time(const struct cli__args *args, const char *text, int64_t *ret)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d"};
    if (text == NULL || (strchr(text, '-') == NULL && text[strspn(text, "0123456789")] == '\0')) {
        return cli__number(args, text, 0, ret);
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end != NULL) {
            *ret = (int64_t)timegm(&tm) * 1000;
            if (take_rest(end, ret) && *ret >= 0) {
                return true;
            }
        }
    }
    *ret = -1;
    (void)cli__usage(args,
                     "%s is no time; write 2026-01-31T12:00:00Z, 2026-01-31T13:00:00.250+01:00,"
                     " 2026-01-31 (all UTC unless they say otherwise), or ms since 1970",
                     text);
    return false;
}

bool
cli__key_value(const struct cli__args *args, const char *text, struct span *ret_key,
               struct span *ret_value)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        (void)cli__usage(args, "%s is no KEY=VALUE", text);
        return false;
    }
    *ret_key = span_of(text, (size_t)(equals - text));
    *ret_value = span_cstr(equals + 1);
    return true;
}
