/* SPDX-License-Identifier: Apache-2.0
 *
 * Part Storage: listing, and random operations against a map. Order, prefix, after and max are
 * checked with every key that comes (calls.c); here it is checked that none is missing. */
#include "base/buf.h"
#include "plugin/testkit/kit_int.h"

#include <stdlib.h>

enum { LIST_KEYS = 24 };

/* In byte order, which is that of neither paths nor locales. */
static const char *const names[LIST_KEYS] = {"A",    "a-/x",  "a.b",   "a/x",  "a/y.z", "a/y/z",
                                             "a0",   "aa",    "b-",    "b.",   "b/1",   "b/10",
                                             "b/2",  "b0",    "b~1/x", "c",    "j/0",   "j/00",
                                             "j/1-", "j/1/0", "j/1/1", "j/10", "z/a",   "~"};

static void
list_check(struct kit__life *l, const char *prefix, const char *after, uint32_t max)
{
    struct kit__listing got = {0};
    char begin[160];
    char from[160] = "";
    size_t want = 0;
    (void)snprintf(begin, sizeof(begin), "%s%s", kit.prefix, prefix);
    if (after[0] != '\0') {
        (void)snprintf(from, sizeof(from), "%s%s", kit.prefix, after);
    }
    sluice_status status = kit__list(l, begin, from, max, &got);
    if (status != SLUICE_OK) {
        kit__fail(RULE_LISTED, "list of %s after %s, at most %u, gave %s", begin, from, max,
                  kit__status_text(status));
    }
    for (size_t i = 0; i < LIST_KEYS; i++) {
        const char *key = kit__key("%s", names[i]);
        bool is_in = strncmp(key, begin, strlen(begin)) == 0 && strcmp(key, from) > 0;
        if (!is_in || want == max) {
            continue;
        }
        if (want >= got.count || strcmp(got.items[want].key, key) != 0) {
            kit__fail(RULE_LISTED, "list of \"%s\" after \"%s\", at most %u, left out %s", begin,
                      from, max, key);
        }
        if (got.items[want].size != i * 10) {
            kit__fail(RULE_LISTED, "list says %llu bytes of %s, which has %zu",
                      (unsigned long long)got.items[want].size, key, i * 10);
        }
        want++;
    }
    if (got.count != want) {
        kit__fail(RULE_LISTED, "list of \"%s\" after \"%s\" added %zu keys for %zu", begin, from,
                  got.count, want);
    }
    kit__listing_fini(&got);
}

static void
names_put(struct kit__life *l)
{
    static const uint8_t zeros[LIST_KEYS * 10];
    size_t order[LIST_KEYS];
    for (size_t i = 0; i < LIST_KEYS; i++) { /* in an order of its own */
        size_t k = (size_t)kit__below(i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t i = 0; i < LIST_KEYS; i++) {
        uint32_t flags = order[i] % 2 == 0 ? 0 : SLUICE_PUT_SEQUENCE;
        kit__must_put(l, kit__key("%s", names[order[i]]), span_of(zeros, order[i] * 10), flags);
    }
}

static void
list_all(void)
{
    static const char *const prefixes[] = {"",   "a", "a/", "a/y", "b",     "b/1",
                                           "j/", "j", "z",  "zz",  "a/y.z", "0"};
    static const char *const afters[] = {"", "a", "a/", "a/x", "a/zzz", "b/1", "j/1", "~", "~~"};
    struct kit__life l;
    kit__store_begin(&l);
    names_put(&l);
    for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
        for (size_t a = 0; a < sizeof(afters) / sizeof(afters[0]); a++) {
            list_check(&l, prefixes[p], afters[a], 1000);
            list_check(&l, prefixes[p], afters[a], 1 + (uint32_t)kit__below(5));
        }
    }
    for (uint32_t max = 1; max <= LIST_KEYS; max++) {
        list_check(&l, "", "", max);
    }
    kit__store_end(&l);
}

/* Page after page, each from the last key of the one before. */
static void
list_pages(void)
{
    struct kit__life l;
    kit__store_begin(&l);
    names_put(&l);
    for (uint32_t page = 1; page <= 7; page += 3) {
        char after[160] = "";
        size_t total = 0;
        for (size_t n = 1; n > 0;) {
            struct kit__listing got = {0};
            if (kit__list(&l, kit.prefix, after, page, &got) != SLUICE_OK) {
                kit__fail(RULE_LISTED, "list after %s failed", after);
            }
            n = got.count;
            total += n;
            if (n > 0) {
                (void)snprintf(after, sizeof(after), "%s", got.items[n - 1].key);
            }
            kit__listing_fini(&got);
        }
        if (total != LIST_KEYS) {
            kit__fail(RULE_LISTED, "pages of %u keys gave %zu keys for %d", page, total, LIST_KEYS);
        }
    }
    kit__store_end(&l);
}

static void
list_stops(void)
{
    struct kit__life l;
    struct kit__listing got = {.stop_after = 3};
    kit__store_begin(&l);
    names_put(&l);
    sluice_status status = kit__list(&l, kit.prefix, "", 100, &got);
    if (status != SLUICE_ECANCELED) {
        kit__fail(RULE_SINK, "add() refused with SLUICE_ECANCELED, and list gave %s",
                  kit__status_text(status));
    }
    kit__listing_fini(&got);
    kit__store_end(&l);
}

