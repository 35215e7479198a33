/* SPDX-License-Identifier: Apache-2.0
 *
 * Folder-private: groups as commands see them, whichever protocol they use, and the verbs of
 * `sluice group` that have a file of their own. Threads: the main thread. Lifetime: a run's. */
#ifndef SLUICE_CLI_GROUPS_INT_H
#define SLUICE_CLI_GROUPS_INT_H

#include "cli/parts_int.h"
#include "wire/messages/list_groups.h"

struct cli__groups {
    struct list_groups_response_group *items; /* ascending by name */
    size_t count;
    bool has_types; /* the brokers say which protocol a group uses */
};
/* Groups of all brokers; states: "Stable,Empty", or NULL. */
MUST_CHECK bool cli__groups_list(struct cli__admin *a, const char *states, struct cli__groups *ret);

struct cli__assigned {
    struct span topic;
    int32_t *partitions; /* ascending */
    size_t count;
};

struct cli__member {
    struct span id, instance, client_id, host; /* instance: may be null */
    int32_t epoch;                             /* -1: classic */
    struct cli__assigned *assigned;
    size_t assigned_count;
    bool is_moving; /* its target is another assignment */
};

struct cli__group {
    const char *name;
    bool is_consumer; /* KIP-848; else classic */
    struct span state, assignor, protocol_type;
    int32_t epoch; /* -1: classic */
    int32_t coordinator;
    struct cli__member *members;
    size_t member_count;
};
/* A group that is there. */
MUST_CHECK bool cli__group_find(struct cli__admin *a, const char *name, struct cli__group *ret);
/* Is there such a group? Says nothing of the answer. */
MUST_CHECK bool cli__group_look(struct cli__admin *a, const char *name, struct cli__group *ret,
                                bool *ret_is_there);

/* Offsets that the group committed, of all topics. */
MUST_CHECK bool cli__committed(struct cli__admin *a, const char *group, struct cli__parts *ret);

int cli__group_lag(const struct cli__args *args);
int cli__group_reset(const struct cli__args *args);

#endif
