/* SPDX-License-Identifier: Apache-2.0
 *
 * ${env:NAME} and ${file:PATH} inside a value. What they give never reaches a message: problems
 * name the variable or the path. A file's trailing newlines are dropped. */
#include "base/buf.h"
#include "config/config_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 64 * 1024, NAME_MAX_BYTES = 1024 };

const char *
config__strdup(struct arena *arena, const char *s)
{
    return (const char *)arena_copy(arena, span_of(s, strlen(s) + 1)).ptr;
}

static bool
append_env(struct bytes *out, const char *name, struct config__report *rep)
{
    const char *v = getenv(name); /* NOLINT(concurrency-mt-unsafe): before any thread starts */
    if (v == NULL) {
        config__problem(rep, "environment variable %s is not set", name);
        return false;
    }
    bytes_append(out, v, strlen(v));
    return true;
}

static bool
append_file(struct bytes *out, const char *path, struct config__report *rep)
{
    char chunk[4096];
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        char text[96] = "";
        config__problem(rep, "cannot read %s: %s", path, strerror_r(errno, text, sizeof(text)));
        return false;
    }
    size_t n;
    while (!out->is_overflown && (n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        bytes_append(out, chunk, n);
    }
    bool is_read = ferror(f) == 0;
    (void)fclose(f);
    while (out->len > 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r')) {
        out->len--;
    }
    if (!is_read) {
        config__problem(rep, "cannot read %s to its end", path);
    }
    return is_read;
}

/* Handles one ${...}; p stands behind "${". Gives what follows it, NULL after a problem. */
static const char *
append_reference(struct bytes *out, const char *p, struct config__report *rep)
{
    char name[NAME_MAX_BYTES];
    size_t n = strcspn(p, "}");
    const char *colon = (const char *)memchr(p, ':', n);
    if (p[n] == '\0' || colon == NULL || n >= sizeof(name)) {
        config__problem(rep, "write ${env:NAME} or ${file:PATH}; this ${ is neither");
        return NULL;
    }
    struct span kind = span_of(p, (size_t)(colon - p));
    span_to_cstr(span_of(colon + 1, n - kind.len - 1), name, sizeof(name));
    bool is_done = false;
    if (span_eq(kind, span_cstr("env"))) {
        is_done = append_env(out, name, rep);
    } else if (span_eq(kind, span_cstr("file"))) {
        is_done = append_file(out, name, rep);
    } else {
        config__problem(rep, "${%.*s:...} is not known; there are ${env:NAME} and ${file:PATH}",
                        (int)kind.len, p);
    }
    return is_done ? p + n + 1 : NULL;
}

static bool
expand(struct bytes *out, const char *text, struct config__report *rep)
{
    for (const char *p = text; *p != '\0';) {
        const char *ref = strstr(p, "${");
        size_t plain = ref == NULL ? strlen(p) : (size_t)(ref - p);
        bytes_append(out, p, plain);
        p += plain;
        if (ref != NULL) {
            p = append_reference(out, ref + 2, rep);
        }
        if (p == NULL) {
            return false;
        }
    }
    return true;
}

const char *
config__substitute(struct arena *arena, const char *text, struct config__report *rep)
{
    const char *result = NULL;
    struct bytes out;
    bytes_init(&out, VALUE_MAX);
    if (expand(&out, text, rep)) {
        bytes_u8(&out, 0);
        if (out.is_overflown) {
            config__problem(rep, "the value is longer than %d bytes", VALUE_MAX);
        } else if (memchr(out.data, 0, out.len - 1) != NULL) {
            config__problem(rep, "the value holds a zero byte");
        } else {
            result = (const char *)arena_copy(arena, bytes_span(&out)).ptr;
        }
    }
    bytes_fini(&out);
    return result;
}
