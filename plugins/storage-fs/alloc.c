#include "storage-fs/fs_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
not_null(void *p)
{
    if (p == NULL) {
        (void)fprintf(stderr, "storage-fs: out of memory\n");
        abort();
    }
    return p;
}

void *
fs__alloc(size_t n)
{
    return not_null(calloc(1, n));
}

void *
fs__realloc(void *p, size_t n)
{
    return not_null(realloc(p, n));
}

void *
fs__alloc_blocks(size_t n)
{
    void *p = not_null(aligned_alloc(4096, (n + 4095) / 4096 * 4096));
    memset(p, 0, n);
    return p;
}

char *
fs__strdup(const char *s)
{
    return (char *)not_null(strdup(s));
}
