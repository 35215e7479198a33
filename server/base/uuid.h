/* 128-bit identifiers: topics, clusters, entries. Threads: plain values. */
#ifndef SLUICE_BASE_UUID_H
#define SLUICE_BASE_UUID_H

#include "base/sched.h"
#include "base/span.h"

struct uuid {
    uint8_t b[16];
};

static inline bool
uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool
uuid_is_zero(const struct uuid *a)
{
    static const struct uuid zero;
    return uuid_eq(a, &zero);
}

/* Gives a random version-4 UUID; never zero. */
struct uuid uuid_random(struct sched *s);
enum { UUID_TEXT = 23 };
/* Kafka's text form: 22 characters of unpadded URL-safe base64, plus NUL. */
void uuid_text(const struct uuid *id, char out[UUID_TEXT]);
/* False when text is not one. */
bool uuid_parse(const char *text, struct uuid *ret);

#endif
