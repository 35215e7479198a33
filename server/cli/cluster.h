/* SPDX-License-Identifier: Apache-2.0
 *
 * The brokers of a cluster, found through one of them, for commands: which broker to ask what.
 *
 * Connections to other brokers are made when they are needed, at the addresses that Metadata gives.
 * In a cluster of one broker the connection that is there is the one, whatever address it
 * advertises.
 *
 * Threads: belongs to one. Lifetime: whatever answers borrow lives until cluster_close. */
#ifndef SLUICE_CLI_CLUSTER_H
#define SLUICE_CLI_CLUSTER_H

#include "cli/client.h"
#include "wire/messages/metadata.h"

enum { CLUSTER_BROKERS_MAX = 1000 };

struct cluster_broker {
    int32_t id;
    char address[CLIENT_ADDRESS_MAX];
    struct client *client; /* NULL: not connected yet */
};

struct cluster {
    struct client *seed;
    struct cluster_broker *brokers;
    size_t broker_count;
    int32_t controller_id; /* -1: the broker does not say */
    struct arena arena;    /* scratch of requests; the caller's, too */
};

/* Connects, and asks who is there. *err names the address that was tried. */
MUST_CHECK enum sl_err cluster_open(const char *address, struct cluster *ret, struct sl_error *err);
/* Also after cluster_open failed. */
void cluster_close(struct cluster *c);

/* The broker of that id; the connection is the cluster's. */
MUST_CHECK enum sl_err cluster_broker(struct cluster *c, int32_t id, struct client **ret,
                                      struct sl_error *err);
/* The controller, which creates and deletes; any broker where none is named. */
MUST_CHECK enum sl_err cluster_controller(struct cluster *c, struct client **ret,
                                          struct sl_error *err);
/* Which broker coordinates the group; *ret_error is Kafka's code when it is not known now. */
MUST_CHECK enum sl_err cluster_coordinator(struct cluster *c, const char *group, int32_t *ret_id,
                                           int16_t *ret_error, struct sl_error *err);
/* Metadata of one topic, of all when topic is NULL. Creates no topic. */
MUST_CHECK enum sl_err cluster_metadata(struct cluster *c, const char *topic,
                                        struct metadata_response *ret, struct sl_error *err);

#endif
