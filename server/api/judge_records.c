/* The only look inside a batch that a produce takes, and only for topics that ask for it: those
 * that are compacted want a key in every record (one without would stand in the way for ever), and
 * the times of records must lie within a topic's bounds.
 *
 * A batch is decompressed only if its head leaves a doubt. The head says the largest time, which is
 * all that the default bounds need: no record may be more than an hour ahead. Records are looked at
 * one by one when there is a bound on old times as well, when the head is already out of bounds (to
 * tell which records it is), or for keys. */
#include "api/judge_records_int.h"

enum { SCRATCH_MAX = 128 << 20, NO_TIMESTAMP = -1 };

struct judging {
    struct request *req;
    const struct topic *topic;
    const struct produce_request_partition *in;
    struct produce_response_partition *resp;
    bool has_keys, has_times; /* to be looked at */
    int64_t earliest, latest;
    size_t found; /* records at fault; the first RECORD_ERRORS_MAX are listed */
    struct span key_text;
};

static bool
is_in_time(const struct judging *j, int64_t timestamp)
{
    return timestamp == NO_TIMESTAMP || (timestamp >= j->earliest && timestamp <= j->latest);
}

static void
set_times(struct judging *j, const struct batch_info *info)
{
    const struct topic_options *o = &j->topic->options;
    int64_t now = sched_wall_ms(j->req->loop);
    if (o->is_log_append_time) {
        return; /* whatever the producer wrote is written over */
    }
    j->earliest =
        o->timestamp_before_max_ms == INT64_MAX ? INT64_MIN : now - o->timestamp_before_max_ms;
    j->latest =
        o->timestamp_after_max_ms > INT64_MAX - now ? INT64_MAX : now + o->timestamp_after_max_ms;
    j->has_times = j->earliest != INT64_MIN || !is_in_time(j, info->max_timestamp);
}

/* --- faults --- */

static void
list_fault(struct judging *j, int32_t index, struct span text)
{
    struct produce_response_partition *resp = j->resp;
    if (resp->record_errors.items == NULL) {
        resp->record_errors.items = (struct produce_response_record_error *)arena_array(
            &j->req->arena, RECORD_ERRORS_MAX, sizeof(resp->record_errors.items[0]));
    }
    if (resp->record_errors.items != NULL && resp->record_errors.count < RECORD_ERRORS_MAX) {
        resp->record_errors.items[resp->record_errors.count++] =
            (struct produce_response_record_error){index, text};
    }
    j->found++;
}

static void
fault_key(struct judging *j, int32_t index)
{
    if (j->key_text.ptr == NULL) {
        j->key_text = api__text(
            j->req, "Compacted topic cannot accept message without key in topic partition %.*s-%d",
            (int)j->topic->name.len, (const char *)j->topic->name.ptr, j->in->index);
    }
    list_fault(j, index, j->key_text);
}

static void
fault_time(struct judging *j, int32_t index, int64_t timestamp)
{
    struct span text = {NULL, 0};
    if (j->resp->record_errors.count < RECORD_ERRORS_MAX) {
        text = api__text(j->req,
                         "Timestamp %lld of message with offset %d is out of range. The timestamp "
                         "should be within [%lld, %lld]",
                         (long long)timestamp, index, (long long)j->earliest, (long long)j->latest);
    }
    list_fault(j, index, text);
}

/* --- look --- */

/* Faults of one kind only: keys come first, as in Kafka. */
static enum sl_err
look(struct judging *j, struct bytes *scratch)
{
    struct record_iter it;
    struct record rec;
    enum sl_err kind = SL_OK;
    enum sl_err rc = records_open(j->in->records, scratch, &it);
    for (int32_t i = 0; rc == SL_OK && record_next(&it, &rec); i++) {
        if (j->has_keys && rec.key.ptr == NULL && kind != SL_EINVALID_TIMESTAMP) {
            kind = SL_EINVALID_RECORD;
            fault_key(j, i);
        } else if (j->has_times && !is_in_time(j, rec.timestamp) && kind != SL_EINVALID_RECORD) {
            kind = SL_EINVALID_TIMESTAMP;
            fault_time(j, i, rec.timestamp);
        }
    }
    if (rc != SL_OK || it.rc != SL_OK) {
        j->resp->record_errors.count = 0;
        return SL_EMALFORMED;
    }
    return kind;
}

static const char *
why_keys(struct judging *j)
{
    struct span text = api__text(j->req,
                                 "One or more records have been rejected due to %zu record errors "
                                 "in total: %.*s",
                                 j->found, (int)j->key_text.len, (const char *)j->key_text.ptr);
    const char *copy = api__cstr(j->req, text);
    return copy != NULL ? copy : "A compacted topic cannot accept messages without keys";
}

enum sl_err
api__judge_records(struct request *req, const struct topic *t,
                   const struct produce_request_partition *in, const struct batch_info *info,
                   struct produce_response_partition *resp, const char **ret_why)
{
    struct judging j = {
        .req = req, .topic = t, .in = in, .resp = resp, .has_keys = t->options.is_compacted};
    struct bytes scratch;
    set_times(&j, info);
    if (!j.has_keys && !j.has_times) {
        return SL_OK;
    }
    bytes_init(&scratch, SCRATCH_MAX);
    enum sl_err rc = look(&j, &scratch);
    bytes_fini(&scratch);
    if (rc == SL_EMALFORMED) {
        *ret_why = "the batch cannot be decompressed, or its records make no sense";
        return SL_EINVALID_RECORD;
    }
    if (rc == SL_EINVALID_RECORD) {
        *ret_why = why_keys(&j);
    } else if (rc == SL_EINVALID_TIMESTAMP) {
        *ret_why = "One or more records have been rejected due to invalid timestamp";
    }
    return rc;
}
