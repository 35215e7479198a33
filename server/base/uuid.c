#include "base/uuid.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct uuid
uuid_random(struct sched *s)
{
    struct uuid id;
    put_u64(id.b, sched_random(s));
    put_u64(id.b + 8, sched_random(s));
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

void
uuid_text(const struct uuid *id, char out[UUID_TEXT])
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t o = 0;
    for (size_t i = 0; i < sizeof(id->b); i++) {
        acc = (acc << 8) | id->b[i];
        for (bits += 8; bits >= 6; bits -= 6) {
            out[o++] = alphabet[(acc >> (bits - 6)) & 63];
        }
    }
    out[o++] = alphabet[(acc << (6 - bits)) & 63];
    out[o] = '\0';
}

bool
uuid_parse(const char *text, struct uuid *ret)
{
    struct uuid id = {{0}};
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t o = 0;
    if (strlen(text) != UUID_TEXT - 1) {
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        const char *at = strchr(alphabet, *p);
        if (at == NULL) {
            return false;
        }
        acc = (acc << 6) | (uint32_t)(at - alphabet);
        bits += 6;
        if (bits >= 8 && o < sizeof(id.b)) {
            bits -= 8;
            id.b[o++] = (uint8_t)(acc >> bits);
        }
    }
    *ret = id;
    return true;
}