/* ---- random operations ---- */

enum { MODEL_KEYS = LIST_KEYS, MODEL_STEPS = 600, MODEL_MS = 10000, MODEL_LEN = 200 * 1024 };

struct object {
    bool is_there;
    size_t len;
    uint64_t fill;
};
static struct object objects[MODEL_KEYS];
static uint8_t bytes[MODEL_LEN];

static struct span
model_body(size_t len, uint64_t fill)
{
    kit__fill(bytes, len, fill);
    return span_of(bytes, len);
}

static void
model_put(struct kit__life *l, size_t i)
{
    static const size_t near[] = {0, 100, 4000, 4096, 66000, 190000};
    struct object *o = &objects[i];
    bool is_if_absent =
        (l->storage->capabilities & SLUICE_STORE_IF_ABSENT) != 0 && kit__below(4) != 0;
    uint32_t flags =
        (is_if_absent ? SLUICE_PUT_IF_ABSENT : 0) | (kit__below(2) == 0 ? SLUICE_PUT_SEQUENCE : 0);
    size_t len = near[kit__below(6)] + kit__below(300);
    uint64_t fill = kit__random();
    sluice_status status = kit__put(l, kit__key("%s", names[i]), model_body(len, fill), flags);
    sluice_status want = is_if_absent && o->is_there ? SLUICE_EEXIST : SLUICE_OK;
    if (status != want) {
        kit__fail(want == SLUICE_EEXIST ? RULE_ONE_WINNER : RULE_STORED, "put of %s gave %s for %s",
                  names[i], kit__status_text(status), kit__status_text(want));
    }
    if (status == SLUICE_OK) {
        *o = (struct object){true, len, fill};
    }
}

static void
model_get(struct kit__life *l, size_t i)
{
    const struct object *o = &objects[i];
    struct buf *got;
    uint64_t offset = kit__below(2) == 0 ? 0 : kit__below(o->len + 20);
    uint64_t length = kit__below(2) == 0 ? 0 : kit__below(o->len + 20);
    sluice_status status = kit__get(l, kit__key("%s", names[i]), offset, length, &got);
    if (status != (o->is_there ? SLUICE_OK : SLUICE_ENOENT)) {
        kit__fail(o->is_there ? RULE_STORED : RULE_DELETE, "get of %s, which is %s, gave %s",
                  names[i], o->is_there ? "there" : "not there", kit__status_text(status));
    }
    if (!o->is_there) {
        return;
    }
    uint64_t left = offset < o->len ? o->len - offset : 0;
    uint64_t want = length == 0 || length > left ? left : length;
    struct span right = model_body(o->len, o->fill);
    bool is_right =
        got->len == want && (want == 0 || memcmp(got->data, right.ptr + offset, want) == 0);
    buf_unref(&got);
    if (!is_right) {
        kit__fail(RULE_RANGE, "get of %llu bytes from %llu of %s (%zu bytes) gave other bytes",
                  (unsigned long long)length, (unsigned long long)offset, names[i], o->len);
    }
}

static void
model_list(struct kit__life *l)
{
    struct kit__listing got = {0};
    size_t at = 0;
    if (kit__list(l, kit.prefix, "", 1000, &got) != SLUICE_OK) {
        kit__fail(RULE_LISTED, "list failed");
    }
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        bool is_listed = at < got.count && strcmp(got.items[at].key, kit__key("%s", names[i])) == 0;
        if (is_listed != objects[i].is_there) {
            kit__fail(RULE_LISTED,
                      is_listed ? "list added %s, which is not there"
                                : "list left out %s, which is there",
                      names[i]);
        }
        at += is_listed ? 1 : 0;
    }
    kit__listing_fini(&got);
}

static void
model_step(struct kit__life *l)
{
    size_t i = (size_t)kit__below(MODEL_KEYS);
    uint64_t dice = kit__below(100);
    if (dice < 40) {
        model_put(l, i);
    } else if (dice < 75) {
        model_get(l, i);
    } else if (dice < 92) {
        if (kit__del(l, kit__key("%s", names[i])) != SLUICE_OK) {
            kit__fail(RULE_DELETE, "del of %s failed", names[i]);
        }
        objects[i].is_there = false;
    } else {
        model_list(l);
    }
}

static void
model(void)
{
    struct kit__life l;
    kit__store_begin(&l);
    int64_t limit_ns = kit__now_ns() + MODEL_MS * INT64_C(1000000);
    for (int i = 0; i < MODEL_STEPS && kit__now_ns() < limit_ns; i++) {
        model_step(&l);
    }
    model_list(&l);
    bool is_kept = (l.storage->capabilities & SLUICE_STORE_VOLATILE) == 0;
    if (is_kept) { /* a later life sees the same */
        kit__life_end(&l);
        kit__store_begin(&l);
        model_list(&l);
        for (size_t i = 0; i < MODEL_KEYS; i++) {
            model_get(&l, i);
        }
    }
    kit__store_end(&l);
}

const struct kit__test kit__list_tests[] = {
    {"storage/list", KIT_STORAGE, list_all},
    {"storage/list_pages", KIT_STORAGE, list_pages},
    {"storage/list_stops", KIT_STORAGE, list_stops},
    {"storage/model", KIT_STORAGE, model},
    {0},
};
