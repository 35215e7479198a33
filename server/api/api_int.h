/* Private to api/: what several handlers need. Threads: a request's own loop. */
#ifndef SLUICE_API_API_INT_H
#define SLUICE_API_API_INT_H

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
/* A deadline from a timeout that a client asked for, kept within reason. */
int64_t api__deadline(const struct request *req, int32_t timeout_ms);

#endif
