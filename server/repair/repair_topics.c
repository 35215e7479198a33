/* SPDX-License-Identifier: Apache-2.0
 *
 * Journal 0 says which topics there are. If it lost one's creation, and partitions of that topic
 * are found, it gets a topic with that id again: its name is that of its directory, if it has one,
 * else "recovered-" and its id; what it was configured with is gone. */
#include "repair/repair_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct found_topic {
    struct uuid id;
    char dir[TOPIC_DIR_MAX];
    uint32_t *journals;
    int32_t count;
};

struct found_topics {
    struct found_topic *all;
    size_t count;
};

static struct found_topic *
found_get(struct found_topics *f, const struct uuid *id)
{
    for (size_t i = 0; i < f->count; i++) {
        if (uuid_eq(&f->all[i].id, id)) {
            return &f->all[i];
        }
    }
    f->all = (struct found_topic *)sl_realloc(f->all, (f->count + 1) * sizeof(f->all[0]));
    f->all[f->count] = (struct found_topic){.id = *id};
    return &f->all[f->count++];
}

static void
found_add(struct found_topics *f, const struct part_state *p, uint32_t journal)
{
    struct found_topic *t = found_get(f, &p->topic_id);
    if (t->journals == NULL || p->index >= t->count) {
        t->journals =
            (uint32_t *)sl_realloc(t->journals, ((size_t)p->index + 1) * sizeof(t->journals[0]));
        memset(t->journals + t->count, 0,
               (size_t)(p->index + 1 - t->count) * sizeof(t->journals[0]));
        t->count = p->index + 1;
    }
    t->journals[p->index] = journal;
    if (part_dir(p) != NULL) {
        span_to_cstr(span_cstr(part_dir(p)), t->dir, sizeof(t->dir));
    }
}

/* "name" or "name~k"; false: it cannot be that topic's. */
static bool
name_of_dir(const struct state *st, const char *dir, char name[TOPIC_DIR_MAX], uint32_t *ret_k)
{
    const char *mark = strchr(dir, '~');
    size_t len = mark == NULL ? strlen(dir) : (size_t)(mark - dir);
    *ret_k = mark == NULL ? 0 : (uint32_t)strtoul(mark + 1, NULL, 10);
    if (len == 0 || len >= TOPIC_DIR_MAX) {
        return false;
    }
    (void)snprintf(name, TOPIC_DIR_MAX, "%.*s", (int)len, dir);
    return state_check_topic(st, span_cstr(name)) == SL_OK &&
           *ret_k >= state_next_incarnation(st, span_cstr(name));
}

static void
recover_topic(struct broken *b, struct found_topic *f)
{
    char name[TOPIC_DIR_MAX];
    struct sl_error err = SL_ERROR_INIT;
    struct bytes op;
    struct topic_spec spec = {.id = f->id, .partition_count = f->count, .journals = f->journals};
    if (!name_of_dir(b->st, f->dir, name, &spec.incarnation)) {
        (void)snprintf(name, sizeof(name), "recovered-%02x%02x%02x%02x%02x%02x%02x%02x", f->id.b[0],
                       f->id.b[1], f->id.b[2], f->id.b[3], f->id.b[4], f->id.b[5], f->id.b[6],
                       f->id.b[7]);
        spec.incarnation = state_next_incarnation(b->st, span_cstr(name));
    }
    spec.name = span_cstr(name);
    bytes_init(&op, (size_t)1 << 24);
    op_encode_topics_create(&op, &spec, 1);
    const struct state_item item = {.n = b->last_n,
                                    .time_ms = repair__now_ms(b->rp),
                                    .kind = ITEM_TOPICS_CREATE,
                                    .version = op_version(ITEM_TOPICS_CREATE),
                                    .payload = bytes_span(&op)};
    if (state_apply(b->st, &item, &err) == SL_OK) {
        repair__note(b->rp, REPAIR_GIVEN, NULL,
                     "the creation of topic %s is lost: it is made again with %" PRId32
                     " partitions, and without its configuration",
                     name, f->count);
    } else {
        repair__note(b->rp, REPAIR_FAILED, NULL, "topic %s cannot be made again: %s", name,
                     err.msg);
    }
    bytes_fini(&op);
}

void
repair__recover_topics(struct broken *zero, struct state *const *states, uint32_t count)
{
    struct found_topics f = {0};
    for (uint32_t j = 0; j < count; j++) {
        size_t pos = 0;
        for (const struct part_state *p; (p = state_next_part(states[j], &pos));) {
            if (state_find_topic_id(zero->st, &p->topic_id) == NULL) {
                found_add(&f, p, j);
            }
        }
    }
    for (size_t i = 0; i < f.count; i++) {
        recover_topic(zero, &f.all[i]);
        sl_free(f.all[i].journals);
    }
    sl_free(f.all);
}
