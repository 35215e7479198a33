/* Private to api/: what several handlers need. Threads: a request's own loop. */
#ifndef SLUICE_API_API_INT_H
#define SLUICE_API_API_INT_H

#include "admin/quotas.h"
#include "api/handlers.h"

/* The advertised address of the listener that the client came through; the broker's first when its
 * name is not known. */
const struct broker_listener *api__listener(const struct request *req);
/* A sentence in the request's arena; the format itself when the arena is at its ceiling. */
struct span api__text(struct request *req, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Kafka's code for what went wrong with a topic or one of its partitions. */
int16_t api__topic_error(enum sl_err rc);
/* A NUL-terminated copy in the arena, or NULL at its ceiling. */
char *api__cstr(struct request *req, struct span s);
/* Kafka's bit field of what the client may do with a resource. */
int32_t api__operations(const struct request *req, enum acl_resource resource, struct span name);
/* Is the name legal and not in the directory? Another broker may have created it a moment ago (R8),
 * so who is about to say "there is no such topic" to a client that does not ask again first calls
 * api__refresh_topics: done runs on the request's loop when this broker knows what the store knows,
 * or after a few seconds (r->rc). */
bool api__is_topic_missing(const struct request *req, struct span name);
void api__refresh_topics(struct request *req, struct topics_refresh *r,
                         void (*done)(struct topics_refresh *r), void *arg);

/* What must not occur twice among the items of one request. */
struct api_name {
    int64_t kind;
    struct span name;
};
/* Calls refuse(arg, i) for every item i < count whose key another item has as well, each once. */
void api__refuse_duplicates(const struct api_name *keys, size_t count,
                            void (*refuse)(void *arg, size_t i), void *arg);
/* Whom quotas measure. Borrows from req. */
struct quota_client api__quota_client(const struct request *req);
/* A deadline from a timeout that a client asked for, kept within reason. */
int64_t api__deadline(const struct request *req, int32_t timeout_ms);

#endif
