/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cluster.h"

#include "wire/messages/find_coordinator.h"

#include <stdio.h>

enum {
    SCRATCH_MAX = 256 << 20,
    METADATA_SINCE = 4,     /* the first that can be told to create nothing */
    COORDINATORS_SINCE = 4, /* the first that takes several groups, and answers in a list */
};

static bool
brokers_fill(struct cluster *c, const struct metadata_response *md)
{
    if (md->brokers.count > CLUSTER_BROKERS_MAX) {
        return false;
    }
    c->brokers = (struct cluster_broker *)sl_alloc((md->brokers.count + 1) * sizeof(*c->brokers));
    c->broker_count = md->brokers.count;
    c->controller_id = md->controller_id;
    for (size_t i = 0; i < md->brokers.count; i++) {
        const struct metadata_response_broker *from = &md->brokers.items[i];
        struct cluster_broker *to = &c->brokers[i];
        char host[CLIENT_ADDRESS_MAX - 16];
        span_to_cstr(from->host, host, sizeof(host));
        bool is_v6 = strchr(host, ':') != NULL;
        to->id = from->node_id;
        (void)snprintf(to->address, sizeof(to->address), is_v6 ? "[%s]:%d" : "%s:%d", host,
                       from->port);
    }
    return true;
}

/* No topic at all: an empty list. */
static enum sl_err
metadata_ask(struct cluster *c, const struct metadata_request *in, struct metadata_response *ret,
             struct sl_error *err)
{
    const struct client_question q = {
        .key = API_METADATA, .version = CLIENT_BEST, .in = in, .out = ret};
    if (client_version(c->seed, API_METADATA) < METADATA_SINCE) {
        return sl_error_set(err, SL_ENOTSUP,
                            "the broker at %s is too old: older than Kafka 0.11, or newer than "
                            "this program",
                            client_address(c->seed));
    }
    return client_ask(c->seed, &q, err);
}

enum sl_err
cluster_open(const char *address, struct cluster *ret, struct sl_error *err)
{
    struct metadata_request in;
    struct metadata_response md = {0};
    struct metadata_request_topic none;
    *ret = (struct cluster){.controller_id = -1};
    arena_init(&ret->arena, SCRATCH_MAX);
    metadata_request_init(&in);
    in.topics.items = &none;
    in.allow_auto_topic_creation = false;
    enum sl_err rc = client_open(address, &ret->seed, err);
    if (rc == SL_OK) {
        rc = client_negotiate(ret->seed, err);
    }
    if (rc == SL_OK) {
        rc = metadata_ask(ret, &in, &md, err);
    }
    if (rc == SL_OK && !brokers_fill(ret, &md)) {
        rc = sl_error_set(err, SL_ETOO_LARGE, "a cluster of more than %d brokers",
                          CLUSTER_BROKERS_MAX);
    }
    return rc;
}

void
cluster_close(struct cluster *c)
{
    for (size_t i = 0; i < c->broker_count; i++) {
        client_close(&c->brokers[i].client);
    }
    sl_free(c->brokers);
    client_close(&c->seed);
    arena_fini(&c->arena);
}

static enum sl_err
broker_connect(struct cluster_broker *b, struct sl_error *err)
{
    struct sl_error why = SL_ERROR_INIT;
    struct client *client = NULL;
    enum sl_err rc = client_open(b->address, &client, &why);
    if (rc == SL_OK) {
        rc = client_negotiate(client, &why);
    }
    if (rc != SL_OK) {
        client_close(&client);
        return sl_error_set(err, rc, "broker %d, at the address that it advertises: %s", b->id,
                            why.msg);
    }
    b->client = client;
    return SL_OK;
}

enum sl_err
cluster_broker(struct cluster *c, int32_t id, struct client **ret, struct sl_error *err)
{
    for (size_t i = 0; i < c->broker_count; i++) {
        struct cluster_broker *b = &c->brokers[i];
        if (b->id != id) {
            continue;
        }
        if (c->broker_count == 1) {
            *ret = c->seed;
            return SL_OK;
        }
        enum sl_err rc = b->client == NULL ? broker_connect(b, err) : SL_OK;
        if (rc == SL_OK) {
            *ret = b->client;
        }
        return rc;
    }
    return sl_error_set(err, SL_ENOENT, "there is no broker %d; `sluice status` lists them", id);
}

enum sl_err
cluster_controller(struct cluster *c, struct client **ret, struct sl_error *err)
{
    if (c->controller_id < 0) {
        *ret = c->seed;
        return SL_OK;
    }
    return cluster_broker(c, c->controller_id, ret, err);
}

enum sl_err
cluster_coordinator(struct cluster *c, const char *group, int32_t *ret_id, int16_t *ret_error,
                    struct sl_error *err)
{
    struct span key = span_cstr(group);
    struct find_coordinator_request in = {.key = key,
                                          .coordinator_keys = {.items = &key, .count = 1}};
    struct find_coordinator_response out;
    const struct client_question q = {
        .key = API_FIND_COORDINATOR, .version = CLIENT_BEST, .in = &in, .out = &out};
    enum sl_err rc = client_ask(c->seed, &q, err);
    if (rc != SL_OK) {
        return rc;
    }
    if (client_version(c->seed, API_FIND_COORDINATOR) < COORDINATORS_SINCE) {
        *ret_id = out.node_id;
        *ret_error = out.error_code;
        return SL_OK;
    }
    if (out.coordinators.count != 1) {
        return sl_error_set(err, SL_EMALFORMED, "the answer of %s names no coordinator",
                            client_address(c->seed));
    }
    *ret_id = out.coordinators.items[0].node_id;
    *ret_error = out.coordinators.items[0].error_code;
    return SL_OK;
}

enum sl_err
cluster_metadata(struct cluster *c, const char *topic, struct metadata_response *ret,
                 struct sl_error *err)
{
    struct metadata_request in;
    struct metadata_request_topic one = {.name = span_cstr(topic)};
    metadata_request_init(&in); /* all topics */
    in.allow_auto_topic_creation = false;
    if (topic != NULL) {
        in.topics.items = &one;
        in.topics.count = 1;
    }
    return metadata_ask(c, &in, ret, err);
}
