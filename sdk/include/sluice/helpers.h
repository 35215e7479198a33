/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice/helpers.h - what nearly every plugin would write for itself. Static inline functions only:
 * nothing here is part of the ABI, and nothing is exported or linked. Compiles as C and as C++.
 */
#ifndef SLUICE_HELPERS_H
#define SLUICE_HELPERS_H

#include <sluice/plugin.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SLUICE_TEXT_MAX 512 /* longer log lines and sentences are cut */

/* Gives a borrowed slice of a C string; NULL gives an absent one. */
static inline sluice_slice
sluice_cstr(const char *s)
{
    sluice_slice r;
    r.ptr = (const uint8_t *)s;
    r.len = s == NULL ? 0 : strlen(s);
    return r;
}

/* Formats one log line; the host adds plugin id, version and instance. [any] */
__attribute__((format(printf, 3, 4))) static inline void
sluice_logf(const sluice_host *host, int32_t level, const char *fmt, ...)
{
    char text[SLUICE_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (SLUICE_HAS(host, log)) {
        host->log(host, level, sluice_cstr(text));
    }
}

/* Says what is wrong and what an operator should do, and gives status back, so that
 * `return sluice_failf(host, NULL, SLUICE_EINVAL, "...")` reads well. op is the operation that will
 * be completed with status later, NULL for the call that is about to return it. [any] */
__attribute__((format(printf, 4, 5))) static inline sluice_status
sluice_failf(const sluice_host *host, sluice_op *op, sluice_status status, const char *fmt, ...)
{
    char text[SLUICE_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (SLUICE_HAS(host, fail)) {
        host->fail(host, op, status, sluice_cstr(text));
    }
    return status;
}

/* Growth rule 3: is everything in an options struct behind the `known` bytes of this plugin's
 * headers zero? Non-zero: the caller asks for something this plugin does not know, so it answers
 * SLUICE_ENOTSUP. opts begins with its uint32_t size. */
static inline int
sluice_opts_tail_is_zero(const void *opts, size_t known)
{
    uint32_t size;
    const unsigned char *bytes = (const unsigned char *)opts;
    memcpy(&size, opts, sizeof(size));
    for (size_t i = known; i < size; i++) {
        if (bytes[i] != 0) {
            return 0;
        }
    }
    return 1;
}

#endif
