/* SPDX-License-Identifier: Apache-2.0
 *
 * What members of the classic protocol wrap their wishes in: subscriptions and assignments, read as
 * a group that changes its protocol reads them. Whatever comes: what is handed on lies in the bytes
 * that came, partitions are such as a topic may have, and reading twice gives the same. */
#include "group/classic_int.h"
#include "group/consumer_int.h"
#include "group/consumer_topics.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SCRATCH_MAX = 64 << 20, PARTITIONS = 5, INDEX_MAX = 4096 };

static void
must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void
must_lie_in(struct span part, struct span whole)
{
    must(part.len == 0 || (part.ptr >= whole.ptr && part.len <= whole.len &&
                           (size_t)(part.ptr - whole.ptr) <= whole.len - part.len));
}

/* Topics whose names begin with "t" are there. */
static void
find(void *arg, struct span name, consumer_topic_fn see, void *to)
{
    (void)arg;
    if (name.len > 0 && name.ptr[0] == 't') {
        const struct consumer_topic t = {{{7}}, name, PARTITIONS};
        see(to, &t);
    }
}

static void
parts_check(struct span list, struct arena *mem)
{
    static const struct consumer_topics topics = {.find = find};
    struct group_table table = {.o = {.topics = &topics}};
    struct group g = {.table = &table};
    struct consumer c = {.g = &g};
    struct group_part_list first, second;
    if (!consumer__parts_parse(&c, list, mem, &first)) {
        return;
    }
    must(consumer__parts_parse(&c, list, mem, &second) && first.count == second.count);
    for (uint32_t i = 0; i < first.count; i++) {
        const struct group_parts *p = &first.topics[i];
        must(p->topic_id.b[0] == 7 && p->count == second.topics[i].count);
        must((size_t)p->count * sizeof(int32_t) <= list.len);
        for (uint32_t k = 0; k < p->count; k++) {
            must(p->indexes[k] >= 0 && p->indexes[k] < INDEX_MAX);
        }
    }
}

static void
subscription_check(struct span bytes, struct arena *mem)
{
    struct csubscription sub;
    if (!consumer__subscription_parse(bytes, mem, &sub)) {
        (void)subscription_has(bytes, span_cstr("t0"));
        return;
    }
    must(sub.topic_count <= bytes.len);
    for (size_t i = 0; i < sub.topic_count; i++) {
        must_lie_in(sub.topics[i], bytes);
        must(i >= 16 || subscription_has(bytes, sub.topics[i]));
    }
    must_lie_in(sub.rack, bytes);
    must_lie_in(sub.owned, bytes);
    must(sub.topic_count > 64 || subscription_same_topics(bytes, bytes));
    parts_check(sub.owned, mem);
}

static void
assignment_check(struct span bytes, struct arena *mem)
{
    struct span list;
    if (consumer__assignment_open(bytes, &list)) {
        must_lie_in(list, bytes);
        parts_check(list, mem);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena mem;
    arena_init(&mem, SCRATCH_MAX);
    subscription_check(span_of(data, size), &mem);
    assignment_check(span_of(data, size), &mem);
    parts_check(span_of(data, size), &mem);
    arena_fini(&mem);
    return 0;
}
