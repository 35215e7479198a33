#include "storage-s3/text.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
s3__alloc(size_t n)
{
    void *p = calloc(1, n == 0 ? 1 : n);
    if (p == NULL) {
        (void)fputs("storage-s3: out of memory\n", stderr);
        abort();
    }
    return p;
}

char *
s3__strdup(const char *s)
{
    if (s == NULL) {
        return NULL;
    }
    size_t n = strlen(s) + 1;
    return (char *)memcpy(s3__alloc(n), s, n);
}

void
s3__why(char out[S3_WHY_MAX], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(out, S3_WHY_MAX, fmt, ap);
    va_end(ap);
}

void
s3__text_init(struct s3_text *t, size_t max)
{
    *t = (struct s3_text){.max = max};
}

/* Room for n more bytes and the NUL. realloc would leave secrets in the old place. */
static void
reserve(struct s3_text *t, size_t n)
{
    if (t->cap - t->len > n) {
        return;
    }
    size_t cap = t->cap < 64 ? 64 : t->cap;
    while (cap - t->len <= n) {
        cap *= 2;
    }
    char *p = (char *)s3__alloc(cap);
    if (t->p != NULL) {
        memcpy(p, t->p, t->len);
        OPENSSL_cleanse(t->p, t->len);
        free(t->p);
    }
    t->p = p;
    t->cap = cap;
}

void
s3__text_add(struct s3_text *t, const void *bytes, size_t n)
{
    if (t->is_over || n > t->max - t->len) {
        t->is_over = true;
        return;
    }
    reserve(t, n);
    if (n > 0) {
        memcpy(t->p + t->len, bytes, n);
    }
    t->len += n;
    t->p[t->len] = '\0';
}

void
s3__text_str(struct s3_text *t, const char *s)
{
    s3__text_add(t, s, strlen(s));
}

void
s3__text_char(struct s3_text *t, char c)
{
    s3__text_add(t, &c, 1);
}

void
s3__text_fmt(struct s3_text *t, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(line)) {
        t->is_over = true;
        return;
    }
    s3__text_add(t, line, (size_t)n);
}

void
s3__text_clear(struct s3_text *t)
{
    t->len = 0;
    t->is_over = false;
    if (t->p != NULL) {
        t->p[0] = '\0';
    }
}

void
s3__text_fini(struct s3_text *t)
{
    if (t->p != NULL) {
        OPENSSL_cleanse(t->p, t->cap);
        free(t->p);
    }
    *t = (struct s3_text){.max = t->max};
}

const char *
s3__text_cstr(const struct s3_text *t)
{
    return t->p == NULL ? "" : t->p;
}
