/* ElectLeaders: every partition has the leader that it should have, because any broker can serve
 * it. So a partition that is named needs no election, and when all are meant there is nothing to
 * tell (Kafka leaves those out that need none). */
#include "wire/messages/elect_leaders.h"

#include "api/api_int.h"

enum { ELECTION_PREFERRED = 0, ELECTION_UNCLEAN = 1 };

struct elect_leaders {
    struct request *req;
    const struct request_header *h;
    struct elect_leaders_request in;
    struct elect_leaders_response resp;
    struct topics_refresh refresh;
};

static void
judge_partition(struct request *req, const struct topic *t, struct span name,
                struct elect_leaders_response_partition *out)
{
    if (t != NULL && out->partition_id >= 0 && out->partition_id < t->partition_count) {
        out->error_code = KAFKA_ELECTION_NOT_NEEDED;
        out->error_message = span_cstr("Leader election not needed for topic partition.");
        return;
    }
    out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    out->error_message =
        t == NULL ? api__text(req, "No such topic as %.*s", (int)name.len, (const char *)name.ptr)
                  : api__text(req, "No such partition as %.*s-%d", (int)name.len,
                              (const char *)name.ptr, out->partition_id);
}

/* False at the arena's ceiling. */
static bool
judge_topic(struct request *req, const struct elect_leaders_request_topic *in,
            struct elect_leaders_response_result *out)
{
    out->topic = in->topic;
    out->partition_result.count = in->partitions.count;
    out->partition_result.items = (struct elect_leaders_response_partition *)arena_array(
        &req->arena, in->partitions.count, sizeof(struct elect_leaders_response_partition));
    if (out->partition_result.items == NULL) {
        return false;
    }
    struct topic *t = directory_find(req->broker->topics, in->topic);
    for (size_t i = 0; i < in->partitions.count; i++) {
        out->partition_result.items[i].partition_id = in->partitions.items[i];
        judge_partition(req, t, in->topic, &out->partition_result.items[i]);
    }
    topic_unref(&t);
    return true;
}

static bool
judge_all(struct elect_leaders *e)
{
    size_t count = e->in.topic_partitions.items == NULL ? 0 : e->in.topic_partitions.count;
    e->resp.replica_election_results.count = count;
    e->resp.replica_election_results.items = (struct elect_leaders_response_result *)arena_array(
        &e->req->arena, count, sizeof(struct elect_leaders_response_result));
    if (e->resp.replica_election_results.items == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!judge_topic(e->req, &e->in.topic_partitions.items[i],
                         &e->resp.replica_election_results.items[i])) {
            return false;
        }
    }
    return true;
}

static void
reply(struct elect_leaders *e)
{
    if (!judge_all(e)) {
        api_close(e->req, "the request names too many partitions");
        return;
    }
    api_reply(e->req, e->h, &e->resp);
}

static void
refreshed(struct topics_refresh *r)
{
    reply((struct elect_leaders *)r->arg);
}

static bool
is_topic_missing(const struct elect_leaders *e)
{
    size_t count = e->in.topic_partitions.items == NULL ? 0 : e->in.topic_partitions.count;
    for (size_t i = 0; i < count; i++) {
        if (api__is_topic_missing(e->req, e->in.topic_partitions.items[i].topic)) {
            return true;
        }
    }
    return false;
}

void
elect_leaders_handle(struct request *req, const struct request_header *h)
{
    struct elect_leaders *e = (struct elect_leaders *)arena_alloc(&req->arena, sizeof(*e));
    if (e == NULL) {
        api_close(req, "the request is too large to be decoded");
        return;
    }
    if (!api_decode(req, h, &e->in)) {
        return;
    }
    e->req = req;
    e->h = h;
    if (!authorize(req, ACL_ALTER, ACL_CLUSTER, span_cstr("kafka-cluster"))) {
        e->resp.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    } else if (e->in.election_type != ELECTION_PREFERRED &&
               e->in.election_type != ELECTION_UNCLEAN) {
        e->resp.error_code = KAFKA_INVALID_REQUEST;
    } else if (is_topic_missing(e)) {
        api__refresh_topics(req, &e->refresh, refreshed, e);
        return;
    } else {
        reply(e);
        return;
    }
    api_reply(req, h, &e->resp);
}
