/* SPDX-License-Identifier: Apache-2.0 */
#include "api/group_topics.h"

static void
show(const struct topic *t, consumer_topic_fn see, void *to)
{
    const struct consumer_topic info = {t->id, t->name, t->opened_count};
    see(to, &info);
}

static bool
is_complete(void *arg)
{
    return directory_is_complete((const struct directory *)arg);
}

static uint64_t
version(void *arg)
{
    return directory_version((const struct directory *)arg);
}

static void
find(void *arg, struct span name, consumer_topic_fn see, void *to)
{
    struct topic *t = directory_find((struct directory *)arg, name);
    if (t != NULL) {
        show(t, see, to);
        topic_unref(&t);
    }
}

static void
find_id(void *arg, const struct uuid *id, consumer_topic_fn see, void *to)
{
    struct topic *t = directory_find_id((struct directory *)arg, id);
    if (t != NULL) {
        show(t, see, to);
        topic_unref(&t);
    }
}

static void
each(void *arg, consumer_topic_fn see, void *to)
{
    struct topic **list;
    size_t count = directory_list((struct directory *)arg, &list);
    for (size_t i = 0; i < count; i++) {
        show(list[i], see, to);
    }
    directory_list_free(&list, count);
}

struct consumer_topics
group_topics_of(struct directory *d)
{
    return (struct consumer_topics){.is_complete = is_complete,
                                    .version = version,
                                    .find = find,
                                    .find_id = find_id,
                                    .each = each,
                                    .arg = d};
}
