/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to api/: what the group APIs share. Threads: a request's own loop. */
#ifndef SLUICE_API_GROUPS_INT_H
#define SLUICE_API_GROUPS_INT_H

#include "api/api_int.h"
#include "group/group.h"

/* The table in whose journal the group lives. */
struct group_table *api__group_table(const struct request *req, struct span group_id);
/* The peer as Kafka writes it into a group: "/127.0.0.1", in the arena. */
struct span api__client_host(struct request *req);
/* Fills what every call has in common and sends it. */
void api__group_submit(struct request *req, struct group_call *call, struct span group_id,
                       void (*run)(struct group_table *gt, struct group_call *c),
                       void (*done)(struct group_call *c), void *arg);
/* Encodes resp, which may point into the call's memory, finishes the request and frees that memory.
 * The call lies in the request, which is gone then. */
void api__group_reply(struct request *req, const struct request_header *h, struct group_call *call,
                      const void *resp);

#endif
