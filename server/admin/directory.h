/* Every topic of the cluster, readable from all loops: resolves a name or an id to partitions,
 * journals and options once per request.
 *
 * A struct topic is immutable; a change puts a new one in its place. The lock is read-mostly: all
 * loops look topics up, only journal 0's loop writes, and only when a topic is created or changed.
 *
 * Threads:  update, remove and reconcile on journal 0's loop; everything else anywhere. */
#ifndef SLUICE_ADMIN_DIRECTORY_H
#define SLUICE_ADMIN_DIRECTORY_H

#include "admin/topic_options.h"

#include <stdatomic.h>

struct topic {
    _Atomic uint32_t refs;
    struct uuid id;
    struct span name; /* NUL-terminated behind its end */
    uint32_t incarnation;
    int32_t partition_count, opened_count;
    const uint32_t *journals;
    struct topic_options options;
    const struct topic_config *configs; /* the topic's own values */
    size_t config_count;
    int64_t created_ms;
};

struct directory;
/* defaults: what a topic of this name gets from the broker's configuration; may be NULL. */
typedef void (*topic_defaults_fn)(void *arg, const char *name, struct topic_options *ret);
struct directory *directory_new(topic_defaults_fn defaults, void *arg);
void directory_destroy(struct directory **d);

/* What a topic of this name gets that says nothing itself. */
void directory_defaults(const struct directory *d, const char *name, struct topic_options *ret);

/* Give a reference, or NULL. */
struct topic *directory_find(struct directory *d, struct span name);
struct topic *directory_find_id(struct directory *d, const struct uuid *id);
/* Gives an array of references, sorted by name; release with directory_list_free. */
size_t directory_list(struct directory *d, struct topic ***ret);
void directory_list_free(struct topic ***list, size_t count);
struct topic *topic_ref(struct topic *t);
void topic_unref(struct topic **t);

void directory_update(struct directory *d, const struct topic_state *t);
/* The topic is deleted. A new one that has its name meanwhile stays. */
void directory_remove(struct directory *d, const struct topic_state *t);
/* S was read anew: forgets what is not in it any more. */
void directory_reconcile(struct directory *d, const struct state *st);
/* Another number after every change of any topic; never 0. [any] */
uint64_t directory_version(const struct directory *d);
/* Has S been read, so that every topic is known? [any] */
bool directory_is_complete(const struct directory *d);

#endif
