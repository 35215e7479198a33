/* Keys map to paths one to one, so they are checked before any use. */
#include "storage-fs/fs_int.h"

#include <string.h>

static bool
byte_is_allowed(uint8_t c)
{
    bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_alnum || c == '.' || c == '_' || c == '~' || c == '-';
}

static bool
part_is_allowed(const char *part, size_t len)
{
    bool is_dots = (len == 1 && part[0] == '.') || (len == 2 && memcmp(part, "..", 2) == 0);
    return len > 0 && len <= FS_PART_MAX && !is_dots;
}

bool
fs__key_part_is_sound(const char *part)
{
    size_t len = strlen(part);
    bool is_sound = part_is_allowed(part, len);
    for (size_t i = 0; i < len && is_sound; i++) {
        is_sound = byte_is_allowed((uint8_t)part[i]);
    }
    return is_sound;
}

static bool
key_is_allowed(const char *key)
{
    const char *part = key;
    for (const char *p = key;; p++) {
        if (*p == '/' || *p == '\0') {
            if (!part_is_allowed(part, (size_t)(p - part))) {
                return false;
            }
            if (*p == '\0') {
                return true;
            }
            part = p + 1;
        } else if (!byte_is_allowed((uint8_t)*p)) {
            return false;
        }
    }
}

sluice_status
fs__key_copy(sluice_instance *fs, sluice_slice key, char *out)
{
    if (key.len == 0 || key.len > FS_KEY_MAX || memchr(key.ptr, '\0', key.len) != NULL) {
        return fs__fail(fs, SLUICE_EINVAL, "a key has 1 to %d bytes, none of them NUL", FS_KEY_MAX);
    }
    memcpy(out, key.ptr, key.len);
    out[key.len] = '\0';
    if (!key_is_allowed(out)) {
        return fs__fail(fs, SLUICE_EINVAL,
                        "key %.100s: parts of 1 to %d bytes out of A-Z a-z 0-9 . _ ~ -, and not . "
                        "or ..",
                        out, FS_PART_MAX);
    }
    return SLUICE_OK;
}
