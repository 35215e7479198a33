#include "storage-s3/s3_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void
s3__log(const sluice_instance *s3, int32_t level, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    s3->host->log(s3->host, level, (sluice_slice){(const uint8_t *)text, strlen(text)});
}

sluice_status
s3__fail(const sluice_instance *s3, sluice_status status, const char *fmt, ...)
{
    char why[S3_WHY_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    s3->host->fail(s3->host, NULL, status, (sluice_slice){(const uint8_t *)why, strlen(why)});
    return status;
}

uint64_t
s3__now_ns(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}
