/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean": optimal string alignment distance (insert, delete, replace, swap neighbours),
 * three rows of the usual table. Words longer than WORD_MAX are cut: a key that long is no typo. */
#include "base/span.h"
#include "config/config.h"

enum { WORD_MAX = 63 };

static size_t
min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

struct rows {
    size_t before[WORD_MAX + 1], last[WORD_MAX + 1], now[WORD_MAX + 1];
};

static void
fill_row(struct rows *r, const char *a, size_t i, struct span b)
{
    const char *w = (const char *)b.ptr;
    r->now[0] = i;
    for (size_t j = 1; j <= b.len; j++) {
        size_t replace = r->last[j - 1] + (a[i - 1] == w[j - 1] ? 0 : 1);
        r->now[j] = min3(r->last[j] + 1, r->now[j - 1] + 1, replace);
        bool is_swap = i > 1 && j > 1 && a[i - 1] == w[j - 2] && a[i - 2] == w[j - 1];
        if (is_swap && r->before[j - 2] + 1 < r->now[j]) {
            r->now[j] = r->before[j - 2] + 1;
        }
    }
}

static size_t
distance(const char *a, const char *b)
{
    size_t la = strnlen(a, WORD_MAX);
    size_t lb = strnlen(b, WORD_MAX);
    struct rows r = {{0}, {0}, {0}};
    for (size_t j = 0; j <= lb; j++) {
        r.last[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        fill_row(&r, a, i, span_of(b, lb));
        memcpy(r.before, r.last, sizeof(r.last));
        memcpy(r.last, r.now, sizeof(r.now));
    }
    return r.last[lb];
}

void
nearest_init(struct nearest *n, const char *word)
{
    size_t third = strnlen(word, WORD_MAX) / 3;
    *n = (struct nearest){.word = word, .best = NULL, .distance = third < 2 ? 3 : third + 1};
}

void
nearest_offer(struct nearest *n, const char *candidate)
{
    size_t d = distance(n->word, candidate);
    if (d < n->distance && d < strlen(candidate)) {
        n->distance = d;
        n->best = candidate;
    }
}
