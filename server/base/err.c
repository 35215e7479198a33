#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {
#define SL_ERR_TEXT(name, text) text,
    SL_ERRORS(SL_ERR_TEXT)};
static const char *const names[] = {
#define SL_ERR_NAME(name, text) #name,
    SL_ERRORS(SL_ERR_NAME)};

const char *
sl_err_text(enum sl_err rc)
{
    return (unsigned)rc < SL_ERR_COUNT ? texts[rc] : "unknown error";
}

const char *
sl_err_name(enum sl_err rc)
{
    return (unsigned)rc < SL_ERR_COUNT ? names[rc] : "SL_E?";
}

enum sl_err
sl_err_from_errno(int sys_errno)
{
    switch (sys_errno) {
    case 0:
        return SL_OK;
    case ENOENT:
        return SL_ENOENT;
    case EEXIST:
        return SL_EEXIST;
    case ENOSPC:
    case EDQUOT:
        return SL_ENOSPC;
    case EACCES:
    case EPERM:
    case EROFS:
        return SL_EDENIED;
    case ENOMEM:
        return SL_ENOMEM;
    case EAGAIN:
        return SL_EAGAIN;
    case ETIMEDOUT:
        return SL_ETIMEOUT;
    case EINVAL:
        return SL_EINVAL;
    default:
        return SL_EIO;
    }
}

enum sl_err
sl_error_set(struct sl_error *err, enum sl_err code, const char *fmt, ...)
{
    if (err != NULL) {
        va_list ap;
        va_start(ap, fmt);
        err->code = code;
        err->sys_errno = 0;
        (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
        va_end(ap);
    }
    return code;
}

enum sl_err
sl_error_sys(struct sl_error *err, int sys_errno, const char *fmt, ...)
{
    enum sl_err code = sl_err_from_errno(sys_errno);
    if (err != NULL) {
        char text[96] = "";
        const char *why = strerror_r(sys_errno, text, sizeof(text));
        va_list ap;
        va_start(ap, fmt);
        err->code = code;
        err->sys_errno = sys_errno;
        int used = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
        va_end(ap);
        if (used >= 0 && (size_t)used < sizeof(err->msg)) {
            (void)snprintf(err->msg + used, sizeof(err->msg) - (size_t)used, ": %s", why);
        }
    }
    return code;
}

_Noreturn void
sl_assert_failed(const char *cond, const char *file, int line)
{
    (void)fprintf(stderr, "sluice: invariant broken: %s at %s:%d\n", cond, file, line);
    abort();
}
